//! What a hostile or broken peer may send: each of it is an error that names what was wrong, and tells the peer no more
//! than the protocol does.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod pair;

use credssp::credentials::{TsCspDataDetail, TsSmartCardCreds};
use credssp::error::NtStatus;
use credssp::mechanism::Negotiation;
use credssp::ts_request::ServerPublicKey;

use pair::message::Fields;
use pair::refusal::{
    MALFORMED, REFUSED, assert_client_refuses, assert_error, assert_error_told,
    assert_server_refuses, both, change, toy,
};
use pair::toy::Toy;
use pair::{Outcome, Pair, Peer, Side};

#[test]
fn refuses_a_client_below_the_floor() {
    for version in [1, 2, 3, 4] {
        for pair in both() {
            let outcome = pair.run_with(change(Side::Client, 0, |m| m.version = version));
            assert_error(&outcome.server, "PeerIncompatible", "CVE-2018-0886");
            let text = outcome.server.error().to_string();
            assert!(
                text.contains(&format!("version {version}")) && text.contains("at least 5"),
                "{text}"
            );
            let told = outcome.from(Side::Server);
            // Versions 1 and 2 have no error code.
            assert_eq!(told.len(), usize::from(version >= 3));
            for message in told {
                assert_eq!(message.decode().shape(), "e");
                assert_eq!(message.decode().error_code, Some(NtStatus::NOT_SUPPORTED));
            }
        }
    }
}

#[test]
fn refuses_a_server_below_the_floor() {
    for version in [1, 2, 3, 4] {
        for pair in both() {
            let outcome = pair.run_with(change(Side::Server, 0, |m| m.version = version));
            assert_client_refuses(&outcome, 1, "PeerIncompatible", "at least 5 is wanted");
        }
    }
    // Not only where a proof is due: such a server draws no second token.
    for mut pair in [
        Pair::bare(),
        Pair::with_mechanisms(vec![Toy::kerberos(7)], vec![Toy::kerberos(7)]),
    ] {
        pair.client.min_version = 6;
        let outcome = pair.run_with(change(Side::Server, 0, |m| m.version = 5));
        assert_client_refuses(&outcome, 1, "PeerIncompatible", "at least 6 is wanted");
    }
}

#[test]
fn refuses_a_changed_version() {
    for pair in both() {
        for (index, version) in [(1, 5), (1, 7), (2, 5)] {
            let outcome = pair.run_with(change(Side::Client, index, |m| m.version = version));
            let words = format!("changed from 6 to {version}");
            assert_server_refuses(&outcome, "PeerMisbehaved", &words, MALFORMED);
        }
        for version in [5, 7] {
            let outcome = pair.run_with(change(Side::Server, 1, |m| m.version = version));
            let words = format!("changed from 6 to {version}");
            assert_client_refuses(&outcome, 2, "PeerMisbehaved", &words);
        }
    }
}

/// No version is reached by the floor's back door: the effective version is not told to rise or fall within a handshake.
#[test]
fn refuses_a_version_that_falls_below_the_floor_later() {
    let outcome = Pair::bare().run_with(change(Side::Client, 1, |m| m.version = 2));
    assert_server_refuses(&outcome, "PeerMisbehaved", "changed from 6 to 2", MALFORMED);
}

#[test]
fn refuses_a_missing_nonce() {
    for pair in both() {
        let outcome = pair.run_with(change(Side::Client, 1, |m| m.client_nonce = None));
        assert_server_refuses(
            &outcome,
            "PeerMisbehaved",
            "clientNonce is missing",
            MALFORMED,
        );
    }
}

/// Hash or echo is chosen by the version: without its nonce a client does not get the weaker one.
#[test]
fn refuses_an_echo_where_a_hash_is_due() {
    let pair = toy();
    let echo = [&b"T0\0\x01"[..], pair.server_key.as_bytes()].concat();
    let outcome = pair.run_with(change(Side::Client, 0, |m| {
        m.client_nonce = None;
        m.pub_key_auth = Some(echo.clone());
    }));
    assert_server_refuses(
        &outcome,
        "PeerMisbehaved",
        "clientNonce is missing",
        MALFORMED,
    );
    let outcome = pair.run_with(change(Side::Client, 0, |m| {
        m.pub_key_auth = Some(echo.clone());
    }));
    assert_server_refuses(&outcome, "PublicKeyMismatch", "public key", REFUSED);
    // The control: where version 4 is accepted, this is how it looks.
    let pair = pair.versions(4, 4, 4);
    pair.run_with(change(Side::Client, 0, |m| {
        m.pub_key_auth = Some(echo.clone());
    }))
    .complete();
}

#[test]
fn refuses_a_changed_nonce() {
    for pair in both() {
        let outcome = pair.run_with(change(Side::Client, 1, |m| {
            m.client_nonce = Some([7; 32]);
        }));
        assert_server_refuses(&outcome, "PublicKeyMismatch", "public key", REFUSED);
        let outcome = pair.run_with(change(Side::Client, 0, |m| {
            m.client_nonce = Some([7; 32]);
        }));
        assert_server_refuses(&outcome, "PeerMisbehaved", "clientNonce changed", MALFORMED);
        // Also after it has served.
        let outcome = pair.run_with(change(Side::Client, 2, |m| {
            m.client_nonce = Some([7; 32]);
        }));
        assert_server_refuses(&outcome, "PeerMisbehaved", "clientNonce changed", MALFORMED);
    }
}

#[test]
fn refuses_a_reflected_pub_key_auth() {
    for pair in both() {
        let sent = pair.run().sent[2].decode().pub_key_auth;
        let outcome = pair.run_with(change(Side::Server, 1, |m| {
            m.pub_key_auth.clone_from(&sent);
        }));
        assert_client_refuses(&outcome, 2, "PeerMisbehaved", "came back as it was sent");
    }
    // Also where the mechanism's sealing itself would not notice, and the binding is an echo.
    for version in [6, 2] {
        let pair = toy().versions(version, version, 2);
        let sent = pair.run().sent[0].decode().pub_key_auth.unwrap();
        let sealed_anew = [b"T0\x01\x01", &sent[4..]].concat();
        let outcome = pair.run_with(change(Side::Server, 0, |m| {
            m.pub_key_auth = Some(sealed_anew.clone());
        }));
        assert_client_refuses(&outcome, 1, "PublicKeyMismatch", "public key");
    }
}

#[test]
fn refuses_a_pub_key_auth_for_another_key() {
    let another = ServerPublicKey::from_subject_public_key(&[4; 65]);
    for version in 2..=6 {
        for pair in both() {
            let mut pair = pair.versions(version, 6, 2);
            pair.client_key = another.clone();
            let outcome = pair.run();
            assert_error(&outcome.server, "PublicKeyMismatch", "somebody may stand");
            assert!(!outcome.server.is_complete() && !outcome.client.is_complete());
        }
    }
    // A server that does not look at the key, or is somebody else: the client has to find it out.
    let pair = toy();
    for answer in [&b""[..], &[0; 32], &[0; 31], &[0; 33]] {
        let sealed = [b"T0\x01\x01", answer].concat();
        let outcome = pair.run_with(change(Side::Server, 0, |m| {
            m.pub_key_auth = Some(sealed.clone());
        }));
        assert_client_refuses(&outcome, 1, "PublicKeyMismatch", "somebody may stand");
    }
}

/// The toy's seal hides nothing: what it has sealed can be seen.
#[test]
fn a_pin_goes_nowhere_before_the_servers_binding_has_verified() {
    let mut pair = toy();
    let card = TsSmartCardCreds::new("271828", TsCspDataDetail::new(1));
    pair.credentials = pair.credentials.delegating(card.into());
    let pin: Vec<u8> = "271828".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let places = |outcome: &Outcome| -> Vec<bool> {
        let messages = outcome.from(Side::Client);
        let holds = |bytes: &[u8]| bytes.windows(pin.len()).any(|window| window == pin);
        messages
            .iter()
            .map(|message| holds(&message.bytes))
            .collect()
    };
    assert_eq!(places(&pair.run()), [false, true]);
    let outcome = pair.run_with(change(Side::Server, 0, |m| {
        let mut seal = m.pub_key_auth.take().unwrap();
        *seal.last_mut().unwrap() ^= 1;
        m.pub_key_auth = Some(seal);
    }));
    assert_client_refuses(&outcome, 1, "PublicKeyMismatch", "somebody may stand");
    assert_eq!(places(&outcome), [false]);
}

#[test]
fn refuses_a_missing_pub_key_auth() {
    let words = "pubKeyAuth is missing";
    let outcome = Pair::spnego().run_with(change(Side::Client, 1, |m| m.pub_key_auth = None));
    assert_client_refuses(&outcome, 2, "PeerMisbehaved", words);
    for pair in both() {
        // It may still come, but nothing else instead.
        for nothing in [Some(vec![]), None] {
            let mut server = after_late_token(&pair);
            assert!(server.is_waiting());
            let message = Fields {
                nego_token: nothing,
                ..Fields::new(6)
            };
            server.feed(&message.encode());
            assert_error_told(server, words, MALFORMED);
        }
        let outcome = pair.run_with(change(Side::Server, 1, |m| m.pub_key_auth = None));
        assert_client_refuses(&outcome, 2, "PeerMisbehaved", words);
    }
}

/// A server that has had the last token, and no `pubKeyAuth` yet.
fn after_late_token(pair: &Pair) -> Peer {
    let mut client = pair.started_client();
    let mut server = pair.started_server();
    server.feed(&client.next_message().unwrap().bytes);
    client.feed(&server.next_message().unwrap().bytes);
    let last = client.next_message().unwrap();
    server.feed(&last.change(|m| m.pub_key_auth = None));
    let answer = server.next_message().map(|answer| answer.decode().shape());
    let expected = (pair.client.negotiation == Negotiation::Spnego).then(|| "t".to_owned());
    assert_eq!(answer, expected);
    server
}

#[test]
fn refuses_an_early_pub_key_auth() {
    for pair in both() {
        let outcome = pair.run_with(change(Side::Client, 0, |m| {
            m.pub_key_auth = Some(vec![7; 48]);
            m.client_nonce = Some([7; 32]);
        }));
        let words = "pubKeyAuth came before";
        assert_server_refuses(&outcome, "PeerMisbehaved", words, MALFORMED);
        let outcome = pair.run_with(change(Side::Server, 0, |m| {
            m.pub_key_auth = Some(vec![7; 48]);
        }));
        assert_client_refuses(&outcome, 1, "PeerMisbehaved", words);
    }
}

#[test]
fn refuses_a_second_pub_key_auth() {
    for pair in both() {
        let outcome = pair.run_with(change(Side::Client, 2, |m| {
            m.pub_key_auth = Some(vec![7; 48]);
        }));
        assert_server_refuses(&outcome, "PeerMisbehaved", "a second time", MALFORMED);
        // The message with the proof itself, once more.
        let proof = pair.run().sent[2].bytes.clone();
        let outcome = pair.run_with(|message| match message {
            message if message.is(Side::Client, 2) => proof.clone(),
            message => message.bytes,
        });
        assert_server_refuses(&outcome, "PeerMisbehaved", "a second time", MALFORMED);
    }
}

#[test]
fn refuses_an_early_auth_info() {
    for pair in both() {
        let auth_info = pair.run().sent[4].decode().auth_info;
        let words = "authInfo came before";
        for index in [0, 1] {
            // Beside the token that is due, and in its place.
            for keep in [true, false] {
                let outcome = pair.run_with(change(Side::Client, index, |m| {
                    m.auth_info.clone_from(&auth_info);
                    if !keep {
                        m.nego_token = None;
                        m.pub_key_auth = None;
                    }
                }));
                assert_server_refuses(&outcome, "PeerMisbehaved", words, MALFORMED);
            }
        }
        for index in [0, 1] {
            let outcome = pair.run_with(change(Side::Server, index, |m| {
                m.auth_info.clone_from(&auth_info);
            }));
            assert_client_refuses(&outcome, index + 1, "PeerMisbehaved", words);
        }
    }
    let pair = Pair::spnego();
    let mut server = after_late_token(&pair);
    let message = Fields {
        auth_info: Some(vec![7; 48]),
        ..Fields::new(6)
    };
    server.feed(&message.encode());
    assert_error_told(server, "authInfo came before", MALFORMED);
}

#[test]
fn refuses_a_missing_auth_info() {
    for pair in both() {
        let outcome = pair.run_with(change(Side::Client, 2, |m| m.auth_info = None));
        let words = "authInfo is missing";
        assert_server_refuses(&outcome, "PeerMisbehaved", words, MALFORMED);
    }
}

#[test]
fn refuses_garbage_and_plaintext_in_auth_info() {
    let plaintext = b"\x30\x1b\xa0\x03\x02\x01\x01\xa1\x14\x04\x12\x30\x10\xa0\x02\x04\x00\xa1\x04\x04\x02a\0\xa2\x04\
                      \x04\x021\0";
    for pair in both() {
        for garbage in [&[7; 48][..], &[0; 300], plaintext] {
            let outcome = pair.run_with(change(Side::Client, 2, |m| {
                m.auth_info = Some(garbage.to_vec());
            }));
            let words = "does not verify";
            assert_server_refuses(&outcome, "AuthenticationFailed", words, REFUSED);
        }
    }
    // Sealed well, but no TSCredentials.
    let pair = toy();
    for (contents, words) in [
        (&b""[..], "TSCredentials"),
        (b"\x30\0", "TSCredentials.credType"),
        (
            b"\x30\x0b\xa0\x03\x02\x01\x03\xa1\x04\x04\x02\x30\0",
            "TSCredentials.credType",
        ),
        (
            b"\x30\x0b\xa0\x03\x02\x01\x01\xa1\x04\x04\x02\x30\0",
            "TSPasswordCreds.domainName",
        ),
    ] {
        let sealed = [b"T0\0\x02", contents].concat();
        let outcome = pair.run_with(change(Side::Client, 1, |m| {
            m.auth_info = Some(sealed.clone());
        }));
        assert_server_refuses(&outcome, "InvalidMessage", words, MALFORMED);
    }
    // The control.
    let sealed = [b"T0\0\x02", &plaintext[..]].concat();
    pair.run_with(change(Side::Client, 1, |m| {
        m.auth_info = Some(sealed.clone());
    }))
    .complete();
}

/// MS-CSSP, section 2.2.1: a client that gets an errorCode stops, whatever else the message holds.
#[test]
fn an_error_code_counts_before_anything_else_in_its_message() {
    let zeros = vec![0; 12_000];
    for pair in both() {
        for index in [0, 1] {
            for version in [2, 5, 6] {
                let outcome = pair.run_with(change(Side::Server, index, |m| {
                    *m = Fields {
                        nego_token: Some(zeros.clone()),
                        pub_key_auth: Some(zeros.clone()),
                        auth_info: Some(zeros.clone()),
                        error_code: Some(NtStatus::PASSWORD_EXPIRED),
                        ..Fields::new(version)
                    };
                }));
                let words = "STATUS_PASSWORD_EXPIRED";
                assert_client_refuses(&outcome, index + 1, "Rejected", words);
                let seen = if index == 0 { version } else { 6 };
                let progress = &outcome.client.error().progress;
                assert_eq!(progress.peer_version, Some(seen));
            }
        }
    }
}

#[test]
fn unknown_error_codes_and_success_are_refusals() {
    for code in [0xc007_00ea, 0x8009_030c, 0, 1, 5, u32::MAX] {
        let outcome = Pair::bare().run_with(change(Side::Server, 0, |m| {
            m.error_code = Some(NtStatus::from_u32(code));
        }));
        let words = format!("{code:08X}");
        assert_client_refuses(&outcome, 1, "Rejected", &words);
    }
}

#[test]
fn refuses_an_error_code_from_a_client() {
    for pair in both() {
        for index in 0..3 {
            let outcome = pair.run_with(change(Side::Client, index, |m| {
                m.error_code = Some(NtStatus::LOGON_FAILURE);
            }));
            let words = "a client sent an errorCode";
            assert_server_refuses(&outcome, "PeerMisbehaved", words, MALFORMED);
        }
    }
}

#[test]
fn refuses_a_missing_token() {
    for pair in both() {
        for index in [0, 1] {
            for token in [None, Some(Vec::new())] {
                let outcome = pair.run_with(change(Side::Client, index, |m| {
                    m.nego_token.clone_from(&token);
                }));
                let words = "negoTokens is missing";
                assert_server_refuses(&outcome, "PeerMisbehaved", words, MALFORMED);
            }
        }
        let outcome = pair.run_with(change(Side::Server, 0, |m| m.nego_token = None));
        assert_client_refuses(&outcome, 1, "PeerMisbehaved", "negoTokens is missing");
    }
}

#[test]
fn refuses_a_token_after_completion() {
    for pair in both() {
        let first = pair.run().sent[0].decode().nego_token;
        let outcome = pair.run_with(change(Side::Client, 2, |m| {
            m.nego_token.clone_from(&first);
        }));
        let words = "a token came after";
        assert_server_refuses(&outcome, "PeerMisbehaved", words, MALFORMED);
    }
    let challenge = Pair::bare().run().sent[1].decode().nego_token;
    let outcome = Pair::bare().run_with(change(Side::Server, 1, |m| {
        m.nego_token.clone_from(&challenge);
    }));
    assert_client_refuses(&outcome, 2, "PeerMisbehaved", "a token came after");
}
