use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tracing::debug;

use super::trust::{Judge, Trust};
use super::verifier::KeyHolderVerifier;
use super::{DEFAULT_TIMEOUT, TlsVersions, server_public_key};
use crate::client::{Client, ClientConfig};
use crate::credentials::Credentials;
use crate::error::{Error, OtherError};
#[cfg(feature = "tokio")]
use crate::kdc::AsyncKdcTransport;
use crate::kdc::KdcTransport;
use crate::name::ServicePrincipalName;
use crate::proof::{CertificateProblem, CertificateVerdict, ServerProof};

/// What a client needs for TLS and CredSSP together. Cheap to clone: connections share it.
///
/// The drivers in [`stream`](crate::stream) give it the methods that connect.
#[derive(Clone, Debug)]
pub struct Connector {
    tls: Arc<rustls::ClientConfig>,
    credssp: Arc<ClientConfig>,
    judge: Judge,
    timeout: Duration,
    kdc: Option<Arc<dyn KdcTransport>>,
    #[cfg(feature = "tokio")]
    async_kdc: Option<Arc<dyn AsyncKdcTransport>>,
}

impl Connector {
    /// Trusts no certificate, over TLS 1.2 or 1.3: without Kerberos, only the policies `…WhenNTLMOnly` apply.
    ///
    /// # Errors
    /// Where the TLS library cannot be configured.
    pub fn new(credssp: impl Into<Arc<ClientConfig>>) -> Result<Self, Error> {
        Self::with_trust(credssp, Trust::default(), TlsVersions::All)
    }

    /// With certificates to trust, and some versions of TLS.
    ///
    /// # Errors
    /// Where a root does not parse, or the TLS library cannot be configured.
    pub fn with_trust(
        credssp: impl Into<Arc<ClientConfig>>,
        trust: Trust,
        versions: TlsVersions,
    ) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions.supported())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(KeyHolderVerifier::new(provider.clone())))
            .with_no_client_auth();
        // MS-CSSP, section 3.1.5: sessions are not resumed.
        tls.resumption = Resumption::disabled();
        Ok(Self {
            tls: Arc::new(tls),
            credssp: credssp.into(),
            judge: Judge::new(trust, provider)?,
            timeout: DEFAULT_TIMEOUT,
            kdc: None,
            #[cfg(feature = "tokio")]
            async_kdc: None,
        })
    }

    /// How long TLS and CredSSP together may take; by default 30 seconds.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How the blocking driver reaches KDCs; without it, Kerberos has only the service tickets that it is given.
    #[must_use]
    pub fn with_kdc(mut self, kdc: Arc<dyn KdcTransport>) -> Self {
        self.kdc = Some(kdc);
        self
    }

    /// How the asynchronous driver reaches KDCs; without it, Kerberos has only the service tickets that it is given.
    #[cfg(feature = "tokio")]
    #[must_use]
    pub fn with_async_kdc(mut self, kdc: Arc<dyn AsyncKdcTransport>) -> Self {
        self.async_kdc = Some(kdc);
        self
    }

    pub(crate) fn kdc(&self) -> Option<&dyn KdcTransport> {
        self.kdc.as_deref()
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn async_kdc(&self) -> Option<&dyn AsyncKdcTransport> {
        self.async_kdc.as_deref()
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn tls(&self) -> Arc<rustls::ClientConfig> {
        self.tls.clone()
    }

    /// Asks policy before anything goes out: is there a proof that the server could still give, and with which the
    /// target may receive credentials?
    pub(crate) fn check_policy(
        &self,
        target: &ServicePrincipalName,
        credentials: &Credentials,
    ) -> Result<(), Error> {
        // Roots and pins are no promise that the server's certificate fits them.
        let possible: &[ServerProof] = if self.judge.trusts_nothing() {
            &[ServerProof::None]
        } else {
            &[ServerProof::Certificate, ServerProof::None]
        };
        let checked = self.credssp.check_policy(target, credentials, possible);
        checked.map_err(|denied| {
            if self.judge.trusts_nothing() {
                denied.because_of(&CertificateProblem::nothing_trusted())
            } else {
                denied
            }
        })?;
        Ok(())
    }

    /// The name to ask for in TLS.
    pub(crate) fn server_name(target: &ServicePrincipalName) -> Result<ServerName<'static>, Error> {
        ServerName::try_from(target.host().to_owned()).map_err(|_| {
            OtherError::new(format!(
                "{} is neither a host name nor an IP address",
                target.host()
            ))
            .into()
        })
    }

    /// The client for a TLS channel whose server has presented `certificates`.
    pub(crate) fn client(
        &self,
        certificates: Option<&[CertificateDer<'_>]>,
        target: ServicePrincipalName,
        credentials: Credentials,
    ) -> Result<Client, Error> {
        let (end_entity, intermediates) = certificates
            .and_then(<[_]>::split_first)
            .ok_or(rustls::Error::NoCertificatesPresented)?;
        let key = server_public_key(end_entity)?;
        let verdict = self.verdict(end_entity, intermediates, &target)?;
        match &verdict {
            Ok(proof) => debug!(%proof, %target, "the certificate proves the server"),
            Err(problem) => debug!(%problem, %target, "the certificate does not prove the server"),
        }
        Ok(Client::new(self.credssp.clone(), target, credentials, key).with_certificate(verdict))
    }

    /// How far `certificates`, the server's own first, prove `target`, or why they do not.
    ///
    /// That the server holds its certificate's key is another matter, which each TLS handshake shows.
    ///
    /// # Errors
    /// Where there is no certificate, or the target's host is no name that a certificate could have.
    pub fn certificate_verdict(
        &self,
        certificates: &[CertificateDer<'_>],
        target: &ServicePrincipalName,
    ) -> Result<CertificateVerdict, Error> {
        let (end_entity, intermediates) = certificates
            .split_first()
            .ok_or(rustls::Error::NoCertificatesPresented)?;
        self.verdict(end_entity, intermediates, target)
    }

    fn verdict(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        target: &ServicePrincipalName,
    ) -> Result<CertificateVerdict, Error> {
        let host = Self::server_name(target)?;
        let now = UnixTime::since_unix_epoch(self.credssp.environment.time.since_unix_epoch());
        Ok(self.judge.verdict(end_entity, intermediates, &host, now))
    }
}
