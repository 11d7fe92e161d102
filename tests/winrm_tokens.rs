//! WinRM's tokens as other clients and services make them: records of TLS by hand, joined and split as they like.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod http;
mod pair;

use std::io::{Read, Write};
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::BytesMut;
use credssp::client::{self, Client};
use credssp::credentials::{TsCredentials, TsPasswordCreds};
use credssp::error::{Error, InvalidMessageKind, NtStatus, WinRmError};
use credssp::tls::{Identity, TlsVersions, server_public_key};
use credssp::ts_request::TsRequest;
use credssp::winrm::Session;
use credssp::winrm::client::{Handshake, NeedsResponse};
use credssp::winrm::server::{self, Acceptor};
use credssp::{ClientConfig, ServerConfig, ServicePrincipalName};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};
use rustls::{
    ClientConnection, Connection, DigitallySignedStruct, ServerConnection, SignatureScheme,
    SupportedProtocolVersion,
};

use http::{HOST, Service, VERSIONS, credentials, policy};
use pair::{PASSWORD, alice};

const PEM: &[u8] = include_bytes!("data/test-only-rsa2048.pem");

/// Takes any certificate; the tests are not about that.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
        ]
    }
}

fn tls_client(version: &'static SupportedProtocolVersion) -> Connection {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), HOST.try_into().unwrap())
        .unwrap()
        .into()
}

/// With two tickets where TLS is 1.3, as most services send them.
fn tls_server(version: &'static SupportedProtocolVersion) -> Connection {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![CertificateDer::from_pem_slice(PEM).unwrap()];
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(PEM).unwrap())
        .unwrap();
    ServerConnection::new(Arc::new(config)).unwrap().into()
}

/// What TLS has to say.
fn flush(tls: &mut Connection) -> Vec<u8> {
    let mut records = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut records).unwrap();
    }
    records
}

fn send(tls: &mut Connection, plaintext: &[u8]) -> Vec<u8> {
    tls.writer().write_all(plaintext).unwrap();
    flush(tls)
}

fn receive(tls: &mut Connection, records: &[u8]) -> BytesMut {
    let mut records = records;
    let mut plaintext = Vec::new();
    while !records.is_empty() {
        tls.read_tls(&mut records).unwrap();
        let state = tls.process_new_packets().unwrap();
        let start = plaintext.len();
        plaintext.resize(start + state.plaintext_bytes_to_read(), 0);
        tls.reader().read_exact(&mut plaintext[start..]).unwrap();
    }
    BytesMut::from(&plaintext[..])
}

fn value(token: &[u8]) -> String {
    format!("CredSSP {}", BASE64_STANDARD.encode(token))
}

fn token(value: &str) -> Vec<u8> {
    BASE64_STANDARD
        .decode(value.strip_prefix("CredSSP ").unwrap())
        .unwrap()
}

/// A client of the engine alone, inside TLS 1.3, which knows our service's key.
struct ByHand {
    tls: Connection,
    service: Service,
}

impl ByHand {
    /// The end of TLS's handshake is still to be sent; it comes along.
    fn start() -> (Self, Vec<u8>) {
        let mut by_hand = Self {
            tls: tls_client(&rustls::version::TLS13),
            service: Service::new(TlsVersions::Tls13),
        };
        let hello = flush(&mut by_hand.tls);
        assert!(by_hand.ask(&hello).is_empty());
        let finished = flush(&mut by_hand.tls);
        assert!(!finished.is_empty() && !by_hand.tls.is_handshaking());
        (by_hand, finished)
    }

    /// Sends a token, and gives the plaintext of the answer.
    fn ask(&mut self, records: &[u8]) -> BytesMut {
        let reply = self.service.answer(Some(value(records).as_bytes()));
        match reply.www_authenticate {
            Some(answer) => receive(&mut self.tls, &token(&answer)),
            None => BytesMut::new(),
        }
    }

    fn credssp(&self) -> (client::NeedsInput, BytesMut) {
        let key = server_public_key(&self.tls.peer_certificates().unwrap()[0]).unwrap();
        let target = ServicePrincipalName::wsman(HOST).unwrap();
        let client = Client::new(ClientConfig::new(policy()), target, credentials(), key);
        let mut out = BytesMut::new();
        match client.start(&mut out).unwrap() {
            client::Handshake::NeedsInput(state) => (state, out),
            other => panic!("{other:?}"),
        }
    }
}

/// `behind` goes along with the credentials.
fn delegate(by_hand: &mut ByHand, before: &[u8], behind: &[u8]) {
    let (mut state, mut out) = by_hand.credssp();
    let mut before = before.to_vec();
    loop {
        before.extend(send(&mut by_hand.tls, &out.split()));
        let mut input = by_hand.ask(&std::mem::take(&mut before));
        state = match state.process(&mut input, &mut out).unwrap() {
            client::Handshake::NeedsInput(state) => state,
            client::Handshake::Complete(_) => break,
            other => panic!("{other:?}"),
        };
    }
    out.extend_from_slice(behind);
    let last = send(&mut by_hand.tls, &out);
    by_hand.ask_nothing(&last);
}

#[test]
fn the_service_takes_the_end_of_tls_and_the_first_message_in_one_token_or_in_two() {
    for joined in [true, false] {
        let (mut by_hand, mut finished) = ByHand::start();
        if !joined {
            assert!(by_hand.ask(&finished).is_empty());
            finished.clear();
        }
        delegate(&mut by_hand, &finished, b"");
        assert_eq!(by_hand.service.complete().credssp.account, alice());
    }
}

#[test]
fn nothing_may_stand_behind_the_credentials() {
    let (mut by_hand, finished) = ByHand::start();
    delegate(&mut by_hand, &finished, b"<s:Envelope/>");
    let Error::InvalidMessage(error) = by_hand.service.error().error else {
        panic!("taken");
    };
    assert_eq!(error.kind, InvalidMessageKind::TrailingData);
}

/// Drops the client's connection: its alert comes where a message was due.
#[test]
fn a_client_that_says_goodbye_has_failed() {
    let (mut by_hand, mut finished) = ByHand::start();
    by_hand.tls.send_close_notify();
    finished.extend(flush(&mut by_hand.tls));
    by_hand.ask_nothing(&finished);
    assert!(matches!(by_hand.service.error().error, Error::Tls(_)));
}

impl ByHand {
    /// Sends a token whose answer is of no interest.
    fn ask_nothing(&mut self, records: &[u8]) {
        self.service.answer(Some(value(records).as_bytes()));
    }
}

/// A service by hand as far as TLS goes, what it has held back, and a client that has sent its first message.
fn client_in_tls(
    version: &'static SupportedProtocolVersion,
    tickets_at_once: bool,
) -> (Connection, Vec<u8>, NeedsResponse) {
    let tls13 = version == &rustls::version::TLS13;
    let mut tls = tls_server(version);
    let mut state = next(http::client(VERSIONS[usize::from(tls13)]).process(401, ["CredSSP"]));
    let mut held = Vec::new();
    loop {
        let records = token(state.authorization().unwrap());
        let plaintext = receive(&mut tls, &records);
        if !plaintext.is_empty() {
            assert!(TsRequest::decode(&plaintext).unwrap().nego_token.is_some());
            return (tls, held, state);
        }
        let mut answer = flush(&mut tls);
        if tls13 && !tls.is_handshaking() && !tickets_at_once {
            held = std::mem::take(&mut answer);
        }
        state = next(state.process(401, [value(&answer)]));
    }
}

fn next(handshake: Result<Handshake, credssp::error::HandshakeError>) -> NeedsResponse {
    match handshake.unwrap() {
        Handshake::NeedsResponse(state) => state,
        other => panic!("{other:?}"),
    }
}

/// The client does not join the end of TLS and its first message: not every service reads on.
#[test]
fn the_client_sends_its_first_message_in_a_token_of_its_own() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (_, _, state) = client_in_tls(version, true);
        let records = token(state.authorization().unwrap());
        assert_eq!(records[0], 23);
        assert_eq!(
            usize::from(u16::from_be_bytes([records[3], records[4]])),
            records.len() - 5
        );
    }
}

/// The first answer after the end of TLS's handshake may be empty; the tickets then come with the next one.
#[test]
fn tickets_may_come_late() {
    let (mut tls, held, state) = client_in_tls(&rustls::version::TLS13, false);
    assert!(!held.is_empty());
    let records = [held, send(&mut tls, &refusal(NtStatus::ACCOUNT_LOCKED_OUT))].concat();
    let error = state.process(401, [value(&records)]).unwrap_err();
    assert!(
        matches!(error.error, Error::Rejected(NtStatus::ACCOUNT_LOCKED_OUT)),
        "{error:?}"
    );
}

fn refusal(status: NtStatus) -> BytesMut {
    let mut reply = TsRequest::new(6);
    reply.error_code = Some(status);
    let mut out = BytesMut::new();
    reply.encode(&mut out);
    out
}

#[test]
fn the_client_reads_an_error_code_cut_into_records() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (mut tls, _, state) = client_in_tls(version, true);
        let out = refusal(NtStatus::ACCOUNT_LOCKED_OUT);
        let records: Vec<u8> = out
            .chunks(3)
            .flat_map(|piece| send(&mut tls, piece))
            .collect();
        // In two tokens, of which the first ends within a record.
        let (head, tail) = records.split_at(records.len() / 2);
        let state = next(state.process(401, [value(head)]));
        assert_eq!(state.authorization(), Some("CredSSP "));
        let error = state.process(401, [value(tail)]).unwrap_err();
        assert!(
            matches!(error.error, Error::Rejected(NtStatus::ACCOUNT_LOCKED_OUT)),
            "{error:?}"
        );
    }
}

#[test]
fn the_client_names_a_service_that_says_goodbye() {
    let (mut tls, _, state) = client_in_tls(&rustls::version::TLS12, true);
    tls.send_close_notify();
    let records = flush(&mut tls);
    let error = state.process(401, [value(&records)]).unwrap_err();
    assert!(matches!(error.error, Error::Tls(_)), "{error:?}");
}

/// As some services refuse credentials: by an `errorCode` or nothing, where a status 200 was due.
#[test]
fn the_client_hears_that_its_credentials_are_refused() {
    for status in [401, 200] {
        refuses_credentials(status);
    }
}

fn refuses_credentials(status: u16) {
    let mut service = Service::new(TlsVersions::Tls12);
    let mut state = http::client(TlsVersions::Tls12);
    loop {
        let answer = service.answer(state.authorization().map(str::as_bytes));
        if answer.status == 200 {
            break;
        }
        state = next(state.process(answer.status, answer.www_authenticate));
    }
    let mut session = service.complete().session;
    // The service's next record holds what the test wants.
    let out = refusal(NtStatus::LOGON_TYPE_NOT_GRANTED);
    let (_, sealed) = http::seal(&mut session, &out);
    let end = sealed.len() - b"--Encrypted Boundary--\r\n".len();
    let at = sealed
        .windows(4)
        .position(|window| window == [16, 0, 0, 0])
        .unwrap()
        + 4;
    let error = state
        .process(status, [value(&sealed[at..end])])
        .unwrap_err();
    assert!(
        matches!(
            error.error,
            Error::Rejected(NtStatus::LOGON_TYPE_NOT_GRANTED)
        ),
        "{error:?}"
    );
    assert!(!matches!(
        error.error,
        Error::WinRm(WinRmError::CredentialsRefused)
    ));
    assert!(!error.to_string().contains(PASSWORD));
}

/// A message may be longer than TLS buffers at a time.
#[test]
fn credentials_of_many_records_are_delegated() {
    let mut config = ServerConfig::default();
    config.max_message_len = 90_000;
    let identity = Identity::from_pem(PEM, PEM).unwrap();
    for versions in VERSIONS {
        let acceptor = Acceptor::with_tls_versions(config.clone(), &identity, versions).unwrap();
        let mut service = Service::new(versions);
        let state = acceptor.enable_credssp().start().unwrap();
        service.state = Some(Ok(server::Handshake::NeedsRequest(state)));
        let long = "x".repeat(40_000);
        let delegated = TsPasswordCreds::new("CORP", "bob", long.as_str());
        let state = http::connector(versions)
            .start(HOST, credentials().delegating(delegated.into()))
            .unwrap();
        let (client, _) = http::talk(state, &mut service, |_, reply| reply);
        assert!(client.unwrap().session.is_open());
        match service.complete().credssp.credentials {
            TsCredentials::Password(delegated) => assert_eq!(delegated.password.expose(), long),
            other => panic!("{other:?}"),
        }
    }
}

/// A client by hand that has logged on, and the service's session.
fn logged_on() -> (Connection, Session) {
    let (mut by_hand, finished) = ByHand::start();
    delegate(&mut by_hand, &finished, b"");
    (by_hand.tls, by_hand.service.complete().session)
}

const CONTENT_TYPE: &str = "multipart/encrypted;\
    protocol=\"application/HTTP-CredSSP-session-encrypted\";boundary=\"b\"";

fn body(length: usize, records: &[u8]) -> Vec<u8> {
    let head = format!(
        "--b\r\n\tContent-Type: application/HTTP-CredSSP-session-encrypted\r\n\
         \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n\
         --b\r\n\tContent-Type: application/octet-stream\r\n"
    );
    [head.as_bytes(), &[17, 0, 0, 0], records, b"--b--\r\n"].concat()
}

/// TLS 1.3 puts a change of keys wherever it wants, and asks the other end for one.
#[test]
fn keys_may_change_within_a_body() {
    for behind in [false, true] {
        let (mut tls, mut session) = logged_on();
        let mut records = Vec::new();
        for piece in [&b"pi"[..], b"ng"] {
            if !behind {
                tls.refresh_traffic_keys().unwrap();
            }
            records.extend(send(&mut tls, piece));
            if behind {
                tls.refresh_traffic_keys().unwrap();
                records.extend(flush(&mut tls));
            }
        }
        let opened = http::open(&mut session, CONTENT_TYPE, &body(4, &records)).unwrap();
        assert_eq!(&opened[..], b"ping");

        // The answer to it stands in the part, before the record.
        for text in [&b"pong"[..], b"more"] {
            let (_, sealed) = http::seal(&mut session, text);
            let end = sealed.len() - b"--Encrypted Boundary--\r\n".len();
            let at = sealed
                .windows(4)
                .position(|window| window == [17, 0, 0, 0])
                .unwrap();
            assert_eq!(&receive(&mut tls, &sealed[at + 4..end])[..], text);
        }
    }
}

/// Whoever says goodbye within a body has not finished it, though all of it is there.
#[test]
fn a_goodbye_within_a_body_closes_the_session() {
    let (mut tls, mut session) = logged_on();
    let mut records = send(&mut tls, b"ping");
    tls.send_close_notify();
    records.extend(flush(&mut tls));
    let error = http::open(&mut session, CONTENT_TYPE, &body(4, &records)).unwrap_err();
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
    assert!(!session.is_open());
}

/// Empty records bring nothing, and stand for nothing that is missing.
#[test]
fn empty_records_are_no_plaintext() {
    let (mut client, mut session) = http::sessions(TlsVersions::Tls12);
    let (_, sealed) = http::seal(&mut client, b"ping");
    let mut out = BytesMut::new();
    let empty = [23, 3, 3, 0, 0];
    assert!(
        session
            .open(CONTENT_TYPE.as_bytes(), &body(4, &empty), 9, &mut out)
            .is_err()
    );
    assert!(out.is_empty() && !session.is_open());
    assert!(http::open(&mut session, CONTENT_TYPE, &sealed).is_err());
}

/// An offer has no token: nobody has said anything yet.
#[test]
fn an_offer_with_a_token_is_none() {
    for versions in VERSIONS {
        let error = http::client(versions)
            .process(401, [value(&[23, 3, 3, 0, 0])])
            .unwrap_err();
        let Error::InvalidMessage(error) = error.error else {
            panic!("{error:?}");
        };
        assert_eq!(error.kind, InvalidMessageKind::TrailingData);
    }
}
