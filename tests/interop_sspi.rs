//! The `sspi` crate as the peer, in both roles, without TLS: each message encoded and decoded as on the wire.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::io;

use bytes::BytesMut;
use credssp::client::{self, Client, ClientConfig};
use credssp::credentials::TsCredentials;
use credssp::error::{Error, HandshakeError};
use credssp::mechanism::{Mechanism, Negotiation};
use credssp::server::{self, Server, ServerConfig};
use credssp::ts_request::ServerPublicKey;
use credssp::{Account, AccountName, Credentials, DelegationPolicy, ServicePrincipalName};
use sspi::credssp::{
    ClientMode, ClientState, CredSspClient, CredSspMode, CredSspServer, CredentialsProxy,
    ServerError, ServerMode, ServerState, TsRequest,
};
use sspi::ntlm::NtlmConfig;
use sspi::{AuthIdentity, NegotiateConfig, Username};

const DOMAIN: &str = "CORP";
const USER: &str = "Álice";
const PASSWORD: &str = "pässword";

/// As long as an RSA key of 2048 bits. TLS would give it to both ends.
const KEY: [u8; 270] = [0x30; 270];

#[test]
fn their_client_delegates_to_our_server_over_bare_ntlm() {
    let complete = to_our_server(Negotiation::Bare, PASSWORD, &KEY).unwrap();
    assert_delegated(&complete);
}

#[test]
fn their_client_delegates_to_our_server_over_spnego() {
    let complete = to_our_server(Negotiation::Spnego, PASSWORD, &KEY).unwrap();
    assert_delegated(&complete);
}

#[test]
fn our_client_delegates_to_their_server_over_bare_ntlm() {
    let (complete, received) = to_their_server(Negotiation::Bare, PASSWORD, &KEY).unwrap();
    assert_eq!((complete.mechanism, complete.version), (Mechanism::Ntlm, 6));
    assert_eq!(received, their_account(PASSWORD));
}

#[test]
fn our_client_delegates_to_their_server_over_spnego() {
    let (complete, received) = to_their_server(Negotiation::Spnego, PASSWORD, &KEY).unwrap();
    assert_eq!((complete.mechanism, complete.version), (Mechanism::Ntlm, 6));
    assert_eq!(received, their_account(PASSWORD));
}

fn assert_delegated(complete: &server::Complete) {
    assert_eq!((complete.mechanism, complete.version), (Mechanism::Ntlm, 6));
    assert_eq!(complete.account, AccountName::new(DOMAIN, USER));
    let TsCredentials::Password(credentials) = &complete.credentials else {
        panic!("not a password: {complete:?}");
    };
    assert_eq!(&*credentials.domain_name, DOMAIN);
    assert_eq!(&*credentials.user_name, USER);
    assert_eq!(credentials.password.expose(), PASSWORD);
}

#[test]
fn our_server_refuses_their_client_with_a_wrong_password() {
    for negotiation in [Negotiation::Bare, Negotiation::Spnego] {
        let failure = to_our_server(negotiation, "wrong", &KEY).unwrap_err();
        let Failure::Ours(HandshakeError { error, .. }) = failure else {
            panic!("{failure:?}");
        };
        assert!(
            matches!(error, Error::AuthenticationFailed { .. }),
            "{error}"
        );
    }
}

#[test]
fn their_server_refuses_our_client_with_a_wrong_password() {
    for negotiation in [Negotiation::Bare, Negotiation::Spnego] {
        let failure = to_their_server(negotiation, "wrong", &KEY).unwrap_err();
        let Failure::Ours(HandshakeError { error, .. }) = failure else {
            panic!("{failure:?}");
        };
        assert!(matches!(error, Error::Rejected(_)), "{error}");
    }
}

#[test]
fn another_server_key_is_noticed_whoever_serves() {
    let mut other = KEY;
    other[100] ^= 1;
    for negotiation in [Negotiation::Bare, Negotiation::Spnego] {
        let failure = to_our_server(negotiation, PASSWORD, &other).unwrap_err();
        let Failure::Ours(HandshakeError { error, .. }) = failure else {
            panic!("{failure:?}");
        };
        assert!(matches!(error, Error::PublicKeyMismatch), "{error}");

        let failure = to_their_server(negotiation, PASSWORD, &other).unwrap_err();
        let Failure::Ours(HandshakeError { error, .. }) = failure else {
            panic!("{failure:?}");
        };
        assert!(matches!(error, Error::Rejected(_)), "{error}");
    }
}

/// Whose step failed.
#[derive(Debug)]
enum Failure {
    Ours(HandshakeError),
    #[allow(dead_code)] // shown where a test fails
    Theirs(sspi::Error),
}

/// Their client, which believes in `key`, and our server, which has [`KEY`].
fn to_our_server(
    negotiation: Negotiation,
    password: &str,
    key: &[u8],
) -> Result<server::Complete, Failure> {
    let mode = match negotiation {
        Negotiation::Bare => ClientMode::Ntlm(ntlm()),
        _ => ClientMode::Negotiate(negotiate()),
    };
    let mut client = CredSspClient::new(
        key.to_vec(),
        their_account(password).into(),
        CredSspMode::WithCredentials,
        mode,
        "TERMSRV/server.example.com".to_owned(),
    )
    .unwrap();
    let own_key = ServerPublicKey::from_subject_public_key(&KEY);
    let mut server = Server::new(ServerConfig::default(), own_key)
        .start()
        .map_err(Failure::Ours)?;

    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut received = TsRequest::default();
    loop {
        let (ClientState::ReplyNeeded(request) | ClientState::FinalMessage(request)) = client
            .process(received)
            .resolve_to_result()
            .map_err(Failure::Theirs)?;
        input.extend_from_slice(&encode(&request));
        let mut next = server.process(&mut input, &mut out);
        if let Ok(server::Handshake::NeedsAccount(state)) = next {
            assert_eq!(state.request().account, AccountName::new(DOMAIN, USER));
            next = state.continue_with(Some(Account::password(PASSWORD)), &mut out);
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

/// Our client, which believes in `key`, and their server, which has [`KEY`].
fn to_their_server(
    negotiation: Negotiation,
    password: &str,
    key: &[u8],
) -> Result<(client::Complete, AuthIdentity), Failure> {
    let mode = match negotiation {
        Negotiation::Bare => ServerMode::Ntlm(ntlm()),
        _ => ServerMode::Negotiate(negotiate()),
    };
    let mut server = CredSspServer::new(KEY.to_vec(), Accounts, mode).unwrap();
    let mut config = ClientConfig::new(DelegationPolicy::windows_defaults());
    config.negotiation = negotiation;
    let client = Client::new(
        config,
        ServicePrincipalName::termsrv("server.example.com").unwrap(),
        Credentials::password(AccountName::new(DOMAIN, USER), password),
        ServerPublicKey::from_subject_public_key(key),
    );

    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut client = client.start(&mut out).map_err(Failure::Ours)?;
    loop {
        let request = TsRequest::from_buffer(&out.split()).unwrap();
        let (reply, ended) = match (server.process(request).resolve_to_result(), &client) {
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

fn their_account(password: &str) -> AuthIdentity {
    AuthIdentity {
        username: Username::new(USER, Some(DOMAIN)).unwrap(),
        password: password.to_owned().into(),
    }
}

fn ntlm() -> NtlmConfig {
    NtlmConfig::new("WORKSTATION".to_owned())
}

/// Without this list of packages, their client would look for a KDC.
fn negotiate() -> NegotiateConfig {
    NegotiateConfig::new(
        Box::new(ntlm()),
        Some("ntlm".to_owned()),
        "WORKSTATION".to_owned(),
    )
}

/// What their server knows.
struct Accounts;

impl CredentialsProxy for Accounts {
    type AuthenticationData = AuthIdentity;

    fn auth_data_by_user(&mut self, username: &Username) -> io::Result<AuthIdentity> {
        let account = their_account(PASSWORD);
        if *username == account.username {
            Ok(account)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn auth_data(&mut self) -> io::Result<Vec<AuthIdentity>> {
        Ok(vec![their_account(PASSWORD)])
    }
}
