use bytes::BytesMut;

use crate::error::{AuthenticationFailure, Error, NtStatus, PeerMisbehaved};
use crate::gss::SecurityContext;
use crate::mechanism::Mechanism;

use super::token::{NegState, NegTokenResp};

/// A context that SPNEGO negotiated: the mechanism's own, and what is left of the negotiation.
///
/// The peer's last token may come beside its first protected message; [`SecurityContext::finish()`] takes it. Until a
/// `mechListMIC` that is due has verified, nothing from the peer is unwrapped.
pub struct SpnegoContext {
    context: Box<dyn SecurityContext>,
    /// The list that the `mechListMIC`s sign, as the acceptor received it.
    mech_types: Box<[u8]>,
    /// The last token that was processed: some peers send theirs again.
    processed: Box<[u8]>,
    due: Due,
}

/// What the peer may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Its `mechListMIC`, without which nothing else is believed.
    MechListMic,
    /// Its first protected message, by whose number it shows that it has computed the `mechListMIC`.
    TraceOfMechListMic,
    /// A token without a mechanism's token, which says that it is done; or nothing.
    Completion,
    /// Nothing.
    Nothing,
}

impl SpnegoContext {
    pub(super) fn new(
        context: Box<dyn SecurityContext>,
        mech_types: &[u8],
        processed: &[u8],
        due: Due,
    ) -> Self {
        Self {
            context,
            mech_types: mech_types.into(),
            processed: processed.into(),
            due,
        }
    }

    fn finished(&self) -> Result<(), Error> {
        if self.due == Due::MechListMic {
            return Err(PeerMisbehaved::MissingMechListMic.into());
        }
        Ok(())
    }
}

impl SecurityContext for SpnegoContext {
    fn mechanism(&self) -> Mechanism {
        self.context.mechanism()
    }

    fn wrap_overhead(&self) -> usize {
        self.context.wrap_overhead()
    }

    fn wrap_in_place(&mut self, message: &mut BytesMut) -> Result<(), Error> {
        self.context.wrap_in_place(message)
    }

    fn unwrap_in_place<'a>(&mut self, token: &'a mut [u8]) -> Result<&'a mut [u8], Error> {
        self.finished()?;
        let message = self.context.unwrap_in_place(token);
        if self.due != Due::TraceOfMechListMic {
            return message;
        }
        if message.is_ok() {
            self.due = Due::Nothing;
        }
        message.map_err(|_| PeerMisbehaved::MissingMechListMic.into())
    }

    fn get_mic(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.context.get_mic(message, out)
    }

    fn verify_mic(&mut self, message: &[u8], mic: &[u8]) -> Result<(), Error> {
        self.finished()?;
        self.context.verify_mic(message, mic)
    }

    fn finish(&mut self, token: Option<&[u8]>) -> Result<(), Error> {
        let Some(token) = token.filter(|token| !token.is_empty() && **token != *self.processed)
        else {
            return self.finished();
        };
        if self.due == Due::Nothing {
            return Err(PeerMisbehaved::UnexpectedNegoToken.into());
        }
        let response = NegTokenResp::decode(token)?;
        match response.neg_state {
            Some(NegState::Reject) => return Err(rejected()),
            // RFC 4178, 4.2.2, on request-mic: "This value SHALL only be present in the first reply from the target."
            Some(NegState::RequestMic) => return Err(PeerMisbehaved::UnexpectedTokenType.into()),
            Some(NegState::AcceptCompleted | NegState::AcceptIncomplete) | None => {}
        }
        let mechanism = self.context.mechanism();
        match response.mic() {
            Some(mic) => verify(&mut *self.context, &self.mech_types, mic)?,
            None => self.finished()?,
        }
        // Very old servers repeat the token as the mechListMIC, or the other way round.
        if response.mech_token().is_some() && response.mech_token() != response.mech_list_mic {
            return Err(PeerMisbehaved::UnexpectedNegoToken.into());
        }
        tracing::debug!(%mechanism, mic = response.mic().is_some(), "the peer has completed SPNEGO");
        self.due = Due::Nothing;
        self.processed = token.into();
        Ok(())
    }

    fn finish_bound(&mut self, token: Option<&[u8]>) -> Result<(), Error> {
        if self.due != Due::MechListMic || token.is_some_and(|token| !token.is_empty()) {
            return self.finish(token);
        }
        self.context.skip_mech_list_mic()?;
        self.due = Due::TraceOfMechListMic;
        Ok(())
    }
}

/// The signature over the list.
pub(super) fn sign(context: &mut dyn SecurityContext, mech_types: &[u8]) -> Result<Vec<u8>, Error> {
    let mut mic = Vec::new();
    context.get_mech_list_mic(mech_types, &mut mic)?;
    Ok(mic)
}

/// Verifies the peer's signature over the list.
pub(super) fn verify(
    context: &mut dyn SecurityContext,
    mech_types: &[u8],
    mic: &[u8],
) -> Result<(), Error> {
    context
        .verify_mech_list_mic(mech_types, mic)
        .map_err(|error| match error {
            Error::AuthenticationFailed { mechanism, .. } => Error::AuthenticationFailed {
                mechanism,
                reason: AuthenticationFailure::WrongMechListMic,
            },
            other => other,
        })
}

/// The peer said `reject` after the mechanism's tokens had been exchanged: it refuses the logon and does not say why.
pub(super) fn rejected() -> Error {
    Error::Rejected(NtStatus::LOGON_FAILURE)
}
