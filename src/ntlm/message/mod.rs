//! NTLM's messages (MS-NLMP, section 2.2.1), borrowed from the bytes that they came in.

use std::fmt;

use crate::codec::little_endian::Reader;
use crate::codec::utf16;
use crate::error::{ApiMisuse, InvalidMessage, InvalidMessageKind};

pub(crate) mod authenticate;
pub(crate) mod av_pair;
pub(crate) mod challenge;
pub(crate) mod negotiate;
pub(crate) mod response;

pub use authenticate::AuthenticateMessage;
pub use av_pair::{AvId, AvPair, AvPairs, AvPairsIter};
pub use challenge::ChallengeMessage;
pub use negotiate::NegotiateMessage;
pub use response::Ntlmv2Response;

/// `Signature`, the first field of each message.
pub(crate) const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// VERSION (MS-NLMP, section 2.2.2.10): which operating system the sender says it is. For debugging only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Version {
    /// `ProductMajorVersion`.
    pub major: u8,
    /// `ProductMinorVersion`.
    pub minor: u8,
    /// `ProductBuild`.
    pub build: u16,
    /// `NTLMRevisionCurrent`, 15 in practice.
    pub revision: u8,
}

impl Version {
    /// What this crate sends: no real system's build, and NTLMSSP_REVISION_W2K3.
    pub(crate) const OURS: [u8; 8] = [10, 0, 0, 0, 0, 0, 0, 15];

    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Self {
        let [major, minor, low, high, _, _, _, revision] = bytes;
        Self {
            major,
            minor,
            build: u16::from_le_bytes([low, high]),
            revision,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.build)
    }
}

/// Reads `Signature` and `MessageType`.
fn open<'a>(
    message: &'a [u8],
    message_type: u32,
    structure: &'static str,
) -> Result<Reader<'a>, InvalidMessage> {
    let mut reader = Reader::at(message, 0);
    if &reader.take_array(structure)? != SIGNATURE {
        return Err(InvalidMessage::new(
            structure,
            0,
            InvalidMessageKind::BadEncoding,
        ));
    }
    if reader.u32(structure)? != message_type {
        return Err(InvalidMessage::new(
            structure,
            SIGNATURE.len(),
            InvalidMessageKind::BadValue,
        ));
    }
    Ok(reader)
}

/// `Len`, `MaxLen` and `BufferOffset` of a field in the payload.
#[derive(Clone, Copy, Debug)]
struct PayloadField {
    name: &'static str,
    length: usize,
    offset: usize,
    /// Where these eight octets stand.
    position: usize,
}

impl PayloadField {
    fn read(reader: &mut Reader<'_>, name: &'static str) -> Result<Self, InvalidMessage> {
        let position = reader.offset();
        let length = reader.u16(name)?;
        // MS-NLMP, section 2.2.1: MaxLen is to be ignored on receipt, of each field.
        let _max_length = reader.u16(name)?;
        let offset = reader.u32(name)?;
        Ok(Self {
            name,
            length: length.into(),
            offset: usize::try_from(offset).unwrap_or(usize::MAX),
            position,
        })
    }

    /// The field's contents, which must lie in `message` and behind its `header_len` octets of header.
    ///
    /// The offset of an empty field means nothing: some peers leave it at 0, some let it point to the message's end.
    fn resolve(self, message: &[u8], header_len: usize) -> Result<&[u8], InvalidMessage> {
        if self.length == 0 {
            return Ok(&[]);
        }
        if self.offset < header_len {
            return Err(self.error(InvalidMessageKind::BadValue));
        }
        self.offset
            .checked_add(self.length)
            .and_then(|end| message.get(self.offset..end))
            .ok_or_else(|| self.error(InvalidMessageKind::Truncated))
    }

    fn error(self, kind: InvalidMessageKind) -> InvalidMessage {
        InvalidMessage::new(self.name, self.position, kind)
    }
}

/// Lays out the payload of a message that is written.
#[derive(Debug)]
struct PayloadWriter {
    offset: usize,
}

impl PayloadWriter {
    /// The payload begins behind a header of `header_len` octets.
    fn behind(header_len: usize) -> Self {
        Self { offset: header_len }
    }

    /// Writes `Len`, `MaxLen` and `BufferOffset` of the payload's next field.
    fn put_field(
        &mut self,
        out: &mut Vec<u8>,
        length: usize,
        name: &'static str,
    ) -> Result<(), ApiMisuse> {
        let too_long = |_| ApiMisuse::TooLong(name);
        let length_field = u16::try_from(length).map_err(too_long)?.to_le_bytes();
        let offset_field = u32::try_from(self.offset).map_err(too_long)?.to_le_bytes();
        out.extend_from_slice(&length_field);
        out.extend_from_slice(&length_field);
        out.extend_from_slice(&offset_field);
        self.offset = self.offset.saturating_add(length);
        Ok(())
    }
}

/// A text of a payload: UTF-16LE, which both ends have agreed upon wherever this crate goes on. `position` is where the
/// header says where the text lies.
fn text(bytes: &[u8], field: &'static str, position: usize) -> Result<String, InvalidMessage> {
    utf16::decode(bytes)
        .ok_or_else(|| InvalidMessage::new(field, position, InvalidMessageKind::BadValue))
}
