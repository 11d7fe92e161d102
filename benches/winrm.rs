//! WinRM's sealed bodies beside rustls's own records for the same octets: TLS 1.3 either way.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use criterion::{Criterion, criterion_group};

#[path = "operation/handshake.rs"]
#[allow(
    dead_code,
    reason = "of the handshakes, this needs only the trait that TLS carries"
)]
mod handshake;
#[path = "operation/tls.rs"]
#[allow(dead_code, reason = "of TLS, this needs only a connection")]
mod tls;
#[path = "operation/winrm.rs"]
mod winrm;

use winrm::Sessions;

const BODIES: [(&str, usize); 2] = [("16 KiB", 16_384), ("1 MiB", 1 << 20)];

fn bodies(c: &mut Criterion) {
    for (name, length) in BODIES {
        let body = vec![0x5a; length];
        let mut group = c.benchmark_group(format!("WinRM body of {name}, sealed and opened"));
        let mut ours = Ours::new();
        group.bench_function("credssp", |b| b.iter(|| ours.run(black_box(&body))));
        let mut rustls = Rustls::new();
        group.bench_function("rustls alone", |b| b.iter(|| rustls.run(black_box(&body))));
        group.finish();
    }
}

/// Both by turns, for what the machine does meanwhile to count for both: the medians, and the ratio.
fn by_turns(rounds: usize) {
    for (name, length) in BODIES {
        let body = vec![0x5a; length];
        let (mut ours, mut rustls) = (Ours::new(), Rustls::new());
        let mut times = [const { Vec::new() }; 4];
        for round in 0..rounds {
            let (one, other) = if round % 2 == 0 {
                let one = ours.run(&body);
                (one, rustls.run(&body))
            } else {
                let other = rustls.run(&body);
                (ours.run(&body), other)
            };
            for (times, time) in times.iter_mut().zip([one.0, one.1, other.0, other.1]) {
                times.push(time);
            }
        }
        let [seal, open, encrypt, decrypt] = times.map(median);
        let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
        println!(
            "{name}: seal {seal:?}, rustls {encrypt:?}, ratio {:.3}; open {open:?}, rustls {decrypt:?}, ratio {:.3}",
            ratio(seal, encrypt),
            ratio(open, decrypt),
        );
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// How long sealing and opening took.
type Times = (Duration, Duration);

struct Ours {
    sessions: Sessions,
    sealed: BytesMut,
    opened: BytesMut,
}

impl Ours {
    fn new() -> Self {
        Self {
            sessions: Sessions::new(),
            sealed: BytesMut::new(),
            opened: BytesMut::new(),
        }
    }

    fn run(&mut self, body: &[u8]) -> Times {
        self.sealed.clear();
        self.opened.clear();
        let start = Instant::now();
        let content_type = self.sessions.seal(body, &mut self.sealed);
        let sealed = Instant::now();
        self.sessions
            .open(content_type, &self.sealed, &mut self.opened);
        let opened = Instant::now();
        assert_eq!(self.opened.len(), body.len());
        (sealed - start, opened - sealed)
    }
}

struct Rustls {
    connection: tls::Connection,
    records: Vec<u8>,
    opened: BytesMut,
}

impl Rustls {
    fn new() -> Self {
        Self {
            connection: tls::Setup::new().connect(),
            records: Vec::new(),
            opened: BytesMut::new(),
        }
    }

    fn run(&mut self, body: &[u8]) -> Times {
        self.records.clear();
        self.opened.clear();
        let start = Instant::now();
        winrm::encrypt(&mut self.connection.client, body, &mut self.records);
        let encrypted = Instant::now();
        winrm::decrypt(&mut self.connection.server, &self.records, &mut self.opened);
        let decrypted = Instant::now();
        assert_eq!(self.opened.len(), body.len());
        (encrypted - start, decrypted - encrypted)
    }
}

criterion_group!(benches, bodies);

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
        by_turns(if full { 1000 } else { 50 });
    }
}
