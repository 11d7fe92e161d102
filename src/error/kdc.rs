use super::{KrbErrorCode, PkinitError};
use crate::kdc::KdcUnreachable;

/// What a KDC refused, or what is wrong with its answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KdcError {
    /// KDC_ERR_C_PRINCIPAL_UNKNOWN.
    #[error("{}", KrbErrorCode::C_PRINCIPAL_UNKNOWN)]
    ClientUnknown,
    /// KDC_ERR_S_PRINCIPAL_UNKNOWN.
    #[error("{}", KrbErrorCode::S_PRINCIPAL_UNKNOWN)]
    ServiceUnknown,
    /// KDC_ERR_NAME_EXP.
    #[error("{}", KrbErrorCode::NAME_EXP)]
    ClientExpired,
    /// KDC_ERR_CLIENT_REVOKED.
    #[error("{}", KrbErrorCode::CLIENT_REVOKED)]
    ClientRevoked,
    /// KDC_ERR_KEY_EXPIRED.
    #[error("{}", KrbErrorCode::KEY_EXPIRED)]
    PasswordExpired,
    /// KDC_ERR_PREAUTH_FAILED, or an answer that the password does not open.
    #[error(
        "KDC_ERR_PREAUTH_FAILED (24), or an answer that the key does not open: the password or key is wrong: type it anew, \
         or export the keytab anew; do not try often, for that locks accounts"
    )]
    WrongPassword,
    /// KRB_AP_ERR_SKEW, after the KDC's own time was tried.
    #[error("{}", KrbErrorCode::SKEW)]
    ClockSkew,
    /// KDC_ERR_ETYPE_NOSUPP, or a choice of the KDC's that was not offered.
    #[error(
        "KDC_ERR_ETYPE_NOSUPP (14), or a choice that was not offered: there is no encryption type in common: compare both \
         ends' lists; where the account has old keys only, allow it AES and set its password anew"
    )]
    NoCommonEncryptionType,
    /// KDC_ERR_PREAUTH_REQUIRED, for methods that this crate does not have; some KDCs also say so where they have no key of
    /// an encryption type that was offered.
    #[error(
        "KDC_ERR_PREAUTH_REQUIRED (25): it wants a pre-authentication that this crate does not have, or has no key of an \
         encryption type that was offered: allow the account a password's timestamp, and encryption types that both ends \
         have"
    )]
    NoCommonPreAuthentication,
    /// String-to-key parameters that would make a password cheap to guess, or the work endless.
    #[error(
        "it asks for a derivation of the key that is too cheap or too expensive: see that it is the right KDC, and set the password anew there"
    )]
    UnfitStringToKey,
    /// The service's host is given by its address, under which no KDC knows it.
    #[error("the service principal name holds an IP address: Kerberos needs the host's name")]
    HostIsAddress,
    /// KDC_ERR_WRONG_REALM, without saying which is the right one.
    #[error("{}", KrbErrorCode::WRONG_REALM)]
    WrongRealm,
    /// There is neither a ticket that is valid nor anything to get one by.
    #[error(
        "no ticket at hand is valid now, and there is no password or key to get one by: get one by `kinit`, or give one of them"
    )]
    NoTicket,
    /// Referrals to other realms, too many or in a circle.
    #[error(
        "it refers the client from realm to realm without an end: have the trusts and the host's domain-to-realm mapping reviewed"
    )]
    ReferralLoop,
    /// An answer that is not to the question: the field says where it differs.
    #[error("its answer does not fit the question: {0}")]
    UnfitReply(&'static str),
    /// KDC_ERR_MUST_USE_USER2USER.
    #[error("{}", KrbErrorCode::MUST_USE_USER2USER)]
    UserToUserRequired,
    /// KRB_ERR_RESPONSE_TOO_BIG, over a transport that should not know it.
    #[error("{}", KrbErrorCode::RESPONSE_TOO_BIG)]
    ResponseTooBig,
    /// A logon by certificate failed.
    #[error(transparent)]
    Pkinit(#[from] PkinitError),
    /// No KDC answered.
    #[error(transparent)]
    Unreachable(#[from] KdcUnreachable),
    /// Any other error code of RFC 4120, section 7.5.9.
    #[error("{}", KrbErrorCode::from_number(*.0))]
    Other(i32),
}

/// Why a server refuses a ticket, as its KRB-ERROR says, which nothing authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketRefusal {
    /// KRB_AP_ERR_BAD_INTEGRITY, KRB_AP_ERR_MODIFIED.
    #[error(
        "KRB_AP_ERR_BAD_INTEGRITY (31) or KRB_AP_ERR_MODIFIED (41): it cannot open it: its keytab or its password is not the \
         one that the KDC has, or the name is another server's: export the keytab anew, and look for a second account \
         with the name, `setspn -X`"
    )]
    WrongKey,
    /// KRB_AP_ERR_NOT_US, KRB_AP_ERR_BADKEYVER, KRB_AP_ERR_NOKEY.
    #[error(
        "KRB_AP_ERR_NOT_US (35), KRB_AP_ERR_BADKEYVER (44) or KRB_AP_ERR_NOKEY (45): it has no key for it: its keytab lacks \
         the service's name, or the key's present version: compare with `klist -k`, and export it anew"
    )]
    NoKey,
    /// KRB_AP_ERR_TKT_EXPIRED, KRB_AP_ERR_TKT_NYV.
    #[error(
        "KRB_AP_ERR_TKT_EXPIRED (32) or KRB_AP_ERR_TKT_NYV (33): it is not valid now, by the server's clock: log on anew; if \
         the ticket is new, compare the clocks"
    )]
    NotValidNow,
    /// KRB_AP_ERR_REPEAT.
    #[error("{}", KrbErrorCode::REPEAT)]
    Replayed,
    /// KRB_AP_ERR_SKEW, after the server's own time was tried.
    #[error("{}", KrbErrorCode::SKEW)]
    ClockSkew,
    /// KRB_AP_ERR_USER_TO_USER_REQUIRED, where there is no ticket-granting ticket to go on with.
    #[error("{}", KrbErrorCode::USER_TO_USER_REQUIRED)]
    UserToUserRequired,
    /// KRB_AP_ERR_NO_TGT.
    #[error("{}", KrbErrorCode::NO_TGT)]
    NoTicketGrantingTicket,
    /// Any other error code of RFC 4120, section 7.5.9.
    #[error("{}", KrbErrorCode::from_number(*.0))]
    Other(i32),
}
