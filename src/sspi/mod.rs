//! Contexts of the `sspi` crate as mechanisms: its NTLM in both roles, its Kerberos as the client.
//!
//! What a peer or a KDC sends is checked before the crate sees it: how long it is, its framing, and every length and offset
//! that is not encrypted. Of a failure inside the crate only its kind is told, never its text, which may quote a message.
//!
//! What is the crate's own affair:
//! - time and randomness, in which an [`Environment`](crate::environment::Environment) has no say, and how secrets are kept
//!   once it has them;
//! - where a KDC of another realm than the account's is: it looks in the process's environment and in krb5.conf, and stops
//!   where it finds none. The message itself goes the same way as the others, as a [`KdcRequest`](crate::kdc::KdcRequest).
//!
//! What a KDC's answer says in its encrypted part, and whether that is the answer to what was asked, is the crate's affair as
//! well. So its Kerberos does not count as a proof of the server: as with NTLM, the certificate has to be one, or policy has to do
//! without.
//!
//! Its Kerberos gives no MICs. In SPNEGO it works where none are needed: both ends prefer it, and the server does not insist on
//! one, as servers do with user-to-user.
//!
//! Its Kerberos does not accept here. As a server the crate asks a KDC for its own ticket in the midst of an exchange
//! (user-to-user), for which an [`Acceptor`](crate::gss::Acceptor) has no step.
//!
//! ```
//! use std::sync::Arc;
//!
//! use credssp::{ClientConfig, DelegationPolicy, sspi};
//!
//! let mut config = ClientConfig::new(DelegationPolicy::windows_defaults());
//! config.mechanisms = vec![Arc::new(sspi::Kerberos::default()), Arc::new(sspi::Ntlm::default())];
//! ```

use ::sspi::{BufferType, ErrorKind, SecurityBuffer};

use crate::error::{Error, InvalidMessage, InvalidMessageKind, OtherError};

mod kerberos;
mod ntlm;

pub use kerberos::Kerberos;
pub use ntlm::Ntlm;

/// The longest token of a peer that is passed on, in octets.
const MAX_TOKEN_LEN: usize = 1 << 16;

/// A token as the crate takes and gives it.
fn token_buffer(token: &[u8]) -> SecurityBuffer {
    SecurityBuffer::new(token.to_vec(), BufferType::Token)
}

fn check_len(token: &[u8], limit: usize, name: &'static str) -> Result<(), InvalidMessage> {
    if token.len() <= limit {
        Ok(())
    } else {
        Err(InvalidMessage::new(name, 0, InvalidMessageKind::TooLarge))
    }
}

/// What the crate says of a token, or of itself.
fn failed(error: &::sspi::Error) -> Error {
    match error.error_type {
        ErrorKind::InvalidToken => {
            InvalidMessage::new("the mechanism's token", 0, InvalidMessageKind::BadValue).into()
        }
        kind => OtherError::new(format!("the sspi crate failed: {kind:?}")).into(),
    }
}
