use zeroize::Zeroizing;

use super::{
    ChecksumKey, CryptoError, EncryptionType, KeyUsage, ProtectionKey, aes_sha1, aes_sha2,
};
use crate::environment::{GetRandomFailed, Random};
use crate::secret::Secret;

#[cfg(feature = "rc4-hmac")]
use super::rc4_hmac;

/// The most iterations of PBKDF2 that string-to-key parameters may ask for.
///
/// The parameters come from whoever answers for the KDC, before anything about it is proved. 4096 and 32768 are the
/// defaults; a million takes a fraction of a second, and the 2³² that the field could hold many minutes.
pub const MAX_ITERATION_COUNT: u32 = 1_000_000;

/// A key of up to 256 bits, filled up with zeros.
pub(super) type KeyOctets = Zeroizing<[u8; 32]>;

/// A key with its encryption type (`EncryptionKey` of RFC 4120, section 5.2.9).
#[derive(Debug)]
pub struct EncryptionKey {
    encryption_type: EncryptionType,
    value: Secret<[u8; 32]>,
}

impl EncryptionKey {
    /// From its octets.
    ///
    /// # Errors
    /// Where they are not as many as the encryption type wants.
    pub fn new(encryption_type: EncryptionType, value: &[u8]) -> Result<Self, CryptoError> {
        let expected = encryption_type.key_len();
        if value.len() != expected {
            let found = value.len();
            return Err(CryptoError::KeyLength { expected, found });
        }
        let mut key = Self::zeros(encryption_type);
        key.expose_mut().copy_from_slice(value);
        Ok(key)
    }

    /// A fresh one: a subkey, say.
    ///
    /// # Errors
    /// Where the random source fails.
    pub fn random(
        encryption_type: EncryptionType,
        random: &dyn Random,
    ) -> Result<Self, GetRandomFailed> {
        let mut key = Self::zeros(encryption_type);
        random.fill(key.expose_mut())?;
        Ok(key)
    }

    /// From a password: `string-to-key` of the encryption type.
    ///
    /// `parameters` are the `s2kparams` of ETYPE-INFO2, four octets that count iterations; without them the
    /// encryption type's default holds (RFC 3962, section 4; RFC 8009, section 4). The octets of `password` are those
    /// of UTF-8. `arcfour-hmac` knows neither a salt nor parameters, and ignores them.
    ///
    /// # Errors
    /// Where the parameters are malformed, or count more than [`MAX_ITERATION_COUNT`], or less than the default:
    /// whoever says so before the KDC has proved itself would get a proof of the password that is cheap to search.
    pub fn string_to_key(
        encryption_type: EncryptionType,
        password: &str,
        salt: &[u8],
        parameters: Option<&[u8]>,
    ) -> Result<Self, CryptoError> {
        let mut key = Self::zeros(encryption_type);
        *key.value.expose_mut() = *match encryption_type {
            EncryptionType::Aes128Sha1 | EncryptionType::Aes256Sha1 => {
                let iterations = iteration_count(parameters, 4096)?;
                aes_sha1::string_to_key(encryption_type, password, salt, iterations)?
            }
            EncryptionType::Aes128Sha2 | EncryptionType::Aes256Sha2 => {
                let iterations = iteration_count(parameters, 32_768)?;
                aes_sha2::string_to_key(encryption_type, password, salt, iterations)?
            }
            #[cfg(feature = "rc4-hmac")]
            EncryptionType::Rc4Hmac => rc4_hmac::string_to_key(password),
        };
        Ok(key)
    }

    /// Its encryption type.
    pub fn encryption_type(&self) -> EncryptionType {
        self.encryption_type
    }

    /// Its octets.
    pub fn expose(&self) -> &[u8] {
        let octets = self.value.expose();
        octets
            .get(..self.encryption_type.key_len())
            .unwrap_or(octets)
    }

    /// Another of the same value. There is no `Clone`: each copy of a key is one more to lose.
    pub(in crate::kerberos) fn duplicate(&self) -> Self {
        let mut copy = Self::zeros(self.encryption_type);
        copy.expose_mut().copy_from_slice(self.expose());
        copy
    }

    /// Its octets, filled up with zeros.
    pub(super) fn octets(&self) -> &[u8; 32] {
        self.value.expose()
    }

    /// What encrypts and decrypts for one usage.
    pub fn protection_key(&self, usage: KeyUsage) -> ProtectionKey {
        ProtectionKey::derive(self, usage)
    }

    /// What computes checksums for one usage.
    pub fn checksum_key(&self, usage: KeyUsage) -> ChecksumKey {
        ChecksumKey::derive(self, usage)
    }

    fn zeros(encryption_type: EncryptionType) -> Self {
        Self {
            encryption_type,
            value: Secret::new([0; 32]),
        }
    }

    fn expose_mut(&mut self) -> &mut [u8] {
        let octets = self.value.expose_mut();
        match octets.split_at_mut_checked(self.encryption_type.key_len()) {
            Some((octets, _)) => octets,
            None => &mut [],
        }
    }
}

fn iteration_count(parameters: Option<&[u8]>, default: u32) -> Result<u32, CryptoError> {
    let Some(parameters) = parameters else {
        return Ok(default);
    };
    // RFC 3962, section 4: "four octets indicating an unsigned number in big-endian order"; zero stands for 2³² there.
    let count = parameters
        .try_into()
        .map(u32::from_be_bytes)
        .map_err(|_| CryptoError::StringToKeyParameters)?;
    if (default..=MAX_ITERATION_COUNT).contains(&count) {
        Ok(count)
    } else {
        Err(CryptoError::StringToKeyParameters)
    }
}
