//! KDCs found in DNS, in a zone that a small name server on loopback makes up.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // in what the tests share

mod kdcs;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use credssp::kdc::KdcLocator;
use credssp::stream::kdc::{DnsLocator, KdcClient};
use kdcs::{REALM, REPLY, Stub, WAYS, request};

const SRV: u16 = 33;
const URI: u16 = 256;

/// A name, a type, and the contents of a record.
type Record = (&'static str, u16, Vec<u8>);

struct NameServer {
    at: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl NameServer {
    fn new(zone: Vec<Record>) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = socket.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            let mut query = [0; 1024];
            loop {
                let (length, client) = socket.recv_from(&mut query).unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                socket
                    .send_to(&answer(&zone, &query[..length]), client)
                    .unwrap();
            }
        });
        Self { at, asked }
    }

    fn locator(&self) -> DnsLocator {
        DnsLocator::default().with_name_server(self.at)
    }

    fn locate(&self, realm: &str) -> Vec<String> {
        let found = self.locator().locate(realm);
        found.iter().map(ToString::to_string).collect()
    }
}

/// A response of RFC 1035 with what the zone has.
fn answer(zone: &[Record], query: &[u8]) -> Vec<u8> {
    let question = &query[12..];
    let end = question.iter().position(|octet| *octet == 0).unwrap() + 1;
    let kind = u16::from_be_bytes([question[end], question[end + 1]]);
    let records: Vec<_> = zone
        .iter()
        .filter(|(owner, of, _)| *of == kind && name(owner).eq_ignore_ascii_case(&question[..end]))
        .collect();
    let no_such_name = if records.is_empty() { 3 } else { 0 };
    let count = u8::try_from(records.len()).unwrap();
    let mut out = query[..2].to_vec();
    out.extend([0x81, 0x80 | no_such_name, 0, 1, 0, count, 0, 0, 0, 0]);
    out.extend(&question[..end + 4]);
    for (_, _, contents) in records {
        // The question's name, the question's type, IN, a minute.
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend(u16::try_from(contents.len()).unwrap().to_be_bytes());
        out.extend(contents);
    }
    out
}

fn name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

fn srv(owner: &'static str, priority: u8, port: u16, target: &str) -> Record {
    let [high, low] = port.to_be_bytes();
    let numbers = [0, priority, 0, 100, high, low];
    (owner, SRV, [&numbers, &*name(target)].concat())
}

fn uri(priority: u8, text: &str) -> Record {
    let numbers = [0, priority, 0, 1];
    (
        "_kerberos.test.example",
        URI,
        [&numbers, text.as_bytes()].concat(),
    )
}

const TCP: &str = "_kerberos._tcp.test.example";
const UDP: &str = "_kerberos._udp.test.example";

#[test]
fn finds_servers_in_the_order_of_their_priorities() {
    let server = NameServer::new(vec![
        srv(TCP, 20, 88, "dc3.test.example"),
        srv(TCP, 10, 750, "dc1.test.example"),
        srv(TCP, 15, 88, "dc2.test.example"),
        srv(UDP, 1, 88, "dc4.test.example"),
        srv(UDP, 2, 750, "dc1.test.example"),
        srv(UDP, 3, 750, "dc2.test.example"),
        // What is in SRV records counts.
        uri(0, "krb5srv:m:tcp:dc9.test.example"),
    ]);
    let expected = [
        "dc1.test.example:750",
        "tcp/dc2.test.example:88",
        "tcp/dc3.test.example:88",
        "udp/dc4.test.example:88",
        "udp/dc2.test.example:750",
    ];
    assert_eq!(server.locate(REALM), expected);
}

#[test]
fn looks_for_uris_where_there_are_no_servers() {
    let server = NameServer::new(vec![
        srv(TCP, 1, 88, "."),
        uri(30, "krb5srv::udp:dc1.test.example"),
        uri(20, "KRB5SRV:m:TCP:dc2.test.example:750"),
        uri(10, "krb5srv:m:kkdcp:https://proxy.test.example/KdcProxy"),
        uri(0, "krb5srv:m:kkdcp:dc3.test.example"),
        uri(0, "krb5srv:m:sctp:dc4.test.example"),
        uri(0, "krb5srv:m:tcp:a b"),
        uri(0, "krb6srv:m:tcp:dc5.test.example"),
        uri(0, "https://test.example/"),
        ("_kerberos.test.example", URI, vec![0, 1]),
    ]);
    let expected = [
        "https://proxy.test.example/KdcProxy",
        "tcp/dc2.test.example:750",
        "udp/dc1.test.example:88",
    ];
    assert_eq!(server.locate(REALM), expected);
}

#[test]
fn finds_nothing_where_nothing_is() {
    let server = NameServer::new(vec![]);
    for realm in [
        REALM,
        "",
        ".",
        "a..b",
        "A REALM/WITH=OTHER NAMES",
        &"x".repeat(300),
    ] {
        assert_eq!(server.locate(realm), [""; 0], "{realm}");
    }
    let deaf = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let locator = DnsLocator::default().with_name_server(deaf.local_addr().unwrap());
    let began = Instant::now();
    assert_eq!(locator.locate(REALM), []);
    assert!(began.elapsed() < Duration::from_secs(6));
}

#[test]
fn leads_a_client_to_a_kdc_and_is_asked_once() {
    for ask in WAYS {
        let kdc = Stub::good();
        let records = [TCP, UDP].map(|service| srv(service, 1, kdc.at.port(), "localhost"));
        let server = NameServer::new(records.into());
        let client = KdcClient::default().with_locator(Arc::new(server.locator()));
        for _ in 0..2 {
            assert_eq!(ask(&client, &request()).unwrap(), REPLY);
        }
        assert_eq!(server.asked.load(Ordering::SeqCst), 3);
    }
}

#[test]
fn may_be_asked_within_a_task_of_another_runtime() {
    let server = NameServer::new(vec![srv(TCP, 1, 88, "dc.test.example")]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let found = runtime.block_on(async { server.locate(REALM) });
    assert_eq!(found, ["tcp/dc.test.example:88"]);
}
