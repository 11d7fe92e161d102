//! The server's side of the AP exchange (RFC 4120, section 3.2; RFC 4121, section 4.1), without I/O.
//!
//! [`ServiceCredentials`] are what all connections of a server share: its keys, the [`ReplayStore`], what it permits, and
//! for user-to-user its own ticket-granting ticket, a [`ServiceTgt`]. A [`KerberosAcceptor`] is one connection's.

use std::fmt;
use std::sync::Arc;

use crate::environment::Environment;
use crate::error::{ApiMisuse, AuthenticationFailure, Error, PeerMisbehaved};
use crate::gss::{Acceptor, AcceptorRequest, AcceptorStep, ChannelBindings};
use crate::mechanism::Mechanism;

mod ap_exchange;
mod authenticator;
mod credentials;
mod identity;
mod refusal;
mod replay;
mod service_key;
mod service_tgt;
mod ticket;

pub use credentials::ServiceCredentials;
pub use replay::{ReplayCache, ReplayError, ReplayId, ReplayStore};
pub use service_tgt::ServiceTgt;

use super::asn1::{ErrorCode, InitialToken, KerberosTime, TgtReply, TgtRequest, TokenId};
use super::initiator::IssuedTicket;
use ap_exchange::ApExchange;
use refusal::{Refusal, Service};

/// The server side of Kerberos.
///
/// It takes an AP-REQ for one of its keys, or first a KERB-TGT-REQUEST, which it answers by its ticket-granting ticket, and
/// then an AP-REQ whose ticket is encrypted in that one's session key: Remote Desktop clients do so. A client that is
/// refused gets a KRB-ERROR.
pub struct KerberosAcceptor {
    credentials: Option<Arc<ServiceCredentials>>,
    channel_bindings: Option<[u8; 16]>,
    environment: Environment,
    /// What the client was sent for user-to-user.
    tgt: Option<Arc<IssuedTicket>>,
}

impl KerberosAcceptor {
    /// Starts. Without credentials the first step fails.
    pub fn new(credentials: Option<Arc<ServiceCredentials>>, request: AcceptorRequest<'_>) -> Self {
        Self {
            credentials,
            channel_bindings: request.channel_bindings.map(ChannelBindings::hash),
            environment: request.environment.clone(),
            tgt: None,
        }
    }

    fn answer(
        mut self: Box<Self>,
        credentials: &ServiceCredentials,
        token: InitialToken<'_>,
        service: &mut Service,
    ) -> Result<AcceptorStep, Refusal> {
        match token.id {
            TokenId::ApReq => ApExchange {
                credentials,
                environment: &self.environment,
                channel_bindings: self.channel_bindings,
                tgt: self.tgt.as_deref(),
            }
            .accept(token, service),
            TokenId::TgtRequest if self.tgt.is_none() => {
                let request = TgtRequest::decode(token.message)?;
                *service = Service::new(request.realm, request.server_name);
                let tgt = credentials
                    .service_tgt()
                    .and_then(|tgt| tgt.current(now(&self.environment)))
                    .ok_or_else(|| {
                        let reason = AuthenticationFailure::NoServiceTgt;
                        Refusal::new(ErrorCode::NO_TGT, reason)
                    })?;
                let reply = TgtReply::new(tgt.ticket.clone()).encode()?;
                self.tgt = Some(tgt);
                Ok(AcceptorStep::NeedsToken {
                    token: framed(token, TokenId::TgtReply, &reply),
                    next: self,
                })
            }
            // A KRB-ERROR is not answered by another.
            TokenId::Error => Err(Error::from(PeerMisbehaved::UnexpectedTokenType).into()),
            TokenId::ApRep | TokenId::TgtRequest | TokenId::TgtReply => Err(Refusal {
                code: Some(ErrorCode::MSG_TYPE),
                error: PeerMisbehaved::UnexpectedTokenType.into(),
            }),
        }
    }
}

impl Acceptor for KerberosAcceptor {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn step(self: Box<Self>, token: &[u8]) -> Result<AcceptorStep, Error> {
        let credentials = self
            .credentials
            .clone()
            .ok_or(ApiMisuse::NoServiceCredentials)?;
        // An AP-REQ without this framing would be of DCE style (MS-KILE, section 3.4.5.1), which CredSSP never uses.
        let token = InitialToken::decode(token)?;
        let now = self.environment.time.since_unix_epoch();
        let mut service = Service::default();
        self.answer(&credentials, token, &mut service)
            .or_else(|refusal| {
                let Some(code) = refusal.code else {
                    return Err(refusal.error);
                };
                tracing::debug!(%code, "refused a Kerberos client");
                let error = service.error(code, now).encode()?;
                Ok(AcceptorStep::Refused {
                    token: framed(token, TokenId::Error, &error),
                    error: refusal.error,
                })
            })
    }
}

impl fmt::Debug for KerberosAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KerberosAcceptor")
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

/// The answer to a token, under the same mechanism.
fn framed(received: InitialToken<'_>, id: TokenId, message: &[u8]) -> Vec<u8> {
    let mut token = Vec::new();
    InitialToken::new(received.oid, id, message).encode(&mut token);
    token
}

fn now(environment: &Environment) -> KerberosTime {
    KerberosTime::from_unix(environment.time.since_unix_epoch().as_secs())
}
