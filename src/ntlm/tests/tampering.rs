//! Somebody between the two ends changes messages: nothing of it succeeds, and nothing panics.

use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::error::PeerIncompatible;
use crate::ntlm::{
    AuthenticateMessage, AvId, AvPairs, ChallengeMessage, NegotiateFlags, NegotiateMessage,
    Ntlmv2Response,
};

/// The lengths of the messages in an exchange that nobody disturbs.
fn lengths() -> [usize; 3] {
    let lengths: Arc<Mutex<[usize; 3]>> = Arc::default();
    let seen = Arc::clone(&lengths);
    let exchange = Exchange::tampering(move |number, message| {
        seen.lock().unwrap()[number] = message.len();
    });
    exchange.run(Some(Account::password("Password"))).unwrap();
    drop(exchange);
    Arc::into_inner(lengths).unwrap().into_inner().unwrap()
}

fn run(target: usize, change: impl Fn(&mut Vec<u8>) + 'static) -> Result<Established, Error> {
    Exchange::tampering(move |number, message| {
        if number == target {
            change(message);
        }
    })
    .run(Some(Account::password("Password")))
}

#[test]
fn no_byte_of_any_message_can_be_changed() {
    for (target, length) in (0..).zip(lengths()) {
        for at in 0..length {
            for bits in [0x01, 0x02, 0x80, 0xff] {
                let result = run(target, move |message| message[at] ^= bits);
                assert!(
                    result.is_err(),
                    "message {target}, byte {at}, bits {bits:x}"
                );
            }
        }
    }
}

#[test]
fn no_message_can_be_cut_or_lengthened() {
    for (target, length) in (0..).zip(lengths()) {
        for end in 0..length {
            let result = run(target, move |message| message.truncate(end));
            assert!(result.is_err(), "message {target}, cut to {end}");
        }
        assert!(run(target, |message| message.push(0)).is_err());
    }
}

#[test]
fn lying_lengths_and_offsets_are_refused() {
    // Where Len, MaxLen and BufferOffset of the fields stand.
    let fields: [(usize, &[usize]); 2] = [(1, &[12, 40]), (2, &[12, 20, 28, 36, 52])];
    for (target, positions) in fields {
        for at in positions.iter().copied() {
            for (length, offset) in [
                (1, u32::MAX),
                (u16::MAX, 1),
                (u16::MAX, 88),
                (u16::MAX, u32::MAX),
                (2, 0),
                (2, 31),
                (1, 0x8000_0000),
            ] {
                let result = run(target, move |message| {
                    message[at..at + 2].copy_from_slice(&length.to_le_bytes());
                    message[at + 4..at + 8].copy_from_slice(&offset.to_le_bytes());
                });
                assert!(
                    matches!(result.as_ref().err(), Some(Error::InvalidMessage(_))),
                    "message {target}, field {at}, length {length}, offset {offset}: {:?}",
                    result.err()
                );
            }
        }
    }
}

#[test]
fn each_feature_that_is_taken_away_is_missed() {
    // Where the flags stand in each message.
    for (target, at) in [(0, 12), (1, 20), (2, 60)] {
        for (flag, name) in [
            (NegotiateFlags::UNICODE, "Unicode"),
            (
                NegotiateFlags::EXTENDED_SESSIONSECURITY,
                "extended session security",
            ),
            (NegotiateFlags::NEGOTIATE_128, "128-bit keys"),
            (NegotiateFlags::KEY_EXCH, "key exchange"),
            (NegotiateFlags::SIGN, "signing"),
            (NegotiateFlags::SEAL, "sealing"),
        ] {
            let result = run(target, move |message| {
                for (byte, bits) in message[at..].iter_mut().zip(flag.bits().to_le_bytes()) {
                    *byte &= !bits;
                }
            });
            match result.err() {
                Some(Error::PeerIncompatible(PeerIncompatible::WeakNtlm(feature))) => {
                    assert_eq!(feature, name);
                }
                other => panic!("message {target}, {name}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_challenge_without_target_information_or_names_is_refused() {
    let without_flag = run(1, |message| message[22] &= 0x7f);
    assert!(matches!(
        without_flag.err(),
        Some(Error::PeerIncompatible(PeerIncompatible::WeakNtlm(
            "target information"
        )))
    ));
    let without_names = run(1, |message| {
        let start = message.len() - 16;
        // What is left is the timestamp and the end of the list.
        let offset = u32::try_from(start).unwrap().to_le_bytes();
        message[40..44].copy_from_slice(&[16, 0, 16, 0]);
        message[44..48].copy_from_slice(&offset);
    });
    assert!(matches!(
        without_names.err(),
        Some(Error::PeerIncompatible(PeerIncompatible::WeakNtlm(
            "the server's names"
        )))
    ));
}

#[test]
fn a_challenge_whose_timestamp_is_hidden_does_not_get_around_the_mic() {
    let hide = |message: &mut Vec<u8>| {
        let at = message.len() - 16;
        message[at] = 0x77;
    };
    assert_eq!(failure(run(1, hide)), AuthenticationFailure::MissingMic);
    let mut exchange = Exchange::tampering(move |number, message| {
        if number == 1 {
            hide(message);
        }
    });
    exchange.server = Ntlm::default().allow_missing_mic(true);
    let established = exchange.run(Some(Account::password("Password"))).unwrap();
    assert!(!established.client.requires_mech_list_mic());
    assert!(!established.server.requires_mech_list_mic());
}

#[test]
fn a_list_of_pairs_that_fills_its_message_leaves_no_room_for_an_answer() {
    let result = run(1, |message| {
        let mut list = message.split_off(68);
        let end = list.split_off(list.len() - 4);
        list.extend([0x77, 0, 0xff, 0xef]);
        list.extend([0; 0xefff]);
        list.extend([0x77, 0, 0x80, 0x0f]);
        list.extend([0; 0x0f80]);
        list.extend(end);
        let length = u16::try_from(list.len()).unwrap().to_le_bytes();
        message.extend(list);
        message[40..42].copy_from_slice(&length);
    });
    assert!(matches!(
        result.err(),
        Some(Error::InvalidMessage(error)) if error.structure == "CHALLENGE_MESSAGE.TargetInfo"
    ));
}

#[test]
fn the_server_cannot_speak_for_the_client_in_its_list_of_pairs() {
    let exchange = Exchange::tampering(|number, message| match number {
        1 => {
            let end = message.split_off(message.len() - 4);
            let before = message.len();
            message.extend([6, 0, 4, 0, 1, 0, 0, 0]);
            message.extend([9, 0, 2, 0, b'x', 0]);
            message.extend([&[10, 0, 16, 0][..], &[0xcb; 16]].concat());
            message[40] += u8::try_from(message.len() - before).unwrap();
            message.extend(end);
        }
        2 => {
            let message = AuthenticateMessage::decode(message).unwrap();
            let response = Ntlmv2Response::decode(message.nt_challenge_response).unwrap();
            let count = |id| {
                response
                    .av_pairs
                    .iter()
                    .filter(|pair| pair.id == id)
                    .count()
            };
            assert_eq!((count(AvId::FLAGS), response.av_pairs.flags()), (1, 3));
            assert_eq!(count(AvId::TARGET_NAME), 1);
            let target = response.av_pairs.text(AvId::TARGET_NAME).unwrap();
            assert_eq!(target, "TERMSRV/server.example.com");
            assert_eq!(count(AvId::CHANNEL_BINDINGS), 0);
        }
        _ => {}
    });
    // The answer was sent, and tells the server that its challenge was changed.
    assert_eq!(exchange.failure(), AuthenticationFailure::WrongMic);
}

#[test]
fn a_list_of_pairs_without_end_is_refused() {
    assert!(AvPairs::decode(&[]).is_err());
    assert!(AvPairs::decode(&[1, 0, 2, 0, b'a', 0]).is_err());
    assert!(AvPairs::decode(&[1, 0, 2, 0, b'a', 0, 0, 0]).is_err());
    let pairs = AvPairs::decode(&[1, 0, 2, 0, b'a', 0, 0, 0, 0, 0, 9]).unwrap();
    assert_eq!(pairs.iter().count(), 1);
}

#[test]
fn debug_shows_neither_responses_nor_keys() {
    let exchange = Exchange::tampering(|number, bytes| {
        if number == 1 {
            let shown = format!("{:?}", ChallengeMessage::decode(bytes).unwrap());
            assert!(shown.contains("AvId(7), value: 8 bytes"), "{shown}");
            assert!(!shown.contains(", 0, "), "{shown}");
        }
        if number == 2 {
            let message = AuthenticateMessage::decode(bytes).unwrap();
            let shown = format!("{message:?}");
            assert!(shown.contains("User"), "{shown}");
            for field in ["response", "session_key", "mic"] {
                assert!(!shown.contains(field), "{shown}");
            }
            let response = Ntlmv2Response::decode(message.nt_challenge_response).unwrap();
            assert!(!format!("{response:?}").contains("proof"));
        }
    });
    exchange.run(Some(Account::password("Password"))).unwrap();
}

#[test]
fn a_text_that_is_no_utf_16_is_named_by_its_place() {
    let exchange = Exchange::tampering(|number, bytes| {
        if number == 2 {
            // One octet less of UserName.
            bytes[36] -= 1;
        }
    });
    let error = exchange.run(Some(Account::password("Password"))).err();
    match error.unwrap() {
        Error::InvalidMessage(invalid) => {
            assert_eq!(invalid.structure, "AUTHENTICATE_MESSAGE.UserName");
            assert_eq!(invalid.offset, 36);
        }
        other => panic!("{other}"),
    }
}

proptest! {
    #[test]
    fn decoders_survive_anything(kind in 0_u8..5, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = b"NTLMSSP\0".to_vec();
        bytes.extend([kind, 0, 0, 0]);
        bytes.extend(&body);
        let _ = NegotiateMessage::decode(&bytes);
        let _ = ChallengeMessage::decode(&bytes);
        let _ = AuthenticateMessage::decode(&bytes);
        let _ = Ntlmv2Response::decode(&body);
        if let Ok(pairs) = AvPairs::decode(&body) {
            prop_assert!(pairs.iter().map(|pair| pair.value.len() + 4).sum::<usize>() < body.len());
        }
    }
}
