use std::fmt;

use hmac::digest::common::Key;
use hmac::{Hmac, KeyInit};
use sha1::Sha1;
use sha2::{Sha256, Sha384};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::key::KeyOctets;
use super::{CryptoError, EncryptionKey, EncryptionType, KeyUsage, aes_sha1, aes_sha2};

#[cfg(feature = "rc4-hmac")]
use super::rc4_hmac;

/// Computes checksums for one key usage.
pub struct ChecksumKey(Inner);

enum Inner {
    Aes(Mac),
    #[cfg(feature = "rc4-hmac")]
    Rc4(rc4_hmac::ChecksumKey),
}

impl ChecksumKey {
    pub(super) fn derive(key: &EncryptionKey, usage: KeyUsage) -> Self {
        Self(match key.encryption_type() {
            #[cfg(feature = "rc4-hmac")]
            EncryptionType::Rc4Hmac => Inner::Rc4(rc4_hmac::ChecksumKey::derive(key, usage)),
            _ => Inner::Aes(Mac::derive(key, usage, Kind::Checksum)),
        })
    }

    /// The checksum over `message`, whose parts follow each other without a gap.
    pub fn checksum(&self, message: &[&[u8]]) -> Checksum {
        match &self.0 {
            Inner::Aes(mac) => mac.checksum(message),
            #[cfg(feature = "rc4-hmac")]
            Inner::Rc4(key) => key.checksum(message),
        }
    }

    /// Verifies the checksum over `message`, whose parts follow each other without a gap.
    ///
    /// # Errors
    /// Where it does not verify.
    pub fn verify(&self, message: &[&[u8]], checksum: &[u8]) -> Result<(), CryptoError> {
        self.checksum(message).verify(checksum)
    }
}

impl fmt::Debug for ChecksumKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChecksumKey").finish_non_exhaustive()
    }
}

/// A checksum.
#[derive(Clone, Copy, Debug)]
pub struct Checksum {
    octets: [u8; Self::MAX_LEN],
    length: usize,
}

impl Checksum {
    /// That of `aes256-cts-hmac-sha384-192`, in octets.
    const MAX_LEN: usize = 24;

    /// `length` octets, which `fill` fills.
    pub(super) fn new(length: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut octets = [0; Self::MAX_LEN];
        if let Some(octets) = octets.get_mut(..length) {
            fill(octets);
        }
        Self { octets, length }
    }

    /// Compares in a time that depends on the lengths alone.
    pub(super) fn verify(&self, other: &[u8]) -> Result<(), CryptoError> {
        if self.as_ref().ct_eq(other).into() {
            Ok(())
        } else {
            Err(CryptoError::Integrity)
        }
    }
}

impl AsRef<[u8]> for Checksum {
    fn as_ref(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

/// Which key is derived for a usage, by the octet behind the usage's number (RFC 3961, section 5.3).
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// `Kc`.
    Checksum,
    /// `Ke`.
    Encryption,
    /// `Ki`.
    Integrity,
}

impl Kind {
    /// The constant from which the key is derived.
    pub(super) fn of(self, usage: KeyUsage) -> [u8; 5] {
        let [a, b, c, d] = usage.number().to_be_bytes();
        let kind = match self {
            Self::Checksum => 0x99,
            Self::Encryption => 0xaa,
            Self::Integrity => 0x55,
        };
        [a, b, c, d, kind]
    }
}

/// The keyed HMAC of an AES encryption type, to be cloned for each message.
pub(super) enum Mac {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
}

impl Mac {
    /// Under a key of `encryption_type`, or under one that was derived from such a key.
    pub(super) fn new(encryption_type: EncryptionType, key: &[u8; 32]) -> Self {
        match encryption_type {
            EncryptionType::Aes128Sha2 => Self::Sha256(keyed(key)),
            EncryptionType::Aes256Sha2 => Self::Sha384(keyed(key)),
            _ => Self::Sha1(keyed(key)),
        }
    }

    /// Under the key of this kind for `usage`.
    pub(super) fn derive(key: &EncryptionKey, usage: KeyUsage, kind: Kind) -> Self {
        Self::new(key.encryption_type(), &derive_key(key, usage, kind))
    }

    /// The HMAC over `message`, cut off to the length of its encryption type's checksums.
    pub(super) fn checksum(&self, message: &[&[u8]]) -> Checksum {
        Checksum::new(self.checksum_len().into(), |out| self.compute(message, out))
    }

    /// The length of its encryption type's checksums, in octets.
    pub(super) fn checksum_len(&self) -> u8 {
        match self {
            Self::Sha1(_) => 12,
            Self::Sha256(_) => 16,
            Self::Sha384(_) => 24,
        }
    }

    /// The HMAC over `message`, cut off to the length of `out`.
    pub(super) fn compute(&self, message: &[&[u8]], out: &mut [u8]) {
        match self {
            Self::Sha1(mac) => compute(mac, message, out),
            Self::Sha256(mac) => compute(mac, message, out),
            Self::Sha384(mac) => compute(mac, message, out),
        }
    }
}

/// The key of this kind for `usage`.
pub(super) fn derive_key(key: &EncryptionKey, usage: KeyUsage, kind: Kind) -> KeyOctets {
    match key.encryption_type() {
        EncryptionType::Aes128Sha2 | EncryptionType::Aes256Sha2 => {
            aes_sha2::derive_for_usage(key, usage, kind)
        }
        _ => aes_sha1::derive_for_usage(key, usage, kind),
    }
}

/// HMAC fills short keys up with zeros (RFC 2104, section 2), so that those that are there already change nothing.
fn keyed<M: KeyInit>(key: &[u8; 32]) -> M {
    let mut block = Key::<M>::default();
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let keyed = M::new(&block);
    block.zeroize();
    keyed
}

fn compute(mac: &(impl hmac::Mac + Clone), message: &[&[u8]], out: &mut [u8]) {
    let mut mac = mac.clone();
    for part in message {
        mac.update(part);
    }
    let mut whole = mac.finalize().into_bytes();
    for (to, from) in out.iter_mut().zip(&whole) {
        *to = *from;
    }
    // It may be a key.
    whole.zeroize();
}
