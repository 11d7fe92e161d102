use std::fmt;
use std::mem;
use std::sync::Arc;

use crate::error::{ApiMisuse, Error, PeerIncompatible, PeerMisbehaved};
use crate::gss::{
    self, AwaitsKdc, InitiatorRequest, InitiatorStep, MechanismProvider, SecurityContext,
};
use crate::kdc::{KdcReply, KdcRequest};
use crate::mechanism::{Mechanism, Oid};

use super::context::{self, Due, SpnegoContext};
use super::mech_type::{MechType, MechTypeList};
use super::token::{NegState, NegTokenInit, NegTokenResp};

/// The client side of SPNEGO.
///
/// Begins with the first token of the first mechanism, in the hope that the acceptor takes it too.
pub struct Initiator {
    exchange: Exchange,
    inner: Inner,
}

impl Initiator {
    /// Offers all of `mechanisms` that fit the credentials of `request`, the first one preferred.
    ///
    /// The acceptor may select any of them: what delegation policy forbids must not be among them.
    ///
    /// # Errors
    /// Where there is no such mechanism.
    pub fn new(
        mechanisms: &[Arc<dyn MechanismProvider>],
        request: InitiatorRequest<'_>,
    ) -> Result<Self, Error> {
        if mechanisms.is_empty() {
            return Err(ApiMisuse::NoMechanisms.into());
        }
        let mut offers = mechanisms.iter().filter_map(|provider| {
            let initiator = provider.initiator(request)?;
            Some((initiator, provider.mechanism(), provider.oids()))
        });
        let Some((first, mechanism, oids)) = offers.next() else {
            return Err(ApiMisuse::CredentialsFitNoMechanism.into());
        };
        Ok(Self {
            exchange: Exchange {
                mechanism,
                oids,
                mech_types: Vec::new(),
                alternatives: offers
                    .map(|(initiator, mechanism, oids)| Alternative {
                        mechanism,
                        oids,
                        initiator,
                    })
                    .collect(),
                stage: Stage::Start,
                mic_required: false,
                fallback: None,
            },
            inner: Inner::Running(first),
        })
    }
}

impl gss::Initiator for Initiator {
    fn mechanism(&self) -> Mechanism {
        self.exchange.mechanism
    }

    fn step(self: Box<Self>, token: Option<&[u8]>) -> Result<InitiatorStep, Error> {
        let Self { exchange, inner } = *self;
        match (exchange.stage, token) {
            (Stage::Start, None | Some([])) => exchange.start(inner),
            // A server that speaks first (NegTokenInit2) has no place in CredSSP.
            (Stage::Start, Some(_)) => Err(PeerMisbehaved::UnexpectedNegoToken.into()),
            (Stage::FirstReply | Stage::Later, None | Some([])) => {
                Err(PeerMisbehaved::MissingNegoToken.into())
            }
            (Stage::FirstReply | Stage::Later, Some(token)) => exchange.reply(inner, token),
        }
    }

    fn fallback(&self) -> Option<&Error> {
        self.exchange.fallback.as_ref()
    }
}

/// The mechanism waits for a KDC.
struct AwaitingKdc {
    exchange: Exchange,
    inner: Box<dyn AwaitsKdc>,
    /// The acceptor's message that the mechanism works on; empty where there was none yet.
    received: Box<[u8]>,
}

impl AwaitsKdc for AwaitingKdc {
    fn mechanism(&self) -> Mechanism {
        self.exchange.mechanism
    }

    fn step(self: Box<Self>, reply: KdcReply) -> Result<InitiatorStep, Error> {
        let Self {
            exchange,
            inner,
            received,
        } = *self;
        let step = inner.step(reply);
        match exchange.stage {
            Stage::Start => exchange.begin(step),
            Stage::FirstReply | Stage::Later => {
                exchange.conclude(step?, &NegTokenResp::decode(&received)?, &received)
            }
        }
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Initiator")
            .field("mechanism", &self.exchange.mechanism)
            .field("stage", &self.exchange.stage)
            .finish_non_exhaustive()
    }
}

/// The mechanism's side: the optimistic token may have been its only one.
enum Inner {
    Running(Box<dyn gss::Initiator>),
    Established(Box<dyn SecurityContext>),
}

/// A mechanism that the acceptor may select in place of the first.
struct Alternative {
    mechanism: Mechanism,
    oids: &'static [Oid],
    initiator: Box<dyn gss::Initiator>,
}

/// What the initiator knows besides the mechanism's own state.
struct Exchange {
    /// The mechanism in use, and its identifiers.
    mechanism: Mechanism,
    oids: &'static [Oid],
    /// The list as it was sent.
    mech_types: Vec<u8>,
    /// Emptied by the acceptor's first reply, which is the only one that selects.
    alternatives: Vec<Alternative>,
    stage: Stage,
    mic_required: bool,
    /// Why the preferred mechanism could not even start.
    fallback: Option<Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    FirstReply,
    Later,
}

impl Exchange {
    fn start(self, inner: Inner) -> Result<InitiatorStep, Error> {
        let Inner::Running(initiator) = inner else {
            return Err(PeerMisbehaved::UnexpectedNegoToken.into());
        };
        self.begin(initiator.step(None))
    }

    /// Wraps the first token of the preferred mechanism, or of the next one where that cannot even make a token.
    fn begin(mut self, step: Result<InitiatorStep, Error>) -> Result<InitiatorStep, Error> {
        let (mech_token, inner) = match step {
            Ok(InitiatorStep::NeedsKdc { request, next }) => {
                return Ok(self.ask(request, next, &[]));
            }
            Ok(InitiatorStep::NeedsToken { token, next }) => (Some(token), Inner::Running(next)),
            Ok(InitiatorStep::Established { token, context }) => {
                (token, Inner::Established(context))
            }
            Err(error) if error.permits_fallback() && !self.alternatives.is_empty() => {
                let next = self.alternatives.remove(0);
                tracing::debug!(from = %self.mechanism, to = %next.mechanism, %error, "falling back");
                (self.mechanism, self.oids) = (next.mechanism, next.oids);
                self.fallback.get_or_insert(error);
                return self.begin(next.initiator.step(None));
            }
            Err(error) => return Err(error),
        };
        let others = self.alternatives.iter().flat_map(|other| other.oids);
        self.mech_types = MechTypeList::encode(self.oids.iter().chain(others).copied());
        let mut message = NegTokenInit::new(MechTypeList::decode(&self.mech_types)?);
        message.mech_token = mech_token.as_deref();
        let token = message.encode();
        self.stage = Stage::FirstReply;
        Ok(self.wait(token, inner))
    }

    fn reply(mut self, inner: Inner, token: &[u8]) -> Result<InitiatorStep, Error> {
        let reply = NegTokenResp::decode(token)?;
        let first = mem::replace(&mut self.stage, Stage::Later) == Stage::FirstReply;
        match reply.neg_state {
            Some(NegState::Reject) => {
                // The mechanism may say why. Where it would rather try again, it is told that there is no other time.
                if let (Inner::Running(initiator), Some(mech_token)) = (inner, reply.mech_token())
                    && let InitiatorStep::NeedsToken { next, .. } =
                        initiator.step(Some(mech_token))?
                {
                    next.step(Some(mech_token))?;
                }
                return Err(if first {
                    PeerIncompatible::MechanismsRejected.into()
                } else {
                    context::rejected()
                });
            }
            // RFC 4178, 4.2.2: "This value SHALL only be present in the first reply from the target."
            Some(NegState::RequestMic) if !first => {
                return Err(PeerMisbehaved::UnexpectedTokenType.into());
            }
            Some(NegState::RequestMic) => self.mic_required = true,
            Some(NegState::AcceptCompleted | NegState::AcceptIncomplete) | None => {}
        }
        if let Some(other) = self.reselected(reply.supported_mech)? {
            return self.restart(other, &reply, token);
        }
        match inner {
            Inner::Running(initiator) => {
                let Some(mech_token) = reply.mech_token() else {
                    return Err(PeerMisbehaved::MissingNegoToken.into());
                };
                let step = initiator.step(Some(mech_token))?;
                self.conclude(step, &reply, token)
            }
            Inner::Established(_) if reply.mech_token().is_some() => {
                Err(PeerMisbehaved::UnexpectedNegoToken.into())
            }
            Inner::Established(context) => self.establish(None, context, &reply, token),
        }
    }

    /// The other mechanism that the acceptor selected, if so. Only its first reply may select, and only what was
    /// offered; that the later ones name the mechanism again is tolerated, as Windows does (MS-SPNG, appendix A).
    fn reselected(
        &mut self,
        supported_mech: Option<MechType<'_>>,
    ) -> Result<Option<Alternative>, Error> {
        let alternatives = mem::take(&mut self.alternatives);
        let Some(selected) = supported_mech else {
            return Ok(None);
        };
        // Kerberos' two identifiers are one mechanism with one kind of token: either accepts the optimistic one.
        if self.oids.iter().any(|oid| selected == *oid) {
            return Ok(None);
        }
        alternatives
            .into_iter()
            .find(|other| other.oids.iter().any(|oid| selected == *oid))
            .map(Some)
            .ok_or_else(|| PeerMisbehaved::SelectedUnofferedMechanism.into())
    }

    /// Begins again with the mechanism that the acceptor selected. A `responseToken` beside the selection could only
    /// answer a token that has not been sent yet, and is ignored.
    fn restart(
        mut self,
        other: Alternative,
        reply: &NegTokenResp<'_>,
        received: &[u8],
    ) -> Result<InitiatorStep, Error> {
        tracing::debug!(from = %self.mechanism, to = %other.mechanism, "the acceptor selected another mechanism");
        self.mechanism = other.mechanism;
        self.oids = other.oids;
        // RFC 4178, 5: the exchange is optional only "if the accepted mechanism is the most preferred mechanism of
        // both"; "In all other cases, MIC tokens MUST be exchanged".
        self.mic_required = true;
        self.conclude(other.initiator.step(None)?, reply, received)
    }

    /// Wraps what the mechanism says to the acceptor's `reply`.
    fn conclude(
        self,
        step: InitiatorStep,
        reply: &NegTokenResp<'_>,
        received: &[u8],
    ) -> Result<InitiatorStep, Error> {
        match step {
            InitiatorStep::NeedsToken { token, next } => self.go_on(&token, next, reply),
            InitiatorStep::NeedsKdc { request, next } => Ok(self.ask(request, next, received)),
            InitiatorStep::Established { token, context } => {
                self.establish(token, context, reply, received)
            }
        }
    }

    fn ask(self, request: KdcRequest, inner: Box<dyn AwaitsKdc>, received: &[u8]) -> InitiatorStep {
        let next = Box::new(AwaitingKdc {
            exchange: self,
            inner,
            received: received.into(),
        });
        InitiatorStep::NeedsKdc { request, next }
    }

    /// Sends a token of the mechanism that is not its last one.
    fn go_on(
        self,
        mech_token: &[u8],
        next: Box<dyn gss::Initiator>,
        reply: &NegTokenResp<'_>,
    ) -> Result<InitiatorStep, Error> {
        // Before the context is established, the acceptor can neither be done nor have signed anything.
        if reply.neg_state == Some(NegState::AcceptCompleted) || reply.mic().is_some() {
            return Err(PeerMisbehaved::UnexpectedTokenType.into());
        }
        let message = NegTokenResp {
            neg_state: Some(NegState::AcceptIncomplete),
            response_token: Some(mech_token),
            ..NegTokenResp::default()
        };
        Ok(self.wait(message.encode(), Inner::Running(next)))
    }

    /// The mechanism is done, by sending `last` or by having received the acceptor's last token (RFC 4178, section 5,
    /// cases c and b).
    fn establish(
        self,
        last: Option<Vec<u8>>,
        mut context: Box<dyn SecurityContext>,
        reply: &NegTokenResp<'_>,
        received: &[u8],
    ) -> Result<InitiatorStep, Error> {
        let completed = reply.neg_state == Some(NegState::AcceptCompleted);
        let last = last.filter(|token| !token.is_empty());
        if last.is_some() && completed {
            return Err(PeerMisbehaved::UnexpectedTokenType.into());
        }
        let mic = reply.mic();
        if let Some(mic) = mic {
            context::verify(&mut *context, &self.mech_types, mic)?;
        }
        let required = self.mic_required || context.requires_mech_list_mic();
        // An acceptor that is done waits for nothing, and cannot give what it has not given.
        if completed && mic.is_none() && required {
            return Err(PeerMisbehaved::MissingMechListMic.into());
        }
        // One that has signed, or that says it waits while no token of the mechanism is left, waits for the MIC.
        let waits = last.is_none() && reply.neg_state == Some(NegState::AcceptIncomplete);
        let signs = !completed && (required || mic.is_some() || waits);
        let signature = if signs {
            Some(context::sign(&mut *context, &self.mech_types)?)
        } else {
            None
        };
        let message = NegTokenResp {
            neg_state: Some(if mic.is_some() && last.is_none() {
                NegState::AcceptCompleted
            } else {
                NegState::AcceptIncomplete
            }),
            response_token: last.as_deref(),
            mech_list_mic: signature.as_deref(),
            ..NegTokenResp::default()
        };
        let token = (last.is_some() || signs).then(|| message.encode());
        let due = if completed {
            Due::Nothing
        } else if signs && mic.is_none() {
            // Whoever signs has to see the other's signature: else who changed the list could end the exchange here.
            Due::MechListMic
        } else {
            Due::Completion
        };
        Ok(InitiatorStep::Established {
            token,
            context: Box::new(SpnegoContext::new(context, &self.mech_types, received, due)),
        })
    }

    fn wait(self, token: Vec<u8>, inner: Inner) -> InitiatorStep {
        let next = Box::new(Initiator {
            exchange: self,
            inner,
        });
        InitiatorStep::NeedsToken { token, next }
    }
}
