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
    config.check_delegated(target, &client.credentials)?;
    let request = InitiatorRequest::new(target, &client.credentials, &config.environment);
    let mut denied = None;
    let mut permitted = Vec::new();
    for provider in &config.mechanisms {
        let proof = config.proof_by(provider.mechanism(), client.proof);
        let class = client.credentials.class();
        match config.policy.decide(target, class, proof) {
            Ok(_) => permitted.push(provider.clone()),
            Err(error) => denied = Some(error),
        }
    }
    // A denial counts only where no permitted mechanism is left.
    if let (true, Some(denied)) = (permitted.is_empty(), denied) {
        return Err(denied.into());
    }
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
