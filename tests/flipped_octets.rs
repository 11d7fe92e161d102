//! Every octet of every message changed, one at a time: either the handshake fails, or nothing that counts has changed.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod pair;

use std::collections::BTreeMap;

use credssp::credentials::TsCredentials;
use credssp::mechanism::Mechanism;
use credssp::proof::ServerProof;

use pair::{PASSWORD, Pair, State, alice};

/// What is done to an octet: its lowest and its highest bit, and all of it.
const CHANGES: [u8; 4] = [0x01, 0x20, 0x80, 0xff];

/// How many of the changes each message survived, in order of the messages.
fn flip(pair: &Pair) -> BTreeMap<usize, Vec<usize>> {
    let sent = pair.run().sent;
    let mut survived = BTreeMap::new();
    for (place, original) in sent.iter().enumerate() {
        for at in 0..original.bytes.len() {
            for change in CHANGES {
                let outcome = pair.run_with(|mut message| {
                    if message.is(original.from, original.index) {
                        message.bytes[at] ^= change;
                    }
                    message.bytes
                });
                let context = format!("message {place}, octet {at}, {change:x}");
                if let State::ServerComplete(complete) = &outcome.server.state {
                    survived.entry(place).or_insert_with(Vec::new).push(at);
                    assert!(outcome.client.is_complete(), "{context}");
                    assert_eq!(complete.account, alice(), "{context}");
                    assert_eq!(
                        (complete.mechanism, complete.version),
                        (Mechanism::Ntlm, 6),
                        "{context}"
                    );
                    let TsCredentials::Password(credentials) = &complete.credentials else {
                        panic!("{context}: {:?}", complete.credentials);
                    };
                    assert_eq!(
                        (
                            &*credentials.domain_name,
                            &*credentials.user_name,
                            credentials.password.expose()
                        ),
                        ("CORP", "alice", PASSWORD),
                        "{context}"
                    );
                }
                if let State::ClientComplete(complete) = &outcome.client.state {
                    assert_eq!(complete.proof, ServerProof::None, "{context}");
                    assert_eq!(complete.version, 6, "{context}");
                }
            }
        }
    }
    survived
}

/// The MIC covers all three messages of NTLM, so that none of their octets may change.
#[test]
fn no_octet_of_a_bare_exchange_may_change() {
    let survived = flip(&Pair::bare());
    assert_eq!(survived, BTreeMap::new());
}

/// SPNEGO signs the list of mechanisms, but not its own states.
#[test]
fn what_may_change_of_spnego_does_not_count() {
    let pair = Pair::spnego();
    let sent = pair.run().sent;
    for (place, octets) in flip(&pair) {
        let message = sent[place].decode();
        for at in octets {
            // In no message with sealed or hashed contents does anything but the negoToken bend.
            let token = message.nego_token.as_deref().unwrap();
            let start = sent[place]
                .bytes
                .windows(token.len())
                .position(|window| window == token)
                .unwrap();
            let offset = at.checked_sub(start).unwrap();
            // negState: `a1 len 30 len a0 03 0a 01 state`, with lengths of one octet or two.
            let head = &token[..offset];
            assert!(
                head.ends_with(b"\xa0\x03\x0a\x01"),
                "message {place}, octet {offset} of the token: {token:x?}"
            );
        }
    }
}
