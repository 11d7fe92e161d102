use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use super::DhGroup;
use crate::credentials::SignatureScheme;

/// How a client logs on by certificate, and whom it takes for a KDC.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PkinitOptions {
    /// The authorities that vouch for KDCs, in DER. Without any there is no logon by certificate.
    pub anchors: Vec<CertificateDer<'static>>,
    /// Revocation lists. Where there are any, a certificate of the KDC's whose issuer has no list among them is taken for
    /// not revoked.
    pub crls: Vec<CertificateRevocationListDer<'static>>,
    /// The names of the realm's KDCs, one of which a KDC's certificate is to have as a dNSName, where it does not name the
    /// realm's `krbtgt`: certificates of Windows' domain controllers name the host and the domain only.
    pub kdc_hosts: Vec<Box<str>>,
    /// What the certificate of a KDC has to be meant for.
    pub kdc_purpose: KdcPurpose,
    /// How the client may sign, of what its key can. Not with SHA-1, unless it is named here.
    pub schemes: Vec<SignatureScheme>,
    /// The groups for Diffie-Hellman, the one to begin with first. The KDC may ask for another one among them.
    pub groups: Vec<DhGroup>,
}

impl Default for PkinitOptions {
    /// Without anchors.
    fn default() -> Self {
        Self {
            anchors: Vec::new(),
            crls: Vec::new(),
            kdc_hosts: Vec::new(),
            kdc_purpose: KdcPurpose::Kdc,
            schemes: vec![
                SignatureScheme::RsaPkcs1Sha256,
                SignatureScheme::RsaPkcs1Sha384,
                SignatureScheme::RsaPkcs1Sha512,
                SignatureScheme::EcdsaP256Sha256,
                SignatureScheme::EcdsaP384Sha384,
            ],
            groups: vec![DhGroup::Group14, DhGroup::Group16],
        }
    }
}

/// What a KDC's certificate has to be meant for, by its extended key usage (RFC 4556, section 3.2.4).
///
/// The specification lets a certificate that names `krbtgt` do without; this crate does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KdcPurpose {
    /// For KDCs: `id-pkinit-KPKdc`.
    #[default]
    Kdc,
    /// For TLS servers: `id-kp-serverAuth`. For domain controllers whose certificates are older than that of KDCs. Every
    /// server that has a certificate of the same authority and one of the names can then stand in for a KDC.
    Server,
}
