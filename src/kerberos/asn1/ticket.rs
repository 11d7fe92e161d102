use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

use super::ap::message;
use super::{
    AuthorizationDataElement, Encoded, EncryptedData, Exactly, Flags, HostAddress, KerberosString,
    KerberosTime, KeyValue, Octets, PrincipalName,
};
use crate::error::{Error, InvalidMessage};

/// Ticket (RFC 4120, section 5.3). It is carried as [`Encoded`]: whoever issued it may have encoded it otherwise than we would.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[rasn(tag(explicit(application, 1)))]
#[non_exhaustive]
pub struct Ticket {
    /// 5.
    #[rasn(tag(explicit(0)))]
    pub tkt_vno: Exactly<5>,
    /// The realm that issued it, which is the service's.
    #[rasn(tag(explicit(1)))]
    pub realm: KerberosString,
    /// The service.
    #[rasn(tag(explicit(2)))]
    pub sname: PrincipalName,
    /// An [`EncTicketPart`].
    #[rasn(tag(explicit(3)))]
    pub enc_part: EncryptedData,
}

impl Ticket {
    /// Decodes one, which is all of `octets`.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn decode(octets: &[u8]) -> Result<Encoded<Self>, InvalidMessage> {
        Encoded::decode(octets, "Ticket")
    }
}

/// EncTicketPart (RFC 4120, section 5.3).
#[derive(AsnType, Debug, Decode, Encode)]
#[rasn(tag(explicit(application, 3)))]
#[non_exhaustive]
pub struct EncTicketPart {
    /// The ticket's flags.
    #[rasn(tag(explicit(0)))]
    pub flags: Flags,
    /// The session key.
    #[rasn(tag(explicit(1)))]
    pub key: KeyValue,
    /// The client's realm.
    #[rasn(tag(explicit(2)))]
    pub crealm: KerberosString,
    /// The client.
    #[rasn(tag(explicit(3)))]
    pub cname: PrincipalName,
    /// The realms between the client's and the service's.
    #[rasn(tag(explicit(4)))]
    pub transited: TransitedEncoding,
    /// When the client authenticated.
    #[rasn(tag(explicit(5)))]
    pub authtime: KerberosTime,
    /// When the ticket begins to be valid; `authtime` where absent.
    #[rasn(tag(explicit(6)))]
    pub starttime: Option<KerberosTime>,
    /// When it ceases to be valid.
    #[rasn(tag(explicit(7)))]
    pub endtime: KerberosTime,
    /// Until when it can be renewed.
    #[rasn(tag(explicit(8)))]
    pub renew_till: Option<KerberosTime>,
    /// Whence it can be used; from anywhere where absent.
    #[rasn(tag(explicit(9)))]
    pub caddr: Option<Vec<HostAddress>>,
    /// What restricts or describes the client, a PAC among it.
    #[rasn(tag(explicit(10)))]
    pub authorization_data: Option<Vec<AuthorizationDataElement>>,
}

message!(EncTicketPart, "EncTicketPart");

/// TransitedEncoding (RFC 4120, section 5.3).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransitedEncoding {
    /// How the realms are written.
    #[rasn(tag(explicit(0)))]
    pub tr_type: i32,
    /// The realms.
    #[rasn(tag(explicit(1)))]
    pub contents: Octets,
}
