//! Kerberos' Wrap tokens with aes256-cts-hmac-sha1-96, laid out by all as Windows does it.

#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

#[path = "operation/kerberos.rs"]
mod operation;

use operation::OVERHEAD;

const LENGTHS: [usize; 2] = [1024, 16_384];

fn wrap(c: &mut Criterion) {
    for length in LENGTHS {
        let mut group = c.benchmark_group(format!("Kerberos, {length} bytes, wrap"));
        group.throughput(Throughput::Bytes(length.try_into().expect("a length")));
        let plaintext = vec![0x5a; length];
        group.bench_function("credssp", |b| {
            let (mut client, _) = operation::established();
            let mut message = BytesMut::with_capacity(length + OVERHEAD);
            b.iter(|| {
                message.clear();
                message.extend_from_slice(black_box(&plaintext));
                client.wrap(&mut message);
                black_box(&message);
            });
        });
        #[cfg(feature = "sspi")]
        {
            let (_, mut server) = operation::sspi_peer::established();
            let (mut message, mut token) = (vec![0; length], [0; OVERHEAD]);
            group.bench_function("sspi", |b| {
                b.iter(|| {
                    message.copy_from_slice(black_box(&plaintext));
                    server.wrap(&mut message, &mut token);
                    black_box((&message, &token));
                });
            });
        }
        group.bench_function("krb5", |b| {
            let (_, server) = operation::krb5_peer::established();
            b.iter(|| server.wrap(black_box(&plaintext)));
        });
        group.finish();
    }
}

fn unwrap(c: &mut Criterion) {
    for length in LENGTHS {
        let mut group = c.benchmark_group(format!("Kerberos, {length} bytes, unwrap"));
        group.throughput(Throughput::Bytes(length.try_into().expect("a length")));
        let plaintext = vec![0x5a; length];
        group.bench_function("credssp", |b| {
            let (mut client, mut server) = operation::established();
            b.iter_batched_ref(
                || token(&mut client, &plaintext),
                |token| server.unwrap(black_box(token)).len(),
                BatchSize::SmallInput,
            );
        });
        #[cfg(feature = "sspi")]
        {
            let (mut client, mut server) = operation::sspi_peer::established();
            group.bench_function("sspi", |b| {
                b.iter_batched_ref(
                    || token(&mut client, &plaintext),
                    |token| {
                        let (token, message) = black_box(token).split_at_mut(OVERHEAD);
                        server.unwrap(message, token);
                    },
                    BatchSize::SmallInput,
                );
            });
        }
        group.bench_function("krb5", |b| {
            let (mut client, server) = operation::krb5_peer::established();
            b.iter_batched_ref(
                || token(&mut client, &plaintext),
                |token| server.unwrap(black_box(token)),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

fn token(client: &mut operation::Client, plaintext: &[u8]) -> BytesMut {
    let mut message = BytesMut::with_capacity(plaintext.len() + OVERHEAD);
    message.extend_from_slice(plaintext);
    client.wrap(&mut message);
    message
}

criterion_group!(benches, wrap, unwrap);
criterion_main!(benches);
