//! The protection of messages in a Kerberos context: tokens of anybody's, and our own in each layout.

use std::sync::Arc;

use bytes::BytesMut;
use credssp::environment::{GetRandomFailed, Random};
use credssp::gss::SecurityContext;
use credssp::kerberos::crypto::{EncryptionKey, EncryptionType};
use credssp::kerberos::{ContextParameters, End, KerberosContext};

const TYPES: [EncryptionType; 4] = [
    EncryptionType::Aes128Sha1,
    EncryptionType::Aes256Sha1,
    EncryptionType::Aes128Sha2,
    EncryptionType::Aes256Sha2,
];

#[derive(Debug)]
struct Constant;

impl Random for Constant {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        buffer.fill(0xc0);
        Ok(())
    }
}

fn contexts(kind: u8) -> [KerberosContext; 2] {
    let encryption_type = TYPES[usize::from(kind % 4)];
    let key = EncryptionKey::new(encryption_type, &[7; 32][..encryption_type.key_len()])
        .expect("a key of that length");
    [End::Initiator, End::Acceptor].map(|end| {
        let parameters = ContextParameters::new(end, &key)
            .with_acceptor_subkey(kind & 4 != 0)
            .with_random(Arc::new(Constant));
        KerberosContext::new(&parameters)
    })
}

/// What the initiator sends first, sealed; a seed.
pub fn sealed(kind: u8, message: &[u8]) -> Vec<u8> {
    let [mut initiator, _] = contexts(kind);
    let mut token = BytesMut::from(message);
    initiator.wrap_in_place(&mut token).expect("room");
    token.to_vec()
}

/// The first octet chooses the encryption type and what is done with the rest.
pub fn run(data: &[u8]) {
    let Some((setup, rest)) = data.split_first() else {
        return;
    };
    match setup >> 3 & 3 {
        0 => foreign(*setup, rest),
        1 => rotated(*setup, rest),
        _ => changed(*setup, rest),
    }
}

/// A token as it came, as a Wrap token and as a MIC token.
fn foreign(kind: u8, token: &[u8]) {
    let [_, mut acceptor] = contexts(kind);
    let mut buffer = token.to_vec();
    if let Ok(unwrapped) = acceptor.unwrap_with_conf_state(&mut buffer) {
        assert!(unwrapped.message.len() < token.len());
    }
    let _ = acceptor.verify_mic(b"message", token);
}

/// Our own token, its body rotated by any number: it says the same.
fn rotated(kind: u8, data: &[u8]) {
    let Some((rotation, message)) = data.split_first_chunk() else {
        return;
    };
    let rotation = u16::from_be_bytes(*rotation);
    let mut token = sealed(kind, message);
    let (header, body) = token.split_at_mut(16);
    let before = usize::from(u16::from_be_bytes([header[6], header[7]]));
    body.rotate_left(before % body.len());
    body.rotate_right(usize::from(rotation) % body.len());
    header[6..8].copy_from_slice(&rotation.to_be_bytes());
    let [_, mut acceptor] = contexts(kind);
    assert_eq!(
        acceptor.unwrap_in_place(&mut token).expect("our own token"),
        message
    );
}

/// Our own token with some octets changed: whatever is taken is what was sent.
fn changed(kind: u8, data: &[u8]) {
    const MESSAGE: &[u8] = b"thirty-one octets of a message.";

    let mut token = sealed(kind, MESSAGE);
    let before = token.clone();
    for change in data.chunks_exact(2) {
        let at = usize::from(change[0]) % token.len();
        token[at] ^= change[1];
    }
    let same = token == before;
    let header = u16::from_be_bytes([token[6], token[7]]);
    let [_, mut acceptor] = contexts(kind);
    match acceptor.unwrap_in_place(&mut token) {
        Ok(message) => assert_eq!(message, MESSAGE),
        // RRC alone is not protected; other values of it can only fail.
        Err(error) => assert!(!same, "{error}, RRC {header}"),
    }
}
