use std::error::Error as StdError;
use std::fmt;
use std::net::IpAddr;

use super::NtStatus;
use crate::group_policy::{CredentialClass, PolicyList, PolicyState, RestrictedDelegation};
use crate::name::ServicePrincipalName;
use crate::proof::{CertificateProblem, ServerProof};

/// Our delegation policy refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DelegationDenied {
    /// The target.
    pub target: ServicePrincipalName,
    /// The class of the credentials.
    pub class: CredentialClass,
    /// The best proof of the server that was left when the policy was asked; for [`DelegationDeniedReason::Restricted`], which no
    /// proof changes, none.
    pub proof: ServerProof,
    /// Why.
    pub reason: DelegationDeniedReason,
    /// The list that forbids it, or that would have to allow it; none for [`DelegationDeniedReason::Restricted`].
    pub list: Option<PolicyList>,
    /// How that policy stands.
    pub state: PolicyState,
    /// The pattern that denies the target, or the one that would allow it if the server had a better proof.
    pub pattern: Option<Box<str>>,
    /// Why the server's certificate does not prove it, where that is known.
    pub certificate: Option<Box<CertificateProblem>>,
}

impl DelegationDenied {
    /// The code by which Windows says the same (MS-ERREF, section 2.1.1): `SEC_E_POLICY_NLTM_ONLY` where a better proof of
    /// the server would be enough, else `SEC_E_DELEGATION_POLICY`.
    pub fn status(&self) -> NtStatus {
        match self.reason {
            DelegationDeniedReason::NtlmOnly => NtStatus::SEC_E_POLICY_NLTM_ONLY,
            DelegationDeniedReason::Denied
            | DelegationDeniedReason::NotAllowed
            | DelegationDeniedReason::Restricted(_) => NtStatus::SEC_E_DELEGATION_POLICY,
        }
    }

    /// Adds why the server's certificate does not prove it.
    pub(crate) fn because_of(mut self, problem: &CertificateProblem) -> Self {
        self.certificate = Some(Box::new(problem.clone()));
        self
    }

    /// The patterns to add: the name itself, and its domain's where that is not perhaps all of `com`. Without a proof, whoever
    /// answers in any name of the domain would have the credentials: there the name has to do.
    fn patterns(&self) -> String {
        let target = &self.target;
        let has_port = target.without_port() != target.as_str();
        match self.host().split_once('.') {
            Some((_, domain))
                if self.proof != ServerProof::None
                    && domain.contains('.')
                    && !self.is_address()
                    && !has_port =>
            {
                format!("{target} or {}/*.{domain}", target.class())
            }
            _ => target.to_string(),
        }
    }

    /// The host, as Kerberos knows it: without the dot at its end.
    fn host(&self) -> &str {
        self.target.host().trim_end_matches('.')
    }

    fn is_address(&self) -> bool {
        self.host().parse::<IpAddr>().is_ok()
    }

    /// How the server comes to a better proof.
    fn write_proofs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, .. } = self;
        f.write_str("give it a certificate that is trusted here and names the host")?;
        if target.class().eq_ignore_ascii_case("WSMAN") {
            f.write_str(
                " (which WinRM uses once its configuration names it: winrm set winrm/config/service \
                 @{CertificateThumbprint=\"...\"})",
            )?;
        }
        f.write_str(", pin the certificate, or ")?;
        if self.is_address() {
            f.write_str("connect to it by name, for Kerberos knows no addresses")
        } else {
            // Kerberos knows services without a port.
            let (class, host) = (target.class(), self.host());
            write!(
                f,
                "let Kerberos prove it, for which its account has to have the name {class}/{host} (setspn -Q {class}/{host} \
                 finds it, setspn -S {class}/{host} ACCOUNT adds it)"
            )
        }
    }
}

impl fmt::Display for DelegationDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_reason(f)?;
        let by_proof = matches!(
            self.reason,
            DelegationDeniedReason::NotAllowed | DelegationDeniedReason::NtlmOnly
        );
        match &self.certificate {
            Some(problem) if by_proof && self.proof == ServerProof::None => {
                write!(f, "; its certificate does not prove it: {problem}")?;
            }
            _ => {}
        }
        let status = self.status();
        let name = status.name().unwrap_or_default();
        write!(f, " [{name}, 0x{:08X}]", status.to_u32())
    }
}

impl DelegationDenied {
    fn write_reason(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target,
            class,
            proof,
            state,
            ..
        } = self;
        let list = self
            .list
            .unwrap_or_else(|| PolicyList::allowing(*class, *proof == ServerProof::None));
        let pattern = self.pattern.as_deref().unwrap_or(target.as_str());
        match self.reason {
            DelegationDeniedReason::Denied => write!(
                f,
                "policy {list} forbids delegating {class} credentials to {target}: its pattern {pattern} fits; take it out, \
                 or make it narrower"
            ),
            DelegationDeniedReason::NotAllowed => {
                write!(
                    f,
                    "no policy allows delegating {class} credentials to {target} (with the server proved by {proof}): {list} is \
                     {state}"
                )?;
                match state {
                    PolicyState::Enabled => write!(
                        f,
                        ", but no pattern in it fits; add the pattern {}",
                        self.patterns()
                    )?,
                    PolicyState::NotConfigured | PolicyState::Disabled => {
                        write!(f, "; enable it with the pattern {}", self.patterns())?;
                    }
                }
                if *proof != ServerProof::None {
                    return Ok(());
                }
                let proved = PolicyList::allowing(*class, false);
                write!(
                    f,
                    "; better, add the pattern to {proved} and let the server prove itself: "
                )?;
                self.write_proofs(f)
            }
            DelegationDeniedReason::NtlmOnly => {
                let proved = PolicyList::allowing(*class, false);
                write!(
                    f,
                    "policy {proved} covers {target} by its pattern {pattern}, but the server is not trusted: it has proved \
                     itself by {proof}; "
                )?;
                self.write_proofs(f)?;
                write!(
                    f,
                    "; or, if whoever answers in its name may have the credentials, add the pattern {} to {list}",
                    self.patterns()
                )
            }
            DelegationDeniedReason::Restricted(restriction) => write!(
                f,
                "policy RestrictedRemoteAdministration (\"Restrict delegation of credentials to remote servers\": \
                 {restriction}) forbids delegating to {target} what it could use again: {}",
                restriction.remedy()
            ),
        }
    }
}

impl StdError for DelegationDenied {}

/// Why delegation policy refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelegationDeniedReason {
    /// A deny pattern matches the target.
    Denied,
    /// No allow pattern matches the target (SEC_E_DELEGATION_POLICY).
    NotAllowed,
    /// The target would be allowed if the server had a better proof (SEC_E_POLICY_NLTM_ONLY).
    NtlmOnly,
    /// What would be delegated may go to nobody.
    Restricted(RestrictedDelegation),
}
