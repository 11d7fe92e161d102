//! The server's part of the authentication.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use rustls::ServerConnection;
use tracing::debug;

use super::channel::Channel;
use super::failure::Failure;
use super::header::{self, Challenge};
use super::{MAX_REQUESTS, Session};
use crate::account::{Account, AccountRequest};
use crate::error::{
    Error, HandshakeError, InvalidMessage, InvalidMessageKind, PeerMisbehaved, Progress, WinRmError,
};
use crate::policy::WinRmSwitches;
use crate::server::{self, ServerConfig};
use crate::tls::{self, Identity, TlsVersions};

/// What a server needs for CredSSP in WinRM. Cheap to clone: connections share it.
#[derive(Clone, Debug)]
pub struct Acceptor {
    tls: tls::Acceptor,
    switches: WinRmSwitches,
}

impl Acceptor {
    /// Presents `identity` inside HTTP, over TLS 1.2 or 1.3. CredSSP is switched off.
    ///
    /// It need not be that of an HTTPS listener; see [`CertificateStore`](super::CertificateStore). Some clients can only
    /// use RSA keys.
    ///
    /// # Errors
    /// As [`tls::Acceptor::new()`].
    pub fn new(credssp: impl Into<Arc<ServerConfig>>, identity: &Identity) -> Result<Self, Error> {
        Self::with_tls_versions(credssp, identity, TlsVersions::All)
    }

    /// As [`Self::new()`], with some versions of TLS only.
    ///
    /// # Errors
    /// As [`Self::new()`].
    pub fn with_tls_versions(
        credssp: impl Into<Arc<ServerConfig>>,
        identity: &Identity,
        versions: TlsVersions,
    ) -> Result<Self, Error> {
        Ok(Self {
            tls: tls::Acceptor::with_tls_versions(credssp, identity, versions)?,
            switches: WinRmSwitches::default(),
        })
    }

    /// Switches CredSSP on.
    #[must_use]
    pub fn enable_credssp(mut self) -> Self {
        self.switches.service = Some(true);
        self
    }

    /// Switches CredSSP on or off as a machine's settings say; see
    /// [`MachineSettings`](crate::policy::MachineSettings).
    #[must_use]
    pub fn with_switches(mut self, switches: WinRmSwitches) -> Self {
        self.switches = switches;
        self
    }

    /// Begins for one connection: its requests belong to one client, whose session is that of the connection.
    ///
    /// # Errors
    /// - [`WinRmError::ServiceDisabled`] unless CredSSP is switched on: then do not offer it.
    /// - Where the configuration is unfit.
    pub fn start(&self) -> Result<NeedsRequest, HandshakeError> {
        let failed = |error: Error| HandshakeError::new(error, Progress::default());
        if self.switches.check_service().is_err() {
            return Err(failed(WinRmError::ServiceDisabled.into()));
        }
        let connection =
            ServerConnection::new(self.tls.tls()).map_err(|error| failed(error.into()))?;
        Ok(NeedsRequest {
            core: Box::new(Core {
                channel: connection.into(),
                input: BytesMut::new(),
                requests: 0,
                begun: false,
            }),
            state: self.tls.server().start()?,
        })
    }
}

/// How a request is answered, in status and header; the body is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// 401, or 200 once the client is authenticated; 0 while nothing has been said.
    pub status: u16,
    /// The value of `WWW-Authenticate`, to be sent as it is: a space at the end counts. Where other schemes are offered too,
    /// this value goes last, for some clients look only there.
    pub www_authenticate: Option<String>,
}

impl Reply {
    fn unauthorized(&mut self, value: String) {
        self.status = 401;
        self.www_authenticate = Some(value);
    }

    fn success(&mut self) {
        self.status = 200;
        self.www_authenticate = None;
    }
}

/// A handshake in progress: what the caller has to do next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Handshake {
    /// Send the reply, then go on with the connection's next request.
    NeedsRequest(NeedsRequest),
    /// Look up an account, in whatever way and however long it takes. The request waits for its reply.
    NeedsAccount(NeedsAccount),
    /// Send the reply: the client is authenticated, and from now on bodies are sealed.
    Complete(Complete),
}

/// The client is authenticated and has delegated its credentials.
#[derive(Debug)]
#[non_exhaustive]
pub struct Complete {
    /// Seals and opens the connection's bodies.
    pub session: Session,
    /// What CredSSP established.
    pub credssp: server::Complete,
}

/// The connection's next request is due.
pub struct NeedsRequest {
    core: Box<Core>,
    state: server::NeedsInput,
}

impl NeedsRequest {
    /// How far the handshake has come.
    pub fn progress(&self) -> &Progress {
        self.state.progress()
    }

    /// Goes on with a request: the value of its `Authorization`, where it has one. A request without it is told that CredSSP is offered.
    ///
    /// # Errors
    /// Where the client's messages are invalid, out of place or prove nothing; `reply` then holds what the client is told,
    /// and the connection is to be closed behind it.
    pub fn process(
        self,
        authorization: Option<&[u8]>,
        reply: &mut Reply,
    ) -> Result<Handshake, HandshakeError> {
        let Self { mut core, state } = self;
        let progress = state.progress().clone();
        let next = match authorization.map_or(Ok(Challenge::Absent), header::credentials) {
            Ok(token) => core.receive(state, token, reply),
            Err(error) => Err(error.into()),
        };
        core.wrap(next, progress, reply)
    }
}

impl fmt::Debug for NeedsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeedsRequest")
            .field("progress", self.progress())
            .finish_non_exhaustive()
    }
}

/// The client claims an account, and the server has to look it up.
///
/// The caller may block, await, or drop this value.
pub struct NeedsAccount {
    core: Box<Core>,
    state: server::NeedsAccount,
    /// What is to be sent before the answer.
    plaintext: BytesMut,
}

impl NeedsAccount {
    /// Which account, and for a domain controller the exchange that it would verify.
    pub fn request(&self) -> &AccountRequest {
        self.state.request()
    }

    /// How far the handshake has come.
    pub fn progress(&self) -> &Progress {
        self.state.progress()
    }

    /// Goes on with what is known of the account; see [`server::NeedsAccount::continue_with()`].
    ///
    /// # Errors
    /// Where the client has not proved the account; `reply` then holds what the client is told.
    pub fn continue_with(
        self,
        account: Option<Account>,
        reply: &mut Reply,
    ) -> Result<Handshake, HandshakeError> {
        let Self {
            mut core,
            state,
            mut plaintext,
        } = self;
        let progress = state.progress().clone();
        let handshake = state.continue_with(account, &mut plaintext);
        let next = core.after(handshake, plaintext, reply);
        core.wrap(next, progress, reply)
    }

    /// Gives up because the look-up itself failed: the client is told to try again later.
    pub fn fail(self, error: impl Into<Error>, reply: &mut Reply) -> HandshakeError {
        let Self {
            mut core,
            state,
            mut plaintext,
        } = self;
        let error = state.fail(error, &mut plaintext);
        core.refuse(&plaintext, reply);
        error
    }
}

impl fmt::Debug for NeedsAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

enum Next {
    Wait(server::NeedsInput),
    Account {
        state: server::NeedsAccount,
        plaintext: BytesMut,
    },
    Complete(server::Complete),
}

/// What lasts through the states.
struct Core {
    channel: Channel,
    /// Plaintext that is not processed yet.
    input: BytesMut,
    requests: u32,
    /// Whether a token has come.
    begun: bool,
}

impl Core {
    fn receive(
        &mut self,
        state: server::NeedsInput,
        token: Challenge,
        reply: &mut Reply,
    ) -> Result<Next, Failure> {
        self.requests = self.requests.saturating_add(1);
        if self.requests > MAX_REQUESTS {
            return Err(PeerMisbehaved::TooManyRounds.into());
        }
        let missing =
            || InvalidMessage::new("Authorization", 0, InvalidMessageKind::MissingField).into();
        match token {
            Challenge::Absent if !self.begun => {
                reply.unauthorized(header::bare());
                return Ok(Next::Wait(state));
            }
            Challenge::Empty if self.begun => {}
            Challenge::Absent | Challenge::Empty => return Err(missing()),
            Challenge::Token(records) => {
                self.begun = true;
                self.channel.receive(&records, &mut self.input)?;
            }
        }
        self.advance(state, BytesMut::new(), reply)
    }

    /// Lets CredSSP read all that has come.
    fn advance(
        &mut self,
        mut state: server::NeedsInput,
        mut plaintext: BytesMut,
        reply: &mut Reply,
    ) -> Result<Next, Failure> {
        loop {
            let before = self.input.len();
            match state.process(&mut self.input, &mut plaintext) {
                Ok(server::Handshake::NeedsInput(next)) if self.input.len() < before => {
                    state = next;
                }
                Ok(server::Handshake::NeedsInput(next)) => {
                    let mut records = BytesMut::new();
                    self.write(&plaintext, &mut records)?;
                    reply.unauthorized(header::value(&records));
                    return Ok(Next::Wait(next));
                }
                handshake => return self.settle(handshake, plaintext, reply),
            }
        }
    }

    fn after(
        &mut self,
        handshake: Result<server::Handshake, HandshakeError>,
        plaintext: BytesMut,
        reply: &mut Reply,
    ) -> Result<Next, Failure> {
        match handshake {
            Ok(server::Handshake::NeedsInput(state)) => self.advance(state, plaintext, reply),
            handshake => self.settle(handshake, plaintext, reply),
        }
    }

    fn settle(
        &mut self,
        handshake: Result<server::Handshake, HandshakeError>,
        plaintext: BytesMut,
        reply: &mut Reply,
    ) -> Result<Next, Failure> {
        match handshake {
            Ok(server::Handshake::NeedsInput(state)) => Ok(Next::Wait(state)),
            Ok(server::Handshake::NeedsAccount(state)) => Ok(Next::Account { state, plaintext }),
            Ok(server::Handshake::Complete(complete)) => {
                // The answer is a status, and bodies are sealed from here on.
                if !self.input.is_empty() {
                    let kind = InvalidMessageKind::TrailingData;
                    return Err(InvalidMessage::new("Authorization", 0, kind).into());
                }
                reply.success();
                Ok(Next::Complete(complete))
            }
            Err(error) => {
                self.refuse(&plaintext, reply);
                Err(Failure::Protocol(error))
            }
        }
    }

    fn write(&mut self, plaintext: &[u8], records: &mut BytesMut) -> Result<(), Error> {
        if plaintext.is_empty() {
            self.channel.flush(records)
        } else {
            self.channel.send(plaintext, records)
        }
    }

    /// Tells the client what there is to tell.
    fn refuse(&mut self, plaintext: &[u8], reply: &mut Reply) {
        let mut records = BytesMut::new();
        let written = self.write(plaintext, &mut records);
        reply.unauthorized(match written {
            Ok(()) if !records.is_empty() => header::value(&records),
            _ => header::bare(),
        });
    }

    fn wrap(
        mut self: Box<Self>,
        next: Result<Next, Failure>,
        progress: Progress,
        reply: &mut Reply,
    ) -> Result<Handshake, HandshakeError> {
        match next {
            Ok(Next::Wait(state)) => {
                Ok(Handshake::NeedsRequest(NeedsRequest { core: self, state }))
            }
            Ok(Next::Account { state, plaintext }) => Ok(Handshake::NeedsAccount(NeedsAccount {
                core: self,
                state,
                plaintext,
            })),
            Ok(Next::Complete(credssp)) => Ok(Handshake::Complete(Complete {
                session: Session::new(self.channel),
                credssp,
            })),
            Err(failure) => {
                // TLS may have an alert to send.
                if let Failure::Local(_) = failure {
                    self.refuse(&[], reply);
                }
                let error = failure.into_error(progress);
                debug!(error = %error.error, step = %error.progress.step, "the handshake failed");
                Err(error)
            }
        }
    }
}
