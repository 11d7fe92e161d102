//! AV_PAIR (MS-NLMP, section 2.2.2.1).

use std::fmt;

use crate::codec::little_endian::Reader;
use crate::codec::utf16;
use crate::error::{ApiMisuse, InvalidMessage, InvalidMessageKind};

/// What an AV_PAIR holds: `AvId` (MS-NLMP, section 2.2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AvId(u16);

impl AvId {
    /// `MsvAvEOL`: the end of the list.
    pub const EOL: Self = Self(0);
    /// `MsvAvNbComputerName`: the server's NetBIOS name.
    pub const NB_COMPUTER_NAME: Self = Self(1);
    /// `MsvAvNbDomainName`: the NetBIOS name of the server's domain.
    pub const NB_DOMAIN_NAME: Self = Self(2);
    /// `MsvAvDnsComputerName`: the server's full DNS name.
    pub const DNS_COMPUTER_NAME: Self = Self(3);
    /// `MsvAvDnsDomainName`: the DNS name of the server's domain.
    pub const DNS_DOMAIN_NAME: Self = Self(4);
    /// `MsvAvDnsTreeName`: the DNS name of the forest.
    pub const DNS_TREE_NAME: Self = Self(5);
    /// `MsvAvFlags`: 32 bits; 2 says that the AUTHENTICATE_MESSAGE has a MIC.
    pub const FLAGS: Self = Self(6);
    /// `MsvAvTimestamp`: a FILETIME.
    pub const TIMESTAMP: Self = Self(7);
    /// `MsvAvSingleHost`: what a client says to a server on the same machine.
    pub const SINGLE_HOST: Self = Self(8);
    /// `MsvAvTargetName`: the service principal name of the server that the client means.
    pub const TARGET_NAME: Self = Self(9);
    /// `MsvAvChannelBindings`: the MD5 of the channel bindings; all zero where there are none.
    pub const CHANNEL_BINDINGS: Self = Self(10);

    /// From the number as it travels.
    pub const fn from_u16(id: u16) -> Self {
        Self(id)
    }

    /// The number as it travels.
    pub const fn to_u16(self) -> u16 {
        self.0
    }
}

/// One AV_PAIR.
///
/// `Debug` shows how long the value is, and not the value.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AvPair<'a> {
    /// `AvId`.
    pub id: AvId,
    /// `Value`; texts are UTF-16LE, whatever the flags say.
    pub value: &'a [u8],
}

impl fmt::Debug for AvPair<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AvPair")
            .field("id", &self.id)
            .field("value", &format_args!("{} bytes", self.value.len()))
            .finish()
    }
}

/// A list of AV_PAIRs, known to be well-formed up to its `MsvAvEOL`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AvPairs<'a> {
    /// The pairs without `MsvAvEOL`.
    pairs: &'a [u8],
}

impl<'a> AvPairs<'a> {
    /// Decodes a list; what stands behind its `MsvAvEOL` is ignored, because real clients leave padding there.
    ///
    /// # Errors
    /// Where a pair does not fit, the list has no end, or a value has not the size that its identifier demands.
    pub fn decode(list: &'a [u8]) -> Result<Self, InvalidMessage> {
        Self::decode_at(list, 0)
    }

    /// As [`Self::decode()`], for a list that begins `offset` octets behind the start of its message.
    pub(crate) fn decode_at(list: &'a [u8], offset: usize) -> Result<Self, InvalidMessage> {
        let mut reader = Reader::at(list, offset);
        loop {
            let start = reader.rest();
            let pair = next(&mut reader)?;
            if pair.id == AvId::EOL {
                let length = list.len().saturating_sub(start.len());
                let pairs = list.get(..length).unwrap_or_default();
                return Ok(Self { pairs });
            }
            let well_formed = match pair.id {
                AvId::FLAGS => pair.value.len() == 4,
                AvId::TIMESTAMP => pair.value.len() == 8,
                AvId::CHANNEL_BINDINGS => pair.value.len() == 16,
                // Nobody reads the others; of MsvAvSingleHost, Windows has sent 48 octets, and 80.
                _ => true,
            };
            if !well_formed {
                return Err(reader.error("AV_PAIR.Value", InvalidMessageKind::BadValue));
            }
        }
    }

    /// The value of the first pair with this identifier.
    pub fn get(&self, id: AvId) -> Option<&'a [u8]> {
        self.iter()
            .find(|pair| pair.id == id)
            .map(|pair| pair.value)
    }

    /// The text of the first pair with this identifier, if there is one and it is UTF-16.
    pub fn text(&self, id: AvId) -> Option<String> {
        utf16::decode(self.get(id)?)
    }

    /// `MsvAvFlags`, 0 where there is none.
    pub fn flags(&self) -> u32 {
        self.array(AvId::FLAGS).map_or(0, u32::from_le_bytes)
    }

    /// `MsvAvTimestamp`, a FILETIME.
    pub fn timestamp(&self) -> Option<u64> {
        self.array(AvId::TIMESTAMP).map(u64::from_le_bytes)
    }

    /// `MsvAvChannelBindings`; all zero means as much as none.
    pub fn channel_bindings(&self) -> Option<[u8; 16]> {
        self.array(AvId::CHANNEL_BINDINGS)
    }

    /// All pairs in their order, without `MsvAvEOL`.
    pub fn iter(&self) -> AvPairsIter<'a> {
        AvPairsIter(Reader::at(self.pairs, 0))
    }

    /// The length of the pairs in octets, without `MsvAvEOL`.
    pub(crate) fn encoded_len(&self) -> usize {
        self.pairs.len()
    }

    fn array<const N: usize>(&self, id: AvId) -> Option<[u8; N]> {
        self.get(id)?.try_into().ok()
    }
}

impl<'a> IntoIterator for &AvPairs<'a> {
    type Item = AvPair<'a>;
    type IntoIter = AvPairsIter<'a>;

    fn into_iter(self) -> AvPairsIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for AvPairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Goes through [`AvPairs`].
#[derive(Clone, Debug)]
pub struct AvPairsIter<'a>(Reader<'a>);

impl<'a> Iterator for AvPairsIter<'a> {
    type Item = AvPair<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        next(&mut self.0).ok()
    }
}

/// Appends a pair.
pub(crate) fn put(out: &mut Vec<u8>, id: AvId, value: &[u8]) -> Result<(), ApiMisuse> {
    put_header(out, id, value.len())?;
    out.extend_from_slice(value);
    Ok(())
}

/// Appends a pair with a text.
pub(crate) fn put_text(out: &mut Vec<u8>, id: AvId, text: &str) -> Result<(), ApiMisuse> {
    put_header(out, id, utf16::encoded_len(text))?;
    utf16::put(out, text);
    Ok(())
}

/// Appends `MsvAvEOL`.
pub(crate) fn put_eol(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; 4]);
}

fn put_header(out: &mut Vec<u8>, id: AvId, length: usize) -> Result<(), ApiMisuse> {
    let length = u16::try_from(length).map_err(|_| ApiMisuse::TooLong("AV_PAIR.Value"))?;
    out.extend_from_slice(&id.to_u16().to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    Ok(())
}

fn next<'a>(reader: &mut Reader<'a>) -> Result<AvPair<'a>, InvalidMessage> {
    let id = AvId(reader.u16("AV_PAIR.AvId")?);
    let length = reader.u16("AV_PAIR.AvLen")?;
    let value = reader.take(length.into(), "AV_PAIR.Value")?;
    Ok(AvPair { id, value })
}
