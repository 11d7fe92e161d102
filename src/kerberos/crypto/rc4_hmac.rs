//! `arcfour-hmac` (RFC 4757).

use hmac::{Hmac, KeyInit, Mac};
use md4::Md4;
use md5::{Digest, Md5};
use rc4::{Rc4, StreamCipher};
use zeroize::Zeroizing;

use super::key::KeyOctets;
use super::{Checksum, CryptoError, EncryptionKey, KeyUsage};
use crate::environment::Random;

/// The length of keys and checksums, in octets.
const KEY_LEN: usize = 16;

/// The length of a confounder, in octets.
const CONFOUNDER_LEN: usize = 8;

type HmacMd5 = Hmac<Md5>;

/// `MD4(UNICODE(password))` (RFC 4757, section 2).
pub(super) fn string_to_key(password: &str) -> KeyOctets {
    let mut hash = Md4::new();
    for unit in password.encode_utf16() {
        hash.update(unit.to_le_bytes());
    }
    let hash: Zeroizing<[u8; KEY_LEN]> = Zeroizing::new(hash.finalize().into());
    let mut key = KeyOctets::default();
    for (to, from) in key.iter_mut().zip(*hash) {
        *to = from;
    }
    key
}

/// Encrypts and decrypts for one key usage (RFC 4757, section 5).
pub(super) struct ProtectionKey {
    /// Keyed with `K1`, which is `K2` too where the key is not one for export.
    k1: HmacMd5,
}

impl ProtectionKey {
    /// The checksum, and the confounder.
    pub(super) const HEADER_LEN: u8 = 24;

    pub(super) fn derive(key: &EncryptionKey, usage: KeyUsage) -> Self {
        let k1 = hmac(keyed(key), &[&message_type(usage).to_le_bytes()]);
        Self {
            k1: keyed_with(&k1),
        }
    }

    pub(super) fn encrypt(
        &self,
        random: &dyn Random,
        buffer: &mut [u8],
    ) -> Result<(), CryptoError> {
        let (checksum, data) = split(buffer)?;
        let confounder = data
            .first_chunk_mut::<CONFOUNDER_LEN>()
            .ok_or(CryptoError::Truncated)?;
        random.fill(confounder)?;
        *checksum = *hmac(self.k1.clone(), &[data]);
        self.rc4(checksum).apply_keystream(data);
        Ok(())
    }

    pub(super) fn decrypt<'a>(
        &self,
        ciphertext: &'a mut [u8],
    ) -> Result<&'a mut [u8], CryptoError> {
        let (checksum, data) = split(ciphertext)?;
        self.rc4(checksum).apply_keystream(data);
        let found = hmac(self.k1.clone(), &[data]);
        Checksum::new(KEY_LEN, |out| out.copy_from_slice(&*found)).verify(checksum)?;
        let (_confounder, plaintext) = data
            .split_at_mut_checked(CONFOUNDER_LEN)
            .ok_or(CryptoError::Truncated)?;
        Ok(plaintext)
    }

    /// RC4 under `K3`.
    fn rc4(&self, checksum: &[u8; KEY_LEN]) -> Rc4 {
        rc4(&hmac(self.k1.clone(), &[checksum]))
    }
}

/// Computes checksums for one key usage (RFC 4757, section 4).
pub(super) struct ChecksumKey {
    /// Keyed with `Ksign`.
    sign: HmacMd5,
    message_type: u32,
}

impl ChecksumKey {
    pub(super) fn derive(key: &EncryptionKey, usage: KeyUsage) -> Self {
        Self {
            sign: signature_key(key),
            message_type: message_type(usage),
        }
    }

    pub(super) fn checksum(&self, message: &[&[u8]]) -> Checksum {
        let checksum = signature(&self.sign, self.message_type, message);
        Checksum::new(KEY_LEN, |out| out.copy_from_slice(&*checksum))
    }
}

/// The keys of a context's messages (RFC 4757, section 7).
pub(in super::super) struct Rc4ContextKey {
    /// Keyed with `Ksign`.
    sign: HmacMd5,
    /// Keyed with what the key of the sequence numbers is derived from.
    sequence: HmacMd5,
    /// Keyed with what the key of the encryption is derived from.
    seal: HmacMd5,
}

impl Rc4ContextKey {
    pub(in super::super) fn new(key: &EncryptionKey) -> Self {
        let zero_salt = [0; 4];
        let mut local = Zeroizing::new([0; KEY_LEN]);
        for (to, from) in local.iter_mut().zip(key.expose()) {
            *to = *from ^ 0xf0;
        }
        Self {
            sign: signature_key(key),
            sequence: keyed_with(&hmac(keyed(key), &[&zero_salt])),
            seal: keyed_with(&hmac(keyed_with(&local), &[&zero_salt])),
        }
    }

    /// The checksum of a token; its first 8 octets are sent.
    pub(in super::super) fn checksum(&self, message_type: u32, message: &[&[u8]]) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = *signature(&self.sign, message_type, message);
        [a, b, c, d, e, f, g, h]
    }

    /// Encrypts or decrypts the field of the sequence number.
    pub(in super::super) fn apply_to_sequence(&self, checksum: &[u8; 8], field: &mut [u8; 8]) {
        rc4(&hmac(self.sequence.clone(), &[checksum])).apply_keystream(field);
    }

    /// Encrypts or decrypts confounder, message and padding of the token with this sequence number.
    pub(in super::super) fn apply_to_message(&self, sequence: u32, message: &mut [u8]) {
        let sequence = sequence.to_be_bytes();
        rc4(&hmac(self.seal.clone(), &[&sequence])).apply_keystream(message);
    }
}

/// The number that stands for a usage (RFC 4757, section 3).
fn message_type(usage: KeyUsage) -> u32 {
    match usage.number() {
        // The reply of the AS takes the number of the TGS's.
        3 => 8,
        // A MIC token has had its number before RFC 4121 gave it another.
        23 => 13,
        // RFC 4757 has 8 for 9 too, which nobody does.
        other => other,
    }
}

fn split(buffer: &mut [u8]) -> Result<(&mut [u8; KEY_LEN], &mut [u8]), CryptoError> {
    buffer.split_first_chunk_mut().ok_or(CryptoError::Truncated)
}

fn signature_key(key: &EncryptionKey) -> HmacMd5 {
    keyed_with(&hmac(keyed(key), &[b"signaturekey\0"]))
}

/// `HMAC-MD5(Ksign, MD5(message_type || message))`.
fn signature(sign: &HmacMd5, message_type: u32, message: &[&[u8]]) -> Zeroizing<[u8; KEY_LEN]> {
    let mut hash = Md5::new().chain_update(message_type.to_le_bytes());
    for part in message {
        hash.update(part);
    }
    hmac(sign.clone(), &[&hash.finalize()])
}

fn hmac(mut mac: HmacMd5, message: &[&[u8]]) -> Zeroizing<[u8; KEY_LEN]> {
    for part in message {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn keyed(key: &EncryptionKey) -> HmacMd5 {
    hmac_block(key.expose())
}

fn keyed_with(key: &[u8; KEY_LEN]) -> HmacMd5 {
    hmac_block(key)
}

/// HMAC fills short keys up with zeros (RFC 2104, section 2).
fn hmac_block(key: &[u8]) -> HmacMd5 {
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    HmacMd5::new((&*block).into())
}

fn rc4(key: &[u8; KEY_LEN]) -> Rc4 {
    // RC4 repeats its key until 256 octets are full, so a key written twice is the same key.
    let mut twice = Zeroizing::new([0; 2 * KEY_LEN]);
    for part in twice.as_chunks_mut().0 {
        *part = *key;
    }
    Rc4::new((&*twice).into())
}
