//! The same by tokio.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use credssp::rdp::client;
use credssp::tls::{Connector, Trust};

use super::*;
use crate::loopback::VERSIONS;
use crate::loopback::narrow::Narrow;

pub(crate) fn asynchronous(tcp: std::net::TcpStream) -> TcpStream {
    tcp.set_nonblocking(true).unwrap();
    TcpStream::from_std(tcp).unwrap()
}

/// What `tokio::spawn` asks for, too.
async fn run(
    config: server::NegotiationConfig,
    result: EarlyUserAuthorization,
    credentials: Credentials,
    negotiation: client::NegotiationConfig<'static>,
) -> (Result<Protocol, Error>, Result<Protocol, Error>) {
    let (client, server) = sockets();
    let (client, server) = (asynchronous(client), asynchronous(server));
    let acceptor = acceptor(&p256());
    let server = tokio::spawn(async move {
        let lookup = |request| async move { look_up(&request) };
        let accepted = acceptor.accept_rdp_async(server, config, lookup, |_| result);
        let (mut stream, _, accepted) = accepted.await?;
        stream.write_all(b"pong").await.unwrap();
        stream.shutdown().await.unwrap();
        Ok(accepted.selected)
    });
    let client = tokio::spawn(async move {
        let connector = connector();
        let connected = connector.connect_rdp_async(client, localhost(), credentials, &negotiation);
        let (mut stream, _, selected) = connected.await?;
        let mut words = Vec::new();
        stream.read_to_end(&mut words).await.unwrap();
        assert_eq!(words, b"pong");
        Ok(selected.protocol)
    });
    (client.await.unwrap(), server.await.unwrap())
}

#[tokio::test]
async fn selects_the_best_protocol_of_both_ends() {
    for (supported, expected) in [(true, Protocol::HybridEx), (false, Protocol::Hybrid)] {
        let (client, server) = run(
            supporting(supported),
            EarlyUserAuthorization::Success,
            credentials(),
            offering(true),
        )
        .await;
        assert_eq!((client.unwrap(), server.unwrap()), (expected, expected));
    }
}

#[tokio::test]
async fn a_user_who_may_not_log_on_is_told_so() {
    let (client, server) = run(
        supporting(true),
        EarlyUserAuthorization::AccessDenied,
        credentials(),
        offering(true),
    )
    .await;
    for (error, step) in [protocol_error(client), protocol_error(server)] {
        assert!(
            matches!(error, CredSspError::EarlyAuthorizationDenied),
            "{error}"
        );
        assert_eq!(step, Step::EarlyAuthorization);
    }
}

#[tokio::test]
async fn a_wrong_password_reaches_the_client_as_such() {
    let (client, server) = run(
        supporting(true),
        EarlyUserAuthorization::Success,
        Credentials::password(alice(), "wrong"),
        offering(true),
    )
    .await;
    assert_eq!(protocol_error(client).0.kind(), "Rejected");
    assert_eq!(protocol_error(server).0.kind(), "AuthenticationFailed");
}

#[tokio::test]
async fn restricted_admin_is_for_servers_that_support_it() {
    let mut config = offering(true);
    config.flags = RequestFlags::RESTRICTED_ADMIN;
    for (flags, supported) in [
        (ResponseFlags::RESTRICTED_ADMIN, true),
        (ResponseFlags::default(), false),
    ] {
        let (tcp, server) = {
            let mut supported = supporting(true);
            supported.flags = flags;
            serve(supported, EarlyUserAuthorization::Success)
        };
        let connected = connector()
            .connect_rdp_async(asynchronous(tcp), localhost(), credentials(), &config)
            .await;
        assert_eq!(connected.is_ok(), supported);
        if let Ok((_, complete, _)) = server.join().unwrap() {
            let TsCredentials::Password(delegated) = &complete.credentials else {
                panic!("no password credentials");
            };
            assert_eq!(delegated.password.expose(), "");
        }
    }
}

#[tokio::test]
async fn a_negotiation_may_come_octet_by_octet() {
    let (tcp, mut server) = sockets();
    let drip = std::thread::spawn(move || {
        let failure = NegotiationFailure::SSL_CERT_NOT_ON_SERVER;
        let mut message = BytesMut::new();
        ConnectionConfirm::Failure(failure).encode(&mut message);
        for octet in message {
            std::thread::sleep(Duration::from_millis(1));
            server.write_all(&[octet]).unwrap();
        }
        rest(&mut server)
    });
    let connected = connector()
        .connect_rdp_async(
            asynchronous(tcp),
            localhost(),
            credentials(),
            &offering(true),
        )
        .await;
    let (error, step) = protocol_error(connected);
    assert_eq!(
        (error.kind(), step),
        ("ConnectionRefused", Step::SecurityProtocol)
    );
    ConnectionRequest::decode(&drip.join().unwrap()).unwrap();
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_not_waited_for_beyond_the_deadline() {
    let started = Instant::now();
    let (tcp, silent) = sockets();
    let connector = connector().with_timeout(SHORT);
    let connected = connector
        .connect_rdp_async(
            asynchronous(tcp),
            localhost(),
            credentials(),
            &offering(true),
        )
        .await;
    timed_out(started, connected);
    drop(silent);
}

/// A pipe that holds less than 6 octets is another matter: in TLS 1.3 each end then waits until the other has taken its
/// change_cipher_spec, or the flight against it.
#[tokio::test]
async fn one_octet_per_read_of_the_connection_is_enough() {
    let acceptor = acceptor(&p256());
    for hybrid_ex in [false, true] {
        for version in VERSIONS {
            let (client, server) = sockets();
            let (client, server) = (asynchronous(client), asynchronous(server));
            let connector = Connector::with_trust(everything(), Trust::default(), version).unwrap();
            let (config, negotiation) = (supporting(hybrid_ex), offering(true));
            let lookup = |request| async move { look_up(&request) };
            let authorize = |_: &_| EarlyUserAuthorization::Success;
            let (client, server) = tokio::join!(
                connector.connect_rdp_async(
                    Narrow(client),
                    localhost(),
                    credentials(),
                    &negotiation
                ),
                acceptor.accept_rdp_async(Narrow(server), config, lookup, authorize),
            );
            let (mut client, ..) = client.unwrap();
            let (mut server, complete, accepted) = server.unwrap();
            assert_eq!(accepted.selected == Protocol::HybridEx, hybrid_ex);
            assert_eq!(complete.account, alice());
            server.write_all(b"pong").await.unwrap();
            server.shutdown().await.unwrap();
            let mut words = Vec::new();
            client.read_to_end(&mut words).await.unwrap();
            assert_eq!(words, b"pong");
        }
    }
}
