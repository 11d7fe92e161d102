//! The TLS handshake itself: what it does not do, and what is said where it fails.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod loopback;
mod pair;

use std::io::{Read, Write};
use std::sync::Arc;

use credssp::ServerConfig;
use credssp::error::Step;
use credssp::stream;
use credssp::tls::{Acceptor, Connector, TlsVersions, Trust};
use rustls::client::Resumption;
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, SignatureScheme};

use loopback::{
    Issued, PATIENCE, VERSIONS, acceptor, connect, connector, credentials, everything, localhost,
    p256, raw, serve, spawn,
};
use pair::alice;

/// A server that answers the ClientHello with these octets, and closes.
#[track_caller]
fn error_after(answer: &'static [u8]) -> stream::Error {
    let (tcp, server) = spawn(move |mut tcp| {
        let mut hello = [0; 5];
        tcp.read_exact(&mut hello).unwrap();
        let length = usize::from(u16::from_be_bytes([hello[3], hello[4]]));
        let mut hello = vec![0; length];
        tcp.read_exact(&mut hello).unwrap();
        tcp.write_all(answer).unwrap();
        // The client's alert, if any.
        tcp.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = tcp.read_to_end(&mut hello);
    });
    let error = connector()
        .connect(tcp, localhost(), credentials())
        .unwrap_err();
    server.join().unwrap();
    assert_eq!(error.progress().step, Step::Tls);
    assert_eq!(error.progress().account, Some(alice()));
    error
}

#[test]
fn a_server_that_speaks_no_tls_is_named() {
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        // X.224 Connection Confirm with a negotiation response.
        b"\x03\0\0\x13\x0e\xd0\0\0\x124\0\x02\x1f\x08\0\x02\0\0\0",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        &[0; 64],
        &[0xff; 64],
    ] {
        let error = error_after(answer);
        assert_eq!(error.kind(), "Tls", "{answer:x?}");
        let text = error.to_string();
        assert!(text.contains("does not speak TLS here"), "{text}");
    }
}

#[test]
fn a_server_that_closes_is_named() {
    for answer in [&b""[..], b"\x16", b"\x16\x03\x03\x02\0\x02"] {
        let error = error_after(answer);
        assert_eq!(error.kind(), "Closed", "{error}");
        assert!(error.to_string().contains("TLS handshake"), "{error}");
    }
}

#[test]
fn alerts_come_with_advice() {
    for (alert, words) in [
        // handshake_failure, protocol_version and insufficient_security: TLS 1.0, CBC only, or other old servers.
        (&b"\x15\x03\x03\0\x02\x02\x28"[..], "2012 R2"),
        (b"\x15\x03\x01\0\x02\x02\x46", "2012 R2"),
        (b"\x15\x03\x03\0\x02\x02\x47", "2012 R2"),
        // access_denied and internal_error.
        (b"\x15\x03\x03\0\x02\x02\x31", "password is wrong"),
        (b"\x15\x03\x03\0\x02\x02\x50", "Windows"),
    ] {
        let error = error_after(alert);
        assert_eq!(error.kind(), "Tls");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn ends_without_a_common_version_are_told_so() {
    let acceptor =
        Acceptor::with_tls_versions(ServerConfig::default(), &p256(), TlsVersions::Tls12).unwrap();
    let connector =
        Connector::with_trust(everything(), Trust::default(), TlsVersions::Tls13).unwrap();
    let (tcp, server) = serve(acceptor);
    let client = connector
        .connect(tcp, localhost(), credentials())
        .unwrap_err();
    let server = server.join().unwrap().unwrap_err();
    for error in [client, server] {
        assert_eq!(error.kind(), "Tls");
        let text = error.to_string();
        assert!(text.contains("share no TLS version"), "{text}");
    }
}

#[test]
fn a_client_that_speaks_no_tls_is_named() {
    for request in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0",
    ] {
        let (mut tcp, server) = serve(acceptor(&p256()));
        tcp.write_all(request).unwrap();
        let error = server.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), "Tls");
        assert!(
            error.to_string().contains("does not speak TLS here"),
            "{error}"
        );
    }
}

/// MS-CSSP, section 3.1.5: sessions are not resumed. A client that would like to finds nothing to do it with.
#[test]
fn our_server_resumes_nothing() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut config = raw::client_config(&[version]);
        config.resumption = Resumption::in_memory_sessions(16);
        let config = Arc::new(config);
        let acceptor = acceptor(&p256());
        for _ in 0..3 {
            let (tcp, server) = serve(acceptor.clone());
            let mut stream = raw::client(config.clone(), tcp);
            assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Full));
            let key = credssp::tls::server_public_key(&stream.conn.peer_certificates().unwrap()[0])
                .unwrap();
            let client = credssp::Client::new(everything(), localhost(), credentials(), key);
            stream::blocking::authenticate(&mut stream, client).unwrap();
            let (mut server, _) = server.join().unwrap().unwrap();
            // Tickets would have come before this.
            server.write_all(b"!").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            assert_eq!(stream.conn.tls13_tickets_received(), 0);
        }
    }
}

#[test]
fn our_client_resumes_nothing() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let issued = Issued::new(&["localhost"]);
        let key = rcgen::KeyPair::from_pem(&issued.key.serialize_pem()).unwrap();
        let identity = issued.self_signed();
        let mut config = raw::server_config(&[version], raw::certified_key(&identity, &key));
        config.session_storage = rustls::server::ServerSessionMemoryCache::new(16);
        config.ticketer = rustls::crypto::ring::Ticketer::new().unwrap();
        config.send_tls13_tickets = 2;
        let config = Arc::new(config);
        let connector = connector();
        for _ in 0..3 {
            let (config, own_key) = (config.clone(), identity.public_key().clone());
            let (tcp, server) = spawn(move |tcp| {
                let mut stream = raw::server(config, tcp).unwrap();
                let server = credssp::Server::new(ServerConfig::default(), own_key);
                stream::blocking::accept(&mut stream, server, loopback::look_up).unwrap();
                stream.conn.handshake_kind()
            });
            connector.connect(tcp, localhost(), credentials()).unwrap();
            assert_eq!(server.join().unwrap(), Some(HandshakeKind::Full));
        }
    }
    // The control: another client of the same server resumes.
    let issued = Issued::new(&["localhost"]);
    let key = rcgen::KeyPair::from_pem(&issued.key.serialize_pem()).unwrap();
    let identity = issued.self_signed();
    let versions = &[&rustls::version::TLS12];
    let mut config = raw::server_config(versions, raw::certified_key(&identity, &key));
    config.session_storage = rustls::server::ServerSessionMemoryCache::new(16);
    let (server, client) = (Arc::new(config), Arc::new(raw::client_config(versions)));
    let kinds = [(); 2].map(|()| {
        let server = server.clone();
        let (tcp, server) = spawn(move |tcp| raw::server(server, tcp).map(drop));
        let kind = raw::client(client.clone(), tcp).conn.handshake_kind();
        server.join().unwrap().unwrap();
        kind
    });
    assert_eq!(
        kinds,
        [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]
    );
}

/// CredSSP has no use for them, and asking for one makes some clients pop up a choice.
#[test]
fn our_server_asks_for_no_client_certificate() {
    /// Would give one if it were asked.
    #[derive(Debug)]
    struct Asked(std::sync::atomic::AtomicBool);

    impl rustls::client::ResolvesClientCert for Asked {
        fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
            None
        }

        fn has_certs(&self) -> bool {
            true
        }
    }

    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let asked = Arc::new(Asked(false.into()));
        let mut config = raw::client_config(&[version]);
        config.client_auth_cert_resolver = asked.clone();
        let (tcp, server) = serve(acceptor(&p256()).with_timeout(PATIENCE));
        drop(raw::client(config, tcp));
        assert!(server.join().unwrap().is_err());
        assert!(!asked.0.load(std::sync::atomic::Ordering::Relaxed));
    }
}

#[test]
fn the_server_name_is_told_to_the_server() {
    for version in VERSIONS {
        let connector = Connector::with_trust(everything(), Trust::default(), version).unwrap();
        let both = connect(&connector, acceptor(&p256()));
        assert_eq!(both.server.0.conn.server_name(), Some("localhost"));
    }
}
