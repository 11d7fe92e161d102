//! What Remote Desktop says around CredSSP (MS-RDPBCGR), without I/O.
//!
//! ```text
//! client                                   server
//!   | -- X.224 Connection Request ---------> |   protocols offered, and what is asked of CredSSP
//!   | <--------- X.224 Connection Confirm -- |   the one selected, or why there is none
//!   | <============ TLS, CredSSP =========>  |
//!   | <-- Early User Authorization Result -- |   with PROTOCOL_HYBRID_EX only
//! ```
//!
//! [`client`] and [`server`] negotiate, and settle for CredSSP or nothing. Below them are the codecs:
//! [`ConnectionRequest`], [`ConnectionConfirm`] and [`EarlyUserAuthorization`]. They are strict: nothing may be left behind
//! a structure, and every length is to be the right one. What comes after, such as MCS, is none of this crate's business.
//!
//! [`Connector::connect_rdp()`](crate::tls::Connector::connect_rdp) and
//! [`Acceptor::accept_rdp()`](crate::tls::Acceptor::accept_rdp) do all of it over a connection.
//!
//! Nothing protects the negotiation: anyone between the two ends can change it. Hence a client compares the server's
//! answer with what it requested itself, and the data that are sent inside TLS later repeat both.
//!
//! ```
//! use bytes::BytesMut;
//! use credssp::rdp::{Protocol, ResponseFlags, client, server};
//!
//! let mut config = server::NegotiationConfig::default();
//! config.flags = ResponseFlags::EXTENDED_CLIENT_DATA;
//!
//! let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
//! let client = client::start(&client::NegotiationConfig::default(), &mut to_server)?;
//! let accepted = match server::start(config).process(&mut to_server, &mut to_client)? {
//!     server::Negotiation::Complete(accepted) => accepted,
//!     _ => unreachable!("all of the request is there"),
//! };
//! let selected = match client.process(&mut to_client)? {
//!     client::Negotiation::Complete(selected) => selected,
//!     _ => unreachable!("all of the answer is there"),
//! };
//! // TLS and CredSSP follow.
//! assert_eq!(accepted.selected, Protocol::HybridEx);
//! assert_eq!(selected.protocol, Protocol::HybridEx);
//! # Ok::<(), credssp::Error>(())
//! ```

use bytes::BytesMut;

use crate::error::InvalidMessage;

mod bits;
pub mod client;
mod connection_confirm;
mod connection_request;
mod early_user_authorization;
mod protocol;
pub mod server;
mod wire;

pub use connection_confirm::ConnectionConfirm;
pub use connection_request::{ConnectionRequest, CorrelationId, NegotiationRequest, Routing};
pub use early_user_authorization::EarlyUserAuthorization;
pub use protocol::{Protocol, Protocols, RequestFlags, ResponseFlags};

/// The longest message of the negotiation, in octets: X.224's length indicator has no room for more.
pub const MAX_MESSAGE_LEN: usize = wire::MAX_LEN;

/// How long the message at the front of `input` is by its TPKT header, in octets, or `None` while that is not whole.
///
/// # Errors
/// Where no TPKT begins there, or one that is shorter than any message of the negotiation, or longer than
/// [`MAX_MESSAGE_LEN`].
pub fn frame_length(input: &[u8]) -> Result<Option<usize>, InvalidMessage> {
    wire::frame_length(input)
}

/// Takes the message at the front of `input`, if all of it is there.
fn take_frame(input: &mut BytesMut) -> Result<Option<BytesMut>, InvalidMessage> {
    Ok(match frame_length(input)? {
        Some(length) if length <= input.len() => Some(input.split_to(length)),
        _ => None,
    })
}
