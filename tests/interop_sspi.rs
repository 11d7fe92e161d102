//! The `sspi` crate as the peer, in both roles, by NTLM.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod sspi_peer;

use credssp::client::{self, Client, ClientConfig};
use credssp::credentials::TsCredentials;
use credssp::error::{Error, HandshakeError};
use credssp::mechanism::{Mechanism, Negotiation};
use credssp::server::{self, ServerConfig};
use credssp::ts_request::ServerPublicKey;
use credssp::{AccountName, Credentials, DelegationPolicy, ServicePrincipalName};
use sspi::credssp::{ClientMode, ServerMode};
use sspi::ntlm::NtlmConfig;
use sspi::{AuthIdentity, NegotiateConfig};
use sspi_peer::{Failure, KEY, NoKdc};

const DOMAIN: &str = "CORP";
const USER: &str = "Álice";
const PASSWORD: &str = "pässword";

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
    let target = "TERMSRV/server.example.com";
    let client = sspi_peer::their_client(mode, their_account(password), target, key);
    let known = AccountName::new(DOMAIN, USER);
    sspi_peer::to_our_server(client, ServerConfig::default(), &known, PASSWORD, &NoKdc)
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
    let mut config = ClientConfig::new(DelegationPolicy::windows_defaults());
    config.negotiation = negotiation;
    let client = Client::new(
        config,
        ServicePrincipalName::termsrv("server.example.com").unwrap(),
        Credentials::password(AccountName::new(DOMAIN, USER), password),
        ServerPublicKey::from_subject_public_key(key),
    );
    sspi_peer::to_their_server(client, mode, their_account(PASSWORD), &NoKdc)
}

fn their_account(password: &str) -> AuthIdentity {
    sspi_peer::their_account(DOMAIN, USER, password)
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
