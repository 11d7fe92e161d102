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
    use crate::codec::hex::hex;

    /// The first is in RFC 3961, appendix A.1; the others are what MIT's library answers.
    #[test]
    fn folds_to_128_bits() {
        for (input, folded) in [
            (&b"kerberos"[..], "6b65726265726f737b9b5b2b93132b93"),
            (b"\0\0\0\x02\x99", "a51f8fc7e2a5c80a69349a4d26405349"),
            (b"\x80\0\0\x07\x55", "1374fafd7a95ad1d64b2592c9560eb26"),
            (b"\xff\xff\xff\xfe\xaa", "a4a7d3e9f5a557faa954aa552abfd54a"),
            (b"\xff\xff\xff\xff\xff", "ffffffffffffffffffffffffffffffff"),
        ] {
            assert_eq!(n_fold(input)[..], hex(folded));
        }
    }

    /// RFC 3962, appendix B.
    #[test]
    fn passwords_become_the_keys_of_rfc_3962() {
        const ATHENA: &[u8] = b"ATHENA.MIT.EDUraeburn";
        let x64 = "X".repeat(64);
        let x65 = "X".repeat(65);
        for (iterations, password, salt, aes128, aes256) in [
            (
                1,
                "password",
                ATHENA,
                "42263c6e89f4fc28b8df68ee09799f15",
                "fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161",
            ),
            (
                2,
                "password",
                ATHENA,
                "c651bf29e2300ac27fa469d693bdda13",
                "a2e16d16b36069c135d5e9d2e25f896102685618b95914b467c67622225824ff",
            ),
            (
                1200,
                "password",
                ATHENA,
                "4c01cd46d632d01e6dbe230a01ed642a",
                "55a6ac740ad17b4846941051e1e8b0a7548d93b0ab30a8bc3ff16280382b8c2a",
            ),
            (
                5,
                "password",
                b"\x12\x34\x56\x78\x78\x56\x34\x12",
                "e9b23d52273747dd5c35cb55be619d8e",
                "97a4e786be20d81a382d5ebc96d5909cabcdadc87ca48f574504159f16c36e31",
            ),
            (
                1200,
                &x64,
                b"pass phrase equals block size",
                "59d1bb789a828b1aa54ef9c2883f69ed",
                "89adee3608db8bc71f1bfbfe459486b05618b70cbae22092534e56c553ba4b34",
            ),
            (
                1200,
                &x65,
                b"pass phrase exceeds block size",
                "cb8005dc5f90179a7f02104c0018751d",
                "d78c5c9cb872a8c9dad4697f0bb5b2d21496c82beb2caeda2112fceea057401b",
            ),
            (
                50,
                "\u{1d11e}",
                b"EXAMPLE.COMpianist",
                "f149c1f2e154a73452d43e7fe62a56e5",
                "4b6d9839f84406df1f09cc166db4b83c571848b784a3d6bdc346589a3e393f9e",
            ),
        ] {
            for (encryption_type, expected) in [
                (EncryptionType::Aes128Sha1, aes128),
                (EncryptionType::Aes256Sha1, aes256),
            ] {
                let key = string_to_key(encryption_type, password, salt, iterations).unwrap();
                assert_eq!(key[..encryption_type.key_len()], hex(expected));
            }
        }
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
