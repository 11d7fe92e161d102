//! Errors, grouped by whose fault they are, and the one decision about what the peer is told.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::environment::GetRandomFailed;
use crate::mechanism::Mechanism;
use crate::name::{InvalidName, ServicePrincipalName};
use crate::proof::ServerProof;

mod invalid_message;
mod kdc;
mod nt_status;
mod peer;
mod progress;
mod tls;

pub use invalid_message::{InvalidMessage, InvalidMessageKind};
pub use kdc::{KdcError, TicketRefusal};
pub use nt_status::NtStatus;
pub use peer::{PeerIncompatible, PeerMisbehaved};
pub use progress::{HandshakeError, Progress, Step};
pub use tls::TlsError;

/// Why a handshake, or the protection of a message, failed.
///
/// The text is meant for the caller's own logs and users, never for the peer: what the peer is told is
/// [`Error::nt_status()`], and deliberately coarse.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer's bytes do not parse.
    #[error("invalid message: {0}")]
    InvalidMessage(#[from] InvalidMessage),

    /// The bytes parse, but the protocol forbids them, or forbids them now.
    #[error("the peer misbehaved: {0}")]
    PeerMisbehaved(#[from] PeerMisbehaved),

    /// The peer is correct, but shares no acceptable option with our configuration.
    #[error("the peer is incompatible: {0}")]
    PeerIncompatible(#[from] PeerIncompatible),

    /// A KDC refused, or its answer does not hold.
    #[error("Kerberos cannot log the client on: {0}")]
    Kdc(#[from] KdcError),

    /// A server refused a Kerberos ticket.
    #[error("the server refuses the Kerberos ticket: {0}")]
    TicketRefused(#[from] TicketRefusal),

    /// The peer reported a failure in `TSRequest.errorCode` (MS-CSSP, section 2.2.1).
    #[error("the peer refused the logon: {0}")]
    Rejected(NtStatus),

    /// A proof did not verify.
    #[error("{mechanism} authentication failed: {reason}")]
    AuthenticationFailed {
        /// The mechanism whose proof failed.
        mechanism: Mechanism,
        /// Which proof failed.
        reason: AuthenticationFailure,
    },

    /// The client proved its account, and the account look-up said that it may not log on.
    #[error("the account proved itself but may not log on: {0}")]
    AccountRefused(NtStatus),

    /// `pubKeyAuth` does not cover this TLS channel's public key (MS-CSSP, section 3.1.5).
    #[error(
        "the peer's pubKeyAuth does not cover this TLS channel's public key: somebody may stand between the two ends, \
         or the server presents another certificate than the one it proves"
    )]
    PublicKeyMismatch,

    /// Our own delegation policy forbids sending these credentials to this target.
    #[error(transparent)]
    DelegationDenied(#[from] DelegationDenied),

    /// TLS failed.
    #[error("TLS failed: {0}")]
    Tls(#[from] TlsError),

    /// A name does not parse.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),

    /// The random source failed.
    #[error(transparent)]
    GetRandomFailed(#[from] GetRandomFailed),

    /// The caller broke a rule that the types could not express; never caused by what a peer sends.
    #[error("misuse of the library: {0}")]
    ApiMisuse(#[from] ApiMisuse),

    /// An error from a caller's implementation of one of this crate's traits, or from its account look-up.
    #[error(transparent)]
    Other(#[from] OtherError),
}

impl Error {
    /// What a server tells its client in `TSRequest.errorCode`, or `None` where it only closes.
    ///
    /// This is the one place that decides it. The answer is coarse on purpose: which check failed, and whether an
    /// account exists, is nobody's business who has not proved an account.
    pub fn nt_status(&self) -> Option<NtStatus> {
        match self {
            Self::AccountRefused(status) => Some(*status),
            // MS-CSSP, section 3.1.5.2: an unsupported version SHOULD be answered by STATUS_NOT_SUPPORTED.
            Self::PeerIncompatible(PeerIncompatible::VersionTooOld { .. }) => {
                Some(NtStatus::NOT_SUPPORTED)
            }
            Self::AuthenticationFailed { .. }
            | Self::PeerIncompatible(_)
            | Self::PublicKeyMismatch => Some(NtStatus::LOGON_FAILURE),
            Self::InvalidMessage(_) | Self::PeerMisbehaved(_) => Some(NtStatus::INVALID_PARAMETER),
            Self::Other(_) | Self::GetRandomFailed(_) => Some(NtStatus::NO_LOGON_SERVERS),
            Self::Rejected(_)
            | Self::Kdc(_)
            | Self::TicketRefused(_)
            | Self::DelegationDenied(_)
            | Self::Tls(_)
            | Self::InvalidName(_)
            | Self::ApiMisuse(_) => None,
        }
    }

    /// Whether another mechanism may take the place of the one that failed so before it sent anything.
    ///
    /// Never where somebody has refused a proof: a wrong password stays wrong, and a server that fails its own proof must
    /// not be given a weaker one to fail.
    pub(crate) fn permits_fallback(&self) -> bool {
        matches!(
            self,
            Self::Kdc(
                KdcError::ClockSkew
                    | KdcError::HostIsAddress
                    | KdcError::ServiceUnknown
                    | KdcError::Unreachable(_)
                    | KdcError::WrongRealm
            )
        )
    }

    /// The variant's name, e.g. `AuthenticationFailed`: a stable word for logs and machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InvalidMessage(_) => "InvalidMessage",
            Self::PeerMisbehaved(_) => "PeerMisbehaved",
            Self::PeerIncompatible(_) => "PeerIncompatible",
            Self::Rejected(_) => "Rejected",
            Self::Kdc(_) => "Kdc",
            Self::TicketRefused(_) => "TicketRefused",
            Self::AuthenticationFailed { .. } => "AuthenticationFailed",
            Self::AccountRefused(_) => "AccountRefused",
            Self::PublicKeyMismatch => "PublicKeyMismatch",
            Self::DelegationDenied(_) => "DelegationDenied",
            Self::Tls(_) => "Tls",
            Self::InvalidName(_) => "InvalidName",
            Self::GetRandomFailed(_) => "GetRandomFailed",
            Self::ApiMisuse(_) => "ApiMisuse",
            Self::Other(_) => "Other",
        }
    }
}

/// Which proof failed to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticationFailure {
    /// The response to the challenge does not fit any key that the account look-up gave.
    #[error(
        "the response does not verify: the password is wrong, or meant for another account or domain"
    )]
    WrongResponse,
    /// The account look-up knows no such account.
    #[error("there is no such account here")]
    UnknownAccount,
    /// The message integrity code over the three NTLM messages is wrong (MS-NLMP, section 3.2.5.1.2).
    #[error("the MIC over the exchange does not verify: a message was changed on its way")]
    WrongMic,
    /// The client sent no message integrity code although it was given a timestamp.
    #[error(
        "the client sent no MIC although the challenge held a timestamp: it is too old, or somebody removed it; accept \
         such clients by Ntlm::allow_missing_mic"
    )]
    MissingMic,
    /// The channel bindings are missing or belong to another channel (MS-NLMP, section 2.2.2.1).
    #[error("the channel bindings are missing or belong to another TLS channel")]
    WrongChannelBindings,
    /// The server's AP-REP is not of who can open the ticket, or not to what was sent (RFC 4120, section 3.2.5).
    #[error(
        "the server has not proved itself: its answer is not of who can open the ticket, or not to this client's message"
    )]
    WrongServerProof,
    /// The client's time is too far from ours.
    #[error("the client's clock is too far from this server's: set both clocks")]
    TimeSkew,
    /// The `mechListMIC` does not verify (RFC 4178, section 5).
    #[error("the mechListMIC does not verify: the list of mechanisms was changed on its way")]
    WrongMechListMic,
    /// A sealed or signed message does not verify, or is not the next one in sequence.
    #[error(
        "a protected message does not verify: it was changed, replayed, or sealed under another key"
    )]
    WrongSignature,
}

/// Our delegation policy refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DelegationDenied {
    /// The target.
    pub target: ServicePrincipalName,
    /// The best proof of the server that was left when the policy was asked.
    pub proof: ServerProof,
    /// Why.
    pub reason: DelegationDeniedReason,
}

impl fmt::Display for DelegationDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, proof, .. } = self;
        match self.reason {
            DelegationDeniedReason::Denied => write!(
                f,
                "policy DenyFreshCredentials forbids delegating credentials to {target}: take out the pattern that \
                 matches it"
            ),
            DelegationDeniedReason::NotAllowed => write!(
                f,
                "no policy allows delegating credentials to {target} (server proved by {proof}): add the pattern \
                 {target} to AllowFreshCredentials if the server proves itself by its certificate or by Kerberos, else \
                 to AllowFreshCredentialsWhenNTLMOnly"
            ),
            DelegationDeniedReason::NtlmOnly => write!(
                f,
                "policy AllowFreshCredentials covers {target}, but the server has proved itself by {proof}: give it a \
                 certificate that is trusted and names the host, pin the certificate, or add the pattern {target} to \
                 AllowFreshCredentialsWhenNTLMOnly"
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
}

/// A wrong use of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// The configuration enables no mechanism.
    #[error(
        "the configuration holds no mechanism: enable the feature `ntlm`, or give it a MechanismProvider"
    )]
    NoMechanisms,
    /// The credentials fit none of the configured mechanisms.
    #[error("the credentials fit none of the configured mechanisms")]
    CredentialsFitNoMechanism,
    /// A version outside 2 to 6 was configured, or the least is above our own.
    #[error("CredSSP versions are 2 to 6, and the lowest accepted must not exceed our own")]
    BadVersion,
    /// A value does not fit the field of a message that should hold it.
    #[error("a value of {0} is too long for its message")]
    TooLong(&'static str),
    /// A context has protected as many messages in one direction as its sequence numbers can count.
    #[error("the context has used up its sequence numbers: authenticate anew")]
    ContextExhausted,
}

/// Any other error, shared so that [`Error`] can be cloned.
#[derive(Clone, Debug)]
pub struct OtherError(Arc<dyn StdError + Send + Sync>);

impl OtherError {
    /// Wraps any error, or a text.
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(error.into().into())
    }
}

impl fmt::Display for OtherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for OtherError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}
