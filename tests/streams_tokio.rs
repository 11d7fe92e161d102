//! The asynchronous drivers: as `streams.rs`, by tokio.

#![cfg(all(feature = "ntlm", feature = "tokio"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod loopback;
mod pair;

use std::future::Future;
use std::io::{Read, Write};
use std::net::TcpStream as StdTcpStream;
use std::thread;
use std::time::{Duration, Instant};

use credssp::account::AccountRequest;
use credssp::error::{NtStatus, OtherError, Step};
use credssp::rdp::client::NegotiationConfig;
use credssp::stream::Error;
use credssp::tls::{Acceptor, Connector, Identity, Trust, server_public_key};
use credssp::{Account, Client, ClientConfig, Credentials, DelegationPolicy, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use loopback::narrow::Narrow;
use loopback::raw::{self, Appending};
use loopback::{
    VERSIONS, acceptor, connector, credentials, everything, localhost, p256, rsa, spawn,
};
use pair::{PASSWORD, Pair, Side, alice};

async fn look_up(request: AccountRequest) -> Result<Option<Account>, OtherError> {
    // As a directory would.
    tokio::task::yield_now().await;
    loopback::look_up(&request)
}

fn asynchronous(tcp: StdTcpStream) -> TcpStream {
    tcp.set_nonblocking(true).unwrap();
    TcpStream::from_std(tcp).unwrap()
}

fn sockets() -> (TcpStream, TcpStream) {
    let (client, server) = loopback::sockets();
    (asynchronous(client), asynchronous(server))
}

/// What `tokio::spawn` asks for, at compile time.
fn is_send_and_static<T: Future + Send + 'static>(future: T) -> T {
    future
}

#[tokio::test]
async fn delegates_from_spawned_tasks() {
    for identity in [p256(), rsa()] {
        for version in VERSIONS {
            let (client, server) = sockets();
            let acceptor = acceptor(&identity);
            let connector = Connector::with_trust(everything(), Trust::default(), version).unwrap();
            let server = tokio::spawn(is_send_and_static(async move {
                let (mut stream, complete) = acceptor.accept_async(server, look_up).await.unwrap();
                stream.write_all(b"pong").await.unwrap();
                stream.flush().await.unwrap();
                complete.account
            }));
            let client = tokio::spawn(is_send_and_static(async move {
                let connected = connector.connect_async(client, localhost(), credentials());
                let (mut stream, complete) = connected.await.unwrap();
                let mut buffer = [0; 4];
                stream.read_exact(&mut buffer).await.unwrap();
                assert_eq!(&buffer, b"pong");
                complete
            }));
            assert_eq!(server.await.unwrap(), alice());
            assert_eq!(client.await.unwrap().version, 6);
        }
    }
}

/// Where policy forbids the target whatever it proves, it does not even hear of TLS.
#[tokio::test]
async fn a_forbidden_target_receives_not_an_octet() {
    let connector = Connector::new(ClientConfig::new(DelegationPolicy::default())).unwrap();
    let negotiation = NegotiationConfig::default();
    for rdp in [false, true] {
        let (client, mut server) = sockets();
        let error = if rdp {
            let connected =
                connector.connect_rdp_async(client, localhost(), credentials(), &negotiation);
            connected.await.map(drop).unwrap_err()
        } else {
            let connected = connector.connect_async(client, localhost(), credentials());
            connected.await.map(drop).unwrap_err()
        };
        assert_eq!(error.kind(), "DelegationDenied");
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        assert!(received.is_empty(), "{rdp}: {received:x?}");
    }
}

/// On several threads, where tasks move between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_in_parallel_do_not_meet() {
    let acceptor = acceptor(&p256());
    let connector = connector();
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let (client, server) = sockets();
            let (acceptor, connector) = (acceptor.clone(), connector.clone());
            tokio::spawn(async move {
                let server = tokio::spawn(async move {
                    let accepted = acceptor.accept_async(server, |request| async move {
                        sleep(Duration::from_millis(20)).await;
                        let user = request.account.user();
                        Ok(Some(Account::password(format!("password of {user}"))))
                    });
                    accepted.await.map(|(_, complete)| complete.account)
                });
                let user = format!("user{number}");
                let account = credssp::AccountName::new("CORP", &user);
                let credentials = Credentials::password(account, format!("password of {user}"));
                let (stream, _) = connector
                    .connect_async(client, localhost(), credentials)
                    .await
                    .unwrap();
                assert_eq!(server.await.unwrap().unwrap().user(), user);
                drop(stream);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn what_a_client_sends_behind_its_credentials_is_the_applications() {
    let acceptor = acceptor(&p256());
    for data in [&b"x"[..], b"\x30\x82\xff\xff", &[0x30; 9000]] {
        let (tcp, client) = spawn(move |tcp| {
            let stream = raw::client(raw::client_config(rustls::ALL_VERSIONS), tcp);
            let key = server_public_key(&stream.conn.peer_certificates().unwrap()[0]).unwrap();
            let client = Client::new(everything(), localhost(), credentials(), key);
            let mut stream = Appending {
                stream,
                after: 2,
                data,
            };
            credssp::stream::blocking::authenticate(&mut stream, client).unwrap();
            stream.stream.write_all(b"second").unwrap();
            stream.stream.conn.send_close_notify();
            stream.stream.flush().unwrap();
        });
        let accepted = acceptor.accept_async(asynchronous(tcp), look_up).await;
        let (mut stream, _) = accepted.unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, [data, b"second"].concat());
        client.join().unwrap();
    }
}

/// What the two ends would say to each other over TLS with this key, where neither has other randomness than this.
fn transcript(identity: &Identity) -> (Pair, [Vec<u8>; 2]) {
    let mut pair = Pair::spnego();
    pair.target = localhost();
    pair.client_key = identity.public_key().clone();
    pair.server_key = identity.public_key().clone();
    let sent = pair.run().sent;
    let octets = [Side::Client, Side::Server].map(|side| {
        let messages = sent.iter().filter(|message| message.from == side);
        messages.flat_map(|message| message.bytes.clone()).collect()
    });
    (pair, octets)
}

#[tokio::test]
async fn takes_several_messages_and_more_from_one_record() {
    let issued = loopback::Issued::new(&["localhost"]);
    let key = rcgen::KeyPair::from_pem(&issued.key.serialize_pem()).unwrap();
    let identity = issued.self_signed();
    let (pair, [from_client, from_server]) = transcript(&identity);

    let mut config = pair.server.clone();
    config.environment = pair::environment(2);
    let acceptor = Acceptor::new(config, &identity).unwrap();
    let record = [&from_client[..], b"application"].concat();
    let (tcp, client) = spawn(move |tcp| {
        let mut stream = raw::client(raw::client_config(rustls::ALL_VERSIONS), tcp);
        stream.write_all(&record).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        // Stays open: what the server still has to say must find somebody.
        stream
    });
    let accepted = acceptor.accept_async(asynchronous(tcp), look_up).await;
    let (mut stream, complete) = accepted.unwrap();
    assert_eq!(complete.account, alice());
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"application");
    client.join().unwrap();

    let mut config = pair.client.clone();
    config.environment = pair::environment(1);
    let connector = Connector::new(config).unwrap();
    let tls = raw::server_config(rustls::ALL_VERSIONS, raw::certified_key(&identity, &key));
    let (tcp, server) = spawn(move |tcp| {
        let mut stream = raw::server(tls, tcp).unwrap();
        let record = [&from_server[..], b"application"].concat();
        stream.write_all(&record).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        let mut received = vec![0; from_client.len()];
        stream.read_exact(&mut received).unwrap();
        assert_eq!(received, from_client);
    });
    let connected = connector.connect_async(asynchronous(tcp), localhost(), credentials());
    let (mut stream, _) = connected.await.unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"application");
    server.join().unwrap();
}

#[tokio::test]
async fn one_octet_per_read_of_the_connection_is_enough() {
    let acceptor = acceptor(&p256());
    for version in VERSIONS {
        let (client, server) = sockets();
        let connector = Connector::with_trust(everything(), Trust::default(), version).unwrap();
        let (client, server) = tokio::join!(
            connector.connect_async(Narrow(client), localhost(), credentials()),
            acceptor.accept_async(Narrow(server), look_up),
        );
        client.unwrap();
        assert_eq!(server.unwrap().1.account, alice());
    }
}

const DEADLINE: Duration = Duration::from_millis(400);

/// Ended in time, and by the deadline.
#[track_caller]
fn assert_timed_out(error: &Error, step: Step, started: Instant) {
    match error {
        Error::TimedOut { timeout, progress } => {
            assert_eq!(*timeout, Some(DEADLINE));
            assert_eq!(progress.step, step);
        }
        other => panic!("{other}"),
    }
    let took = started.elapsed();
    assert!(took >= DEADLINE, "{took:?}");
    assert!(took < DEADLINE * 5, "{took:?}");
}

/// Writes an octet every 50 ms until nobody listens any more.
fn drip(mut io: impl Write) {
    while io.write_all(&[0]).and_then(|()| io.flush()).is_ok() {
        thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test]
async fn a_peer_that_drips_in_tls_hits_the_deadline() {
    let dripping = |mut tcp: StdTcpStream| {
        tcp.write_all(b"\x16\x03\x03\x40\0").unwrap();
        drip(tcp);
    };
    let (tcp, peer) = spawn(dripping);
    let started = Instant::now();
    let connector = connector().with_timeout(DEADLINE);
    let error = connector
        .connect_async(asynchronous(tcp), localhost(), credentials())
        .await
        .unwrap_err();
    assert_timed_out(&error, Step::Tls, started);
    assert_eq!(error.progress().account, Some(alice()));
    peer.join().unwrap();

    let (tcp, peer) = spawn(dripping);
    let started = Instant::now();
    let acceptor = acceptor(&p256()).with_timeout(DEADLINE);
    let error = acceptor
        .accept_async(asynchronous(tcp), look_up)
        .await
        .unwrap_err();
    assert_timed_out(&error, Step::Tls, started);
    peer.join().unwrap();
}

#[tokio::test]
async fn a_peer_that_drips_in_credssp_hits_the_deadline() {
    let issued = loopback::Issued::new(&["localhost"]);
    let key = rcgen::KeyPair::from_pem(&issued.key.serialize_pem()).unwrap();
    let identity = issued.self_signed();
    let config = raw::server_config(rustls::ALL_VERSIONS, raw::certified_key(&identity, &key));
    let (tcp, peer) = spawn(move |tcp| {
        let mut stream = raw::server(config, tcp).unwrap();
        stream.write_all(b"\x30\x82\xf0\0").unwrap();
        drip(stream);
    });
    let started = Instant::now();
    let error = connector()
        .with_timeout(DEADLINE)
        .connect_async(asynchronous(tcp), localhost(), credentials())
        .await
        .unwrap_err();
    assert_timed_out(&error, Step::Negotiation, started);
    peer.join().unwrap();

    let (tcp, peer) = spawn(move |tcp| {
        let mut stream = raw::client(raw::client_config(rustls::ALL_VERSIONS), tcp);
        stream.write_all(b"\x30\x82\xf0\0").unwrap();
        drip(stream);
    });
    let started = Instant::now();
    let acceptor = acceptor(&p256()).with_timeout(DEADLINE);
    let error = acceptor
        .accept_async(asynchronous(tcp), look_up)
        .await
        .unwrap_err();
    assert_timed_out(&error, Step::Negotiation, started);
    peer.join().unwrap();
}

#[tokio::test]
async fn a_look_up_that_takes_too_long_is_interrupted() {
    let (client, server) = sockets();
    let acceptor = acceptor(&p256()).with_timeout(DEADLINE);
    let started = Instant::now();
    let connector = connector();
    let (client, server) = tokio::join!(
        connector.connect_async(client, localhost(), credentials()),
        acceptor.accept_async(server, |_| async {
            sleep(DEADLINE * 10).await;
            Ok(None)
        }),
    );
    let error = server.unwrap_err();
    assert_timed_out(&error, Step::Negotiation, started);
    assert_eq!(error.progress().account, Some(alice()), "whom it was about");
    assert_eq!(client.unwrap_err().kind(), "Closed");
}

#[tokio::test]
async fn a_peer_that_stops_in_the_middle_is_told_from_one_that_fails() {
    for clean in [true, false] {
        let (tcp, peer) = spawn(move |tcp| {
            let mut stream = raw::client(raw::client_config(rustls::ALL_VERSIONS), tcp);
            stream.write_all(b"\x30\x82\xf0\0half a message").unwrap();
            if clean {
                stream.conn.send_close_notify();
            }
            stream.flush().unwrap();
        });
        let accepted = acceptor(&p256())
            .accept_async(asynchronous(tcp), look_up)
            .await;
        let error = accepted.unwrap_err();
        assert_eq!(error.kind(), "Closed", "{error}");
        assert_eq!(error.progress().step, Step::Negotiation);
        peer.join().unwrap();
    }
    for sent in [&b""[..], b"\x16\x03\x03"] {
        let (tcp, peer) = spawn(move |mut tcp| {
            tcp.write_all(sent).unwrap();
            tcp.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = tcp.read_to_end(&mut Vec::new());
        });
        let error = connector()
            .connect_async(asynchronous(tcp), localhost(), credentials())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), "Closed", "{error}");
        assert_eq!(error.progress().step, Step::Tls);
        peer.join().unwrap();
    }
}

#[tokio::test]
async fn a_wrong_password_reaches_the_client_as_such() {
    let (client, server) = sockets();
    let (acceptor, connector) = (acceptor(&p256()), connector());
    let wrong = Credentials::password(alice(), "wrong");
    let (client, server) = tokio::join!(
        connector.connect_async(client, localhost(), wrong),
        acceptor.accept_async(server, look_up),
    );
    let error = client.unwrap_err();
    assert_eq!(error.kind(), "Rejected");
    assert!(error.to_string().contains("password is wrong"), "{error}");
    let error = server.unwrap_err();
    assert_eq!(error.kind(), "AuthenticationFailed");
    assert_eq!(error.progress().account, Some(alice()));
}

#[tokio::test]
async fn a_failed_look_up_reaches_both_ends() {
    let (client, server) = sockets();
    let (acceptor, connector) = (acceptor(&p256()), connector());
    let (client, server) = tokio::join!(
        connector.connect_async(client, localhost(), credentials()),
        acceptor.accept_async(server, |_| async {
            Err(OtherError::new("the directory is down"))
        }),
    );
    let error = client.unwrap_err().to_string();
    assert!(error.contains("try again later"), "{error}");
    let error = server.unwrap_err().to_string();
    assert!(error.contains("the directory is down"), "{error}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_named() {
    let (tcp, peer) = spawn(|mut tcp| {
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        tcp.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = tcp.read_to_end(&mut Vec::new());
    });
    let error = connector()
        .connect_async(asynchronous(tcp), localhost(), credentials())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "Tls");
    let text = error.to_string();
    assert!(text.contains("does not speak TLS here"), "{text}");
    peer.join().unwrap();
}

/// The asynchronous ends talk to the blocking ones.
#[tokio::test]
async fn the_two_kinds_of_drivers_understand_each_other() {
    let (tcp, server) = loopback::serve(acceptor(&p256()));
    let connected = connector()
        .connect_async(asynchronous(tcp), localhost(), credentials())
        .await;
    connected.unwrap();
    assert_eq!(server.join().unwrap().unwrap().1.account, alice());

    let (tcp, client) = spawn(|tcp| {
        let credentials = Credentials::password(alice(), PASSWORD);
        connector()
            .connect(tcp, localhost(), credentials)
            .map(|(_, complete)| complete.version)
    });
    let mut config = ServerConfig::default();
    config.own_version = 5;
    let acceptor = Acceptor::new(config, &p256()).unwrap();
    acceptor
        .accept_async(asynchronous(tcp), look_up)
        .await
        .unwrap();
    assert_eq!(client.join().unwrap().unwrap(), 5);
}

#[tokio::test]
async fn a_refusal_is_told_and_tls_ends_in_due_form() {
    let (tcp, client) = spawn(move |tcp| {
        let mut stream = raw::client(raw::client_config(rustls::ALL_VERSIONS), tcp);
        raw::send_early_auth_info(&mut stream);
        // Without close_notify, this would be an unexpected end.
        let mut told = Vec::new();
        stream.read_to_end(&mut told).unwrap();
        raw::assert_told(&told, NtStatus::INVALID_PARAMETER);
    });
    let acceptor = acceptor(&p256());
    let accepted = acceptor.accept_async(asynchronous(tcp), look_up).await;
    assert!(accepted.is_err());
    client.join().unwrap();
}
