//! Encryption and checksums (RFC 3961, RFC 3962, RFC 8009; RFC 4757 behind the feature `rc4-hmac`).
//!
//! An [`EncryptionKey`] is what tickets, replies and keytabs hold. It does nothing by itself: each use derives a
//! [`ProtectionKey`] or [`ChecksumKey`] for one [`KeyUsage`], which keeps the expanded ciphers and keyed HMACs, so that
//! a context derives them once and not with each message.

use crate::environment::GetRandomFailed;

mod aes_cts;
mod aes_sha1;
mod aes_sha2;
mod checksum;
mod encryption_type;
mod key;
mod key_usage;
mod protection;
#[cfg(feature = "rc4-hmac")]
mod rc4_hmac;

#[cfg(feature = "rc4-hmac")]
pub(super) use rc4_hmac::Rc4ContextKey;

pub use checksum::{Checksum, ChecksumKey};
pub use encryption_type::{EncryptionType, UnknownEncryptionType};
pub use key::{EncryptionKey, MAX_ITERATION_COUNT};
pub use key_usage::KeyUsage;
pub use protection::ProtectionKey;

/// Why a cryptographic operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// A key of the wrong length.
    #[error("a key of {found} octets, where {expected} are wanted")]
    KeyLength {
        /// The length that the encryption type wants, in octets.
        expected: usize,
        /// The length that was given, in octets.
        found: usize,
    },
    /// String-to-key parameters that are malformed, or ask for less work than the encryption type's default, or for
    /// more than [`MAX_ITERATION_COUNT`].
    #[error("the string-to-key parameters are malformed, or ask for too little work or too much")]
    StringToKeyParameters,
    /// The ciphertext or the buffer is too short for its encryption type.
    #[error("the ciphertext is too short")]
    Truncated,
    /// The integrity check failed.
    #[error("the integrity check failed: the key is another one, or the data was changed")]
    Integrity,
    /// The random source failed.
    #[error(transparent)]
    GetRandomFailed(#[from] GetRandomFailed),
}
