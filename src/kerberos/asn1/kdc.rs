use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

use super::{
    Encoded, EncryptedData, Exactly, Flags, HostAddress, KerberosString, KerberosTime, KeyValue,
    PaData, PrincipalName, Ticket, Unsigned32,
};
use crate::error::{Error, InvalidMessage, InvalidMessageKind};

/// Which of the two exchanges with a KDC a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageType {
    /// AS-REQ and AS-REP: 10 and 11.
    As,
    /// TGS-REQ and TGS-REP: 12 and 13.
    Tgs,
}

impl MessageType {
    const fn request(self) -> i32 {
        match self {
            Self::As => 10,
            Self::Tgs => 12,
        }
    }

    const fn reply(self) -> i32 {
        match self {
            Self::As => 11,
            Self::Tgs => 13,
        }
    }
}

/// The identifier octet of `[APPLICATION number]`, constructed (X.690, 8.1.2).
const fn application(number: u8) -> u8 {
    0x60 | number
}

/// KDC-REQ (RFC 4120, section 5.4.1).
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[non_exhaustive]
pub struct KdcReq {
    /// 5.
    #[rasn(tag(explicit(1)))]
    pub pvno: Exactly<5>,
    /// 10 or 12.
    #[rasn(tag(explicit(2)))]
    pub msg_type: i32,
    /// Pre-authentication data; absent rather than empty.
    #[rasn(tag(explicit(3)))]
    pub padata: Option<Vec<PaData>>,
    /// The body, whose octets checksums cover.
    #[rasn(tag(explicit(4)))]
    pub req_body: Encoded<KdcReqBody>,
}

#[derive(AsnType, Decode, Encode)]
#[rasn(tag(explicit(application, 10)), delegate)]
struct AsReq(KdcReq);

#[derive(AsnType, Decode, Encode)]
#[rasn(tag(explicit(application, 12)), delegate)]
struct TgsReq(KdcReq);

impl KdcReq {
    /// From parts.
    pub fn new(kind: MessageType, padata: Vec<PaData>, req_body: Encoded<KdcReqBody>) -> Self {
        Self {
            pvno: Exactly,
            msg_type: kind.request(),
            // RFC 4120, section 5.4.1: padata is "SEQUENCE OF PA-DATA OPTIONAL -- NOTE: not empty".
            padata: (!padata.is_empty()).then_some(padata),
            req_body,
        }
    }

    /// Decodes an AS-REQ or a TGS-REQ.
    ///
    /// # Errors
    /// Where it is malformed, or neither.
    pub fn decode(message: &[u8]) -> Result<(MessageType, Self), InvalidMessage> {
        let (kind, request) = if message.first() == Some(&application(12)) {
            let TgsReq(request) = super::decode(message, "TGS-REQ")?;
            (MessageType::Tgs, request)
        } else {
            let AsReq(request) = super::decode(message, "AS-REQ")?;
            (MessageType::As, request)
        };
        check_type("KDC-REQ.msg-type", request.msg_type, kind.request())?;
        Ok((kind, request))
    }

    /// Encodes it.
    ///
    /// # Errors
    /// Where it is longer than [`super::MAX_LEN`].
    pub fn encode(self) -> Result<Vec<u8>, Error> {
        if self.msg_type == MessageType::Tgs.request() {
            super::encode(&TgsReq(self), "TGS-REQ")
        } else {
            super::encode(&AsReq(self), "AS-REQ")
        }
    }
}

/// KDC-REQ-BODY (RFC 4120, section 5.4.1).
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[non_exhaustive]
pub struct KdcReqBody {
    /// What is asked for.
    #[rasn(tag(explicit(0)))]
    pub kdc_options: Flags,
    /// The client, in an AS-REQ only.
    #[rasn(tag(explicit(1)))]
    pub cname: Option<PrincipalName>,
    /// The service's realm, and the client's in an AS-REQ.
    #[rasn(tag(explicit(2)))]
    pub realm: KerberosString,
    /// The service.
    #[rasn(tag(explicit(3)))]
    pub sname: Option<PrincipalName>,
    /// The beginning of a postdated ticket.
    #[rasn(tag(explicit(4)))]
    pub from: Option<KerberosTime>,
    /// When the ticket may end.
    #[rasn(tag(explicit(5)))]
    pub till: KerberosTime,
    /// Until when it should be renewable.
    #[rasn(tag(explicit(6)))]
    pub rtime: Option<KerberosTime>,
    /// Comes back in the reply. Below 2³¹, since old KDCs take it for a number with a sign.
    #[rasn(tag(explicit(7)))]
    pub nonce: Unsigned32,
    /// The encryption types that the client takes, the preferred one first.
    #[rasn(tag(explicit(8)))]
    pub etype: Vec<i32>,
    /// Whence the ticket may be used.
    #[rasn(tag(explicit(9)))]
    pub addresses: Option<Vec<HostAddress>>,
    /// Authorization data for the ticket.
    #[rasn(tag(explicit(10)))]
    pub enc_authorization_data: Option<EncryptedData>,
    /// For user-to-user: the other side's ticket-granting ticket.
    #[rasn(tag(explicit(11)))]
    pub additional_tickets: Option<Vec<Encoded<Ticket>>>,
}

impl KdcReqBody {
    /// Encodes it, once and for all.
    ///
    /// # Errors
    /// Where it is longer than [`super::MAX_LEN`].
    pub fn encode(self) -> Result<Encoded<Self>, Error> {
        Encoded::encode(self, "KDC-REQ-BODY")
    }
}

/// KDC-REP (RFC 4120, section 5.4.2).
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[non_exhaustive]
pub struct KdcRep {
    /// 5.
    #[rasn(tag(explicit(0)))]
    pub pvno: Exactly<5>,
    /// 11 or 13.
    #[rasn(tag(explicit(1)))]
    pub msg_type: i32,
    /// Pre-authentication data.
    #[rasn(tag(explicit(2)))]
    pub padata: Option<Vec<PaData>>,
    /// The client's realm.
    #[rasn(tag(explicit(3)))]
    pub crealm: KerberosString,
    /// The client.
    #[rasn(tag(explicit(4)))]
    pub cname: PrincipalName,
    /// The ticket.
    #[rasn(tag(explicit(5)))]
    pub ticket: Encoded<Ticket>,
    /// An [`EncKdcRepPart`].
    #[rasn(tag(explicit(6)))]
    pub enc_part: EncryptedData,
}

#[derive(AsnType, Decode, Encode)]
#[rasn(tag(explicit(application, 11)), delegate)]
struct AsRep(KdcRep);

#[derive(AsnType, Decode, Encode)]
#[rasn(tag(explicit(application, 13)), delegate)]
struct TgsRep(KdcRep);

impl KdcRep {
    /// Decodes an AS-REP or a TGS-REP.
    ///
    /// # Errors
    /// Where it is malformed, or of the other kind.
    pub fn decode(kind: MessageType, message: &[u8]) -> Result<Self, InvalidMessage> {
        let reply = match kind {
            MessageType::As => super::decode::<AsRep>(message, "AS-REP")?.0,
            MessageType::Tgs => super::decode::<TgsRep>(message, "TGS-REP")?.0,
        };
        check_type("KDC-REP.msg-type", reply.msg_type, kind.reply())?;
        Ok(reply)
    }

    /// Encodes it.
    ///
    /// # Errors
    /// Where it is longer than [`super::MAX_LEN`].
    pub fn encode(self) -> Result<Vec<u8>, Error> {
        if self.msg_type == MessageType::Tgs.reply() {
            super::encode(&TgsRep(self), "TGS-REP")
        } else {
            super::encode(&AsRep(self), "AS-REP")
        }
    }
}

fn check_type(field: &'static str, found: i32, expected: i32) -> Result<(), InvalidMessage> {
    if found == expected {
        Ok(())
    } else {
        Err(InvalidMessage::new(field, 0, InvalidMessageKind::BadValue))
    }
}

/// EncKDCRepPart (RFC 4120, section 5.4.2).
#[derive(AsnType, Debug, Decode, Encode)]
#[non_exhaustive]
pub struct EncKdcRepPart {
    /// The session key.
    #[rasn(tag(explicit(0)))]
    pub key: KeyValue,
    /// When the client was last seen.
    #[rasn(tag(explicit(1)))]
    pub last_req: Vec<LastReqEntry>,
    /// That of the request.
    #[rasn(tag(explicit(2)))]
    pub nonce: Unsigned32,
    /// When the client's password expires.
    #[rasn(tag(explicit(3)))]
    pub key_expiration: Option<KerberosTime>,
    /// The ticket's flags.
    #[rasn(tag(explicit(4)))]
    pub flags: Flags,
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
    /// The service's realm.
    #[rasn(tag(explicit(9)))]
    pub srealm: KerberosString,
    /// The service.
    #[rasn(tag(explicit(10)))]
    pub sname: PrincipalName,
    /// Whence the ticket can be used.
    #[rasn(tag(explicit(11)))]
    pub caddr: Option<Vec<HostAddress>>,
    /// Pre-authentication data that are protected (RFC 6806, section 11).
    #[rasn(tag(explicit(12)))]
    pub encrypted_pa_data: Option<Vec<PaData>>,
}

#[derive(AsnType, Decode, Encode)]
#[rasn(tag(explicit(application, 25)), delegate)]
struct EncAsRepPart(EncKdcRepPart);

#[derive(AsnType, Decode, Encode)]
#[rasn(tag(explicit(application, 26)), delegate)]
struct EncTgsRepPart(EncKdcRepPart);

impl EncKdcRepPart {
    /// Decodes one, with either tag.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn decode(octets: &[u8]) -> Result<Self, InvalidMessage> {
        // RFC 4120, section 5.4.2: "Some implementations unconditionally send an encrypted EncTGSRepPart (application tag
        // number 26) in this field regardless of whether the reply is a AS-REP or a TGS-REP."
        if octets.first() == Some(&application(26)) {
            super::decode::<EncTgsRepPart>(octets, "EncTGSRepPart").map(|part| part.0)
        } else {
            super::decode::<EncAsRepPart>(octets, "EncASRepPart").map(|part| part.0)
        }
    }

    /// Encodes it, with the tag that the exchange wants.
    ///
    /// # Errors
    /// Where it is longer than [`super::MAX_LEN`].
    pub fn encode(self, kind: MessageType) -> Result<Vec<u8>, Error> {
        match kind {
            MessageType::As => super::encode(&EncAsRepPart(self), "EncASRepPart"),
            MessageType::Tgs => super::encode(&EncTgsRepPart(self), "EncTGSRepPart"),
        }
    }
}

/// An element of LastReq (RFC 4120, section 5.4.2).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastReqEntry {
    /// What happened then.
    #[rasn(tag(explicit(0)))]
    pub lr_type: i32,
    /// When.
    #[rasn(tag(explicit(1)))]
    pub lr_value: KerberosTime,
}
