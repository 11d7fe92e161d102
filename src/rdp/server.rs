//! The server's part of the negotiation.

use std::fmt;

use bytes::BytesMut;

use super::connection_confirm::ConnectionConfirm;
use super::connection_request::{ConnectionRequest, CorrelationId};
use super::protocol::{Protocol, Protocols, RequestFlags, ResponseFlags};
use super::take_frame;
use crate::error::{Error, NegotiationFailure, PeerIncompatible};

/// What a server supports.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NegotiationConfig {
    /// Whether to select PROTOCOL_HYBRID_EX where the client offers it; by default so.
    pub hybrid_ex: bool,
    /// What else the server supports; by default nothing. With [`ResponseFlags::RESTRICTED_ADMIN`] there, clients may send
    /// empty credentials.
    pub flags: ResponseFlags,
}

impl Default for NegotiationConfig {
    fn default() -> Self {
        Self {
            hybrid_ex: true,
            flags: ResponseFlags::default(),
        }
    }
}

/// Begins to wait for a client's Connection Request.
pub fn start(config: NegotiationConfig) -> NeedsInput {
    NeedsInput { config }
}

/// How far the negotiation is.
#[derive(Debug)]
#[non_exhaustive]
pub enum Negotiation {
    /// The request is not whole.
    NeedsInput(NeedsInput),
    /// The answer is to be sent; TLS and CredSSP follow.
    Complete(Accepted),
}

/// Waits for the client's Connection Request.
#[derive(Debug)]
pub struct NeedsInput {
    config: NegotiationConfig,
}

impl NeedsInput {
    /// Takes the request from the front of `input`, once it is whole, and appends the answer to `out`; what stays in `input`
    /// belongs to TLS.
    ///
    /// # Errors
    /// - [`Error::InvalidMessage`] where it does not parse. It is not answered.
    /// - [`PeerIncompatible::NoCredSsp`] where it does not offer CredSSP. The answer to that, HYBRID_REQUIRED_BY_SERVER, is
    ///   in `out`, and to be sent.
    pub fn process(self, input: &mut BytesMut, out: &mut BytesMut) -> Result<Negotiation, Error> {
        let Some(message) = take_frame(input)? else {
            return Ok(Negotiation::NeedsInput(self));
        };
        let request = ConnectionRequest::decode(&message)?;
        // Who sends no RDP_NEG_REQ does not read an RDP_NEG_FAILURE either.
        let negotiation = request.negotiation.ok_or(PeerIncompatible::NoCredSsp)?;
        let Some(selected) = self.select(negotiation.protocols) else {
            ConnectionConfirm::Failure(NegotiationFailure::HYBRID_REQUIRED_BY_SERVER).encode(out);
            return Err(PeerIncompatible::NoCredSsp.into());
        };
        let flags = self.config.flags;
        ConnectionConfirm::Response { flags, selected }.encode(out);
        let both = |requested, supported| {
            negotiation.flags.contains(requested) && flags.contains(supported)
        };
        Ok(Negotiation::Complete(Accepted {
            selected,
            requested: negotiation.protocols,
            restricted_admin: both(
                RequestFlags::RESTRICTED_ADMIN,
                ResponseFlags::RESTRICTED_ADMIN,
            ),
            redirected_authentication: both(
                RequestFlags::REDIRECTED_AUTHENTICATION,
                ResponseFlags::REDIRECTED_AUTHENTICATION,
            ),
            cookie: request
                .routing
                .and_then(|routing| routing.as_cookie().map(Into::into)),
            correlation_id: negotiation.correlation_id,
        }))
    }

    /// The best of what both ends have.
    fn select(&self, offered: Protocols) -> Option<Protocol> {
        if self.config.hybrid_ex && offered.contains(Protocols::HYBRID_EX) {
            Some(Protocol::HybridEx)
        } else if offered.contains(Protocols::HYBRID) {
            Some(Protocol::Hybrid)
        } else {
            None
        }
    }
}

/// What was negotiated. Nothing of it is proved.
///
/// `Debug` shows the cookie's length only.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// [`Protocol::Hybrid`] or [`Protocol::HybridEx`]; with the latter the client waits for an
    /// [`EarlyUserAuthorization`](super::EarlyUserAuthorization) behind CredSSP.
    pub selected: Protocol,
    /// What the client offered.
    pub requested: Protocols,
    /// The client asked for Restricted Admin mode, and the server supports it: empty credentials will come.
    pub restricted_admin: bool,
    /// The client asked for Remote Credential Guard, and the server supports it.
    pub redirected_authentication: bool,
    /// The identifier in the client's cookie.
    pub cookie: Option<Box<[u8]>>,
    /// By what the client's logs know the connection.
    pub correlation_id: Option<CorrelationId>,
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted")
            .field("selected", &self.selected)
            .field("requested", &self.requested)
            .field("restricted_admin", &self.restricted_admin)
            .field("redirected_authentication", &self.redirected_authentication)
            .field(
                "cookie_len",
                &self.cookie.as_ref().map(|cookie| cookie.len()),
            )
            .field("correlation_id", &self.correlation_id)
            .finish()
    }
}
