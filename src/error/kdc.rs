use crate::kdc::KdcUnreachable;

/// What a KDC refused, or what is wrong with its answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KdcError {
    /// KDC_ERR_C_PRINCIPAL_UNKNOWN.
    #[error("it does not know the client")]
    ClientUnknown,
    /// KDC_ERR_S_PRINCIPAL_UNKNOWN.
    #[error("it does not know the service")]
    ServiceUnknown,
    /// KDC_ERR_NAME_EXP, KDC_ERR_CLIENT_REVOKED.
    #[error("the account is disabled, expired or locked out")]
    ClientRevoked,
    /// KDC_ERR_KEY_EXPIRED.
    #[error("the password has expired and must be changed")]
    PasswordExpired,
    /// KDC_ERR_PREAUTH_FAILED, or an answer that the password does not open.
    #[error("the password or key is wrong")]
    WrongPassword,
    /// KRB_AP_ERR_SKEW, after the KDC's own time was tried.
    #[error("the clocks are too far apart")]
    ClockSkew,
    /// KDC_ERR_ETYPE_NOSUPP, or a choice of the KDC's that was not offered.
    #[error("no encryption type in common: compare both ends' lists")]
    NoCommonEncryptionType,
    /// KDC_ERR_PREAUTH_REQUIRED, for methods that this crate does not have; some KDCs also say so where they have no key of
    /// an encryption type that was offered.
    #[error(
        "it wants a pre-authentication that this crate does not have, or has no key of an encryption type that was offered"
    )]
    NoCommonPreAuthentication,
    /// String-to-key parameters that would make a password cheap to guess, or the work endless.
    #[error("it asks for a derivation of the key that is too cheap or too expensive")]
    UnfitStringToKey,
    /// The service's host is given by its address, under which no KDC knows it.
    #[error("the service principal name holds an IP address: Kerberos needs the host's name")]
    HostIsAddress,
    /// KDC_ERR_WRONG_REALM, without saying which is the right one.
    #[error("the client or the service belongs to another realm")]
    WrongRealm,
    /// There is neither a ticket that is valid nor anything to get one by.
    #[error("no ticket at hand is valid now, and there is no password or key to get one by")]
    NoTicket,
    /// Referrals to other realms, too many or in a circle.
    #[error("it refers the client from realm to realm without an end")]
    ReferralLoop,
    /// An answer that is not to the question: the field says where it differs.
    #[error("its answer does not fit the question: {0}")]
    UnfitReply(&'static str),
    /// KDC_ERR_MUST_USE_USER2USER.
    #[error("the service has tickets for user-to-user only")]
    UserToUserRequired,
    /// KRB_ERR_RESPONSE_TOO_BIG, over a transport that should not know it.
    #[error("its answer does not fit into a datagram: ask it over TCP")]
    ResponseTooBig,
    /// No KDC answered.
    #[error(transparent)]
    Unreachable(#[from] KdcUnreachable),
    /// Any other error code of RFC 4120, section 7.5.9.
    #[error("error code {0} (RFC 4120, section 7.5.9)")]
    Other(i32),
}

/// Why a server refuses a ticket, as its KRB-ERROR says, which nothing authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketRefusal {
    /// KRB_AP_ERR_BAD_INTEGRITY, KRB_AP_ERR_MODIFIED.
    #[error(
        "it cannot open it: its keytab or its password is not the one that the KDC has, or the name is another server's"
    )]
    WrongKey,
    /// KRB_AP_ERR_NOT_US, KRB_AP_ERR_BADKEYVER, KRB_AP_ERR_NOKEY.
    #[error(
        "it has no key for it: its keytab lacks the service's name, or the key's present version"
    )]
    NoKey,
    /// KRB_AP_ERR_TKT_EXPIRED, KRB_AP_ERR_TKT_NYV.
    #[error("it is not valid now, by the server's clock")]
    NotValidNow,
    /// KRB_AP_ERR_REPEAT.
    #[error("it has seen this message before")]
    Replayed,
    /// KRB_AP_ERR_SKEW, after the server's own time was tried.
    #[error("the clocks are too far apart")]
    ClockSkew,
    /// KRB_AP_ERR_USER_TO_USER_REQUIRED, where there is no ticket-granting ticket to go on with.
    #[error("it takes user-to-user only")]
    UserToUserRequired,
    /// KRB_AP_ERR_NO_TGT.
    #[error("it has no ticket-granting ticket for user-to-user")]
    NoTicketGrantingTicket,
    /// Any other error code of RFC 4120, section 7.5.9.
    #[error("error code {0} (RFC 4120, section 7.5.9)")]
    Other(i32),
}
