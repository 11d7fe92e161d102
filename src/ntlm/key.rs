//! NTLMv2's keys (MS-NLMP, sections 3.3.2, 3.4.4 and 3.4.5).
//!
//! A key that signs or answers more than once is kept as a keyed HMAC state, so that its schedule is computed once.

use hmac::{Hmac, KeyInit, Mac};
use md4::Md4;
use md5::{Digest, Md5};
use rc4::{Rc4, StreamCipher};
use zeroize::Zeroizing;

/// A keyed HMAC-MD5, to be cloned for each message.
pub(crate) type HmacMd5 = Hmac<Md5>;

/// 16 octets of key, erased on drop.
pub(crate) type Key = Zeroizing<[u8; 16]>;

/// HMAC-MD5 under `key`.
pub(crate) fn hmac_md5(key: &[u8; 16]) -> HmacMd5 {
    // HMAC fills short keys up with zeros (RFC 2104, section 2), so a key of the size of a block needs no check.
    let mut block = Zeroizing::new([0; 64]);
    if let Some(start) = block.first_chunk_mut() {
        *start = *key;
    }
    HmacMd5::new((&*block).into())
}

/// RC4 under `key`, at the start of its keystream.
pub(crate) fn rc4(key: &[u8; 16]) -> Rc4 {
    // RC4 repeats its key until 256 octets are full, so a key written twice is the same key.
    let mut twice = Zeroizing::new([0; 32]);
    for part in twice.as_chunks_mut::<16>().0 {
        *part = *key;
    }
    Rc4::new((&*twice).into())
}

/// `RC4K(key, data)`.
pub(crate) fn rc4_key(key: &[u8; 16], data: &[u8; 16]) -> Key {
    let mut result = Zeroizing::new(*data);
    rc4(key).apply_keystream(result.as_mut());
    result
}

/// `MD4(UNICODE(password))`, the NT hash.
pub(crate) fn nt_hash(password: &str) -> Key {
    let mut hash = Md4::new();
    for unit in password.encode_utf16() {
        hash.update(unit.to_le_bytes());
    }
    Zeroizing::new(hash.finalize().into())
}

/// A user name as `NTOWFv2` takes it: UTF-16LE, in upper case.
///
/// Windows maps each code unit by a table of the invariant locale, which never changes the length of a text: `ß` stays
/// as it is, and so do letters outside of the basic plane.
pub(crate) fn upper_case_utf16(user: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(user.len().saturating_mul(2));
    for c in user.chars() {
        let mut units = [0; 2];
        for unit in upper_case(c).encode_utf16(&mut units) {
            out.extend_from_slice(&unit.to_le_bytes());
        }
    }
    out
}

fn upper_case(c: char) -> char {
    match c {
        // In the invariant table these stay, although Unicode has upper-case letters for them.
        'ı' | 'ſ' | 'µ' => return c,
        '\u{10000}'.. => return c,
        _ => {}
    }
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// `ResponseKeyNT`, the result of `NTOWFv2` (MS-NLMP, section 3.3.2).
pub(crate) struct ResponseKey(HmacMd5);

impl ResponseKey {
    /// `HMAC_MD5(NT hash, UNICODE(Uppercase(User)) || UNICODE(UserDom))`, both already encoded.
    pub(crate) fn new(nt_hash: &[u8; 16], upper_case_user: &[u8], domain: &[u8]) -> Self {
        let mac = hmac_md5(nt_hash)
            .chain_update(upper_case_user)
            .chain_update(domain);
        let key: Key = Zeroizing::new(mac.finalize().into_bytes().into());
        Self(hmac_md5(&key))
    }

    /// `NTProofStr` over the challenge and `temp`, the NTLMv2_CLIENT_CHALLENGE.
    pub(crate) fn nt_proof_str(&self, server_challenge: &[u8; 8], temp: &[u8]) -> [u8; 16] {
        let mac = self
            .0
            .clone()
            .chain_update(server_challenge)
            .chain_update(temp);
        mac.finalize().into_bytes().into()
    }

    /// `LmChallengeResponse` of NTLMv2.
    pub(crate) fn lm_v2_response(
        &self,
        server_challenge: &[u8; 8],
        client_challenge: &[u8; 8],
    ) -> [u8; 24] {
        let proof = self.nt_proof_str(server_challenge, client_challenge);
        let mut response = [0; 24];
        for (to, from) in response
            .iter_mut()
            .zip(proof.iter().chain(client_challenge))
        {
            *to = *from;
        }
        response
    }

    /// `SessionBaseKey`, which for NTLMv2 is the `KeyExchangeKey` too (MS-NLMP, section 3.4.5.1).
    pub(crate) fn session_base_key(&self, nt_proof_str: &[u8; 16]) -> Key {
        let mac = self.0.clone().chain_update(nt_proof_str);
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    Server,
}

/// `SIGNKEY` with extended session security (MS-NLMP, section 3.4.5.2).
pub(crate) fn sign_key(exported_session_key: &[u8; 16], sender: Sender) -> Key {
    let magic: &[u8] = match sender {
        Sender::Client => b"session key to client-to-server signing key magic constant\0",
        Sender::Server => b"session key to server-to-client signing key magic constant\0",
    };
    derive(exported_session_key, magic)
}

/// `SEALKEY` with extended session security and 128 bits (MS-NLMP, section 3.4.5.3).
pub(crate) fn seal_key(exported_session_key: &[u8; 16], sender: Sender) -> Key {
    let magic: &[u8] = match sender {
        Sender::Client => b"session key to client-to-server sealing key magic constant\0",
        Sender::Server => b"session key to server-to-client sealing key magic constant\0",
    };
    derive(exported_session_key, magic)
}

/// `HMAC_MD5(ExportedSessionKey, messages)`, the MIC over an exchange (MS-NLMP, section 3.1.5.1.2).
pub(crate) fn mic(exported_session_key: &[u8; 16], messages: &[&[u8]]) -> [u8; 16] {
    let mut mac = hmac_md5(exported_session_key);
    for message in messages {
        mac.update(message);
    }
    mac.finalize().into_bytes().into()
}

fn derive(exported_session_key: &[u8; 16], magic: &[u8]) -> Key {
    let hash = Md5::new()
        .chain_update(exported_session_key)
        .chain_update(magic);
    Zeroizing::new(hash.finalize().into())
}
