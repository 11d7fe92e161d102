//! Whole handshakes: CredSSP by itself, and TLS with and without CredSSP.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use credssp::mechanism::Negotiation;
use credssp::ts_request::ServerPublicKey;
use criterion::{Criterion, criterion_group};

#[path = "operation/handshake.rs"]
mod handshake;
#[path = "operation/tls.rs"]
mod tls;

use handshake::{Plain, Setup};

/// As long as an RSA key of 2048 bits.
const KEY: [u8; 270] = [0x30; 270];

fn without_tls(c: &mut Criterion) {
    let key = ServerPublicKey::from_subject_public_key(&KEY);
    for (name, negotiation) in [
        ("CredSSP, bare NTLM", Negotiation::Bare),
        ("CredSSP, SPNEGO and NTLM", Negotiation::Spnego),
    ] {
        let mut group = c.benchmark_group(name);
        let setup = Setup::new(negotiation);
        group.bench_function("credssp", |b| b.iter(|| setup.run(&key, &mut Plain)));
        #[cfg(feature = "sspi")]
        {
            let setup = match negotiation {
                Negotiation::Bare => handshake::sspi_peer::Setup::bare(),
                _ => handshake::sspi_peer::Setup::spnego(),
            };
            group.bench_function("sspi", |b| b.iter(|| setup.run(&KEY, &mut Plain)));
        }
        group.finish();
    }
}

fn with_tls(c: &mut Criterion) {
    let mut group = c.benchmark_group("TLS 1.3 with RSA-2048");
    let tls = tls::Setup::new();
    group.bench_function("rustls alone", |b| b.iter(|| tls.connect()));
    let setup = Setup::new(Negotiation::Spnego);
    group.bench_function("rustls and credssp", |b| {
        b.iter(|| tls_and_credssp(&tls, &setup));
    });
    #[cfg(feature = "sspi")]
    {
        let setup = handshake::sspi_peer::Setup::spnego();
        group.bench_function("rustls and sspi", |b| b.iter(|| tls_and_sspi(&tls, &setup)));
    }
    group.finish();
}

fn tls_and_credssp(tls: &tls::Setup, setup: &Setup) {
    let mut connection = tls.connect();
    let key = connection.server_key();
    black_box(setup.run(&key, &mut connection));
}

#[cfg(feature = "sspi")]
fn tls_and_sspi(tls: &tls::Setup, setup: &handshake::sspi_peer::Setup) {
    let mut connection = tls.connect();
    let key = connection.server_key();
    black_box(setup.run(key.as_bytes(), &mut connection));
}

/// The ratios to TLS alone. Taken by turns, one handshake of each after the other, because the difference is smaller
/// than what the machine's own speed drifts by between two benches.
fn by_turns(rounds: usize) {
    let tls = tls::Setup::new();
    let setup = Setup::new(Negotiation::Spnego);
    #[cfg(feature = "sspi")]
    let sspi = handshake::sspi_peer::Setup::spnego();

    let mut alone = Vec::with_capacity(rounds);
    let mut with_credssp = Vec::with_capacity(rounds);
    #[cfg(feature = "sspi")]
    let mut with_sspi = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        alone.push(time(|| drop(black_box(tls.connect()))));
        with_credssp.push(time(|| tls_and_credssp(&tls, &setup)));
        #[cfg(feature = "sspi")]
        with_sspi.push(time(|| tls_and_sspi(&tls, &sspi)));
    }

    let alone = median(alone);
    let report = |name, time: Duration| {
        let ratio = time.as_secs_f64() / alone.as_secs_f64();
        println!("{name:<20} {time:>9.1?}  {ratio:.3}");
    };
    println!("TLS 1.3 with RSA-2048, by turns, medians of {rounds}, ratio to the first");
    report("rustls alone", alone);
    report("rustls and credssp", median(with_credssp));
    #[cfg(feature = "sspi")]
    report("rustls and sspi", median(with_sspi));
}

fn time(operation: impl FnOnce()) -> Duration {
    let start = Instant::now();
    operation();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

criterion_group!(benches, without_tls, with_tls);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();

    // Not where a filter selects benches, and briefly where criterion is brief.
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.iter().all(|argument| argument.starts_with("--")) {
        let brief = ["--quick", "--test"];
        let full = !arguments
            .iter()
            .any(|argument| brief.contains(&&**argument));
        by_turns(if full { 2000 } else { 100 });
    }
}
