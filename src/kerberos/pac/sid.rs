use std::fmt;

use crate::codec::little_endian::Reader;
use crate::error::{InvalidMessage, InvalidMessageKind};

/// A security identifier (MS-DTYP, section 2.4.2), shown as `S-1-5-21-...`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sid {
    authority: u64,
    sub_authorities: Vec<u32>,
}

impl Sid {
    /// The most parts behind the authority.
    const MAX_SUB_AUTHORITIES: usize = 15;

    /// Reads one in its binary form (MS-DTYP, section 2.4.2.2).
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        const NAME: &str = "SID";

        let [revision, count] = reader.take_array(NAME)?;
        if revision != 1 || usize::from(count) > Self::MAX_SUB_AUTHORITIES {
            return Err(reader.error(NAME, InvalidMessageKind::BadValue));
        }
        let [a, b, c, d, e, f] = reader.take_array(NAME)?;
        let sub_authorities = (0..count)
            .map(|_| reader.u32(NAME))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            authority: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
            sub_authorities,
        })
    }

    /// An account's or group's: this one is its domain's.
    pub(super) fn with_relative(&self, relative: u32) -> Self {
        let mut sid = self.clone();
        sid.sub_authorities.push(relative);
        sid
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // MS-DTYP, section 2.4.2.1: an authority that does not fit into 32 bits is written in hexadecimal digits.
        if self.authority > u32::MAX.into() {
            write!(f, "S-1-0x{:012x}", self.authority)?;
        } else {
            write!(f, "S-1-{}", self.authority)?;
        }
        self.sub_authorities
            .iter()
            .try_for_each(|part| write!(f, "-{part}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
