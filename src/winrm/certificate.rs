use std::fmt;

use ring::digest;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

#[cfg(feature = "self-signed")]
use crate::environment::Random;
use crate::error::{Error, WinRmError};
use crate::proof::Thumbprint;
use crate::tls::Identity;

/// The certificates among which a listener's configuration chooses the one that the service presents inside HTTP, as Windows
/// does by `CertificateThumbprint`.
///
/// It proves the service only to a client that trusts it, and only where it names the host.
#[derive(Default)]
pub struct CertificateStore {
    entries: Vec<(Vec<CertificateDer<'static>>, Option<PrivateKeyDer<'static>>)>,
}

impl CertificateStore {
    /// Adds a certificate, with those above it behind it; `key` is `None` where its private key cannot be read. An empty
    /// chain adds nothing.
    pub fn add(
        &mut self,
        chain: Vec<CertificateDer<'static>>,
        key: Option<PrivateKeyDer<'static>>,
    ) {
        self.entries.push((chain, key));
    }

    /// The certificate with this thumbprint.
    ///
    /// # Errors
    /// - [`WinRmError::NoSuchCertificate`], [`WinRmError::UnreadableKey`].
    /// - As [`Identity::new()`].
    pub fn identity(&self, thumbprint: Thumbprint) -> Result<Identity, Error> {
        let mut found = self
            .entries
            .iter()
            .filter(|(chain, _)| chain.first().is_some_and(|leaf| fits(thumbprint, leaf)))
            .peekable();
        if found.peek().is_none() {
            return Err(WinRmError::NoSuchCertificate.into());
        }
        let (chain, key) = found
            .find_map(|(chain, key)| Some((chain.clone(), key.as_ref()?.clone_key())))
            .ok_or(WinRmError::UnreadableKey)?;
        Identity::new(chain, key)
    }

    /// The certificate with this thumbprint, if one is configured; else one made in memory for `host`, which proves
    /// nothing. Its key is RSA, for some clients can use no other.
    ///
    /// # Errors
    /// As [`Self::identity()`] and [`Identity::self_signed_rsa()`].
    #[cfg(feature = "self-signed")]
    pub fn identity_or_self_signed(
        &self,
        thumbprint: Option<Thumbprint>,
        host: &str,
        random: &dyn Random,
    ) -> Result<Identity, Error> {
        match thumbprint {
            Some(thumbprint) => self.identity(thumbprint),
            None => Identity::self_signed_rsa(host, random),
        }
    }
}

impl fmt::Debug for CertificateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateStore")
            .field("certificates", &self.entries.len())
            .finish_non_exhaustive()
    }
}

fn fits(thumbprint: Thumbprint, certificate: &CertificateDer<'_>) -> bool {
    let algorithm = match thumbprint {
        Thumbprint::Sha256(_) => &digest::SHA256,
        Thumbprint::Sha1(_) => &digest::SHA1_FOR_LEGACY_USE_ONLY,
    };
    digest::digest(algorithm, certificate).as_ref() == thumbprint.as_bytes()
}
