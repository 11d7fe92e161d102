//! The client's part of the negotiation.

use bytes::BytesMut;

use super::connection_confirm::ConnectionConfirm;
use super::connection_request::{ConnectionRequest, CorrelationId, NegotiationRequest, Routing};
use super::protocol::{Protocol, Protocols, RequestFlags, ResponseFlags};
use super::take_frame;
use crate::error::{Error, PeerIncompatible, PeerMisbehaved};

/// What a client requests.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NegotiationConfig<'a> {
    /// What load balancers on the way are told; by default nothing.
    pub routing: Option<Routing<'a>>,
    /// Whether to offer PROTOCOL_HYBRID_EX beside PROTOCOL_HYBRID; by default so.
    pub hybrid_ex: bool,
    /// Modes of CredSSP; by default none. A server that supports them not is refused, lest it be given a password.
    pub flags: RequestFlags,
    /// By what the connection is known in logs; by default nothing.
    pub correlation_id: Option<CorrelationId>,
}

impl Default for NegotiationConfig<'_> {
    fn default() -> Self {
        Self {
            routing: None,
            hybrid_ex: true,
            flags: RequestFlags::default(),
            correlation_id: None,
        }
    }
}

/// Appends the Connection Request to `out`.
///
/// # Errors
/// [`ApiMisuse::TooLong`](crate::error::ApiMisuse::TooLong) where the routing does not fit.
pub fn start(config: &NegotiationConfig<'_>, out: &mut BytesMut) -> Result<NeedsInput, Error> {
    // MS-RDPBCGR, section 2.2.1.1.1: whoever sets PROTOCOL_HYBRID should set PROTOCOL_SSL, and whoever sets
    // PROTOCOL_HYBRID_EX should set PROTOCOL_HYBRID.
    let credssp = Protocols::SSL | Protocols::HYBRID;
    let requested = if config.hybrid_ex {
        credssp | Protocols::HYBRID_EX
    } else {
        credssp
    };
    let request = ConnectionRequest {
        routing: config.routing,
        negotiation: Some(NegotiationRequest {
            flags: config.flags,
            protocols: requested,
            correlation_id: config.correlation_id,
        }),
    };
    request.encode(out)?;
    Ok(NeedsInput {
        requested,
        flags: config.flags,
    })
}

/// How far the negotiation is.
#[derive(Debug)]
#[non_exhaustive]
pub enum Negotiation {
    /// The answer is not whole.
    NeedsInput(NeedsInput),
    /// TLS and CredSSP follow.
    Complete(Selected),
}

/// Waits for the server's Connection Confirm.
#[derive(Debug)]
pub struct NeedsInput {
    requested: Protocols,
    flags: RequestFlags,
}

impl NeedsInput {
    /// Takes the answer from the front of `input`, once it is whole; what stays there belongs to TLS.
    ///
    /// # Errors
    /// - [`Error::InvalidMessage`] where it does not parse.
    /// - [`Error::ConnectionRefused`] where it is a refusal.
    /// - [`PeerMisbehaved::SelectedUnrequestedProtocol`] where it selects what was not requested.
    /// - [`PeerIncompatible::NoCredSsp`] where CredSSP is not what it selects.
    /// - [`PeerIncompatible::NoRestrictedAdmin`], [`PeerIncompatible::NoRedirectedAuthentication`] where it lacks a mode that
    ///   was requested. No credentials may go there.
    pub fn process(self, input: &mut BytesMut) -> Result<Negotiation, Error> {
        let Some(message) = take_frame(input)? else {
            return Ok(Negotiation::NeedsInput(self));
        };
        match ConnectionConfirm::decode(&message)? {
            ConnectionConfirm::Plain => Err(PeerIncompatible::NoCredSsp.into()),
            ConnectionConfirm::Failure(failure) => Err(Error::ConnectionRefused(failure)),
            ConnectionConfirm::Response { flags, selected } => self.check(flags, selected),
        }
    }

    fn check(self, flags: ResponseFlags, protocol: Protocol) -> Result<Negotiation, Error> {
        // PROTOCOL_RDP has no bit of its own, so that it counts as requested.
        if !self.requested.contains(protocol.into()) {
            return Err(PeerMisbehaved::SelectedUnrequestedProtocol.into());
        }
        if !protocol.is_credssp() {
            return Err(PeerIncompatible::NoCredSsp.into());
        }
        if self.flags.contains(RequestFlags::RESTRICTED_ADMIN)
            && !flags.contains(ResponseFlags::RESTRICTED_ADMIN)
        {
            return Err(PeerIncompatible::NoRestrictedAdmin.into());
        }
        if self.flags.contains(RequestFlags::REDIRECTED_AUTHENTICATION)
            && !flags.contains(ResponseFlags::REDIRECTED_AUTHENTICATION)
        {
            return Err(PeerIncompatible::NoRedirectedAuthentication.into());
        }
        Ok(Negotiation::Complete(Selected {
            protocol,
            flags,
            requested: self.requested,
        }))
    }
}

/// What was negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selected {
    /// [`Protocol::Hybrid`] or [`Protocol::HybridEx`]; an [`EarlyUserAuthorization`](super::EarlyUserAuthorization) is due
    /// behind CredSSP with the latter only.
    pub protocol: Protocol,
    /// What else the server supports.
    pub flags: ResponseFlags,
    /// What was requested.
    pub requested: Protocols,
}
