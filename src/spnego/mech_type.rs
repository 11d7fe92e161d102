use std::fmt;
use std::iter;

use crate::codec::der::{self, Reader};
use crate::error::{InvalidMessage, InvalidMessageKind};
use crate::mechanism::Oid;

/// `MechType`: the object identifier of a mechanism, as a peer named it (RFC 4178, section 4.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MechType<'a>(&'a [u8]);

impl<'a> MechType<'a> {
    /// The contents octets of its DER encoding, without tag and length.
    pub fn contents(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn read(contents: Reader<'a>, field: &'static str) -> Result<Self, InvalidMessage> {
        contents.object_identifier(field).map(Self)
    }
}

impl From<Oid> for MechType<'static> {
    fn from(oid: Oid) -> Self {
        Self(oid.contents())
    }
}

impl PartialEq<Oid> for MechType<'_> {
    fn eq(&self, oid: &Oid) -> bool {
        self.0 == oid.contents()
    }
}

/// The numbers, joined by dots. One that does not fit 128 bits is shown as the largest that does.
impl fmt::Display for MechType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut number = 0_u128;
        let mut first = true;
        for octet in self.0 {
            number = number.saturating_mul(0x80) | u128::from(octet & 0x7f);
            if *octet >= 0x80 {
                continue;
            }
            if first {
                // X.690, 8.19.4: the first subidentifier is (X * 40) + Y, where X is at most 2.
                let root = (number / 40).min(2);
                write!(
                    f,
                    "{root}.{}",
                    number.saturating_sub(root.saturating_mul(40))
                )?;
            } else {
                write!(f, ".{number}")?;
            }
            number = 0;
            first = false;
        }
        Ok(())
    }
}

impl fmt::Debug for MechType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MechType({self})")
    }
}

/// `MechTypeList`: the initiator's mechanisms, the preferred one first (RFC 4178, section 4.2.1).
///
/// Keeps its encoding exactly as it came, because that is what the `mechListMIC`s sign (RFC 4178, section 5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MechTypeList<'a> {
    der: &'a [u8],
    contents: &'a [u8],
}

impl<'a> MechTypeList<'a> {
    /// The most mechanisms that a list may name; real lists name five.
    pub const MAX_LEN: usize = 32;

    /// Decodes the SEQUENCE OF OBJECT IDENTIFIER, without the `[0]` around it.
    ///
    /// # Errors
    /// Where it is not DER, or names more than [`Self::MAX_LEN`] mechanisms.
    pub fn decode(der: &'a [u8]) -> Result<Self, InvalidMessage> {
        Self::read(Reader::new(der), "MechTypeList")
    }

    /// Encodes a list.
    pub fn encode(mech_types: impl IntoIterator<Item = Oid>) -> Vec<u8> {
        let mut contents = Vec::new();
        for oid in mech_types {
            let oid = oid.contents();
            der::put_header(&mut contents, der::OBJECT_IDENTIFIER, oid.len());
            contents.extend_from_slice(oid);
        }
        let mut out = Vec::with_capacity(der::value_len(contents.len()));
        der::put_header(&mut out, der::SEQUENCE, contents.len());
        out.extend_from_slice(&contents);
        out
    }

    /// The DER encoding as it came: tag, length and contents of the SEQUENCE.
    pub fn as_der(self) -> &'a [u8] {
        self.der
    }

    /// The mechanisms, the preferred one first.
    pub fn iter(self) -> impl Iterator<Item = MechType<'a>> + use<'a> {
        let mut contents = Reader::new(self.contents);
        iter::from_fn(move || {
            let oid = contents.read(der::OBJECT_IDENTIFIER, "MechType").ok()?;
            Some(MechType(oid.rest()))
        })
    }

    pub(super) fn read(mut value: Reader<'a>, field: &'static str) -> Result<Self, InvalidMessage> {
        let der = value.rest();
        let mut list = value.read(der::SEQUENCE, field)?;
        value.finish(field)?;
        let contents = list.rest();
        for _ in 0..Self::MAX_LEN {
            if list.is_empty() {
                break;
            }
            MechType::read(list.read(der::OBJECT_IDENTIFIER, field)?, field)?;
        }
        if !list.is_empty() {
            return Err(list.error(field, InvalidMessageKind::TooLarge));
        }
        Ok(Self { der, contents })
    }
}

impl fmt::Debug for MechTypeList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
