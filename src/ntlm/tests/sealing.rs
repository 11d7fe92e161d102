//! Protected messages: the layouts that MS-NLMP and MS-SPNG prescribe, and what must not verify.

use bytes::BytesMut;
use hmac::Mac;
use rc4::StreamCipher;

use super::{hex, hex_array};
use crate::error::{AuthenticationFailure, Error};
use crate::gss::SecurityContext;
use crate::ntlm::context::NtlmContext;
use crate::ntlm::key::{self, Sender};

const PUBLIC_KEY_HASH_C2S: &str =
    "d1442d51d4e4d11ab4ed64fcba1eba6e0524445578a70f23ba1972c5cd8c45b1";
const PUBLIC_KEY_HASH_S2C: &str =
    "2d5bf37931e413469a972ec4dde5ee06463adcf7962a4949ef7806ffbabc4f18";
const CREDENTIALS: &str = "301ba003020101a11404123010a0020400a10404026100a20404023100";
const MECH_TYPES: &str = "300c060a2b06010401823702020a";

fn pair() -> (NtlmContext, NtlmContext) {
    let key = hex_array("101112131415161718191a1b1c1d1e1f");
    (
        NtlmContext::new(Sender::Client, &key, true),
        NtlmContext::new(Sender::Server, &key, true),
    )
}

/// Seals `plaintext`, which must give `token`, and opens it on the other side.
fn carries(from: &mut NtlmContext, to: &mut NtlmContext, plaintext: &str, token: &str) {
    let mut message = BytesMut::from(&*hex(plaintext));
    from.wrap_in_place(&mut message).unwrap();
    assert_eq!(&message[..], hex(token));
    assert_eq!(to.unwrap_in_place(&mut message).unwrap(), hex(plaintext));
}

/// Signs the list of mechanisms, which must give `mic`, and verifies it on the other side.
fn signs_mech_list(from: &mut NtlmContext, to: &mut NtlmContext, mic: &str) {
    let mut out = Vec::new();
    from.get_mech_list_mic(&hex(MECH_TYPES), &mut out).unwrap();
    assert_eq!(out, hex(mic));
    to.verify_mech_list_mic(&hex(MECH_TYPES), &out).unwrap();
}

fn wrong_signature(result: Result<(), Error>) -> bool {
    matches!(
        result,
        Err(Error::AuthenticationFailed {
            reason: AuthenticationFailure::WrongSignature,
            ..
        })
    )
}

#[test]
fn seals_as_version_6_of_credssp_over_raw_ntlm() {
    let (mut client, mut server) = pair();
    carries(
        &mut client,
        &mut server,
        PUBLIC_KEY_HASH_C2S,
        "01000000c4cb3f9df900b41200000000ca663862e1f149e9966c20d5820477181ccf8c029faa197c0967b4f3b57bc7ef",
    );
    carries(
        &mut server,
        &mut client,
        PUBLIC_KEY_HASH_S2C,
        "01000000762c0e2471b5144b0000000023e143ba013ac109bd21fe3a64f8e49583803193f1aadfe41f1c681c8135fa94",
    );
    carries(
        &mut client,
        &mut server,
        CREDENTIALS,
        "01000000f32c9fb6dcdb84ad01000000cd447d2c0a64bdb7889c962d9d79428e0d71f0f1ee34f37d0144f40847",
    );
}

#[test]
fn seals_as_version_2_of_credssp_over_raw_ntlm() {
    let (mut client, mut server) = pair();
    carries(
        &mut client,
        &mut server,
        "3006020103020103",
        "0100000096bfb51aac3bb84d000000002b241732361799f0",
    );
    carries(
        &mut server,
        &mut client,
        "3106020103020103",
        "0100000002c95124b9457538000000003fbcb2c233dcd34c",
    );
}

#[test]
fn the_mech_list_mic_rewinds_the_keystream_but_not_the_sequence() {
    let (mut client, mut server) = pair();
    signs_mech_list(&mut client, &mut server, "0100000002f81117bb3953f700000000");
    signs_mech_list(&mut server, &mut client, "01000000a7a9da7e0ff3680100000000");
    carries(
        &mut client,
        &mut server,
        PUBLIC_KEY_HASH_C2S,
        "0100000037726b6053f59e5101000000ca663862e1f149e9966c20d5820477181ccf8c029faa197c0967b4f3b57bc7ef",
    );
    carries(
        &mut server,
        &mut client,
        PUBLIC_KEY_HASH_S2C,
        "0100000029d9e9a48c1dafbe0100000023e143ba013ac109bd21fe3a64f8e49583803193f1aadfe41f1c681c8135fa94",
    );
    carries(
        &mut client,
        &mut server,
        CREDENTIALS,
        "01000000879da93330b4ae5002000000cd447d2c0a64bdb7889c962d9d79428e0d71f0f1ee34f37d0144f40847",
    );
}

#[test]
fn the_rewound_keystream_may_be_used_in_pieces() {
    let session_key = hex_array("101112131415161718191a1b1c1d1e1f");
    for length in [0, 1, 3, 7, 8, 9, 40] {
        let (mut client, _) = pair();
        client.get_mech_list_mic(b"list", &mut Vec::new()).unwrap();
        let data = vec![0xd5; length];
        let mut message = BytesMut::from(&data[..]);
        client.wrap_in_place(&mut message).unwrap();

        // From the keystream's start: the data, then the checksum of message 1.
        let mac = key::hmac_md5(&key::sign_key(&session_key, Sender::Client))
            .chain_update(1_u32.to_le_bytes())
            .chain_update(&data);
        let mut expected = [&data, &mac.finalize().into_bytes()[..8]].concat();
        key::rc4(&key::seal_key(&session_key, Sender::Client)).apply_keystream(&mut expected);
        assert_eq!(
            [&message[16..], &message[4..12]].concat(),
            expected,
            "{length}"
        );
    }
}

#[test]
fn seals_as_ms_nlmp_prints_it() {
    let mut context = NtlmContext::new(Sender::Client, &[0x55; 16], false);
    let mut message = BytesMut::from(&*hex("50006c00610069006e007400650078007400"));
    context.wrap_in_place(&mut message).unwrap();
    let (signature, data) = message.split_at(16);
    assert_eq!(data, hex("54e50165bf1936dc996020c1811b0f06fb5f"));
    assert_eq!(signature, hex("010000007fb38ec5c55d497600000000"));
}

#[test]
fn a_signature_is_the_next_message_in_sequence() {
    let (mut client, mut server) = pair();
    for message in [&b"first"[..], b"", b"third"] {
        let mut mic = Vec::new();
        client.get_mic(message, &mut mic).unwrap();
        server.verify_mic(message, &mic).unwrap();
        assert!(wrong_signature(server.verify_mic(message, &mic)));
    }
}

#[test]
fn a_replay_is_refused_and_does_not_disturb_the_stream() {
    let (mut client, mut server) = pair();
    let mut first = BytesMut::from(&b"first"[..]);
    client.wrap_in_place(&mut first).unwrap();
    let mut replay = first.clone();
    server.unwrap_in_place(&mut first).unwrap();
    assert!(wrong_signature(
        server.unwrap_in_place(&mut replay).map(drop)
    ));

    let mut second = BytesMut::from(&b"second"[..]);
    client.wrap_in_place(&mut second).unwrap();
    assert_eq!(server.unwrap_in_place(&mut second).unwrap(), b"second");
}

#[test]
fn a_message_that_overtakes_is_refused() {
    let (mut client, mut server) = pair();
    let mut message = BytesMut::from(&b"first"[..]);
    client.wrap_in_place(&mut message).unwrap();
    let mut message = BytesMut::from(&b"second"[..]);
    client.wrap_in_place(&mut message).unwrap();
    assert!(wrong_signature(
        server.unwrap_in_place(&mut message).map(drop)
    ));
}

#[test]
fn a_message_cannot_be_reflected() {
    let (mut client, _) = pair();
    let mut message = BytesMut::from(&b"hello"[..]);
    client.wrap_in_place(&mut message).unwrap();
    assert!(wrong_signature(
        client.unwrap_in_place(&mut message).map(drop)
    ));
}

#[test]
fn every_changed_bit_of_a_sealed_message_is_noticed() {
    let sealed = {
        let (mut client, _) = pair();
        let mut message = BytesMut::from(&b"attack at dawn"[..]);
        client.wrap_in_place(&mut message).unwrap();
        message
    };
    for bit in 0..sealed.len() * 8 {
        let (_, mut server) = pair();
        let mut message = sealed.clone();
        message[bit / 8] ^= 1 << (bit % 8);
        assert!(
            wrong_signature(server.unwrap_in_place(&mut message).map(drop)),
            "bit {bit}"
        );
    }
}

#[test]
fn a_token_shorter_than_a_signature_is_truncated() {
    for length in 0..16 {
        let (_, mut server) = pair();
        let mut token = vec![1; length];
        assert!(matches!(
            server.unwrap_in_place(&mut token),
            Err(Error::InvalidMessage(_))
        ));
        assert!(matches!(
            server.verify_mic(b"", &token),
            Err(Error::InvalidMessage(_))
        ));
    }
}

#[test]
fn a_signature_with_a_tail_is_no_signature() {
    let (mut client, mut server) = pair();
    let mut mic = Vec::new();
    client.get_mic(b"message", &mut mic).unwrap();
    mic.push(0);
    assert!(matches!(
        server.verify_mic(b"message", &mic),
        Err(Error::InvalidMessage(_))
    ));
}

#[test]
fn a_wrong_mech_list_mic_says_so() {
    let (mut client, mut server) = pair();
    let mut mic = Vec::new();
    client.get_mech_list_mic(b"list", &mut mic).unwrap();
    assert!(matches!(
        server.verify_mech_list_mic(b"another list", &mic),
        Err(Error::AuthenticationFailed {
            reason: AuthenticationFailure::WrongMechListMic,
            ..
        })
    ));
}

#[test]
fn sealing_does_not_move_a_message_that_has_room_for_the_signature() {
    let (mut client, _) = pair();
    let mut message = BytesMut::with_capacity(5 + client.wrap_overhead());
    message.extend_from_slice(b"hello");
    let before = message.as_ptr();
    client.wrap_in_place(&mut message).unwrap();
    assert_eq!(message.as_ptr(), before);
    assert_eq!(message.len(), 5 + client.wrap_overhead());
}
