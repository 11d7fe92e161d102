use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::server_public_key;
use crate::error::{Error, OtherError};
use crate::ts_request::ServerPublicKey;

/// What a server presents: a chain of certificates and the private key of the first.
#[derive(Clone)]
pub struct Identity {
    certified_key: Arc<CertifiedKey>,
    public_key: ServerPublicKey,
}

impl Identity {
    /// From DER: the server's own certificate first.
    ///
    /// # Errors
    /// Where the certificate or the key does not parse, the key is of no supported type (RSA of 2048 bits or more,
    /// ECDSA on P-256 or P-384, Ed25519), or the two do not belong together.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Error> {
        let certificate = chain
            .first()
            .ok_or_else(|| OtherError::new("there is no certificate"))?;
        let public_key = server_public_key(certificate)?;
        let provider = rustls::crypto::ring::default_provider();
        let certified_key = CertifiedKey::from_der(chain, key, &provider)?;
        Ok(Self {
            certified_key: Arc::new(certified_key),
            public_key,
        })
    }

    /// From PEM: the certificates, the server's own first, and the key (PKCS #8, PKCS #1 or SEC 1).
    ///
    /// # Errors
    /// Where a text is no such PEM, and as [`Self::new()`].
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| OtherError::new(format!("cannot read the certificates: {error}")))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| OtherError::new(format!("cannot read the private key: {error}")))?;
        Self::new(chain, key)
    }

    /// The key that clients bind to.
    pub fn public_key(&self) -> &ServerPublicKey {
        &self.public_key
    }

    /// The server's own certificate, then those above it.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified_key.cert
    }

    pub(super) fn certified_key(&self) -> Arc<CertifiedKey> {
        self.certified_key.clone()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("public_key", &self.public_key)
            .finish_non_exhaustive()
    }
}
