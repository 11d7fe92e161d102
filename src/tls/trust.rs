use std::sync::Arc;

use ring::digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};

use super::public_key::is_self_issued;
use crate::error::{Error, OtherError};
use crate::proof::{
    CertificateProblem, CertificateProof, CertificateVerdict, ChainProblem, Thumbprint,
};

/// How many of a certificate's names an error tells.
const NAMES_TOLD: usize = 8;

/// Which certificates prove a server. The default trusts none.
///
/// Of several proofs that a certificate has, the one that counts is a pin by SHA-256, else its chain, else a pin by SHA-1; see
/// [`Thumbprint`] for what the latter is worth.
///
/// ```
/// use credssp::tls::Trust;
///
/// let mut trust = Trust::default();
/// trust.pins.push("55:7C:2F:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:0A".parse()?);
/// # Ok::<(), credssp::proof::InvalidThumbprint>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Trust {
    /// Roots: a certificate that chains to one of them and names the host proves the server.
    pub roots: Vec<CertificateDer<'static>>,
    /// Thumbprints of certificates that prove the server by themselves, whatever they name and however old they are.
    pub pins: Vec<Thumbprint>,
}

impl Trust {
    /// Adds the roots in a PEM text.
    ///
    /// # Errors
    /// Where the text is no PEM, or holds no certificate.
    pub fn add_pem_roots(&mut self, pem: &[u8]) -> Result<(), Error> {
        let before = self.roots.len();
        for root in CertificateDer::pem_slice_iter(pem) {
            let root = root.map_err(|error| {
                OtherError::new(format!("cannot read the trusted roots: {error}"))
            })?;
            self.roots.push(root);
        }
        if self.roots.len() == before {
            return Err(OtherError::new("the trusted roots hold no certificate").into());
        }
        Ok(())
    }

    /// Adds the roots that this computer trusts: those of the operating system's store, or where the variables
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` say.
    ///
    /// One that cannot be read does not keep the others away; [`NativeRoots::problems`] tells of it.
    ///
    /// # Errors
    /// Where there is no root at all, with the reasons.
    #[cfg(feature = "native-roots")]
    pub fn add_native_roots(&mut self) -> Result<NativeRoots, Error> {
        let found = rustls_native_certs::load_native_certs();
        let mut problems: Vec<OtherError> = found.errors.into_iter().map(OtherError::new).collect();
        let mut added: usize = 0;
        for root in found.certs {
            match RootCertStore::empty().add(root.clone()) {
                Ok(()) => {
                    self.roots.push(root);
                    added = added.saturating_add(1);
                }
                Err(error) => problems.push(OtherError::new(error)),
            }
        }
        if added == 0 {
            let reasons: Vec<_> = problems.iter().map(ToString::to_string).collect();
            let reasons = match reasons.as_slice() {
                [] => "its store is empty".into(),
                reasons => reasons.join("; "),
            };
            return Err(OtherError::new(format!(
                "this computer trusts no root: {reasons}; install its authorities (Debian: ca-certificates), or give roots \
                 in PEM"
            ))
            .into());
        }
        Ok(NativeRoots { added, problems })
    }
}

/// What came of [`Trust::add_native_roots()`].
#[cfg(feature = "native-roots")]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NativeRoots {
    /// How many roots were added.
    pub added: usize,
    /// What could not be read: these roots are not trusted.
    pub problems: Vec<OtherError>,
}

/// A [`Trust`] made ready.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    roots: Option<Arc<WebPkiServerVerifier>>,
    pins: Arc<[Thumbprint]>,
}

impl Judge {
    pub(super) fn new(trust: Trust, provider: Arc<CryptoProvider>) -> Result<Self, Error> {
        let mut store = RootCertStore::empty();
        for root in trust.roots {
            store.add(root)?;
        }
        let roots = if store.is_empty() {
            None
        } else {
            let builder =
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build();
            Some(builder.map_err(OtherError::new)?)
        };
        Ok(Self {
            roots,
            pins: trust.pins.into(),
        })
    }

    /// Whether no certificate can prove anything.
    pub(super) fn trusts_nothing(&self) -> bool {
        self.roots.is_none() && self.pins.is_empty()
    }

    /// How far a certificate proves the server `host`.
    pub(super) fn verdict(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> CertificateVerdict {
        let sha256 = digest::digest(&digest::SHA256, end_entity);
        let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, end_entity);
        let pinned = |hash: &digest::Digest| {
            let hash = hash.as_ref();
            self.pins.iter().any(|pin| pin.as_bytes() == hash)
        };
        if pinned(&sha256) {
            return Ok(CertificateProof::Sha256Pin);
        }
        let chain = match &self.roots {
            None => Err(ChainProblem::NoRoots),
            Some(roots) => roots
                .verify_server_cert(end_entity, intermediates, host, &[], now)
                .map_err(|error| chain_problem(error, end_entity, host)),
        };
        match chain {
            Ok(_) => Ok(CertificateProof::Chain),
            // The weakest proof counts last.
            Err(_) if pinned(&sha1) => Ok(CertificateProof::Sha1Pin),
            Err(chain) => {
                let presented = sha256.as_ref().try_into().ok().map(Thumbprint::Sha256);
                Err(CertificateProblem::new(chain, self.pins.len(), presented))
            }
        }
    }
}

fn chain_problem(
    error: rustls::Error,
    end_entity: &CertificateDer<'_>,
    host: &ServerName<'_>,
) -> ChainProblem {
    let rustls::Error::InvalidCertificate(error) = error else {
        return ChainProblem::Other(error.to_string().into());
    };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ChainProblem::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ChainProblem::NotYetValid
        }
        CertificateError::NotValidForName => other_name(host, &[]),
        CertificateError::NotValidForNameContext { presented, .. } => other_name(host, &presented),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            ChainProblem::NotForServers
        }
        // An authority's certificate is no server's; where it is its own issuer, that is what matters.
        CertificateError::UnknownIssuer | CertificateError::Other(_)
            if is_self_issued(end_entity) =>
        {
            ChainProblem::SelfSigned
        }
        CertificateError::UnknownIssuer => ChainProblem::UnknownIssuer,
        other => ChainProblem::Other(other.to_string().into()),
    }
}

/// Tells a few of the names. The TLS library writes them as `DnsName("host.example.com")`.
fn other_name(host: &ServerName<'_>, presented: &[String]) -> ChainProblem {
    let told = presented.iter().take(NAMES_TOLD).map(|name| {
        let inner = name
            .split_once("(\"")
            .and_then(|(_, rest)| rest.strip_suffix("\")"));
        let name: String = inner.unwrap_or(name).escape_debug().take(253).collect();
        name.into()
    });
    ChainProblem::OtherName {
        host: host.to_str().into(),
        names: told.collect(),
    }
}
