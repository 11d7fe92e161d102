//! Lengths that lie, messages cut short or made longer, and exchanges that do not end: bounded, and named.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod pair;

use credssp::mechanism::Negotiation;

use pair::message::Fields;
use pair::refusal::{
    MALFORMED, REFUSED, assert_client_refuses, assert_error, assert_error_told,
    assert_server_refuses, both, change, contents, value,
};
use pair::toy::Toy;
use pair::{Pair, Side};

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
