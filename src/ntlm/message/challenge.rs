//! CHALLENGE_MESSAGE (MS-NLMP, section 2.2.1.2).

use std::fmt;

use super::{AvPairs, PayloadField, PayloadWriter, SIGNATURE, Version};
use crate::codec::utf16;
use crate::error::{ApiMisuse, InvalidMessage};
use crate::ntlm::flags::NegotiateFlags;

/// The header of the message that this crate sends: it has room for `Version`, filled or not.
const HEADER_LEN: usize = 56;

/// CHALLENGE_MESSAGE: what a server agrees to, and its challenge (MS-NLMP, section 2.2.1.2).
///
/// `Debug` shows how long its parts are, and not their contents.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChallengeMessage<'a> {
    /// `NegotiateFlags`.
    pub flags: NegotiateFlags,
    /// `ServerChallenge`.
    pub server_challenge: [u8; 8],
    /// `TargetName`: UTF-16LE or, as they say, in the server's OEM code page.
    pub target_name: &'a [u8],
    /// `TargetInfo`, where the flags announce it.
    pub target_info: Option<AvPairs<'a>>,
    /// `Version`, where the flags announce it and the message has room for it.
    pub version: Option<Version>,
}

impl<'a> ChallengeMessage<'a> {
    /// Decodes a whole message.
    ///
    /// # Errors
    /// Where the message has another type, ends early, points outside of itself, or holds a malformed list of
    /// AV_PAIRs.
    pub fn decode(message: &'a [u8]) -> Result<Self, InvalidMessage> {
        let mut reader = super::open(message, 2, "CHALLENGE_MESSAGE")?;
        let target_name = PayloadField::read(&mut reader, "CHALLENGE_MESSAGE.TargetName")?;
        let flags = NegotiateFlags::from_bits(reader.u32("CHALLENGE_MESSAGE.NegotiateFlags")?);
        let server_challenge = reader.take_array("CHALLENGE_MESSAGE.ServerChallenge")?;

        // Section 2.2.1.2: without NTLMSSP_NEGOTIATE_TARGET_INFO, the field is to be ignored on receipt.
        let target_info = if flags.contains(NegotiateFlags::TARGET_INFO) {
            let _reserved: [u8; 8] = reader.take_array("CHALLENGE_MESSAGE.Reserved")?;
            let field = PayloadField::read(&mut reader, "CHALLENGE_MESSAGE.TargetInfo")?;
            let list = field.resolve(message, reader.offset())?;
            Some(AvPairs::decode_at(list, field.offset)?)
        } else {
            None
        };
        // Nothing depends on the name, and the examples of section 4.2 have one without announcing it: it is shown
        // where it is well-formed.
        let target_name = match target_name.resolve(message, 32) {
            Err(error) if flags.contains(NegotiateFlags::REQUEST_TARGET) => return Err(error),
            resolved => resolved.unwrap_or_default(),
        };
        let version = message
            .get(48..)
            .and_then(<[u8]>::first_chunk)
            .filter(|_| flags.contains(NegotiateFlags::VERSION))
            .map(|bytes| Version::from_bytes(*bytes));
        Ok(Self {
            flags,
            server_challenge,
            target_name,
            target_info,
            version,
        })
    }
}

impl fmt::Debug for ChallengeMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChallengeMessage")
            .field("flags", &self.flags)
            .field(
                "target_name",
                &format_args!("{} bytes", self.target_name.len()),
            )
            .field("target_info", &self.target_info)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Appends a message with UTF-16 texts to `out`. `target_info` is a list of AV_PAIRs with its end.
pub(crate) fn encode(
    flags: NegotiateFlags,
    server_challenge: &[u8; 8],
    target_name: &str,
    target_info: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), ApiMisuse> {
    let target_name_len = utf16::encoded_len(target_name);
    let payload_len = target_name_len.saturating_add(target_info.len());
    out.reserve(HEADER_LEN.saturating_add(payload_len));

    let mut payload = PayloadWriter::behind(HEADER_LEN);
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(&2_u32.to_le_bytes());
    payload.put_field(out, target_name_len, "CHALLENGE_MESSAGE.TargetName")?;
    out.extend_from_slice(&flags.bits().to_le_bytes());
    out.extend_from_slice(server_challenge);
    out.extend_from_slice(&[0; 8]);
    payload.put_field(out, target_info.len(), "CHALLENGE_MESSAGE.TargetInfo")?;
    // Section 2.2.1.2: without NTLMSSP_NEGOTIATE_VERSION, all of Version is zero.
    let version = if flags.contains(NegotiateFlags::VERSION) {
        Version::OURS
    } else {
        [0; 8]
    };
    out.extend_from_slice(&version);
    utf16::put(out, target_name);
    out.extend_from_slice(target_info);
    Ok(())
}
