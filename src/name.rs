//! Names of services and of accounts.

use std::fmt::{self, Write};
use std::net::Ipv6Addr;
use std::str::FromStr;

/// A service principal name, `class/host` or `class/host:port`, e.g. `TERMSRV/web.example.com`.
///
/// Delegation policy is matched against it, Kerberos asks for a ticket to it, and NTLM puts it into
/// `MsvAvTargetName`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServicePrincipalName(Box<str>);

impl ServicePrincipalName {
    /// For a service class and an instance: `host` or `host:port`, where an IPv6 address with a port is in brackets.
    ///
    /// # Errors
    /// Where a part is empty, holds a `/`, white space or a control character, or the instance is anything else than a host
    /// and a port.
    pub fn new(class: &str, instance: &str) -> Result<Self, InvalidName> {
        let bad = |part: &str| {
            part.is_empty()
                || part
                    .chars()
                    .any(|c| c == '/' || c.is_whitespace() || c.is_control())
        };
        if bad(class) || bad(instance) || !is_instance(instance) {
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
        split_instance(self.parts().1).0
    }

    /// The whole name, less the port.
    pub(crate) fn without_port(&self) -> &str {
        let (_, port) = split_instance(self.parts().1);
        port.and_then(|port| self.0.strip_suffix(port)?.strip_suffix(':'))
            .unwrap_or(&self.0)
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or_default()
    }
}

/// The host in an instance, without brackets, and the port, where there is one.
fn split_instance(instance: &str) -> (&str, Option<&str>) {
    let bracketed = instance.strip_prefix('[');
    if let Some((address, rest)) = bracketed.and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':'));
    }
    match instance.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (instance, None),
    }
}

/// Whether an instance is a host and a port, and nothing else. Policy judges the whole name, while TLS and Kerberos prove the
/// host: were there more to it, `evil.example:x.example.com` would have the one host proved and another one allowed.
fn is_instance(instance: &str) -> bool {
    let (host, port) = split_instance(instance);
    // In one way only, so that no other spelling of a port goes past a pattern.
    let is_port =
        |port: &str| matches!(port.parse::<u16>(), Ok(number) if number.to_string() == port);
    let address = host.split_once('%').map_or(host, |(address, _)| address);
    let is_address = address.parse::<Ipv6Addr>().is_ok();
    let is_whole = match instance.strip_prefix('[') {
        Some(rest) => {
            let rest = rest.strip_prefix(host);
            let rest = rest.and_then(|rest| rest.strip_prefix(']'));
            is_address && rest.is_some_and(|rest| rest.is_empty() || port.is_some())
        }
        None => !host.is_empty() && (is_address || !host.contains([':', '[', ']'])),
    };
    is_whole && port.is_none_or(is_port)
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
    fn an_instance_is_a_host_and_a_port() {
        for (instance, host, without_port) in [
            ("a.example.com", "a.example.com", "S/a.example.com"),
            ("a.example.com.", "a.example.com.", "S/a.example.com."),
            ("a.example.com:5986", "a.example.com", "S/a.example.com"),
            ("10.0.0.1:65535", "10.0.0.1", "S/10.0.0.1"),
            ("::1", "::1", "S/::1"),
            ("fe80::1%eth0", "fe80::1%eth0", "S/fe80::1%eth0"),
            ("[::1]", "::1", "S/[::1]"),
            ("[fe80::1%2]:3389", "fe80::1%2", "S/[fe80::1%2]"),
            (
                "[::ffff:10.0.0.1]:1",
                "::ffff:10.0.0.1",
                "S/[::ffff:10.0.0.1]",
            ),
        ] {
            let name = ServicePrincipalName::new("S", instance).unwrap();
            assert_eq!(name.host(), host);
            assert_eq!(name.without_port(), without_port);
        }
    }

    /// The host that is proved is the one that policy has judged.
    #[test]
    fn refuses_an_instance_with_a_second_host_in_it() {
        for instance in [
            "evil.example:x.example.com",
            "evil.example:443.example.com",
            "[evil.example].example.com",
            "[evil.example]",
            "[::1].example.com",
            "[::1]x:443",
            "[::1]443",
            "[::1",
            "[]",
            "[]:1",
            "[::1]]",
            "::1]",
            "a[::1]",
            "a]:1",
            ":443",
            "a:",
            "[::1]:",
            "a:+80",
            "a:080",
            "a:65536",
            "a:b",
            "a:1:2",
            "a:1:x.example.com",
        ] {
            let name = ServicePrincipalName::new("TERMSRV", instance);
            assert!(name.is_err(), "{instance}");
        }
    }

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
