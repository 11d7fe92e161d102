use std::fmt;

use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

use super::ap::message;
use super::{Exactly, KerberosString, KerberosTime, Microseconds, Octets, PrincipalName};
use crate::error::{Error, InvalidMessage};

/// KRB-ERROR (RFC 4120, section 5.9.1). Nothing authenticates it.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(tag(explicit(application, 30)))]
#[non_exhaustive]
pub struct KrbError {
    /// 5.
    #[rasn(tag(explicit(0)))]
    pub pvno: Exactly<5>,
    /// 30.
    #[rasn(tag(explicit(1)))]
    pub msg_type: Exactly<30>,
    /// The time of the request.
    #[rasn(tag(explicit(2)))]
    pub ctime: Option<KerberosTime>,
    /// Its microseconds.
    #[rasn(tag(explicit(3)))]
    pub cusec: Option<Microseconds>,
    /// The server's time.
    #[rasn(tag(explicit(4)))]
    pub stime: KerberosTime,
    /// Its microseconds.
    #[rasn(tag(explicit(5)))]
    pub susec: Microseconds,
    /// What is wrong, an [`ErrorCode`].
    #[rasn(tag(explicit(6)))]
    pub error_code: i32,
    /// The client's realm; in a referral, the one to ask (RFC 6806, section 7).
    #[rasn(tag(explicit(7)))]
    pub crealm: Option<KerberosString>,
    /// The client.
    #[rasn(tag(explicit(8)))]
    pub cname: Option<PrincipalName>,
    /// The service's realm.
    #[rasn(tag(explicit(9)))]
    pub realm: KerberosString,
    /// The service.
    #[rasn(tag(explicit(10)))]
    pub sname: PrincipalName,
    /// What the server says about it.
    #[rasn(tag(explicit(11)))]
    pub e_text: Option<KerberosString>,
    /// More of it: METHOD-DATA for some codes, other structures for others.
    #[rasn(tag(explicit(12)))]
    pub e_data: Option<Octets>,
}

message!(KrbError, "KRB-ERROR");

impl KrbError {
    /// Whether a message is one, by its tag.
    pub fn is_one(message: &[u8]) -> bool {
        message.first() == Some(&0x7e)
    }

    /// What is wrong.
    pub fn code(&self) -> ErrorCode {
        ErrorCode(self.error_code)
    }
}

/// What a KDC or a server says is wrong (RFC 4120, section 7.5.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(i32);

impl ErrorCode {
    /// The account has expired.
    pub const CLIENT_EXPIRED: Self = Self(1);
    /// The KDC does not know the client.
    pub const C_PRINCIPAL_UNKNOWN: Self = Self(6);
    /// The KDC does not know the service.
    pub const S_PRINCIPAL_UNKNOWN: Self = Self(7);
    /// None of the encryption types.
    pub const ETYPE_NOSUPP: Self = Self(14);
    /// The account is disabled, expired or locked out.
    pub const CLIENT_REVOKED: Self = Self(18);
    /// The password has expired.
    pub const KEY_EXPIRED: Self = Self(23);
    /// The password is wrong.
    pub const PREAUTH_FAILED: Self = Self(24);
    /// Pre-authentication is wanted.
    pub const PREAUTH_REQUIRED: Self = Self(25);
    /// In user-to-user, the ticket and the other side's name do not go together.
    pub const SERVER_NOMATCH: Self = Self(26);
    /// The ticket is for user-to-user only (RFC 4120, section 3.7).
    pub const MUST_USE_USER2USER: Self = Self(27);
    /// The KDC cannot answer at present; another one may.
    pub const SVC_UNAVAILABLE: Self = Self(29);
    /// What was encrypted does not open.
    pub const BAD_INTEGRITY: Self = Self(31);
    /// The ticket has expired.
    pub const TKT_EXPIRED: Self = Self(32);
    /// The ticket is not valid yet.
    pub const TKT_NYV: Self = Self(33);
    /// The message came a second time.
    pub const REPEAT: Self = Self(34);
    /// The ticket is another server's.
    pub const NOT_US: Self = Self(35);
    /// The ticket and the authenticator do not match.
    pub const BADMATCH: Self = Self(36);
    /// The clocks are too far apart.
    pub const SKEW: Self = Self(37);
    /// A message of another type than the one that is due.
    pub const MSG_TYPE: Self = Self(40);
    /// The message was changed.
    pub const MODIFIED: Self = Self(41);
    /// The server has the ticket's key in another version.
    pub const BADKEYVER: Self = Self(44);
    /// The server has no key for the ticket.
    pub const NOKEY: Self = Self(45);
    /// The checksum is of another type than is wanted.
    pub const INAPP_CKSUM: Self = Self(50);
    /// The realms that the ticket came through are not trusted.
    pub const PATH_NOT_ACCEPTED: Self = Self(51);
    /// The reply does not fit into a datagram.
    pub const RESPONSE_TOO_BIG: Self = Self(52);
    /// What has no code of its own.
    pub const GENERIC: Self = Self(60);
    /// The server has no ticket-granting ticket to give (RFC 4120, section 3.7).
    pub const NO_TGT: Self = Self(67);
    /// The client is another realm's (RFC 6806, section 7).
    pub const WRONG_REALM: Self = Self(68);
    /// The server takes user-to-user only.
    pub const USER_TO_USER_REQUIRED: Self = Self(69);
    /// Pre-authentication took too long (RFC 6113, section 5.2).
    pub const PREAUTH_EXPIRED: Self = Self(90);

    /// From its number.
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::CLIENT_EXPIRED => "the account has expired",
            Self::C_PRINCIPAL_UNKNOWN => "the KDC does not know the client",
            Self::S_PRINCIPAL_UNKNOWN => "the KDC does not know the service",
            Self::ETYPE_NOSUPP => "the KDC has no key of an encryption type that was offered",
            Self::CLIENT_REVOKED => "the account is disabled, expired or locked out",
            Self::KEY_EXPIRED => "the password has expired and must be changed",
            Self::PREAUTH_FAILED => "the password is wrong",
            Self::PREAUTH_REQUIRED => "the KDC wants another pre-authentication",
            Self::SVC_UNAVAILABLE => "the KDC cannot answer at present",
            Self::SKEW => "the clocks are too far apart",
            Self::RESPONSE_TOO_BIG => "the reply does not fit into a datagram: use TCP",
            Self::WRONG_REALM => "the client belongs to another realm",
            Self::PREAUTH_EXPIRED => "pre-authentication took too long",
            Self::MUST_USE_USER2USER | Self::USER_TO_USER_REQUIRED => "user-to-user is wanted",
            Self::SERVER_NOMATCH => "the additional ticket is another principal's",
            Self::BAD_INTEGRITY => "what was encrypted does not open",
            Self::TKT_EXPIRED => "the ticket has expired",
            Self::TKT_NYV => "the ticket is not valid yet",
            Self::REPEAT => "the message came a second time",
            Self::BADMATCH => "the ticket and the authenticator do not match",
            Self::MSG_TYPE => "a message of another type is due",
            Self::INAPP_CKSUM => "the checksum is of another type than is wanted",
            Self::PATH_NOT_ACCEPTED => "the realms that the ticket came through are not trusted",
            Self::GENERIC => "an error that has no code of its own",
            Self::NOT_US => "the ticket is another server's",
            Self::MODIFIED => "the message was changed",
            Self::BADKEYVER => "the server has the ticket's key in another version",
            Self::NOKEY => "the server has no key for the ticket",
            Self::NO_TGT => "the server has no ticket-granting ticket",
            _ => "see RFC 4120, section 7.5.9",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (KRB-ERROR {})", self.meaning(), self.0)
    }
}
