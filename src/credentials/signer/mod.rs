//! Private keys that sign and nothing else, with their certificates.

mod software;

use std::fmt;

use ring::digest::{self, Digest};
use rustls::pki_types::CertificateDer;

pub use software::{InvalidKey, SoftwareSigner};

use crate::error::SignError;

/// A private key that signs, and the certificates that say whose it is.
///
/// [`SoftwareSigner`] is one in memory; `stream::pkcs11::Card` is one on a smart card. A program that reaches its keys in
/// another way implements this.
pub trait CertificateSigner: fmt::Debug + Send + Sync {
    /// The key's certificate, and behind it those that lead to an authority whom the other end trusts.
    fn certificates(&self) -> &[CertificateDer<'static>];

    /// How the key can sign, the preferred way first.
    fn schemes(&self) -> &[SignatureScheme];

    /// Signs. May block: a card is slow, and may ask its holder for something.
    ///
    /// The signature of RSA is as long as the modulus; that of ECDSA is the `ECDSA-Sig-Value` of RFC 3279, section 2.2.3, in DER.
    ///
    /// # Errors
    /// Where the key is out of reach, or cannot sign so.
    fn sign(&self, scheme: SignatureScheme, input: &ToSign<'_>) -> Result<Vec<u8>, SignError>;
}

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5 with SHA-1, which is broken: for KDCs that know nothing better.
    RsaPkcs1Sha1,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaPkcs1Sha512,
    /// ECDSA over P-256 with SHA-256.
    EcdsaP256Sha256,
    /// ECDSA over P-384 with SHA-384.
    EcdsaP384Sha384,
}

impl SignatureScheme {
    /// The digest of a message that this scheme signs.
    pub(crate) fn digest(self, message: &[u8]) -> Digest {
        let algorithm = match self {
            Self::RsaPkcs1Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::RsaPkcs1Sha256 | Self::EcdsaP256Sha256 => &digest::SHA256,
            Self::RsaPkcs1Sha384 | Self::EcdsaP384Sha384 => &digest::SHA384,
            Self::RsaPkcs1Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, message)
    }
}

/// What is to be signed: the message, and its digest for those who have no use for more.
#[derive(Debug)]
pub struct ToSign<'a> {
    message: &'a [u8],
    digest: Digest,
}

impl<'a> ToSign<'a> {
    /// A message, to be signed in such a way.
    pub fn new(scheme: SignatureScheme, message: &'a [u8]) -> Self {
        Self {
            message,
            digest: scheme.digest(message),
        }
    }

    /// The whole message: for keys that compute the digest themselves.
    pub fn message(&self) -> &'a [u8] {
        self.message
    }

    /// The scheme's digest of the message.
    pub fn digest(&self) -> &[u8] {
        self.digest.as_ref()
    }
}
