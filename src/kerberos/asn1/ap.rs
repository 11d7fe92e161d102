use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

use super::{
    AuthorizationDataElement, ChecksumValue, Encoded, EncryptedData, Exactly, Flags,
    KerberosString, KerberosTime, KeyValue, Microseconds, PrincipalName, Ticket, Unsigned32,
};
use crate::error::{Error, InvalidMessage};

/// Gives a message its `decode` and `encode`.
macro_rules! message {
    ($type:ident, $name:literal) => {
        impl $type {
            /// Decodes one.
            ///
            /// # Errors
            /// Where it is malformed.
            pub fn decode(octets: &[u8]) -> Result<Self, InvalidMessage> {
                super::decode(octets, $name)
            }

            /// Encodes it.
            ///
            /// # Errors
            /// Where it is longer than [`super::MAX_LEN`].
            pub fn encode(&self) -> Result<Vec<u8>, Error> {
                super::encode(self, $name)
            }
        }
    };
}

pub(super) use message;

/// AP-REQ (RFC 4120, section 5.5.1).
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(tag(explicit(application, 14)))]
#[non_exhaustive]
pub struct ApReq {
    /// 5.
    #[rasn(tag(explicit(0)))]
    pub pvno: Exactly<5>,
    /// 14.
    #[rasn(tag(explicit(1)))]
    pub msg_type: Exactly<14>,
    /// Whether the ticket is for user-to-user, and an AP-REP is wanted.
    #[rasn(tag(explicit(2)))]
    pub ap_options: Flags,
    /// The ticket.
    #[rasn(tag(explicit(3)))]
    pub ticket: Encoded<Ticket>,
    /// An [`Authenticator`].
    #[rasn(tag(explicit(4)))]
    pub authenticator: EncryptedData,
}

message!(ApReq, "AP-REQ");

/// Authenticator (RFC 4120, section 5.5.1).
#[derive(AsnType, Debug, Decode, Encode)]
#[rasn(tag(explicit(application, 2)))]
#[non_exhaustive]
pub struct Authenticator {
    /// 5.
    #[rasn(tag(explicit(0)))]
    pub authenticator_vno: Exactly<5>,
    /// The client's realm.
    #[rasn(tag(explicit(1)))]
    pub crealm: KerberosString,
    /// The client.
    #[rasn(tag(explicit(2)))]
    pub cname: PrincipalName,
    /// What the application adds: RFC 4121, section 4.1.1, or the checksum of a KDC-REQ-BODY.
    #[rasn(tag(explicit(3)))]
    pub cksum: Option<ChecksumValue>,
    /// Microseconds of the client's time.
    #[rasn(tag(explicit(4)))]
    pub cusec: Microseconds,
    /// The client's time.
    #[rasn(tag(explicit(5)))]
    pub ctime: KerberosTime,
    /// The client's subkey.
    #[rasn(tag(explicit(6)))]
    pub subkey: Option<KeyValue>,
    /// The client's first sequence number.
    #[rasn(tag(explicit(7)))]
    pub seq_number: Option<Unsigned32>,
    /// What restricts the ticket further.
    #[rasn(tag(explicit(8)))]
    pub authorization_data: Option<Vec<AuthorizationDataElement>>,
}

message!(Authenticator, "Authenticator");

/// AP-REP (RFC 4120, section 5.5.2).
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(tag(explicit(application, 15)))]
#[non_exhaustive]
pub struct ApRep {
    /// 5.
    #[rasn(tag(explicit(0)))]
    pub pvno: Exactly<5>,
    /// 15.
    #[rasn(tag(explicit(1)))]
    pub msg_type: Exactly<15>,
    /// An [`EncApRepPart`].
    #[rasn(tag(explicit(2)))]
    pub enc_part: EncryptedData,
}

message!(ApRep, "AP-REP");

/// EncAPRepPart (RFC 4120, section 5.5.2).
#[derive(AsnType, Debug, Decode, Encode)]
#[rasn(tag(explicit(application, 27)))]
#[non_exhaustive]
pub struct EncApRepPart {
    /// The authenticator's.
    #[rasn(tag(explicit(0)))]
    pub ctime: KerberosTime,
    /// The authenticator's.
    #[rasn(tag(explicit(1)))]
    pub cusec: Microseconds,
    /// The server's subkey.
    #[rasn(tag(explicit(2)))]
    pub subkey: Option<KeyValue>,
    /// The server's first sequence number.
    #[rasn(tag(explicit(3)))]
    pub seq_number: Option<Unsigned32>,
}

message!(EncApRepPart, "EncAPRepPart");
