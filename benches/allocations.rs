//! How often each operation of the other benches allocates.
//!
//! A bench of its own, because an allocator that counts slows down whatever allocates, and so would falsify the times.
//! Fails where decoding or encoding a TSRequest, or sealing or opening a message, allocates.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::alloc::System;
use std::hint::black_box;

use bytes::BytesMut;
use credssp::mechanism::Negotiation;
use credssp::ts_request::ServerPublicKey;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[path = "operation/handshake.rs"]
mod handshake;
#[cfg(feature = "kerberos")]
#[path = "operation/kerberos.rs"]
mod kerberos;
#[path = "operation/ntlm.rs"]
mod ntlm;
#[path = "operation/tls.rs"]
mod tls;
#[path = "operation/ts_request.rs"]
mod ts_request;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const KEY: [u8; 270] = [0x30; 270];

fn main() {
    println!("{:<40} {:>11}  {:>8}", "operation", "allocations", "bytes");
    ts_request();
    ntlm(200);
    ntlm(16_384);
    #[cfg(feature = "kerberos")]
    {
        kerberos(1024);
        kerberos(16_384);
    }
    handshakes();
}

fn ts_request() {
    let message = ts_request::message();
    let decode = || {
        black_box(ts_request::decode(&message));
    };
    assert_eq!(report("TSRequest, decode: credssp", decode), 0);
    #[cfg(feature = "sspi")]
    report("TSRequest, decode: sspi", || {
        drop(ts_request::sspi_peer::decode(&message));
    });

    let mut out = BytesMut::with_capacity(512);
    let encode = || {
        out.clear();
        ts_request::encode(&ts_request::request(), &mut out);
    };
    assert_eq!(report("TSRequest, encode: credssp", encode), 0);
    #[cfg(feature = "sspi")]
    {
        let request = ts_request::sspi_peer::request();
        let mut out = Vec::with_capacity(512);
        report("TSRequest, encode: sspi", || {
            out.clear();
            ts_request::sspi_peer::encode(&request, &mut out);
        });
    }
}

fn ntlm(length: usize) {
    let plaintext = vec![0x5a; length];
    {
        let (mut client, mut server) = ntlm::established();
        let mut message = BytesMut::with_capacity(length + 16);
        message.extend_from_slice(&plaintext);
        let name = format!("NTLM, {length} bytes, wrap: credssp");
        let wraps = report(&name, || client.wrap(&mut message));
        let name = format!("NTLM, {length} bytes, unwrap: credssp");
        let unwraps = report(&name, || {
            black_box(server.unwrap(&mut message));
        });
        assert_eq!((wraps, unwraps), (0, 0));
    }
    #[cfg(feature = "sspi")]
    {
        let (mut client, mut server) = ntlm::sspi_peer::established();
        let (mut message, mut signature) = (plaintext, [0; 16]);
        report(&format!("NTLM, {length} bytes, wrap: sspi"), || {
            client.wrap(&mut message, &mut signature);
        });
        report(&format!("NTLM, {length} bytes, unwrap: sspi"), || {
            server.unwrap(&mut message, &mut signature);
        });
    }
}

#[cfg(feature = "kerberos")]
fn kerberos(length: usize) {
    let plaintext = vec![0x5a; length];
    {
        let (mut client, mut server) = kerberos::established();
        let mut message = BytesMut::with_capacity(length + kerberos::OVERHEAD);
        message.extend_from_slice(&plaintext);
        let name = format!("Kerberos, {length} bytes, wrap: credssp");
        let wraps = report(&name, || client.wrap(&mut message));
        let name = format!("Kerberos, {length} bytes, unwrap: credssp");
        let unwraps = report(&name, || {
            black_box(server.unwrap(&mut message));
        });
        assert_eq!((wraps, unwraps), (0, 0));
    }
    #[cfg(feature = "sspi")]
    {
        let (mut client, mut server) = kerberos::sspi_peer::established();
        let (mut message, mut token) = (plaintext.clone(), [0; kerberos::OVERHEAD]);
        report(&format!("Kerberos, {length} bytes, wrap: sspi"), || {
            server.wrap(&mut message, &mut token);
        });
        let mut message = BytesMut::from(&*plaintext);
        client.wrap(&mut message);
        let (token, message) = message.split_at_mut(kerberos::OVERHEAD);
        report(&format!("Kerberos, {length} bytes, unwrap: sspi"), || {
            server.unwrap(message, token);
        });
    }
    let (mut client, server) = kerberos::krb5_peer::established();
    report_again(&format!("Kerberos, {length} bytes, wrap: krb5"), || {
        drop(server.wrap(&plaintext));
    });
    let mut token = BytesMut::from(&*plaintext);
    client.wrap(&mut token);
    report(&format!("Kerberos, {length} bytes, unwrap: krb5"), || {
        drop(server.unwrap(&token));
    });
}

fn handshakes() {
    let key = ServerPublicKey::from_subject_public_key(&KEY);
    let (bare, spnego) = (
        handshake::Setup::new(Negotiation::Bare),
        handshake::Setup::new(Negotiation::Spnego),
    );
    let mut plain = handshake::Plain;
    report_again("bare NTLM: credssp", || drop(bare.run(&key, &mut plain)));
    #[cfg(feature = "sspi")]
    {
        let bare = handshake::sspi_peer::Setup::bare();
        report_again("bare NTLM: sspi", || drop(bare.run(&KEY, &mut plain)));
    }
    report_again("SPNEGO and NTLM: credssp", || {
        drop(spnego.run(&key, &mut plain));
    });
    #[cfg(feature = "sspi")]
    let theirs = handshake::sspi_peer::Setup::spnego();
    #[cfg(feature = "sspi")]
    report_again("SPNEGO and NTLM: sspi", || {
        drop(theirs.run(&KEY, &mut plain))
    });

    let tls = tls::Setup::new();
    report_again("TLS 1.3: rustls alone", || drop(tls.connect()));
    report_again("TLS 1.3: rustls and credssp", || {
        let mut connection = tls.connect();
        let key = connection.server_key();
        drop(spnego.run(&key, &mut connection));
    });
    #[cfg(feature = "sspi")]
    report_again("TLS 1.3: rustls and sspi", || {
        let mut connection = tls.connect();
        let key = connection.server_key();
        drop(theirs.run(key.as_bytes(), &mut connection));
    });
}

/// As [`report()`], when what is allocated once and for all is there.
fn report_again(name: &str, mut operation: impl FnMut()) {
    operation();
    report(name, operation);
}

/// Prints a line, and returns the number of allocations.
fn report(name: &str, mut operation: impl FnMut()) -> usize {
    let region = Region::new(ALLOCATOR);
    operation();
    let stats = region.change();
    // A buffer that grows where it lies, or moves, counts too.
    let count = stats.allocations + stats.reallocations;
    println!("{name:<40} {count:>11}  {:>8}", stats.bytes_allocated);
    count
}
