use std::fmt;

use bytes::BytesMut;
use tracing::debug;
use zeroize::Zeroizing;

use super::Server;
use crate::account::{Account, AccountRequest, LogonInfo};
use crate::credentials::TsCredentials;
use crate::defaults::{MAX_ROUNDS, Versions};
use crate::error::{
    ApiMisuse, Error, HandshakeError, NtStatus, PeerIncompatible, PeerMisbehaved, Progress, Step,
};
use crate::gss::{Acceptor, AcceptorRequest, AcceptorStep, AwaitsAccount, SecurityContext};
use crate::mechanism::{Mechanism, Negotiation};
use crate::name::AccountName;
use crate::spnego::{self, TokenKind};
use crate::ts_request::{self, BindingProof, Direction, TsRequest};

/// A handshake in progress: what the caller has to do next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Handshake {
    /// Send what was appended to the output, then read from the peer.
    NeedsInput(NeedsInput),
    /// Look up an account, in whatever way and however long it takes.
    NeedsAccount(NeedsAccount),
    /// The client is authenticated and has delegated its credentials. What the input still holds belongs to the
    /// application.
    Complete(Complete),
}

/// What the handshake established.
#[derive(Debug)]
#[non_exhaustive]
pub struct Complete {
    /// The mechanism that was used.
    pub mechanism: Mechanism,
    /// The protocol version in use.
    pub version: u32,
    /// The account that the client proved.
    pub account: AccountName,
    /// What the account's domain says of it (Kerberos only). A client can get a ticket that says nothing: whoever decides by
    /// groups, say, has to take `None` for a refusal.
    pub logon_info: Option<Box<LogonInfo>>,
    /// What the client delegated. It need not belong to the account: use it as the user's own claim.
    pub credentials: TsCredentials,
}

/// The peer's next message is due.
pub struct NeedsInput {
    core: Box<Core>,
    state: State,
}

impl NeedsInput {
    pub(super) fn new(server: Server) -> Result<Self, HandshakeError> {
        let config = &server.config;
        let progress = Progress {
            step: Step::Negotiation,
            ..Progress::default()
        };
        let versions = match Versions::new(config.own_version, config.min_version) {
            Ok(_) if config.mechanisms.is_empty() => Err(ApiMisuse::NoMechanisms),
            versions => versions,
        };
        match versions {
            Ok(versions) => Ok(Self {
                core: Box::new(Core {
                    server,
                    versions,
                    rounds: 0,
                    nonce: None,
                    last_token: None,
                    progress,
                }),
                state: State::Start,
            }),
            Err(error) => Err(HandshakeError::new(error, progress)),
        }
    }

    /// Takes at most one message from the front of `input`, and appends the answer to `out`.
    ///
    /// Where `input` does not hold a whole message yet, it is left as it is and the same state comes back.
    ///
    /// # Errors
    /// Where the message is invalid, out of place or proves nothing; `out` then holds what the client is told, if
    /// anything.
    pub fn process(
        self,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Handshake, HandshakeError> {
        let Self { mut core, state } = self;
        match core.receive(state, input, out) {
            Ok(next) => Ok(core.wrap(next)),
            Err(error) => Err(core.fail(error, out)),
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

/// The client claims an account, and the server has to look it up.
///
/// The caller may block, await, or drop this value.
pub struct NeedsAccount {
    core: Box<Core>,
    acceptor: Box<dyn AwaitsAccount>,
    request: AccountRequest,
    pub_key_auth: Option<BytesMut>,
}

impl NeedsAccount {
    /// Which account, and for a domain controller the exchange that it would verify.
    pub fn request(&self) -> &AccountRequest {
        &self.request
    }

    /// How far the handshake has come.
    pub fn progress(&self) -> &Progress {
        &self.core.progress
    }

    /// Goes on with what is known of the account. `None` fails exactly as a wrong password does, in what the client
    /// sees and in the work done.
    ///
    /// # Errors
    /// Where the client has not proved the account; `out` then holds what the client is told.
    pub fn continue_with(
        self,
        account: Option<Account>,
        out: &mut BytesMut,
    ) -> Result<Handshake, HandshakeError> {
        let Self {
            mut core,
            acceptor,
            pub_key_auth,
            ..
        } = self;
        let next = acceptor
            .step(account)
            .and_then(|step| core.after(step, pub_key_auth, out));
        match next {
            Ok(next) => Ok(core.wrap(next)),
            Err(error) => Err(core.fail(error, out)),
        }
    }

    /// Gives up because the look-up itself failed: the client is told to try again later.
    pub fn fail(self, error: impl Into<Error>, out: &mut BytesMut) -> HandshakeError {
        self.core.fail(error.into(), out)
    }
}

impl fmt::Debug for NeedsAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeedsAccount")
            .field("account", &self.request.account)
            .finish_non_exhaustive()
    }
}

/// What lasts through the states.
struct Core {
    server: Server,
    versions: Versions,
    rounds: u32,
    nonce: Option<[u8; 32]>,
    /// By which the mechanism tells the client why it is refused.
    last_token: Option<Vec<u8>>,
    progress: Progress,
}

enum State {
    Start,
    ExpectToken(Box<dyn Acceptor>),
    /// Some clients send their last token alone, and `pubKeyAuth` after the answer to it, if there is one.
    ExpectPubKeyAuth(Client),
    ExpectAuthInfo(Client),
}

/// A client that has proved its account.
struct Client {
    account: AccountName,
    status: Option<NtStatus>,
    logon_info: Option<Box<LogonInfo>>,
    context: Box<dyn SecurityContext>,
}

enum Next {
    Wait(State),
    Account {
        acceptor: Box<dyn AwaitsAccount>,
        request: AccountRequest,
        pub_key_auth: Option<BytesMut>,
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
        let limit = self.server.config.max_message_len;
        let Some(message) = ts_request::take_frame(input, limit)? else {
            return Ok(Next::Wait(state));
        };
        let request = TsRequest::decode(&message)?;
        debug!(bytes = message.len(), ?request, "received a TSRequest");
        self.check(&request)?;
        if request.auth_info.is_some() && !matches!(state, State::ExpectAuthInfo(_)) {
            return Err(PeerMisbehaved::EarlyAuthInfo.into());
        }
        // An empty token says nothing: some peers write one where they have none.
        let token = request.nego_token.filter(|token| !token.is_empty());
        match state {
            State::Start => {
                let token = token.ok_or(PeerMisbehaved::MissingNegoToken)?;
                let acceptor = self.acceptor(token)?;
                self.negotiate(acceptor, token, &request, out)
            }
            State::ExpectToken(acceptor) => {
                let token = token.ok_or(PeerMisbehaved::MissingNegoToken)?;
                self.negotiate(acceptor, token, &request, out)
            }
            State::ExpectPubKeyAuth(mut client) => {
                client.context.finish(token)?;
                let sealed = request
                    .pub_key_auth
                    .ok_or(PeerMisbehaved::MissingPubKeyAuth)?;
                self.prove(client, None, BytesMut::from(sealed), out)
            }
            State::ExpectAuthInfo(mut client) => {
                if request.pub_key_auth.is_some() {
                    return Err(PeerMisbehaved::UnexpectedPubKeyAuth.into());
                }
                client.context.finish(token)?;
                self.receive_credentials(client, request.auth_info)
            }
        }
    }

    /// Checks what every message has in common.
    fn check(&mut self, request: &TsRequest<'_>) -> Result<(), Error> {
        let first = *self.progress.peer_version.get_or_insert(request.version);
        self.versions.check(first, request.version)?;
        if request.error_code.is_some() {
            return Err(PeerMisbehaved::ErrorCodeFromClient.into());
        }
        if let Some(nonce) = request.client_nonce
            && *self.nonce.get_or_insert(nonce) != nonce
        {
            return Err(PeerMisbehaved::ChangedClientNonce.into());
        }
        Ok(())
    }

    fn acceptor(&self, token: &[u8]) -> Result<Box<dyn Acceptor>, Error> {
        let config = &self.server.config;
        let request = AcceptorRequest::new(&config.environment);
        if config.negotiation == Negotiation::Bare
            && TokenKind::of(token) == Some(TokenKind::Spnego)
        {
            return Err(PeerIncompatible::NoCommonMechanism.into());
        }
        spnego::acceptor(&config.mechanisms, request, token)
    }

    fn negotiate(
        &mut self,
        acceptor: Box<dyn Acceptor>,
        token: &[u8],
        request: &TsRequest<'_>,
        out: &mut BytesMut,
    ) -> Result<Next, Error> {
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds > MAX_ROUNDS {
            return Err(PeerMisbehaved::TooManyRounds.into());
        }
        let step = acceptor.step(token)?;
        self.after(step, request.pub_key_auth.map(BytesMut::from), out)
    }

    /// Acts on a step of the mechanism; `pub_key_auth` came beside the token.
    fn after(
        &mut self,
        step: AcceptorStep,
        pub_key_auth: Option<BytesMut>,
        out: &mut BytesMut,
    ) -> Result<Next, Error> {
        match step {
            AcceptorStep::NeedsAccount { request, next } => {
                self.progress.account = Some(request.account.clone());
                Ok(Next::Account {
                    acceptor: next,
                    request,
                    pub_key_auth,
                })
            }
            AcceptorStep::NeedsToken { token, next } => {
                if pub_key_auth.is_some() {
                    return Err(PeerMisbehaved::EarlyPubKeyAuth.into());
                }
                self.progress.mechanism = Some(next.mechanism());
                let mut reply = TsRequest::new(self.versions.own);
                reply.nego_token = Some(&token);
                ts_request::send(&reply, out);
                Ok(Next::Wait(State::ExpectToken(next)))
            }
            AcceptorStep::Refused { token, error } => {
                self.last_token = Some(token);
                Err(error)
            }
            AcceptorStep::Established {
                account,
                status,
                logon_info,
                token,
                context,
            } => {
                self.progress.mechanism = Some(context.mechanism());
                self.progress.account = Some(account.clone());
                self.progress.step = Step::PublicKey;
                let client = Client {
                    account,
                    status,
                    logon_info,
                    context,
                };
                if let Some(sealed) = pub_key_auth {
                    return self.prove(client, token, sealed, out);
                }
                if let Some(token) = token {
                    let mut reply = TsRequest::new(self.versions.own);
                    reply.nego_token = Some(&token);
                    ts_request::send(&reply, out);
                }
                Ok(Next::Wait(State::ExpectPubKeyAuth(client)))
            }
        }
    }

    /// Verifies the client's proof that both ends see the same TLS key, and sends ours.
    fn prove(
        &mut self,
        mut client: Client,
        token: Option<Vec<u8>>,
        mut sealed: BytesMut,
        out: &mut BytesMut,
    ) -> Result<Next, Error> {
        let version = self.versions.in_use(self.progress.peer_version)?;
        // Decided by the version alone: a client that leaves the nonce out does not get the weaker echo.
        let nonce = match self.nonce {
            Some(nonce) => nonce,
            None if ts_request::uses_nonce(version) => {
                return Err(PeerMisbehaved::MissingClientNonce.into());
            }
            None => [0; 32],
        };
        let prove = |direction| BindingProof::new(version, direction, &nonce, &self.server.own_key);

        let proof = client.context.unwrap_in_place(&mut sealed)?;
        if !prove(Direction::ClientToServer).ct_eq(proof) {
            return Err(Error::PublicKeyMismatch);
        }
        // Not before the client has proved the account, and that it stands at the other end of this very channel.
        if let Some(status) = client.status {
            return Err(Error::AccountRefused(status));
        }

        let mut sealed = BytesMut::from(prove(Direction::ServerToClient).as_bytes());
        client.context.wrap_in_place(&mut sealed)?;
        let mut reply = TsRequest::new(self.versions.own);
        reply.nego_token = token.as_deref();
        reply.pub_key_auth = Some(&sealed);
        ts_request::send(&reply, out);
        self.progress.step = Step::Credentials;
        Ok(Next::Wait(State::ExpectAuthInfo(client)))
    }

    fn receive_credentials(&self, client: Client, auth_info: Option<&[u8]>) -> Result<Next, Error> {
        let Client {
            account,
            logon_info,
            mut context,
            ..
        } = client;
        let sealed = auth_info.ok_or(PeerMisbehaved::MissingAuthInfo)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let credentials = TsCredentials::decode(context.unwrap_in_place(&mut sealed)?)?;
        let (mechanism, version) = (
            context.mechanism(),
            self.versions.in_use(self.progress.peer_version)?,
        );
        debug!(%mechanism, version, %account, "received the credentials");
        Ok(Next::Complete(Complete {
            mechanism,
            version,
            account,
            logon_info,
            credentials,
        }))
    }

    fn wrap(self: Box<Self>, next: Next) -> Handshake {
        match next {
            Next::Wait(state) => Handshake::NeedsInput(NeedsInput { core: self, state }),
            Next::Account {
                acceptor,
                request,
                pub_key_auth,
            } => Handshake::NeedsAccount(NeedsAccount {
                core: self,
                acceptor,
                request,
                pub_key_auth,
            }),
            Next::Complete(complete) => Handshake::Complete(complete),
        }
    }

    /// Tells the client of the error, as far as the protocol's version and prudence allow.
    fn fail(self, error: Error, out: &mut BytesMut) -> HandshakeError {
        let peer = self
            .progress
            .peer_version
            .map(|peer| peer.min(self.versions.own));
        let status = error
            .nt_status()
            .filter(|_| peer.is_some_and(ts_request::carries_error_code));
        if status.is_some() || self.last_token.is_some() {
            let mut reply = TsRequest::new(self.versions.own);
            reply.nego_token = self.last_token.as_deref();
            reply.error_code = status;
            ts_request::send(&reply, out);
        }
        debug!(%error, step = %self.progress.step, "the handshake failed");
        HandshakeError::new(error, self.progress)
    }
}
