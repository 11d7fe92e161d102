//! AUTHENTICATE_MESSAGE (MS-NLMP, section 2.2.1.3).

use std::fmt;

use super::{PayloadField, PayloadWriter, SIGNATURE, Version};
use crate::codec::utf16;
use crate::error::{ApiMisuse, InvalidMessage};
use crate::ntlm::flags::NegotiateFlags;

/// The least header: up to and with `NegotiateFlags`, as Windows NT and 2000 send it.
const MIN_HEADER_LEN: usize = 64;

/// The header with `Version`, as Windows XP and Server 2003 send it.
const VERSION_HEADER_LEN: usize = 72;

/// The header with `MIC` and without `Version`, which some clients leave out where it has not been negotiated.
const MIC_HEADER_LEN: usize = 80;

/// The header with `Version` and `MIC`.
const HEADER_LEN: usize = 88;

/// AUTHENTICATE_MESSAGE: a client's answer to the challenge (MS-NLMP, section 2.2.1.3).
///
/// `Debug` shows no responses and no keys.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthenticateMessage<'a> {
    /// `NegotiateFlags`.
    pub flags: NegotiateFlags,
    /// `LmChallengeResponse`.
    pub lm_challenge_response: &'a [u8],
    /// `NtChallengeResponse`; see [`Ntlmv2Response`](super::Ntlmv2Response).
    pub nt_challenge_response: &'a [u8],
    /// `DomainName`, UTF-16LE where the flags say so.
    pub domain_name: &'a [u8],
    /// `UserName`, UTF-16LE where the flags say so.
    pub user_name: &'a [u8],
    /// `Workstation`, UTF-16LE where the flags say so.
    pub workstation: &'a [u8],
    /// `EncryptedRandomSessionKey`.
    pub encrypted_random_session_key: &'a [u8],
    /// `Version`, where the flags announce it and the header has room for it.
    pub version: Option<Version>,
    /// `MIC`, where the header has room for it. It means something only if `MsvAvFlags` of the response says so:
    /// some clients leave garbage here.
    pub mic: Option<[u8; 16]>,
    /// Where `MIC` stands.
    mic_offset: Option<usize>,
}

impl<'a> AuthenticateMessage<'a> {
    /// Decodes a whole message.
    ///
    /// Neither flags nor a length tell whether the header holds `Version` and `MIC`: it reaches to where the first
    /// of the payload's fields begins.
    ///
    /// # Errors
    /// Where the message has another type, ends early, or points outside of itself.
    pub fn decode(message: &'a [u8]) -> Result<Self, InvalidMessage> {
        let mut reader = super::open(message, 3, "AUTHENTICATE_MESSAGE")?;
        let mut field = |name| PayloadField::read(&mut reader, name);
        let fields = [
            field("AUTHENTICATE_MESSAGE.LmChallengeResponse")?,
            field("AUTHENTICATE_MESSAGE.NtChallengeResponse")?,
            field("AUTHENTICATE_MESSAGE.DomainName")?,
            field("AUTHENTICATE_MESSAGE.UserName")?,
            field("AUTHENTICATE_MESSAGE.Workstation")?,
            field("AUTHENTICATE_MESSAGE.EncryptedRandomSessionKey")?,
        ];
        let flags = NegotiateFlags::from_bits(reader.u32("AUTHENTICATE_MESSAGE.NegotiateFlags")?);

        let mut contents = [&[][..]; 6];
        for (contents, field) in contents.iter_mut().zip(fields) {
            *contents = field.resolve(message, MIN_HEADER_LEN)?;
        }
        let [
            lm_challenge_response,
            nt_challenge_response,
            domain_name,
            user_name,
            workstation,
            encrypted_random_session_key,
        ] = contents;

        let header_len = fields
            .iter()
            .filter(|field| field.length > 0)
            .map(|field| field.offset)
            .fold(message.len(), usize::min);
        let version = reader
            .take_array("AUTHENTICATE_MESSAGE.Version")
            .ok()
            .filter(|_| header_len >= VERSION_HEADER_LEN)
            .filter(|_| flags.contains(NegotiateFlags::VERSION))
            .map(Version::from_bytes);
        let mic_offset = match header_len {
            HEADER_LEN.. => Some(VERSION_HEADER_LEN),
            MIC_HEADER_LEN.. if !flags.contains(NegotiateFlags::VERSION) => Some(MIN_HEADER_LEN),
            _ => None,
        };
        Ok(Self {
            flags,
            lm_challenge_response,
            nt_challenge_response,
            domain_name,
            user_name,
            workstation,
            encrypted_random_session_key,
            version,
            mic: mic_offset
                .and_then(|offset| message.get(offset..)?.first_chunk())
                .copied(),
            mic_offset,
        })
    }

    /// `DomainName` as a text.
    ///
    /// # Errors
    /// Where it is not UTF-16.
    pub fn domain_name_text(&self) -> Result<String, InvalidMessage> {
        super::text(self.domain_name, "AUTHENTICATE_MESSAGE.DomainName", 28)
    }

    /// `UserName` as a text.
    ///
    /// # Errors
    /// Where it is not UTF-16.
    pub fn user_name_text(&self) -> Result<String, InvalidMessage> {
        super::text(self.user_name, "AUTHENTICATE_MESSAGE.UserName", 36)
    }

    /// `Workstation` as a text.
    ///
    /// # Errors
    /// Where it is not UTF-16.
    pub fn workstation_text(&self) -> Result<String, InvalidMessage> {
        super::text(self.workstation, "AUTHENTICATE_MESSAGE.Workstation", 44)
    }
}

impl fmt::Debug for AuthenticateMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticateMessage")
            .field("flags", &self.flags)
            .field("domain_name", &self.domain_name_text())
            .field("user_name", &self.user_name_text())
            .field("workstation", &self.workstation_text())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What an AUTHENTICATE_MESSAGE of ours is made of.
pub(crate) struct Parts<'a> {
    pub(crate) flags: NegotiateFlags,
    pub(crate) lm_challenge_response: &'a [u8],
    pub(crate) nt_challenge_response: &'a [u8],
    pub(crate) domain_name: &'a str,
    pub(crate) user_name: &'a str,
    pub(crate) workstation: &'a str,
    pub(crate) encrypted_random_session_key: &'a [u8],
}

impl Parts<'_> {
    /// The message, with `Version` and a `MIC` of zeros.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, ApiMisuse> {
        let domain_name_len = utf16::encoded_len(self.domain_name);
        let user_name_len = utf16::encoded_len(self.user_name);
        let workstation_len = utf16::encoded_len(self.workstation);
        let payload_len = [
            domain_name_len,
            user_name_len,
            workstation_len,
            self.lm_challenge_response.len(),
            self.nt_challenge_response.len(),
            self.encrypted_random_session_key.len(),
        ]
        .into_iter()
        .fold(0, usize::saturating_add);

        let mut out = Vec::with_capacity(HEADER_LEN.saturating_add(payload_len));
        out.extend_from_slice(SIGNATURE);
        out.extend_from_slice(&3_u32.to_le_bytes());
        let mut payload = PayloadWriter::behind(HEADER_LEN);
        for (length, name) in [
            (
                self.lm_challenge_response.len(),
                "AUTHENTICATE_MESSAGE.LmChallengeResponse",
            ),
            (
                self.nt_challenge_response.len(),
                "AUTHENTICATE_MESSAGE.NtChallengeResponse",
            ),
            (domain_name_len, "AUTHENTICATE_MESSAGE.DomainName"),
            (user_name_len, "AUTHENTICATE_MESSAGE.UserName"),
            (workstation_len, "AUTHENTICATE_MESSAGE.Workstation"),
            (
                self.encrypted_random_session_key.len(),
                "AUTHENTICATE_MESSAGE.EncryptedRandomSessionKey",
            ),
        ] {
            payload.put_field(&mut out, length, name)?;
        }
        out.extend_from_slice(&self.flags.bits().to_le_bytes());
        out.extend_from_slice(&if self.flags.contains(NegotiateFlags::VERSION) {
            Version::OURS
        } else {
            [0; 8]
        });
        out.extend_from_slice(&[0; 16]);

        out.extend_from_slice(self.lm_challenge_response);
        out.extend_from_slice(self.nt_challenge_response);
        utf16::put(&mut out, self.domain_name);
        utf16::put(&mut out, self.user_name);
        utf16::put(&mut out, self.workstation);
        out.extend_from_slice(self.encrypted_random_session_key);
        Ok(out)
    }
}

/// The `MIC` in the header of a message that has room for it.
pub(crate) fn mic_mut(message: &mut [u8]) -> Option<&mut [u8; 16]> {
    let offset = AuthenticateMessage::decode(message).ok()?.mic_offset?;
    message.get_mut(offset..)?.first_chunk_mut()
}
