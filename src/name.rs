//! Names of services and of accounts.

use std::fmt::{self, Write};
use std::str::FromStr;

/// A service principal name, `class/host` or `class/host:port`, e.g. `TERMSRV/web.example.com`.
///
/// Delegation policy is matched against it, Kerberos asks for a ticket to it, and NTLM puts it into
/// `MsvAvTargetName`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServicePrincipalName(Box<str>);

impl ServicePrincipalName {
    /// For a service class and an instance (`host` or `host:port`).
    ///
    /// # Errors
    /// Where a part is empty, holds a `/`, white space or a control character.
    pub fn new(class: &str, instance: &str) -> Result<Self, InvalidName> {
        let bad = |part: &str| {
            part.is_empty()
                || part
                    .chars()
                    .any(|c| c == '/' || c.is_whitespace() || c.is_control())
        };
        if bad(class) || bad(instance) {
            return Err(InvalidName {
                expected: "a service principal name such as TERMSRV/host.example.com",
            });
        }
        Ok(Self([class, "/", instance].concat().into()))
    }

    /// `TERMSRV/host`, the name of a Remote Desktop host.
    ///
    /// # Errors
    /// As [`Self::new()`].
    pub fn termsrv(host: &str) -> Result<Self, InvalidName> {
        Self::new("TERMSRV", host)
    }

    /// `WSMAN/host`, the name by which delegation policy knows a WinRM host.
    ///
    /// # Errors
    /// As [`Self::new()`].
    pub fn wsman(host: &str) -> Result<Self, InvalidName> {
        Self::new("WSMAN", host)
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The service class, e.g. `TERMSRV`.
    pub fn class(&self) -> &str {
        self.parts().0
    }

    /// The host, without a port, and without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        let (_, instance) = self.parts();
        if let Some((address, _)) = instance
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            return address;
        }
        match instance.split_once(':') {
            Some((host, port)) if !port.contains(':') => host,
            _ => instance,
        }
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or_default()
    }
}

impl FromStr for ServicePrincipalName {
    type Err = InvalidName;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let (class, instance) = s.split_once('/').unwrap_or((s, ""));
        Self::new(class, instance)
    }
}

impl fmt::Display for ServicePrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An account: a user and the domain that knows it.
///
/// ```
/// use credssp::AccountName;
///
/// let account: AccountName = r"CORP\alice".parse()?;
/// assert_eq!((account.domain(), account.user()), ("CORP", "alice"));
///
/// // A user principal name is used whole, with an empty domain (MS-NLMP, section 3.3.2).
/// let account: AccountName = "alice@corp.example".parse()?;
/// assert_eq!((account.domain(), account.user()), ("", "alice@corp.example"));
/// # Ok::<(), credssp::name::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountName {
    domain: Box<str>,
    user: Box<str>,
}

impl AccountName {
    /// A user of a domain; the domain may be empty.
    pub fn new(domain: &str, user: &str) -> Self {
        Self {
            domain: domain.into(),
            user: user.into(),
        }
    }

    /// The domain, or an empty string.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The user, or a whole user principal name.
    pub fn user(&self) -> &str {
        &self.user
    }
}

impl FromStr for AccountName {
    type Err = InvalidName;

    /// `DOMAIN\user`, `user@upn.suffix` or `user`.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let (domain, user) = s.split_once('\\').unwrap_or(("", s));
        if user.is_empty() || user.contains('\\') {
            return Err(InvalidName {
                expected: r"an account such as DOMAIN\user, user@example.com or user",
            });
        }
        Ok(Self::new(domain, user))
    }
}

/// `DOMAIN\user`, or the user alone. Control characters are escaped: a client may claim any name, and must not write
/// lines of its own into a log.
impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.domain.is_empty() { "" } else { r"\" };
        for c in [&*self.domain, separator, &*self.user]
            .into_iter()
            .flat_map(str::chars)
        {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// The text is not a name of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid name: expected {expected}")]
#[non_exhaustive]
pub struct InvalidName {
    /// What would have been right.
    pub expected: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_shown_on_one_line() {
        for (domain, user, shown) in [
            ("CORP", "alice", r"CORP\alice"),
            ("", "älice@corp", "älice@corp"),
            (
                "C\0",
                "a\r\nroot logged on\u{1b}[2J\u{85}",
                r"C\u{0}\a\r\nroot logged on\u{1b}[2J\u{85}",
            ),
        ] {
            assert_eq!(AccountName::new(domain, user).to_string(), shown);
        }
    }
}
