use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

use super::ap::message;
use super::{Exactly, KerberosString, KerberosTime, Microseconds, Octets, PrincipalName};
use crate::error::{Error, InvalidMessage, KrbErrorCode};

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
    /// What is wrong, a [`KrbErrorCode`].
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
    pub fn code(&self) -> KrbErrorCode {
        KrbErrorCode::from_number(self.error_code)
    }
}
