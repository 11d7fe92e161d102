use std::io;
use std::iter;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[cfg(feature = "kdc-proxy")]
use super::proxy::Proxy;
use super::search::Pin;
#[cfg(feature = "kdc-proxy")]
use crate::error::Error;
use crate::kdc::{KdcAddress, KdcLocator, KdcRequest};

/// How many realms' KDCs are remembered: realms' names may come from KDCs.
const MAX_PINS: usize = 64;

/// Asks the KDCs of realms, one after the other until one answers. Time and memory are bounded.
///
/// It goes on to the next one where a KDC cannot be reached, does not answer in time, answers in another framing or at too great
/// length, or says that it is out of service (KDC_ERR_SVC_UNAVAILABLE); any other answer is the answer. The KDC that gave it is the first to be asked
/// the next time, for the others may not know yet what it has learnt.
///
/// An address that leaves the choice is asked over TCP, for tickets of Active Directory seldom fit a datagram;
/// [`Self::with_udp()`] prefers UDP for small messages. Datagrams that bring nothing are sent again after 1 second and
/// after 2 more, once the other KDCs had their turn. A reply that is too long for a datagram is fetched over TCP.
///
/// Implements [`KdcTransport`](crate::kdc::KdcTransport) and, with the feature `tokio`, `AsyncKdcTransport`.
#[derive(Debug)]
pub struct KdcClient {
    realms: Vec<(Box<str>, Vec<KdcAddress>)>,
    every_realm: Vec<KdcAddress>,
    locators: Vec<Arc<dyn KdcLocator>>,
    pub(super) udp_limit: usize,
    pub(super) server_timeout: Duration,
    pub(super) timeout: Duration,
    #[cfg(feature = "kdc-proxy")]
    proxy: Option<Proxy>,
    pins: Mutex<Vec<(Box<str>, Pin)>>,
}

impl KdcClient {
    /// The length in octets up to which messages fit datagrams of most networks, for [`Self::with_udp()`].
    pub const UDP_PREFERENCE_LIMIT: usize = 1465;

    /// The KDCs of one realm, in the order in which they are to be asked. Upper and lower case are alike in its name.
    #[must_use]
    pub fn with_realm(
        mut self,
        realm: &str,
        addresses: impl IntoIterator<Item = KdcAddress>,
    ) -> Self {
        let addresses = addresses.into_iter().collect();
        self.realms.push((realm.into(), addresses));
        self
    }

    /// The KDCs of each realm that [`Self::with_realm()`] does not name: a proxy, for one.
    #[must_use]
    pub fn with_every_realm(mut self, addresses: impl IntoIterator<Item = KdcAddress>) -> Self {
        self.every_realm = addresses.into_iter().collect();
        self
    }

    /// Adds someone who is asked for realms that have no addresses by the methods above; the first one that knows a
    /// realm has said all of it.
    #[must_use]
    pub fn with_locator(mut self, locator: Arc<dyn KdcLocator>) -> Self {
        self.locators.push(locator);
        self
    }

    /// Prefers UDP for messages up to `limit` octets, where an address leaves the choice; by default for none.
    #[must_use]
    pub fn with_udp(mut self, limit: usize) -> Self {
        self.udp_limit = limit;
        self
    }

    /// How long to wait for one server, by default 5 seconds; for a datagram's answer, at most 1 second and then more.
    #[must_use]
    pub fn with_server_timeout(mut self, timeout: Duration) -> Self {
        self.server_timeout = timeout;
        self
    }

    /// How long one question may take in all, by default 15 seconds.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The roots, in PEM, that KDC proxies' certificates have to chain to. Without them no proxy is asked: the system's own
    /// roots are not looked for.
    ///
    /// # Errors
    /// Where the text is no PEM, or holds no certificate.
    #[cfg(feature = "kdc-proxy")]
    pub fn with_proxy_roots(mut self, pem: &[u8]) -> Result<Self, Error> {
        self.proxy = Some(Proxy::new(pem)?);
        Ok(self)
    }

    /// What finds a realm's addresses; it may block.
    pub(super) fn location(&self, realm: &str) -> impl FnOnce() -> Vec<KdcAddress> + Send + use<> {
        let configured = self
            .realms
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(realm))
            .map_or(&self.every_realm, |(_, addresses)| addresses)
            .clone();
        let locators = self.locators.clone();
        let realm = realm.to_owned();
        move || {
            let located = locators.iter().map(|locator| locator.locate(&realm));
            iter::once(configured)
                .chain(located)
                .find(|addresses| !addresses.is_empty())
                .unwrap_or_default()
        }
    }

    /// What asks a proxy; it blocks.
    #[cfg(feature = "kdc-proxy")]
    pub(super) fn proxy_call(
        &self,
        address: &KdcAddress,
        request: &KdcRequest,
        timeout: Duration,
    ) -> impl FnOnce() -> io::Result<Vec<u8>> + Send + use<> {
        let (proxy, url, request) = (self.proxy.clone(), address.to_string(), request.clone());
        move || {
            let no_roots = || {
                io::Error::other(
                    "no root is trusted for its certificate: see KdcClient::with_proxy_roots",
                )
            };
            proxy.ok_or_else(no_roots)?.ask(&url, &request, timeout)
        }
    }

    #[cfg(not(feature = "kdc-proxy"))]
    #[expect(clippy::unused_self, reason = "its twin uses it")]
    pub(super) fn proxy_call(
        &self,
        _: &KdcAddress,
        _: &KdcRequest,
        _: Duration,
    ) -> impl FnOnce() -> io::Result<Vec<u8>> + Send + use<> {
        || {
            Err(io::Error::other(
                "this is a KDC proxy, for which the feature kdc-proxy is needed",
            ))
        }
    }

    /// The server that answered last for a realm.
    pub(super) fn pinned(&self, realm: &str) -> Option<Pin> {
        let pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        pins.iter()
            .find(|(name, _)| **name == *realm)
            .map(|(_, pin)| pin.clone())
    }

    /// Remembers the server that answered.
    pub(super) fn pin(&self, realm: &str, pin: Pin) {
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        pins.retain(|(name, _)| **name != *realm);
        if pins.len() >= MAX_PINS {
            pins.remove(0);
        }
        pins.push((realm.into(), pin));
    }
}

impl Default for KdcClient {
    /// Knows no KDC yet.
    fn default() -> Self {
        Self {
            realms: Vec::new(),
            every_realm: Vec::new(),
            locators: Vec::new(),
            udp_limit: 0,
            server_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(15),
            #[cfg(feature = "kdc-proxy")]
            proxy: None,
            pins: Mutex::default(),
        }
    }
}
