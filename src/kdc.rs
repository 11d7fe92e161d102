//! What the engine asks of a KDC, and who carries it there.

use std::fmt;
use std::net::Ipv6Addr;
#[cfg(feature = "tokio")]
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// A message for a KDC of a realm; its reply goes back into the state that gave it.
///
/// `Debug` shows the message's length only.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KdcRequest {
    /// The realm, whose KDCs are to be asked.
    pub realm: Box<str>,
    /// The message, without the length that TCP puts before it (RFC 4120, section 7.2.2).
    pub message: Vec<u8>,
}

impl KdcRequest {
    /// From parts.
    pub fn new(realm: &str, message: Vec<u8>) -> Self {
        Self {
            realm: realm.into(),
            message,
        }
    }
}

impl fmt::Debug for KdcRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KdcRequest")
            .field("realm", &self.realm)
            .field("message", &format_args!("{} octets", self.message.len()))
            .finish()
    }
}

/// What a KDC answered, or that none could be reached.
pub type KdcReply = Result<Vec<u8>, KdcUnreachable>;

/// Carries messages to KDCs, and blocks until the answer is there.
pub trait KdcTransport: fmt::Debug + Send + Sync {
    /// Asks a KDC of the request's realm, bounded in time and in the length of the answer. It may take no longer than
    /// `timeout`, where there is one, and than the transport's own limit.
    ///
    /// # Errors
    /// Where no KDC of the realm is known, or none answers in time.
    fn ask(&self, request: &KdcRequest, timeout: Option<Duration>) -> KdcReply;
}

/// Carries messages to KDCs without blocking.
#[cfg(feature = "tokio")]
pub trait AsyncKdcTransport: fmt::Debug + Send + Sync {
    /// As [`KdcTransport::ask()`]; whoever has less time drops the future.
    fn ask<'a>(
        &'a self,
        request: &'a KdcRequest,
    ) -> Pin<Box<dyn Future<Output = KdcReply> + Send + 'a>>;
}

/// Knows where the KDCs of realms are.
pub trait KdcLocator: fmt::Debug + Send + Sync {
    /// A realm's KDCs, in the order in which they are to be asked; none where it knows none. May block, for seconds at
    /// most.
    fn locate(&self, realm: &str) -> Vec<KdcAddress>;
}

/// No KDC of a realm answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no KDC of the realm {} can be reached: {reason}", realm.escape_debug())]
#[non_exhaustive]
pub struct KdcUnreachable {
    /// The realm.
    pub realm: Arc<str>,
    /// What was tried, what came of it, and what would help.
    pub reason: Arc<str>,
}

impl KdcUnreachable {
    /// From parts.
    pub fn new(realm: &str, reason: &str) -> Self {
        Self {
            realm: realm.into(),
            reason: reason.into(),
        }
    }
}

/// Where a KDC is reached, and how.
///
/// It is written as krb5.conf writes the values of `kdc`:
///
/// | text | meaning |
/// | --- | --- |
/// | `dc.example.com`, `dc.example.com:88` | TCP or UDP, as the transport likes |
/// | `tcp/dc.example.com`, `udp/10.0.0.1:88` | that alone |
/// | `[2001:db8::1]:88`, `tcp/[2001:db8::1]` | an address of IPv6 stands in brackets |
/// | `https://proxy.example.com/KdcProxy` | a proxy (MS-KKDCP) |
///
/// ```
/// use credssp::kdc::KdcAddress;
///
/// let address: KdcAddress = "tcp/[2001:db8::1]".parse()?;
/// let (host, port) = ("2001:db8::1".into(), KdcAddress::DEFAULT_PORT);
/// assert_eq!(address, KdcAddress::Tcp { host, port });
/// # Ok::<(), credssp::kdc::InvalidKdcAddress>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KdcAddress {
    /// TCP or UDP.
    Any {
        /// A name or an address, without brackets.
        host: Box<str>,
        /// The port.
        port: u16,
    },
    /// TCP.
    Tcp {
        /// A name or an address, without brackets.
        host: Box<str>,
        /// The port.
        port: u16,
    },
    /// UDP.
    Udp {
        /// A name or an address, without brackets.
        host: Box<str>,
        /// The port.
        port: u16,
    },
    /// A proxy over HTTPS (MS-KKDCP).
    Proxy {
        /// Its address, which begins with `https://`.
        url: Box<str>,
    },
}

impl KdcAddress {
    /// Kerberos' port (RFC 4120, section 7.2).
    pub const DEFAULT_PORT: u16 = 88;
}

impl FromStr for KdcAddress {
    type Err = InvalidKdcAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((scheme, rest)) = text.split_once("://") {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            return match scheme.eq_ignore_ascii_case("https") && is_word(text) && !host.is_empty() {
                true => Ok(Self::Proxy {
                    url: ["https://", rest].concat().into(),
                }),
                false => Err(InvalidKdcAddress),
            };
        }
        let (protocol, host) = text.split_once('/').unwrap_or(("", text));
        let (host, port) = host_and_port(host).ok_or(InvalidKdcAddress)?;
        let host = host.into();
        match &*protocol.to_ascii_lowercase() {
            "" => Ok(Self::Any { host, port }),
            "tcp" => Ok(Self::Tcp { host, port }),
            "udp" => Ok(Self::Udp { host, port }),
            _ => Err(InvalidKdcAddress),
        }
    }
}

impl fmt::Display for KdcAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (protocol, host, port) = match self {
            Self::Any { host, port } => ("", host, port),
            Self::Tcp { host, port } => ("tcp/", host, port),
            Self::Udp { host, port } => ("udp/", host, port),
            Self::Proxy { url } => return f.write_str(url),
        };
        match host.contains(':') {
            true => write!(f, "{protocol}[{host}]:{port}"),
            false => write!(f, "{protocol}{host}:{port}"),
        }
    }
}

fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            match port {
                "" => (address, None),
                port => (address, Some(port.strip_prefix(':')?)),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    // `parse` takes a sign.
    let port = match port {
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            digits.parse().ok()?
        }
        Some(_) => return None,
        None => KdcAddress::DEFAULT_PORT,
    };
    let fits = !host.is_empty() && is_word(host) && !host.contains(['/', '[', ']']);
    (fits && port != 0).then_some((host, port))
}

fn is_word(text: &str) -> bool {
    !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// A text that is no KDC's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {}", Self::EXPECTED)]
#[non_exhaustive]
pub struct InvalidKdcAddress;

impl InvalidKdcAddress {
    /// What would be one.
    pub(crate) const EXPECTED: &str = "a KDC's address, such as `dc.example.com`, `tcp/dc.example.com:88`, \
         `[2001:db8::1]:88` or `https://proxy.example.com/KdcProxy`";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_as_they_are_written() {
        for (text, written) in [
            ("dc.example.com", "dc.example.com:88"),
            ("10.0.0.1:750", "10.0.0.1:750"),
            ("TCP/dc:65535", "tcp/dc:65535"),
            ("udp/[2001:db8::1]", "udp/[2001:db8::1]:88"),
            ("[::1]:1", "[::1]:1"),
            ("bücher.example", "bücher.example:88"),
            ("HTTPS://p:8443/KdcProxy", "https://p:8443/KdcProxy"),
        ] {
            let address: KdcAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), written);
            assert_eq!(written.parse(), Ok(address));
        }
        let host = "[::1]:7".parse::<KdcAddress>().unwrap();
        let expected = KdcAddress::Any {
            host: "::1".into(),
            port: 7,
        };
        assert_eq!(host, expected);
    }

    #[test]
    fn a_realm_that_a_kdc_has_named_writes_no_lines_of_its_own() {
        let error = KdcUnreachable::new("É\r\nroot logged on\u{1b}[2J", "no answer");
        let shown = r"no KDC of the realm É\r\nroot logged on\u{1b}[2J can be reached: no answer";
        assert_eq!(error.to_string(), shown);
    }

    #[test]
    fn refuses_what_is_no_address() {
        for bad in [
            "",
            ":88",
            "dc:",
            "dc:0",
            "dc:65536",
            "dc:+88",
            "dc:kerberos",
            "::1",
            "[::1",
            "[::1]88",
            "[dc]:88",
            "sctp/dc",
            "tcp/",
            "tcp/a/b",
            "a b",
            "http://proxy/KdcProxy",
            "https://",
            "https:///KdcProxy",
            "https://a b/",
        ] {
            assert_eq!(bad.parse::<KdcAddress>(), Err(InvalidKdcAddress), "{bad}");
        }
    }
}
