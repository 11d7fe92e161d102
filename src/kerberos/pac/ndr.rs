use crate::codec::little_endian::Reader;
use crate::error::{InvalidMessage, InvalidMessageKind};

/// Reads what NDR has serialized (MS-RPCE, section 2.2.6): little-endian, each value aligned, what pointers point to behind
/// the structure that holds them.
pub(super) struct NdrReader<'a> {
    reader: Reader<'a>,
    name: &'static str,
}

impl<'a> NdrReader<'a> {
    /// Over a type serialized by itself, whose name is for errors.
    pub(super) fn new(octets: &'a [u8], name: &'static str) -> Result<Self, InvalidMessage> {
        let mut reader = Reader::at(octets, 0);
        // MS-RPCE, section 2.2.6.1: version 1, little-endian, 8 octets long; the rest of the header says nothing.
        if reader.take_array(name)? != [1, 0x10, 8, 0] {
            return Err(InvalidMessage::new(name, 0, InvalidMessageKind::BadValue));
        }
        reader.take(4, name)?;
        // Section 2.2.6.2: the length of what follows.
        let length = reader.u32(name)?;
        reader.take(4, name)?;
        if usize::try_from(length).is_ok_and(|length| length > reader.rest().len()) {
            return Err(reader.error(name, InvalidMessageKind::Truncated));
        }
        Ok(Self { reader, name })
    }

    /// A number of 16 bits.
    pub(super) fn u16(&mut self) -> Result<u16, InvalidMessage> {
        self.align(2)?;
        self.reader.u16(self.name)
    }

    /// A number of 32 bits.
    pub(super) fn u32(&mut self) -> Result<u32, InvalidMessage> {
        self.align(4)?;
        self.reader.u32(self.name)
    }

    /// A pointer: whether it points to anything.
    pub(super) fn pointer(&mut self) -> Result<bool, InvalidMessage> {
        Ok(self.u32()? != 0)
    }

    /// Passes over octets of a structure whose alignment is 4.
    pub(super) fn skip(&mut self, length: usize) -> Result<(), InvalidMessage> {
        self.align(4)?;
        self.reader.take(length, self.name).map(drop)
    }

    /// RPC_UNICODE_STRING: whether it has a buffer, which stands further behind.
    pub(super) fn unicode_string(&mut self) -> Result<bool, InvalidMessage> {
        self.skip(4)?;
        self.pointer()
    }

    /// Passes over the buffer of an RPC_UNICODE_STRING.
    pub(super) fn skip_characters(&mut self) -> Result<(), InvalidMessage> {
        let _max_count = self.u32()?;
        let _offset = self.u32()?;
        let count = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        self.skip(count.saturating_mul(2))
    }

    /// The number of an array's elements, which has to be `expected`; each takes eight octets at least.
    pub(super) fn count(&mut self, expected: u32) -> Result<u32, InvalidMessage> {
        let count = self.u32()?;
        if count != expected {
            return Err(self.error(InvalidMessageKind::BadValue));
        }
        Ok(count)
    }

    /// What is left, for a structure that is aligned to 4.
    pub(super) fn aligned(&mut self) -> Result<&mut Reader<'a>, InvalidMessage> {
        self.align(4)?;
        Ok(&mut self.reader)
    }

    pub(super) fn error(&self, kind: InvalidMessageKind) -> InvalidMessage {
        self.reader.error(self.name, kind)
    }

    /// The headers are 16 octets long, so that their start serves as well as their end.
    fn align(&mut self, to: usize) -> Result<(), InvalidMessage> {
        let padding = self.reader.offset().next_multiple_of(to) - self.reader.offset();
        self.reader.take(padding, self.name).map(drop)
    }
}
