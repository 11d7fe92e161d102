use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tracing::debug;

use crate::environment::{Random, SystemRandom};
use crate::kdc::{KdcAddress, KdcLocator};

/// URI (RFC 7553), which the DNS library does not know.
const URI: u16 = 256;

/// How many records of one answer are looked at.
const MAX_RECORDS: usize = 32;

/// How long a query may take; those for one realm go out together.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Finds KDCs in DNS (RFC 4120, section 7.2.3): `SRV` at `_kerberos._tcp.REALM` and `_kerberos._udp.REALM` and, where there is none,
/// `URI` at `_kerberos.REALM`, which may name proxies as well.
///
/// Lower priorities come first; among equals the order is drawn by their weights (RFC 2782), anew each time. A realm takes up to
/// 4 seconds. Nothing of the answers is authenticated: whoever forges them can make a logon fail, and gets something to test guesses
/// of the password with, as whoever listens on the way to a KDC does; but nobody's proof.
///
/// Works for the blocking and the asynchronous client, each time in a thread of its own.
#[derive(Clone, Debug, Default)]
pub struct DnsLocator {
    /// `None` for those of the system.
    name_server: Option<SocketAddr>,
}

impl DnsLocator {
    /// Asks this name server, over UDP or TCP, in place of those that the system is configured for.
    #[must_use]
    pub fn with_name_server(mut self, name_server: SocketAddr) -> Self {
        self.name_server = Some(name_server);
        self
    }

    fn look_up(&self, realm: &str) -> Option<Vec<KdcAddress>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .inspect_err(|error| debug!(%error, "no runtime for DNS"))
            .ok()?;
        let found = runtime.block_on(async {
            let resolver = self.resolver()?;
            Some(ask(&resolver, realm).await)
        });
        runtime.shutdown_background();
        found
    }

    fn resolver(&self) -> Option<TokioResolver> {
        match self.name_server {
            None => TokioResolver::builder_tokio(),
            Some(server) => {
                let connections =
                    [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut way| {
                        way.port = server.port();
                        way
                    });
                let server = NameServerConfig::new(server.ip(), true, connections.into());
                let config = ResolverConfig::from_name_servers(vec![server]);
                let provider = TokioRuntimeProvider::default();
                Ok(TokioResolver::builder_with_config(config, provider))
            }
        }
        .and_then(|builder| builder.build())
        .inspect_err(|error| debug!(%error, "DNS is not configured"))
        .ok()
    }
}

impl KdcLocator for DnsLocator {
    fn locate(&self, realm: &str) -> Vec<KdcAddress> {
        // Whoever calls may be a task of another runtime, in which this one must not block.
        thread::scope(|scope| {
            thread::Builder::new()
                .spawn_scoped(scope, || self.look_up(realm))
                .ok()
                .and_then(|thread| thread.join().ok())
                .flatten()
                .unwrap_or_default()
        })
    }
}

async fn ask(resolver: &TokioResolver, realm: &str) -> Vec<KdcAddress> {
    let [tcp, udp, uris] = [
        ("_kerberos._tcp", RecordType::SRV),
        ("_kerberos._udp", RecordType::SRV),
        ("_kerberos", RecordType::from(URI)),
    ]
    .map(|(service, record_type)| {
        // The last dot keeps the resolver from trying other domains below the system's own.
        let name = format!("{service}.{realm}.");
        tokio::spawn(records(resolver.clone(), name, record_type))
    });
    let [tcp, udp] = [tcp.await, udp.await].map(Result::unwrap_or_default);
    let found = servers(&tcp, &udp);
    if !found.is_empty() {
        return found;
    }
    let uris = uris.await.unwrap_or_default();
    drawn(uris.iter().filter_map(uri).collect(), random_up_to)
}

/// Those of one type at one name, none where DNS does not answer in time.
async fn records(resolver: TokioResolver, name: String, record_type: RecordType) -> Vec<RData> {
    let answer = match Name::from_ascii(&name) {
        Ok(parsed) => tokio::time::timeout(TIMEOUT, resolver.lookup(parsed, record_type)).await,
        Err(error) => {
            debug!(name, %error, "this is no name for DNS");
            return Vec::new();
        }
    };
    match answer {
        Ok(Ok(answer)) => {
            let records = answer.answers().iter().take(MAX_RECORDS);
            records.map(|record| record.data.clone()).collect()
        }
        Ok(Err(error)) => {
            debug!(name, %error, "DNS knows nothing");
            Vec::new()
        }
        Err(_) => {
            debug!(name, "DNS does not answer in time");
            Vec::new()
        }
    }
}

/// Those that answer over TCP, then those that answer over UDP only.
fn servers(tcp: &[RData], udp: &[RData]) -> Vec<KdcAddress> {
    let [tcp, udp] =
        [tcp, udp].map(|records| drawn(records.iter().filter_map(server).collect(), random_up_to));
    let both = |server: &Server, others: &[Server]| others.contains(server);
    let address =
        |protocol: &str, (host, port): &Server| format!("{protocol}{host}:{port}").parse();
    let over_tcp = tcp.iter().map(|server| match both(server, &udp) {
        true => address("", server),
        false => address("tcp/", server),
    });
    let udp_only = udp.iter().filter(|server| !both(server, &tcp));
    over_tcp
        .chain(udp_only.map(|server| address("udp/", server)))
        .filter_map(Result::ok)
        .collect()
}

/// A name without its last dot, and a port.
type Server = (String, u16);

fn server(record: &RData) -> Option<Ranked<Server>> {
    let RData::SRV(SRV {
        priority,
        weight,
        port,
        target,
        ..
    }) = record
    else {
        return None;
    };
    // RFC 2782: "A Target of "." means that the service is decidedly not available at this domain." Its host is empty, and
    // an empty host is no address.
    let host = target.to_ascii().trim_end_matches('.').to_owned();
    Some(Ranked {
        priority: *priority,
        weight: *weight,
        item: (host, *port),
    })
}

/// `krb5srv:flags:protocol:server` (MIT's and Heimdal's convention), as in `krb5srv:m:kkdcp:https://proxy.example.com/KdcProxy`.
fn uri(record: &RData) -> Option<Ranked<KdcAddress>> {
    let RData::Unknown { rdata, .. } = record else {
        return None;
    };
    let (numbers, text) = rdata.anything.split_first_chunk()?;
    let [a, b, c, d] = *numbers;
    let mut fields = str::from_utf8(text).ok()?.splitn(4, ':');
    let scheme = fields.next()?;
    let _flags = fields.next()?;
    let (protocol, server) = (fields.next()?, fields.next()?);
    if !scheme.eq_ignore_ascii_case("krb5srv") {
        return None;
    }
    let item = match &*protocol.to_ascii_lowercase() {
        "tcp" | "udp" => format!("{protocol}/{server}").parse().ok()?,
        "kkdcp" => server
            .parse()
            .ok()
            .filter(|address| matches!(address, KdcAddress::Proxy { .. }))?,
        _ => return None,
    };
    Some(Ranked {
        priority: u16::from_be_bytes([a, b]),
        weight: u16::from_be_bytes([c, d]),
        item,
    })
}

/// A record's place among the others.
struct Ranked<T> {
    priority: u16,
    weight: u16,
    item: T,
}

/// In order of priority; among equals, the more often at the front the greater the weight. `random` gives a number from 0 to the
/// one that it is called with.
fn drawn<T>(mut records: Vec<Ranked<T>>, mut random: impl FnMut(u64) -> u64) -> Vec<T> {
    // RFC 2782: those of weight 0 stand at the front, where they have a small chance to be drawn.
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut out = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let weights = records
            .iter()
            .take_while(|record| record.priority == priority)
            .map(|record| u64::from(record.weight));
        let mut rest = random(weights.clone().sum());
        let skipped = weights.take_while(|weight| match rest.checked_sub(*weight) {
            Some(left @ 1..) => {
                rest = left;
                true
            }
            _ => false,
        });
        let index = skipped.count();
        if index >= records.len() {
            break;
        }
        out.push(records.remove(index).item);
    }
    out
}

/// Nearly uniform from 0 to `limit`.
fn random_up_to(limit: u64) -> u64 {
    let mut octets = [0; 8];
    // The order may be any: without randomness, it is the same each time.
    let _ = SystemRandom::default().fill(&mut octets);
    u64::from_be_bytes(octets) % limit.saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(records: &[(u16, u16)]) -> Vec<Ranked<(u16, u16)>> {
        let ranked = |&item: &(u16, u16)| Ranked {
            priority: item.0,
            weight: item.1,
            item,
        };
        records.iter().map(ranked).collect()
    }

    #[test]
    fn draws_by_priority_then_weight() {
        let records = [(2, 9), (1, 3), (1, 0), (1, 2)];
        let mut first = Vec::new();
        for number in 0..=5 {
            let out = drawn(ranked(&records), |limit| number.min(limit));
            assert_eq!(out.len(), records.len());
            assert_eq!(out.last(), Some(&(2, 9)));
            first.extend(out.first().copied());
        }
        // Each number from 0 to the sum of the weights is one chance.
        let chances = [(1, 0), (1, 2), (1, 2), (1, 3), (1, 3), (1, 3)];
        assert_eq!(first, chances);
    }
}
