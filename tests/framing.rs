//! How messages may be cut, joined and shifted.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod pair;

use std::sync::Arc;

use credssp::error::Step;
use credssp::gss::MechanismProvider;
use credssp::mechanism::Mechanism;

use pair::message::Fields;
use pair::toy::Toy;
use pair::{Pair, Side};

/// Both ways in which NTLM travels.
fn both() -> [Pair; 2] {
    [Pair::bare(), Pair::spnego()]
}

/// Some clients wait for the server's mechListMIC before they prove the key.
#[test]
fn the_proof_of_the_key_may_come_one_message_later() {
    let pair = Pair::spnego();
    let mut client = pair.started_client();
    let mut server = pair.started_server();
    let negotiate = client.next_message().unwrap();
    server.feed(&negotiate.bytes);
    client.feed(&server.next_message().unwrap().bytes);

    let both = client.next_message().unwrap().decode();
    let token = Fields {
        nego_token: both.nego_token.clone(),
        ..Fields::new(6)
    };
    let proof = Fields {
        nego_token: None,
        ..both
    };
    server.feed(&token.encode());
    let answer = server.next_message().unwrap().decode();
    assert_eq!(answer.shape(), "t");
    assert!(server.is_waiting());
    assert_eq!(server.progress().step, Step::PublicKey);
    server.feed(&proof.encode());
    let answer_to_proof = server.next_message().unwrap().decode();
    assert_eq!(answer_to_proof.shape(), "k");

    // Our own client has proved the key already, and wants both answers in one.
    let merged = Fields {
        nego_token: answer.nego_token,
        ..answer_to_proof
    };
    client.feed(&merged.encode());
    server.feed(&client.next_message().unwrap().bytes);
    assert!(client.is_complete() && server.is_complete());
}

/// Windows' clients send their mechListMIC alone where Kerberos is done, and nothing answers it.
#[test]
fn the_proof_of_the_key_may_come_behind_a_mic_that_comes_alone() {
    let signing: Arc<dyn MechanismProvider> = Arc::new(Toy {
        mechanism: Mechanism::Kerberos,
        tokens: 2,
        mic: true,
    });
    let pair = Pair::with_mechanisms(vec![signing.clone()], vec![signing]);
    let mut client = pair.started_client();
    let mut server = pair.started_server();
    server.feed(&client.next_message().unwrap().bytes);
    client.feed(&server.next_message().unwrap().bytes);

    let both = client.next_message().unwrap().decode();
    assert_eq!(both.shape(), "tkn");
    let mic = Fields {
        nego_token: both.nego_token.clone(),
        ..Fields::new(6)
    };
    let proof = Fields {
        nego_token: None,
        ..both
    };
    server.feed(&mic.encode());
    assert!(server.is_waiting() && server.out.is_empty());
    assert_eq!(server.progress().step, Step::PublicKey);
    server.feed(&proof.encode());
    client.feed(&server.next_message().unwrap().bytes);
    server.feed(&client.next_message().unwrap().bytes);
    assert!(client.is_complete() && server.is_complete());
}

/// Some peers write an empty token where they have none.
#[test]
fn empty_tokens_count_as_none() {
    for pair in both() {
        let outcome = pair.run_with(|message| {
            message.change(|fields| {
                fields.nego_token.get_or_insert_default();
            })
        });
        outcome.complete();
    }
}

#[test]
fn the_first_of_several_tokens_counts() {
    let second = b"\x30\x06\xa0\x04\x04\x02hi";
    let outcome = Pair::bare().run_with(|message| {
        let Some(token) = message.decode().nego_token else {
            return message.bytes;
        };
        // negoTokens by hand: our encoder writes one element only.
        let element = value(0x30, &value(0xa0, &value(0x04, &token)));
        let tokens = value(0xa1, &value(0x30, &[&element[..], second].concat()));
        let rest = message.change(|fields| fields.nego_token = None);
        let header = frame_header(&rest);
        let fields = &rest[header..];
        value(0x30, &[&fields[..5], &tokens, &fields[5..]].concat())
    });
    outcome.complete();
}

fn frame_header(message: &[u8]) -> usize {
    match message[1] {
        0x81 => 3,
        0x82 => 4,
        _ => 2,
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

#[test]
fn one_octet_per_read_is_enough() {
    for mut pair in both() {
        pair.read = 1;
        pair.run().complete();
    }
}

#[test]
fn a_message_that_is_not_whole_gives_the_same_state_back() {
    let pair = Pair::bare();
    let message = pair.run().sent[0].bytes.clone();
    let mut server = pair.started_server();
    let (last, first) = message.split_last().unwrap();
    server.feed(first);
    assert!(server.is_waiting() && server.out.is_empty());
    assert_eq!(server.input, first, "nothing is taken");
    server.feed(&[*last]);
    assert!(server.input.is_empty());
    assert!(!server.out.is_empty());
}

/// A peer that knows what the other will say need not wait for it.
#[test]
fn takes_one_of_two_messages_in_one_read() {
    for pair in both() {
        let sent = pair.run().sent;
        let [negotiate, last, credentials] = [0, 2, 4].map(|index| sent[index].bytes.clone());
        let mut server = pair.started_server();
        // The same randomness makes the server give the same challenge.
        server.feed(&[negotiate, last, credentials].concat());
        assert!(server.is_complete(), "{server:?}");
        assert!(server.input.is_empty());
    }
}

#[test]
fn octets_behind_the_last_message_are_left_alone() {
    for pair in both() {
        let outcome = pair.run_with(|message| {
            let mut bytes = message.bytes.clone();
            if message.is(Side::Client, 2) || message.is(Side::Server, 1) {
                // What looks like the next message belongs to the application all the same.
                bytes.extend_from_slice(b"\x30\x05 application");
            }
            bytes
        });
        assert_eq!(&outcome.client.input[..], b"\x30\x05 application");
        assert_eq!(&outcome.server.input[..], b"\x30\x05 application");
        outcome.complete();
    }
}
