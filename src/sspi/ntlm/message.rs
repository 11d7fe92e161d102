//! What is checked of NTLM's messages (MS-NLMP, section 2.2.1) before the crate reads them.

use super::super::{MAX_TOKEN_LEN, check_len};
use crate::codec::little_endian::Reader;
use crate::codec::utf16;
use crate::error::{Error, InvalidMessage, InvalidMessageKind, PeerIncompatible};
use crate::name::AccountName;

/// The flags (section 2.2.2.5) without which messages are not sealed as the crate seals them: UNICODE, SIGN, SEAL,
/// EXTENDED_SESSIONSECURITY, 128 and KEY_EXCH.
const STRONG: u32 = 0x6008_0031;

/// NTLMSSP_NEGOTIATE_TARGET_INFO.
const TARGET_INFO: u32 = 0x0080_0000;

/// NTLMSSP_ANONYMOUS.
const ANONYMOUS: u32 = 0x0000_0800;

/// MsvAvFlags (section 2.2.2.1).
const AV_FLAGS: u16 = 6;

/// MsvAvChannelBindings.
const AV_CHANNEL_BINDINGS: u16 = 10;

/// The value of MsvAvFlags that announces a MIC, and nothing else.
const AV_FLAG_MIC: [u8; 4] = [2, 0, 0, 0];

/// Checks a NEGOTIATE_MESSAGE (section 2.2.1.1).
pub(super) fn check_negotiate(message: &[u8]) -> Result<(), Error> {
    let mut reader = open(message, 1, "NEGOTIATE_MESSAGE")?;
    check_flags(reader.u32("NEGOTIATE_MESSAGE.NegotiateFlags")?, STRONG)?;
    Ok(())
}

/// Checks a CHALLENGE_MESSAGE (section 2.2.1.2).
pub(super) fn check_challenge(message: &[u8]) -> Result<(), Error> {
    let mut reader = open(message, 2, "CHALLENGE_MESSAGE")?;
    payload(&mut reader, message, "CHALLENGE_MESSAGE.TargetName")?;
    let flags = reader.u32("CHALLENGE_MESSAGE.NegotiateFlags")?;
    check_flags(flags, STRONG | TARGET_INFO)?;
    let _challenge: [u8; 8] = reader.take_array("CHALLENGE_MESSAGE.ServerChallenge")?;
    let _reserved: [u8; 8] = reader.take_array("CHALLENGE_MESSAGE.Reserved")?;
    let name = "CHALLENGE_MESSAGE.TargetInfo";
    let target_info = payload(&mut reader, message, name)?;
    find(target_info, AV_FLAGS, name)?;
    Ok(())
}

/// What an AUTHENTICATE_MESSAGE says in the clear.
pub(super) struct Authenticate {
    pub(super) account: AccountName,
    pub(super) has_channel_bindings: bool,
}

impl Authenticate {
    /// Checks an AUTHENTICATE_MESSAGE (section 2.2.1.3).
    ///
    /// It must have a MIC, as with this crate's own NTLM.
    pub(super) fn check(message: &[u8]) -> Result<Self, Error> {
        const RESPONSE: &str = "AUTHENTICATE_MESSAGE.NtChallengeResponse";

        let mut reader = open(message, 3, "AUTHENTICATE_MESSAGE")?;
        let mut field = |name| payload(&mut reader, message, name);
        field("AUTHENTICATE_MESSAGE.LmChallengeResponse")?;
        let response = field(RESPONSE)?;
        let domain = text(field("AUTHENTICATE_MESSAGE.DomainName")?)?;
        let user = text(field("AUTHENTICATE_MESSAGE.UserName")?)?;
        field("AUTHENTICATE_MESSAGE.Workstation")?;
        field("AUTHENTICATE_MESSAGE.EncryptedRandomSessionKey")?;
        let flags = reader.u32("AUTHENTICATE_MESSAGE.NegotiateFlags")?;

        if flags & ANONYMOUS != 0 || user.is_empty() {
            return Err(PeerIncompatible::Anonymous.into());
        }
        check_flags(flags, STRONG | TARGET_INFO)?;
        // 24 octets are an NTLM_RESPONSE; none stand beside an LM response. NTLMv2's is longer in any case.
        if response.len() <= 24 {
            return Err(PeerIncompatible::NtlmV1.into());
        }
        // Section 2.2.2.8: 16 octets of Response, and 28 of an NTLMv2_CLIENT_CHALLENGE before its AV_PAIRs.
        let pairs = response
            .get(44..)
            .ok_or_else(|| InvalidMessage::new(RESPONSE, 20, InvalidMessageKind::Truncated))?;
        if find(pairs, AV_FLAGS, RESPONSE)? != Some(&AV_FLAG_MIC) {
            return Err(PeerIncompatible::WeakNtlm("a MIC, and nothing else in MsvAvFlags").into());
        }
        Ok(Self {
            account: AccountName::new(&domain, &user),
            has_channel_bindings: find(pairs, AV_CHANNEL_BINDINGS, RESPONSE)?.is_some(),
        })
    }
}

/// Reads `Signature` and `MessageType`.
fn open<'a>(
    message: &'a [u8],
    message_type: u32,
    name: &'static str,
) -> Result<Reader<'a>, InvalidMessage> {
    check_len(message, MAX_TOKEN_LEN, name)?;
    let mut reader = Reader::at(message, 0);
    if &reader.take_array(name)? != b"NTLMSSP\0" || reader.u32(name)? != message_type {
        return Err(InvalidMessage::new(name, 0, InvalidMessageKind::BadValue));
    }
    Ok(reader)
}

/// A field of the payload, which must lie in `message`; the offset of an empty one means nothing.
fn payload<'a>(
    reader: &mut Reader<'_>,
    message: &'a [u8],
    name: &'static str,
) -> Result<&'a [u8], InvalidMessage> {
    let position = reader.offset();
    let length = usize::from(reader.u16(name)?);
    let _max_length = reader.u16(name)?;
    let offset = usize::try_from(reader.u32(name)?).unwrap_or(usize::MAX);
    if length == 0 {
        return Ok(&[]);
    }
    offset
        .checked_add(length)
        .and_then(|end| message.get(offset..end))
        .ok_or_else(|| InvalidMessage::new(name, position, InvalidMessageKind::Truncated))
}

/// The value of the first AV_PAIR with `id`; all of the list must be whole, as the crate reads all of it.
fn find<'a>(
    list: &'a [u8],
    id: u16,
    name: &'static str,
) -> Result<Option<&'a [u8]>, InvalidMessage> {
    let mut reader = Reader::at(list, 0);
    let mut found = None;
    while !reader.rest().is_empty() {
        let found_id = reader.u16(name)?;
        let length = reader.u16(name)?;
        let value = reader.take(length.into(), name)?;
        if found_id == id && found.is_none() {
            found = Some(value);
        }
    }
    Ok(found)
}

fn text(field: &[u8]) -> Result<String, InvalidMessage> {
    let name = "AUTHENTICATE_MESSAGE.UserName";
    utf16::decode(field).ok_or_else(|| InvalidMessage::new(name, 0, InvalidMessageKind::BadValue))
}

fn check_flags(flags: u32, needed: u32) -> Result<(), PeerIncompatible> {
    if flags & needed == needed {
        Ok(())
    } else {
        let feature = "NTLM version 2 with 128-bit keys, key exchange, signing and sealing";
        Err(PeerIncompatible::WeakNtlm(feature))
    }
}
