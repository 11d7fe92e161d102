//! Which services may receive credentials: the client's delegation policy, after the group policies of Windows.
//!
//! The names are those of the registry below `SOFTWARE\Policies\Microsoft\Windows\CredentialsDelegation`. Credentials have
//! a [`CredentialClass`]: *fresh* are those that a caller passes for this one logon, which all are that the caller does
//! not declare to be something else.
//!
//! [`DelegationPolicy`] is the policy itself. [`MachineSettings`] is what a Windows machine has about CredSSP in its registry,
//! from and to files: the policy, and beside it the [`EncryptionOracleRemediation`] and the [`WinRmSwitches`].

mod decision;
mod list;
mod machine;
mod oracle;
mod pattern;
mod reg;
#[cfg(feature = "serde")]
mod toml;
mod winrm;

use std::collections::BTreeMap;

#[cfg(feature = "serde")]
pub use self::toml::InvalidToml;
pub use crate::group_policy::{
    CredentialClass, DelegatedKind, PolicyList, PolicyState, RestrictedDelegation,
};
pub use decision::{Decision, Permission};
pub use list::{BuiltInDefaults, ListSetting};
pub use machine::MachineSettings;
pub use oracle::EncryptionOracleRemediation;
pub use pattern::{InvalidPattern, SpnPattern};
pub use reg::{InvalidRegFile, RegContents, RegEncoding, RegReport};
pub use winrm::{WinRmCredSsp, WinRmCredSspDisabled, WinRmRole, WinRmSwitches};

use crate::error::{DelegationDenied, DelegationDeniedReason};
use crate::name::ServicePrincipalName;
use crate::proof::ServerProof;

/// The proofs, the best first.
const PROOFS: [ServerProof; 3] = [
    ServerProof::Kerberos,
    ServerProof::Certificate,
    ServerProof::None,
];

/// The client's delegation policy. The default permits nothing.
///
/// A target receives credentials where a pattern allows it and none denies it. Which list of patterns has to allow it
/// depends on the class of the credentials and on how the server has proved who it is: see [`ServerProof`]. A pattern
/// without a port denies its host on every port, while one that allows has to fit the port, too.
///
/// ```
/// use credssp::policy::{CredentialClass, DelegationPolicy};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policy = DelegationPolicy::default()
///     .allow_fresh("WSMAN/*.example.com".parse()?)
///     .deny_fresh("WSMAN/*.dmz.example.com".parse()?);
///
/// // What each proof of the server would lead to, and why.
/// for decision in policy.explain(&"WSMAN/web.example.com".parse()?, CredentialClass::Fresh) {
///     println!("{decision}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DelegationPolicy {
    /// What is configured; a list that is not here is not.
    lists: BTreeMap<PolicyList, ListSetting>,
    built_in: BuiltInDefaults,
    restriction: RestrictedDelegation,
}

impl DelegationPolicy {
    /// What Windows does where no policy is configured: every Remote Desktop host, `TERMSRV/*`, receives fresh credentials,
    /// however it has proved itself, and saved ones, if it has.
    ///
    /// That is a member of a domain. A client on its own lets saved credentials go without a proof, too: see
    /// [`Self::with_built_in_defaults()`] and [`BuiltInDefaults::WindowsWorkgroup`].
    pub fn windows_defaults() -> Self {
        Self::default().with_built_in_defaults(BuiltInDefaults::WindowsDomainMember)
    }

    /// Every service, even one that has proved nothing but that somebody behind it knows the account; credentials of every
    /// class.
    ///
    /// Whoever answers in the server's name then receives the whole credential.
    pub fn permit_everything() -> Self {
        let mut policy = Self::default();
        for class in CredentialClass::ALL {
            for ntlm_only in [false, true] {
                let list = PolicyList::allowing(class, ntlm_only);
                policy.push(list, SpnPattern::new("*"));
            }
        }
        policy
    }

    /// The patterns that count in lists that are not configured, and in those that concatenate.
    #[must_use]
    pub fn with_built_in_defaults(mut self, built_in: BuiltInDefaults) -> Self {
        self.built_in = built_in;
        self
    }

    /// Adds a pattern to a list, and switches the list on.
    #[must_use]
    pub fn with(mut self, list: PolicyList, pattern: SpnPattern) -> Self {
        self.push(list, pattern);
        self
    }

    /// `AllowFreshCredentials`: targets that prove themselves by their certificate or by Kerberos.
    #[must_use]
    pub fn allow_fresh(self, pattern: SpnPattern) -> Self {
        self.with(PolicyList::AllowFresh, pattern)
    }

    /// `AllowFreshCredentialsWhenNTLMOnly`: targets that have no other proof than NTLM. It does not count for a target that
    /// has one.
    #[must_use]
    pub fn allow_fresh_when_ntlm_only(self, pattern: SpnPattern) -> Self {
        self.with(PolicyList::AllowFreshWhenNtlmOnly, pattern)
    }

    /// `DenyFreshCredentials`: targets that receive nothing, whatever allows them and however they prove themselves.
    #[must_use]
    pub fn deny_fresh(self, pattern: SpnPattern) -> Self {
        self.with(PolicyList::DenyFresh, pattern)
    }

    /// Restricts what may be delegated to those whom the lists allow.
    #[must_use]
    pub fn restricted(mut self, restriction: RestrictedDelegation) -> Self {
        self.set_restriction(restriction);
        self
    }

    /// What is configured for `list`.
    pub fn list(&self, list: PolicyList) -> &ListSetting {
        self.lists.get(&list).unwrap_or(&ListSetting::NotConfigured)
    }

    /// Configures `list`.
    pub fn set_list(&mut self, list: PolicyList, setting: ListSetting) {
        match setting {
            ListSetting::NotConfigured => self.lists.remove(&list),
            _ => self.lists.insert(list, setting),
        };
    }

    /// Adds a pattern to `list`, and switches the list on. The built-in patterns count as they did.
    pub fn push(&mut self, list: PolicyList, pattern: SpnPattern) {
        self.lists.entry(list).or_default().push(pattern);
    }

    /// The built-in patterns.
    pub fn built_in_defaults(&self) -> BuiltInDefaults {
        self.built_in
    }

    /// What may be delegated at all.
    pub fn restriction(&self) -> RestrictedDelegation {
        self.restriction
    }

    /// Restricts what may be delegated to those whom the lists allow.
    pub fn set_restriction(&mut self, restriction: RestrictedDelegation) {
        self.restriction = restriction;
    }

    /// Whether `target`, proved by `proof`, may receive credentials of `class`, and by what.
    ///
    /// # Errors
    /// Where it may not, with the reason.
    pub fn decide(
        &self,
        target: &ServicePrincipalName,
        class: CredentialClass,
        proof: ServerProof,
    ) -> Result<Permission, DelegationDenied> {
        let name = pattern::normalized(target.as_str());
        let ntlm_only = proof == ServerProof::None;
        let (deny, allow) = (
            PolicyList::denying(class),
            PolicyList::allowing(class, ntlm_only),
        );
        let denied = |reason, list, pattern: Option<Permission>| DelegationDenied {
            target: target.clone(),
            class,
            proof,
            reason,
            list: Some(list),
            state: self.list(list).state(),
            pattern: pattern.map(|found| found.pattern.as_str().into()),
            certificate: None,
        };
        // A port must not be the way past a denial.
        let host = pattern::normalized(target.without_port());
        if let Some(found) = self.find(deny, &name).or_else(|| self.find(deny, &host)) {
            return Err(denied(DelegationDeniedReason::Denied, deny, Some(found)));
        }
        if let Some(found) = self.find(allow, &name) {
            return Ok(found);
        }
        if ntlm_only && let Some(found) = self.find(PolicyList::allowing(class, false), &name) {
            return Err(denied(DelegationDeniedReason::NtlmOnly, allow, Some(found)));
        }
        Err(denied(DelegationDeniedReason::NotAllowed, allow, None))
    }

    /// What [`Self::decide()`] says to each proof that `target` may give, the best first.
    pub fn explain(
        &self,
        target: &ServicePrincipalName,
        class: CredentialClass,
    ) -> [Decision; PROOFS.len()] {
        PROOFS.map(|proof| Decision {
            proof,
            answer: self.decide(target, class, proof),
        })
    }

    /// Whether a thing of this kind may be delegated at all, whoever receives it.
    ///
    /// # Errors
    /// Where it may not, with the policy that forbids it.
    pub fn check_delegated(
        &self,
        target: &ServicePrincipalName,
        class: CredentialClass,
        delegated: DelegatedKind,
    ) -> Result<(), DelegationDenied> {
        if self.restriction.permits(delegated) {
            return Ok(());
        }
        Err(DelegationDenied {
            target: target.clone(),
            class,
            proof: ServerProof::None,
            reason: DelegationDeniedReason::Restricted(self.restriction),
            list: None,
            state: PolicyState::Enabled,
            pattern: None,
            certificate: None,
        })
    }

    /// Whether `target` may receive credentials of `class` with at least one of the proofs that are still `possible`.
    ///
    /// Asked whenever proofs drop out, so that a server that can no longer receive anything sees no further response. No
    /// possible proof counts as [`ServerProof::None`].
    ///
    /// # Errors
    /// Where it may not, with the reason that stands against the best of these proofs.
    pub fn check_possible(
        &self,
        target: &ServicePrincipalName,
        class: CredentialClass,
        possible: &[ServerProof],
    ) -> Result<(), DelegationDenied> {
        let mut first = None;
        for proof in PROOFS {
            if possible.contains(&proof) {
                match self.decide(target, class, proof) {
                    Ok(_) => return Ok(()),
                    Err(denied) => first.get_or_insert(denied),
                };
            }
        }
        match first {
            Some(denied) => Err(denied),
            None => self.decide(target, class, ServerProof::None).map(drop),
        }
    }

    /// The first pattern of `list` that fits `name`, which is normalized: a configured one, else the built-in one.
    fn find(&self, list: PolicyList, name: &str) -> Option<Permission> {
        let setting = self.list(list);
        let configured = setting.patterns().iter().find(|one| one.fits(name));
        if let Some(pattern) = configured {
            return Some(Permission {
                list,
                pattern: pattern.clone(),
                built_in: false,
            });
        }
        let pattern = self.built_in.pattern(list)?;
        (setting.keeps_defaults() && pattern.fits(name)).then_some(Permission {
            list,
            pattern,
            built_in: true,
        })
    }
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

    fn reason(
        policy: &DelegationPolicy,
        target: &str,
        proof: ServerProof,
    ) -> Option<DelegationDeniedReason> {
        let denied = policy
            .decide(&spn(target), CredentialClass::Fresh, proof)
            .err()?;
        assert_eq!((denied.target, denied.proof), (spn(target), proof));
        Some(denied.reason)
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
    fn a_port_is_no_way_past_a_denial() {
        let allow = DelegationPolicy::permit_everything;
        let host = allow().deny_fresh(pattern("WSMAN/*.dmz.example.com"));
        let address = allow().deny_fresh(pattern("WSMAN/[::1]"));
        let port = allow().deny_fresh(pattern("WSMAN/a.dmz.example.com:1"));
        for (policy, target, denied) in [
            (&host, "WSMAN/a.dmz.example.com:5986", true),
            (&host, "WSMAN/a.dmz.example.com.:5986", true),
            (&host, "WSMAN/dmz.example.com:5986", false),
            (&address, "WSMAN/[::1]:5986", true),
            (&address, "WSMAN/[::2]:5986", false),
            (&port, "WSMAN/a.dmz.example.com:1", true),
            (&port, "WSMAN/a.dmz.example.com:2", false),
            (&port, "WSMAN/a.dmz.example.com", false),
        ] {
            let expected = denied.then_some(DelegationDeniedReason::Denied);
            assert_eq!(
                reason(policy, target, ServerProof::None),
                expected,
                "{target}"
            );
        }
        // What allows stays exact.
        let policy = DelegationPolicy::default().allow_fresh(pattern("WSMAN/a"));
        let not_allowed = Some(DelegationDeniedReason::NotAllowed);
        assert_eq!(
            reason(&policy, "WSMAN/a:1", ServerProof::Kerberos),
            not_allowed
        );
    }

    #[test]
    fn one_permitted_proof_among_the_possible_ones_is_enough() {
        let policy = DelegationPolicy::default().allow_fresh(pattern("WSMAN/a"));
        let check = |possible: &[ServerProof]| {
            policy
                .check_possible(&spn("WSMAN/a"), CredentialClass::Fresh, possible)
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
        assert!(
            policy
                .check_possible(&spn("WSMAN/a"), CredentialClass::Fresh, &PROOFS)
                .is_ok()
        );
        let denied = policy
            .check_possible(&spn("WSMAN/b"), CredentialClass::Fresh, &PROOFS)
            .unwrap_err();
        assert_eq!(denied.proof, ServerProof::Kerberos);
        assert_eq!(denied.reason, DelegationDeniedReason::NotAllowed);
    }
}
