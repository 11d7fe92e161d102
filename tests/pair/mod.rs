//! A client and a server in memory, without TLS: what they say to each other can be read, changed and cut.

// Each test uses its own part of this.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

pub mod message;
pub mod refusal;
pub mod toy;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use credssp::account::AccountRequest;
use credssp::client::{self, Client};
use credssp::environment::{Environment, GetRandomFailed, Random, TimeProvider};
use credssp::error::{Error, HandshakeError, Progress};
use credssp::gss::MechanismProvider;
use credssp::mechanism::Negotiation;
use credssp::ntlm::Ntlm;
use credssp::proof::ServerProof;
use credssp::server::{self, Server};
use credssp::ts_request::{MAX_MESSAGE_LEN, ServerPublicKey, frame_length};
use credssp::{
    Account, AccountName, ClientConfig, Credentials, DelegationPolicy, ServerConfig,
    ServicePrincipalName,
};

pub use message::Message;

pub const PASSWORD: &str = "c0rrect h\u{f6}rse";

/// A point on P-256 begins like this, and has this length.
pub fn key() -> ServerPublicKey {
    let mut key = [0x5a; 65];
    key[0] = 4;
    ServerPublicKey::from_subject_public_key(&key)
}

pub fn alice() -> AccountName {
    r"CORP\alice".parse().unwrap()
}

pub fn target() -> ServicePrincipalName {
    ServicePrincipalName::termsrv("web.corp.example").unwrap()
}

/// The same time and the same random bytes in every run.
pub fn environment(seed: u64) -> Environment {
    #[derive(Debug)]
    struct Clock;

    impl TimeProvider for Clock {
        fn since_unix_epoch(&self) -> Duration {
            Duration::from_secs(1_800_000_000)
        }
    }

    /// SplitMix64.
    #[derive(Debug)]
    struct Seeded(AtomicU64);

    impl Random for Seeded {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
            for chunk in buffer.chunks_mut(8) {
                let step = 0x9e37_79b9_7f4a_7c15;
                let mut value = self.0.fetch_add(step, Ordering::Relaxed);
                value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                value ^= value >> 31;
                chunk.copy_from_slice(&value.to_le_bytes()[..chunk.len()]);
            }
            Ok(())
        }
    }

    Environment::new(Arc::new(Clock), Arc::new(Seeded(AtomicU64::new(seed))))
}

/// What a client and a server are made of. By default they fit each other.
pub struct Pair {
    pub client: ClientConfig,
    pub server: ServerConfig,
    pub target: ServicePrincipalName,
    pub credentials: Credentials,
    pub client_key: ServerPublicKey,
    pub server_key: ServerPublicKey,
    pub proof: ServerProof,
    pub accounts: fn(&AccountRequest) -> Option<Account>,
    /// How many octets a read gives at most.
    pub read: usize,
}

impl Pair {
    /// NTLM without SPNEGO.
    pub fn bare() -> Self {
        let mut pair = Self::spnego();
        pair.client.negotiation = Negotiation::Bare;
        pair
    }

    /// NTLM in SPNEGO.
    pub fn spnego() -> Self {
        Self::with_mechanisms(vec![ntlm()], vec![ntlm()])
    }

    pub fn with_mechanisms(
        client: Vec<Arc<dyn MechanismProvider>>,
        server: Vec<Arc<dyn MechanismProvider>>,
    ) -> Self {
        let policy = DelegationPolicy::permit_everything();
        Self {
            client: ClientConfig::with_mechanisms(policy, client),
            server: ServerConfig::with_mechanisms(server),
            target: target(),
            credentials: Credentials::password(alice(), PASSWORD),
            client_key: key(),
            server_key: key(),
            proof: ServerProof::None,
            accounts: |request| (request.account == alice()).then(|| Account::password(PASSWORD)),
            read: usize::MAX,
        }
    }

    /// Lets both ends claim and accept these versions.
    pub fn versions(mut self, client: u32, server: u32, min: u32) -> Self {
        self.client.own_version = client;
        self.client.min_version = min;
        self.server.own_version = server;
        self.server.min_version = min;
        self
    }

    fn client(&self, seed: u64) -> Client {
        let mut config = self.client.clone();
        config.environment = environment(seed);
        Client::new(
            config,
            self.target.clone(),
            self.credentials.clone(),
            self.client_key.clone(),
        )
        .with_proof(self.proof)
    }

    fn server(&self) -> Server {
        let mut config = self.server.clone();
        config.environment = environment(2);
        Server::new(config, self.server_key.clone())
    }

    /// The client, after its first message.
    pub fn started_client(&self) -> Peer {
        self.started_client_with(1)
    }

    /// As [`Self::started_client()`], with other random bytes.
    pub fn started_client_with(&self, seed: u64) -> Peer {
        let mut peer = Peer::new(Side::Client);
        let started = self.client(seed).start(&mut peer.out);
        peer.state = State::client(started);
        peer
    }

    /// The server, which waits for its first message.
    pub fn started_server(&self) -> Peer {
        let mut peer = Peer::new(Side::Server);
        peer.accounts = self.accounts;
        peer.state = match self.server().start() {
            Ok(state) => State::Server(state),
            Err(error) => State::Failed(error),
        };
        peer
    }

    /// Lets the two talk until both are done, or wait for what does not come.
    pub fn run(&self) -> Outcome {
        self.run_with(|message| message.bytes)
    }

    /// As [`Self::run()`], where `tamper` says what arrives in place of each message.
    pub fn run_with(&self, tamper: impl FnMut(Message) -> Vec<u8>) -> Outcome {
        self.talk(self.started_client(), self.started_server(), tamper)
    }

    /// As [`Self::run_with()`], from where the two stand.
    pub fn talk(
        &self,
        mut client: Peer,
        mut server: Peer,
        mut tamper: impl FnMut(Message) -> Vec<u8>,
    ) -> Outcome {
        let mut sent = Vec::new();
        loop {
            let before = sent.len();
            let mut pass = |from: &mut Peer, to: &mut Peer| {
                while let Some(message) = from.next_message() {
                    sent.push(message.clone());
                    let bytes = tamper(message);
                    for chunk in bytes.chunks(self.read) {
                        to.feed(chunk);
                    }
                }
            };
            pass(&mut client, &mut server);
            pass(&mut server, &mut client);
            if sent.len() == before {
                break;
            }
        }
        Outcome {
            client,
            server,
            sent,
        }
    }
}

pub fn ntlm() -> Arc<dyn MechanismProvider> {
    Arc::new(Ntlm::default())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// What became of the two.
pub struct Outcome {
    pub client: Peer,
    pub server: Peer,
    /// Every message, as it was sent.
    pub sent: Vec<Message>,
}

impl Outcome {
    /// Both ends are content.
    #[track_caller]
    pub fn complete(self) -> (client::Complete, server::Complete) {
        match (self.client.state, self.server.state) {
            (State::ClientComplete(client), State::ServerComplete(server)) => (client, *server),
            (client, server) => panic!("client: {client:?}, server: {server:?}"),
        }
    }

    /// The server has failed.
    #[track_caller]
    pub fn server_error(&self) -> &Error {
        &self.server.error().error
    }

    /// The client has failed.
    #[track_caller]
    pub fn client_error(&self) -> &Error {
        &self.client.error().error
    }

    pub fn from(&self, side: Side) -> Vec<&Message> {
        self.sent
            .iter()
            .filter(|message| message.from == side)
            .collect()
    }
}

/// One end.
pub struct Peer {
    pub side: Side,
    pub state: State,
    pub input: BytesMut,
    pub out: BytesMut,
    pub accounts: fn(&AccountRequest) -> Option<Account>,
    /// How many messages it has sent.
    sent: usize,
}

impl Peer {
    fn new(side: Side) -> Self {
        Self {
            side,
            state: State::Broken,
            input: BytesMut::new(),
            out: BytesMut::new(),
            accounts: |_| None,
            sent: 0,
        }
    }

    /// Takes the front message of what it has to send.
    pub fn next_message(&mut self) -> Option<Message> {
        if self.out.is_empty() {
            return None;
        }
        let length = frame_length(&self.out, MAX_MESSAGE_LEN).unwrap().unwrap();
        let bytes = self.out.split_to(length).to_vec();
        let index = self.sent;
        self.sent += 1;
        Some(Message {
            from: self.side,
            index,
            bytes,
        })
    }

    /// Gives it octets, and lets it go on as far as it gets.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        loop {
            let before = self.input.len();
            self.state = match std::mem::replace(&mut self.state, State::Broken) {
                State::Client(state) => {
                    State::client(state.process(&mut self.input, &mut self.out))
                }
                State::Server(state) => {
                    State::server(state.process(&mut self.input, &mut self.out))
                }
                end => end,
            };
            while matches!(self.state, State::NeedsAccount(_)) {
                if let State::NeedsAccount(state) =
                    std::mem::replace(&mut self.state, State::Broken)
                {
                    let account = (self.accounts)(state.request());
                    self.state = State::server(state.continue_with(account, &mut self.out));
                }
            }
            if self.input.len() == before || self.input.is_empty() {
                break;
            }
        }
    }

    #[track_caller]
    pub fn error(&self) -> &HandshakeError {
        match &self.state {
            State::Failed(error) => error,
            other => panic!("{other:?}"),
        }
    }

    pub fn progress(&self) -> &Progress {
        match &self.state {
            State::Client(state) => state.progress(),
            State::Server(state) => state.progress(),
            State::NeedsAccount(state) => state.progress(),
            State::Failed(error) => &error.progress,
            other => panic!("{other:?}"),
        }
    }

    /// Whether it is done, and believes that all is well.
    pub fn is_complete(&self) -> bool {
        matches!(
            self.state,
            State::ClientComplete(_) | State::ServerComplete(_)
        )
    }

    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Client(_) | State::Server(_))
    }
}

/// Where one end stands.
#[derive(Debug)]
pub enum State {
    Client(client::NeedsInput),
    Server(server::NeedsInput),
    NeedsAccount(server::NeedsAccount),
    ClientComplete(client::Complete),
    ServerComplete(Box<server::Complete>),
    Failed(HandshakeError),
    /// While it is replaced.
    Broken,
}

impl State {
    fn client(result: Result<client::Handshake, HandshakeError>) -> Self {
        match result {
            Ok(client::Handshake::NeedsInput(state)) => Self::Client(state),
            Ok(client::Handshake::Complete(complete)) => Self::ClientComplete(complete),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Self::Failed(error),
        }
    }

    fn server(result: Result<server::Handshake, HandshakeError>) -> Self {
        match result {
            Ok(server::Handshake::NeedsInput(state)) => Self::Server(state),
            Ok(server::Handshake::NeedsAccount(state)) => Self::NeedsAccount(state),
            Ok(server::Handshake::Complete(complete)) => Self::ServerComplete(Box::new(complete)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Self::Failed(error),
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.state, f)
    }
}
