//! Whole logons by Kerberos: our client at our server over TCP and TLS, with a real KDC beside them.

// Each test binary compiles this module and uses its own part of it.
#![allow(dead_code, missing_docs, unreachable_pub)]
#![allow(clippy::panic, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use credssp::account::AccountRequest;
use credssp::credentials::TsCredentials;
use credssp::environment::{Environment, SystemRandom};
use credssp::error::{AuthenticationFailure, OtherError};
use credssp::gss::MechanismProvider;
use credssp::kdc::KdcAddress;
use credssp::kerberos::Kerberos;
use credssp::kerberos::acceptor::{ServiceCredentials, ServiceTgt};
use credssp::kerberos::initiator::{ClientName, ClientSecret, InitiatorOptions};
use credssp::kerberos::keytab::Keytab;
use credssp::mechanism::Mechanism;
use credssp::ntlm::Ntlm;
use credssp::proof::ServerProof;
use credssp::stream::files::read_keytab;
use credssp::stream::kdc::{KdcClient, log_on};
use credssp::tls::{Acceptor, Connector, Identity, TlsVersions, Trust};
use credssp::{
    Account, AccountName, Client, ClientConfig, Credentials, DelegationPolicy, Error, ServerConfig,
    client, server, stream,
};
use tokio::runtime;

use crate::loopback::{PATIENCE, p256, sockets, spawn};
use crate::peer::Wrong;

pub const PASSWORD: &str = "pass-canary";

/// A client and a server, about to meet.
pub struct Logon {
    pub initiator: InitiatorOptions,
    /// Whether both ends have NTLM besides.
    pub ntlm: bool,
    pub policy: DelegationPolicy,
    pub trust: Trust,
    pub kdc: Arc<KdcClient>,
    pub target: String,
    pub account: String,
    pub password: String,
    /// In place of the account and the password.
    pub credentials: Option<Credentials>,
    /// By how many seconds the client's clock is wrong, and the server's.
    pub clocks: (i64, i64),
    /// The server's; without them it has no Kerberos.
    pub acceptor: Option<Arc<ServiceCredentials>>,
    pub identity: Identity,
    pub tls: TlsVersions,
}

impl Logon {
    /// Kerberos alone, and a server with a certificate that nobody vouches for: only Kerberos can prove it.
    pub fn new(kdc: SocketAddr, keytab: &Path, account: &str, target: &str) -> Self {
        let address: KdcAddress = kdc.to_string().parse().unwrap();
        let credentials = ServiceCredentials::new(read_keytab(keytab).unwrap());
        Self {
            initiator: InitiatorOptions::default(),
            ntlm: false,
            policy: DelegationPolicy::default().allow_fresh("*".parse().unwrap()),
            trust: Trust::default(),
            kdc: Arc::new(KdcClient::default().with_every_realm([address])),
            target: target.to_owned(),
            account: account.to_owned(),
            password: PASSWORD.to_owned(),
            credentials: None,
            clocks: (0, 0),
            acceptor: Some(Arc::new(credentials)),
            identity: p256(),
            tls: TlsVersions::All,
        }
    }

    /// Besides, with NTLM at both ends, and a policy that may let it.
    pub fn with_ntlm(mut self, permitted: bool) -> Self {
        self.ntlm = true;
        if permitted {
            self.policy = DelegationPolicy::permit_everything();
        }
        self
    }

    fn config(&self) -> ClientConfig {
        let mut kerberos = Kerberos::default();
        kerberos.initiator = self.initiator.clone();
        let mechanisms = self.mechanisms(Some(kerberos));
        let mut config = ClientConfig::with_mechanisms(self.policy.clone(), mechanisms);
        config.environment = environment(self.clocks.0);
        config
    }

    /// The client without its driver.
    pub fn client(&self) -> Client {
        let key = self.identity.public_key().clone();
        let target = self.target.parse().unwrap();
        Client::new(self.config(), target, self.credentials(), key)
    }

    fn connector(&self) -> Connector {
        Connector::with_trust(self.config(), self.trust.clone(), self.tls)
            .unwrap()
            .with_timeout(PATIENCE)
            .with_kdc(self.kdc.clone())
            .with_async_kdc(self.kdc.clone())
    }

    /// All that it accepts share one replay cache.
    pub fn acceptor(&self) -> Acceptor {
        let kerberos = self.acceptor.clone().map(|credentials| {
            let mut kerberos = Kerberos::default();
            kerberos.acceptor = Some(credentials);
            kerberos
        });
        let mut config = ServerConfig::with_mechanisms(self.mechanisms(kerberos));
        config.environment = environment(self.clocks.1);
        Acceptor::with_tls_versions(config, &self.identity, self.tls)
            .unwrap()
            .with_timeout(PATIENCE)
    }

    fn mechanisms(&self, kerberos: Option<Kerberos>) -> Vec<Arc<dyn MechanismProvider>> {
        let mut mechanisms: Vec<Arc<dyn MechanismProvider>> = Vec::new();
        if let Some(kerberos) = kerberos {
            mechanisms.push(Arc::new(kerberos));
        }
        if self.ntlm {
            mechanisms.push(Arc::new(Ntlm::default()));
        }
        mechanisms
    }

    fn credentials(&self) -> Credentials {
        self.credentials.clone().unwrap_or_else(|| {
            Credentials::password(self.account.parse().unwrap(), self.password.as_str())
        })
    }

    /// By the blocking drivers.
    pub fn run(&self) -> Outcome {
        let acceptor = self.acceptor();
        let (io, server) = spawn(move |io| {
            let accepted = acceptor.accept(io, look_up);
            accepted.map(|(_, complete)| complete)
        });
        let target = self.target.parse().unwrap();
        let connected = self.connector().connect(io, target, self.credentials());
        Outcome {
            client: connected.map(|(_, complete)| complete),
            server: server.join().unwrap(),
        }
    }

    /// By the asynchronous drivers.
    pub fn run_async(&self) -> Outcome {
        let (near, far) = sockets();
        let (connector, acceptor) = (self.connector(), self.acceptor());
        let target = self.target.parse().unwrap();
        let mut runtime = runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(async {
            let [near, far] = [near, far].map(|io| {
                io.set_nonblocking(true).unwrap();
                tokio::net::TcpStream::from_std(io).unwrap()
            });
            let (client, server) = tokio::join!(
                async {
                    let connecting = connector.connect_async(near, target, self.credentials());
                    connecting.await.map(|(_, complete)| complete)
                },
                async {
                    let look_up = |request: AccountRequest| async move { look_up(&request) };
                    let accepted = acceptor.accept_async(far, look_up).await;
                    accepted.map(|(_, complete)| complete)
                }
            );
            Outcome { client, server }
        })
    }

    /// Gives the server a ticket-granting ticket of its own, for user-to-user.
    pub fn serve_user_to_user(&mut self, server: ClientName, secret: ClientSecret) {
        let ticket = log_on(
            &*self.kdc,
            server,
            secret,
            &self.initiator,
            &Environment::default(),
        )
        .unwrap();
        let tgt = Arc::new(ServiceTgt::new());
        tgt.set(ticket);
        // No key but that ticket's.
        let keytab = Keytab::parse(&[5, 2]).unwrap();
        let credentials = ServiceCredentials::new(keytab).service_tgt_of(tgt);
        self.acceptor = Some(Arc::new(credentials));
    }
}

/// What both ends came to.
#[derive(Debug)]
pub struct Outcome {
    pub client: Result<client::Complete, stream::Error>,
    pub server: Result<server::Complete, stream::Error>,
}

impl Outcome {
    /// Kerberos has proved both ends, and the server has what was delegated.
    #[track_caller]
    pub fn assert_kerberos(self, domain: &str, user: &str) -> server::Complete {
        let (client, server) = self.both();
        assert_eq!(client.mechanism, Mechanism::Kerberos);
        assert_eq!(client.proof, ServerProof::Kerberos);
        assert!(client.fallback.is_none());
        assert_eq!(server.mechanism, Mechanism::Kerberos);
        assert_eq!(server.account, AccountName::new(domain, user));
        server
    }

    /// NTLM has taken Kerberos' place; why.
    #[track_caller]
    pub fn assert_fallback(self) -> Error {
        let (client, server) = self.both();
        assert_eq!(client.mechanism, Mechanism::Ntlm);
        assert_eq!(server.mechanism, Mechanism::Ntlm);
        client.fallback.unwrap()
    }

    #[track_caller]
    pub fn both(self) -> (client::Complete, server::Complete) {
        match (self.client, self.server) {
            (Ok(client), Ok(server)) => (client, server),
            (client, server) => panic!("client: {client:?}\nserver: {server:?}"),
        }
    }

    #[track_caller]
    pub fn client_error(&self) -> Error {
        protocol(self.client.as_ref().err().unwrap())
    }

    #[track_caller]
    pub fn server_error(&self) -> Error {
        protocol(self.server.as_ref().err().unwrap())
    }
}

/// Why a server has refused a client.
#[track_caller]
pub fn refusal<T>(outcome: &Result<T, stream::Error>) -> AuthenticationFailure {
    match protocol(outcome.as_ref().err().unwrap()) {
        Error::AuthenticationFailed { reason, .. } => reason,
        error => panic!("{error}"),
    }
}

#[track_caller]
fn protocol(error: &stream::Error) -> Error {
    match error {
        stream::Error::Protocol(handshake) => handshake.error.clone(),
        _ => panic!("{error}"),
    }
}

/// Domain, user and password.
#[track_caller]
pub fn assert_delegated(server: &server::Complete, expected: [&str; 3]) {
    let TsCredentials::Password(creds) = &server.credentials else {
        panic!("{}", server.credentials.kind());
    };
    let (domain, user) = (&*creds.domain_name, &*creds.user_name);
    assert_eq!([domain, user, creds.password.expose()], expected);
}

pub fn environment(wrong: i64) -> Environment {
    Environment::new(Arc::new(Wrong(wrong)), Arc::new(SystemRandom::default()))
}

/// For NTLM, which knows `alice` only.
fn look_up(request: &AccountRequest) -> Result<Option<Account>, OtherError> {
    Ok((request.account.user() == "alice").then(|| Account::password(PASSWORD)))
}
