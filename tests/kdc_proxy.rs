//! KDC proxies (MS-KKDCP): a real one, and servers that lie, stall or are not who they should be; blocking and asynchronous.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // in what the tests share

mod kdcs;
mod peer;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use credssp::kdc::KdcAddress;
use credssp::kerberos::asn1::MAX_LEN;
use credssp::stream::kdc::KdcClient;
use credssp::tls::rustls::crypto::ring;
use credssp::tls::rustls::{ServerConfig, ServerConnection, StreamOwned};
use kdcs::{PATIENCE, REALM, REPLY, Stub, WAYS, address, client, framed, logs_on, request, value};
use peer::{KdcProxy, MitKdc, Peer};
use rcgen::{CertifiedKey, generate_simple_self_signed};

const CONTEXT_0: u8 = 0xa0;
const CONTEXT_1: u8 = 0xa1;
const CONTEXT_2: u8 = 0xa2;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const GENERAL_STRING: u8 = 0x1b;
const SEQUENCE: u8 = 0x30;

type Tls = StreamOwned<ServerConnection, TcpStream>;

/// A server that is not told what it serves.
struct Https {
    stub: Stub,
    /// Its own certificate.
    root: String,
}

impl Https {
    /// Reads a request and does something about it.
    fn new(answer: impl Fn(&mut Tls) + Send + Sync + 'static) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = signing_key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let stub = Stub::tcp(move |tcp| {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = StreamOwned::new(tls, tcp.try_clone().unwrap());
            if tls.conn.complete_io(&mut tls.sock).is_ok() && read_post(&mut tls) {
                answer(&mut tls);
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        });
        Self {
            stub,
            root: cert.pem(),
        }
    }

    fn answering(octets: impl Into<Vec<u8>>) -> Self {
        let octets = octets.into();
        Self::new(move |tls| {
            let _ = tls.write_all(&octets);
        })
    }

    fn address(&self) -> KdcAddress {
        at("localhost", &self.stub)
    }

    fn client(&self) -> KdcClient {
        client([self.address()])
            .with_proxy_roots(self.root.as_bytes())
            .unwrap()
    }
}

fn at(host: &str, stub: &Stub) -> KdcAddress {
    let url = format!("https://{host}:{}/KdcProxy", stub.at.port());
    url.parse().unwrap()
}

/// Reads the POST of [`request()`], and checks each octet of its body.
fn read_post(tls: &mut Tls) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        if tls.read_exact(&mut octet).is_err() {
            return false;
        }
        head.extend(octet);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("post /kdcproxy http/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/kerberos\r\n"));
    let message = value(OCTET_STRING, &framed(&request().message));
    let realm = value(GENERAL_STRING, REALM.as_bytes());
    let fields = [value(CONTEXT_0, &message), value(CONTEXT_1, &realm)];
    let expected = value(SEQUENCE, &fields.concat());
    let length = format!("content-length: {}\r\n", expected.len());
    assert!(head.contains(&length), "{head}");
    let mut body = vec![0; expected.len()];
    tls.read_exact(&mut body).unwrap();
    assert_eq!(body, expected);
    true
}

fn http(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn ok(body: &[u8]) -> Vec<u8> {
    http("200 OK\r\nContent-Type: application/kerberos", body)
}

/// A KDC-PROXY-MESSAGE.
fn message(framed: &[u8]) -> Vec<u8> {
    value(SEQUENCE, &value(CONTEXT_0, &value(OCTET_STRING, framed)))
}

#[test]
fn logs_on_through_a_real_proxy() {
    if !(peer::available(Peer::MitKdc) && peer::available(Peer::KdcProxy)) {
        return;
    }
    let kdc = MitKdc::start();
    let proxy = KdcProxy::start(kdc.address(), &[MitKdc::REALM]);
    let roots = fs::read(proxy.ca_pem()).unwrap();
    for ask in WAYS {
        let client = KdcClient::default()
            .with_every_realm([proxy.url().parse().unwrap()])
            .with_proxy_roots(&roots)
            .unwrap();
        assert!(logs_on(ask, &client));
    }
}

#[test]
fn takes_a_reply_out_of_its_frames() {
    for ask in WAYS {
        let reply = value(CONTEXT_0, &value(OCTET_STRING, &framed(REPLY)));
        let domain = value(CONTEXT_1, &value(GENERAL_STRING, REALM.as_bytes()));
        let hint = value(CONTEXT_2, &value(INTEGER, &[0]));
        for fields in [vec![reply.clone()], vec![reply, domain, hint]] {
            let server = Https::answering(ok(&value(SEQUENCE, &fields.concat())));
            let client = server.client();
            for asked in 1..3 {
                assert_eq!(ask(&client, &request()).unwrap(), REPLY);
                assert_eq!(server.stub.asked(), asked);
            }
        }
    }
}

#[test]
fn says_what_is_wrong_with_an_answer_and_asks_the_next() {
    let kerberos = "200 OK\r\nContent-Type: application/kerberos";
    let endless = format!("HTTP/1.1 {kerberos}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunks = format!("10000\r\n{}\r\n", " ".repeat(0x10000)).repeat(MAX_LEN / 0x10000 + 2);
    let long = format!("HTTP/1.1 {kerberos}\r\nContent-Length: 9999\r\n\r\nshort");
    let elsewhere = "307 Temporary Redirect\r\nLocation: https://localhost:1/";
    let headers = "X-Header: 0123456789\r\n".repeat(2000);
    let mut longer = framed(REPLY);
    longer.push(0);
    for (answer, fault) in [
        (http("500 Internal Server Error", b""), "HTTP status 500"),
        (http(elsewhere, b""), "HTTP status 307"),
        (
            http(
                "200 OK\r\nContent-Type: text/html",
                &message(&framed(REPLY)),
            ),
            "content type",
        ),
        (http("200 OK", &message(&framed(REPLY))), "content type"),
        (ok(b""), "KDC-PROXY-MESSAGE"),
        (ok(&framed(REPLY)), "KDC-PROXY-MESSAGE"),
        (
            ok(&[message(&framed(REPLY)), vec![0]].concat()),
            "KDC-PROXY-MESSAGE",
        ),
        (ok(&message(REPLY)), "octets are announced"),
        (ok(&message(&[0, 0, 1])), "shorter than its length"),
        (ok(&message(&framed(b""))), "it is empty"),
        (
            ok(&message(&longer)),
            "its length is not that of the message",
        ),
        ([endless, chunks].concat().into(), "limit"),
        (long.into(), "closed before a whole reply"),
        (http(&format!("200 OK\r\n{headers}X: y"), b""), ""),
        (b"SSH-2.0-OpenSSH\r\n\r\n".to_vec(), ""),
        (vec![], ""),
    ] {
        for ask in WAYS {
            let server = Https::answering(answer.clone());
            let error = ask(&server.client(), &request()).unwrap_err();
            let start = format!("{}: ", server.address());
            assert!(error.reason.starts_with(&start), "{error}");
            assert!(error.reason.contains(fault), "{fault} {error}");

            let good = Stub::good();
            let both = client([server.address(), address("", good.at)])
                .with_proxy_roots(server.root.as_bytes())
                .unwrap();
            assert_eq!(ask(&both, &request()).unwrap(), REPLY);
            assert_eq!(server.stub.asked(), 2);
        }
    }
}

#[test]
fn asks_only_proxies_that_are_who_they_should_be() {
    for ask in WAYS {
        let server = Https::answering(ok(&message(&framed(REPLY))));
        let other = Https::answering(vec![]);
        for (client, fault) in [
            (client([server.address()]), "with_proxy_roots"),
            (
                client([server.address()])
                    .with_proxy_roots(other.root.as_bytes())
                    .unwrap(),
                "TLS failed: invalid peer certificate",
            ),
            (
                client([at("127.0.0.1", &server.stub)])
                    .with_proxy_roots(server.root.as_bytes())
                    .unwrap(),
                "TLS failed: invalid peer certificate",
            ),
        ] {
            let error = ask(&client, &request()).unwrap_err();
            assert!(error.reason.contains(fault), "{error}");
        }
        assert_eq!(ask(&server.client(), &request()).unwrap(), REPLY);
    }
    assert!(KdcClient::default().with_proxy_roots(b"").is_err());
}

#[test]
fn sends_nothing_in_the_clear() {
    for ask in WAYS {
        let plain = Stub::answering("HTTP/1.1 200 OK\r\n\r\n");
        let url = format!("http://{}/KdcProxy", plain.at).into();
        let client = client([KdcAddress::Proxy { url }])
            .with_proxy_roots(Https::answering(vec![]).root.as_bytes())
            .unwrap();
        let error = ask(&client, &request()).unwrap_err();
        assert!(error.reason.contains("https"), "{error}");
        assert_eq!(plain.asked(), 0);
    }
}

#[test]
fn waits_for_no_proxy_longer_than_it_may() {
    let silent = Stub::tcp(|_| thread::sleep(Duration::from_secs(20)));
    let mute = Https::new(|_| thread::sleep(Duration::from_secs(20)));
    let dripping = Https::new(|tls| {
        let _ = tls.write_all(&ok(&[0; 100_000])[..100]);
        while tls.write_all(&[0]).is_ok() {
            thread::sleep(PATIENCE / 8);
        }
    });
    for ask in WAYS {
        for (address, root) in [
            (at("localhost", &silent), &mute.root),
            (mute.address(), &mute.root),
            (dripping.address(), &dripping.root),
        ] {
            let client = client([address]).with_proxy_roots(root.as_bytes()).unwrap();
            let began = Instant::now();
            let error = ask(&client, &request()).unwrap_err();
            assert!((PATIENCE..3 * PATIENCE).contains(&began.elapsed()));
            assert!(error.reason.contains("no answer after 0.4 s"), "{error}");
        }
    }
}
