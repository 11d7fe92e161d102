use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::name::ServicePrincipalName;

/// A pattern of service principal names, such as `WSMAN/*.example.com`.
///
/// It has at most one `*`, which stands for any text, also for an empty one and for one with dots; all else is compared
/// whole and without regard to ASCII case. A dot at the end of the host is not regarded. A port is part of the name:
/// `TERMSRV/host` does not fit `TERMSRV/host:3390` (yet denies it, see [`DelegationPolicy`](super::DelegationPolicy)). Two patterns that fit the same names are equal; each is shown as it
/// was written.
///
/// ```
/// use credssp::ServicePrincipalName;
/// use credssp::policy::SpnPattern;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pattern: SpnPattern = "WSMAN/*.example.com".parse()?;
/// assert!(pattern.matches(&ServicePrincipalName::wsman("a.b.Example.com")?));
/// assert!(!pattern.matches(&ServicePrincipalName::wsman("example.com")?));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SpnPattern {
    text: Box<str>,
    normalized: Box<str>,
}

impl SpnPattern {
    /// From a text that is known to be a pattern.
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            normalized: normalized(text).into(),
        }
    }

    /// The pattern, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it fits `target`.
    pub fn matches(&self, target: &ServicePrincipalName) -> bool {
        self.fits(&normalized(target.as_str()))
    }

    /// Whether it fits `name`, which is [`normalized()`].
    pub(super) fn fits(&self, name: &str) -> bool {
        match self.normalized.split_once('*') {
            Some((head, tail)) => name
                .strip_prefix(head)
                .is_some_and(|rest| rest.ends_with(tail)),
            None => *name == *self.normalized,
        }
    }
}

impl FromStr for SpnPattern {
    type Err = InvalidPattern;

    /// # Errors
    /// Where there are two `*`, a white space or a control character, or where it fits no name: each has one `/`, between
    /// the service class and the host.
    fn from_str(pattern: &str) -> Result<Self, Self::Err> {
        let foreign = |c: char| c.is_whitespace() || c.is_control();
        let reason = if pattern.matches('*').count() > 1 {
            "it has more than one `*`, of which Windows permits a single one"
        } else if pattern.contains(foreign) {
            "it holds a white space or a control character"
        } else if !pattern.contains(['/', '*']) {
            "it has no service class, such as TERMSRV/ or WSMAN/, before the host"
        } else if pattern.matches('/').count() > 1 {
            "it has more than one `/`, of which a name has a single one, behind the service class"
        } else if pattern.starts_with('/') || pattern.ends_with('/') {
            "it has nothing before or nothing behind the `/`, where a name has the service class and the host"
        } else {
            return Ok(Self::new(pattern));
        };
        Err(InvalidPattern {
            pattern: pattern.into(),
            reason,
        })
    }
}

impl TryFrom<&str> for SpnPattern {
    type Error = InvalidPattern;

    fn try_from(pattern: &str) -> Result<Self, Self::Error> {
        pattern.parse()
    }
}

impl PartialEq for SpnPattern {
    fn eq(&self, other: &Self) -> bool {
        self.normalized == other.normalized
    }
}

impl Eq for SpnPattern {}

impl Hash for SpnPattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normalized.hash(state);
    }
}

impl fmt::Display for SpnPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SpnPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpnPattern({})", self.text)
    }
}

/// The text is no pattern of service principal names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{pattern:?} is no pattern of service principal names: {reason}; expected is one with at most one `*`, such as \
     TERMSRV/host.example.com, WSMAN/*.example.com or TERMSRV/*"
)]
#[non_exhaustive]
pub struct InvalidPattern {
    /// The text.
    pub pattern: Box<str>,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// The form in which names and patterns are compared: small letters, and no dot at the end of the host.
pub(super) fn normalized(name: &str) -> String {
    let mut name = name.to_ascii_lowercase();
    match name.rsplit_once(':') {
        Some((host, port)) if host.ends_with('.') => {
            name = format!("{}:{port}", host.trim_end_matches('.'));
        }
        _ => name.truncate(name.trim_end_matches('.').len()),
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spn(name: &str) -> ServicePrincipalName {
        name.parse().unwrap()
    }

    fn pattern(pattern: &str) -> SpnPattern {
        pattern.parse().unwrap()
    }

    #[test]
    fn patterns_fit_whole_names() {
        for (text, fitting, other) in [
            ("*", &["TERMSRV/a", "WSMAN/b.c:5986"][..], &[][..]),
            (
                "TERMSRV/*",
                &["TERMSRV/a", "termsrv/A.b.c", "TERMSRV/a:3390"],
                &["WSMAN/a", "XTERMSRV/a"],
            ),
            (
                "WSMAN/*.d",
                &["WSMAN/a.d", "wsman/a.b.D", "WSMAN/a.d.", "WSMAN/.d"],
                &["WSMAN/d", "WSMAN/a.d.e", "WSMAN/ad", "WSMAN/a.d:1"],
            ),
            (
                "WSMAN/a.d.",
                &["WSMAN/a.d", "WSMAN/a.d."],
                &["WSMAN/a.d:5986", "WSMAN/a.dd", "WSMAN/a"],
            ),
            (
                "WSMAN/a.d.:5986",
                &["WSMAN/a.d:5986", "WSMAN/a.d.:5986"],
                &["WSMAN/a.d", "WSMAN/a.d:5985"],
            ),
            ("*/a", &["WSMAN/a", "HTTP/A"], &["WSMAN/b.a", "WSMAN/a.b"]),
            ("WSMAN/ab*ba", &["WSMAN/abba"], &["WSMAN/aba", "WSMAN/ab"]),
            ("TERMSRV/[::1]", &["TERMSRV/[::1]"], &["TERMSRV/[::2]"]),
        ] {
            let pattern = pattern(text);
            for name in fitting {
                assert!(pattern.matches(&spn(name)), "{text} {name}");
            }
            for name in other {
                assert!(!pattern.matches(&spn(name)), "{text} {name}");
            }
        }
    }

    #[test]
    fn refuses_patterns_that_nobody_can_mean() {
        for (text, reason) in [
            ("", "no service class"),
            ("host", "no service class"),
            ("TERMSRV/*.*", "more than one `*`"),
            ("**", "more than one `*`"),
            ("TERMSRV/ *", "white space"),
            ("TERMSRV/a\n", "control character"),
            ("WSMAN/WSMAN/a", "more than one `/`"),
            ("WSMAN/http://a", "more than one `/`"),
            ("*/a/*", "more than one `*`"),
            ("*/a/b", "more than one `/`"),
            ("WSMAN/", "nothing behind"),
            ("*/", "nothing behind"),
            ("/a", "nothing before"),
            ("/*", "nothing before"),
        ] {
            let error = SpnPattern::try_from(text).unwrap_err();
            assert_eq!(&*error.pattern, text);
            let shown = error.to_string();
            assert!(shown.contains(reason) && shown.contains(&format!("{text:?}")));
        }
    }

    #[test]
    fn a_pattern_is_shown_as_written_and_compared_by_what_it_fits() {
        let written = pattern("WSMAN/*.Example.com.");
        assert_eq!(written.to_string(), "WSMAN/*.Example.com.");
        assert_eq!(written, pattern("wsman/*.example.COM"));
        assert_ne!(written, pattern("wsman/*.example.org"));
    }
}
