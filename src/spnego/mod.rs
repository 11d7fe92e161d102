//! Negotiation of the mechanism: SPNEGO (RFC 4178) with Microsoft's additions (MS-SPNG).
//!
//! [`NegTokenInit`] and [`NegTokenResp`] are the messages; [`Initiator`] and [`Acceptor`] wrap any mechanisms in them
//! and are mechanisms themselves. [`initiator()`] and [`acceptor()`] are what CredSSP uses.
//!
//! Who stands between the two ends could take the stronger mechanisms out of the initiator's list. The `mechListMIC`s
//! prevent it: signatures by the negotiated context over the list as it was received. They are exchanged, and insisted
//! on, wherever another mechanism than the initiator's first choice was selected, or the mechanism asks for them.

use std::sync::Arc;

use crate::error::{Error, InvalidMessage, InvalidMessageKind, PeerIncompatible};
use crate::gss::{self, AcceptorRequest, InitiatorRequest, MechanismProvider};
use crate::mechanism::Mechanism;

mod acceptor;
mod context;
mod initiator;
mod mech_type;
mod token;
mod token_kind;

pub use acceptor::Acceptor;
pub use context::SpnegoContext;
pub use initiator::Initiator;
pub use mech_type::{MechType, MechTypeList};
pub use token::{NegHints, NegState, NegTokenInit, NegTokenResp, NegotiationToken};
pub use token_kind::TokenKind;

/// Starts as the client: offers every mechanism that fits the credentials, in the given order.
///
/// # Errors
/// As [`Initiator::new()`].
pub fn initiator(
    mechanisms: &[Arc<dyn MechanismProvider>],
    request: InitiatorRequest<'_>,
) -> Result<Box<dyn gss::Initiator>, Error> {
    Ok(Box::new(Initiator::new(mechanisms, request)?))
}

/// Starts as the server, in the kind of `first_token`: SPNEGO is answered by SPNEGO, and a mechanism that came alone by
/// that mechanism alone. The token itself is left for the acceptor's first step.
///
/// # Errors
/// Where the token is of no known kind, or of a mechanism that is not among `mechanisms`.
pub fn acceptor(
    mechanisms: &[Arc<dyn MechanismProvider>],
    request: AcceptorRequest<'_>,
    first_token: &[u8],
) -> Result<Box<dyn gss::Acceptor>, Error> {
    let mechanism = match TokenKind::of(first_token) {
        Some(TokenKind::Spnego) => return Ok(Box::new(Acceptor::new(mechanisms, request)?)),
        Some(TokenKind::Kerberos) => Mechanism::Kerberos,
        Some(TokenKind::Ntlm) => Mechanism::Ntlm,
        None => {
            let kind = InvalidMessageKind::BadValue;
            return Err(InvalidMessage::new("TSRequest.negoTokens", 0, kind).into());
        }
    };
    match mechanisms
        .iter()
        .find(|provider| provider.mechanism() == mechanism)
    {
        Some(provider) => Ok(provider.acceptor(request)),
        None => Err(PeerIncompatible::NoCommonMechanism.into()),
    }
}
