//! What tests of Remote Desktop's negotiation configure, and what comes of it.

// Each test uses its own part of this.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::panic)]

use credssp::Error as CredSspError;
use credssp::error::Step;
use credssp::rdp::{client, server};
use credssp::stream::Error;

pub fn offering(hybrid_ex: bool) -> client::NegotiationConfig<'static> {
    let mut config = client::NegotiationConfig::default();
    config.hybrid_ex = hybrid_ex;
    config
}

pub fn supporting(hybrid_ex: bool) -> server::NegotiationConfig {
    let mut config = server::NegotiationConfig::default();
    config.hybrid_ex = hybrid_ex;
    config
}

/// What the protocol has against it, and where.
#[track_caller]
pub fn protocol_error<T>(result: Result<T, Error>) -> (CredSspError, Step) {
    match result.err() {
        Some(Error::Protocol(error)) => (error.error, error.progress.step),
        Some(other) => panic!("another error: {other}"),
        None => panic!("no error"),
    }
}
