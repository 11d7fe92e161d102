use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use super::public_key::rsa_modulus_bits;

/// The shortest RSA key whose signatures ring verifies.
const MIN_RSA_BITS: usize = 2048;

/// Accepts any certificate, yet verifies that the peer holds its key.
///
/// How far the certificate proves the server is found out after the handshake, and then up to policy. The signature
/// is another matter: without it, anybody could present the certificate of the server that is to be bound.
#[derive(Debug)]
pub(super) struct KeyHolderVerifier {
    provider: Arc<CryptoProvider>,
}

impl KeyHolderVerifier {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self { provider }
    }
}

impl ServerCertVerifier for KeyHolderVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match rsa_modulus_bits(end_entity) {
            Some(bits @ ..MIN_RSA_BITS) => {
                let error = OtherError(Arc::new(ShortRsaKey { bits }));
                Err(CertificateError::Other(error).into())
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A key that is too short to verify signatures with.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "the server's certificate has an RSA key of {bits} bits, and this TLS library verifies none below {MIN_RSA_BITS}: \
     give the server a certificate with a longer key"
)]
struct ShortRsaKey {
    bits: usize,
}
