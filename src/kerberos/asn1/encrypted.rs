use rasn::{AsnType, Decode, Decoder, Encode, Encoder};
use zeroize::Zeroizing;

use super::ap::message;
use super::{Octets, SecretOctets, Unsigned32};
use crate::environment::Random;
use crate::error::{Error, InvalidMessage};
use crate::kerberos::crypto::{CryptoError, EncryptionKey, EncryptionType, KeyUsage};

/// EncryptedData (RFC 4120, section 5.2.9).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncryptedData {
    /// The number of the encryption type.
    #[rasn(tag(explicit(0)))]
    pub etype: i32,
    /// The version number of the key, where it is one that lasts.
    #[rasn(tag(explicit(1)))]
    pub kvno: Option<Unsigned32>,
    /// The ciphertext.
    #[rasn(tag(explicit(2)))]
    pub cipher: Octets,
}

message!(EncryptedData, "EncryptedData");

impl EncryptedData {
    /// Encrypts, without a version number.
    ///
    /// # Errors
    /// Where the random source fails.
    pub fn seal(
        key: &EncryptionKey,
        usage: KeyUsage,
        plaintext: &[u8],
        random: &dyn Random,
    ) -> Result<Self, CryptoError> {
        let cipher = key.protection_key(usage).encrypt(random, plaintext)?;
        Ok(Self {
            etype: key.encryption_type().number(),
            kvno: None,
            cipher: cipher.into(),
        })
    }

    /// Decrypts; what comes out is erased on drop.
    ///
    /// # Errors
    /// Where it was encrypted by another key or for another usage, or was changed.
    pub fn open(
        &self,
        key: &EncryptionKey,
        usage: KeyUsage,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if self.encryption_type() != Some(key.encryption_type()) {
            return Err(CryptoError::Integrity);
        }
        let mut buffer = Zeroizing::new(self.cipher.as_bytes().to_vec());
        let plaintext = key.protection_key(usage).decrypt_in_place(&mut buffer)?;
        Ok(Zeroizing::new(plaintext.to_vec()))
    }

    /// Its encryption type, where this crate speaks it.
    pub fn encryption_type(&self) -> Option<EncryptionType> {
        EncryptionType::from_number(self.etype)
    }
}

/// EncryptionKey (RFC 4120, section 5.2.9), as it stands in messages.
#[derive(AsnType, Debug, Decode, Encode)]
#[non_exhaustive]
pub struct KeyValue {
    /// The number of the encryption type.
    #[rasn(tag(explicit(0)))]
    pub keytype: i32,
    /// The key.
    #[rasn(tag(explicit(1)))]
    pub keyvalue: SecretOctets,
}

impl KeyValue {
    /// The key, or `None` where this crate does not speak its encryption type, or the length is wrong.
    pub fn to_key(&self) -> Option<EncryptionKey> {
        let encryption_type = EncryptionType::from_number(self.keytype)?;
        EncryptionKey::new(encryption_type, self.keyvalue.expose()).ok()
    }
}

impl From<&EncryptionKey> for KeyValue {
    fn from(key: &EncryptionKey) -> Self {
        Self {
            keytype: key.encryption_type().number(),
            keyvalue: key.expose().into(),
        }
    }
}

/// Checksum (RFC 4120, section 5.2.9).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChecksumValue {
    /// The number of the checksum type.
    #[rasn(tag(explicit(0)))]
    pub cksumtype: i32,
    /// The checksum.
    #[rasn(tag(explicit(1)))]
    pub checksum: Octets,
}

message!(ChecksumValue, "Checksum");

/// HostAddress (RFC 4120, section 5.2.5). This crate sends none.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostAddress {
    /// The kind of address.
    #[rasn(tag(explicit(0)))]
    pub addr_type: i32,
    /// The address.
    #[rasn(tag(explicit(1)))]
    pub address: Octets,
}

/// An element of AuthorizationData (RFC 4120, section 5.2.6).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthorizationDataElement {
    /// What the data are.
    #[rasn(tag(explicit(0)))]
    pub ad_type: i32,
    /// The data.
    #[rasn(tag(explicit(1)))]
    pub ad_data: Octets,
}
