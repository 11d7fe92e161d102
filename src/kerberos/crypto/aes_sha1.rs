//! Key derivation of the AES encryption types with SHA-1 (RFC 3961, section 5.1; RFC 3962).

use hmac::Hmac;
use sha1::Sha1;
use zeroize::Zeroizing;

use super::aes_cts::{Aes, BLOCK_LEN};
use super::checksum::Kind;
use super::key::KeyOctets;
use super::{CryptoError, EncryptionKey, EncryptionType, KeyUsage};

/// `DK(PBKDF2(password, salt, iterations), "kerberos")` (RFC 3962, section 4).
pub(super) fn string_to_key(
    encryption_type: EncryptionType,
    password: &str,
    salt: &[u8],
    iterations: u32,
) -> Result<KeyOctets, CryptoError> {
    let mut base = KeyOctets::default();
    if let Some(base) = base.get_mut(..encryption_type.key_len()) {
        // HMAC takes keys of any length, so this does not fail.
        pbkdf2::pbkdf2::<Hmac<Sha1>>(password.as_bytes(), salt, iterations, base)
            .map_err(|_| CryptoError::StringToKeyParameters)?;
    }
    let base = Aes::new(encryption_type, &base);
    Ok(derive(&base, b"kerberos", encryption_type.key_len()))
}

/// `DK(key, usage || kind)`, which is as long as `key` for each kind (RFC 3961, section 5.3).
pub(super) fn derive_for_usage(key: &EncryptionKey, usage: KeyUsage, kind: Kind) -> KeyOctets {
    let encryption_type = key.encryption_type();
    let base = Aes::new(encryption_type, key.octets());
    derive(&base, &kind.of(usage), encryption_type.key_len())
}

/// `DK(base, constant)` of `length` octets: the folded constant is encrypted, the result again, and so on
/// (RFC 3961, section 5.1).
fn derive(base: &Aes, constant: &[u8], length: usize) -> KeyOctets {
    let mut key = KeyOctets::default();
    let mut block = Zeroizing::new(n_fold(constant));
    for part in key.as_chunks_mut().0.iter_mut().take(length / BLOCK_LEN) {
        base.encrypt_block(&mut block);
        *part = *block;
    }
    key
}

/// `n-fold` to 128 bits (RFC 3961, section 5.1): copies of `input`, each rotated to the right by 13 bits more than the
/// one before, one behind the other until the length divides by 128, and the parts of 128 bits added up with the carry
/// coming in again from the right.
fn n_fold(input: &[u8]) -> [u8; BLOCK_LEN] {
    let bits = input.len() * 8;
    let copies = BLOCK_LEN / greatest_common_divisor(BLOCK_LEN, input.len());
    let octet = |at: usize| u16::from(input.get(at % input.len()).copied().unwrap_or_default());
    let rotated = |copy: usize, at: usize| {
        let bit = (at * 8 + bits * 13 - copy * 13) % bits;
        let [_, octet] =
            ((octet(bit / 8) << 8 | octet(bit / 8 + 1)) >> (8 - bit % 8)).to_be_bytes();
        octet
    };
    let mut octets = (0..copies).flat_map(|copy| (0..input.len()).map(move |at| rotated(copy, at)));
    let mut sum = 0_u128;
    loop {
        let mut part = [0; BLOCK_LEN];
        let mut filled = 0_usize;
        for (to, from) in part.iter_mut().zip(octets.by_ref()) {
            *to = from;
            filled += 1;
        }
        if filled == 0 {
            return sum.to_be_bytes();
        }
        let (added, carry) = sum.overflowing_add(u128::from_be_bytes(part));
        sum = added.wrapping_add(carry.into());
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kerberos::tests::hex;

    /// RFC 3961, appendix A.1.
    #[test]
    fn folds_to_128_bits() {
        let folded = 0x6b65_7262_6572_6f73_7b9b_5b2b_9313_2b93_u128;
        assert_eq!(n_fold(b"kerberos"), folded.to_be_bytes());
    }

    /// From the passwords of RFC 3962, appendix B; another implementation prints the same.
    #[test]
    fn derives_a_key_for_each_kind() {
        for (encryption_type, base, [checksum, encryption, integrity]) in [
            (
                EncryptionType::Aes128Sha1,
                "42263c6e89f4fc28b8df68ee09799f15",
                [
                    "34280a382bc92769b2da2f9ef066854b",
                    "5b14fc4e250e14ddf9dccf1af6674f53",
                    "4ed31063621684f09ae8d89991af3e8f",
                ],
            ),
            (
                EncryptionType::Aes256Sha1,
                "fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161",
                [
                    "bfab388bdcb238e9f9c98d6a878304f04d30c82556375ac507a7a852790f4674",
                    "c7cfd9cd75fe793a586a542d87e0d1396f1134a104bb1a9190b8c90ada3ddf37",
                    "97151b4c76945063e2eb0529dc067d97d7bba90776d8126d91f34f3101aea8ba",
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
                assert_eq!(derived[..base.expose().len()], hex(expected));
            }
        }
    }
}
