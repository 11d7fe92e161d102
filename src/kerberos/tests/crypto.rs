//! What the specifications print, and what another implementation computed.

use std::time::Instant;

use super::{Broken, Counting, ENCRYPTION_TYPES, hex, key};
use crate::kerberos::crypto::{
    CryptoError, EncryptionKey, EncryptionType, KeyUsage, MAX_ITERATION_COUNT,
};

use EncryptionType::{Aes128Sha1, Aes128Sha2, Aes256Sha1, Aes256Sha2};

fn from_password(
    encryption_type: EncryptionType,
    password: &str,
    salt: &[u8],
    iterations: u32,
) -> String {
    let parameters = iterations.to_be_bytes();
    let key =
        EncryptionKey::string_to_key(encryption_type, password, salt, Some(&parameters)).unwrap();
    to_hex(key.expose())
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key_of(encryption_type: EncryptionType, octets: &str) -> EncryptionKey {
    EncryptionKey::new(encryption_type, &hex(octets)).unwrap()
}

/// The first is printed in another implementation's manual, the second is what MIT's library answers.
#[test]
fn passwords_become_keys_with_sha1() {
    for (iterations, password, salt, aes128, aes256) in [
        (
            4096,
            "Pa$$w0rd",
            "CONTOSO.COMAdministrator",
            "bd75e98362b16649ffbaed630d5341d0",
            "660e61042b190b5724c62bb473facca12058fb9ad3c03c0d2809f839c0352502",
        ),
        (
            5000,
            "Pa$$w0rd",
            "EXAMPLEsalt!",
            "0289766615c82f5aa5ce277fa03d99b3",
            "e3b407f5567856100703724d1b51e91f54f2b411321d76402fb0dacd2286e354",
        ),
    ] {
        let salt = salt.as_bytes();
        assert_eq!(
            from_password(Aes128Sha1, password, salt, iterations),
            aes128
        );
        assert_eq!(
            from_password(Aes256Sha1, password, salt, iterations),
            aes256
        );
    }
}

/// RFC 8009, appendix A.
#[test]
fn passwords_become_the_keys_of_rfc_8009() {
    let salt = [
        &hex("10df9dd783e5bc8acea1730e74355f61")[..],
        b"ATHENA.MIT.EDUraeburn",
    ]
    .concat();
    assert_eq!(
        from_password(Aes128Sha2, "password", &salt, 32_768),
        "089bca48b105ea6ea77ca5d2f39dc5e7"
    );
    assert_eq!(
        from_password(Aes256Sha2, "password", &salt, 32_768),
        "45bd806dbf6a833a9cffc1c94589a222367a79bc21c413718906e9f578a78467"
    );
}

#[test]
fn without_parameters_the_defaults_count() {
    for (encryption_type, iterations) in [
        (Aes128Sha1, 4096),
        (Aes256Sha1, 4096),
        (Aes128Sha2, 32_768),
        (Aes256Sha2, 32_768),
    ] {
        let key = EncryptionKey::string_to_key(encryption_type, "p", b"s", None).unwrap();
        let expected = from_password(encryption_type, "p", b"s", iterations);
        assert_eq!(to_hex(key.expose()), expected);
    }
}

#[test]
fn refuses_iteration_counts_that_are_too_low_or_too_high() {
    let start = Instant::now();
    for encryption_type in [Aes128Sha1, Aes256Sha1, Aes128Sha2, Aes256Sha2] {
        let too_few = match encryption_type {
            Aes128Sha1 | Aes256Sha1 => 4095_u32.to_be_bytes(),
            _ => 32_767_u32.to_be_bytes(),
        };
        let too_many = (MAX_ITERATION_COUNT + 1).to_be_bytes();
        for parameters in [
            &[][..],
            &[0, 0, 0, 0],
            &[0, 0, 16],
            &[0, 0, 0, 16, 0],
            &[0xff; 4],
            &too_few,
            &too_many,
        ] {
            let key = EncryptionKey::string_to_key(encryption_type, "p", b"s", Some(parameters));
            assert_eq!(key.unwrap_err(), CryptoError::StringToKeyParameters);
        }
    }
    assert!(start.elapsed().as_secs() < 5);
}

/// RFC 8009, appendix A: what it encrypts for key usage 2.
#[test]
fn decrypts_what_rfc_8009_encrypted() {
    let long: Vec<u8> = (0..0x15).collect();
    let aes128 = key_of(Aes128Sha2, "3705d96080c17728a0e800eab6e0d23c");
    let aes256 = key_of(
        Aes256Sha2,
        "6d404d37faf79f9df0d33568d320669800eb4836472ea8a026d16b7182460c52",
    );
    for (length, by_aes128, by_aes256) in [
        (
            0,
            "ef85fb890bb8472f4dab20394dca781dad877eda39d50c870c0d5a0a8e48c718",
            "41f53fa5bfe7026d91faf9be959195a058707273a96a40f0a01960621ac612748b9bbfbe7eb4ce3c",
        ),
        (
            6,
            "84d7f30754ed987bab0bf3506beb09cfb55402cef7e6877ce99e247e52d16ed4421dfdf8976c",
            "4ed7b37c2bcac8f74f23c1cf07e62bc7b75fb3f637b9f559c7f664f69eab7b6092237526ea0d1f61cb20d69d10f2",
        ),
        (
            16,
            "3517d640f50ddc8ad3628722b3569d2ae07493fa8263254080ea65c1008e8fc295fb4852e7d83e1e7c48c37eebe6b0d3",
            "bc47ffec7998eb91e8115cf8d19dac4bbbe2e163e87dd37f49beca92027764f68cf51f14d798c2273f35df574d1f932e40c4ff255b36a266",
        ),
        (
            21,
            "720f73b18d9859cd6ccb4346115cd336c70f58edc0c4437c5573544c31c813bce1e6d072c186b39a413c2f92ca9b8334a287ffcbfc",
            "40013e2df58e8751957d2878bcd2d6fe101ccfd556cb1eae79db3c3ee86429f2b2a602ac86fef6ecb647d6295fae077a1feb517508d2c16b4192e01f62",
        ),
    ] {
        for (key, ciphertext) in [(&aes128, by_aes128), (&aes256, by_aes256)] {
            let mut ciphertext = hex(ciphertext);
            let key = key.protection_key(KeyUsage::from_number(2));
            assert_eq!(
                key.decrypt_in_place(&mut ciphertext).unwrap(),
                &long[..length]
            );
        }
    }
    for (key, checksum) in [
        (&aes128, "d78367186643d67b411cba9139fc1dee"),
        (&aes256, "45ee791567eefca37f4ac1e0222de80d43c3bfa06699672a"),
    ] {
        let found = key
            .checksum_key(KeyUsage::from_number(2))
            .checksum(&[&long]);
        assert_eq!(to_hex(found.as_ref()), checksum);
    }
}

/// Computed by another implementation.
#[test]
fn encrypts_and_signs_as_another_implementation() {
    for (encryption_type, usage_3, usage_11, checksum) in [
        (
            Aes128Sha1,
            "7a6d142dd3a19b65500875066713dd15413c04ac7103e00f05fc8f10b2d336fe8a27552812ebebbb883e77d798ca4922",
            "11a45f7e2942097c3057780997d1f5fd34235cbb8ee80acbf312e20aec36150326806eac22cec5fbbf42537d9ce85742",
            "0a9d89ece012eab9e3a29d0f",
        ),
        (
            Aes256Sha1,
            "ae6bbd7bc5c45ad0aee8dfe48223d91c01436923e8d847d250d5eb0bf69e32acbf75af173be17335e134b002c0025856",
            "9375f79539bac8b4833424356ba7ccb10f67d8c83c381daaee05df0dd789d84aa19eb21d9d34921030173ac7dd633675",
            "d792b054bdb9eec325ee00ee",
        ),
        (
            Aes128Sha2,
            "50fb8727e69747281ce6d2e802264e6c16ffa04954b50bb1944d8cd0f95c40fe3fa21635521cd7ea2784e90800b28dcb670672dd",
            "2ccd5c17c49bd26e8d79d63af3e0eed87ce0a16b7f39241c80178c99d204056070279e8f51456ae4a1439c63b41c278a5143a241",
            "8c64fdc7934d72e132a21d3c34542b08",
        ),
        (
            Aes256Sha2,
            "e55b54397ab4c2b308b8462aeea94e49b101925da6e385c6f867aa8fed68069f043525ef82f2f7f939ba079dc71c6e1caea8cd65d292e792d4b8b09d",
            "619c0ae88fe216212ffad728dbf96ca29f433430f8f73054cb88df9be24efe4756d28235f7e18c1ed0c1fbe8ddaef0fc155234f41c97223ee5cd2f80",
            "991c0de07a19cee275064e2492407233c5dc0a8930d5e52d",
        ),
        #[cfg(feature = "rc4-hmac")]
        (
            EncryptionType::Rc4Hmac,
            "3922147599a2ba76e3f5a7abfda84191d6248d4ba90b6049560f0776979213fffc64bdbfa2010eee26f69f0e",
            "50412f8a09a37f178c1c46def19b6eb0670c8d021c472804dec4fe2d61e2da53551fe1f9ed1b9f7a93728fdd",
            "f8ebba3e10b25f5a68fda41ca0a01731",
        ),
    ] {
        let octets: Vec<u8> = (0..encryption_type.key_len())
            .map(|i| u8::try_from((7 * i + 3) % 256).unwrap())
            .collect();
        let key = EncryptionKey::new(encryption_type, &octets).unwrap();
        const MESSAGE: &[u8] = b"Kerberos for CredSSP";
        for (usage, expected) in [(3, usage_3), (11, usage_11)] {
            let key = key.protection_key(KeyUsage::from_number(usage));
            let ciphertext = key.encrypt(&Counting(0xc0), MESSAGE).unwrap();
            assert_eq!(to_hex(&ciphertext), expected);
            let mut opened = ciphertext;
            assert_eq!(key.decrypt_in_place(&mut opened).unwrap(), MESSAGE);
        }
        let key = key.checksum_key(KeyUsage::from_number(6));
        assert_eq!(to_hex(key.checksum(&[MESSAGE]).as_ref()), checksum);
        // In however many parts.
        let (start, end) = MESSAGE.split_at(7);
        key.verify(&[start, &[], end], &hex(checksum)).unwrap();
    }
}

#[cfg(feature = "rc4-hmac")]
#[test]
fn passwords_become_nt_hashes_for_rc4() {
    let key = EncryptionKey::string_to_key(EncryptionType::Rc4Hmac, "foo", b"salt", None).unwrap();
    assert_eq!(to_hex(key.expose()), "ac8e657f83df82beea5d43bdaf7800cc");
}

#[test]
fn every_length_comes_back() {
    for &encryption_type in ENCRYPTION_TYPES {
        let key = key(encryption_type).protection_key(KeyUsage::from_number(7));
        for length in 0..100 {
            let plaintext: Vec<u8> = (0..length).collect();
            let mut ciphertext = key.encrypt(&Counting(0), &plaintext).unwrap();
            let overhead = usize::from(key.header_len()) + usize::from(key.trailer_len());
            assert_eq!(ciphertext.len(), plaintext.len() + overhead);
            assert_eq!(key.decrypt_in_place(&mut ciphertext).unwrap(), plaintext);
        }
    }
}

#[test]
fn a_changed_ciphertext_does_not_decrypt() {
    for &encryption_type in ENCRYPTION_TYPES {
        let key = key(encryption_type);
        let right = key.protection_key(KeyUsage::from_number(7));
        let ciphertext = right
            .encrypt(&Counting(0), b"twenty octets at all")
            .unwrap();
        for at in 0..ciphertext.len() {
            let mut changed = ciphertext.clone();
            changed[at] ^= 0x10;
            let error = right.decrypt_in_place(&mut changed).unwrap_err();
            assert_eq!(error, CryptoError::Integrity, "{encryption_type} {at}");
        }
        for length in 0..ciphertext.len() {
            let mut short = ciphertext[..length].to_vec();
            assert!(right.decrypt_in_place(&mut short).is_err(), "{length}");
        }
        let wrong = key.protection_key(KeyUsage::from_number(8));
        let error = wrong.decrypt_in_place(&mut ciphertext.clone()).unwrap_err();
        assert_eq!(error, CryptoError::Integrity);
    }
}

#[test]
fn a_changed_checksum_does_not_verify() {
    for &encryption_type in ENCRYPTION_TYPES {
        let key = key(encryption_type).checksum_key(KeyUsage::from_number(6));
        let checksum = key.checksum(&[b"message"]);
        let checksum = checksum.as_ref();
        key.verify(&[b"message"], checksum).unwrap();
        assert!(key.verify(&[b"massage"], checksum).is_err());
        for at in 0..checksum.len() {
            let mut changed = checksum.to_vec();
            changed[at] ^= 1;
            assert!(key.verify(&[b"message"], &changed).is_err());
            assert!(key.verify(&[b"message"], &checksum[..at]).is_err());
        }
        assert!(
            key.verify(&[b"message"], &[checksum, &[0]].concat())
                .is_err()
        );
    }
}

#[test]
fn a_failing_random_source_leaves_no_ciphertext() {
    for &encryption_type in ENCRYPTION_TYPES {
        assert!(EncryptionKey::random(encryption_type, &Broken).is_err());
        let key = key(encryption_type).protection_key(KeyUsage::from_number(7));
        let error = key.encrypt(&Broken, b"message").unwrap_err();
        assert!(matches!(error, CryptoError::GetRandomFailed(_)));
    }
}

#[test]
fn keys_have_their_encryption_types_length() {
    for &encryption_type in ENCRYPTION_TYPES {
        let expected = encryption_type.key_len();
        assert_eq!(key(encryption_type).expose().len(), expected);
        for found in [0, expected - 1, expected + 1, 64] {
            let error = EncryptionKey::new(encryption_type, &vec![0; found]).unwrap_err();
            assert_eq!(error, CryptoError::KeyLength { expected, found });
        }
    }
}

#[test]
fn encryption_types_have_the_names_of_krb5_conf() {
    for (names, number) in [
        (
            &["aes128-cts-hmac-sha1-96", "aes128-cts", "aes128-sha1"][..],
            17,
        ),
        (
            &["aes256-cts-hmac-sha1-96", "aes256-cts", "AES256-SHA1"],
            18,
        ),
        (&["aes128-cts-hmac-sha256-128", "aes128-sha2"], 19),
        (&["aes256-cts-hmac-sha384-192", "aes256-sha2"], 20),
        #[cfg(feature = "rc4-hmac")]
        (&["arcfour-hmac", "rc4-hmac", "arcfour-hmac-md5"], 23),
    ] {
        let expected = EncryptionType::from_number(number).unwrap();
        assert_eq!(expected.number(), number);
        assert_eq!(expected.to_string().parse(), Ok(expected));
        for name in names {
            assert_eq!(name.parse(), Ok(expected), "{name}");
        }
    }
    for unknown in ["", "aes", "des-cbc-crc", "aes128-cts-hmac-sha1-960"] {
        assert!(unknown.parse::<EncryptionType>().is_err());
    }
    for unknown in [0, 1, 3, 16, 21, 24, -133] {
        assert_eq!(EncryptionType::from_number(unknown), None);
    }
}

#[test]
fn keys_do_not_show() {
    let key = key(Aes256Sha1);
    let text = format!(
        "{key:?} {:?} {:?}",
        key.protection_key(KeyUsage::from_number(1)),
        key.checksum_key(KeyUsage::from_number(1)),
    );
    assert!(!text.contains("40") && !text.contains("64"), "{text}");
    assert!(text.contains("Secret(..)"), "{text}");
}
