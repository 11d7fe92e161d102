//! The texts of these structures: UTF-16LE in an OCTET STRING, below an explicit tag.
//!
//! MS-CSSP calls them the contents of a UNICODE_STRING: they have no byte order mark and no terminator.

use bytes::BytesMut;

use crate::codec::der::{self, OCTET_STRING, Reader};
use crate::codec::utf16;
use crate::error::{InvalidMessage, InvalidMessageKind};
use crate::secret::Secret;

/// Reads `[tag] OCTET STRING`.
pub(super) fn read(
    fields: &mut Reader<'_>,
    tag: u8,
    field: &'static str,
) -> Result<Box<str>, InvalidMessage> {
    decode(fields.explicit(tag, OCTET_STRING, field)?, field).map(String::into_boxed_str)
}

/// Reads `[tag] OCTET STRING` that nobody may see.
pub(super) fn read_secret(
    fields: &mut Reader<'_>,
    tag: u8,
    field: &'static str,
) -> Result<Secret<str>, InvalidMessage> {
    decode(fields.explicit(tag, OCTET_STRING, field)?, field).map(Secret::from)
}

/// Reads `[tag] OCTET STRING OPTIONAL`.
pub(super) fn read_optional(
    fields: &mut Reader<'_>,
    tag: u8,
    field: &'static str,
) -> Result<Option<Box<str>>, InvalidMessage> {
    fields
        .optional_explicit(tag, OCTET_STRING, field)?
        .map(|octets| decode(octets, field).map(String::into_boxed_str))
        .transpose()
}

fn decode(octets: Reader<'_>, field: &'static str) -> Result<String, InvalidMessage> {
    utf16::decode(octets.rest()).ok_or_else(|| octets.error(field, InvalidMessageKind::BadValue))
}

/// The length of the field.
pub(super) fn len(text: &str) -> usize {
    der::explicit_len(utf16::encoded_len(text))
}

/// The length of the field, where it may be absent.
pub(super) fn optional_len(text: Option<&str>) -> usize {
    text.map_or(0, len)
}

/// Appends the field.
pub(super) fn put(out: &mut BytesMut, tag: u8, text: &str) {
    der::put_explicit_header(out, tag, OCTET_STRING, utf16::encoded_len(text));
    utf16::put(out, text);
}

/// Appends the field, where it is not absent.
pub(super) fn put_optional(out: &mut BytesMut, tag: u8, text: Option<&str>) {
    if let Some(text) = text {
        put(out, tag, text);
    }
}
