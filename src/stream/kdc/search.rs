use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tracing::debug;

use super::KdcClient;
use crate::kdc::{KdcAddress, KdcReply, KdcRequest, KdcUnreachable};
use crate::kerberos::asn1::{ErrorCode, KrbError};

/// How many addresses of one name are tried.
const MAX_SOCKETS: usize = 8;

/// How many servers are on the list at once; locators may know more.
const MAX_STEPS: usize = 64;

/// How long to wait for the answer to the first datagram; each later one has twice as long.
const FIRST_DATAGRAM: Duration = Duration::from_secs(1);

/// How often a datagram is sent to one server.
const DATAGRAMS: u32 = 3;

/// One question's way from server to server, without the I/O, which the blocking and the asynchronous driver do.
pub(super) struct Search<'a> {
    client: &'a KdcClient,
    request: &'a KdcRequest,
    steps: VecDeque<Step>,
    pin: Option<Pin>,
    deadline: Option<Instant>,
    faults: Vec<String>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        client: &'a KdcClient,
        request: &'a KdcRequest,
        timeout: Option<Duration>,
    ) -> Self {
        let timeout = timeout.map_or(client.timeout, |timeout| timeout.min(client.timeout));
        let mut search = Self {
            client,
            request,
            steps: VecDeque::new(),
            pin: client.pinned(&request.realm),
            deadline: Instant::now().checked_add(timeout),
            faults: Vec::new(),
        };
        if let Some(pin) = search.pin.clone() {
            let way = match pin.socket {
                Some(to) => search.way(&pin.address, to),
                None => Way::Proxy,
            };
            search.steps.push_back(Step::new(&pin.address, way));
        }
        search.steps.push_back(Step::Locate);
        search
    }

    /// What to do next and how long that may take.
    pub(super) fn next(&mut self) -> Option<(Step, Duration)> {
        let step = self.steps.pop_front()?;
        let patience = match step {
            Step::Ask {
                way: Way::Udp { sent, .. },
                ..
            } => FIRST_DATAGRAM.saturating_mul(1 << sent.min(DATAGRAMS)),
            _ => self.client.timeout,
        };
        let left = self.deadline.map_or(self.client.timeout, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            self.faults
                .push(format!("{step}: the time was over before it was asked"));
            return None;
        }
        Some((step, patience.min(self.client.server_timeout).min(left)))
    }

    /// Takes note of what came of a step that had so long; the reply, if that is it.
    pub(super) fn note(
        &mut self,
        step: Step,
        outcome: io::Result<Outcome>,
        timeout: Duration,
    ) -> Option<Vec<u8>> {
        match outcome {
            Ok(Outcome::Located(addresses)) => self.located(addresses),
            Ok(Outcome::Resolved(sockets)) => self.resolved(&step, sockets),
            Ok(Outcome::Reply(reply)) => return self.replied(step, reply),
            Err(error) => self.failed(step, &error, timeout),
        }
        None
    }

    /// That nobody answered.
    pub(super) fn unreachable(self) -> KdcReply {
        let mut reason = self.faults.join("; ");
        reason.push_str(match reason.is_empty() {
            true => {
                "no address of it is known: give KdcClient::with_realm some, or a locator that knows the realm"
            }
            false => {
                "; check these addresses, that a KDC or a KDC proxy listens there, and that no firewall is between"
            }
        });
        Err(KdcUnreachable::new(&self.request.realm, &reason))
    }

    fn located(&mut self, addresses: Vec<KdcAddress>) {
        for address in addresses {
            if self.steps.len() >= MAX_STEPS {
                break;
            }
            let way = match &address {
                KdcAddress::Proxy { .. } => Way::Proxy,
                KdcAddress::Any { host, port }
                | KdcAddress::Tcp { host, port }
                | KdcAddress::Udp { host, port } => match host.parse::<IpAddr>() {
                    Ok(host) => self.way(&address, SocketAddr::new(host, *port)),
                    Err(_) => Way::Resolve {
                        host: host.clone(),
                        port: *port,
                    },
                },
            };
            if !self.was_asked(&address, &way) {
                self.steps.push_back(Step::Ask { address, way });
            }
        }
    }

    fn resolved(&mut self, step: &Step, sockets: Vec<SocketAddr>) {
        let Step::Ask { address, .. } = step else {
            return;
        };
        if sockets.is_empty() {
            self.faults.push(format!("{step}: the name has no address"));
        }
        for socket in sockets.into_iter().take(MAX_SOCKETS).rev() {
            let way = self.way(address, socket);
            if !self.was_asked(address, &way) {
                self.steps.push_front(Step::new(address, way));
            }
        }
    }

    fn replied(&mut self, step: Step, reply: Vec<u8>) -> Option<Vec<u8>> {
        let code = KrbError::is_one(&reply)
            .then(|| KrbError::decode(&reply).ok())
            .flatten()
            .map(|error| error.code());
        if code == Some(ErrorCode::SVC_UNAVAILABLE) {
            self.faults
                .push(format!("{step}: {}", ErrorCode::SVC_UNAVAILABLE));
            return None;
        }
        let Step::Ask { address, way } = step else {
            return None;
        };
        match way {
            Way::Udp { to, .. } if code == Some(ErrorCode::RESPONSE_TOO_BIG) => {
                let way = Way::Tcp { to };
                self.steps.push_front(Step::Ask { address, way });
                None
            }
            way => {
                let socket = way.socket();
                self.client
                    .pin(&self.request.realm, Pin { address, socket });
                Some(reply)
            }
        }
    }

    fn failed(&mut self, step: Step, error: &io::Error, timeout: Duration) {
        debug!(realm = ?self.request.realm, %step, %error, "a KDC does not answer");
        let timed_out = matches!(
            error.kind(),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
        );
        let fault = match error.kind() {
            _ if timed_out => format!("{step}: no answer after {} s", timeout.as_secs_f32()),
            io::ErrorKind::UnexpectedEof => {
                format!("{step}: the connection was closed before a whole reply had come")
            }
            _ => format!("{step}: {error}"),
        };
        match step {
            Step::Ask {
                address: address @ KdcAddress::Any { .. },
                way: Way::Udp { to, .. },
            } => {
                let way = Way::Tcp { to };
                self.steps.push_back(Step::Ask { address, way });
            }
            Step::Ask {
                address,
                way: Way::Udp { to, sent },
            } if timed_out && sent + 1 < DATAGRAMS => {
                let way = Way::Udp { to, sent: sent + 1 };
                self.steps.push_back(Step::Ask { address, way });
            }
            _ => self.faults.push(fault),
        }
    }

    fn way(&self, address: &KdcAddress, to: SocketAddr) -> Way {
        match address {
            KdcAddress::Udp { .. } => Way::Udp { to, sent: 0 },
            KdcAddress::Any { .. } if self.request.message.len() <= self.client.udp_limit => {
                Way::Udp { to, sent: 0 }
            }
            _ => Way::Tcp { to },
        }
    }

    /// Whether that is the server that answered last, and that was asked before all others.
    fn was_asked(&self, address: &KdcAddress, way: &Way) -> bool {
        let asks = !matches!(way, Way::Resolve { .. });
        self.pin
            .as_ref()
            .is_some_and(|pin| asks && pin.address == *address && pin.socket == way.socket())
    }
}

/// What a driver does next.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Ask whoever knows the realm's addresses.
    Locate,
    Ask {
        address: KdcAddress,
        way: Way,
    },
}

impl Step {
    fn new(address: &KdcAddress, way: Way) -> Self {
        Self::Ask {
            address: address.clone(),
            way,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locate => f.write_str("looking for KDCs"),
            Self::Ask { address, way } => {
                write!(f, "{address}")?;
                match way {
                    Way::Resolve { .. } | Way::Proxy => Ok(()),
                    Way::Udp { to, .. } => write!(f, " (UDP to {to})"),
                    Way::Tcp { to } => write!(f, " (TCP to {to})"),
                }
            }
        }
    }
}

/// How a KDC is asked.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// Not yet: its name has to be resolved.
    Resolve {
        host: Box<str>,
        port: u16,
    },
    Tcp {
        to: SocketAddr,
    },
    Udp {
        to: SocketAddr,
        /// How many datagrams it was sent.
        sent: u32,
    },
    Proxy,
}

impl Way {
    const fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp { to } | Self::Udp { to, .. } => Some(*to),
            Self::Resolve { .. } | Self::Proxy => None,
        }
    }
}

/// What a step has brought.
pub(super) enum Outcome {
    Located(Vec<KdcAddress>),
    Resolved(Vec<SocketAddr>),
    Reply(Vec<u8>),
}

/// The server that answered last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pin {
    address: KdcAddress,
    /// `None` for a proxy.
    socket: Option<SocketAddr>,
}
