//! The octets of Kerberos' files, in network order: each length is checked against what is there before it is used.

use super::asn1::KerberosString;
use crate::error::{InvalidMessage, InvalidMessageKind};

/// Reads a file from its beginning.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Where the octets end, counted from the beginning of the file.
    end: usize,
    /// The file's kind, for errors.
    structure: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a [u8], structure: &'static str) -> Self {
        Self {
            rest: file,
            end: file.len(),
            structure,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// An error at the octet that is read next.
    pub(super) fn error(&self, kind: InvalidMessageKind) -> InvalidMessage {
        let offset = self.end.saturating_sub(self.rest.len());
        InvalidMessage::new(self.structure, offset, kind)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], InvalidMessage> {
        let truncated = self.error(InvalidMessageKind::Truncated);
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A part of so many octets, to be read by itself.
    pub(super) fn part(&mut self, length: usize) -> Result<Self, InvalidMessage> {
        let rest = self.take(length)?;
        Ok(Self {
            rest,
            end: self.end.saturating_sub(self.rest.len()),
            structure: self.structure,
        })
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], InvalidMessage> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, InvalidMessage> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, InvalidMessage> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, InvalidMessage> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, InvalidMessage> {
        self.array().map(i32::from_be_bytes)
    }

    /// Octets behind their number in 16 bits.
    pub(super) fn counted16(&mut self) -> Result<&'a [u8], InvalidMessage> {
        let length = self.u16()?;
        self.take(length.into())
    }

    /// Octets behind their number in 32 bits.
    pub(super) fn counted32(&mut self) -> Result<&'a [u8], InvalidMessage> {
        let before = self.error(InvalidMessageKind::Truncated);
        let length = usize::try_from(self.u32()?).map_err(|_| before)?;
        self.take(length)
    }

    pub(super) fn string16(&mut self) -> Result<KerberosString, InvalidMessage> {
        self.counted16().map(KerberosString::from)
    }

    pub(super) fn string32(&mut self) -> Result<KerberosString, InvalidMessage> {
        self.counted32().map(KerberosString::from)
    }
}
