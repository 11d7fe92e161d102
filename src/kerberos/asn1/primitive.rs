use std::fmt;

use rasn::prelude::{Constraints, Identifier, Tag};
use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

use crate::codec::der::{self, Reader};
use crate::secret::Secret;

/// Implements the codec of a type whose contents octets are read and written by `from_contents` and `put_contents`.
///
/// rasn checks the tag and the length; it is told that the contents are those of an OCTET STRING, so that what they mean
/// is decided here and not by its own types, which refuse what real peers send.
macro_rules! contents_codec {
    ($type:ty, $tag:expr, $($generics:tt)*) => {
        impl $($generics)* rasn::AsnType for $type {
            const TAG: rasn::prelude::Tag = $tag;
        }

        impl $($generics)* rasn::Decode for $type {
            fn decode_with_tag_and_constraints<D: rasn::Decoder>(
                decoder: &mut D,
                tag: rasn::prelude::Tag,
                _: &rasn::prelude::Constraints,
            ) -> Result<Self, D::Error> {
                use rasn::de::Error as _;

                let codec = decoder.codec();
                let contents: Vec<u8> =
                    decoder.decode_octet_string(tag, &rasn::prelude::Constraints::default())?;
                Self::from_contents(&contents)
                    .ok_or_else(|| D::Error::custom("a value that is not allowed", codec))
            }
        }

        impl $($generics)* rasn::Encode for $type {
            fn encode_with_tag_and_constraints<'b, E: rasn::Encoder<'b>>(
                &self,
                encoder: &mut E,
                tag: rasn::prelude::Tag,
                _: &rasn::prelude::Constraints,
                identifier: rasn::prelude::Identifier,
            ) -> Result<(), E::Error> {
                let constraints = rasn::prelude::Constraints::default();
                encoder
                    .encode_octet_string(tag, &constraints, &self.to_contents(), identifier)
                    .map(drop)
            }
        }
    };
}

pub(super) use contents_codec;

/// An OCTET STRING whose `Debug` shows its length only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Octets(Box<[u8]>);

impl Octets {
    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn from_contents(contents: &[u8]) -> Option<Self> {
        Some(contents.into())
    }

    fn to_contents(&self) -> Box<[u8]> {
        self.0.clone()
    }
}

contents_codec!(Octets, Tag::OCTET_STRING,);

impl From<&[u8]> for Octets {
    fn from(octets: &[u8]) -> Self {
        Self(octets.into())
    }
}

impl From<Vec<u8>> for Octets {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets.into())
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets", self.0.len())
    }
}

/// An OCTET STRING that is a secret: a key.
#[derive(Debug)]
pub struct SecretOctets(Secret<[u8]>);

impl SecretOctets {
    /// The octets.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

impl From<&[u8]> for SecretOctets {
    fn from(octets: &[u8]) -> Self {
        Self(octets.into())
    }
}

impl AsnType for SecretOctets {
    const TAG: Tag = Tag::OCTET_STRING;
}

impl Decode for SecretOctets {
    fn decode_with_tag_and_constraints<D: Decoder>(
        decoder: &mut D,
        tag: Tag,
        constraints: &Constraints,
    ) -> Result<Self, D::Error> {
        decoder
            .decode_octet_string::<Secret<[u8]>>(tag, constraints)
            .map(Self)
    }
}

impl Encode for SecretOctets {
    fn encode_with_tag_and_constraints<'b, E: Encoder<'b>>(
        &self,
        encoder: &mut E,
        tag: Tag,
        constraints: &Constraints,
        identifier: Identifier,
    ) -> Result<(), E::Error> {
        encoder
            .encode_octet_string(tag, constraints, self.expose(), identifier)
            .map(drop)
    }
}

/// KerberosFlags (RFC 4120, section 5.2.8): 32 bits, of which the first is the highest of the number.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// `forwardable`, of KDC options and tickets.
    pub const FORWARDABLE: Self = Self(0x4000_0000);
    /// `forwarded`, of KDC options and tickets.
    pub const FORWARDED: Self = Self(0x2000_0000);
    /// `proxiable`, of KDC options and tickets.
    pub const PROXIABLE: Self = Self(0x1000_0000);
    /// `renewable`, of KDC options and tickets.
    pub const RENEWABLE: Self = Self(0x0080_0000);
    /// `canonicalize`, of KDC options (RFC 6806, section 3).
    pub const CANONICALIZE: Self = Self(0x0001_0000);
    /// `renewable-ok`, of KDC options.
    pub const RENEWABLE_OK: Self = Self(0x10);
    /// `enc-tkt-in-skey`, of KDC options: user-to-user.
    pub const ENC_TKT_IN_SKEY: Self = Self(0x08);
    /// `invalid`, of tickets.
    pub const INVALID: Self = Self(0x0100_0000);
    /// `initial`, of tickets: issued by an AS exchange.
    pub const INITIAL: Self = Self(0x0040_0000);
    /// `pre-authent`, of tickets.
    pub const PRE_AUTHENT: Self = Self(0x0020_0000);
    /// `transited-policy-checked`, of tickets.
    pub const TRANSITED_POLICY_CHECKED: Self = Self(0x0008_0000);
    /// `ok-as-delegate`, of tickets.
    pub const OK_AS_DELEGATE: Self = Self(0x0004_0000);
    /// `enc-pa-rep`, of tickets (RFC 6806, section 11).
    pub const ENC_PA_REP: Self = Self(0x0001_0000);
    /// `use-session-key`, of AP options: user-to-user.
    pub const USE_SESSION_KEY: Self = Self(0x4000_0000);
    /// `mutual-required`, of AP options.
    pub const MUTUAL_REQUIRED: Self = Self(0x2000_0000);

    /// From the number.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn from_contents(contents: &[u8]) -> Option<Self> {
        // RFC 4120, section 5.2.8: "A KerberosFlags value with fewer than 32 bits" means the rest is zero; more are allowed.
        Reader::new(contents).bit_string("KerberosFlags").ok()?;
        let bits = contents.iter().skip(1).chain([0; 4].iter()).take(4);
        Some(Self(
            bits.fold(0, |sum, octet| sum << 8 | u32::from(*octet)),
        ))
    }

    fn to_contents(self) -> [u8; 5] {
        let [a, b, c, d] = self.0.to_be_bytes();
        [0, a, b, c, d]
    }
}

contents_codec!(Flags, Tag::BIT_STRING,);

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// UInt32 (RFC 4120, section 5.2.4): key version numbers, sequence numbers, nonces.
///
/// Some peers encode numbers from 2³¹ on as negative ones, and some write four octets whatever the number, though DER
/// wants the fewest (X.690, 8.3.2): a random sequence number is then malformed now and again. These forms are read, and
/// the right one is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsigned32(u32);

impl Unsigned32 {
    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    fn from_contents(contents: &[u8]) -> Option<Self> {
        let octets = match contents {
            [0, octets @ ..] if octets.len() == 4 => octets,
            [_, ..] if contents.len() <= 4 => contents,
            _ => return None,
        };
        let sign = match octets {
            [0x80..=0xff, ..] => u32::MAX,
            _ => 0,
        };
        let value = octets
            .iter()
            .fold(sign, |value, octet| value << 8 | u32::from(*octet));
        Some(Self(value))
    }

    fn to_contents(self) -> Vec<u8> {
        der::unsigned_contents(self.0, &mut [0; 5]).into()
    }
}

contents_codec!(Unsigned32, Tag::INTEGER,);

impl From<u32> for Unsigned32 {
    fn from(value: u32) -> Self {
        Self(value)
    }
}

/// Microseconds (RFC 4120, section 5.2.4): 0 to 999999. As in [`Unsigned32`], needless octets are read over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Microseconds(u32);

impl Microseconds {
    /// `None` from a million on.
    pub fn new(value: u32) -> Option<Self> {
        (value < 1_000_000).then_some(Self(value))
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }

    fn from_contents(contents: &[u8]) -> Option<Self> {
        Unsigned32::from_contents(contents).and_then(|value| Self::new(value.get()))
    }

    fn to_contents(self) -> Vec<u8> {
        der::unsigned_contents(self.0, &mut [0; 5]).into()
    }
}

contents_codec!(Microseconds, Tag::INTEGER,);

/// An INTEGER that has one value: a version, or a message's type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exactly<const VALUE: u32>;

impl<const VALUE: u32> Exactly<VALUE> {
    fn from_contents(contents: &[u8]) -> Option<Self> {
        let value = Reader::new(contents).unsigned("INTEGER").ok()?;
        (value == VALUE).then_some(Self)
    }

    fn to_contents(self) -> Vec<u8> {
        der::unsigned_contents(VALUE, &mut [0; 5]).into()
    }
}

contents_codec!(Exactly<VALUE>, Tag::INTEGER, <const VALUE: u32>);
