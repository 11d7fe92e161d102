//! Key derivation of the AES encryption types with SHA-2 (RFC 8009, sections 3 and 4).

use hmac::Hmac;
use sha2::{Sha256, Sha384};

use super::checksum::{Kind, Mac};
use super::key::KeyOctets;
use super::{CryptoError, EncryptionKey, EncryptionType, KeyUsage};

/// `KDF-HMAC-SHA2(PBKDF2(password, name || 0 || salt, iterations), "kerberos")` (RFC 8009, section 4).
pub(super) fn string_to_key(
    encryption_type: EncryptionType,
    password: &str,
    salt: &[u8],
    iterations: u32,
) -> Result<KeyOctets, CryptoError> {
    let salt = [encryption_type.name().as_bytes(), &[0], salt].concat();
    let pbkdf2 = match encryption_type {
        EncryptionType::Aes256Sha2 => pbkdf2::pbkdf2::<Hmac<Sha384>>,
        _ => pbkdf2::pbkdf2::<Hmac<Sha256>>,
    };
    let mut base = KeyOctets::default();
    if let Some(base) = base.get_mut(..encryption_type.key_len()) {
        // HMAC takes keys of any length, so this does not fail.
        pbkdf2(password.as_bytes(), &salt, iterations, base)
            .map_err(|_| CryptoError::StringToKeyParameters)?;
    }
    let base = Mac::new(encryption_type, &base);
    Ok(derive(&base, b"kerberos", encryption_type.key_len()))
}

/// `KDF-HMAC-SHA2(key, usage || kind)` (RFC 8009, section 5).
pub(super) fn derive_for_usage(key: &EncryptionKey, usage: KeyUsage, kind: Kind) -> KeyOctets {
    let encryption_type = key.encryption_type();
    let length = match (encryption_type, kind) {
        // "Kc = KDF-HMAC-SHA2(base-key, usage | 0x99, 192)", and Ki likewise.
        (EncryptionType::Aes256Sha2, Kind::Checksum | Kind::Integrity) => 24,
        _ => encryption_type.key_len(),
    };
    let base = Mac::new(encryption_type, key.octets());
    derive(&base, &kind.of(usage), length)
}

/// `KDF-HMAC-SHA2(base, label, k)` with a `k` of `length` octets: the first block of SP 800-108's counter mode, cut
/// off (RFC 8009, section 3).
fn derive(base: &Mac, label: &[u8], length: usize) -> KeyOctets {
    let bits = u32::try_from(length * 8).unwrap_or_default();
    let mut key = KeyOctets::default();
    if let Some(key) = key.get_mut(..length) {
        base.compute(
            &[&1_u32.to_be_bytes(), label, &[0], &bits.to_be_bytes()],
            key,
        );
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hex::hex;

    /// RFC 8009, appendix A.
    #[test]
    fn derives_a_key_for_each_kind() {
        for (encryption_type, base, [checksum, encryption, integrity]) in [
            (
                EncryptionType::Aes128Sha2,
                "3705d96080c17728a0e800eab6e0d23c",
                [
                    "b31a018a48f54776f403e9a396325dc3",
                    "9b197dd1e8c5609d6e67c3e37c62c72e",
                    "9fda0e56ab2d85e1569a688696c26a6c",
                ],
            ),
            (
                EncryptionType::Aes256Sha2,
                "6d404d37faf79f9df0d33568d320669800eb4836472ea8a026d16b7182460c52",
                [
                    "ef5718be86cc84963d8bbb5031e9f5c4ba41f28faf69e73d",
                    "56ab22bee63d82d7bc5227f6773f8ea7a5eb1c825160c38312980c442e5c7e49",
                    "69b16514e3cd8e56b82010d5c73012b622c4d00ffc23ed1f",
                ],
            ),
        ] {
            let base = EncryptionKey::new(encryption_type, &hex(base)).unwrap();
            for (kind, expected) in [
                (Kind::Checksum, checksum),
                (Kind::Encryption, encryption),
                (Kind::Integrity, integrity),
            ] {
                let derived = derive_for_usage(&base, KeyUsage::from_number(2), kind);
                let expected = hex(expected);
                assert_eq!(derived[..expected.len()], expected);
                assert!(derived[expected.len()..].iter().all(|octet| *octet == 0));
            }
        }
    }
}
