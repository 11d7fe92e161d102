//! WinRM's client and server in memory, as they stand in HTTP's headers and bodies.

// Each test uses its own part of this.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::LazyLock;

use bytes::BytesMut;
use credssp::error::HandshakeError;
use credssp::tls::{Identity, TlsVersions, Trust};
use credssp::winrm::server::Reply;
use credssp::winrm::{OriginalType, Session, client, server};
use credssp::{Account, ClientConfig, Credentials, DelegationPolicy, ServerConfig};

use crate::pair::{PASSWORD, alice};

pub const HOST: &str = "web.corp.example";

/// Which versions of TLS there are.
pub const VERSIONS: [TlsVersions; 2] = [TlsVersions::Tls12, TlsVersions::Tls13];

static RSA: LazyLock<Identity> = LazyLock::new(|| {
    let pem = include_bytes!("../data/test-only-rsa2048.pem");
    Identity::from_pem(pem, pem).unwrap()
});

pub fn policy() -> DelegationPolicy {
    DelegationPolicy::default().allow_fresh_when_ntlm_only(format!("WSMAN/{HOST}").parse().unwrap())
}

pub fn connector(versions: TlsVersions) -> client::Connector {
    client::Connector::with_tls_versions(ClientConfig::new(policy()), Trust::default(), versions)
        .unwrap()
        .enable_credssp()
}

pub fn acceptor(versions: TlsVersions) -> server::Acceptor {
    server::Acceptor::with_tls_versions(ServerConfig::default(), &RSA, versions)
        .unwrap()
        .enable_credssp()
}

pub fn credentials() -> Credentials {
    Credentials::password(alice(), PASSWORD)
}

/// The client, before its first request.
pub fn client(versions: TlsVersions) -> client::NeedsResponse {
    connector(versions).start(HOST, credentials()).unwrap()
}

/// A server that looks accounts up by itself.
pub struct Service {
    pub state: Option<Result<server::Handshake, HandshakeError>>,
    pub knows: fn(&str) -> Option<Account>,
}

impl Service {
    pub fn new(versions: TlsVersions) -> Self {
        let state = acceptor(versions).start().unwrap();
        Self {
            state: Some(Ok(server::Handshake::NeedsRequest(state))),
            knows: |user| (user == alice().user()).then(|| Account::password(PASSWORD)),
        }
    }

    pub fn answer(&mut self, authorization: Option<&[u8]>) -> Reply {
        let mut reply = Reply::default();
        let Some(Ok(server::Handshake::NeedsRequest(state))) = self.state.take() else {
            panic!("no request is due");
        };
        let mut next = state.process(authorization, &mut reply);
        if let Ok(server::Handshake::NeedsAccount(state)) = next {
            let account = (self.knows)(state.request().account.user());
            next = state.continue_with(account, &mut reply);
        }
        self.state = Some(next);
        reply
    }

    pub fn complete(self) -> server::Complete {
        match self.state {
            Some(Ok(server::Handshake::Complete(complete))) => complete,
            other => panic!("{other:?}"),
        }
    }

    pub fn error(self) -> HandshakeError {
        self.state.unwrap().unwrap_err()
    }
}

/// A request's `Authorization`, and the reply.
pub type Exchanged = (Option<String>, Reply);

/// Lets the two talk until the client is done; `tamper` says what it is answered in place of each reply.
pub fn talk(
    mut state: client::NeedsResponse,
    service: &mut Service,
    mut tamper: impl FnMut(usize, Reply) -> Reply,
) -> (Result<client::Complete, HandshakeError>, Vec<Exchanged>) {
    let mut exchanged = Vec::new();
    loop {
        let authorization = state.authorization().map(str::to_owned);
        let reply = service.answer(authorization.as_deref().map(str::as_bytes));
        exchanged.push((authorization, reply.clone()));
        let reply = tamper(exchanged.len() - 1, reply);
        state = match state.process(reply.status, reply.www_authenticate) {
            Ok(client::Handshake::NeedsResponse(state)) => state,
            Ok(client::Handshake::Complete(complete)) => return (Ok(complete), exchanged),
            Ok(other) => panic!("{other:?}"),
            Err(error) => return (Err(error), exchanged),
        };
    }
}

/// Both ends' sessions.
pub fn sessions(versions: TlsVersions) -> (Session, Session) {
    let mut service = Service::new(versions);
    let (client, _) = talk(client(versions), &mut service, |_, reply| reply);
    (client.unwrap().session, service.complete().session)
}

/// Seals a body of SOAP.
pub fn seal(session: &mut Session, body: &[u8]) -> (&'static str, BytesMut) {
    let mut sealed = BytesMut::new();
    let content_type = session
        .seal(&OriginalType::SOAP_UTF_8, body, &mut sealed)
        .unwrap();
    (content_type, sealed)
}

/// Opens a body of a mebibyte at most.
pub fn open(
    session: &mut Session,
    content_type: &str,
    body: &[u8],
) -> Result<BytesMut, credssp::Error> {
    let mut out = BytesMut::new();
    session.open(content_type.as_bytes(), body, 1 << 20, &mut out)?;
    Ok(out)
}
