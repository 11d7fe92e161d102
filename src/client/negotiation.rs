//! Which mechanisms a client may use: those with which policy would still let the credentials go.

use std::sync::Arc;

use super::Client;
use crate::error::{ApiMisuse, Error};
use crate::gss::{Initiator, InitiatorRequest, MechanismProvider};
use crate::mechanism::Negotiation;
use crate::spnego;

/// Starts the mechanism, or the negotiation of one.
///
/// Policy is asked before the first token: an NTLM response that policy makes useless would be a gift to whoever
/// stands in for the server.
pub(super) fn initiator(client: &Client) -> Result<Box<dyn Initiator>, Error> {
    let Client { config, target, .. } = client;
    if config.mechanisms.is_empty() {
        return Err(ApiMisuse::NoMechanisms.into());
    }
    config.check_policy(target, &client.credentials, &[client.proof])?;
    let request = InitiatorRequest::new(target, &client.credentials, &config.environment);
    let permits = |provider: &&Arc<dyn MechanismProvider>| {
        let proof = config.proof_by(provider.mechanism(), client.proof);
        let class = client.credentials.class();
        config.policy.decide(target, class, proof).is_ok()
    };
    let permitted: Vec<_> = config.mechanisms.iter().filter(permits).cloned().collect();
    match config.negotiation {
        Negotiation::Spnego => spnego::initiator(&permitted, request),
        Negotiation::Bare => bare(&permitted, request),
    }
}

fn bare(
    providers: &[Arc<dyn MechanismProvider>],
    request: InitiatorRequest<'_>,
) -> Result<Box<dyn Initiator>, Error> {
    providers
        .iter()
        .find_map(|provider| provider.initiator(request))
        .ok_or_else(|| ApiMisuse::CredentialsFitNoMechanism.into())
}
