use std::fmt;

use bytes::BytesMut;
use tracing::debug;
use zeroize::Zeroize;

use super::Client;
use super::negotiation;
use crate::defaults::{MAX_ROUNDS, Versions};
use crate::error::{Error, HandshakeError, NtStatus, PeerMisbehaved, Progress, Step};
use crate::gss::{AwaitsKdc, Initiator, InitiatorStep, SecurityContext};
use crate::kdc::{KdcReply, KdcRequest};
use crate::mechanism::Mechanism;
use crate::proof::{CertificateVerdict, ServerProof};
use crate::ts_request::{self, BindingProof, Direction, TsRequest};

/// A handshake in progress: what the caller has to do next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Handshake {
    /// Send what was appended to the output, then read from the peer.
    NeedsInput(NeedsInput),
    /// Ask a KDC, in whatever way and however long it takes. Nothing goes to the peer meanwhile.
    NeedsKdc(NeedsKdc),
    /// Send what was appended to the output: it holds the credentials. What the input still holds belongs to the
    /// application.
    Complete(Complete),
}

/// The server is authenticated, and the credentials are on their way.
///
/// CredSSP has no answer to them: a server that refuses them closes the channel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Complete {
    /// The mechanism that was used.
    pub mechanism: Mechanism,
    /// The protocol version in use.
    pub version: u32,
    /// What proved the server.
    pub proof: ServerProof,
    /// How the certificate proves the server or why it does not, whatever has counted in the end; none where only
    /// [`Client::with_proof()`] has told.
    pub certificate: Option<CertificateVerdict>,
    /// Why a mechanism that was preferred to this one could not be used, where that is so.
    pub fallback: Option<Error>,
}

/// The peer's next message is due.
pub struct NeedsInput {
    core: Box<Core>,
    state: State,
}

impl NeedsInput {
    /// Takes at most one message from the front of `input`, and appends the answer to `out`.
    ///
    /// Where `input` does not hold a whole message yet, it is left as it is and the same state comes back.
    ///
    /// # Errors
    /// Where the message is invalid, out of place, proves nothing, or where policy forbids to go on.
    pub fn process(
        self,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Handshake, HandshakeError> {
        let Self { mut core, state } = self;
        match core.receive(state, input, out) {
            Ok(next) => Ok(core.wrap(next)),
            Err(error) => Err(core.fail(error)),
        }
    }

    /// How far the handshake has come.
    pub fn progress(&self) -> &Progress {
        &self.core.progress
    }
}

impl fmt::Debug for NeedsInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeedsInput")
            .field("progress", &self.core.progress)
            .finish_non_exhaustive()
    }
}

/// The mechanism has a question for a KDC.
///
/// A [`KdcTransport`](crate::kdc::KdcTransport) carries it, or any other way to the KDCs of the request's realm. The
/// caller may block, await, or drop this value.
pub struct NeedsKdc {
    core: Box<Core>,
    initiator: Box<dyn AwaitsKdc>,
    request: KdcRequest,
}

impl NeedsKdc {
    /// What to ask, and of which realm.
    pub fn request(&self) -> &KdcRequest {
        &self.request
    }

    /// How far the handshake has come.
    pub fn progress(&self) -> &Progress {
        &self.core.progress
    }

    /// Goes on with the KDC's answer. Where none could be reached, the next mechanism is tried, if the configuration
    /// has one and policy lets it.
    ///
    /// # Errors
    /// Where the KDC refuses, its answer does not hold, or no mechanism is left.
    pub fn continue_with(
        self,
        reply: KdcReply,
        out: &mut BytesMut,
    ) -> Result<Handshake, HandshakeError> {
        let Self {
            mut core,
            initiator,
            ..
        } = self;
        let next = initiator.step(reply).and_then(|step| core.after(step, out));
        match next {
            Ok(next) => Ok(core.wrap(next)),
            Err(error) => Err(core.fail(error)),
        }
    }
}

impl fmt::Debug for NeedsKdc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeedsKdc")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

/// Starts the handshake.
pub(super) fn start(client: Client, out: &mut BytesMut) -> Result<Handshake, HandshakeError> {
    let progress = Progress {
        step: Step::Negotiation,
        account: Some(client.credentials.account().clone()),
        proof: Some(client.proof),
        certificate: client.certificate.clone(),
        ..Progress::default()
    };
    let versions = match client.versions() {
        Ok(versions) => versions,
        Err(error) => return Err(HandshakeError::new(error, progress)),
    };
    let mut core = Box::new(Core {
        client,
        versions,
        rounds: 0,
        progress,
    });
    let next = negotiation::initiator(&core.client)
        .and_then(|initiator| core.negotiate(initiator, None, out));
    match next {
        Ok(next) => Ok(core.wrap(next)),
        Err(error) => Err(core.fail(error)),
    }
}

/// What lasts through the states.
struct Core {
    client: Client,
    versions: Versions,
    rounds: u32,
    progress: Progress,
}

enum State {
    ExpectToken(Box<dyn Initiator>),
    ExpectPubKeyAuth {
        context: Box<dyn SecurityContext>,
        expected: BindingProof,
        sent: BytesMut,
    },
}

enum Next {
    Wait(State),
    Kdc {
        initiator: Box<dyn AwaitsKdc>,
        request: KdcRequest,
    },
    Complete(Complete),
}

impl Core {
    fn receive(
        &mut self,
        state: State,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Next, Error> {
        let limit = self.client.config.max_message_len;
        let Some(message) = ts_request::take_frame(input, limit)? else {
            return Ok(Next::Wait(state));
        };
        let request = TsRequest::decode(&message)?;
        debug!(bytes = message.len(), ?request, "received a TSRequest");
        let first = *self.progress.peer_version.get_or_insert(request.version);
        // An empty token says nothing: some peers write one where they have none.
        let token = request.nego_token.filter(|token| !token.is_empty());
        // Before anything else in the message is judged: servers fill the rest of it with all sorts of things.
        if let Some(status) = request.error_code {
            return Err(rejection(status, state, token));
        }
        self.versions.check(first, request.version)?;
        if request.auth_info.is_some() {
            return Err(PeerMisbehaved::EarlyAuthInfo.into());
        }
        match state {
            State::ExpectToken(initiator) => {
                if request.pub_key_auth.is_some() {
                    return Err(PeerMisbehaved::EarlyPubKeyAuth.into());
                }
                let token = token.ok_or(PeerMisbehaved::MissingNegoToken)?;
                self.negotiate(initiator, Some(token), out)
            }
            State::ExpectPubKeyAuth {
                mut context,
                expected,
                sent,
            } => {
                context.finish_bound(token)?;
                let sealed = request
                    .pub_key_auth
                    .ok_or(PeerMisbehaved::MissingPubKeyAuth)?;
                if *sealed == *sent {
                    return Err(PeerMisbehaved::ReflectedPubKeyAuth.into());
                }
                let mut sealed = BytesMut::from(sealed);
                let proof = context.unwrap_in_place(&mut sealed)?;
                if !expected.ct_eq(proof) {
                    return Err(Error::PublicKeyMismatch);
                }
                self.progress.step = Step::Credentials;
                self.delegate(context, out)
            }
        }
    }

    fn negotiate(
        &mut self,
        initiator: Box<dyn Initiator>,
        token: Option<&[u8]>,
        out: &mut BytesMut,
    ) -> Result<Next, Error> {
        if token.is_some() {
            self.rounds = self.rounds.saturating_add(1);
        }
        if self.rounds > MAX_ROUNDS {
            return Err(PeerMisbehaved::TooManyRounds.into());
        }
        let step = initiator.step(token)?;
        self.after(step, out)
    }

    /// Acts on a step of the mechanism.
    fn after(&mut self, step: InitiatorStep, out: &mut BytesMut) -> Result<Next, Error> {
        match step {
            InitiatorStep::NeedsKdc { request, next } => {
                self.progress.mechanism = Some(next.mechanism());
                Ok(Next::Kdc {
                    initiator: next,
                    request,
                })
            }
            InitiatorStep::NeedsToken { token, next } => {
                self.progress.mechanism = Some(next.mechanism());
                if self.progress.fallback.is_none() {
                    self.progress.fallback = next.fallback().cloned();
                }
                let mut request = TsRequest::new(self.versions.own);
                request.nego_token = Some(&token);
                ts_request::send(&request, out);
                Ok(Next::Wait(State::ExpectToken(next)))
            }
            InitiatorStep::Established { token, context } => {
                self.progress.mechanism = Some(context.mechanism());
                self.bind(token.as_deref(), context, out)
            }
        }
    }

    /// Sends the proof that both ends see the same TLS key, with the mechanism's last token.
    fn bind(
        &mut self,
        token: Option<&[u8]>,
        mut context: Box<dyn SecurityContext>,
        out: &mut BytesMut,
    ) -> Result<Next, Error> {
        let version = self.versions.in_use(self.progress.peer_version)?;
        let mut nonce = [0; 32];
        self.client.config.environment.random.fill(&mut nonce)?;
        let prove =
            |direction| BindingProof::new(version, direction, &nonce, &self.client.server_key);

        let mut sealed = BytesMut::from(prove(Direction::ClientToServer).as_bytes());
        context.wrap_in_place(&mut sealed)?;
        let mut request = TsRequest::new(self.versions.own);
        request.nego_token = token;
        request.pub_key_auth = Some(&sealed);
        request.client_nonce = ts_request::uses_nonce(version).then_some(nonce);
        ts_request::send(&request, out);

        self.progress.step = Step::PublicKey;
        Ok(Next::Wait(State::ExpectPubKeyAuth {
            expected: prove(Direction::ServerToClient),
            context,
            sent: sealed,
        }))
    }

    /// Sends the credentials, now that the server has proved its key.
    fn delegate(
        &mut self,
        mut context: Box<dyn SecurityContext>,
        out: &mut BytesMut,
    ) -> Result<Next, Error> {
        let Client {
            config,
            target,
            credentials,
            ..
        } = &self.client;
        let mechanism = context.mechanism();
        let proof = config.proof_by(mechanism, self.client.proof);
        self.progress.proof = Some(proof);
        config.policy.decide(target, credentials.class(), proof)?;
        config.check_delegated(target, credentials)?;

        // The plaintext is encrypted where it lies, with room to grow, so that nothing of it is left behind.
        let delegated = credentials.delegated();
        let length = delegated
            .encoded_len()
            .saturating_add(context.wrap_overhead());
        let mut sealed = BytesMut::with_capacity(length);
        delegated.encode(&mut sealed);
        let wrapped = context.wrap_in_place(&mut sealed);
        if wrapped.is_err() {
            sealed.as_mut().zeroize();
        }
        wrapped?;
        let mut request = TsRequest::new(self.versions.own);
        request.auth_info = Some(&sealed);
        ts_request::send(&request, out);
        let version = self.versions.in_use(self.progress.peer_version)?;
        debug!(%mechanism, version, %proof, "delegated the credentials");
        Ok(Next::Complete(Complete {
            mechanism,
            version,
            proof,
            certificate: self.progress.certificate.take(),
            fallback: self.progress.fallback.take(),
        }))
    }

    fn wrap(self: Box<Self>, next: Next) -> Handshake {
        match next {
            Next::Wait(state) => Handshake::NeedsInput(NeedsInput { core: self, state }),
            Next::Kdc { initiator, request } => Handshake::NeedsKdc(NeedsKdc {
                core: self,
                initiator,
                request,
            }),
            Next::Complete(complete) => Handshake::Complete(complete),
        }
    }

    fn fail(self, error: Error) -> HandshakeError {
        let error = match (error, &self.progress.certificate) {
            (Error::DelegationDenied(denied), Some(Err(problem))) => {
                denied.because_of(problem).into()
            }
            (error, _) => error,
        };
        debug!(%error, step = %self.progress.step, "the handshake failed");
        HandshakeError::new(error, self.progress)
    }
}

/// Why a server refuses us: a ticket's fault is told better by the mechanism's own token, where that came too.
fn rejection(status: NtStatus, state: State, token: Option<&[u8]>) -> Error {
    if let (State::ExpectToken(initiator), Some(token)) = (state, token)
        && let Err(error @ Error::TicketRefused(_)) = initiator.step(Some(token))
    {
        return error;
    }
    Error::Rejected(status)
}
