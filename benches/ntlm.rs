//! NTLM's sealing, signing included.

#![allow(clippy::expect_used, clippy::panic)]

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

#[path = "operation/ntlm.rs"]
mod operation;

const LENGTHS: [usize; 2] = [200, 16_384];

fn wrap(c: &mut Criterion) {
    for length in LENGTHS {
        let mut group = c.benchmark_group(format!("NTLM, {length} bytes, wrap"));
        group.throughput(Throughput::Bytes(length.try_into().expect("a length")));
        let plaintext = vec![0x5a; length];
        group.bench_function("credssp", |b| {
            let (mut client, _) = operation::established();
            let mut message = BytesMut::with_capacity(length + 16);
            b.iter(|| {
                message.clear();
                message.extend_from_slice(black_box(&plaintext));
                client.wrap(&mut message);
                black_box(&message);
            });
        });
        #[cfg(feature = "sspi")]
        group.bench_function("sspi", |b| {
            let (mut client, _) = operation::sspi_peer::established();
            let (mut message, mut signature) = (vec![0; length], [0; 16]);
            b.iter(|| {
                message.copy_from_slice(black_box(&plaintext));
                client.wrap(&mut message, &mut signature);
                black_box((&message, &signature));
            });
        });
        group.finish();
    }
}

fn unwrap(c: &mut Criterion) {
    for length in LENGTHS {
        let mut group = c.benchmark_group(format!("NTLM, {length} bytes, unwrap"));
        group.throughput(Throughput::Bytes(length.try_into().expect("a length")));
        let plaintext = vec![0x5a; length];
        group.bench_function("credssp", |b| {
            let (mut client, mut server) = operation::established();
            b.iter_batched_ref(
                || {
                    let mut message = BytesMut::with_capacity(length + 16);
                    message.extend_from_slice(&plaintext);
                    client.wrap(&mut message);
                    message
                },
                |token| server.unwrap(black_box(token)).len(),
                BatchSize::SmallInput,
            );
        });
        #[cfg(feature = "sspi")]
        group.bench_function("sspi", |b| {
            let (mut client, mut server) = operation::sspi_peer::established();
            b.iter_batched_ref(
                || {
                    let (mut message, mut signature) = (plaintext.clone(), [0; 16]);
                    client.wrap(&mut message, &mut signature);
                    (message, signature)
                },
                |(message, signature)| server.unwrap(black_box(message), signature),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

criterion_group!(benches, wrap, unwrap);
criterion_main!(benches);
