use std::sync::Arc;
use std::time::Duration;

use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::SingleCertAndKey;

use super::{DEFAULT_TIMEOUT, Identity, TlsVersions};
use crate::error::Error;
use crate::server::{Server, ServerConfig};
use crate::ts_request::ServerPublicKey;

/// What a server needs for TLS and CredSSP together. Cheap to clone: connections share it.
///
/// The drivers in [`stream`](crate::stream) give it the methods that accept.
#[derive(Clone, Debug)]
pub struct Acceptor {
    tls: Arc<rustls::ServerConfig>,
    credssp: Arc<ServerConfig>,
    own_key: ServerPublicKey,
    timeout: Duration,
}

impl Acceptor {
    /// Presents `identity` over TLS 1.2 or 1.3.
    ///
    /// # Errors
    /// Where the TLS library cannot be configured.
    pub fn new(credssp: impl Into<Arc<ServerConfig>>, identity: &Identity) -> Result<Self, Error> {
        Self::with_tls_versions(credssp, identity, TlsVersions::All)
    }

    /// As [`Self::new()`], with some versions of TLS only.
    ///
    /// # Errors
    /// As [`Self::new()`].
    pub fn with_tls_versions(
        credssp: impl Into<Arc<ServerConfig>>,
        identity: &Identity,
        versions: TlsVersions,
    ) -> Result<Self, Error> {
        // One certificate, whatever name the client asks for: CredSSP has to know which one was presented.
        let certificate: Arc<dyn ResolvesServerCert> =
            Arc::new(SingleCertAndKey::from(identity.certified_key()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions.supported())?
            .with_no_client_auth()
            .with_cert_resolver(certificate);
        // MS-CSSP, section 3.1.5: sessions are not resumed.
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
        Ok(Self {
            tls: Arc::new(tls),
            credssp: credssp.into(),
            own_key: identity.public_key().clone(),
            timeout: DEFAULT_TIMEOUT,
        })
    }

    /// How long TLS and CredSSP together may take, with the look-up of the account; by default 30 seconds.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn tls(&self) -> Arc<rustls::ServerConfig> {
        self.tls.clone()
    }

    pub(crate) fn server(&self) -> Server {
        Server::new(self.credssp.clone(), self.own_key.clone())
    }
}
