use std::fmt;

use super::aes_cts::{Aes, BLOCK_LEN};
use super::checksum::{Kind, Mac, derive_key};
use super::{CryptoError, EncryptionKey, EncryptionType, KeyUsage};
use crate::environment::Random;

#[cfg(feature = "rc4-hmac")]
use super::rc4_hmac;

/// Encrypts and decrypts for one key usage, with integrity.
pub struct ProtectionKey(Inner);

enum Inner {
    Aes(Box<AesProtection>),
    #[cfg(feature = "rc4-hmac")]
    Rc4(rc4_hmac::ProtectionKey),
}

impl ProtectionKey {
    pub(super) fn derive(key: &EncryptionKey, usage: KeyUsage) -> Self {
        Self(match key.encryption_type() {
            #[cfg(feature = "rc4-hmac")]
            EncryptionType::Rc4Hmac => Inner::Rc4(rc4_hmac::ProtectionKey::derive(key, usage)),
            _ => Inner::Aes(Box::new(AesProtection::derive(key, usage))),
        })
    }

    /// How many octets of the ciphertext stand before those of the plaintext.
    pub fn header_len(&self) -> u8 {
        match &self.0 {
            Inner::Aes(_) => AesProtection::HEADER_LEN,
            #[cfg(feature = "rc4-hmac")]
            Inner::Rc4(_) => rc4_hmac::ProtectionKey::HEADER_LEN,
        }
    }

    /// How many octets of the ciphertext stand behind those of the plaintext.
    pub fn trailer_len(&self) -> u8 {
        match &self.0 {
            Inner::Aes(aes) => aes.integrity.checksum_len(),
            #[cfg(feature = "rc4-hmac")]
            Inner::Rc4(_) => 0,
        }
    }

    /// Encrypts `plaintext`.
    ///
    /// # Errors
    /// Where the random source fails, which gives the confounder.
    pub fn encrypt(&self, random: &dyn Random, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let header = usize::from(self.header_len());
        let trailer = usize::from(self.trailer_len());
        let mut buffer = vec![0; header + plaintext.len() + trailer];
        if let Some(to) = buffer
            .get_mut(header..)
            .and_then(|rest| rest.get_mut(..plaintext.len()))
        {
            to.copy_from_slice(plaintext);
        }
        self.encrypt_in_place(random, &mut buffer)?;
        Ok(buffer)
    }

    /// Encrypts what stands in `buffer` between [`Self::header_len()`] octets and the last [`Self::trailer_len()`];
    /// the ciphertext fills the buffer.
    ///
    /// # Errors
    /// Where the random source fails, which gives the confounder, or the buffer is too short for both. The plaintext is
    /// then still in it.
    pub fn encrypt_in_place(
        &self,
        random: &dyn Random,
        buffer: &mut [u8],
    ) -> Result<(), CryptoError> {
        match &self.0 {
            Inner::Aes(aes) => aes.encrypt(random, buffer),
            #[cfg(feature = "rc4-hmac")]
            Inner::Rc4(rc4) => rc4.encrypt(random, buffer),
        }
    }

    /// Verifies and decrypts `ciphertext`, and returns the part of it that is the plaintext.
    ///
    /// # Errors
    /// Where it is too short, or does not verify. The contents of `ciphertext` are then unspecified.
    pub fn decrypt_in_place<'a>(
        &self,
        ciphertext: &'a mut [u8],
    ) -> Result<&'a mut [u8], CryptoError> {
        match &self.0 {
            Inner::Aes(aes) => aes.decrypt(ciphertext),
            #[cfg(feature = "rc4-hmac")]
            Inner::Rc4(rc4) => rc4.decrypt(ciphertext),
        }
    }
}

impl fmt::Debug for ProtectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectionKey").finish_non_exhaustive()
    }
}

/// `AES-CTS(Ke, confounder || plaintext) || checksum`, where the checksum is over the plaintext with its confounder
/// (RFC 3962, section 6), or over the initial vector and the ciphertext (RFC 8009, section 5).
struct AesProtection {
    cipher: Aes,
    integrity: Mac,
    checksum_over: Over,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Plaintext,
    Ciphertext,
}

impl AesProtection {
    /// The confounder.
    const HEADER_LEN: u8 = 16;

    fn derive(key: &EncryptionKey, usage: KeyUsage) -> Self {
        let encryption_type = key.encryption_type();
        let checksum_over = match encryption_type {
            EncryptionType::Aes128Sha2 | EncryptionType::Aes256Sha2 => Over::Ciphertext,
            _ => Over::Plaintext,
        };
        Self {
            cipher: Aes::new(encryption_type, &derive_key(key, usage, Kind::Encryption)),
            integrity: Mac::derive(key, usage, Kind::Integrity),
            checksum_over,
        }
    }

    fn encrypt(&self, random: &dyn Random, buffer: &mut [u8]) -> Result<(), CryptoError> {
        let (data, checksum) = self.split(buffer)?;
        let confounder = data
            .first_chunk_mut::<BLOCK_LEN>()
            .ok_or(CryptoError::Truncated)?;
        random.fill(confounder)?;
        match self.checksum_over {
            Over::Plaintext => {
                self.integrity.compute(&[data], checksum);
                self.cipher.encrypt(data)?;
            }
            Over::Ciphertext => {
                self.cipher.encrypt(data)?;
                self.integrity.compute(&[&[0; BLOCK_LEN], data], checksum);
            }
        }
        Ok(())
    }

    fn decrypt<'a>(&self, ciphertext: &'a mut [u8]) -> Result<&'a mut [u8], CryptoError> {
        let (data, checksum) = self.split(ciphertext)?;
        match self.checksum_over {
            Over::Plaintext => {
                self.cipher.decrypt(data)?;
                self.integrity.checksum(&[data]).verify(checksum)?;
            }
            // RFC 8009, section 5: the checksum is verified first, and nothing is decrypted where it does not.
            Over::Ciphertext => {
                let found = self.integrity.checksum(&[&[0; BLOCK_LEN], data]);
                found.verify(checksum)?;
                self.cipher.decrypt(data)?;
            }
        }
        let (_confounder, plaintext) = data
            .split_at_mut_checked(BLOCK_LEN)
            .ok_or(CryptoError::Truncated)?;
        Ok(plaintext)
    }

    /// Off the end, the checksum.
    fn split<'a>(&self, buffer: &'a mut [u8]) -> Result<(&'a mut [u8], &'a mut [u8]), CryptoError> {
        let data = buffer
            .len()
            .checked_sub(self.integrity.checksum_len().into())
            .ok_or(CryptoError::Truncated)?;
        buffer
            .split_at_mut_checked(data)
            .ok_or(CryptoError::Truncated)
    }
}
