//! What a hostile or broken peer may send: each of it is an error that names what was wrong, and tells the peer no more
//! than the protocol does.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod pair;

use credssp::error::NtStatus;
use credssp::mechanism::Negotiation;
use credssp::ts_request::ServerPublicKey;

use pair::message::Fields;
use pair::toy::Toy;
use pair::{Message, Outcome, Pair, Peer, Side};

fn both() -> [Pair; 2] {
    [Pair::bare(), Pair::spnego()]
}

/// A mechanism of one token, without SPNEGO, and without cryptography.
fn toy() -> Pair {
    let mut pair = Pair::with_mechanisms(vec![Toy::kerberos(1)], vec![Toy::kerberos(1)]);
    pair.client.negotiation = Negotiation::Bare;
    pair
}

/// The server fails with an error of this kind, which says `words`, and its last message is the error code alone.
#[track_caller]
fn assert_server_refuses(outcome: &Outcome, kind: &str, words: &str, status: NtStatus) {
    assert_error(&outcome.server, kind, words);
    let last = outcome.from(Side::Server).last().unwrap().decode();
    let told = Fields {
        error_code: Some(status),
        ..Fields::new(6)
    };
    assert_eq!(last, told);
}

/// The client fails likewise, and says nothing to the server any more.
#[track_caller]
fn assert_client_refuses(outcome: &Outcome, messages: usize, kind: &str, words: &str) {
    assert_error(&outcome.client, kind, words);
    assert_eq!(outcome.from(Side::Client).len(), messages);
    let credentials = outcome
        .sent
        .iter()
        .any(|message| message.decode().auth_info.is_some());
    assert!(!credentials, "the credentials went out");
}

#[track_caller]
fn assert_error(peer: &Peer, kind: &str, words: &str) {
    let error = peer.error();
    assert_eq!(error.error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert!(peer.out.is_empty());
}

/// Changes one message.
fn change(side: Side, index: usize, change: impl Fn(&mut Fields)) -> impl Fn(Message) -> Vec<u8> {
    move |message| {
        if message.is(side, index) {
            message.change(&change)
        } else {
            message.bytes
        }
    }
}

const MALFORMED: NtStatus = NtStatus::INVALID_PARAMETER;
const REFUSED: NtStatus = NtStatus::LOGON_FAILURE;

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
fn refuses_a_nonce_that_has_not_32_octets() {
    for length in [0, 1, 31, 33, 64] {
        let nonce = vec![7; length];
        for side in [Side::Client, Side::Server] {
            let outcome = Pair::bare().run_with(|message| {
                if !message.is(side, 1) {
                    return message.bytes;
                }
                let rest = message.change(|m| m.client_nonce = None);
                let nonce = value(0xa5, &value(0x04, &nonce));
                value(0x30, &[contents(&rest), &nonce].concat())
            });
            let words = "TSRequest.clientNonce";
            match side {
                Side::Client => {
                    assert_server_refuses(&outcome, "InvalidMessage", words, MALFORMED);
                }
                Side::Server => assert_client_refuses(&outcome, 2, "InvalidMessage", words),
            }
        }
    }
}

#[test]
fn refuses_a_short_pub_key_auth() {
    for pair in both() {
        let sent = pair.run().sent;
        for (message, side) in [(&sent[2], Side::Client), (&sent[3], Side::Server)] {
            let whole = message.decode().pub_key_auth.unwrap();
            for length in 0..whole.len() {
                let outcome = pair.run_with(change(side, 1, |m| {
                    m.pub_key_auth = Some(whole[..length].to_vec());
                }));
                // Below 16 octets there is not even a signature.
                let (kind, words, status) = if length < 16 {
                    ("InvalidMessage", "ends early", MALFORMED)
                } else {
                    ("AuthenticationFailed", "does not verify", REFUSED)
                };
                match side {
                    Side::Client => assert_server_refuses(&outcome, kind, words, status),
                    Side::Server => assert_client_refuses(&outcome, 2, kind, words),
                }
            }
        }
    }
}

#[test]
fn refuses_a_short_auth_info() {
    for pair in both() {
        let whole = pair.run().sent[4].decode().auth_info.unwrap();
        for length in 0..whole.len() {
            let outcome = pair.run_with(change(Side::Client, 2, |m| {
                m.auth_info = Some(whole[..length].to_vec());
            }));
            let (kind, status) = if length < 16 {
                ("InvalidMessage", MALFORMED)
            } else {
                ("AuthenticationFailed", REFUSED)
            };
            assert_server_refuses(&outcome, kind, "", status);
        }
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

#[test]
fn refuses_a_missing_pub_key_auth() {
    let outcome = Pair::bare().run_with(change(Side::Client, 1, |m| m.pub_key_auth = None));
    let words = "pubKeyAuth is missing";
    assert_server_refuses(&outcome, "PeerMisbehaved", words, MALFORMED);
    // With SPNEGO it may still come, but nothing else instead.
    let outcome = Pair::spnego().run_with(change(Side::Client, 1, |m| m.pub_key_auth = None));
    assert!(outcome.server.is_waiting());
    assert_client_refuses(&outcome, 2, "PeerMisbehaved", words);
    let pair = Pair::spnego();
    for nothing in [Some(vec![]), None] {
        let mut server = after_late_token(&pair);
        let message = Fields {
            nego_token: nothing,
            ..Fields::new(6)
        };
        server.feed(&message.encode());
        assert_error_told(server, words, MALFORMED);
    }
    for pair in both() {
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
    assert_eq!(server.next_message().unwrap().decode().shape(), "t");
    server
}

#[track_caller]
fn assert_error_told(mut server: Peer, words: &str, status: NtStatus) {
    let told = server.next_message().unwrap().decode();
    assert_eq!((told.shape(), told.error_code), ("e".into(), Some(status)));
    assert_error(&server, "PeerMisbehaved", words);
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
fn reads_an_error_code_of_five_octets() {
    let outcome = Pair::bare().run_with(|message| match message {
        message if message.is(Side::Server, 0) => {
            b"\x30\x0e\xa0\x03\x02\x01\x06\xa4\x07\x02\x05\0\xc0\0\0\x6d".to_vec()
        }
        message => message.bytes,
    });
    assert_client_refuses(&outcome, 1, "Rejected", "STATUS_LOGON_FAILURE");
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
fn refuses_octets_behind_the_last_field() {
    for pair in both() {
        for side in [Side::Client, Side::Server] {
            for more in [&b"\0"[..], b"\xa6\x02\x04\0", b"\x05\0"] {
                let outcome = pair.run_with(|message| {
                    if message.is(side, 1) {
                        value(0x30, &[contents(&message.bytes), more].concat())
                    } else {
                        message.bytes
                    }
                });
                match side {
                    Side::Client => {
                        assert_server_refuses(&outcome, "InvalidMessage", "TSRequest", MALFORMED);
                    }
                    Side::Server => {
                        assert_client_refuses(&outcome, 2, "InvalidMessage", "TSRequest");
                    }
                }
            }
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

#[test]
fn refuses_tokens_of_no_known_kind() {
    for garbage in [&b"x"[..], b"NTLMSSP", b"NTLMSSP\x01", b"\x60", &[0xff; 300]] {
        let outcome = Pair::bare().run_with(change(Side::Client, 0, |m| {
            m.nego_token = Some(garbage.to_vec());
        }));
        let words = "TSRequest.negoTokens";
        assert_server_refuses(&outcome, "InvalidMessage", words, MALFORMED);
    }
}

/// The header alone says that a message is no message, or too long: nothing is kept of what comes behind.
#[test]
fn refuses_lengths_that_lie_by_the_header_alone() {
    for (header, words) in [
        // 2 GiB, 4 GiB - 1, and lengths of more octets than that.
        (&b"\x30\x84\x7f\xff\xff\xff"[..], "longer than the limit"),
        (b"\x30\x84\xff\xff\xff\xff", "longer than the limit"),
        (b"\x30\x85", "longer than the limit"),
        (b"\x30\xff", "longer than the limit"),
        // 64 KiB less the header is the most.
        (b"\x30\x82\xff\xfd", "longer than the limit"),
        (b"\x30\x83\x01\0\0", "longer than the limit"),
        // The indefinite form, and others than the shortest.
        (b"\x30\x80", "encoding"),
        (b"\x30\x81\x7f", "encoding"),
        (b"\x30\x82\0\xff", "encoding"),
        // No SEQUENCE at all.
        (b"\x03", "encoding"),
        (b"H", "encoding"),
        (b"\x16", "encoding"),
    ] {
        let pair = Pair::bare();
        for mut peer in [pair.started_server(), {
            let mut client = pair.started_client();
            client.next_message().unwrap();
            client
        }] {
            let (last, first) = header.split_last().unwrap();
            peer.feed(first);
            assert!(peer.is_waiting(), "{header:x?}");
            peer.feed(&[*last]);
            assert_error(&peer, "InvalidMessage", words);
            assert!(
                peer.out.is_empty(),
                "who has not said a version is told nothing"
            );
        }
    }
}

#[test]
fn refuses_lengths_that_lie_inside_a_message() {
    let mut pair = Pair::bare();
    pair.read = 1;
    let message = pair.run().sent[2].bytes.clone();
    let mut refused = 0;
    for at in 4..message.len() {
        let mut lying = message.clone();
        for length in [0x00, 0x7f, 0x80, 0x84, 0xff] {
            lying[at] = length;
            if lying == message {
                continue;
            }
            let outcome = pair.run_with(|message| match message {
                message if message.is(Side::Client, 1) => lying.clone(),
                message => message.bytes,
            });
            assert!(!outcome.server.is_complete(), "octet {at}: {length:x}");
            refused += usize::from(outcome.server_error().kind() == "InvalidMessage");
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn the_limit_is_the_callers_to_lower() {
    let mut pair = Pair::bare();
    let longest = pair
        .run()
        .sent
        .iter()
        .map(|message| message.bytes.len())
        .max()
        .unwrap();
    pair.server.max_message_len = longest;
    pair.client.max_message_len = longest;
    pair.run().complete();
    pair.server.max_message_len = longest - 1;
    let outcome = pair.run();
    let words = "longer than the limit";
    assert_server_refuses(&outcome, "InvalidMessage", words, MALFORMED);
}

#[test]
fn refuses_more_than_16_rounds() {
    // 32 tokens are 16 of each end's; one more is the client's 17th.
    for (tokens, passes) in [(31, true), (32, true), (33, false), (100, false)] {
        let mut pair =
            Pair::with_mechanisms(vec![Toy::kerberos(tokens)], vec![Toy::kerberos(tokens)]);
        pair.client.negotiation = Negotiation::Bare;
        let outcome = pair.run();
        if passes {
            outcome.complete();
            continue;
        }
        let words = "too many rounds";
        assert_server_refuses(&outcome, "PeerMisbehaved", words, MALFORMED);
        assert_eq!(outcome.from(Side::Client).len(), 17);
    }
    let pair = Pair::with_mechanisms(vec![Toy::kerberos(100)], vec![Toy::kerberos(100)]);
    let words = "too many rounds";
    assert_server_refuses(&pair.run(), "PeerMisbehaved", words, MALFORMED);
    // Each end counts for itself: a peer that does not, gets nowhere.
    let endless = Toy::kerberos(1000);
    let mut pair = Pair::with_mechanisms(vec![endless.clone()], vec![endless]);
    pair.client.negotiation = Negotiation::Bare;
    let mut server = pair.started_server();
    let token = |number: usize| Fields {
        nego_token: Some(
            [
                b"\x60\x7f\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02",
                format!("|{number}|u|p").as_bytes(),
            ]
            .concat(),
        ),
        ..Fields::new(6)
    };
    for round in 0..16 {
        server.feed(&token(2 * round).encode());
        assert!(server.is_waiting(), "{round}: {server:?}");
        assert_eq!(server.next_message().unwrap().decode().shape(), "t");
    }
    server.feed(&token(32).encode());
    assert_error_told(server, "too many rounds", MALFORMED);

    let mut client = pair.started_client();
    for round in 0..17 {
        assert!(client.is_waiting(), "{round}: {client:?}");
        assert_eq!(client.next_message().unwrap().decode().shape(), "t");
        client.feed(&token(2 * round + 1).encode());
    }
    assert!(client.next_message().is_none());
    assert_error(&client, "PeerMisbehaved", "too many rounds");
}

/// Every truncation of every message: the other end waits for the rest, and believes nothing.
#[test]
fn waits_for_the_rest_of_every_truncated_message() {
    for pair in both() {
        let sent = pair.run().sent;
        for cut in &sent {
            for length in 0..cut.bytes.len() {
                let outcome = pair.run_with(|mut message| {
                    if message.is(cut.from, cut.index) {
                        message.bytes.truncate(length);
                    }
                    message.bytes
                });
                let receiver = match cut.from {
                    Side::Client => &outcome.server,
                    Side::Server => &outcome.client,
                };
                assert!(receiver.is_waiting(), "{receiver:?}");
                assert_eq!(receiver.input, cut.bytes[..length]);
                assert!(!outcome.server.is_complete());
            }
        }
    }
}

/// Every truncation of every token, in a message that is whole.
#[test]
fn refuses_every_truncated_token() {
    for pair in both() {
        let sent = pair.run().sent;
        for cut in &sent {
            let Some(token) = cut.decode().nego_token else {
                continue;
            };
            for length in 1..token.len() {
                let outcome = pair.run_with(change(cut.from, cut.index, |m| {
                    m.nego_token = Some(token[..length].to_vec());
                }));
                let (receiver, error) = match cut.from {
                    Side::Client => (&outcome.server, outcome.server_error()),
                    Side::Server => (&outcome.client, outcome.client_error()),
                };
                assert!(!receiver.is_complete());
                assert!(
                    [
                        "InvalidMessage",
                        "PeerMisbehaved",
                        "PeerIncompatible",
                        "AuthenticationFailed"
                    ]
                    .contains(&error.kind()),
                    "{error}"
                );
            }
        }
    }
}

/// The contents of a SEQUENCE.
fn contents(message: &[u8]) -> &[u8] {
    match message[1] {
        0x81 => &message[3..],
        0x82 => &message[4..],
        _ => &message[2..],
    }
}

/// A value in DER.
fn value(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
    let header = match length {
        [0, short @ ..0x80] => vec![tag, short],
        [0, long] => vec![tag, 0x81, long],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [header, contents.to_vec()].concat()
}
