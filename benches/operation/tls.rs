//! TLS 1.3 with an RSA key of 2048 bits, both ends in memory.

use std::io::{BufRead, Write};
use std::sync::Arc;

use bytes::BytesMut;
use credssp::tls::server_public_key;
use credssp::ts_request::ServerPublicKey;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use super::handshake::Channel;

const PEM: &[u8] = include_bytes!("../rsa-2048.pem");

/// What the connections share: the certificate, which the client trusts, and no resumption.
pub(crate) struct Setup {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: ServerName<'static>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let certificate = CertificateDer::from_pem_slice(PEM).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(PEM).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = &[&rustls::version::TLS13];

        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).expect("a root");
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.resumption = Resumption::disabled();

        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate and its key");
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;

        Self {
            client: Arc::new(client),
            server: Arc::new(server),
            name: ServerName::try_from("server.example.com").expect("a name"),
        }
    }

    /// One handshake.
    pub(crate) fn connect(&self) -> Connection {
        let mut connection = Connection {
            client: ClientConnection::new(self.client.clone(), self.name.clone())
                .expect("a client"),
            server: ServerConnection::new(self.server.clone()).expect("a server"),
            records: Vec::with_capacity(4096),
        };
        while connection.client.is_handshaking() || connection.server.is_handshaking() {
            connection.flush_client();
            connection.flush_server();
        }
        connection
    }
}

/// Two ends of one connection.
pub(crate) struct Connection {
    pub(crate) client: ClientConnection,
    pub(crate) server: ServerConnection,
    records: Vec<u8>,
}

impl Connection {
    /// The key that the server has proved to hold.
    pub(crate) fn server_key(&self) -> ServerPublicKey {
        let certificates = self.client.peer_certificates().expect("a certificate");
        server_public_key(&certificates[0]).expect("a key")
    }

    fn flush_client(&mut self) {
        self.records.clear();
        while self.client.wants_write() {
            self.client.write_tls(&mut self.records).expect("records");
        }
        let mut records = &self.records[..];
        while !records.is_empty() {
            self.server.read_tls(&mut records).expect("records");
            self.server.process_new_packets().expect("valid records");
        }
    }

    fn flush_server(&mut self) {
        self.records.clear();
        while self.server.wants_write() {
            self.server.write_tls(&mut self.records).expect("records");
        }
        let mut records = &self.records[..];
        while !records.is_empty() {
            self.client.read_tls(&mut records).expect("records");
            self.client.process_new_packets().expect("valid records");
        }
    }
}

impl Channel for Connection {
    fn to_server(&mut self, message: &[u8], input: &mut BytesMut) {
        self.client.writer().write_all(message).expect("a buffer");
        self.flush_client();
        read(&mut self.server.reader(), input);
    }

    fn to_client(&mut self, message: &[u8], input: &mut BytesMut) {
        self.server.writer().write_all(message).expect("a buffer");
        self.flush_server();
        read(&mut self.client.reader(), input);
    }
}

fn read(plaintext: &mut impl BufRead, input: &mut BytesMut) {
    let chunk = plaintext.fill_buf().expect("plaintext");
    let length = chunk.len();
    input.extend_from_slice(chunk);
    plaintext.consume(length);
}
