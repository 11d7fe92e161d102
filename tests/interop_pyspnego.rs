//! pyspnego as CredSSP's other end, both ways: our client with its server, and its client with our server.
//!
//! Our client runs over the blocking driver and our server over the asynchronous one, except where a test says so.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod ours;
mod peer;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use credssp::error::{AuthenticationFailure, NtStatus, PeerIncompatible, Step};
use credssp::mechanism::{Mechanism, Negotiation};
use credssp::proof::ServerProof;
use credssp::stream::blocking::Transport;
use credssp::{Account, AccountName, Credentials, Error, stream};
use ours::delegated::{
    assert_password, password, remote_guard, remote_guard_as_told, smart_card, smart_card_as_told,
    told,
};
use ours::{
    Drip, Meeting, OurClient, OurServer, PASSWORD, PATIENCE, accept_within_patience, client,
    credentials, runtime, target,
};
use peer::{Peer, PyspnegoServer};
use rustls::ProtocolVersion;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time;

/// A version of CredSSP with a version of TLS.
const VERSIONS: [(u32, &str); 7] = [
    (2, "1.2"),
    (3, "1.3"),
    (4, "1.2"),
    (5, "1.3"),
    (5, "1.2"),
    (6, "1.2"),
    (6, "1.3"),
];

#[test]
fn our_client_delegates_over_bare_ntlm_in_each_version() {
    delegate_in_each_version(Negotiation::Bare);
}

#[test]
fn our_client_delegates_over_spnego_in_each_version() {
    delegate_in_each_version(Negotiation::Spnego);
}

#[test]
fn our_server_takes_bare_ntlm_in_each_version() {
    accept_in_each_version(Negotiation::Bare);
}

#[test]
fn our_server_takes_spnego_in_each_version() {
    accept_in_each_version(Negotiation::Spnego);
}

fn delegate_in_each_version(negotiation: Negotiation) {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    // They take their time to start, so they start together.
    let mut servers = VERSIONS.map(|(version, tls)| {
        let version = version.to_string();
        serve(&options(
            negotiation,
            &["--tls", tls, "--version", &version],
        ))
    });
    for ((version, tls), server) in VERSIONS.into_iter().zip(&mut servers) {
        let ours = OurClient {
            negotiation,
            min_version: version.min(5),
            tls,
            pin: Some(server.certificate_sha256().to_owned()),
            ..OurClient::default()
        };
        let (stream, complete) = ours.connect(server.address()).unwrap();
        assert_eq!(complete.mechanism, Mechanism::Ntlm);
        assert_eq!(complete.version, version);
        assert_eq!(complete.proof, ServerProof::Certificate);
        assert_eq!(stream.conn.protocol_version(), Some(tls_version(tls)));

        let expected = json!({
            "ok": true,
            "account": r"CORP\alice",
            "mechanism": "ntlm",
            "framing": framing(negotiation),
            "tls": tls,
            "version": version,
            "credentials": password("CORP", "alice", PASSWORD),
        });
        assert_eq!(server.outcome(), expected);
    }
}

fn accept_in_each_version(negotiation: Negotiation) {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let meetings = VERSIONS.map(|(version, tls)| {
        let ours = OurServer {
            min_version: version.min(5),
            tls,
            ..OurServer::default()
        };
        ours.meet(&options(negotiation, &["--version", &version.to_string()]))
    });
    for ((version, tls), meeting) in VERSIONS.into_iter().zip(meetings) {
        let (ours, theirs) = meeting.outcome();
        let (stream, complete) = ours.unwrap();
        assert_eq!(complete.mechanism, Mechanism::Ntlm);
        assert_eq!(complete.version, version);
        assert_eq!(complete.account, AccountName::new("CORP", "alice"));
        assert_password(&complete.credentials, "CORP", "alice", PASSWORD);
        let negotiated = stream.get_ref().1.protocol_version();
        assert_eq!(negotiated, Some(tls_version(tls)));
        assert_eq!(
            ["ok", "version", "framing"].map(|key| theirs.get(key).cloned()),
            [json!(true), json!(version), json!(framing(negotiation))].map(Some),
            "{theirs}"
        );
    }
}

#[test]
fn our_client_refuses_versions_below_5_unless_told_otherwise() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let mut servers = [2, 4].map(|version| {
        let version_text = version.to_string();
        (version, serve(&["--version", &version_text]))
    });
    for (version, server) in &mut servers {
        let error = OurClient::default()
            .connect(server.address())
            .err()
            .unwrap();
        assert_too_old(&error, *version);
        assert_eq!(error.progress().step, Step::Negotiation);
        let theirs = server.outcome();
        assert_eq!(theirs["error"], "PeerClosed", "{theirs}");
    }
}

#[test]
fn our_server_refuses_versions_below_5_unless_told_otherwise() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let meetings = [2, 3, 4].map(|version| {
        let version_text = version.to_string();
        let meeting = OurServer::default().meet(&["--version", &version_text]);
        (version, meeting)
    });
    for (version, meeting) in meetings {
        let (ours, theirs) = meeting.outcome();
        assert_too_old(&ours.err().unwrap(), version);
        assert_told(&theirs, version, NtStatus::NOT_SUPPORTED);
    }
}

#[test]
fn our_client_hears_that_the_password_is_wrong_or_the_account_unknown() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let cases = [
        (2, "alice", Negotiation::Spnego),
        (3, "alice", Negotiation::Bare),
        (4, "alice", Negotiation::Spnego),
        (5, "alice", Negotiation::Bare),
        (6, "alice", Negotiation::Spnego),
        (5, "mallory", Negotiation::Spnego),
        (6, "mallory", Negotiation::Bare),
    ]
    .map(|(version, user, negotiation)| {
        let server = serve(&options(negotiation, &["--version", &version.to_string()]));
        (version, user, negotiation, server)
    });
    for (version, user, negotiation, mut server) in cases {
        let ours = OurClient {
            negotiation,
            min_version: version.min(5),
            user,
            password: "another",
            ..OurClient::default()
        };
        let error = ours.connect(server.address()).err().unwrap();

        // The proof of the password went out with that of the public key.
        let progress = error.progress();
        assert_eq!(progress.step, Step::PublicKey);
        assert_eq!(progress.mechanism, Some(Mechanism::Ntlm));
        assert_eq!(progress.peer_version, Some(version));
        assert_eq!(progress.account, Some(AccountName::new("CORP", user)));
        assert_eq!(progress.proof, Some(ServerProof::None));
        if matches!(version, 2 | 5) {
            assert_eq!(error.kind(), "Closed", "version {version}: {error}");
            let text = error.to_string();
            assert!(text.contains("user name or password"), "{text}");
        } else {
            assert_eq!(error.kind(), "Rejected", "version {version}: {error}");
        }
        let theirs = server.outcome();
        assert_eq!(theirs["error"], "Refused", "{theirs}");
        if !matches!(version, 2 | 5) && user == "alice" {
            let status = NtStatus::SEC_E_LOGON_DENIED;
            assert_eq!(theirs["status"], "8009030C", "{theirs}");
            assert_rejected(&error, status);
        }
    }
}

#[test]
fn our_server_does_not_tell_a_wrong_password_from_an_unknown_account() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let meetings = [2, 3, 4, 5, 6].map(|version| {
        let negotiation = if version % 2 == 0 {
            Negotiation::Spnego
        } else {
            Negotiation::Bare
        };
        let version_text = version.to_string();
        let meet = |user| {
            let ours = OurServer {
                min_version: 2,
                ..OurServer::default()
            };
            let wrong = ["--user", user, "--password", "another"];
            let version = ["--version", &version_text];
            ours.meet(&options(
                negotiation,
                &[wrong.as_slice(), &version].concat(),
            ))
        };
        (version, meet(r"CORP\alice"), meet(r"CORP\mallory"))
    });
    for (version, known, unknown) in meetings {
        let mut last_messages = Vec::new();
        for (meeting, user, expected) in [
            (known, "alice", AuthenticationFailure::WrongResponse),
            (unknown, "mallory", AuthenticationFailure::UnknownAccount),
        ] {
            let (ours, theirs) = meeting.outcome();
            let error = ours.err().unwrap();
            assert_eq!(authentication_failure(&error), expected);
            assert_eq!(error.kind(), "AuthenticationFailed");
            let progress = error.progress();
            assert_eq!(progress.step, Step::Negotiation);
            assert_eq!(progress.mechanism, Some(Mechanism::Ntlm));
            assert_eq!(progress.peer_version, Some(version));
            assert_eq!(progress.account, Some(AccountName::new("CORP", user)));

            assert_told(&theirs, version, NtStatus::LOGON_FAILURE);
            let received = theirs["received"].as_array().unwrap();
            // The challenge, and behind it the errorCode where the version has one.
            assert_eq!(received.len(), if matches!(version, 2 | 5) { 1 } else { 2 });
            last_messages.push(received.get(1).cloned());
        }
        assert_eq!(last_messages.first(), last_messages.last());
    }
}

#[test]
fn our_server_tells_the_state_of_an_account_to_its_owner_only() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let meetings = [(PASSWORD, true), ("another", false)].map(|(password, owner)| {
        let ours = OurServer {
            status: Some(NtStatus::ACCOUNT_DISABLED),
            ..OurServer::default()
        };
        (ours.meet(&["--password", password]), owner)
    });
    for (meeting, owner) in meetings {
        let (ours, theirs) = meeting.outcome();
        let (kind, status) = if owner {
            ("AccountRefused", NtStatus::ACCOUNT_DISABLED)
        } else {
            ("AuthenticationFailed", NtStatus::LOGON_FAILURE)
        };
        assert_eq!(ours.err().unwrap().kind(), kind);
        assert_told(&theirs, 6, status);
    }
}

/// Domain, user and password.
const ACCOUNTS: [(&str, &str, &str); 4] = [
    ("", "alice", PASSWORD),
    ("", "alice@corp.example", "with spaces and \\ and \""),
    ("CORP.example", "Jörg", "Grüße, 世界, Привет, 🔑"),
    ("ДОМЕН", "алиса", "пароль"),
];

#[test]
fn pyspnego_reports_the_credential_that_our_client_sent() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let mut servers = ACCOUNTS.map(|(domain, user, password)| {
        PyspnegoServer::start(&["--account", &format!(r"{domain}\{user}:{password}")])
    });
    for ((domain, user, secret), server) in ACCOUNTS.into_iter().zip(&mut servers) {
        let ours = OurClient {
            domain,
            user,
            password: secret,
            ..OurClient::default()
        };
        ours.connect(server.address()).unwrap();
        let theirs = server.outcome();
        assert_eq!(
            theirs["credentials"],
            password(domain, user, secret),
            "{theirs}"
        );
    }
}

#[test]
fn our_server_receives_the_credential_that_pyspnego_sent() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let meetings = ACCOUNTS.map(|(domain, user, password)| {
        let name = if domain.is_empty() {
            user.to_owned()
        } else {
            format!(r"{domain}\{user}")
        };
        let ours = OurServer {
            account: AccountName::new(domain, user),
            password,
            ..OurServer::default()
        };
        ours.meet(&["--user", &name, "--password", password])
    });
    for ((domain, user, password), meeting) in ACCOUNTS.into_iter().zip(meetings) {
        let (ours, theirs) = meeting.outcome();
        let (_, complete) = ours.unwrap_or_else(|error| panic!("{user}: {error}; {theirs}"));
        assert_eq!(complete.account, AccountName::new(domain, user));
        assert_password(&complete.credentials, domain, user, password);
    }
}

#[test]
fn our_client_delegates_a_smart_card_and_remote_guard_credentials() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let cases = [
        (smart_card(), smart_card_as_told()),
        (remote_guard(), remote_guard_as_told()),
    ];
    for (delegated, expected) in cases {
        let mut server = serve(&[]);
        let credentials = Credentials::password(AccountName::new("CORP", "alice"), PASSWORD)
            .delegating(delegated);
        let (_, complete) = OurClient::default()
            .connect_as(server.address(), credentials)
            .unwrap();
        assert_eq!(complete.version, 6);
        let theirs = server.outcome();
        assert_eq!(theirs["credentials"], expected, "{theirs}");
    }
}

#[test]
fn our_server_receives_a_smart_card_and_remote_guard_credentials() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    for (kind, expected) in [
        ("smart-card", smart_card_as_told()),
        ("remote-guard", remote_guard_as_told()),
    ] {
        let (ours, theirs) = OurServer::default().meet(&["--delegate", kind]).outcome();
        let (_, complete) = ours.unwrap_or_else(|error| panic!("{kind}: {error}; {theirs}"));
        assert_eq!(complete.credentials.kind(), kind);
        assert_eq!(told(&complete.credentials), expected);
        // What the peer says that it sent, so that the expectation is not ours alone.
        assert_eq!(theirs["credentials"], expected);
    }
}

/// TCP in pieces of one byte, which cuts TLS records; and TLS records of one byte, which cut TSRequests.
const PIECES: [(&str, [&str; 4]); 3] = [
    ("1.2", ["--chunk", "1", "--record", "0"]),
    ("1.3", ["--chunk", "1", "--record", "0"]),
    ("1.3", ["--chunk", "0", "--record", "1"]),
];

#[test]
fn our_client_speaks_and_hears_one_byte_at_a_time() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let mut servers = PIECES.map(|(tls, pieces)| {
        let talk = ["--tls", tls, "--say", "welcome", "--hear", "5"];
        (tls, serve(&[pieces.as_slice(), &talk].concat()))
    });
    for (tls, server) in &mut servers {
        let connector = OurClient::default().connector();
        let io = Drip::connect(server.address());
        let (mut stream, complete) = connector.connect(io, target(), credentials()).unwrap();
        assert_eq!(complete.version, 6);
        stream.sock.set_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"hello").unwrap();
        let mut heard = [0; 7];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"welcome");
        let theirs = server.outcome();
        assert_eq!(
            (&theirs["ok"], &theirs["tls"], &theirs["heard"]),
            (&json!(true), &json!(*tls), &json!("hello")),
            "{theirs}"
        );
    }
}

#[test]
fn our_server_hears_one_byte_at_a_time() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    talk_with_our_server(PIECES.map(|(tls, pieces)| (tls, pieces.to_vec())));
}

/// The peer's application data comes in one TLS record with its credential.
#[test]
fn our_server_loses_nothing_behind_the_credential() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    talk_with_our_server(["1.2", "1.3"].map(|tls| (tls, Vec::new())));
}

/// The version of TLS, and options of the peer.
fn talk_with_our_server<const N: usize>(cases: [(&str, Vec<&str>); N]) {
    let meetings = cases.map(|(tls, mut options)| {
        options.extend(["--say", "hello", "--hear", "7"]);
        let ours = OurServer {
            tls,
            ..OurServer::default()
        };
        ours.meet(&options)
    });
    for Meeting {
        ours, mut client, ..
    } in meetings
    {
        let heard = runtime().block_on(async {
            let (mut stream, _) = ours.await.unwrap().unwrap();
            let mut heard = [0; 5];
            let read = stream.read_exact(&mut heard);
            time::timeout(PATIENCE, read).await.unwrap().unwrap();
            stream.write_all(b"welcome").await.unwrap();
            stream.flush().await.unwrap();
            heard
        });
        assert_eq!(&heard, b"hello");
        let theirs = client.outcome();
        assert_eq!(theirs.get("heard"), Some(&json!("welcome")), "{theirs}");
    }
}

#[test]
fn our_client_runs_over_tokio_and_our_server_over_blocking_streams() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let mut server = serve(&[]);
    let address = server.address();
    let connection = runtime().spawn(async move {
        let io = TcpStream::connect(address).await.unwrap();
        let connector = OurClient::default().connector();
        connector.connect_async(io, target(), credentials()).await
    });
    let (_, complete) = runtime().block_on(connection).unwrap().unwrap();
    assert_eq!(complete.version, 6);
    let theirs = server.outcome();
    assert_eq!(theirs["ok"], true, "{theirs}");

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut client = client(listener.local_addr().unwrap(), &[]);
    let (_, complete) = OurServer::default()
        .acceptor()
        .accept(accept_within_patience(&listener), |request| {
            assert_eq!(request.account, AccountName::new("CORP", "alice"));
            Ok(Some(Account::password(PASSWORD)))
        })
        .unwrap();
    assert_password(&complete.credentials, "CORP", "alice", PASSWORD);
    let theirs = client.outcome();
    assert_eq!(theirs["ok"], true, "{theirs}");
}

/// The peer's server, which knows one account.
fn serve(options: &[&str]) -> PyspnegoServer {
    let account = format!(r"CORP\alice:{PASSWORD}");
    PyspnegoServer::start(&[&["--account", &account], options].concat())
}

fn options<'a>(negotiation: Negotiation, others: &[&'a str]) -> Vec<&'a str> {
    let mechanism = match negotiation {
        Negotiation::Bare => "ntlm",
        _ => "negotiate",
    };
    [&["--mech", mechanism], others].concat()
}

fn framing(negotiation: Negotiation) -> &'static str {
    match negotiation {
        Negotiation::Bare => "ntlm",
        _ => "spnego",
    }
}

fn tls_version(text: &str) -> ProtocolVersion {
    match text {
        "1.2" => ProtocolVersion::TLSv1_2,
        _ => ProtocolVersion::TLSv1_3,
    }
}

fn assert_too_old(error: &stream::Error, version: u32) {
    let stream::Error::Protocol(handshake) = error else {
        panic!("{error}");
    };
    let Error::PeerIncompatible(PeerIncompatible::VersionTooOld { peer, minimum }) =
        handshake.error
    else {
        panic!("{error}");
    };
    assert_eq!((peer, minimum), (version, 5));
}

fn assert_rejected(error: &stream::Error, expected: NtStatus) {
    match error {
        stream::Error::Protocol(handshake) => match handshake.error {
            Error::Rejected(status) => assert_eq!(status, expected),
            _ => panic!("{error}"),
        },
        _ => panic!("{error}"),
    }
}

fn authentication_failure(error: &stream::Error) -> AuthenticationFailure {
    match error {
        stream::Error::Protocol(handshake) => match handshake.error {
            Error::AuthenticationFailed { reason, .. } => reason,
            _ => panic!("{error}"),
        },
        _ => panic!("{error}"),
    }
}

/// What a client of the peer's heard, to the last byte: versions 2 and 5 have no errorCode.
fn assert_told(theirs: &Value, version: u32, status: NtStatus) {
    assert_eq!(theirs["ok"], false, "{theirs}");
    let last = theirs["received"].as_array().unwrap().last();
    let error_code = format!("300da003020106a4060204{:08x}", status.to_u32());
    if matches!(version, 2 | 5) {
        assert_eq!(theirs["error"], "PeerClosed", "{theirs}");
        assert_ne!(last, Some(&json!(error_code)), "{theirs}");
    } else {
        assert_eq!(last, Some(&json!(error_code)), "{theirs}");
    }
}
