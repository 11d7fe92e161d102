//! How long the blocking drivers wait for a peer that is slow, silent or gone, and what they say then.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod loopback;
mod pair;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use credssp::error::{NtStatus, Step};
use credssp::stream::Error;
use credssp::stream::blocking::{self, Transport};
use credssp::tls::{Acceptor, Connector};
use credssp::{Server, ServerConfig};

use loopback::exchange::{raw_server, rest, transcript};
use loopback::raw;
use loopback::{
    PATIENCE, acceptor, connect, connector, credentials, localhost, look_up, p256, serve, spawn,
};
use pair::{Side, alice};

#[test]
fn the_connections_timeouts_are_cleared_after_the_handshake() {
    let both = connect(&connector(), acceptor(&p256()));
    for tcp in [&both.client.0.sock, &both.server.0.sock] {
        assert_eq!(tcp.read_timeout().unwrap(), None);
        assert_eq!(tcp.write_timeout().unwrap(), None);
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
    assert!(error.to_string().contains("no end after 0.4 s"), "{error}");
    let took = started.elapsed();
    assert!(took >= DEADLINE, "{took:?}");
    assert!(took < DEADLINE * 5, "{took:?}");
}

/// KDCs are asked within the same deadline, however patient their transport is.
#[cfg(feature = "kerberos")]
#[test]
fn a_silent_kdc_hits_the_deadline() {
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::Arc;

    use credssp::error::KdcError;
    use credssp::kerberos::Kerberos;
    use credssp::stream::kdc::KdcClient;
    use credssp::{ClientConfig, DelegationPolicy};

    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = silent.local_addr().unwrap().to_string().parse().unwrap();
    let kdc = KdcClient::default().with_every_realm([address]);
    let policy = DelegationPolicy::permit_everything();
    let kerberos = Arc::new(Kerberos::default());
    let config = ClientConfig::with_mechanisms(policy, vec![kerberos]);
    let connector = Connector::new(config).unwrap().with_kdc(Arc::new(kdc));

    let (tcp, server) = spawn(|tcp| acceptor(&p256()).accept(tcp, look_up).map(drop));
    let started = Instant::now();
    let connector = connector.with_timeout(DEADLINE);
    let error = connector.connect(tcp, localhost(), credentials());
    let took = started.elapsed();
    match error.unwrap_err() {
        Error::Protocol(error) => assert!(
            matches!(error.error, credssp::Error::Kdc(KdcError::Unreachable(_))),
            "{error}"
        ),
        other => panic!("{other}"),
    }
    assert!(took >= DEADLINE / 2 && took < DEADLINE * 5, "{took:?}");
    assert!(server.join().unwrap().is_err());
}

/// Writes an octet every 50 ms until nobody listens any more.
fn drip(mut io: impl Write) {
    let started = Instant::now();
    while started.elapsed() < PATIENCE && io.write_all(&[0]).and_then(|()| io.flush()).is_ok() {
        thread::sleep(Duration::from_millis(50));
    }
}

/// A record of 16 KiB that will not come to its end.
const LONG_RECORD: &[u8] = b"\x16\x03\x03\x40\0";

#[test]
fn a_server_that_drips_in_tls_hits_the_deadline() {
    for drips in [true, false] {
        let (tcp, server) = spawn(move |mut tcp| {
            if drips {
                tcp.write_all(LONG_RECORD).unwrap();
                drip(tcp);
            } else {
                rest(&mut tcp);
            }
        });
        let started = Instant::now();
        let connector = connector().with_timeout(DEADLINE);
        let error = connector.connect(tcp, localhost(), credentials());
        assert_timed_out(&error.unwrap_err(), Step::Tls, started);
        server.join().unwrap();
    }
}

#[test]
fn a_client_that_drips_in_tls_hits_the_deadline() {
    for drips in [true, false] {
        let acceptor = acceptor(&p256()).with_timeout(DEADLINE);
        let started = Instant::now();
        let (mut tcp, server) = serve(acceptor);
        if drips {
            tcp.write_all(LONG_RECORD).unwrap();
            drip(tcp);
        }
        let error = server.join().unwrap().unwrap_err();
        assert_timed_out(&error, Step::Tls, started);
    }
}

/// As above, in records of one octet each, inside a message that says it is long.
#[test]
fn a_peer_that_drips_in_credssp_hits_the_deadline() {
    let (config, _) = raw_server();
    let (tcp, server) = spawn(move |tcp| {
        let mut stream = raw::server(config, tcp).unwrap();
        stream.write_all(b"\x30\x82\xf0\0").unwrap();
        drip(stream);
    });
    let started = Instant::now();
    let error = connector()
        .with_timeout(DEADLINE)
        .connect(tcp, localhost(), credentials())
        .unwrap_err();
    assert_timed_out(&error, Step::Negotiation, started);
    assert_eq!(error.progress().account, Some(alice()));
    server.join().unwrap();

    let started = Instant::now();
    let (tcp, server) = serve(acceptor(&p256()).with_timeout(DEADLINE));
    let mut stream = raw::client(raw::client_config(rustls::ALL_VERSIONS), tcp);
    stream.write_all(b"\x30\x82\xf0\0").unwrap();
    drip(stream);
    let error = server.join().unwrap().unwrap_err();
    assert_timed_out(&error, Step::Negotiation, started);
}

/// A peer that never reads fills the buffers of both systems.
#[test]
fn a_peer_that_does_not_read_hits_the_deadline() {
    let (mut io, mut far) = loopback::sockets();
    io.set_timeout(Some(DEADLINE)).unwrap();
    let (sender, receiver) = mpsc::channel();
    // The control of what the drivers rely on: a write that does not get on ends as a read does.
    thread::spawn(move || {
        let error = loop {
            if let Err(error) = io.write_all(&[0; 65536]) {
                break error;
            }
        };
        sender.send(error.kind()).unwrap();
    });
    let kind = receiver.recv_timeout(DEADLINE * 10).unwrap();
    assert!(matches!(
        kind,
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    ));
    far.read_exact(&mut [0]).unwrap();
}

#[test]
fn a_look_up_that_takes_too_long_hits_the_deadline() {
    let acceptor = acceptor(&p256()).with_timeout(DEADLINE);
    let started = Instant::now();
    let (tcp, server) = spawn(move |tcp| {
        acceptor.accept(tcp, |request| {
            thread::sleep(DEADLINE * 2);
            look_up(request)
        })
    });
    let client = connector().connect(tcp, localhost(), credentials());
    let error = server.join().unwrap().unwrap_err();
    // The look-up cannot be interrupted: the client has proved the account when the time is looked at.
    assert_timed_out(&error, Step::Credentials, started);
    assert_eq!(error.progress().account, Some(alice()), "whom it was about");
    assert_eq!(client.unwrap_err().kind(), "Closed");
}

/// The first `messages` messages of a genuine client, the next one cut short, and the end of the connection.
fn client_that_stops(after: usize, cut: usize, clean: bool) -> Error {
    let identity = p256();
    let (pair, sent) = transcript(&identity);
    let mut config = pair.server;
    config.environment = pair::environment(2);
    let (tcp, server) = serve(Acceptor::new(config, &identity).unwrap());
    let mut stream = raw::client(raw::client_config(rustls::ALL_VERSIONS), tcp);
    let from_client: Vec<_> = sent.iter().filter(|m| m.from == Side::Client).collect();
    for message in &from_client[..after] {
        stream.write_all(&message.bytes).unwrap();
    }
    stream.write_all(&from_client[after].bytes[..cut]).unwrap();
    if clean {
        stream.conn.send_close_notify();
    }
    stream.flush().unwrap();
    stream.sock.shutdown(Shutdown::Write).unwrap();
    server.join().unwrap().unwrap_err()
}

#[test]
fn a_client_that_stops_is_told_from_one_that_fails() {
    for (after, step, account) in [
        (0, Step::Negotiation, None),
        (1, Step::Negotiation, None),
        (2, Step::Credentials, Some(alice())),
    ] {
        for cut in [0, 1, 20] {
            for clean in [true, false] {
                let error = client_that_stops(after, cut, clean);
                assert_eq!(error.kind(), "Closed", "{error}");
                assert_eq!(error.progress().step, step);
                assert_eq!(error.progress().account, account);
                let text = error.to_string();
                assert!(text.contains(&step.to_string()), "{text}");
            }
        }
    }
}

/// Answers the client as a genuine server up to a message, of which it sends a part, and closes.
fn server_that_stops(after: usize, cut: usize, clean: bool) -> Error {
    let issued = loopback::Issued::new(&["localhost"]);
    let key = rcgen::KeyPair::from_pem(&issued.key.serialize_pem()).unwrap();
    let identity = issued.self_signed();
    let (pair, sent) = transcript(&identity);
    let config = raw::server_config(rustls::ALL_VERSIONS, raw::certified_key(&identity, &key));
    let (tcp, server) = spawn(move |tcp| {
        let mut stream = raw::server(config, tcp).unwrap();
        for (place, message) in sent.iter().enumerate() {
            if message.from == Side::Client {
                stream
                    .read_exact(&mut vec![0; message.bytes.len()])
                    .unwrap();
            } else if place / 2 == after {
                stream.write_all(&message.bytes[..cut]).unwrap();
                break;
            } else {
                stream.write_all(&message.bytes).unwrap();
            }
        }
        if clean {
            stream.conn.send_close_notify();
        }
        stream.flush().unwrap();
    });
    let mut config = pair.client;
    config.environment = pair::environment(1);
    let connector = Connector::new(config).unwrap();
    let error = connector
        .connect(tcp, localhost(), credentials())
        .unwrap_err();
    server.join().unwrap();
    error
}

#[test]
fn a_server_that_stops_is_told_from_one_that_fails() {
    for (after, step) in [(0, Step::Negotiation), (1, Step::PublicKey)] {
        for cut in [0, 1, 20] {
            for clean in [true, false] {
                let error = server_that_stops(after, cut, clean);
                assert_eq!(error.kind(), "Closed", "{error}");
                assert_eq!(error.progress().step, step);
                assert_eq!(error.progress().account, Some(alice()));
                // Where a wrong password would show, it is named.
                let named = error.to_string().contains("password is wrong");
                assert_eq!(named, step == Step::PublicKey, "{error}");
            }
        }
    }
}

#[test]
fn a_server_that_hangs_up_on_tls_may_share_no_cipher_suite() {
    let (tcp, server) = spawn(drop::<TcpStream>);
    let error = connector().connect(tcp, localhost(), credentials());
    server.join().unwrap();
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.progress().step), ("Closed", Step::Tls));
    assert!(error.to_string().contains("2012 R2"), "{error}");

    let (tcp, server) = serve(acceptor(&p256()));
    drop(tcp);
    let error = server.join().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.progress().step), ("Closed", Step::Tls));
    assert!(!error.to_string().contains("2012 R2"), "{error}");
}

#[test]
fn a_time_limit_of_the_callers_own_is_named_as_such() {
    struct Silent;

    impl Read for Silent {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    impl io::BufRead for Silent {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            Err(io::ErrorKind::WouldBlock.into())
        }

        fn consume(&mut self, _: usize) {}
    }

    impl Write for Silent {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            Ok(buffer.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let server = Server::new(ServerConfig::default(), p256().public_key().clone());
    let error = blocking::accept(&mut Silent, server, look_up).unwrap_err();
    assert!(matches!(error, Error::TimedOut { timeout: None, .. }));
    assert!(error.to_string().contains("own time limit"), "{error}");
}

#[test]
fn a_refusal_is_told_and_tls_ends_in_due_form() {
    let (tcp, server) = serve(acceptor(&p256()));
    let mut stream = raw::client(raw::client_config(rustls::ALL_VERSIONS), tcp);
    raw::send_early_auth_info(&mut stream);
    // Without close_notify, this would be an unexpected end.
    let mut told = Vec::new();
    stream.read_to_end(&mut told).unwrap();
    raw::assert_told(&told, NtStatus::INVALID_PARAMETER);
    assert!(server.join().unwrap().is_err());
}
