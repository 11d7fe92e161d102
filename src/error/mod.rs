//! Errors, grouped by whose fault they are, and the one decision about what the peer is told.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::environment::GetRandomFailed;
use crate::mechanism::Mechanism;
use crate::name::InvalidName;

pub mod codes;
mod delegation;
mod invalid_message;
mod kdc;
mod krb_error_code;
mod nt_status;
mod peer;
mod pkinit;
mod progress;
mod rdp;
mod tls;
mod winrm;

pub use delegation::{DelegationDenied, DelegationDeniedReason};
pub use invalid_message::{InvalidMessage, InvalidMessageKind};
pub use kdc::{KdcError, TicketRefusal};
pub use krb_error_code::KrbErrorCode;
pub use nt_status::NtStatus;
pub use peer::{PeerIncompatible, PeerMisbehaved};
pub use pkinit::{KdcCertificateProblem, PkinitError, SignError};
pub use progress::{HandshakeError, Progress, Step};
pub use rdp::NegotiationFailure;
pub use tls::TlsError;
pub use winrm::WinRmError;

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

    /// A server of Remote Desktop refused the connection in RDP_NEG_FAILURE (MS-RDPBCGR, section 2.2.1.2.2).
    #[error("the server refused the connection: {0}")]
    ConnectionRefused(NegotiationFailure),

    /// A server of Remote Desktop took the logon, but not the user: AUTHZ_ACCESS_DENIED (MS-RDPBCGR, section 2.2.10.2).
    #[error("the server denies access: {}", rdp::access_denied())]
    EarlyAuthorizationDenied,

    /// WinRM stands in the way.
    #[error("WinRM: {0}")]
    WinRm(#[from] WinRmError),

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
            // The client may try again later.
            Self::AuthenticationFailed {
                reason: AuthenticationFailure::ReplayCacheFull,
                ..
            } => Some(NtStatus::NO_LOGON_SERVERS),
            Self::AuthenticationFailed { .. }
            | Self::PeerIncompatible(_)
            | Self::PublicKeyMismatch => Some(NtStatus::LOGON_FAILURE),
            Self::InvalidMessage(_) | Self::PeerMisbehaved(_) => Some(NtStatus::INVALID_PARAMETER),
            Self::Other(_) | Self::GetRandomFailed(_) => Some(NtStatus::NO_LOGON_SERVERS),
            Self::Rejected(_)
            | Self::ConnectionRefused(_)
            | Self::EarlyAuthorizationDenied
            | Self::WinRm(_)
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

    /// Whether an acceptor failed so because it is not set up for what it was asked, and another mechanism may do.
    pub(crate) fn permits_other_mechanism(&self) -> bool {
        matches!(
            self,
            Self::ApiMisuse(ApiMisuse::NoServiceCredentials)
                | Self::AuthenticationFailed {
                    reason: AuthenticationFailure::NoServiceTgt,
                    ..
                }
        )
    }

    /// The variant's name, e.g. `AuthenticationFailed`: a stable word for logs and machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InvalidMessage(_) => "InvalidMessage",
            Self::PeerMisbehaved(_) => "PeerMisbehaved",
            Self::PeerIncompatible(_) => "PeerIncompatible",
            Self::Rejected(_) => "Rejected",
            Self::ConnectionRefused(_) => "ConnectionRefused",
            Self::EarlyAuthorizationDenied => "EarlyAuthorizationDenied",
            Self::WinRm(_) => "WinRm",
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
    /// The ticket's time is over (KRB_AP_ERR_TKT_EXPIRED).
    #[error(
        "the client's ticket has expired: it must get a new one; if it has, compare the clocks"
    )]
    TicketExpired,
    /// The ticket's time has not come, or it is postdated and not validated (KRB_AP_ERR_TKT_NYV).
    #[error("the client's ticket is not valid yet: compare this server's clock with the KDC's")]
    TicketNotYetValid,
    /// No key for the service that the ticket is for (KRB_AP_ERR_NOKEY, KRB_AP_ERR_NOT_US).
    #[error(
        "the ticket is for a service of which the keytab has no key: compare the name that the client asks for with \
         `klist -k`, and export the keys of the account that has this name"
    )]
    NoServiceKey,
    /// The ticket is for a service that is not among the accepted ones (KRB_AP_ERR_NOT_US).
    #[error(
        "the ticket is for a service that this server does not accept: add its name to \
         ServiceCredentials::accept_principals if it should"
    )]
    ServiceNotAccepted,
    /// Keys of the service, but none of the ticket's version or encryption type (KRB_AP_ERR_BADKEYVER).
    #[error(
        "the keytab has no key of the ticket's version and encryption type: the account's password was changed since the \
         keytab was exported, so export it again; the client's old tickets fail until they expire"
    )]
    WrongKeyVersion,
    /// A key that should open the ticket does not (KRB_AP_ERR_BAD_INTEGRITY).
    #[error(
        "the service's key does not open the ticket: the keytab holds another password's or salt's key, or two accounts \
         have the service's name; export the keytab again"
    )]
    WrongTicketKey,
    /// The session key does not open the authenticator (KRB_AP_ERR_BAD_INTEGRITY).
    #[error("the authenticator does not open: it was changed, or its sender only has the ticket")]
    WrongAuthenticator,
    /// The authenticator names another client than the ticket (KRB_AP_ERR_BADMATCH).
    #[error("the authenticator names another client than the ticket")]
    ClientMismatch,
    /// The authenticator has come before (KRB_AP_ERR_REPEAT).
    #[error("the authenticator has come before: somebody repeats what the client sent")]
    ReplayedAuthenticator,
    /// So many authenticators are remembered that there is no room for another.
    #[error(
        "the replay cache is full of authenticators that could still be repeated: give it more room"
    )]
    ReplayCacheFull,
    /// An encryption type that is not permitted.
    #[error(
        "the ticket, its session key or the client's subkey is of an encryption type that is not permitted: give the \
         service's account AES keys, or permit the type in ServiceCredentials::encryption_types"
    )]
    EncryptionTypeNotPermitted,
    /// Nobody has checked the realms that the ticket came through.
    #[error(
        "no KDC has checked the realms that the ticket came through: add them to ServiceCredentials::transited_realms if \
         they are all to be trusted"
    )]
    TransitedNotChecked,
    /// The checksum of RFC 4121, section 4.1.1, is missing or malformed (KRB_AP_ERR_INAPP_CKSUM).
    #[error(
        "the authenticator has no GSS-API checksum, in which the client says what it wants and which channel it is on"
    )]
    MissingGssChecksum,
    /// The client does not ask for mutual authentication.
    #[error(
        "the client does not ask for mutual authentication, without which CredSSP is not to be had"
    )]
    MissingMutual,
    /// The client does not ask for confidentiality and integrity.
    #[error(
        "the client does not ask for confidentiality and integrity, without which CredSSP is not to be had"
    )]
    MissingProtection,
    /// User-to-user without a ticket-granting ticket of the server's (KRB_AP_ERR_NO_TGT).
    #[error(
        "the client wants user-to-user, for which it has to ask for this server's own ticket-granting ticket: give \
         ServiceCredentials a ServiceTgt, and renew it in time"
    )]
    NoServiceTgt,
    /// The client's name cannot be written so that it is nobody else's.
    #[error("the client's name is empty, not UTF-8, or has a slash inside a component")]
    AmbiguousName,
    /// Authorization data of a kind that is not known, and that must not be ignored (RFC 4120, section 5.2.6).
    #[error(
        "the ticket or the authenticator has a restriction that this crate does not know, and that it must obey"
    )]
    UnknownRestriction,
    /// The PAC is not signed with the service's key, or belongs to another ticket (MS-PAC, section 2.8).
    #[error("the ticket's PAC does not verify: it was changed, or belongs to another ticket")]
    WrongPac,
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
    /// Remote Credential Guard was requested for credentials that delegate something else.
    #[error(
        "Remote Credential Guard delegates TSRemoteGuardCreds, and these credentials something else"
    )]
    CredentialsFitNoRemoteGuard,
    /// Credentials for WinRM that are not fresh, or delegate something else than a name and a password.
    #[error(
        "CredSSP in WinRM delegates a user name and a password that are passed for this logon, and these credentials are \
         others"
    )]
    CredentialsFitNoWinRm,
    /// A body to seal that is empty, or not as long as was said.
    #[error("a body that is sealed has one octet at least, and is as long as was said before")]
    WrongBodyLength,
    /// A version outside 2 to 6 was configured, or the least is above our own.
    #[error("CredSSP versions are 2 to 6, and the lowest accepted must not exceed our own")]
    BadVersion,
    /// A value does not fit the field of a message that should hold it.
    #[error("a value of {0} is too long for its message")]
    TooLong(&'static str),
    /// A Kerberos acceptor without keys.
    #[error(
        "Kerberos has no key of this service: give it ServiceCredentials with a keytab, or do not enable it on the server"
    )]
    NoServiceCredentials,
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
