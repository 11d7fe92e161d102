//! KDCs that misbehave, on loopback, and both ways to ask one.

// Each test uses its own part of this.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use credssp::AccountName;
use credssp::environment::Environment;
use credssp::kdc::{KdcAddress, KdcReply, KdcRequest, KdcTransport};
use credssp::kerberos::crypto::EncryptionType;
use credssp::kerberos::initiator::{AsExchange, AsStep, ClientName, ClientSecret};
use credssp::stream::kdc::KdcClient;

pub const REALM: &str = "TEST.EXAMPLE";

/// Not a reply that anybody but a transport would take.
pub const REPLY: &[u8] = b"a reply";

pub const SVC_UNAVAILABLE: u8 = 29;
pub const RESPONSE_TOO_BIG: u8 = 52;

/// How long a client waits for one of these servers.
pub const PATIENCE: Duration = Duration::from_millis(400);

pub type Ask = fn(&KdcClient, &KdcRequest) -> KdcReply;

/// The blocking and the asynchronous client.
pub const WAYS: &[Ask] = &[
    |client, request| KdcTransport::ask(client, request, None),
    #[cfg(feature = "tokio")]
    |client, request| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(credssp::kdc::AsyncKdcTransport::ask(client, request))
    },
];

pub fn request() -> KdcRequest {
    KdcRequest::new(REALM, b"a question".to_vec())
}

pub fn client<const N: usize>(addresses: [KdcAddress; N]) -> KdcClient {
    KdcClient::default()
        .with_realm(REALM, addresses)
        .with_server_timeout(PATIENCE)
}

pub fn address(protocol: &str, socket: SocketAddr) -> KdcAddress {
    format!("{protocol}{socket}").parse().unwrap()
}

/// Where nobody listens.
pub fn dead() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Whether alice can log on at MIT's KDC.
pub fn logs_on(ask: &Ask, client: &KdcClient) -> bool {
    let mut step = AsExchange::start(
        ClientName::of(&AccountName::new("", "alice"), REALM),
        ClientSecret::Password("pass-canary".into()),
        &[EncryptionType::Aes256Sha2],
        true,
        &Environment::default(),
    );
    while let Ok(AsStep::NeedsKdc { request, next }) = step {
        step = next.step(&ask(client, &request).unwrap());
    }
    matches!(step, Ok(AsStep::Complete(_)))
}

/// A message behind its length.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&length.to_be_bytes(), message].concat()
}

/// A value in DER whose contents are short.
pub fn value(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u8::try_from(contents.len()).unwrap();
    assert!(length < 0x80);
    [&[tag, length], contents].concat()
}

/// A KRB-ERROR (RFC 4120, section 5.9.1) with such a code.
pub fn krb_error(code: u8) -> Vec<u8> {
    let integer = |tag, number| value(tag, &value(2, &[number]));
    let name = value(0x30, &value(0x1b, b"krbtgt"));
    let fields = [
        integer(0xa0, 5),
        integer(0xa1, 30),
        value(0xa4, &value(0x18, b"20260101000000Z")),
        integer(0xa5, 0),
        integer(0xa6, code),
        value(0xa9, &value(0x1b, REALM.as_bytes())),
        value(
            0xaa,
            &value(0x30, &[integer(0xa0, 2), value(0xa1, &name)].concat()),
        ),
    ];
    value(0x7e, &value(0x30, &fields.concat()))
}

/// A port for datagrams and for connections.
pub fn same_port() -> (UdpSocket, TcpListener) {
    loop {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // Another test may have it.
        if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()) {
            return (socket, listener);
        }
    }
}

/// A server that does the same with each connection or datagram, and counts them.
pub struct Stub {
    pub at: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Stub {
    /// Reads a whole request and answers with these octets, then closes.
    pub fn answering(octets: impl Into<Vec<u8>>) -> Self {
        let octets = octets.into();
        Self::tcp(move |stream| {
            read_request(stream);
            let _ = stream.write_all(&octets);
        })
    }

    /// Answers properly.
    pub fn good() -> Self {
        Self::answering(framed(REPLY))
    }

    pub fn tcp(serve: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::tcp_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), serve)
    }

    pub fn tcp_on(
        listener: TcpListener,
        serve: impl Fn(&mut TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let at = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, serve) = (Arc::clone(&asked), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(&mut stream.unwrap()));
            }
        });
        Self { at, asked }
    }

    /// Does `answer` with the number of each datagram, from 1, and its sender.
    pub fn udp(answer: impl Fn(&UdpSocket, usize, SocketAddr) + Send + 'static) -> Self {
        Self::udp_on(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), answer)
    }

    pub fn udp_on(
        socket: UdpSocket,
        answer: impl Fn(&UdpSocket, usize, SocketAddr) + Send + 'static,
    ) -> Self {
        let at = socket.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            let mut message = [0; 2048];
            loop {
                let (length, sender) = socket.recv_from(&mut message).unwrap();
                assert_eq!(message.get(..length), Some(&*request().message));
                answer(&socket, count.fetch_add(1, Ordering::SeqCst) + 1, sender);
            }
        });
        Self { at, asked }
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Reads [`request()`].
pub fn read_request(stream: &mut TcpStream) {
    let expected = framed(&request().message);
    let mut message = vec![0; expected.len()];
    stream.read_exact(&mut message).unwrap();
    assert_eq!(message, expected);
}
