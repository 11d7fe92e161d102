use std::fmt;
use std::sync::Arc;

use crate::account::{Account, LogonInfo};
use crate::error::{ApiMisuse, Error, NtStatus, PeerIncompatible, PeerMisbehaved};
use crate::gss::{
    self, AcceptorRequest, AcceptorStep, AwaitsAccount, MechanismProvider, SecurityContext,
};
use crate::mechanism::{Mechanism, Oid};
use crate::name::AccountName;

use super::context::{self, Due, SpnegoContext};
use super::mech_type::{MechType, MechTypeList};
use super::token::{NegState, NegTokenInit, NegTokenResp};

/// The server side of SPNEGO.
///
/// Selects the first mechanism of the initiator's list that it has too.
pub struct Acceptor {
    choices: Vec<Choice>,
    mechanism: Mechanism,
}

impl Acceptor {
    /// Accepts any of `mechanisms`; their order does not matter.
    ///
    /// # Errors
    /// Where there is none.
    pub fn new(
        mechanisms: &[Arc<dyn MechanismProvider>],
        request: AcceptorRequest<'_>,
    ) -> Result<Self, Error> {
        let Some(first) = mechanisms.first() else {
            return Err(ApiMisuse::NoMechanisms.into());
        };
        let choices = mechanisms.iter().map(|provider| Choice {
            mechanism: provider.mechanism(),
            oids: provider.oids(),
            acceptor: provider.acceptor(request),
        });
        Ok(Self {
            choices: choices.collect(),
            mechanism: first.mechanism(),
        })
    }

    /// The first of `mech_types` that we have, its place in the list, and our side of it.
    /// It is not there to be selected again.
    fn select(&mut self, mech_types: MechTypeList<'_>) -> Option<(usize, Oid, Choice)> {
        let (place, oid) = mech_types.iter().enumerate().find_map(|(place, offered)| {
            let ours = self.choices.iter().flat_map(|choice| choice.oids);
            let oid = ours
                .copied()
                .find(|oid| offered == *oid && selectable(*oid))?;
            Some((place, oid))
        })?;
        let index = self
            .choices
            .iter()
            .position(|choice| choice.oids.contains(&oid))?;
        Some((place, oid, self.choices.remove(index)))
    }
}

impl gss::Acceptor for Acceptor {
    /// Before the first token it is not known; then the first that is configured stands for all.
    fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    fn step(mut self: Box<Self>, token: &[u8]) -> Result<AcceptorStep, Error> {
        if token.first() == Some(&NegTokenResp::TAG) {
            return Err(PeerMisbehaved::UnexpectedTokenType.into());
        }
        let init = NegTokenInit::decode(token)?;
        let Some((place, oid, choice)) = self.select(init.mech_types) else {
            return Err(PeerIncompatible::NoCommonMechanism.into());
        };
        let optimistic = init
            .mech_token
            .filter(|token| !token.is_empty() && place == 0);
        let mut exchange = Exchange::new(init.mech_types, place, oid, &choice);
        let Some(mech_token) = optimistic else {
            // The optimistic token belongs to a mechanism that is not taken, or there is none.
            return Ok(exchange.begin(choice.acceptor));
        };
        exchange.received = Received::new(token, init.mech_list_mic);
        let step = choice.acceptor.step(mech_token);
        if is_unable(&step)
            && let Some((place, oid, choice)) = self.select(init.mech_types)
        {
            let exchange = Exchange::new(init.mech_types, place, oid, &choice);
            return Ok(exchange.begin(choice.acceptor));
        }
        exchange.conclude(step?)
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mechanisms = self.choices.iter().map(|choice| choice.mechanism);
        f.debug_list().entries(mechanisms).finish()
    }
}

/// NEGOEX negotiates by rules of its own, and user-to-user needs a ticket for a ticket: neither is ever selected.
fn selectable(oid: Oid) -> bool {
    oid != Oid::NEGOEX && oid != Oid::KERBEROS_USER_TO_USER
}

/// Whether the mechanism is not set up for what this initiator wants of it, which says nothing against the initiator.
fn is_unable(step: &Result<AcceptorStep, Error>) -> bool {
    match step {
        Ok(AcceptorStep::Refused { error, .. }) | Err(error) => error.permits_other_mechanism(),
        Ok(_) => false,
    }
}

/// A mechanism that may be selected.
struct Choice {
    mechanism: Mechanism,
    oids: &'static [Oid],
    acceptor: Box<dyn gss::Acceptor>,
}

/// What the acceptor knows besides the mechanism's own state.
struct Exchange {
    mechanism: Mechanism,
    /// The initiator's list, exactly as it was received.
    mech_types: Box<[u8]>,
    mic_required: bool,
    /// Until the first reply, which is the only one that says it (RFC 4178, section 4.2.2).
    supported_mech: Option<Oid>,
    received: Received,
}

/// What is kept of the initiator's message while the mechanism works on its token.
#[derive(Default)]
struct Received {
    message: Box<[u8]>,
    mech_list_mic: Option<Box<[u8]>>,
}

impl Received {
    fn new(message: &[u8], mech_list_mic: Option<&[u8]>) -> Self {
        Self {
            message: message.into(),
            mech_list_mic: mech_list_mic.filter(|mic| !mic.is_empty()).map(Into::into),
        }
    }
}

impl Exchange {
    fn new(mech_types: MechTypeList<'_>, place: usize, oid: Oid, choice: &Choice) -> Self {
        tracing::debug!(mechanism = %choice.mechanism, place, "selected a mechanism");
        Self {
            mechanism: choice.mechanism,
            mech_types: mech_types.as_der().into(),
            mic_required: place > 0,
            // MS-SPNG, appendix A, on 1.2.840.48018.1.2.2: the very identifier that was offered has to come back;
            // Windows' clients fail where it is Kerberos' other one.
            supported_mech: Some(oid),
            received: Received::default(),
        }
    }

    /// Asks for the mechanism's first token.
    fn begin(self, inner: Box<dyn gss::Acceptor>) -> AcceptorStep {
        let state = if self.mic_required {
            NegState::RequestMic
        } else {
            NegState::AcceptIncomplete
        };
        self.go_on(state, None, inner)
    }

    /// Wraps what the mechanism says.
    fn conclude(mut self, step: AcceptorStep) -> Result<AcceptorStep, Error> {
        match step {
            AcceptorStep::NeedsToken { token, next } => {
                // An initiator whose mechanism is not done cannot have signed anything.
                if self.received.mech_list_mic.is_some() {
                    return Err(PeerMisbehaved::UnexpectedTokenType.into());
                }
                Ok(self.go_on(NegState::AcceptIncomplete, Some(&token), next))
            }
            AcceptorStep::NeedsAccount { request, next } => Ok(AcceptorStep::NeedsAccount {
                request,
                next: Box::new(Verifying {
                    exchange: self,
                    inner: next,
                }),
            }),
            AcceptorStep::Established {
                account,
                status,
                logon_info,
                token,
                context,
            } => {
                self.mic_required |= context.requires_mech_list_mic();
                let logon = Logon {
                    account,
                    status,
                    logon_info,
                    context,
                };
                self.establish(logon, token)
            }
            AcceptorStep::Refused { token, error } => {
                let token = self.reply(NegState::Reject, Some(&token), None);
                Ok(AcceptorStep::Refused { token, error })
            }
        }
    }

    /// The mechanism is done (RFC 4178, section 5).
    fn establish(mut self, mut logon: Logon, last: Option<Vec<u8>>) -> Result<AcceptorStep, Error> {
        let last = last.filter(|token| !token.is_empty());
        let context = &mut *logon.context;
        if let Some(mic) = &self.received.mech_list_mic {
            context::verify(context, &self.mech_types, mic)?;
            let mic = context::sign(context, &self.mech_types)?;
            let token = self.reply(NegState::AcceptCompleted, last.as_deref(), Some(&mic));
            return Ok(self.finish(logon, Some(token), Due::Nothing));
        }
        if !self.mic_required {
            let token = self.reply(NegState::AcceptCompleted, last.as_deref(), None);
            return Ok(self.finish(logon, Some(token), Due::Completion));
        }
        // The initiator could not know that its token was the last one if it is ours, or if it was its first one.
        // Otherwise its MIC was due beside it, and without it the negotiation ends (RFC 4178, section 5, case c).
        let first = self.supported_mech.is_some();
        if last.is_none() && !first {
            return Err(PeerMisbehaved::MissingMechListMic.into());
        }
        let mic = context::sign(context, &self.mech_types)?;
        // RFC 4178, section 5: case b beside our own last token, case c where the optimistic token was the only one.
        let state = if last.is_some() {
            NegState::AcceptIncomplete
        } else {
            NegState::RequestMic
        };
        let token = self.reply(state, last.as_deref(), Some(&mic));
        let next = Box::new(Signing {
            exchange: self,
            logon,
        });
        Ok(AcceptorStep::NeedsToken { token, next })
    }

    fn go_on(
        mut self,
        state: NegState,
        mech_token: Option<&[u8]>,
        inner: Box<dyn gss::Acceptor>,
    ) -> AcceptorStep {
        let token = self.reply(state, mech_token, None);
        let next = Box::new(Negotiating {
            exchange: self,
            inner,
        });
        AcceptorStep::NeedsToken { token, next }
    }

    fn finish(self, logon: Logon, token: Option<Vec<u8>>, due: Due) -> AcceptorStep {
        let received = &self.received.message;
        let context = SpnegoContext::new(logon.context, &self.mech_types, received, due);
        AcceptorStep::Established {
            account: logon.account,
            status: logon.status,
            logon_info: logon.logon_info,
            token,
            context: Box::new(context),
        }
    }

    fn reply(
        &mut self,
        state: NegState,
        mech_token: Option<&[u8]>,
        mech_list_mic: Option<&[u8]>,
    ) -> Vec<u8> {
        let message = NegTokenResp {
            neg_state: Some(state),
            supported_mech: self.supported_mech.take().map(MechType::from),
            response_token: mech_token,
            mech_list_mic,
        };
        message.encode()
    }

    /// Decodes a message that is not the initiator's first.
    fn receive<'a>(&mut self, token: &'a [u8]) -> Result<NegTokenResp<'a>, Error> {
        if token.is_empty() {
            return Err(PeerMisbehaved::MissingNegoToken.into());
        }
        let message = NegTokenResp::decode(token)?;
        match message.neg_state {
            Some(NegState::Reject) => return Err(PeerIncompatible::MechanismsRejected.into()),
            // RFC 4178, 4.2.2: "This value SHALL only be present in the first reply from the target."
            Some(NegState::RequestMic) => return Err(PeerMisbehaved::UnexpectedTokenType.into()),
            Some(NegState::AcceptCompleted | NegState::AcceptIncomplete) | None => {}
        }
        self.received = Received::new(token, message.mech_list_mic);
        Ok(message)
    }
}

/// The mechanism's exchange is under way.
struct Negotiating {
    exchange: Exchange,
    inner: Box<dyn gss::Acceptor>,
}

impl gss::Acceptor for Negotiating {
    fn mechanism(&self) -> Mechanism {
        self.exchange.mechanism
    }

    fn step(self: Box<Self>, token: &[u8]) -> Result<AcceptorStep, Error> {
        let Self {
            mut exchange,
            inner,
        } = *self;
        let message = exchange.receive(token)?;
        let Some(mech_token) = message.mech_token() else {
            return Err(PeerMisbehaved::MissingNegoToken.into());
        };
        let step = inner.step(mech_token)?;
        exchange.conclude(step)
    }
}

/// The account is being looked up.
struct Verifying {
    exchange: Exchange,
    inner: Box<dyn AwaitsAccount>,
}

impl AwaitsAccount for Verifying {
    fn step(self: Box<Self>, account: Option<Account>) -> Result<AcceptorStep, Error> {
        let step = self.inner.step(account)?;
        self.exchange.conclude(step)
    }
}

/// The mechanism is done, and the initiator owes its `mechListMIC`.
struct Signing {
    exchange: Exchange,
    logon: Logon,
}

/// Whom the mechanism has proved.
struct Logon {
    account: AccountName,
    status: Option<NtStatus>,
    logon_info: Option<Box<LogonInfo>>,
    context: Box<dyn SecurityContext>,
}

impl gss::Acceptor for Signing {
    fn mechanism(&self) -> Mechanism {
        self.exchange.mechanism
    }

    fn step(self: Box<Self>, token: &[u8]) -> Result<AcceptorStep, Error> {
        let Self {
            mut exchange,
            mut logon,
        } = *self;
        let message = exchange.receive(token)?;
        if message.mech_token().is_some() {
            return Err(PeerMisbehaved::UnexpectedNegoToken.into());
        }
        let Some(mic) = message.mic() else {
            return Err(PeerMisbehaved::MissingMechListMic.into());
        };
        context::verify(&mut *logon.context, &exchange.mech_types, mic)?;
        // Our own has been sent, and the initiator is done: no reply.
        Ok(exchange.finish(logon, None, Due::Nothing))
    }
}
