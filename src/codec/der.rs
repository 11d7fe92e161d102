//! Strict DER (X.690), borrowed and without allocation.
//!
//! Definite lengths in their shortest form only; every length is checked against what is there before it is used.

use std::mem;

use bytes::BytesMut;

use crate::error::{InvalidMessage, InvalidMessageKind};

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const GENERAL_STRING: u8 = 0x1b;
pub(crate) const SEQUENCE: u8 = 0x30;
/// `[APPLICATION 0]`, constructed: the InitialContextToken of RFC 2743, section 3.1.
pub(crate) const INITIAL_CONTEXT_TOKEN: u8 = 0x60;

/// `[number]`, constructed: an explicit tag.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Reads one structure's contents, field by field.
///
/// Where its methods are always inlined, that halves the time that a message takes: a `Reader` in a `Result` is else
/// written to memory and read back in other widths, for which the processor waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Over a whole message.
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            offset: 0,
        }
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next value.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// An error at the present position.
    pub(crate) fn error(&self, field: &'static str, kind: InvalidMessageKind) -> InvalidMessage {
        InvalidMessage::new(field, self.offset, kind)
    }

    /// The contents of the next value, which must have `tag`.
    #[inline(always)]
    pub(crate) fn read(&mut self, tag: u8, field: &'static str) -> Result<Self, InvalidMessage> {
        match self.peek() {
            Some(found) if found == tag => {}
            Some(_) => return Err(self.error(field, InvalidMessageKind::BadEncoding)),
            None => return Err(self.error(field, InvalidMessageKind::MissingField)),
        }
        let header = header(self.rest)
            .map_err(|kind| self.error(field, kind))?
            .ok_or_else(|| self.error(field, InvalidMessageKind::Truncated))?;
        let truncated = || InvalidMessage::new(field, self.offset, InvalidMessageKind::Truncated);
        let contents = self.rest.get(header.size..).ok_or_else(truncated)?;
        let (contents, rest) = contents
            .split_at_checked(header.contents)
            .ok_or_else(truncated)?;
        let inner = Self {
            rest: contents,
            offset: self.offset.saturating_add(header.size),
        };
        self.offset = inner.offset.saturating_add(header.contents);
        self.rest = rest;
        Ok(inner)
    }

    /// As [`Self::read()`], where the value may be absent.
    pub(crate) fn optional(
        &mut self,
        tag: u8,
        field: &'static str,
    ) -> Result<Option<Self>, InvalidMessage> {
        if self.peek() == Some(tag) {
            self.read(tag, field).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The one value of type `tag` below the explicit tag `outer`.
    #[inline(always)]
    pub(crate) fn explicit(
        &mut self,
        outer: u8,
        tag: u8,
        field: &'static str,
    ) -> Result<Self, InvalidMessage> {
        let mut wrapper = self.read(outer, field)?;
        let inner = wrapper.read(tag, field)?;
        wrapper.finish(field)?;
        Ok(inner)
    }

    /// As [`Self::explicit()`], where the field may be absent.
    #[inline(always)]
    pub(crate) fn optional_explicit(
        &mut self,
        outer: u8,
        tag: u8,
        field: &'static str,
    ) -> Result<Option<Self>, InvalidMessage> {
        if self.peek() == Some(outer) {
            self.explicit(outer, tag, field).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The contents of an INTEGER from 0 to 2³² - 1.
    pub(crate) fn unsigned(self, field: &'static str) -> Result<u32, InvalidMessage> {
        if self.peek().is_some_and(|first| first >= 0x80) {
            return Err(self.error(field, InvalidMessageKind::BadValue));
        }
        self.integer(field)
    }

    /// The contents of an INTEGER from -2³¹ to 2³² - 1, as 32 bits: whether they had a sign is left to the reader.
    pub(crate) fn integer(self, field: &'static str) -> Result<u32, InvalidMessage> {
        match *self.rest {
            // X.690, 8.3.2: the first nine bits are neither all ones nor all zeros.
            [] | [0, ..0x80, ..] | [0xff, 0x80..=0xff, ..] => {
                Err(self.error(field, InvalidMessageKind::BadEncoding))
            }
            [0, a, b, c, d] | [a, b, c, d] => Ok(u32::from_be_bytes([a, b, c, d])),
            [first, ..] if self.rest.len() < 4 => {
                let sign = if first < 0x80 { 0 } else { u32::MAX };
                Ok(self
                    .rest
                    .iter()
                    .fold(sign, |value, octet| value << 8 | u32::from(*octet)))
            }
            _ => Err(self.error(field, InvalidMessageKind::BadValue)),
        }
    }

    /// Checks that the contents are those of an OBJECT IDENTIFIER, and returns them.
    pub(crate) fn object_identifier(self, field: &'static str) -> Result<&'a [u8], InvalidMessage> {
        // X.690, 8.19.2: no subidentifier begins with the octet 80, and bit 8 of its last octet is zero.
        let mut leading = true;
        for octet in self.rest {
            if leading && *octet == 0x80 {
                return Err(self.error(field, InvalidMessageKind::BadEncoding));
            }
            leading = *octet < 0x80;
        }
        if leading && !self.is_empty() {
            Ok(self.rest)
        } else {
            Err(self.error(field, InvalidMessageKind::BadEncoding))
        }
    }

    /// Checks that the contents are those of a BIT STRING.
    pub(crate) fn bit_string(self, field: &'static str) -> Result<(), InvalidMessage> {
        // X.690, 8.6.2.2 and 11.2.1: the first octet counts the unused bits, and those are zero.
        match *self.rest {
            [0] => Ok(()),
            [unused @ 0..=7, .., last] if last.trailing_zeros() >= u32::from(unused) => Ok(()),
            _ => Err(self.error(field, InvalidMessageKind::BadEncoding)),
        }
    }

    /// Ends the structure: nothing may be left.
    pub(crate) fn finish(self, field: &'static str) -> Result<(), InvalidMessage> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.error(field, InvalidMessageKind::TrailingData))
        }
    }
}

/// The lengths of a value's header and of its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) size: usize,
    pub(crate) contents: usize,
}

impl Header {
    /// The length of the whole value.
    pub(crate) fn total(self) -> usize {
        self.size.saturating_add(self.contents)
    }
}

/// The header at the front of `input`, or `None` where it is not whole yet.
#[inline]
pub(crate) fn header(input: &[u8]) -> Result<Option<Header>, InvalidMessageKind> {
    let (size, contents) = match *input {
        [_, short @ ..0x80, ..] => (2, [0, 0, 0, short]),
        // X.690, 10.1: "The definite form of length encoding shall be used, encoded in the minimum number of octets."
        [_, 0x80, ..]
        | [_, 0x81, ..0x80, ..]
        | [_, 0x82, 0, _, ..]
        | [_, 0x83, 0, _, _, ..]
        | [_, 0x84, 0, _, _, _, ..] => return Err(InvalidMessageKind::BadEncoding),
        [_, 0x81, a, ..] => (3, [0, 0, 0, a]),
        [_, 0x82, a, b, ..] => (4, [0, 0, a, b]),
        [_, 0x83, a, b, c, ..] => (5, [0, a, b, c]),
        [_, 0x84, a, b, c, d, ..] => (6, [a, b, c, d]),
        [_, 0x85..=0xff, ..] => return Err(InvalidMessageKind::TooLarge),
        _ => return Ok(None),
    };
    match usize::try_from(u32::from_be_bytes(contents)) {
        Ok(contents) => Ok(Some(Header { size, contents })),
        Err(_) => Err(InvalidMessageKind::TooLarge),
    }
}

/// Checks that `message` is one value, and that the values inside it, down to `depth`, are whole and have headers in DER;
/// for modules whose tags are all explicit.
#[cfg(any(feature = "kerberos", feature = "sspi"))]
pub(crate) fn check_nested(
    message: &[u8],
    depth: u8,
    name: &'static str,
) -> Result<(), InvalidMessage> {
    match whole_len(message, 0, name)? {
        length if length == message.len() => check_value(message, 0, depth, name),
        length => Err(InvalidMessage::new(
            name,
            length,
            InvalidMessageKind::TrailingData,
        )),
    }
}

/// Checks the headers of a value that is whole, and those inside it.
#[cfg(any(feature = "kerberos", feature = "sspi"))]
fn check_value(
    value: &[u8],
    offset: usize,
    depth: u8,
    name: &'static str,
) -> Result<(), InvalidMessage> {
    /// Bit 6 of an identifier octet (X.690, 8.1.2.5).
    const CONSTRUCTED: u8 = 0x20;
    /// Bits 8 and 7, of which one is set in all classes but the universal one (X.690, 8.1.2.2).
    const TAGGED: u8 = 0xc0;

    let error = |kind| InvalidMessage::new(name, offset, kind);
    match value.first() {
        // X.690, 8.1.2.4: numbers from 31 on take more octets. Kerberos has none.
        Some(tag) if tag & 0x1f == 0x1f => return Err(error(InvalidMessageKind::BadEncoding)),
        Some(tag) if tag & CONSTRUCTED != 0 => {}
        // RFC 4120, appendix A: "EXPLICIT TAGS", all of them, so that there is another value inside.
        Some(tag) if tag & TAGGED != 0 => return Err(error(InvalidMessageKind::BadEncoding)),
        _ => return Ok(()),
    }
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| error(InvalidMessageKind::BadEncoding))?;
    let header = header(value)
        .map_err(error)?
        .ok_or_else(|| error(InvalidMessageKind::Truncated))?;
    let mut rest = value.get(header.size..).unwrap_or_default();
    let mut offset = offset.saturating_add(header.size);
    while !rest.is_empty() {
        let length = whole_len(rest, offset, name)?;
        let (inner, after) = rest
            .split_at_checked(length)
            .ok_or_else(|| InvalidMessage::new(name, offset, InvalidMessageKind::Truncated))?;
        check_value(inner, offset, depth, name)?;
        rest = after;
        offset = offset.saturating_add(length);
    }
    Ok(())
}

/// The length of the value at the front of `input`, which holds the whole of it.
#[cfg(any(feature = "kerberos", feature = "sspi"))]
fn whole_len(input: &[u8], offset: usize, name: &'static str) -> Result<usize, InvalidMessage> {
    let error = |kind| InvalidMessage::new(name, offset, kind);
    header(input)
        .map_err(error)?
        .map(Header::total)
        .filter(|length| *length <= input.len())
        .ok_or_else(|| error(InvalidMessageKind::Truncated))
}

/// The length of a value with `contents` octets of contents.
pub(crate) const fn value_len(contents: usize) -> usize {
    let digits = match contents {
        0..=0x7f => 0,
        0x80..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xff_ffff => 3,
        _ => 4,
    };
    contents.saturating_add(2 + digits)
}

/// The length of `[n] { value }`, for a value with `contents` octets of contents.
pub(crate) const fn explicit_len(contents: usize) -> usize {
    value_len(value_len(contents))
}

/// Where values are written to.
pub(crate) trait Output {
    fn put(&mut self, octets: &[u8]);
}

impl Output for Vec<u8> {
    #[inline]
    fn put(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

impl Output for BytesMut {
    #[inline]
    fn put(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

/// Fills the slice from its front, for whoever knows the length beforehand: that spares the many looks at a buffer's
/// capacity. What does not fit is dropped.
impl Output for &mut [u8] {
    #[inline(always)]
    fn put(&mut self, octets: &[u8]) {
        if let Some((front, rest)) = mem::take(self).split_at_mut_checked(octets.len()) {
            front.copy_from_slice(octets);
            *self = rest;
        }
    }
}

/// Appends a tag and a length. No value comes near the 4 GiB that this can say.
#[inline]
pub(crate) fn put_header(out: &mut impl Output, tag: u8, contents: usize) {
    match u8::try_from(contents) {
        Ok(short @ ..0x80) => out.put(&[tag, short]),
        _ => put_long_header(out, tag, contents),
    }
}

fn put_long_header(out: &mut impl Output, tag: u8, contents: usize) {
    match u32::try_from(contents).unwrap_or(u32::MAX).to_be_bytes() {
        [0, 0, 0, d] => out.put(&[tag, 0x81, d]),
        [0, 0, c, d] => out.put(&[tag, 0x82, c, d]),
        [0, b, c, d] => out.put(&[tag, 0x83, b, c, d]),
        [a, b, c, d] => out.put(&[tag, 0x84, a, b, c, d]),
    }
}

/// Appends the headers of `[outer] { tag contents }`.
pub(crate) fn put_explicit_header(out: &mut impl Output, outer: u8, tag: u8, contents: usize) {
    put_header(out, outer, value_len(contents));
    put_header(out, tag, contents);
}

/// Appends `[outer] { tag contents }`.
pub(crate) fn put_explicit(out: &mut impl Output, outer: u8, tag: u8, contents: &[u8]) {
    put_explicit_header(out, outer, tag, contents.len());
    out.put(contents);
}

/// The contents octets of a non-negative INTEGER, in their shortest form.
pub(crate) fn unsigned_contents(value: u32, buffer: &mut [u8; 5]) -> &[u8] {
    let [a, b, c, d] = value.to_be_bytes();
    *buffer = [0, a, b, c, d];
    shortest(buffer)
}

/// The contents octets of an INTEGER of 32 bits with a sign, in their shortest form.
pub(crate) fn signed_contents(bits: u32, buffer: &mut [u8; 4]) -> &[u8] {
    *buffer = bits.to_be_bytes();
    shortest(buffer)
}

/// Drops the octets that only repeat the sign (X.690, 8.3.2).
fn shortest(contents: &[u8]) -> &[u8] {
    let redundant = contents
        .windows(2)
        .take_while(|pair| matches!(pair, [0, ..0x80] | [0xff, 0x80..=0xff]))
        .count();
    contents.get(redundant..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_their_shortest_form() {
        for (length, expected) in [
            (0, &b"\x04\x00"[..]),
            (127, b"\x04\x7f"),
            (128, b"\x04\x81\x80"),
            (256, b"\x04\x82\x01\x00"),
            (65_536, b"\x04\x83\x01\x00\x00"),
        ] {
            let mut out = Vec::new();
            put_header(&mut out, OCTET_STRING, length);
            assert_eq!(out, expected);
            assert_eq!(value_len(length), expected.len() + length);
            let header = header(&out).unwrap().unwrap();
            assert_eq!(header.total(), expected.len() + length);
        }
    }

    #[test]
    fn refuses_lengths_that_are_not_the_shortest() {
        for bad in [
            &b"\x04\x80"[..],
            b"\x04\x81\x7f",
            b"\x04\x82\x00\xff",
            b"\x04\x83\x00\xff\xff",
        ] {
            assert_eq!(
                header(bad),
                Err(InvalidMessageKind::BadEncoding),
                "{bad:x?}"
            );
        }
        assert_eq!(
            header(b"\x04\x85\x01\x00\x00\x00\x00"),
            Err(InvalidMessageKind::TooLarge)
        );
    }

    #[test]
    fn waits_for_a_whole_header() {
        for partial in [&b""[..], b"\x30", b"\x30\x82", b"\x30\x82\x01"] {
            assert_eq!(header(partial), Ok(None), "{partial:x?}");
        }
    }

    #[test]
    fn a_length_beyond_the_message_is_truncation() {
        let error = Reader::new(b"\x30\x84\x7f\xff\xff\xff\x00")
            .read(SEQUENCE, "X")
            .unwrap_err();
        assert_eq!(error.kind, InvalidMessageKind::Truncated);
    }

    #[test]
    fn object_identifiers_are_whole_and_shortest() {
        assert!(Reader::new(b"\x2a\x86\x48").object_identifier("X").is_ok());
        for bad in [&b""[..], b"\x2a\x86", b"\x2a\x80\x01", b"\x80\x01"] {
            assert!(Reader::new(bad).object_identifier("X").is_err(), "{bad:x?}");
        }
    }

    #[test]
    fn bit_strings_leave_unused_bits_zero() {
        for good in [&b"\x00"[..], b"\x00\xff", b"\x01\xfe", b"\x07\xff\x80"] {
            assert!(Reader::new(good).bit_string("X").is_ok(), "{good:x?}");
        }
        for bad in [&b""[..], b"\x01", b"\x01\xff", b"\x08\x00"] {
            assert!(Reader::new(bad).bit_string("X").is_err(), "{bad:x?}");
        }
    }

    #[test]
    fn integers_are_in_their_shortest_form() {
        let mut buffer = [0; 5];
        for (value, expected) in [
            (0, &b"\x00"[..]),
            (6, b"\x06"),
            (127, b"\x7f"),
            (128, b"\x00\x80"),
            (0x7fff_ffff, b"\x7f\xff\xff\xff"),
            (0xc000_006d, b"\x00\xc0\x00\x00\x6d"),
        ] {
            assert_eq!(unsigned_contents(value, &mut buffer), expected);
            assert_eq!(Reader::new(expected).unsigned("X"), Ok(value));
        }
        for (contents, kind) in [
            (&b""[..], InvalidMessageKind::BadEncoding),
            (b"\x00\x06", InvalidMessageKind::BadEncoding),
            (b"\xff", InvalidMessageKind::BadValue),
            (b"\x01\x00\x00\x00\x00", InvalidMessageKind::BadValue),
        ] {
            let error = Reader::new(contents).unsigned("X").unwrap_err();
            assert_eq!(error.kind, kind, "{contents:x?}");
        }
    }

    #[test]
    fn integers_with_a_sign_keep_their_32_bits() {
        let mut buffer = [0; 4];
        for (bits, expected) in [
            (0, &b"\x00"[..]),
            (5, b"\x05"),
            (0x80, b"\x00\x80"),
            (0xffff_ff80, b"\x80"),
            (0xffff_fffe, b"\xfe"),
            (0xff7f_ffff, b"\xff\x7f\xff\xff"),
            (0xc000_006d, b"\xc0\x00\x00\x6d"),
        ] {
            assert_eq!(signed_contents(bits, &mut buffer), expected);
            assert_eq!(Reader::new(expected).integer("X"), Ok(bits));
        }
        for (contents, kind) in [
            (&b""[..], InvalidMessageKind::BadEncoding),
            (b"\x00\x05", InvalidMessageKind::BadEncoding),
            (b"\xff\x80", InvalidMessageKind::BadEncoding),
            (b"\xff\xc0\x00\x00\x6d", InvalidMessageKind::BadEncoding),
            (b"\xfe\x00\x00\x00\x00", InvalidMessageKind::BadValue),
            (b"\x01\x00\x00\x00\x00", InvalidMessageKind::BadValue),
            (b"\x00\x80\x00\x00\x00\x00", InvalidMessageKind::BadValue),
        ] {
            let error = Reader::new(contents).integer("X").unwrap_err();
            assert_eq!(error.kind, kind, "{contents:x?}");
        }
    }
}
