use bytes::BytesMut;

use super::protocol::{Protocol, ResponseFlags};
use super::wire::{self, CONNECTION_CONFIRM};
use crate::error::{InvalidMessage, InvalidMessageKind, NegotiationFailure};

const CONFIRM: &str = "X.224 Connection Confirm";
const NEG_RSP: &str = "RDP_NEG_RSP";
const NEG_FAILURE: &str = "RDP_NEG_FAILURE";

const TYPE_RDP_NEG_RSP: u8 = 0x02;
const TYPE_RDP_NEG_FAILURE: u8 = 0x03;

/// As in the example of MS-RDPBCGR, section 4.1.2.
const SOURCE_REFERENCE: u16 = 0x1234;

/// The X.224 Connection Confirm, a server's answer (MS-RDPBCGR, section 2.2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionConfirm {
    /// Without a negotiation: an old server, which knows standard RDP security only.
    Plain,
    /// RDP_NEG_RSP (section 2.2.1.2.1).
    Response {
        /// What else the server supports.
        flags: ResponseFlags,
        /// The protocol that it selects.
        selected: Protocol,
    },
    /// RDP_NEG_FAILURE (section 2.2.1.2.2).
    Failure(NegotiationFailure),
}

impl ConnectionConfirm {
    /// Decodes a whole message, of which nothing may be left.
    ///
    /// # Errors
    /// Where it breaks section 2.2.1.2 in any way, such as a selection of two protocols at once.
    pub fn decode(message: &[u8]) -> Result<Self, InvalidMessage> {
        let mut reader = wire::body(message, CONNECTION_CONFIRM, CONFIRM)?;
        if reader.rest().is_empty() {
            return Ok(Self::Plain);
        }
        let unknown = reader.error(CONFIRM, InvalidMessageKind::BadEncoding);
        let confirm = match reader.take_array(CONFIRM)? {
            [TYPE_RDP_NEG_RSP] => {
                let (flags, number) = wire::read_negotiation(&mut reader, NEG_RSP)?;
                let selected = Protocol::from_u32(number)
                    .ok_or_else(|| reader.error(NEG_RSP, InvalidMessageKind::BadValue))?;
                let flags = ResponseFlags::from_bits(flags);
                Self::Response { flags, selected }
            }
            [TYPE_RDP_NEG_FAILURE] => {
                // "flags: … There are currently no defined flags so this field MUST be set to 0x00".
                let (flags, code) = wire::read_negotiation(&mut reader, NEG_FAILURE)?;
                if flags != 0 {
                    return Err(reader.error(NEG_FAILURE, InvalidMessageKind::BadValue));
                }
                Self::Failure(NegotiationFailure::from_u32(code))
            }
            _ => return Err(unknown),
        };
        wire::finish(&reader, CONFIRM)?;
        Ok(confirm)
    }

    /// Appends the message to `out`, which grows once at most.
    pub fn encode(&self, out: &mut BytesMut) {
        let length = if *self == Self::Plain { 0 } else { 8 };
        wire::put_header(CONNECTION_CONFIRM, SOURCE_REFERENCE, length, out);
        match *self {
            Self::Plain => {}
            Self::Response { flags, selected } => {
                wire::put_negotiation(TYPE_RDP_NEG_RSP, flags.bits(), selected.to_u32(), out);
            }
            Self::Failure(failure) => {
                wire::put_negotiation(TYPE_RDP_NEG_FAILURE, 0, failure.to_u32(), out);
            }
        }
    }
}
