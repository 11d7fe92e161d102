//! Random sequences of messages into both engines: parts of genuine ones in any order and mixture, and garbage.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod pair;

use std::sync::LazyLock;

use credssp::credentials::TsCredentials;
use credssp::error::NtStatus;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use pair::message::Fields;
use pair::{Message, PASSWORD, Pair, Peer, Side, State, alice};

/// What is said in genuine handshakes. The same randomness gives the same messages again, so that a sequence of these
/// may by chance be a whole handshake.
static GENUINE: LazyLock<[Vec<Message>; 2]> =
    LazyLock::new(|| [Pair::bare().run().sent, Pair::spnego().run().sent]);

#[derive(Clone, Debug)]
enum Input {
    /// The next message that is due, if it is.
    Due,
    Genuine(Index),
    Mixed(Fields),
    Cut(Index, Index),
    Octets(Vec<u8>),
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    let field = |pick: fn(&Fields) -> Option<Vec<u8>>| {
        let all: Vec<_> = GENUINE
            .iter()
            .flatten()
            .filter_map(|message| pick(&message.decode()))
            .collect();
        select(all)
    };
    prop_oneof![
        4 => field(|fields| fields.nego_token.clone()),
        2 => field(|fields| fields.pub_key_auth.clone()),
        1 => field(|fields| fields.auth_info.clone()),
        1 => vec(any::<u8>(), 0..64),
        1 => Just(vec![0; 12_000]),
    ]
}

fn mixed() -> impl Strategy<Value = Fields> {
    let nonce = GENUINE[0][2].decode().client_nonce;
    (
        prop_oneof![8 => Just(6_u32), 1 => 1..8_u32, 1 => 1..0x8000_0000_u32],
        option::of(octets()),
        option::of(octets()),
        option::of(octets()),
        option::weighted(0.1, any::<u32>().prop_map(NtStatus::from_u32)),
        prop_oneof![Just(nonce), Just(None), any::<[u8; 32]>().prop_map(Some)],
    )
        .prop_map(
            |(version, nego_token, auth_info, pub_key_auth, error_code, client_nonce)| Fields {
                version,
                nego_token,
                auth_info,
                pub_key_auth,
                error_code,
                client_nonce,
            },
        )
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        6 => Just(Input::Due),
        2 => any::<Index>().prop_map(Input::Genuine),
        2 => mixed().prop_map(Input::Mixed),
        1 => any::<(Index, Index)>().prop_map(|(which, length)| Input::Cut(which, length)),
        1 => vec(any::<u8>(), 0..40).prop_map(Input::Octets),
    ]
}

/// Feeds one end, and gives what it said.
fn talk(pair: &Pair, genuine: &[Message], side: Side, inputs: &[Input]) -> (Peer, Vec<Fields>) {
    let mut peer = match side {
        Side::Client => pair.started_client(),
        Side::Server => pair.started_server(),
    };
    let mut due = genuine.iter().filter(|message| message.from != side);
    let mut said = Vec::new();
    for input in inputs {
        let bytes = match input {
            Input::Due => due
                .next()
                .map(|message| message.bytes.clone())
                .unwrap_or_default(),
            Input::Genuine(which) => which.get(genuine).bytes.clone(),
            Input::Mixed(fields) => fields.encode(),
            Input::Cut(which, length) => {
                let bytes = &which.get(genuine).bytes;
                bytes[..length.index(bytes.len())].to_vec()
            }
            Input::Octets(octets) => octets.clone(),
        };
        peer.feed(&bytes);
        while let Some(message) = peer.next_message() {
            said.push(message.decode());
        }
    }
    (peer, said)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_server_believes_only_the_genuine_client(
        spnego in any::<bool>(),
        inputs in vec(input(), 0..8),
    ) {
        let pair = if spnego { Pair::spnego() } else { Pair::bare() };
        let genuine = &GENUINE[usize::from(spnego)];
        let (server, said) = talk(&pair, genuine, Side::Server, &inputs);
        if let State::ServerComplete(complete) = &server.state {
            prop_assert_eq!(&complete.account, &alice());
            match &complete.credentials {
                TsCredentials::Password(delegated) => {
                    prop_assert_eq!(delegated.password.expose(), PASSWORD);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
        let errors = said.iter().filter(|fields| fields.error_code.is_some()).count();
        prop_assert!(errors <= 1);
        for fields in &said {
            prop_assert!(["t", "k", "tk", "e"].contains(&&*fields.shape()), "{:?}", fields);
        }
        if errors == 1 {
            prop_assert!(matches!(server.state, State::Failed(_)));
            prop_assert_eq!(said.last().unwrap().shape(), "e");
        }
    }

    #[test]
    fn a_client_delegates_only_to_the_genuine_server(
        spnego in any::<bool>(),
        inputs in vec(input(), 0..6),
    ) {
        let pair = if spnego { Pair::spnego() } else { Pair::bare() };
        let genuine = &GENUINE[usize::from(spnego)];
        let (client, said) = talk(&pair, genuine, Side::Client, &inputs);
        let proof = genuine[3].decode().pub_key_auth;
        // The proof is in the server's last message.
        let due = inputs.iter().filter(|input| matches!(input, Input::Due)).count();
        let proved = due >= 2
            || inputs.iter().any(|input| match input {
                Input::Genuine(which) => which.get(genuine) == &genuine[3],
                Input::Mixed(fields) => fields.pub_key_auth == proof,
                Input::Due | Input::Cut(..) | Input::Octets(_) => false,
            });
        let delegated = said.iter().any(|fields| fields.auth_info.is_some());
        prop_assert_eq!(delegated, client.is_complete());
        prop_assert!(proved || !delegated);
        for fields in &said {
            prop_assert!(["t", "tkn", "i"].contains(&&*fields.shape()), "{:?}", fields);
        }
    }
}

/// Were the handshakes above never completed, they would show nothing.
#[test]
fn what_is_due_leads_to_completion() {
    for (pair, genuine) in [Pair::bare(), Pair::spnego()].iter().zip(&*GENUINE) {
        let due = [Input::Due, Input::Due, Input::Due];
        let (server, said) = talk(pair, genuine, Side::Server, &due);
        assert!(server.is_complete());
        assert_eq!(said.len(), 2);
        let (client, said) = talk(pair, genuine, Side::Client, &due[..2]);
        assert!(client.is_complete());
        // The first message came before anything was fed.
        assert_eq!(said.len(), 3);
    }
}
