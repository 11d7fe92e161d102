//! Little-endian structures, as MS-NLMP and MS-RDPBCGR have them: read in order, every length checked against what is there.

use crate::error::{InvalidMessage, InvalidMessageKind};

/// Reads one structure, field by field.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Over a structure that begins `offset` octets behind the start of its message.
    pub(crate) fn at(structure: &'a [u8], offset: usize) -> Self {
        Self {
            rest: structure,
            offset,
        }
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The present position, in octets from the start of the message.
    #[cfg(any(feature = "kerberos", feature = "ntlm", feature = "sspi", test))]
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// An error at the present position.
    pub(crate) fn error(&self, field: &'static str, kind: InvalidMessageKind) -> InvalidMessage {
        InvalidMessage::new(field, self.offset, kind)
    }

    /// The next `length` octets.
    pub(crate) fn take(
        &mut self,
        length: usize,
        field: &'static str,
    ) -> Result<&'a [u8], InvalidMessage> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| self.error(field, InvalidMessageKind::Truncated))?;
        self.advance(rest, length);
        Ok(taken)
    }

    /// The next `N` octets.
    pub(crate) fn take_array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], InvalidMessage> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.error(field, InvalidMessageKind::Truncated))?;
        self.advance(rest, N);
        Ok(*taken)
    }

    /// The next number of 16 bits.
    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, InvalidMessage> {
        self.take_array(field).map(u16::from_le_bytes)
    }

    /// The next number of 32 bits.
    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, InvalidMessage> {
        self.take_array(field).map(u32::from_le_bytes)
    }

    /// The next number of 64 bits.
    #[cfg(any(feature = "kerberos", feature = "ntlm", test))]
    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, InvalidMessage> {
        self.take_array(field).map(u64::from_le_bytes)
    }

    fn advance(&mut self, rest: &'a [u8], by: usize) {
        self.rest = rest;
        self.offset = self.offset.saturating_add(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_in_little_endian_order() {
        let mut reader = Reader::at(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], 100);
        assert_eq!(reader.u16("a").unwrap(), 0x0201);
        assert_eq!(reader.u32("b").unwrap(), 0x0605_0403);
        assert_eq!(reader.u64("c").unwrap(), 0x0e0d_0c0b_0a09_0807);
        assert_eq!(reader.offset(), 114);
        assert_eq!(reader.rest(), [15]);
    }

    #[test]
    fn a_field_that_does_not_fit_is_truncated_and_takes_nothing() {
        let mut reader = Reader::at(&[1, 2, 3], 7);
        let expected = InvalidMessage::new("field", 7, InvalidMessageKind::Truncated);
        assert_eq!(reader.u32("field").unwrap_err(), expected);
        assert_eq!(reader.take(4, "field").unwrap_err(), expected);
        assert_eq!(reader.take(usize::MAX, "field").unwrap_err(), expected);
        assert_eq!(reader.take(3, "field").unwrap(), [1, 2, 3]);
    }
}
