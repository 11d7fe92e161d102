//! The TSRequest codec.

#![allow(clippy::expect_used)]

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, criterion_group, criterion_main};

#[path = "operation/ts_request.rs"]
mod operation;

fn decode(c: &mut Criterion) {
    let message = operation::message();
    let mut group = c.benchmark_group("TSRequest of 293 bytes, decode");
    group.bench_function("credssp", |b| {
        b.iter(|| black_box(operation::decode(black_box(&message))).version);
    });
    #[cfg(feature = "sspi")]
    group.bench_function("sspi", |b| {
        b.iter(|| black_box(operation::sspi_peer::decode(black_box(&message))).version);
    });
    group.finish();
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("TSRequest of 293 bytes, encode");
    group.bench_function("credssp", |b| {
        let request = operation::request();
        let mut out = BytesMut::with_capacity(512);
        b.iter(|| {
            out.clear();
            operation::encode(black_box(&request), &mut out);
            black_box(&out);
        });
    });
    #[cfg(feature = "sspi")]
    group.bench_function("sspi", |b| {
        let request = operation::sspi_peer::request();
        let mut out = Vec::with_capacity(512);
        b.iter(|| {
            out.clear();
            operation::sspi_peer::encode(black_box(&request), &mut out);
            black_box(&out);
        });
    });
    group.finish();
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
