//! What somebody between the two ends, or a hostile end, may send.

use proptest::prelude::*;

use super::exchange::{mic, wrap};
use super::{ENCRYPTION_TYPES, pair};
use crate::gss::SecurityContext;

const MESSAGE: &[u8] = b"a message of more than two blocks' length";

/// How tokens begin.
const STARTS: &[&[u8]] = &[
    b"",
    b"\x05\x04\x04\xff",
    b"\x05\x04\x06\xff",
    b"\x04\x04\x04\xff\xff\xff\xff\xff",
    b"\x60\x23\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x01\x11\x00",
    b"\x60\x4b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x02\x01\x11\x00",
];

#[test]
fn every_changed_bit_of_a_wrap_token_is_noticed() {
    for &encryption_type in ENCRYPTION_TYPES {
        let (mut client, mut server) = pair(encryption_type);
        let token = wrap(&mut client, MESSAGE);
        for bit in 0..token.len() * 8 {
            let mut changed = token.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(
                server.unwrap_with_conf_state(&mut changed).is_err(),
                "{encryption_type} {bit}"
            );
        }
        // All of that has changed nothing.
        assert_eq!(server.unwrap_in_place(&mut token.clone()).unwrap(), MESSAGE);
    }
}

#[test]
fn every_changed_bit_of_a_mic_token_is_noticed() {
    for &encryption_type in ENCRYPTION_TYPES {
        let (mut client, mut server) = pair(encryption_type);
        let token = mic(&mut client, MESSAGE);
        for bit in 0..token.len() * 8 {
            let mut changed = token.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(server.verify_mic(MESSAGE, &changed).is_err(), "{bit}");
            // RC4's checksum does not cover the sequence number, which here does not count.
            let in_sequence = encryption_type.number() == 23 && (21..25).contains(&(bit / 8));
            let result = server.verify_mech_list_mic(MESSAGE, &changed);
            assert_eq!(result.is_ok(), in_sequence, "{encryption_type} {bit}");
            if in_sequence {
                (_, server) = pair(encryption_type);
            }
        }
        server.verify_mic(MESSAGE, &token).unwrap();
    }
}

#[test]
fn shortened_and_lengthened_tokens_are_refused() {
    for &encryption_type in ENCRYPTION_TYPES {
        let (mut client, mut server) = pair(encryption_type);
        let token = wrap(&mut client, MESSAGE);
        let signature = mic(&mut client, MESSAGE);
        for length in 0..token.len() {
            let mut short = token[..length].to_vec();
            assert!(server.unwrap_with_conf_state(&mut short).is_err());
        }
        for length in 0..signature.len() {
            assert!(server.verify_mic(MESSAGE, &signature[..length]).is_err());
        }
        for more in [&[0][..], &[0; 16], &token] {
            let mut long = [&token, more].concat();
            assert!(server.unwrap_with_conf_state(&mut long).is_err());
            let long = [&signature, more].concat();
            assert!(server.verify_mic(MESSAGE, &long).is_err());
        }
        assert!(server.verify_mic(&token, &token).is_err());
        assert!(server.unwrap_in_place(&mut signature.clone()).is_err());
        assert_eq!(server.unwrap_in_place(&mut token.clone()).unwrap(), MESSAGE);
    }
}

#[test]
fn lying_counts_are_refused() {
    for &encryption_type in ENCRYPTION_TYPES {
        let (mut client, mut server) = pair(encryption_type);
        let token = wrap(&mut client, MESSAGE);
        let is_cfx = encryption_type.number() != 23;
        let counts = (0..=u16::MAX).step_by(251).chain([1, 12, 16, 28, u16::MAX]);
        for count in counts {
            for at in [4, 6] {
                let mut changed = token.clone();
                changed[at..at + 2].copy_from_slice(&count.to_be_bytes());
                // RRC is the one field that nothing protects: to turn the body once more is the same.
                let body = token.len() - 16;
                let once_more = is_cfx && at == 6 && turns(&changed, body) == turns(&token, body);
                let same = changed == token || once_more;
                let result = server.unwrap_with_conf_state(&mut changed);
                assert_eq!(result.is_ok(), same, "{encryption_type} {at} {count}");
                if same {
                    (_, server) = pair(encryption_type);
                }
            }
        }
    }
}

fn turns(token: &[u8], body: usize) -> usize {
    usize::from(u16::from_be_bytes([token[6], token[7]])) % body
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        start in prop::sample::select(STARTS),
        rest in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let token = [start, &rest].concat();
        for &encryption_type in ENCRYPTION_TYPES {
            let (_, mut server) = pair(encryption_type);
            prop_assert!(server.unwrap_with_conf_state(&mut token.clone()).is_err());
            prop_assert!(server.verify_mic(MESSAGE, &token).is_err());
        }
    }
}
