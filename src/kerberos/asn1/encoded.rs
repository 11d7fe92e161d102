use std::fmt;

use rasn::de::Error as _;
use rasn::prelude::{Any, Constraints, Identifier, Tag};
use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

use crate::error::{Error, InvalidMessage};

/// A value together with the octets that encode it, which are what is sent, signed and kept.
#[derive(Clone)]
pub struct Encoded<T> {
    octets: Box<[u8]>,
    value: T,
}

impl<T> Encoded<T> {
    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }
}

impl<T: Encode> Encoded<T> {
    /// Encodes a value, once and for all; `name` is for the error.
    pub(in crate::kerberos) fn encode(value: T, name: &'static str) -> Result<Self, Error> {
        let octets = super::encode(&value, name)?.into();
        Ok(Self { octets, value })
    }
}

impl<T: Decode> Encoded<T> {
    /// Decodes a value, which is all of `octets`; `name` is for the error.
    pub(in crate::kerberos) fn decode(
        octets: &[u8],
        name: &'static str,
    ) -> Result<Self, InvalidMessage> {
        let value = super::decode(octets, name)?;
        let octets = octets.into();
        Ok(Self { octets, value })
    }
}

impl<T: AsnType> AsnType for Encoded<T> {
    const TAG: Tag = T::TAG;
}

impl<T: Decode> Decode for Encoded<T> {
    fn decode_with_tag_and_constraints<D: Decoder>(
        decoder: &mut D,
        _: Tag,
        _: &Constraints,
    ) -> Result<Self, D::Error> {
        // All that Kerberos has of these stand below an explicit tag or in a SEQUENCE OF: they keep their own tag.
        let codec = decoder.codec();
        let octets = decoder.decode_any(Tag::EOC)?.into_bytes();
        let value = rasn::der::decode(&octets).map_err(|error| D::Error::custom(error, codec))?;
        Ok(Self {
            octets: octets.into(),
            value,
        })
    }
}

impl<T: Encode> Encode for Encoded<T> {
    fn encode_with_tag_and_constraints<'b, E: Encoder<'b>>(
        &self,
        encoder: &mut E,
        _: Tag,
        _: &Constraints,
        identifier: Identifier,
    ) -> Result<(), E::Error> {
        let octets = Any::new(self.octets.to_vec());
        encoder.encode_any(Tag::EOC, &octets, identifier).map(drop)
    }
}

impl<T: fmt::Debug> fmt::Debug for Encoded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.value, f)
    }
}
