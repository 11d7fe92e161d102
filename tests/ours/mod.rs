//! Our client and our server as they stand before a foreign peer.

// Each test binary compiles this module and uses its own part of it.
#![allow(dead_code, missing_docs, unreachable_pub)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use credssp::account::AccountRequest;
use credssp::environment::SystemRandom;
use credssp::error::NtStatus;
use credssp::gss::MechanismProvider;
use credssp::kdc::KdcTransport;
use credssp::mechanism::Negotiation;
use credssp::ntlm::Ntlm;
use credssp::proof::Thumbprint;
use credssp::stream::blocking::Transport;
use credssp::tls::{Acceptor, Connector, Identity, TlsVersions, Trust};
use credssp::{
    Account, AccountName, ClientConfig, Credentials, DelegationPolicy, ServerConfig,
    ServicePrincipalName, client, server, stream,
};
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{self, JoinHandle};
use tokio::{net, time};
use tokio_rustls::server::TlsStream;

use crate::peer::PyspnegoClient;

pub mod delegated;

/// How long a handshake may take: a loaded machine needs seconds to start an interpreter.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const PASSWORD: &str = "pass-canary";

/// How our client is set up, and whom it logs on.
pub struct OurClient<'a> {
    pub mechanisms: Vec<Arc<dyn MechanismProvider>>,
    pub negotiation: Negotiation,
    pub min_version: u32,
    pub tls: &'a str,
    /// The certificate that proves the server, in hex.
    pub pin: Option<String>,
    pub domain: &'a str,
    pub user: &'a str,
    pub password: &'a str,
    /// Whose service principal name is asked for.
    pub host: &'a str,
    pub kdc: Option<Arc<dyn KdcTransport>>,
}

impl Default for OurClient<'_> {
    fn default() -> Self {
        Self {
            mechanisms: ntlm(),
            negotiation: Negotiation::Spnego,
            min_version: 5,
            tls: "any",
            pin: None,
            domain: "CORP",
            user: "alice",
            password: PASSWORD,
            host: "localhost",
            kdc: None,
        }
    }
}

pub type Connected = (StreamOwned<ClientConnection, TcpStream>, client::Complete);

impl OurClient<'_> {
    pub fn connect(&self, server: SocketAddr) -> Result<Connected, stream::Error> {
        let account = AccountName::new(self.domain, self.user);
        self.connect_as(server, Credentials::password(account, self.password))
    }

    pub fn connect_as(
        &self,
        server: SocketAddr,
        credentials: Credentials,
    ) -> Result<Connected, stream::Error> {
        let io = TcpStream::connect(server).unwrap();
        let target = ServicePrincipalName::termsrv(self.host).unwrap();
        self.connector().connect(io, target, credentials)
    }

    pub fn connector(&self) -> Connector {
        let policy = DelegationPolicy::permit_everything();
        let mut config = ClientConfig::with_mechanisms(policy, self.mechanisms.clone());
        config.negotiation = self.negotiation;
        config.min_version = self.min_version;
        let mut trust = Trust::default();
        let pin = self.pin.as_deref().map(|pin| pin.parse().unwrap());
        trust.pins.extend::<Option<Thumbprint>>(pin);
        let connector = Connector::with_trust(config, trust, tls_versions(self.tls))
            .unwrap()
            .with_timeout(PATIENCE);
        match self.kdc.clone() {
            Some(kdc) => connector.with_kdc(kdc),
            None => connector,
        }
    }
}

fn ntlm() -> Vec<Arc<dyn MechanismProvider>> {
    vec![Arc::new(Ntlm::default())]
}

/// How our server is set up, and the one account that it knows.
pub struct OurServer<'a> {
    pub mechanisms: Vec<Arc<dyn MechanismProvider>>,
    pub min_version: u32,
    pub tls: &'a str,
    pub account: AccountName,
    pub password: &'static str,
    pub status: Option<NtStatus>,
}

impl Default for OurServer<'_> {
    fn default() -> Self {
        Self {
            mechanisms: ntlm(),
            min_version: 5,
            tls: "any",
            account: AccountName::new("CORP", "alice"),
            password: PASSWORD,
            status: None,
        }
    }
}

impl OurServer<'_> {
    /// Lets one client of the peer's connect.
    pub fn meet(self, options: &[&str]) -> Meeting {
        let acceptor = self.acceptor();
        let listener = runtime()
            .block_on(net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .unwrap();
        let client = client(listener.local_addr().unwrap(), options);
        let (known, password, status) = (self.account, self.password, self.status);
        let ours = runtime().spawn(async move {
            let connected = time::timeout(PATIENCE, listener.accept()).await;
            let (io, _) = connected.expect("the peer connects").unwrap();
            let lookup = |request: AccountRequest| {
                let account = (request.account == known).then(|| {
                    let account = Account::password(password);
                    match status {
                        Some(status) => account.with_status(status),
                        None => account,
                    }
                });
                async {
                    task::yield_now().await;
                    Ok(account)
                }
            };
            acceptor.accept_async(io, lookup).await
        });
        Meeting { ours, client }
    }

    pub fn acceptor(&self) -> Acceptor {
        let mut config = ServerConfig::with_mechanisms(self.mechanisms.clone());
        config.min_version = self.min_version;
        Acceptor::with_tls_versions(config, identity(), tls_versions(self.tls))
            .unwrap()
            .with_timeout(PATIENCE)
    }
}

pub type Accepted = (TlsStream<net::TcpStream>, server::Complete);

/// Our server and the peer's client, under way.
pub struct Meeting {
    pub ours: JoinHandle<Result<Accepted, stream::Error>>,
    pub client: PyspnegoClient,
}

impl Meeting {
    pub fn outcome(mut self) -> (Result<Accepted, stream::Error>, Value) {
        let ours = runtime().block_on(self.ours).unwrap();
        (ours, self.client.outcome())
    }
}

/// A connection that sends one byte at a time.
pub struct Drip(TcpStream);

impl Drip {
    pub fn connect(server: SocketAddr) -> Self {
        let io = TcpStream::connect(server).unwrap();
        io.set_nodelay(true).unwrap();
        Self(io)
    }
}

impl Read for Drip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Drip {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.write(buffer.get(..1).unwrap_or_default())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Transport for Drip {
    fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_timeout(timeout)
    }
}

/// An RSA certificate, which takes time to make: pyspnego knows no other.
pub fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY
        .get_or_init(|| Identity::self_signed_rsa("localhost", &SystemRandom::default()).unwrap())
}

/// The runtime of all of our servers in this process.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    })
}

pub fn accept_within_patience(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((io, _)) => {
                io.set_nonblocking(false).unwrap();
                return io;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                assert!(Instant::now() < deadline, "the peer connects");
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

pub fn target() -> ServicePrincipalName {
    ServicePrincipalName::termsrv("localhost").unwrap()
}

pub fn credentials() -> Credentials {
    Credentials::password(AccountName::new("CORP", "alice"), PASSWORD)
}

pub fn tls_versions(text: &str) -> TlsVersions {
    match text {
        "1.2" => TlsVersions::Tls12,
        "1.3" => TlsVersions::Tls13,
        _ => TlsVersions::All,
    }
}

/// The peer's client, which tells all that it has sent and received; the last of several options of one name counts.
pub fn client(server: SocketAddr, options: &[&str]) -> PyspnegoClient {
    let account = ["--trace", "--user", r"CORP\alice", "--password", PASSWORD];
    PyspnegoClient::connect(server, &[account.as_slice(), options].concat())
}
