//! The drivers for Remote Desktop: the negotiation before TLS, and the user's authorization behind CredSSP.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[cfg(feature = "tokio")]
#[path = "rdp_streams/asynchronous.rs"]
mod asynchronous;
#[path = "rdp_streams/bad_input.rs"]
mod bad_input;
mod loopback;
mod pair;
mod remote_desktop;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use credssp::credentials::TsCredentials;
use credssp::error::{Error as CredSspError, NegotiationFailure, PeerIncompatible, Step};
use credssp::policy::RestrictedDelegation;
use credssp::rdp::{
    ConnectionConfirm, ConnectionRequest, EarlyUserAuthorization, NegotiationRequest, Protocol,
    Protocols, RequestFlags, ResponseFlags, server,
};
use credssp::stream::Error;
use credssp::stream::blocking::{self, Transport};
use credssp::{Client, Credentials, Server, ServerConfig, tls};

use loopback::exchange::{raw_server, rest};
use loopback::{
    PATIENCE, ServerStream, acceptor, connector, credentials, everything, localhost, look_up, p256,
    raw, sockets, spawn,
};
use pair::{PASSWORD, alice};
use remote_desktop::{offering, protocol_error, supporting};

type Accepted = Result<(ServerStream, credssp::server::Complete, server::Accepted), Error>;

/// Accepts in a thread, and says `result` of the user.
fn serve(
    config: server::NegotiationConfig,
    result: EarlyUserAuthorization,
) -> (TcpStream, JoinHandle<Accepted>) {
    let acceptor = acceptor(&p256());
    spawn(move |tcp| acceptor.accept_rdp(tcp, config, look_up, |_| result))
}

#[test]
fn selects_the_best_protocol_of_both_ends() {
    for (offered, supported, expected) in [
        (true, true, Protocol::HybridEx),
        (true, false, Protocol::Hybrid),
        (false, true, Protocol::Hybrid),
        (false, false, Protocol::Hybrid),
    ] {
        let (tcp, server) = serve(supporting(supported), EarlyUserAuthorization::Success);
        let (mut stream, _, selected) = connector()
            .connect_rdp(tcp, localhost(), credentials(), &offering(offered))
            .unwrap();
        stream.write_all(b"\x03\0").unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        let (mut server, complete, accepted) = server.join().unwrap().unwrap();
        assert_eq!((selected.protocol, accepted.selected), (expected, expected));
        assert_eq!(accepted.requested, selected.requested);
        assert_eq!(complete.account, alice());
        // Nothing of the session is lost.
        assert_eq!(rest(&mut server), b"\x03\0");
    }
}

#[test]
fn a_user_who_may_not_log_on_is_told_so() {
    let (tcp, server) = serve(supporting(true), EarlyUserAuthorization::AccessDenied);
    let client = connector().connect_rdp(tcp, localhost(), credentials(), &offering(true));
    for (error, step) in [
        protocol_error(client),
        protocol_error(server.join().unwrap()),
    ] {
        assert!(
            matches!(error, CredSspError::EarlyAuthorizationDenied),
            "{error}"
        );
        assert_eq!(step, Step::EarlyAuthorization);
    }
}

/// PROTOCOL_HYBRID has no message for it.
#[test]
fn a_user_who_may_not_log_on_is_cut_off_where_it_cannot_be_told() {
    let (tcp, server) = serve(supporting(false), EarlyUserAuthorization::AccessDenied);
    let (mut stream, ..) = connector()
        .connect_rdp(tcp, localhost(), credentials(), &offering(true))
        .unwrap();
    let server = server.join().unwrap();
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0);
    let (error, _) = protocol_error(server);
    assert!(
        matches!(error, CredSspError::EarlyAuthorizationDenied),
        "{error}"
    );
}

#[test]
fn a_wrong_password_reaches_the_client_as_such() {
    for hybrid_ex in [false, true] {
        let (tcp, server) = serve(supporting(hybrid_ex), EarlyUserAuthorization::Success);
        let wrong = Credentials::password(alice(), "wrong");
        let client = connector().connect_rdp(tcp, localhost(), wrong, &offering(true));
        let (error, step) = protocol_error(client);
        assert_eq!((error.kind(), step), ("Rejected", Step::PublicKey));
        let (error, _) = protocol_error(server.join().unwrap());
        assert_eq!(error.kind(), "AuthenticationFailed");
    }
}

/// The answer of a server, and then nothing but its reading what comes.
fn answering(confirm: ConnectionConfirm) -> (TcpStream, JoinHandle<Vec<u8>>) {
    spawn(move |mut tcp| {
        let mut message = BytesMut::new();
        confirm.encode(&mut message);
        tcp.write_all(&message).unwrap();
        rest(&mut tcp)
    })
}

#[test]
fn a_server_without_credssp_is_no_server_for_us() {
    let (tcp, server) = answering(ConnectionConfirm::Failure(
        NegotiationFailure::SSL_REQUIRED_BY_SERVER,
    ));
    let client = connector().connect_rdp(tcp, localhost(), credentials(), &offering(true));
    let (error, step) = protocol_error(client);
    assert!(
        matches!(
            error,
            CredSspError::ConnectionRefused(NegotiationFailure::SSL_REQUIRED_BY_SERVER)
        ),
        "{error}"
    );
    assert_eq!(step, Step::SecurityProtocol);
    let sent = server.join().unwrap();
    let request = ConnectionRequest::decode(&sent).unwrap();
    assert!(request.negotiation.is_some());
}

/// It learns nothing but the request, for all that it would be given is the password.
#[test]
fn a_server_without_restricted_admin_gets_nothing() {
    let (tcp, server) = answering(ConnectionConfirm::Response {
        flags: ResponseFlags::EXTENDED_CLIENT_DATA,
        selected: Protocol::HybridEx,
    });
    let mut config = offering(true);
    config.flags = RequestFlags::RESTRICTED_ADMIN;
    let client = connector().connect_rdp(tcp, localhost(), credentials(), &config);
    let (error, step) = protocol_error(client);
    assert!(
        matches!(
            error,
            CredSspError::PeerIncompatible(PeerIncompatible::NoRestrictedAdmin)
        ),
        "{error}"
    );
    assert_eq!(step, Step::SecurityProtocol);
    ConnectionRequest::decode(&server.join().unwrap()).unwrap();
}

#[test]
fn restricted_admin_delegates_no_credentials() {
    let mut supported = supporting(true);
    supported.flags = ResponseFlags::RESTRICTED_ADMIN;
    for (flags, restricted_admin) in [
        (RequestFlags::RESTRICTED_ADMIN, true),
        (RequestFlags::default(), false),
    ] {
        let (tcp, server) = serve(supported, EarlyUserAuthorization::Success);
        let mut config = offering(true);
        config.flags = flags;
        connector()
            .connect_rdp(tcp, localhost(), credentials(), &config)
            .unwrap();
        let (_, complete, accepted) = server.join().unwrap().unwrap();
        assert_eq!(accepted.restricted_admin, restricted_admin);
        let TsCredentials::Password(delegated) = &complete.credentials else {
            panic!("no password credentials");
        };
        let delegated = [
            &*delegated.domain_name,
            &delegated.user_name,
            delegated.password.expose(),
        ];
        let account = alice();
        let expected = if restricted_admin {
            ["", "", ""]
        } else {
            [account.domain(), account.user(), PASSWORD]
        };
        assert_eq!(delegated, expected);
    }
}

/// Whatever the server supports.
#[test]
fn remote_credential_guard_gives_no_password_away() {
    let (tcp, mut server) = sockets();
    let mut config = offering(true);
    config.flags = RequestFlags::REDIRECTED_AUTHENTICATION;
    let client = connector().connect_rdp(tcp, localhost(), credentials(), &config);
    assert_eq!(protocol_error(client).0.kind(), "ApiMisuse");
    assert_eq!(rest(&mut server), b"");
}

/// Before a byte of Remote Desktop's own negotiation, too.
#[test]
fn a_restriction_is_met_by_restricted_admin_and_by_nothing_else() {
    let restriction = RestrictedDelegation::RequireRestrictedAdmin;
    let mut client = everything();
    client.policy.set_restriction(restriction);
    let connector = tls::Connector::new(client).unwrap();

    let (tcp, mut server) = sockets();
    let result = connector.connect_rdp(tcp, localhost(), credentials(), &offering(true));
    let (error, _) = protocol_error(result);
    assert!(error.to_string().contains("RequestFlags::RESTRICTED_ADMIN"));
    assert_eq!(rest(&mut server), b"");

    let mut supported = supporting(true);
    supported.flags = ResponseFlags::RESTRICTED_ADMIN;
    let (tcp, server) = serve(supported, EarlyUserAuthorization::Success);
    let mut config = offering(true);
    config.flags = RequestFlags::RESTRICTED_ADMIN;
    connector
        .connect_rdp(tcp, localhost(), credentials(), &config)
        .unwrap();
    let (_, complete, _) = server.join().unwrap().unwrap();
    let TsCredentials::Password(delegated) = &complete.credentials else {
        panic!("no password credentials");
    };
    assert_eq!(delegated.password.expose(), "");
}

#[test]
fn a_client_without_credssp_is_told_that_it_is_needed() {
    let (mut tcp, server) = serve(supporting(true), EarlyUserAuthorization::Success);
    let mut request = ConnectionRequest::default();
    request.negotiation = Some(NegotiationRequest::new(Protocols::SSL));
    let mut message = BytesMut::new();
    request.encode(&mut message).unwrap();
    tcp.write_all(&message).unwrap();
    let (error, step) = protocol_error(server.join().unwrap());
    assert!(
        matches!(
            error,
            CredSspError::PeerIncompatible(PeerIncompatible::NoCredSsp)
        ),
        "{error}"
    );
    assert_eq!(step, Step::SecurityProtocol);
    assert_eq!(
        ConnectionConfirm::decode(&rest(&mut tcp)).unwrap(),
        ConnectionConfirm::Failure(NegotiationFailure::HYBRID_REQUIRED_BY_SERVER)
    );
}

/// TLS at once, or anything else.
#[test]
fn what_is_no_negotiation_is_refused_without_an_answer() {
    for words in [&b"\x16\x03\x01\x02\0"[..], b"GET / HTTP/1.1\r\n\r\n"] {
        let (mut tcp, server) = serve(supporting(true), EarlyUserAuthorization::Success);
        tcp.write_all(words).unwrap();
        let (error, step) = protocol_error(server.join().unwrap());
        assert_eq!(
            (error.kind(), step),
            ("InvalidMessage", Step::SecurityProtocol)
        );
        assert_eq!(rest(&mut tcp), b"");
    }
}

/// Reads and writes one octet at a time, and counts what is written at once.
struct Narrow {
    tcp: TcpStream,
    width: usize,
    writes: Vec<usize>,
}

impl Narrow {
    fn new(tcp: TcpStream, width: usize) -> Self {
        Self {
            tcp,
            width,
            writes: Vec::new(),
        }
    }
}

impl Read for Narrow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.width);
        self.tcp.read(&mut buffer[..length])
    }
}

impl Write for Narrow {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.writes.push(buffer.len());
        self.tcp.write(&buffer[..buffer.len().min(self.width)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

impl Transport for Narrow {
    fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.tcp.set_timeout(timeout)
    }
}

#[test]
fn one_octet_per_read_of_the_connection_is_enough() {
    for hybrid_ex in [false, true] {
        let acceptor = acceptor(&p256());
        let config = supporting(hybrid_ex);
        let (tcp, server) = spawn(move |tcp| {
            let authorize = |_: &_| EarlyUserAuthorization::Success;
            acceptor
                .accept_rdp(Narrow::new(tcp, 1), config, look_up, authorize)
                .map(|(stream, complete, _)| (stream, complete.account))
        });
        let client = connector().connect_rdp(
            Narrow::new(tcp, 1),
            localhost(),
            credentials(),
            &offering(true),
        );
        client.unwrap();
        assert_eq!(server.join().unwrap().unwrap().1, alice());
    }
}

/// Some servers want the request whole.
#[test]
fn each_message_of_the_negotiation_is_one_write() {
    let acceptor = acceptor(&p256());
    let (tcp, server) = spawn(move |tcp| {
        let authorize = |_: &_| EarlyUserAuthorization::Success;
        let (tcp, config) = (Narrow::new(tcp, usize::MAX), supporting(true));
        let accepted = acceptor.accept_rdp(tcp, config, look_up, authorize);
        accepted.unwrap().0.sock.writes
    });
    let tcp = Narrow::new(tcp, usize::MAX);
    let (stream, ..) = connector()
        .connect_rdp(tcp, localhost(), credentials(), &offering(true))
        .unwrap();
    // 4 octets of TPKT, 7 of X.224, 8 of RDP_NEG_REQ or RDP_NEG_RSP; then TLS.
    assert_eq!(stream.sock.writes[0], 19);
    assert!(stream.sock.writes[1] > 19);
    assert_eq!(server.join().unwrap()[0], 19);
}

/// A client that knows what the server will say, and begins TLS in the same packet as its request.
#[test]
fn what_stands_behind_the_request_belongs_to_tls() {
    let (tcp, server) = serve(supporting(false), EarlyUserAuthorization::Success);
    let mut request = ConnectionRequest::default();
    request.negotiation = Some(NegotiationRequest::new(Protocols::SSL | Protocols::HYBRID));
    let mut message = BytesMut::new();
    request.encode(&mut message).unwrap();
    let confirm = 19;
    let tcp = Ahead {
        tcp,
        before: message.to_vec(),
        skip: confirm,
    };
    let target = localhost();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let config = raw::client_config(rustls::ALL_VERSIONS);
    let connection = rustls::ClientConnection::new(config.into(), name).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    let key = tls::server_public_key(&stream.conn.peer_certificates().unwrap()[0]).unwrap();
    let client = Client::new(everything(), target, credentials(), key);
    blocking::authenticate(&mut stream, client).unwrap();
    assert_eq!(server.join().unwrap().unwrap().1.account, alice());
}

/// Puts something before the first write, and leaves out the first octets that it reads.
struct Ahead {
    tcp: TcpStream,
    before: Vec<u8>,
    skip: usize,
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut skipped = vec![0; std::mem::take(&mut self.skip)];
        self.tcp.read_exact(&mut skipped)?;
        self.tcp.read(buffer)
    }
}

impl Write for Ahead {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let mut packet = std::mem::take(&mut self.before);
        packet.extend_from_slice(buffer);
        self.tcp.write_all(&packet)?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

/// A server that sends `words` behind CredSSP, where four octets are due, and more.
fn saying(words: &'static [u8]) -> (TcpStream, JoinHandle<ServerStream>) {
    let (config, own_key) = raw_server();
    spawn(move |mut tcp| {
        let mut request = [0; 19];
        tcp.read_exact(&mut request).unwrap();
        let mut message = BytesMut::new();
        ConnectionConfirm::Response {
            flags: ResponseFlags::default(),
            selected: Protocol::HybridEx,
        }
        .encode(&mut message);
        tcp.write_all(&message).unwrap();
        let mut stream = raw::server(config, tcp).unwrap();
        let server = Server::new(ServerConfig::default(), own_key);
        blocking::accept(&mut stream, server, look_up).unwrap();
        stream.write_all(words).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        stream
    })
}

#[test]
fn what_stands_behind_the_authorization_is_the_applications() {
    let (tcp, server) = saying(b"\0\0\0\0application");
    let (mut stream, ..) = connector()
        .connect_rdp(tcp, localhost(), credentials(), &offering(true))
        .unwrap();
    assert_eq!(rest(&mut stream), b"application");
    server.join().unwrap();
}

#[test]
fn no_authorization_is_none() {
    for (words, kind) in [
        (&b""[..], "Closed"),
        (b"\0\0\0", "Closed"),
        (b"\x01\0\0\0", "InvalidMessage"),
        (b"\x30\x0d\xa0\x03", "InvalidMessage"),
    ] {
        let (tcp, server) = saying(words);
        let error = connector()
            .connect_rdp(tcp, localhost(), credentials(), &offering(true))
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.progress().step),
            (kind, Step::EarlyAuthorization),
            "{words:?}"
        );
        server.join().unwrap();
    }
}

const SHORT: Duration = Duration::from_millis(300);

/// In time, and not at once.
#[track_caller]
fn timed_out<T>(started: Instant, result: Result<T, Error>) {
    let error = result.err().unwrap();
    assert_eq!(
        (error.kind(), error.progress().step),
        ("TimedOut", Step::SecurityProtocol)
    );
    let taken = started.elapsed();
    assert!(taken >= SHORT, "{taken:?}");
    assert!(taken < Duration::from_secs(5), "{taken:?}");
}

#[test]
fn a_peer_that_says_nothing_is_not_waited_for_beyond_the_deadline() {
    let started = Instant::now();
    let (tcp, silent) = sockets();
    let connector = connector().with_timeout(SHORT);
    timed_out(
        started,
        connector.connect_rdp(tcp, localhost(), credentials(), &offering(true)),
    );
    drop(silent);

    let started = Instant::now();
    let (mut slow, tcp) = sockets();
    // A part of a request, and no more.
    slow.write_all(b"\x03\0\0").unwrap();
    let acceptor = acceptor(&p256()).with_timeout(SHORT);
    let authorize = |_: &_| EarlyUserAuthorization::Success;
    timed_out(
        started,
        acceptor.accept_rdp(tcp, supporting(true), look_up, authorize),
    );
}

#[test]
fn a_peer_that_is_gone_has_closed() {
    let (tcp, gone) = sockets();
    gone.shutdown(std::net::Shutdown::Write).unwrap();
    let error = connector()
        .connect_rdp(tcp, localhost(), credentials(), &offering(true))
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.progress().step),
        ("Closed", Step::SecurityProtocol)
    );
}
