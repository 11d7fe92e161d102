//! NEGOTIATE_MESSAGE (MS-NLMP, section 2.2.1.1).

use super::{PayloadField, SIGNATURE, Version};
use crate::error::InvalidMessage;
use crate::ntlm::flags::NegotiateFlags;

/// The length of the message that this crate sends: a header without payload.
pub(crate) const LEN: usize = 40;

/// The least message: up to and with `NegotiateFlags`.
const MIN_LEN: usize = 16;

/// NEGOTIATE_MESSAGE: what a client offers (MS-NLMP, section 2.2.1.1).
///
/// The texts are in the client's OEM code page, whatever the flags say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NegotiateMessage<'a> {
    /// `NegotiateFlags`.
    pub flags: NegotiateFlags,
    /// `DomainName`, where the flags announce it.
    pub domain_name: &'a [u8],
    /// `WorkstationName`, where the flags announce it.
    pub workstation: &'a [u8],
    /// `Version`, where the flags announce it and the message has room for it.
    pub version: Option<Version>,
}

impl<'a> NegotiateMessage<'a> {
    /// Decodes a whole message. Old clients end it early, after the flags at the soonest.
    ///
    /// # Errors
    /// Where the message has another type, ends within a field, or points outside of itself.
    pub fn decode(message: &'a [u8]) -> Result<Self, InvalidMessage> {
        let mut reader = super::open(message, 1, "NEGOTIATE_MESSAGE")?;
        let flags = NegotiateFlags::from_bits(reader.u32("NEGOTIATE_MESSAGE.NegotiateFlags")?);

        // Section 2.2.1.1: without NTLMSSP_NEGOTIATE_OEM_DOMAIN_SUPPLIED or ..._WORKSTATION_SUPPLIED, the field is to be
        // ignored on receipt.
        let mut supplied = |flag, name| {
            if reader.rest().is_empty() {
                return Ok(&[][..]);
            }
            let field = PayloadField::read(&mut reader, name)?;
            if flags.contains(flag) {
                // Some clients count this field's offset from a shorter header than they send. Nobody needs the texts, so
                // only what is always there is out of bounds.
                field.resolve(message, MIN_LEN)
            } else {
                Ok(&[])
            }
        };
        let domain_name = supplied(
            NegotiateFlags::OEM_DOMAIN_SUPPLIED,
            "NEGOTIATE_MESSAGE.DomainName",
        )?;
        let workstation = supplied(
            NegotiateFlags::OEM_WORKSTATION_SUPPLIED,
            "NEGOTIATE_MESSAGE.Workstation",
        )?;
        let version = reader
            .rest()
            .first_chunk()
            .filter(|_| flags.contains(NegotiateFlags::VERSION))
            .map(|bytes| Version::from_bytes(*bytes));
        Ok(Self {
            flags,
            domain_name,
            workstation,
            version,
        })
    }
}

/// The message that this crate sends.
///
/// Both texts are empty, as they have to be beside NTLMSSP_NEGOTIATE_VERSION (MS-NLMP, section 3.1.5.1.1).
pub(crate) fn encode(flags: NegotiateFlags) -> Vec<u8> {
    let mut out = Vec::with_capacity(LEN);
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(&1_u32.to_le_bytes());
    out.extend_from_slice(&flags.bits().to_le_bytes());
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(&Version::OURS);
    out
}
