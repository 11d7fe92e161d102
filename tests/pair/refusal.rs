//! What a refused peer is told.

use credssp::error::NtStatus;
use credssp::mechanism::Negotiation;

use super::message::{Fields, Message};
use super::toy::Toy;
use super::{Outcome, Pair, Peer, Side};

pub fn both() -> [Pair; 2] {
    [Pair::bare(), Pair::spnego()]
}

/// A mechanism of one token, without SPNEGO, and without cryptography.
pub fn toy() -> Pair {
    let mut pair = Pair::with_mechanisms(vec![Toy::kerberos(1)], vec![Toy::kerberos(1)]);
    pair.client.negotiation = Negotiation::Bare;
    pair
}

/// The server fails with an error of this kind, which says `words`, and its last message is the error code alone.
#[track_caller]
pub fn assert_server_refuses(outcome: &Outcome, kind: &str, words: &str, status: NtStatus) {
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
pub fn assert_client_refuses(outcome: &Outcome, messages: usize, kind: &str, words: &str) {
    assert_error(&outcome.client, kind, words);
    assert_eq!(outcome.from(Side::Client).len(), messages);
    let credentials = outcome
        .sent
        .iter()
        .any(|message| message.decode().auth_info.is_some());
    assert!(!credentials, "the credentials went out");
}

#[track_caller]
pub fn assert_error(peer: &Peer, kind: &str, words: &str) {
    let error = peer.error();
    assert_eq!(error.error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert!(peer.out.is_empty());
}

/// Changes one message.
pub fn change(
    side: Side,
    index: usize,
    change: impl Fn(&mut Fields),
) -> impl Fn(Message) -> Vec<u8> {
    move |message| {
        if message.is(side, index) {
            message.change(&change)
        } else {
            message.bytes
        }
    }
}

pub const MALFORMED: NtStatus = NtStatus::INVALID_PARAMETER;

pub const REFUSED: NtStatus = NtStatus::LOGON_FAILURE;

#[track_caller]
pub fn assert_error_told(mut server: Peer, words: &str, status: NtStatus) {
    let told = server.next_message().unwrap().decode();
    assert_eq!((told.shape(), told.error_code), ("e".into(), Some(status)));
    assert_error(&server, "PeerMisbehaved", words);
}

/// The contents of a SEQUENCE.
pub fn contents(message: &[u8]) -> &[u8] {
    match message[1] {
        0x81 => &message[3..],
        0x82 => &message[4..],
        _ => &message[2..],
    }
}

/// A value in DER.
pub fn value(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
    let header = match length {
        [0, short @ ..0x80] => vec![tag, short],
        [0, long] => vec![tag, 0x81, long],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [header, contents.to_vec()].concat()
}
