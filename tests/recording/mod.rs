//! Conversations of our client with our server that are written down: each octet on the wire, each octet inside TLS, and
//! TLS's keys. One end is the library's driver; the other, which keeps the record, drives rustls by hand, for the library
//! itself gives TLS's keys to nobody.

// Each test uses its own part of this.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

pub mod packets;

use std::fmt::Write as _;
use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;
use std::ops::DerefMut;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use bytes::BytesMut;
use credssp::kdc::KdcTransport;
use credssp::rdp::{self, EarlyUserAuthorization, Protocol};
use credssp::stream::{Error, blocking};
use credssp::tls::{Acceptor, Connector, TlsVersions, Trust, server_public_key};
use credssp::ts_request::{MAX_MESSAGE_LEN, frame_length};
use credssp::{
    Client, ClientConfig, Credentials, Server, ServerConfig, ServicePrincipalName, client, server,
};
use rustls::pki_types::ServerName;
use rustls::{
    ClientConnection, ConnectionCommon, KeyLog, ServerConnection, SideData, StreamOwned, version,
};

use crate::loopback::exchange::raw_server;
use crate::loopback::{PATIENCE, look_up, p256, raw, sockets};
use crate::pair::Side;
use crate::pair::message::Fields;

/// A client and a server, about to meet.
pub struct Conversation {
    pub client: ClientConfig,
    pub server: ServerConfig,
    pub kdc: Option<Arc<dyn KdcTransport>>,
    pub target: ServicePrincipalName,
    pub credentials: Credentials,
    pub tls: TlsVersions,
    pub offered: rdp::client::NegotiationConfig<'static>,
    pub supported: rdp::server::NegotiationConfig,
    /// Which of them keeps the record.
    pub by_hand: Side,
}

/// What was said, and how it ended.
pub struct Recording {
    pub record: Record,
    pub client: Result<client::Complete, String>,
    pub server: Result<server::Complete, String>,
}

impl Conversation {
    pub fn record(&self) -> Recording {
        let record = Record::default();
        let (near, far) = sockets();
        thread::scope(|scope| {
            let client = scope.spawn(|| match self.by_hand {
                Side::Client => self.client_by_hand(near, &record),
                Side::Server => self.connect(near),
            });
            let server = match self.by_hand {
                Side::Server => self.server_by_hand(far, &record),
                Side::Client => self.accept(far),
            };
            Recording {
                client: client.join().unwrap().map_err(|error| error.to_string()),
                server: server.map_err(|error| error.to_string()),
                record: record.clone(),
            }
        })
    }

    fn connect(&self, tcp: TcpStream) -> Result<client::Complete, Error> {
        let mut connector = Connector::with_trust(self.client.clone(), Trust::default(), self.tls)
            .unwrap()
            .with_timeout(PATIENCE);
        if let Some(kdc) = &self.kdc {
            connector = connector.with_kdc(Arc::clone(kdc));
        }
        let (target, credentials) = (self.target.clone(), self.credentials.clone());
        let (_, complete, _) = connector.connect_rdp(tcp, target, credentials, &self.offered)?;
        Ok(complete)
    }

    fn accept(&self, tcp: TcpStream) -> Result<server::Complete, Error> {
        let acceptor = Acceptor::with_tls_versions(self.server.clone(), &p256(), self.tls)
            .unwrap()
            .with_timeout(PATIENCE);
        let authorize = |_: &_| EarlyUserAuthorization::Success;
        let (_, complete, _) = acceptor.accept_rdp(tcp, self.supported, look_up, authorize)?;
        Ok(complete)
    }

    fn client_by_hand(&self, tcp: TcpStream, record: &Record) -> Result<client::Complete, Error> {
        let mut wire = record.noting(tcp, Side::Client, Record::wire_note);
        let mut out = BytesMut::new();
        let state = rdp::client::start(&self.offered, &mut out).unwrap();
        wire.write_all(&out).unwrap();
        let rdp::client::Negotiation::Complete(selected) =
            state.process(&mut read_x224(&mut wire)).unwrap()
        else {
            panic!("it is whole");
        };

        let mut config = raw::client_config(&[match self.tls {
            TlsVersions::Tls12 => &version::TLS12,
            _ => &version::TLS13,
        }]);
        config.key_log = Arc::new(record.clone());
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(config.into(), name).unwrap();
        let stream = shake_hands(StreamOwned::new(connection, wire));
        let key = server_public_key(&stream.conn.peer_certificates().unwrap()[0]).unwrap();
        let (target, credentials) = (self.target.clone(), self.credentials.clone());
        let client = Client::new(self.client.clone(), target, credentials, key);
        let mut stream = record.noting(stream, Side::Client, Record::plain_note);
        let complete = match &self.kdc {
            Some(kdc) => blocking::authenticate_with_kdc(&mut stream, client, &**kdc)?,
            None => blocking::authenticate(&mut stream, client)?,
        };
        if selected.protocol == Protocol::HybridEx {
            let mut result = [0; EarlyUserAuthorization::LEN];
            stream.read_exact(&mut result).unwrap();
            assert_eq!(result, [0; 4]);
        }
        Ok(complete)
    }

    fn server_by_hand(&self, tcp: TcpStream, record: &Record) -> Result<server::Complete, Error> {
        let mut wire = record.noting(tcp, Side::Server, Record::wire_note);
        let mut out = BytesMut::new();
        let state = rdp::server::start(self.supported);
        let rdp::server::Negotiation::Complete(accepted) =
            state.process(&mut read_x224(&mut wire), &mut out).unwrap()
        else {
            panic!("it is whole");
        };
        wire.write_all(&out).unwrap();

        let (mut config, key) = raw_server();
        config.key_log = Arc::new(record.clone());
        let connection = ServerConnection::new(config.into()).unwrap();
        let stream = shake_hands(StreamOwned::new(connection, wire));
        let server = Server::new(self.server.clone(), key);
        let mut stream = record.noting(stream, Side::Server, Record::plain_note);
        let complete = blocking::accept(&mut stream, server, look_up)?;
        if accepted.selected == Protocol::HybridEx {
            let mut out = BytesMut::new();
            EarlyUserAuthorization::Success.encode(&mut out);
            stream.write_all(&out).unwrap();
            stream.flush().unwrap();
        }
        Ok(complete)
    }
}

fn shake_hands<C, S, IO>(mut stream: StreamOwned<C, IO>) -> StreamOwned<C, IO>
where
    C: DerefMut<Target = ConnectionCommon<S>>,
    S: SideData,
    IO: Read + Write,
{
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream
}

/// One whole message of the negotiation.
fn read_x224(wire: &mut impl Read) -> BytesMut {
    let mut message = BytesMut::zeroed(4);
    wire.read_exact(&mut message).unwrap();
    let length = rdp::frame_length(&message).unwrap().unwrap();
    message.resize(length, 0);
    wire.read_exact(&mut message[4..]).unwrap();
    message
}

type Said = Vec<(Side, Vec<u8>)>;

/// What one end has seen.
#[derive(Clone, Debug, Default)]
pub struct Record(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    wire: Said,
    plaintext: Said,
    keys: String,
}

impl Record {
    /// What went over the wire, write by write and read by read.
    pub fn wire(&self) -> Said {
        self.notes().wire.clone()
    }

    /// TLS's secrets in the NSS key log format.
    pub fn keys(&self) -> String {
        self.notes().keys.clone()
    }

    /// The TSRequests of one side, by our own decoder, and what is left over.
    pub fn messages(&self, of: Side) -> (Vec<Fields>, Vec<u8>) {
        let notes = self.notes();
        let parts = notes.plaintext.iter().filter(|(side, _)| *side == of);
        let mut rest: Vec<u8> = parts.flat_map(|(_, part)| part.clone()).collect();
        let mut messages = Vec::new();
        while let Ok(Some(length)) = frame_length(&rest, MAX_MESSAGE_LEN) {
            let behind = rest.split_off(length);
            messages.push(Fields::decode(&rest));
            rest = behind;
        }
        (messages, rest)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap()
    }

    /// Adds a write to the wire.
    pub fn wire_note(&self, side: Side, octets: &[u8]) {
        self.notes().wire.push((side, octets.to_vec()));
    }

    fn plain_note(&self, side: Side, octets: &[u8]) {
        self.notes().plaintext.push((side, octets.to_vec()));
    }

    fn noting<S>(&self, stream: S, own: Side, note: fn(&Self, Side, &[u8])) -> Noting<S> {
        Noting {
            stream,
            own,
            record: self.clone(),
            note,
            seen: 0,
        }
    }
}

impl KeyLog for Record {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let (random, secret) = (hex(client_random), hex(secret));
        writeln!(self.notes().keys, "{label} {random} {secret}").unwrap();
    }
}

pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Notes what it reads and writes.
struct Noting<S> {
    stream: S,
    own: Side,
    record: Record,
    note: fn(&Record, Side, &[u8]),
    /// How many octets that were not read yet are noted.
    seen: usize,
}

impl<S> Noting<S> {
    fn note_other(&self, octets: &[u8]) {
        let other = match self.own {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        };
        if !octets.is_empty() {
            (self.note)(&self.record, other, octets);
        }
    }
}

impl<S: Read> Read for Noting<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(buffer)?;
        let seen = self.seen.min(length);
        self.seen -= seen;
        self.note_other(&buffer[seen..length]);
        Ok(length)
    }
}

impl<S: Write> Write for Noting<S> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = self.stream.write(buffer)?;
        (self.note)(&self.record, self.own, &buffer[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl<S: BufRead> BufRead for Noting<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let length = self.stream.fill_buf()?.len();
        // There it is: to look at it again waits for nothing.
        let news = self.stream.fill_buf()?[self.seen..].to_vec();
        self.note_other(&news);
        self.seen = length;
        self.stream.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.seen -= amount;
        self.stream.consume(amount);
    }
}
