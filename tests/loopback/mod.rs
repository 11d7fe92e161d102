//! Both ends over real TCP on loopback, with certificates made for it.

// Each test uses its own part of this.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

pub mod exchange;
#[cfg(feature = "tokio")]
pub mod narrow;
pub mod raw;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::LazyLock;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use credssp::account::AccountRequest;
use credssp::error::OtherError;
use credssp::stream::Error;
use credssp::tls::{Acceptor, Connector, Identity, TlsVersions, Trust};
use credssp::{
    Account, ClientConfig, Credentials, DelegationPolicy, ServerConfig, ServicePrincipalName,
    client, server,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConnection, ServerConnection, StreamOwned};

use crate::pair::{PASSWORD, alice};

pub type ClientStream = StreamOwned<ClientConnection, TcpStream>;
pub type ServerStream = StreamOwned<ServerConnection, TcpStream>;

/// An RSA key of 2048 bits, which takes long to make.
const RSA: &[u8] = include_bytes!("../data/test-only-rsa2048.pem");

pub const VERSIONS: [TlsVersions; 2] = [TlsVersions::Tls12, TlsVersions::Tls13];

/// More than any test needs that does not wait for its end.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn rsa() -> Identity {
    Identity::from_pem(RSA, RSA).unwrap()
}

/// A certificate on P-256 that nobody vouches for.
pub fn p256() -> Identity {
    Issued::new(&["localhost"]).self_signed()
}

/// A certificate authority, the same one in a whole test program.
pub static AUTHORITY: LazyLock<(CertificateDer<'static>, CertificateParams, KeyPair)> =
    LazyLock::new(|| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        (certificate.der().clone(), params, key)
    });

/// A certificate to be.
pub struct Issued {
    pub params: CertificateParams,
    pub key: KeyPair,
}

impl Issued {
    pub fn new(names: &[&str]) -> Self {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            params: CertificateParams::new(names).unwrap(),
            key: KeyPair::generate().unwrap(),
        }
    }

    pub fn valid(mut self, from: i32, to: i32) -> Self {
        self.params.not_before = date_time_ymd(from, 1, 1);
        self.params.not_after = date_time_ymd(to, 1, 1);
        self
    }

    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.serialize_der().into())
    }

    pub fn self_signed(self) -> Identity {
        let certificate = self.params.self_signed(&self.key).unwrap();
        Identity::new(vec![certificate.der().clone()], self.private_key()).unwrap()
    }

    pub fn by_authority(self) -> Identity {
        let (_, params, key) = &*AUTHORITY;
        let issuer = Issuer::from_params(params, key);
        let certificate = self.params.signed_by(&self.key, &issuer).unwrap();
        Identity::new(vec![certificate.der().clone()], self.private_key()).unwrap()
    }
}

pub fn trusting_authority() -> Trust {
    let mut trust = Trust::default();
    trust.roots.push(AUTHORITY.0.clone());
    trust
}

pub fn localhost() -> ServicePrincipalName {
    ServicePrincipalName::termsrv("localhost").unwrap()
}

pub fn credentials() -> Credentials {
    Credentials::password(alice(), PASSWORD)
}

pub fn everything() -> ClientConfig {
    ClientConfig::new(DelegationPolicy::permit_everything())
}

/// A client that permits everything and trusts nobody.
pub fn connector() -> Connector {
    Connector::new(everything()).unwrap().with_timeout(PATIENCE)
}

pub fn acceptor(identity: &Identity) -> Acceptor {
    Acceptor::new(ServerConfig::default(), identity)
        .unwrap()
        .with_timeout(PATIENCE)
}

pub fn look_up(request: &AccountRequest) -> Result<Option<Account>, OtherError> {
    Ok((request.account == alice()).then(|| Account::password(PASSWORD)))
}

/// Two connected sockets.
pub fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    // Nothing may hang for ever, whatever a test finds.
    for socket in [&client, &server] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // The end of the TLS handshake and CredSSP's first message are two writes: Nagle's algorithm would hold the second
        // back until the first is acknowledged.
        socket.set_nodelay(true).unwrap();
    }
    (client, server)
}

/// Runs one end in a thread of its own.
pub fn spawn<T: Send + 'static>(
    end: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (TcpStream, JoinHandle<T>) {
    let (near, far) = sockets();
    (near, thread::spawn(move || end(far)))
}

/// Accepts in a thread.
#[expect(clippy::type_complexity, reason = "what the library returns")]
pub fn serve(
    acceptor: Acceptor,
) -> (
    TcpStream,
    JoinHandle<Result<(ServerStream, server::Complete), Error>>,
) {
    spawn(move |tcp| acceptor.accept(tcp, look_up))
}

/// Both ends, done.
pub struct Connected {
    pub client: (ClientStream, client::Complete),
    pub server: (ServerStream, server::Complete),
}

#[track_caller]
pub fn connect(connector: &Connector, acceptor: Acceptor) -> Connected {
    let (tcp, server) = serve(acceptor);
    let client = connector.connect(tcp, localhost(), credentials());
    let server = server.join().unwrap();
    match (client, server) {
        (Ok(client), Ok(server)) => Connected { client, server },
        (client, server) => panic!(
            "client: {:?}, server: {:?}",
            client.err().map(|error| error.to_string()),
            server.err().map(|error| error.to_string())
        ),
    }
}

pub fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().unwrap()
}

pub fn certificate(pem: &[u8]) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem).unwrap()
}
