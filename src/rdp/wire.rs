//! TPKT (RFC 1006, section 6) and X.224 (ITU-T X.224, sections 13.3 and 13.4) around the negotiation.

use bytes::{BufMut, BytesMut};

use crate::codec::little_endian::Reader;
use crate::error::{InvalidMessage, InvalidMessageKind};

/// TPKT's header and X.224's fixed part: the shortest message.
const HEADER_LEN: usize = 11;

/// TPKT's header, X.224's length indicator, and the most that it can say: 255 is reserved (X.224, section 13.2.1).
pub(super) const MAX_LEN: usize = 4 + 1 + 254;

/// The most octets that X.224 carries here.
pub(super) const MAX_BODY_LEN: u8 = 254 - 6;

/// The codes of the two messages, without credit.
pub(super) const CONNECTION_REQUEST: u8 = 0xe0;
pub(super) const CONNECTION_CONFIRM: u8 = 0xd0;

pub(super) fn frame_length(input: &[u8]) -> Result<Option<usize>, InvalidMessage> {
    let error = |offset, kind| Err(InvalidMessage::new("tpktHeader", offset, kind));
    match *input {
        [] | [3] | [3, _] | [3, _, _] => Ok(None),
        [3, _, high, low, ..] => match usize::from(u16::from_be_bytes([high, low])) {
            length @ HEADER_LEN..=MAX_LEN => Ok(Some(length)),
            ..HEADER_LEN => error(2, InvalidMessageKind::BadValue),
            _ => error(2, InvalidMessageKind::TooLarge),
        },
        // RFC 1006, section 6: the version is 3. TLS, which some peers begin at once, has 0x16 here.
        _ => error(0, InvalidMessageKind::BadEncoding),
    }
}

/// What stands behind the fixed part of a whole message with `code`.
pub(super) fn body<'a>(
    message: &'a [u8],
    code: u8,
    structure: &'static str,
) -> Result<Reader<'a>, InvalidMessage> {
    let error = |offset, kind| InvalidMessage::new(structure, offset, kind);
    let length = frame_length(message)?
        .filter(|length| *length <= message.len())
        .ok_or_else(|| error(message.len(), InvalidMessageKind::Truncated))?;
    if message.len() > length {
        return Err(error(length, InvalidMessageKind::TrailingData));
    }
    let mut reader = Reader::at(message, 0);
    let [.., indicator, found, _, _, _, _, class] = reader.take_array::<HEADER_LEN>(structure)?;
    // The length indicator counts what stands behind it, and a class 0 TPDU fills its TPKT.
    if usize::from(indicator).checked_add(5) != Some(length) {
        return Err(error(4, InvalidMessageKind::BadValue));
    }
    if found != code {
        return Err(error(5, InvalidMessageKind::BadEncoding));
    }
    // The references are of no use over TCP, and some peers put numbers there.
    if class != 0 {
        return Err(error(10, InvalidMessageKind::BadValue));
    }
    Ok(reader)
}

/// Appends the headers of a message whose body has `length` octets, [`MAX_BODY_LEN`] at most.
pub(super) fn put_header(code: u8, source_reference: u16, length: u8, out: &mut BytesMut) {
    let indicator = length.saturating_add(6);
    let total = u16::from(indicator).saturating_add(5);
    out.reserve(usize::from(total));
    out.put_slice(&[3, 0]);
    out.put_u16(total);
    out.put_slice(&[indicator, code, 0, 0]);
    out.put_u16(source_reference);
    out.put_u8(0);
}

/// RDP_NEG_REQ, RDP_NEG_RSP or RDP_NEG_FAILURE behind its type: flags, and a number.
pub(super) fn read_negotiation(
    reader: &mut Reader<'_>,
    structure: &'static str,
) -> Result<(u8, u32), InvalidMessage> {
    let [flags] = reader.take_array(structure)?;
    expect_length(reader, NEGOTIATION_LEN, structure)?;
    Ok((flags, reader.u32(structure)?))
}

/// As [`read_negotiation()`] reads it, with its type before.
pub(super) fn put_negotiation(message_type: u8, flags: u8, number: u32, out: &mut BytesMut) {
    out.put_slice(&[message_type, flags]);
    out.put_u16_le(NEGOTIATION_LEN);
    out.put_u32_le(number);
}

/// MS-RDPBCGR: each of the structures has one length, and says so.
pub(super) fn expect_length(
    reader: &mut Reader<'_>,
    length: u16,
    structure: &'static str,
) -> Result<(), InvalidMessage> {
    let wrong = reader.error(structure, InvalidMessageKind::BadValue);
    if reader.u16(structure)? == length {
        Ok(())
    } else {
        Err(wrong)
    }
}

pub(super) fn finish(reader: &Reader<'_>, structure: &'static str) -> Result<(), InvalidMessage> {
    if reader.rest().is_empty() {
        Ok(())
    } else {
        Err(reader.error(structure, InvalidMessageKind::TrailingData))
    }
}

/// The length of RDP_NEG_REQ, RDP_NEG_RSP and RDP_NEG_FAILURE.
const NEGOTIATION_LEN: u16 = 8;
