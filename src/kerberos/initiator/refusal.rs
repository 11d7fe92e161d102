#[cfg(feature = "pkinit")]
use crate::error::PkinitError;
use crate::error::{KdcError, TicketRefusal};
use crate::kerberos::asn1::ErrorCode;

/// What a KDC's error says.
pub(super) fn of_kdc(code: ErrorCode) -> KdcError {
    match code {
        ErrorCode::C_PRINCIPAL_UNKNOWN => KdcError::ClientUnknown,
        ErrorCode::S_PRINCIPAL_UNKNOWN => KdcError::ServiceUnknown,
        ErrorCode::NAME_EXP => KdcError::ClientExpired,
        ErrorCode::CLIENT_REVOKED => KdcError::ClientRevoked,
        ErrorCode::KEY_EXPIRED => KdcError::PasswordExpired,
        ErrorCode::PREAUTH_FAILED => KdcError::WrongPassword,
        ErrorCode::PREAUTH_REQUIRED => KdcError::NoCommonPreAuthentication,
        ErrorCode::SKEW => KdcError::ClockSkew,
        ErrorCode::ETYPE_NOSUPP => KdcError::NoCommonEncryptionType,
        ErrorCode::WRONG_REALM => KdcError::WrongRealm,
        ErrorCode::MUST_USE_USER2USER => KdcError::UserToUserRequired,
        ErrorCode::RESPONSE_TOO_BIG => KdcError::ResponseTooBig,
        code => KdcError::Other(code.number()),
    }
}

/// What a KDC's error says to a certificate.
#[cfg(feature = "pkinit")]
pub(super) fn of_certificate(code: ErrorCode) -> KdcError {
    match code {
        ErrorCode::PREAUTH_FAILED => PkinitError::PreAuthenticationFailed.into(),
        ErrorCode::DH_KEY_PARAMETERS_NOT_ACCEPTED => PkinitError::NoCommonGroup.into(),
        code if (62..=81).contains(&code.number()) => PkinitError::CertificateRefused(code).into(),
        code => of_kdc(code),
    }
}

/// What a server's error says.
pub(super) fn of_server(code: ErrorCode) -> TicketRefusal {
    match code {
        ErrorCode::BAD_INTEGRITY | ErrorCode::MODIFIED => TicketRefusal::WrongKey,
        ErrorCode::TKT_EXPIRED | ErrorCode::TKT_NYV => TicketRefusal::NotValidNow,
        ErrorCode::REPEAT => TicketRefusal::Replayed,
        ErrorCode::NOT_US | ErrorCode::BADKEYVER | ErrorCode::NOKEY => TicketRefusal::NoKey,
        ErrorCode::SKEW => TicketRefusal::ClockSkew,
        ErrorCode::USER_TO_USER_REQUIRED => TicketRefusal::UserToUserRequired,
        ErrorCode::NO_TGT => TicketRefusal::NoTicketGrantingTicket,
        code => TicketRefusal::Other(code.number()),
    }
}
