use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};

use super::{CertificateSigner, SignatureScheme, ToSign};
use crate::error::{OtherError, SignError};

/// A private key in memory, with its certificates: RSA of 2048 bits or more, or ECDSA over P-256 or P-384.
pub struct SoftwareSigner {
    certificates: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
    schemes: Vec<SignatureScheme>,
}

/// The schemes of this crate that ring signs by, the preferred ones first, and what rustls calls them.
const SCHEMES: [(SignatureScheme, rustls::SignatureScheme); 5] = [
    (
        SignatureScheme::RsaPkcs1Sha256,
        rustls::SignatureScheme::RSA_PKCS1_SHA256,
    ),
    (
        SignatureScheme::RsaPkcs1Sha384,
        rustls::SignatureScheme::RSA_PKCS1_SHA384,
    ),
    (
        SignatureScheme::RsaPkcs1Sha512,
        rustls::SignatureScheme::RSA_PKCS1_SHA512,
    ),
    (
        SignatureScheme::EcdsaP256Sha256,
        rustls::SignatureScheme::ECDSA_NISTP256_SHA256,
    ),
    (
        SignatureScheme::EcdsaP384Sha384,
        rustls::SignatureScheme::ECDSA_NISTP384_SHA384,
    ),
];

impl SoftwareSigner {
    /// From two texts in PEM, which may be the same: the key's certificate with those that lead to an authority behind it,
    /// and the key, which must not be encrypted.
    ///
    /// # Errors
    /// Where one of them lacks what it should hold, the key is of another kind, or it is not the certificate's.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, InvalidKey> {
        let certificates = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| InvalidKey::Certificates(OtherError::new(error)))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| InvalidKey::Pem(OtherError::new(error)))?;
        Self::new(certificates, &key)
    }

    /// From the same in DER.
    ///
    /// # Errors
    /// As [`Self::from_pem()`].
    pub fn new(
        certificates: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'_>,
    ) -> Result<Self, InvalidKey> {
        if certificates.is_empty() {
            return Err(InvalidKey::NoCertificate);
        }
        let key = any_supported_type(key)
            .map_err(|error| InvalidKey::UnsupportedKey(OtherError::new(error)))?;
        CertifiedKey::new(certificates.clone(), Arc::clone(&key))
            .keys_match()
            .map_err(|_| InvalidKey::OtherKey)?;
        let schemes = SCHEMES
            .into_iter()
            .filter(|(_, name)| key.choose_scheme(&[*name]).is_some())
            .map(|(scheme, _)| scheme)
            .collect();
        Ok(Self {
            certificates,
            key,
            schemes,
        })
    }
}

impl CertificateSigner for SoftwareSigner {
    fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    fn schemes(&self) -> &[SignatureScheme] {
        &self.schemes
    }

    fn sign(&self, scheme: SignatureScheme, input: &ToSign<'_>) -> Result<Vec<u8>, SignError> {
        let (_, name) = SCHEMES
            .into_iter()
            .find(|(known, _)| *known == scheme)
            .ok_or(SignError::UnsupportedScheme)?;
        let signer = self
            .key
            .choose_scheme(&[name])
            .ok_or(SignError::UnsupportedScheme)?;
        signer
            .sign(input.message())
            .map_err(|error| SignError::Other(error.to_string().into()))
    }
}

impl fmt::Debug for SoftwareSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareSigner")
            .field("schemes", &self.schemes)
            .finish_non_exhaustive()
    }
}

/// Why there is no [`SoftwareSigner`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// The certificates are no PEM.
    #[error("the certificates cannot be read: {0}: give them in PEM")]
    Certificates(#[source] OtherError),
    /// There is no certificate.
    #[error(
        "there is no certificate: give the key's own in PEM, and behind it those that lead to an authority"
    )]
    NoCertificate,
    /// The key is no PEM, or is encrypted.
    #[error(
        "there is no private key that can be read: {0}: give it in PEM and without a password: `openssl pkey -in FILE`"
    )]
    Pem(#[source] OtherError),
    /// A key of another kind or size.
    #[error(
        "the private key cannot be used: {0}: it is to be RSA of 2048 bits or more, or ECDSA over P-256 or P-384"
    )]
    UnsupportedKey(#[source] OtherError),
    /// The certificate is another key's.
    #[error(
        "the first certificate is not this private key's: compare their public keys: `openssl pkey -pubout` and \
         `openssl x509 -pubkey`"
    )]
    OtherKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate and its key, in PEM.
    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["user".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_key_signs_in_the_ways_of_its_kind_alone() {
        let (certificate, key) = pair();
        let signer = SoftwareSigner::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        assert_eq!(signer.schemes(), [SignatureScheme::EcdsaP256Sha256]);
        assert_eq!(signer.certificates().len(), 1);
        let input = ToSign::new(SignatureScheme::EcdsaP256Sha256, b"message");
        assert_eq!(input.digest().len(), 32);
        signer
            .sign(SignatureScheme::EcdsaP256Sha256, &input)
            .unwrap();
        for other in [
            SignatureScheme::RsaPkcs1Sha256,
            SignatureScheme::RsaPkcs1Sha1,
        ] {
            let refused = signer.sign(other, &ToSign::new(other, b"message"));
            assert_eq!(refused, Err(SignError::UnsupportedScheme));
        }
    }

    #[test]
    fn what_is_missing_or_does_not_fit_is_told() {
        let (certificate, key) = pair();
        let (_, other) = pair();
        let encrypted =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let made = |certificate: &str, key: &str| {
            SoftwareSigner::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err()
        };
        assert!(matches!(made("", &key), InvalidKey::NoCertificate));
        assert!(matches!(made(&key, &key), InvalidKey::NoCertificate));
        assert!(matches!(made(&certificate, ""), InvalidKey::Pem(_)));
        assert!(matches!(made(&certificate, encrypted), InvalidKey::Pem(_)));
        assert!(matches!(made(&certificate, &other), InvalidKey::OtherKey));
        let broken = certificate.replace("-----END", "----END");
        assert!(matches!(made(&broken, &key), InvalidKey::Certificates(_)));
    }
}
