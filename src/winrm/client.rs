//! The client's part of the authentication.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use rustls::ClientConnection;
use tracing::debug;

use super::channel::Channel;
use super::failure::Failure;
use super::header::{self, Challenge};
use super::{MAX_REQUESTS, Session};
use crate::client::{self, ClientConfig};
use crate::credentials::{Credentials, TsCredentials};
use crate::error::{
    ApiMisuse, Error, HandshakeError, InvalidMessage, InvalidMessageKind, PeerMisbehaved, Progress,
    Step, WinRmError,
};
use crate::kdc::{KdcReply, KdcRequest};
use crate::name::ServicePrincipalName;
use crate::policy::{CredentialClass, WinRmSwitches};
use crate::tls::{self, TlsVersions, Trust};
use crate::ts_request::TsRequest;

/// Unauthorized (RFC 9110, section 15.5.2).
const UNAUTHORIZED: u16 = 401;

/// What a client needs for CredSSP in WinRM. Cheap to clone: connections share it.
#[derive(Clone, Debug)]
pub struct Connector {
    tls: tls::Connector,
    switches: WinRmSwitches,
}

impl Connector {
    /// Speaks TLS 1.2 inside HTTP, for not every service that speaks TLS 1.3 does so there. CredSSP is switched off.
    ///
    /// `trust` is for the certificate that the service presents inside HTTP, which mostly is self-signed and proves nothing.
    ///
    /// # Errors
    /// As [`tls::Connector::with_trust()`].
    pub fn new(credssp: impl Into<Arc<ClientConfig>>, trust: Trust) -> Result<Self, Error> {
        Self::with_tls_versions(credssp, trust, TlsVersions::Tls12)
    }

    /// As [`Self::new()`], with other versions of TLS.
    ///
    /// # Errors
    /// As [`Self::new()`].
    pub fn with_tls_versions(
        credssp: impl Into<Arc<ClientConfig>>,
        trust: Trust,
        versions: TlsVersions,
    ) -> Result<Self, Error> {
        Ok(Self {
            tls: tls::Connector::with_trust(credssp, trust, versions)?,
            switches: WinRmSwitches::default(),
        })
    }

    /// Switches CredSSP on.
    #[must_use]
    pub fn enable_credssp(mut self) -> Self {
        self.switches.client = Some(true);
        self
    }

    /// Switches CredSSP on or off as a machine's settings say; see
    /// [`MachineSettings`](crate::policy::MachineSettings).
    #[must_use]
    pub fn with_switches(mut self, switches: WinRmSwitches) -> Self {
        self.switches = switches;
        self
    }

    /// Begins to authenticate to `host`, under the name `WSMAN/host`, over one HTTP connection.
    ///
    /// # Errors
    /// - [`WinRmError::ClientDisabled`] unless CredSSP is switched on.
    /// - [`ApiMisuse::CredentialsFitNoWinRm`] where the credentials are not fresh, or delegate something else than a name and
    ///   a password.
    /// - [`Error::DelegationDenied`] where policy forbids it whatever the service proves.
    /// - [`Error::InvalidName`] where `host` is no host.
    pub fn start(
        &self,
        host: &str,
        credentials: Credentials,
    ) -> Result<NeedsResponse, HandshakeError> {
        let progress = Progress {
            account: Some(credentials.account().clone()),
            ..Progress::default()
        };
        let core = self.core(host, credentials).map_err(|error| {
            debug!(%error, "the handshake failed");
            HandshakeError::new(error, progress)
        })?;
        Ok(NeedsResponse {
            core: Box::new(core),
            state: State::Offer,
            authorization: None,
        })
    }

    fn core(&self, host: &str, credentials: Credentials) -> Result<Core, Error> {
        if self.switches.check_client().is_err() {
            return Err(WinRmError::ClientDisabled.into());
        }
        let explicit = credentials.class() == CredentialClass::Fresh
            && matches!(credentials.delegated(), TsCredentials::Password(_));
        if !explicit {
            return Err(ApiMisuse::CredentialsFitNoWinRm.into());
        }
        let target = ServicePrincipalName::wsman(host)?;
        self.tls.check_policy(&target, &credentials)?;
        let again = Again {
            connector: self.clone(),
            target,
            credentials,
        };
        Core::new(again, true)
    }
}

/// What a handshake is begun with.
#[derive(Clone, Debug)]
struct Again {
    connector: Connector,
    target: ServicePrincipalName,
    credentials: Credentials,
}

/// A handshake in progress: what the caller has to do next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Handshake {
    /// Send a request, then go on with the response.
    NeedsResponse(NeedsResponse),
    /// Ask a KDC, in whatever way and however long it takes. Nothing goes to the service meanwhile.
    NeedsKdc(NeedsKdc),
    /// The service has taken the credentials: from now on, bodies are sealed.
    Complete(Complete),
}

/// The service has taken the credentials.
#[derive(Debug)]
#[non_exhaustive]
pub struct Complete {
    /// Seals and opens the connection's bodies. Its requests have no `Authorization`.
    pub session: Session,
    /// What CredSSP established.
    pub credssp: client::Complete,
    /// Authenticates once more, where the service has forgotten the session; `None` where this has been done.
    pub renewal: Option<Renewal>,
}

/// A request is due, and the response to it.
pub struct NeedsResponse {
    core: Box<Core>,
    state: State,
    authorization: Option<String>,
}

impl NeedsResponse {
    /// The value of the request's `Authorization`; none in the first request, which asks for the service's offer. The
    /// request's body is empty, and all requests go over one connection.
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// How far the handshake has come.
    pub fn progress(&self) -> &Progress {
        match &self.state {
            State::CredSsp(state) => state.progress(),
            _ => &self.core.progress,
        }
    }

    /// Goes on with a response: its status, and the values of all its headers `WWW-Authenticate`.
    ///
    /// # Errors
    /// - [`Error::WinRm`] where the service refuses, and what it refuses.
    /// - Any other error of TLS, CredSSP and policy. The connection is of no more use for authentication.
    pub fn process(
        self,
        status: u16,
        www_authenticate: impl IntoIterator<Item: AsRef<[u8]>>,
    ) -> Result<Handshake, HandshakeError> {
        let Self {
            mut core, state, ..
        } = self;
        let challenge = header::challenge(www_authenticate);
        let next = match challenge {
            Ok(challenge) => core.receive(state, status, challenge),
            Err(error) => Err(error.into()),
        };
        core.wrap(next)
    }
}

impl fmt::Debug for NeedsResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeedsResponse")
            .field("progress", self.progress())
            .finish_non_exhaustive()
    }
}

/// The mechanism has a question for a KDC.
///
/// A [`KdcTransport`](crate::kdc::KdcTransport) carries it, or any other way to the KDCs of the request's realm. The
/// caller may block, await, or drop this value.
#[derive(Debug)]
pub struct NeedsKdc {
    core: Box<Core>,
    state: client::NeedsKdc,
}

impl NeedsKdc {
    /// What to ask, and of which realm.
    pub fn request(&self) -> &KdcRequest {
        self.state.request()
    }

    /// How far the handshake has come.
    pub fn progress(&self) -> &Progress {
        self.state.progress()
    }

    /// Goes on with the KDC's answer.
    ///
    /// # Errors
    /// As [`client::NeedsKdc::continue_with()`].
    pub fn continue_with(self, reply: KdcReply) -> Result<Handshake, HandshakeError> {
        let Self { mut core, state } = self;
        let mut plaintext = BytesMut::new();
        let next = match state.continue_with(reply, &mut plaintext) {
            Ok(handshake) => core.after(handshake, &plaintext),
            Err(error) => Err(Failure::Protocol(error)),
        };
        core.wrap(next)
    }
}

/// Authenticates once more.
///
/// A service forgets a session when it is restarted, say; it then answers a sealed request by status 401. There is one
/// such attempt: a loop of them would be one of logons.
///
/// A status is not sealed: over HTTP, whoever stands between the two ends can answer 401 to a request that the service has
/// done. What must not be done twice is not to be sent again.
#[derive(Debug)]
pub struct Renewal(Again);

impl Renewal {
    /// Begins anew, with the response that has no session: its status, and the values of all its headers
    /// `WWW-Authenticate`.
    ///
    /// # Errors
    /// As [`NeedsResponse::process()`] has them for the first response.
    pub fn start(
        self,
        status: u16,
        www_authenticate: impl IntoIterator<Item: AsRef<[u8]>>,
    ) -> Result<Handshake, HandshakeError> {
        let progress = Progress {
            account: Some(self.0.credentials.account().clone()),
            ..Progress::default()
        };
        let core =
            Core::new(self.0, false).map_err(|error| HandshakeError::new(error, progress))?;
        let state = NeedsResponse {
            core: Box::new(core),
            state: State::Offer,
            authorization: None,
        };
        state.process(status, www_authenticate)
    }
}

enum State {
    /// The first response says whether the service offers CredSSP.
    Offer,
    /// The handshake of TLS is under way.
    Tls,
    /// The last of that handshake went alone, for some services read it alone; there may be no answer to it.
    TlsFinished,
    CredSsp(client::NeedsInput),
    /// The credentials are on their way.
    Delegated(client::Complete),
}

enum Next {
    Send(State),
    Kdc(client::NeedsKdc),
    Complete(client::Complete),
}

/// What lasts through the states.
struct Core {
    again: Again,
    renewable: bool,
    channel: Channel,
    /// Plaintext that is not processed yet.
    input: BytesMut,
    /// TLS records for the next request.
    records: BytesMut,
    requests: u32,
    progress: Progress,
}

impl Core {
    fn new(again: Again, renewable: bool) -> Result<Self, Error> {
        let name = tls::Connector::server_name(&again.target)?;
        let connection = ClientConnection::new(again.connector.tls.tls(), name)?;
        let progress = Progress {
            account: Some(again.credentials.account().clone()),
            ..Progress::default()
        };
        Ok(Self {
            again,
            renewable,
            channel: connection.into(),
            input: BytesMut::new(),
            records: BytesMut::new(),
            requests: 0,
            progress,
        })
    }

    fn receive(
        &mut self,
        state: State,
        status: u16,
        challenge: Challenge,
    ) -> Result<Next, Failure> {
        self.requests = self.requests.saturating_add(1);
        if self.requests > MAX_REQUESTS {
            return Err(PeerMisbehaved::TooManyRounds.into());
        }
        let accepted = matches!(state, State::Delegated(_)) && (200..300).contains(&status);
        if status != UNAUTHORIZED && !accepted {
            return Err(WinRmError::UnexpectedStatus(status).into());
        }
        if let State::Offer = state {
            return match challenge {
                Challenge::Empty => self.flight(State::Tls),
                Challenge::Absent => Err(WinRmError::NotOffered.into()),
                Challenge::Token(_) => Err(unexpected_token().into()),
            };
        }
        match (challenge, &state) {
            (Challenge::Token(token), _) => self.channel.receive(&token, &mut self.input)?,
            _ if accepted => {}
            (Challenge::Empty, State::TlsFinished) => {}
            (_, state) => return Err(refusal(state).into()),
        }
        match state {
            State::Offer | State::Tls => self.flight(State::Tls),
            State::TlsFinished => self.start(),
            State::CredSsp(state) => self.advance(state),
            State::Delegated(complete) if accepted && self.input.is_empty() => {
                Ok(Next::Complete(complete))
            }
            State::Delegated(_) => Err(self.refused_credentials().into()),
        }
    }

    /// Sends what TLS has to say by itself, or begins CredSSP where that is nothing.
    fn flight(&mut self, state: State) -> Result<Next, Failure> {
        self.channel.flush(&mut self.records)?;
        match (self.channel.is_handshaking(), self.records.is_empty()) {
            (true, _) => Ok(Next::Send(state)),
            (false, false) => Ok(Next::Send(State::TlsFinished)),
            (false, true) => self.start(),
        }
    }

    /// Begins CredSSP in the channel that has come about.
    fn start(&mut self) -> Result<Next, Failure> {
        let Again {
            connector,
            target,
            credentials,
        } = &self.again;
        let client = connector.tls.client(
            self.channel.peer_certificates(),
            target.clone(),
            credentials.clone(),
        )?;
        let mut plaintext = BytesMut::new();
        let handshake = client.start(&mut plaintext).map_err(Failure::Protocol)?;
        self.after(handshake, &plaintext)
    }

    /// Lets CredSSP read all that has come.
    fn advance(&mut self, mut state: client::NeedsInput) -> Result<Next, Failure> {
        let mut plaintext = BytesMut::new();
        loop {
            let before = self.input.len();
            let handshake = state
                .process(&mut self.input, &mut plaintext)
                .map_err(Failure::Protocol)?;
            match handshake {
                client::Handshake::NeedsInput(next) if self.input.len() < before => state = next,
                handshake => return self.after(handshake, &plaintext),
            }
        }
    }

    fn after(&mut self, handshake: client::Handshake, plaintext: &[u8]) -> Result<Next, Failure> {
        if !plaintext.is_empty() {
            self.channel.send(plaintext, &mut self.records)?;
        }
        match handshake {
            client::Handshake::NeedsInput(state) => {
                self.progress.clone_from(state.progress());
                Ok(Next::Send(State::CredSsp(state)))
            }
            client::Handshake::NeedsKdc(state) => Ok(Next::Kdc(state)),
            client::Handshake::Complete(complete) => {
                self.progress.step = Step::Credentials;
                if !self.input.is_empty() {
                    return Err(unexpected_token().into());
                }
                Ok(Next::Send(State::Delegated(complete)))
            }
        }
    }

    /// Why the service refuses the credentials; some say it in an `errorCode`.
    fn refused_credentials(&self) -> Error {
        match TsRequest::decode(&self.input) {
            Ok(request) => match request.error_code {
                Some(status) => Error::Rejected(status),
                None => unexpected_token().into(),
            },
            Err(_) => WinRmError::CredentialsRefused.into(),
        }
    }

    fn wrap(mut self: Box<Self>, next: Result<Next, Failure>) -> Result<Handshake, HandshakeError> {
        match next {
            Ok(Next::Send(state)) => Ok(Handshake::NeedsResponse(NeedsResponse {
                authorization: Some(header::value(&self.records.split())),
                core: self,
                state,
            })),
            Ok(Next::Kdc(state)) => Ok(Handshake::NeedsKdc(NeedsKdc { core: self, state })),
            Ok(Next::Complete(credssp)) => Ok(Handshake::Complete(Complete {
                session: Session::new(self.channel),
                credssp,
                renewal: self.renewable.then_some(Renewal(self.again)),
            })),
            Err(failure) => {
                let error = failure.into_error(self.progress);
                debug!(error = %error.error, step = %error.progress.step, "the handshake failed");
                Err(error)
            }
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

/// What status 401 without a token means.
fn refusal(state: &State) -> WinRmError {
    match state {
        State::Offer | State::Tls | State::TlsFinished => WinRmError::TlsRefused,
        State::CredSsp(_) => WinRmError::LogonRefused,
        State::Delegated(_) => WinRmError::CredentialsRefused,
    }
}

fn unexpected_token() -> InvalidMessage {
    InvalidMessage::new("WWW-Authenticate", 0, InvalidMessageKind::TrailingData)
}
