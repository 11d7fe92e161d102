//! WinRM's sealed bodies, and rustls's own records for the same octets.

use std::io::{BufRead, Write};

use bytes::BytesMut;
use credssp::client::ClientConfig;
use credssp::server::ServerConfig;
use credssp::tls::{Identity, TlsVersions, Trust};
use credssp::winrm::server::Reply;
use credssp::winrm::{OriginalType, Session, client, server};
use credssp::{Account, AccountName, Credentials, DelegationPolicy};
use rustls::{ClientConnection, ServerConnection};

const PASSWORD: &str = "correct horse";
const HOST: &str = "server.example.com";
const PEM: &[u8] = include_bytes!("../rsa-2048.pem");

/// Longer than any body here.
const LIMIT: u64 = 1 << 30;

/// Two ends that have authenticated.
pub(crate) struct Sessions {
    client: Session,
    server: Session,
}

impl Sessions {
    /// Over TLS 1.3, as that of `tls` is.
    pub(crate) fn new() -> Self {
        let identity = Identity::from_pem(PEM, PEM).expect("a certificate and its key");
        let versions = TlsVersions::Tls13;
        let config = ClientConfig::new(DelegationPolicy::permit_everything());
        let connector =
            client::Connector::with_tls_versions(config, Trust::default(), versions).expect("fit");
        let acceptor =
            server::Acceptor::with_tls_versions(ServerConfig::default(), &identity, versions)
                .expect("fit");
        let credentials = Credentials::password(AccountName::new("CORP", "alice"), PASSWORD);
        let mut client = connector
            .enable_credssp()
            .start(HOST, credentials)
            .expect("a start");
        let mut server = acceptor.enable_credssp().start().expect("a start");
        loop {
            let mut reply = Reply::default();
            let authorization = client.authorization().map(str::as_bytes);
            let mut next = server
                .process(authorization, &mut reply)
                .expect("a request");
            if let server::Handshake::NeedsAccount(state) = next {
                let account = Some(Account::password(PASSWORD));
                next = state
                    .continue_with(account, &mut reply)
                    .expect("the password");
            }
            let answered = client
                .process(reply.status, reply.www_authenticate)
                .expect("a reply");
            match (answered, next) {
                (client::Handshake::NeedsResponse(one), server::Handshake::NeedsRequest(other)) => {
                    (client, server) = (one, other);
                }
                (client::Handshake::Complete(one), server::Handshake::Complete(other)) => {
                    return Self {
                        client: one.session,
                        server: other.session,
                    };
                }
                _ => panic!("both are done at once"),
            }
        }
    }

    /// Seals a body on one end; gives the type that it is sent with.
    pub(crate) fn seal(&mut self, body: &[u8], sealed: &mut BytesMut) -> &'static str {
        self.client
            .seal(&OriginalType::SOAP_UTF_8, body, sealed)
            .expect("an open session")
    }

    /// Opens it on the other.
    pub(crate) fn open(&mut self, content_type: &str, sealed: &[u8], body: &mut BytesMut) {
        self.server
            .open(content_type.as_bytes(), sealed, LIMIT, body)
            .expect("a body");
    }
}

/// rustls's own records: writes all, and takes the records.
pub(crate) fn encrypt(client: &mut ClientConnection, mut body: &[u8], records: &mut Vec<u8>) {
    while !body.is_empty() {
        let written = client.writer().write(body).expect("a buffer");
        body = &body[written..];
        while client.wants_write() {
            client.write_tls(records).expect("records");
        }
    }
}

/// Gives it all records, and reads what they hold.
pub(crate) fn decrypt(server: &mut ServerConnection, mut records: &[u8], body: &mut BytesMut) {
    while !records.is_empty() {
        server.read_tls(&mut records).expect("records");
        let state = server.process_new_packets().expect("valid records");
        let mut left = state.plaintext_bytes_to_read();
        while left > 0 {
            let mut reader = server.reader();
            let chunk = reader.fill_buf().expect("plaintext");
            let length = chunk.len();
            body.extend_from_slice(chunk);
            reader.consume(length);
            left -= length;
        }
    }
}
