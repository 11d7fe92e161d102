//! Which services may receive credentials: the client's delegation policy, after the group policies of Windows.
//!
//! The names are those of the registry below `Software\Policies\Microsoft\Windows\CredentialsDelegation`. *Fresh*
//! credentials are those that a caller passes for this one logon, which is all that this crate has.

use std::fmt;
use std::str::FromStr;

use crate::error::{DelegationDenied, DelegationDeniedReason};
use crate::name::{InvalidName, ServicePrincipalName};
use crate::proof::ServerProof;

/// The client's delegation policy. The default permits nothing.
///
/// A target receives credentials where a pattern allows it and none denies it. Which list of patterns has to allow it
/// depends on how the server has proved who it is: see [`ServerProof`].
///
/// ```
/// use credssp::policy::DelegationPolicy;
///
/// let policy = DelegationPolicy::default()
///     .allow_fresh("WSMAN/*.example.com".parse()?)
///     .deny_fresh("WSMAN/*.dmz.example.com".parse()?);
/// # Ok::<(), credssp::name::InvalidName>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DelegationPolicy {
    allow_fresh: Vec<SpnPattern>,
    allow_fresh_when_ntlm_only: Vec<SpnPattern>,
    deny_fresh: Vec<SpnPattern>,
}

impl DelegationPolicy {
    /// What Windows does where no policy is configured: every Remote Desktop host, `TERMSRV/*`, however it has proved
    /// itself.
    pub fn windows_defaults() -> Self {
        Self::default()
            .allow_fresh(SpnPattern::new("TERMSRV/*"))
            .allow_fresh_when_ntlm_only(SpnPattern::new("TERMSRV/*"))
    }

    /// Every service, even one that has proved nothing but that somebody behind it knows the account.
    ///
    /// Whoever answers in the server's name then receives the whole credential.
    pub fn permit_everything() -> Self {
        Self::default()
            .allow_fresh(SpnPattern::new("*"))
            .allow_fresh_when_ntlm_only(SpnPattern::new("*"))
    }

    /// `AllowFreshCredentials`: targets that prove themselves by their certificate or by Kerberos.
    #[must_use]
    pub fn allow_fresh(mut self, pattern: SpnPattern) -> Self {
        self.allow_fresh.push(pattern);
        self
    }

    /// `AllowFreshCredentialsWhenNTLMOnly`: targets that have no other proof than NTLM. It does not count for a target that
    /// has one.
    #[must_use]
    pub fn allow_fresh_when_ntlm_only(mut self, pattern: SpnPattern) -> Self {
        self.allow_fresh_when_ntlm_only.push(pattern);
        self
    }

    /// `DenyFreshCredentials`: targets that receive nothing, whatever allows them and however they prove themselves.
    #[must_use]
    pub fn deny_fresh(mut self, pattern: SpnPattern) -> Self {
        self.deny_fresh.push(pattern);
        self
    }

    /// Whether `target`, proved by `proof`, may receive credentials.
    ///
    /// # Errors
    /// Where it may not, with the reason.
    pub fn check(
        &self,
        target: &ServicePrincipalName,
        proof: ServerProof,
    ) -> Result<(), DelegationDenied> {
        let name = normalized(target.as_str());
        let any = |patterns: &[SpnPattern]| patterns.iter().any(|pattern| pattern.fits(&name));
        let reason = if any(&self.deny_fresh) {
            DelegationDeniedReason::Denied
        } else {
            match proof {
                ServerProof::Kerberos | ServerProof::Certificate if any(&self.allow_fresh) => {
                    return Ok(());
                }
                ServerProof::None if any(&self.allow_fresh_when_ntlm_only) => return Ok(()),
                ServerProof::None if any(&self.allow_fresh) => DelegationDeniedReason::NtlmOnly,
                _ => DelegationDeniedReason::NotAllowed,
            }
        };
        Err(DelegationDenied {
            target: target.clone(),
            proof,
            reason,
        })
    }

    /// Whether `target` may receive credentials with at least one of the proofs that are still `possible`.
    ///
    /// Asked whenever proofs drop out, so that a server that can no longer receive anything sees no further response. No
    /// possible proof counts as [`ServerProof::None`].
    ///
    /// # Errors
    /// Where it may not, with the reason that stands against the best of these proofs.
    pub fn check_possible(
        &self,
        target: &ServicePrincipalName,
        possible: &[ServerProof],
    ) -> Result<(), DelegationDenied> {
        let best = possible
            .iter()
            .copied()
            .max_by_key(|proof| match proof {
                ServerProof::Kerberos => 2,
                ServerProof::Certificate => 1,
                ServerProof::None => 0,
            })
            .unwrap_or(ServerProof::None);
        self.check(target, best).or_else(|denied| {
            possible
                .iter()
                .find_map(|proof| self.check(target, *proof).ok())
                .ok_or(denied)
        })
    }
}

/// A pattern of service principal names, such as `WSMAN/*.example.com`.
///
/// It has at most one `*`, which stands for any text, also for an empty one and for one with dots; all else is compared
/// whole and without regard to ASCII case. A dot at the end of the host is not regarded. A port is part of the name:
/// `TERMSRV/host` does not fit `TERMSRV/host:3390`.
///
/// ```
/// use credssp::ServicePrincipalName;
/// use credssp::policy::SpnPattern;
///
/// let pattern: SpnPattern = "WSMAN/*.example.com".parse()?;
/// assert!(pattern.matches(&ServicePrincipalName::wsman("a.b.Example.com")?));
/// assert!(!pattern.matches(&ServicePrincipalName::wsman("example.com")?));
/// # Ok::<(), credssp::name::InvalidName>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SpnPattern(Box<str>);

impl SpnPattern {
    fn new(pattern: &str) -> Self {
        Self(normalized(pattern).into())
    }

    /// Whether it fits `target`.
    pub fn matches(&self, target: &ServicePrincipalName) -> bool {
        self.fits(&normalized(target.as_str()))
    }

    fn fits(&self, name: &str) -> bool {
        match self.0.split_once('*') {
            Some((head, tail)) => name
                .strip_prefix(head)
                .is_some_and(|rest| rest.ends_with(tail)),
            None => *name == *self.0,
        }
    }
}

impl FromStr for SpnPattern {
    type Err = InvalidName;

    /// # Errors
    /// Where there are two `*`, a white space or a control character, or neither a `*` nor the `/` that every name has.
    fn from_str(pattern: &str) -> Result<Self, Self::Err> {
        let foreign = |c: char| c.is_whitespace() || c.is_control();
        if pattern.matches('*').count() > 1
            || pattern.contains(foreign)
            || !pattern.contains(['/', '*'])
        {
            return Err(InvalidName {
                expected: "a pattern with at most one `*`, such as TERMSRV/host.example.com, WSMAN/*.example.com or \
                           TERMSRV/*",
            });
        }
        Ok(Self::new(pattern))
    }
}

impl TryFrom<&str> for SpnPattern {
    type Error = InvalidName;

    fn try_from(pattern: &str) -> Result<Self, Self::Error> {
        pattern.parse()
    }
}

impl fmt::Display for SpnPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SpnPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpnPattern({})", self.0)
    }
}

/// The form in which names and patterns are compared: small letters, and no dot at the end of the host.
fn normalized(name: &str) -> String {
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

    const PROOFS: [ServerProof; 3] = [
        ServerProof::Kerberos,
        ServerProof::Certificate,
        ServerProof::None,
    ];

    fn spn(name: &str) -> ServicePrincipalName {
        name.parse().unwrap()
    }

    fn pattern(pattern: &str) -> SpnPattern {
        pattern.parse().unwrap()
    }

    fn reason(
        policy: &DelegationPolicy,
        target: &str,
        proof: ServerProof,
    ) -> Option<DelegationDeniedReason> {
        let denied = policy.check(&spn(target), proof).err()?;
        assert_eq!((denied.target, denied.proof), (spn(target), proof));
        Some(denied.reason)
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
        for text in ["", "host", "TERMSRV/*.*", "**", "TERMSRV/ *", "TERMSRV/a\n"] {
            let error = SpnPattern::try_from(text).unwrap_err();
            assert!(error.to_string().contains("at most one `*`"), "{text:?}");
        }
    }

    #[test]
    fn the_default_permits_nothing() {
        for proof in PROOFS {
            assert_eq!(
                reason(&DelegationPolicy::default(), "TERMSRV/a", proof),
                Some(DelegationDeniedReason::NotAllowed)
            );
        }
    }

    #[test]
    fn windows_permits_remote_desktop_and_nothing_else() {
        for proof in PROOFS {
            let policy = DelegationPolicy::windows_defaults();
            assert_eq!(reason(&policy, "TERMSRV/a.example.com", proof), None);
            assert_eq!(
                reason(&policy, "WSMAN/a.example.com", proof),
                Some(DelegationDeniedReason::NotAllowed)
            );
        }
    }

    #[test]
    fn everything_is_permitted_by_name_only() {
        for proof in PROOFS {
            let policy = DelegationPolicy::permit_everything();
            assert_eq!(reason(&policy, "WSMAN/a", proof), None);
        }
    }

    #[test]
    fn each_allow_list_counts_for_its_own_proofs() {
        let policy = DelegationPolicy::default()
            .allow_fresh(pattern("WSMAN/proved"))
            .allow_fresh_when_ntlm_only(pattern("WSMAN/unproved"));
        for proof in [ServerProof::Kerberos, ServerProof::Certificate] {
            assert_eq!(reason(&policy, "WSMAN/proved", proof), None);
            assert_eq!(
                reason(&policy, "WSMAN/unproved", proof),
                Some(DelegationDeniedReason::NotAllowed)
            );
        }
        assert_eq!(reason(&policy, "WSMAN/unproved", ServerProof::None), None);
        assert_eq!(
            reason(&policy, "WSMAN/proved", ServerProof::None),
            Some(DelegationDeniedReason::NtlmOnly)
        );
        assert_eq!(
            reason(&policy, "WSMAN/other", ServerProof::None),
            Some(DelegationDeniedReason::NotAllowed)
        );
    }

    #[test]
    fn deny_wins() {
        let policy = DelegationPolicy::permit_everything().deny_fresh(pattern("*.dmz.example.com"));
        for proof in PROOFS {
            assert_eq!(reason(&policy, "WSMAN/a.example.com", proof), None);
            for target in ["WSMAN/a.dmz.example.com", "WSMAN/a.DMZ.example.com."] {
                assert_eq!(
                    reason(&policy, target, proof),
                    Some(DelegationDeniedReason::Denied)
                );
            }
        }
    }

    #[test]
    fn one_permitted_proof_among_the_possible_ones_is_enough() {
        let policy = DelegationPolicy::default().allow_fresh(pattern("WSMAN/a"));
        let check = |possible: &[ServerProof]| {
            policy
                .check_possible(&spn("WSMAN/a"), possible)
                .map_err(|denied| (denied.proof, denied.reason))
        };
        assert_eq!(check(&PROOFS), Ok(()));
        assert_eq!(
            check(&[ServerProof::None, ServerProof::Certificate]),
            Ok(())
        );
        let ntlm_only = Err((ServerProof::None, DelegationDeniedReason::NtlmOnly));
        assert_eq!(check(&[ServerProof::None]), ntlm_only);
        assert_eq!(check(&[]), ntlm_only);

        let policy = DelegationPolicy::default().allow_fresh_when_ntlm_only(pattern("WSMAN/a"));
        assert!(policy.check_possible(&spn("WSMAN/a"), &PROOFS).is_ok());
        let denied = policy.check_possible(&spn("WSMAN/b"), &PROOFS).unwrap_err();
        assert_eq!(denied.proof, ServerProof::Kerberos);
        assert_eq!(denied.reason, DelegationDeniedReason::NotAllowed);
    }
}
