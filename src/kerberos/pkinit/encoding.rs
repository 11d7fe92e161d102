//! DER, from the inside out.

use crate::codec::der::{self, INTEGER, OBJECT_IDENTIFIER, SEQUENCE};

pub(super) const SET: u8 = 0x31;
pub(super) const NULL: &[u8] = b"\x05\x00";

/// `[number]`, primitive: an implicit tag.
pub(super) const fn primitive(number: u8) -> u8 {
    0x80 | number
}

/// A value of these contents.
pub(super) fn value(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let length = contents
        .iter()
        .fold(0_usize, |sum, part| sum.saturating_add(part.len()));
    let mut out = Vec::with_capacity(der::value_len(length));
    der::put_header(&mut out, tag, length);
    for part in contents {
        out.extend_from_slice(part);
    }
    out
}

pub(super) fn sequence(contents: &[&[u8]]) -> Vec<u8> {
    value(SEQUENCE, contents)
}

pub(super) fn object_identifier(contents: &[u8]) -> Vec<u8> {
    value(OBJECT_IDENTIFIER, &[contents])
}

/// AlgorithmIdentifier (RFC 5280, section 4.1.1.2).
pub(super) fn algorithm(identifier: &[u8], parameters: &[u8]) -> Vec<u8> {
    sequence(&[&object_identifier(identifier), parameters])
}

/// A number without a sign, of these octets, the highest first; leading zeros are dropped.
pub(super) fn integer(octets: &[u8]) -> Vec<u8> {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    let octets = octets.get(zeros..).unwrap_or_default();
    let sign: &[u8] = match octets.first() {
        Some(0..=0x7f) => b"",
        _ => b"\0",
    };
    value(INTEGER, &[sign, octets])
}
