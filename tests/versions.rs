//! Versions 2 to 6, and how each binds the key.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod pair;

use credssp::error::{ApiMisuse, Error};

use pair::{Pair, Side};

/// Both ways in which NTLM travels.
fn both() -> [Pair; 2] {
    [Pair::bare(), Pair::spnego()]
}

#[test]
fn the_lower_version_of_the_two_is_used() {
    for (client, server, min, expected) in [
        (6, 6, 5, 6),
        (5, 6, 5, 5),
        (6, 5, 5, 5),
        (5, 5, 5, 5),
        (4, 6, 2, 4),
        (6, 4, 2, 4),
        (3, 6, 2, 3),
        (6, 3, 2, 3),
        (2, 6, 2, 2),
        (6, 2, 2, 2),
        (2, 2, 2, 2),
    ] {
        for pair in both() {
            let pair = pair.versions(client, server, min.min(client).min(server));
            let outcome = pair.run();
            for message in &outcome.sent {
                let own = match message.from {
                    Side::Client => client,
                    Side::Server => server,
                };
                // Each side puts its own version into every message.
                assert_eq!(message.decode().version, own);
                // The nonce belongs to the hash, and neither to the echo.
                let expects_nonce = message.is(Side::Client, 1) && expected >= 5;
                assert_eq!(message.decode().client_nonce.is_some(), expects_nonce);
            }
            let (client, server) = outcome.complete();
            assert_eq!((client.version, server.version), (expected, expected));
        }
    }
}

#[test]
fn a_version_above_ours_counts_as_ours() {
    for pair in both() {
        let outcome = pair.run_with(|message| message.change(|fields| fields.version = 17));
        let (client, server) = outcome.complete();
        assert_eq!((client.version, server.version), (6, 6));
    }
}

/// The length tells the two bindings apart: a hash has 32 octets and the echo as many as the key.
#[test]
fn versions_below_5_echo_the_key_and_later_ones_hash_it() {
    for (version, length) in [(2, 65), (3, 65), (4, 65), (5, 32), (6, 32)] {
        let outcome = Pair::bare().versions(version, version, 2).run();
        for (side, index) in [(Side::Client, 1), (Side::Server, 1)] {
            let fields = outcome.from(side)[index].decode();
            assert_eq!(fields.pub_key_auth.unwrap().len(), 16 + length);
        }
    }
}

#[test]
fn a_nonce_may_stand_in_every_message() {
    for pair in both() {
        let nonce = pair.run().sent[2].decode().client_nonce;
        assert!(nonce.is_some());
        let outcome = pair.run_with(|message| {
            message.change(|fields| {
                if message.from == Side::Client {
                    fields.client_nonce = nonce;
                }
            })
        });
        outcome.complete();
    }
}

#[test]
fn a_nonce_before_the_proof_is_enough() {
    for pair in both() {
        let nonce = pair.run().sent[2].decode().client_nonce;
        let outcome = pair.run_with(|message| {
            message.change(|fields| {
                fields.client_nonce = nonce.filter(|_| message.is(Side::Client, 0));
            })
        });
        outcome.complete();
    }
}

#[test]
fn a_nonce_from_a_server_says_nothing() {
    for pair in both() {
        let outcome = pair.run_with(|message| {
            message.change(|fields| {
                if message.from == Side::Server {
                    fields.client_nonce = Some([u8::try_from(message.index).unwrap(); 32]);
                }
            })
        });
        outcome.complete();
    }
}

#[test]
fn refuses_versions_that_do_not_exist() {
    for (own, min) in [(7, 5), (1, 1), (0, 0), (4, 5), (6, 7), (6, 1)] {
        let mut pair = Pair::bare();
        (pair.client.own_version, pair.client.min_version) = (own, min);
        (pair.server.own_version, pair.server.min_version) = (own, min);
        let outcome = pair.run();
        for error in [outcome.client_error(), outcome.server_error()] {
            let misuse = matches!(error, Error::ApiMisuse(ApiMisuse::BadVersion));
            assert!(misuse, "{own} {min}: {error}");
        }
        assert!(outcome.sent.is_empty());
    }
}
