//! Kerberos' messages (RFC 4120, section 5), as rasn encodes and decodes them.
//!
//! Decoding is strict: DER, nothing behind the message, at most [`MAX_LEN`] octets. It is lenient in three places where
//! real peers are: names hold any octets ([`KerberosString`]), 32-bit numbers may come with a sign or in needless octets
//! ([`Unsigned32`], [`Microseconds`]), and flags may be fewer or more than 32 ([`Flags`]). What was signed or encrypted by
//! somebody is kept as its octets ([`Encoded`]) and never encoded anew.
//!
//! `Debug` shows names, numbers and lengths, but neither keys nor ciphertexts.

use rasn::error::DecodeErrorKind;
use rasn::{Decode, Encode};

use crate::codec::der;
use crate::error::{ApiMisuse, Error, InvalidMessage, InvalidMessageKind};

mod ap;
mod authenticator_checksum;
mod encoded;
mod encrypted;
mod error;
mod framing;
mod kdc;
mod name;
mod pre_authentication;
mod primitive;
mod ticket;
mod time;
mod user_to_user;

pub use crate::error::KrbErrorCode as ErrorCode;
pub use ap::{ApRep, ApReq, Authenticator, EncApRepPart};
pub use authenticator_checksum::{AuthenticatorChecksum, ContextFlags};
pub use encoded::Encoded;
pub use encrypted::{
    AuthorizationDataElement, ChecksumValue, EncryptedData, HostAddress, KeyValue,
};
pub use error::KrbError;
pub use framing::{InitialToken, TokenId};
pub use kdc::{EncKdcRepPart, KdcRep, KdcReq, KdcReqBody, LastReqEntry, MessageType};
pub use name::{KerberosString, PrincipalName};
pub use pre_authentication::{EtypeInfo2Entry, MethodData, PaData, PaEncTsEnc};
pub use primitive::{Exactly, Flags, Microseconds, Octets, SecretOctets, Unsigned32};
pub use ticket::{EncTicketPart, Ticket, TransitedEncoding};
pub use time::KerberosTime;
pub use user_to_user::{TgtReply, TgtRequest};

/// The longest message that is decoded or encoded, in octets: tickets with a large PAC have some 64 KiB.
pub const MAX_LEN: usize = 1 << 20;

/// The deepest nesting of values; a KDC-REQ with tickets has ten or so.
const MAX_DEPTH: u8 = 24;

/// Decodes one whole message.
pub(super) fn decode<T: Decode>(message: &[u8], name: &'static str) -> Result<T, InvalidMessage> {
    check(message, name)?;
    rasn::der::decode(message).map_err(|error| {
        let kind = match *error.kind {
            DecodeErrorKind::MissingField { .. } => InvalidMessageKind::MissingField,
            DecodeErrorKind::Custom { .. } => InvalidMessageKind::BadValue,
            _ => InvalidMessageKind::BadEncoding,
        };
        InvalidMessage::new(name, 0, kind)
    })
}

/// Encodes a message.
pub(super) fn encode<T: Encode>(value: &T, name: &'static str) -> Result<Vec<u8>, Error> {
    rasn::der::encode(value)
        .ok()
        .filter(|message| message.len() <= MAX_LEN)
        .ok_or(Error::ApiMisuse(ApiMisuse::TooLong(name)))
}

/// Checks that `message` is one value in DER: rasn takes lengths that are not the shortest.
fn check(message: &[u8], name: &'static str) -> Result<(), InvalidMessage> {
    if message.len() > MAX_LEN {
        return Err(InvalidMessage::new(name, 0, InvalidMessageKind::TooLarge));
    }
    der::check_nested(message, MAX_DEPTH, name)
}
