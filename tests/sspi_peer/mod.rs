//! The `sspi` crate's CredSSP at one end, ours at the other, without TLS: each message encoded and decoded as on the wire.

// Each test uses its own part of this.
#![allow(dead_code, missing_docs, unreachable_pub)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use credssp::client::{self, Client};
use credssp::error::HandshakeError;
use credssp::kdc::{KdcReply, KdcRequest, KdcTransport};
use credssp::server::{self, Server, ServerConfig};
use credssp::ts_request::ServerPublicKey;
use credssp::{Account, AccountName};
use sspi::credssp::{
    ClientMode, ClientState, CredSspClient, CredSspMode, CredSspServer, CredentialsProxy,
    ServerError, ServerMode, ServerState, TsRequest,
};
use sspi::network_client::{NetworkClient, NetworkProtocol};
use sspi::{AuthIdentity, NetworkRequest, Username};

/// As long as an RSA key of 2048 bits. TLS would give it to both ends.
pub const KEY: [u8; 270] = [0x30; 270];

/// For NTLM: there is no KDC.
#[derive(Debug)]
pub struct NoKdc;

impl KdcTransport for NoKdc {
    fn ask(&self, request: &KdcRequest, _: Option<Duration>) -> KdcReply {
        panic!("{request:?}");
    }
}

/// The only realm of these tests.
pub const REALM: &str = "AD.EXAMPLE";

/// Whose step failed.
#[derive(Debug)]
pub enum Failure {
    Ours(HandshakeError),
    Theirs(#[allow(dead_code)] sspi::Error), // shown where a test fails
}

/// An account as they have it.
pub fn their_account(domain: &str, user: &str, password: &str) -> AuthIdentity {
    AuthIdentity {
        username: Username::new(user, Some(domain)).unwrap(),
        password: password.to_owned().into(),
    }
}

/// Their client, which believes in `key`.
pub fn their_client(
    mode: ClientMode,
    account: AuthIdentity,
    target: &str,
    key: &[u8],
) -> CredSspClient {
    CredSspClient::new(
        key.to_vec(),
        account.into(),
        CredSspMode::WithCredentials,
        mode,
        target.to_owned(),
    )
    .unwrap()
}

/// Their client, and our server, which has [`KEY`] and knows one account.
pub fn to_our_server(
    mut client: CredSspClient,
    server: ServerConfig,
    known: &AccountName,
    password: &str,
    kdc: &dyn KdcTransport,
) -> Result<server::Complete, Failure> {
    let own_key = ServerPublicKey::from_subject_public_key(&KEY);
    let mut server = Server::new(server, own_key)
        .start()
        .map_err(Failure::Ours)?;

    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut received = TsRequest::default();
    loop {
        let (ClientState::ReplyNeeded(request) | ClientState::FinalMessage(request)) = client
            .process(received)
            .resolve_with_client(&Kdc(kdc))
            .map_err(Failure::Theirs)?;
        input.extend_from_slice(&encode(&request));
        let mut next = server.process(&mut input, &mut out);
        if let Ok(server::Handshake::NeedsAccount(state)) = next {
            assert_eq!(state.request().account, *known);
            next = state.continue_with(Some(Account::password(password)), &mut out);
        }
        assert!(input.is_empty());
        server = match next.map_err(Failure::Ours)? {
            server::Handshake::NeedsInput(state) => state,
            server::Handshake::Complete(complete) => return Ok(complete),
            state => panic!("{state:?}"),
        };
        received = TsRequest::from_buffer(&out.split()).unwrap();
    }
}

/// Our client, and their server, which has [`KEY`] and knows one account.
pub fn to_their_server(
    client: Client,
    mode: ServerMode,
    known: AuthIdentity,
    kdc: &dyn KdcTransport,
) -> Result<(client::Complete, AuthIdentity), Failure> {
    let mut server = CredSspServer::new(KEY.to_vec(), Known(known), mode).unwrap();
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut client = client.start(&mut out).map_err(Failure::Ours)?;
    loop {
        while let client::Handshake::NeedsKdc(state) = client {
            let reply = kdc.ask(state.request(), None);
            client = state
                .continue_with(reply, &mut out)
                .map_err(Failure::Ours)?;
        }
        let request = TsRequest::from_buffer(&out.split()).unwrap();
        let answer = server.process(request).resolve_with_client(&Kdc(kdc));
        let (reply, ended) = match (answer, &client) {
            (Ok(ServerState::ReplyNeeded(reply)), _) => (reply, None),
            (Ok(ServerState::Finished(received)), client::Handshake::Complete(complete)) => {
                return Ok((complete.clone(), received));
            }
            (Ok(ServerState::Finished(_)), state) => panic!("{state:?}"),
            (Err(ServerError { ts_request, error }), _) => {
                (*ts_request.unwrap(), Some(Failure::Theirs(error)))
            }
        };
        input.extend_from_slice(&encode(&reply));
        client = match client {
            client::Handshake::NeedsInput(state) => {
                state.process(&mut input, &mut out).map_err(Failure::Ours)?
            }
            state => panic!("{state:?}"),
        };
        assert!(input.is_empty());
        if let Some(failure) = ended {
            return Err(failure);
        }
    }
}

fn encode(request: &TsRequest) -> Vec<u8> {
    let mut message = Vec::new();
    request.encode_ts_request(&mut message).unwrap();
    message
}

/// Carries their messages to a KDC, over TCP as they believe.
struct Kdc<'a>(&'a dyn KdcTransport);

impl NetworkClient for Kdc<'_> {
    fn send(&self, request: &NetworkRequest) -> sspi::Result<Vec<u8>> {
        assert_eq!(request.protocol, NetworkProtocol::Tcp);
        let message = request.data.get(4..).unwrap().to_vec();
        let reply = self.0.ask(&KdcRequest::new(REALM, message), None).unwrap();
        let length = u32::try_from(reply.len()).unwrap().to_be_bytes();
        Ok([&length[..], &reply].concat())
    }
}

/// What their server knows.
struct Known(AuthIdentity);

impl CredentialsProxy for Known {
    type AuthenticationData = AuthIdentity;

    fn auth_data_by_user(&mut self, username: &Username) -> io::Result<AuthIdentity> {
        if *username == self.0.username {
            Ok(self.0.clone())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn auth_data(&mut self) -> io::Result<Vec<AuthIdentity>> {
        Ok(vec![self.0.clone()])
    }
}
