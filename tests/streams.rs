//! The blocking drivers: what they read and leave, how long they wait, and what they say at the end.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod loopback;
mod pair;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use credssp::error::{NtStatus, OtherError, Step};
use credssp::stream::Error;
use credssp::stream::blocking::{self, Transport};
use credssp::tls::{Acceptor, Connector, Trust, server_public_key};
use credssp::ts_request::ServerPublicKey;
use credssp::{Account, Client, Credentials, Server, ServerConfig};

use loopback::exchange::{raw_server, rest, transcript};
use loopback::raw::{self, Appending};
use loopback::{
    VERSIONS, acceptor, connector, credentials, everything, localhost, look_up, p256, serve, spawn,
};
use pair::message::Fields;
use pair::{Side, alice};

/// The peer's key, as it was seen in TLS.
fn key_of(stream: &loopback::ClientStream) -> ServerPublicKey {
    server_public_key(&stream.conn.peer_certificates().unwrap()[0]).unwrap()
}

#[test]
fn what_a_client_sends_behind_its_credentials_is_the_applications() {
    let acceptor = acceptor(&p256());
    for data in [&b"x"[..], b"\x30\x82\xff\xff", &[0x30; 9000]] {
        let (tcp, server) = serve(acceptor.clone());
        let stream = raw::client(raw::client_config(rustls::ALL_VERSIONS), tcp);
        let client = Client::new(everything(), localhost(), credentials(), key_of(&stream));
        // NEGOTIATE and AUTHENTICATE go before the credentials.
        let mut stream = Appending {
            stream,
            after: 2,
            data,
        };
        blocking::authenticate(&mut stream, client).unwrap();
        stream.stream.write_all(b"second").unwrap();
        stream.stream.conn.send_close_notify();
        stream.stream.flush().unwrap();
        let (mut server, _) = server.join().unwrap().unwrap();
        assert_eq!(rest(&mut server), [data, b"second"].concat());
    }
}

#[test]
fn what_a_server_sends_behind_its_proof_is_the_applications() {
    for data in [&b"x"[..], b"\x30\x82\xff\xff", &[0x30; 9000]] {
        let (config, own_key) = raw_server();
        let (tcp, server) = spawn(move |tcp| {
            let stream = raw::server(config, tcp).unwrap();
            let mut stream = Appending {
                stream,
                after: 1,
                data,
            };
            let server = Server::new(ServerConfig::default(), own_key);
            blocking::accept(&mut stream, server, look_up).unwrap();
            stream.stream.write_all(b"second").unwrap();
            stream.stream.conn.send_close_notify();
            stream.stream.flush().unwrap();
            stream
        });
        let (mut client, _) = connector()
            .connect(tcp, localhost(), credentials())
            .unwrap();
        assert_eq!(rest(&mut client), [data, b"second"].concat());
        server.join().unwrap();
    }
}

/// A client that knows what the server will say, and does not wait for it.
#[test]
fn a_server_takes_several_messages_from_one_record() {
    let identity = p256();
    let (pair, sent) = transcript(&identity);
    let mut config = pair.server;
    config.environment = pair::environment(2);
    let acceptor = Acceptor::new(config, &identity).unwrap();
    let (tcp, server) = serve(acceptor);
    let mut stream = raw::client(raw::client_config(rustls::ALL_VERSIONS), tcp);
    let from_client = sent.iter().filter(|message| message.from == Side::Client);
    let mut record: Vec<u8> = from_client.flat_map(|m| m.bytes.clone()).collect();
    record.extend_from_slice(b"application");
    stream.write_all(&record).unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    let (mut server, complete) = server.join().unwrap().unwrap();
    assert_eq!(complete.account, alice());
    assert_eq!(rest(&mut server), b"application");
}

#[test]
fn a_client_takes_several_messages_from_one_record() {
    let issued = loopback::Issued::new(&["localhost"]);
    let key = rcgen::KeyPair::from_pem(&issued.key.serialize_pem()).unwrap();
    let identity = issued.self_signed();
    let (pair, sent) = transcript(&identity);
    let config = raw::server_config(rustls::ALL_VERSIONS, raw::certified_key(&identity, &key));
    let (tcp, server) = spawn(move |tcp| {
        let mut stream = raw::server(config, tcp).unwrap();
        let from_server = sent.iter().filter(|message| message.from == Side::Server);
        let mut record: Vec<u8> = from_server.flat_map(|m| m.bytes.clone()).collect();
        record.extend_from_slice(b"application");
        stream.write_all(&record).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        // What the client says is what it was expected to.
        let from_client = sent.iter().filter(|message| message.from == Side::Client);
        let expected: Vec<u8> = from_client.flat_map(|m| m.bytes.clone()).collect();
        let mut received = vec![0; expected.len()];
        stream.read_exact(&mut received).unwrap();
        assert_eq!(received, expected);
    });
    let mut config = pair.client;
    config.environment = pair::environment(1);
    let connector = Connector::new(config).unwrap();
    let (mut client, _) = connector.connect(tcp, localhost(), credentials()).unwrap();
    assert_eq!(rest(&mut client), b"application");
    server.join().unwrap();
}

/// Reads and writes one octet at a time.
struct Narrow(TcpStream);

impl Read for Narrow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

impl Write for Narrow {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.write(&buffer[..buffer.len().min(1)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Transport for Narrow {
    fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_timeout(timeout)
    }
}

#[test]
fn one_octet_per_read_of_the_connection_is_enough() {
    let identity = p256();
    for version in VERSIONS {
        let acceptor = acceptor(&identity);
        let (tcp, server) = spawn(move |tcp| {
            let (mut stream, complete) = acceptor.accept(Narrow(tcp), look_up).unwrap();
            stream.write_all(b"pong").unwrap();
            (stream, complete)
        });
        let connector = Connector::with_trust(everything(), Trust::default(), version).unwrap();
        let (mut client, _) = connector
            .connect(Narrow(tcp), localhost(), credentials())
            .unwrap();
        let mut buffer = [0; 4];
        client.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"pong");
        assert_eq!(server.join().unwrap().1.account, alice());
    }
}

/// Is interrupted by a signal before each read and write.
struct Interrupted<IO> {
    io: IO,
    next: bool,
}

impl<IO> Interrupted<IO> {
    fn new(io: IO) -> Self {
        Self { io, next: false }
    }

    fn interrupt(&mut self) -> io::Result<()> {
        self.next = !self.next;
        if self.next {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(())
    }
}

impl<IO: Read> Read for Interrupted<IO> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt()?;
        self.io.read(buffer)
    }
}

impl<IO: io::BufRead> io::BufRead for Interrupted<IO> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.interrupt()?;
        self.io.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.io.consume(amount);
    }
}

impl<IO: Write> Write for Interrupted<IO> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.interrupt()?;
        self.io.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.io.flush()
    }
}

impl<IO: Transport> Transport for Interrupted<IO> {
    fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_timeout(timeout)
    }
}

#[test]
fn a_signal_does_not_end_a_handshake() {
    let identity = p256();
    let (acceptor, key) = (acceptor(&identity), identity.public_key().clone());
    let (tcp, server) = spawn(move |tcp| {
        let (_, complete) = acceptor.accept(Interrupted::new(tcp), look_up).unwrap();
        complete
    });
    let client = connector().connect(Interrupted::new(tcp), localhost(), credentials());
    client.unwrap();
    assert_eq!(server.join().unwrap().account, alice());

    let (pair, sent) = transcript(&identity);
    let from_server = sent.iter().filter(|message| message.from == Side::Server);
    let input: Vec<u8> = from_server.flat_map(|m| m.bytes.clone()).collect();
    let mut config = pair.client;
    config.environment = pair::environment(1);
    let mut stream = Interrupted::new(Scripted {
        input: io::Cursor::new(input),
        writes: 3,
    });
    let client = Client::new(config, localhost(), credentials(), key);
    blocking::authenticate(&mut stream, client).unwrap();
}

#[test]
fn a_wrong_password_reaches_the_client_as_such() {
    let (tcp, server) = serve(acceptor(&p256()));
    let wrong = Credentials::password(alice(), "wrong");
    let error = connector().connect(tcp, localhost(), wrong).unwrap_err();
    assert_eq!(error.kind(), "Rejected");
    let text = error.to_string();
    assert!(text.contains("user name or password is wrong"), "{text}");
    let error = server.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), "AuthenticationFailed");
    assert_eq!(error.progress().account, Some(alice()));
}

/// Version 5 has no error code.
#[test]
fn a_wrong_password_with_version_5_is_a_guess() {
    let mut config = ServerConfig::default();
    config.own_version = 5;
    let (tcp, server) = serve(Acceptor::new(config, &p256()).unwrap());
    let wrong = Credentials::password(alice(), "wrong");
    let error = connector().connect(tcp, localhost(), wrong).unwrap_err();
    assert_eq!(error.kind(), "Closed");
    assert!(error.to_string().contains("password is wrong"), "{error}");
    assert!(server.join().unwrap().is_err());
}

#[test]
fn a_failed_look_up_reaches_both_ends() {
    let acceptor = acceptor(&p256());
    let (tcp, server) = spawn(move |tcp| {
        acceptor
            .accept(tcp, |_| Err(OtherError::new("the directory is down")))
            .map(drop)
    });
    let error = connector()
        .connect(tcp, localhost(), credentials())
        .unwrap_err();
    assert!(error.to_string().contains("try again later"), "{error}");
    let error = server.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), "Other");
    assert!(
        error.to_string().contains("the directory is down"),
        "{error}"
    );
}

#[test]
fn an_account_status_reaches_the_client() {
    let acceptor = acceptor(&p256());
    let (tcp, server) = spawn(move |tcp| {
        let account = || Account::password(pair::PASSWORD).with_status(NtStatus::ACCOUNT_EXPIRED);
        acceptor.accept(tcp, |_| Ok(Some(account()))).map(drop)
    });
    let error = connector()
        .connect(tcp, localhost(), credentials())
        .unwrap_err();
    assert!(error.to_string().contains("ACCOUNT_EXPIRED"), "{error}");
    assert_eq!(server.join().unwrap().unwrap_err().kind(), "AccountRefused");
}

/// A server of which the client learns in the middle that it is not who it was bound to.
#[test]
fn a_relayed_proof_of_the_key_delivers_nothing() {
    let (config, _) = raw_server();
    let another = p256().public_key().clone();
    let (tcp, server) = spawn(move |tcp| {
        let mut stream = raw::server(config, tcp).unwrap();
        let server = Server::new(ServerConfig::default(), another);
        let error = blocking::accept(&mut stream, server, look_up).unwrap_err();
        error.kind()
    });
    let error = connector()
        .connect(tcp, localhost(), credentials())
        .unwrap_err();
    assert_eq!(error.kind(), "Rejected");
    assert_eq!(server.join().unwrap(), "PublicKeyMismatch");
}

#[test]
fn many_connections_in_parallel_do_not_meet() {
    let identity = p256();
    let acceptor = Arc::new(acceptor(&identity));
    let connector = connector();
    let ends: Vec<_> = (0..24)
        .map(|number| {
            let acceptor = acceptor.clone();
            let (tcp, server) = spawn(move |tcp| {
                let (mut stream, complete) = acceptor
                    .accept(tcp, |request| {
                        let user = request.account.user();
                        Ok(Some(Account::password(format!("password of {user}"))))
                    })
                    .unwrap();
                stream
                    .write_all(complete.account.user().as_bytes())
                    .unwrap();
                stream.conn.send_close_notify();
                stream.flush().unwrap();
                complete.account
            });
            let connector = connector.clone();
            let client = thread::spawn(move || {
                let user = format!("user{number}");
                let account = credssp::AccountName::new("CORP", &user);
                let credentials = Credentials::password(account, format!("password of {user}"));
                let (mut stream, _) = connector.connect(tcp, localhost(), credentials).unwrap();
                assert_eq!(rest(&mut stream), user.as_bytes());
            });
            (number, client, server)
        })
        .collect();
    for (number, client, server) in ends {
        client.join().unwrap();
        let account = server.join().unwrap();
        assert_eq!(account.user(), format!("user{number}"));
    }
}

/// One TSRequest is one write, and so one TLS record: some servers want it whole.
#[test]
fn each_message_is_one_write() {
    struct Counting {
        stream: loopback::ClientStream,
        writes: Vec<Vec<u8>>,
    }

    impl Write for Counting {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            self.writes.push(buffer.to_vec());
            self.stream.write(buffer)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.stream.flush()
        }
    }

    impl Read for Counting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.stream.read(buffer)
        }
    }

    impl io::BufRead for Counting {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            self.stream.fill_buf()
        }

        fn consume(&mut self, amount: usize) {
            self.stream.consume(amount);
        }
    }

    let (tcp, server) = serve(acceptor(&p256()));
    let stream = raw::client(raw::client_config(rustls::ALL_VERSIONS), tcp);
    let client = Client::new(everything(), localhost(), credentials(), key_of(&stream));
    let mut stream = Counting {
        stream,
        writes: Vec::new(),
    };
    blocking::authenticate(&mut stream, client).unwrap();
    server.join().unwrap().unwrap();
    let shapes: Vec<_> = stream
        .writes
        .iter()
        .map(|bytes| Fields::decode(bytes).shape())
        .collect();
    assert_eq!(shapes, ["t", "tkn", "i"]);
}

/// A stream whose peer has said all it will say, and which breaks at one of our writes.
struct Scripted {
    input: io::Cursor<Vec<u8>>,
    writes: usize,
}

impl Read for Scripted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer)
    }
}

impl io::BufRead for Scripted {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.input.consume(amount);
    }
}

impl Write for Scripted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.writes = self
            .writes
            .checked_sub(1)
            .ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_write_that_fails_is_told_with_its_step() {
    let identity = p256();
    let (pair, sent) = transcript(&identity);
    let scripted = |side, writes| {
        let from_peer = sent.iter().filter(|message| message.from != side);
        let input: Vec<u8> = from_peer.flat_map(|m| m.bytes.clone()).collect();
        Scripted {
            input: io::Cursor::new(input),
            writes,
        }
    };
    for (writes, step) in [Step::Negotiation, Step::PublicKey, Step::Credentials]
        .into_iter()
        .enumerate()
    {
        let mut config = pair.client.clone();
        config.environment = pair::environment(1);
        let key = identity.public_key().clone();
        let client = Client::new(config, localhost(), credentials(), key);
        let error = blocking::authenticate(&mut scripted(Side::Client, writes), client);
        let error = error.unwrap_err();
        assert_eq!(error.kind(), "Closed");
        assert_eq!(error.progress().step, step, "write {writes}");
        assert_eq!(error.progress().account, Some(alice()));
    }
    for (writes, step, account) in [
        (0, Step::Negotiation, None),
        (1, Step::Credentials, Some(alice())),
    ] {
        let mut config = pair.server.clone();
        config.environment = pair::environment(2);
        let server = Server::new(config, identity.public_key().clone());
        let error = blocking::accept(&mut scripted(Side::Server, writes), server, look_up);
        let error = error.unwrap_err();
        assert_eq!(error.kind(), "Closed");
        assert_eq!(error.progress().step, step, "write {writes}");
        assert_eq!(error.progress().account, account);
    }
}

/// The errors of the transport keep their kind.
#[test]
fn errors_of_the_transport_are_not_the_protocols() {
    #[derive(Debug)]
    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "no entry"))
        }
    }

    impl Write for Broken {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            Ok(buffer.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let error = connector()
        .connect(blocking::Untimed(Broken), localhost(), credentials())
        .unwrap_err();
    match &error {
        Error::Io { source, progress } => {
            assert_eq!(source.kind(), io::ErrorKind::PermissionDenied);
            assert_eq!(progress.step, Step::Tls);
        }
        other => panic!("{other}"),
    }
    assert!(error.to_string().contains("no entry"), "{error}");
}

#[test]
fn small_writes_go_out_at_once() {
    let (tcp, server) = serve(acceptor(&p256()));
    tcp.set_nodelay(false).unwrap();
    let (client, _) = connector()
        .connect(tcp, localhost(), credentials())
        .unwrap();
    assert!(client.sock.nodelay().unwrap());
    server.join().unwrap().unwrap();
}
