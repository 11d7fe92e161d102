//! Exchanges whose messages are known beforehand.

use std::io::Read;

use credssp::tls::Identity;
use credssp::ts_request::ServerPublicKey;

use super::{Issued, localhost, raw};
use crate::pair::{Message, Pair};

/// Reads until the end.
pub fn rest(stream: &mut impl Read) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    rest
}

/// What the two ends would say to each other over TLS with this key, where neither has other randomness than this.
pub fn transcript(identity: &Identity) -> (Pair, Vec<Message>) {
    let mut pair = Pair::bare();
    pair.target = localhost();
    pair.client_key = identity.public_key().clone();
    pair.server_key = identity.public_key().clone();
    let sent = pair.run().sent;
    (pair, sent)
}

/// A server by rustls alone, and its key.
pub fn raw_server() -> (rustls::ServerConfig, ServerPublicKey) {
    let issued = Issued::new(&["localhost"]);
    let key = rcgen::KeyPair::from_pem(&issued.key.serialize_pem()).unwrap();
    let identity = issued.self_signed();
    let config = raw::server_config(rustls::ALL_VERSIONS, raw::certified_key(&identity, &key));
    (config, identity.public_key().clone())
}
