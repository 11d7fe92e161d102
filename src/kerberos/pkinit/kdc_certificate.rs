//! Whether a certificate proves a KDC of a realm (RFC 4556, section 3.2.4).

use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, KeyUsage, RevocationOptions,
    RevocationOptionsBuilder, UnknownStatusPolicy, anchor_from_trusted_cert,
};

use super::certificate::{AlternativeName, Certificate};
use super::{KdcPurpose, PkinitOptions, oid};
use crate::error::{KdcCertificateProblem, PkinitError};
use crate::kerberos::asn1::{KerberosString, PrincipalName};

/// How many of a certificate's names an error tells.
const NAMES_TOLD: usize = 8;

impl KdcPurpose {
    fn key_usage(self) -> KeyUsage {
        KeyUsage::required(match self {
            Self::Kdc => oid::KP_KDC,
            Self::Server => oid::KP_SERVER_AUTH,
        })
    }
}

/// Verifies the chain, the purpose and the names of the certificate that signed; `der`, `certificate` and `end_entity` are
/// the same.
pub(super) fn verify(
    options: &PkinitOptions,
    realm: &KerberosString,
    end_entity: &EndEntityCert<'_>,
    certificate: &Certificate<'_>,
    others: &[CertificateDer<'_>],
    now: Duration,
) -> Result<(), PkinitError> {
    if options.anchors.is_empty() {
        return Err(PkinitError::NoAnchors);
    }
    let anchors = options
        .anchors
        .iter()
        .map(anchor_from_trusted_cert)
        .collect::<Result<Vec<_>, _>>()
        .map_err(other)?;
    let lists = options
        .crls
        .iter()
        .map(|list| BorrowedCertRevocationList::from_der(list).map(CertRevocationList::from))
        .collect::<Result<Vec<_>, _>>()
        .map_err(other)?;
    let lists: Vec<_> = lists.iter().collect();
    end_entity
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            others,
            UnixTime::since_unix_epoch(now),
            options.kdc_purpose.key_usage(),
            revocation(&lists),
            None,
        )
        .map_err(problem)?;
    if certificate.digital_signature == Some(false) {
        return Err(KdcCertificateProblem::WrongKeyUsage.into());
    }
    check_names(options, realm, certificate).map_err(PkinitError::from)
}

/// `None` without lists.
fn revocation<'a>(lists: &'a [&'a CertRevocationList<'a>]) -> Option<RevocationOptions<'a>> {
    let builder = RevocationOptionsBuilder::new(lists).ok()?;
    Some(
        builder
            .with_status_policy(UnknownStatusPolicy::Allow)
            .build(),
    )
}

fn check_names(
    options: &PkinitOptions,
    realm: &KerberosString,
    certificate: &Certificate<'_>,
) -> Result<(), KdcCertificateProblem> {
    let krbtgt = PrincipalName::krbtgt(realm);
    let fits = |name: &AlternativeName<'_>| match name {
        AlternativeName::Kerberos(of, name) => of == realm && *name == krbtgt,
        AlternativeName::Dns(host) => options
            .kdc_hosts
            .iter()
            .any(|known| known.trim_end_matches('.').eq_ignore_ascii_case(host)),
        AlternativeName::Upn(_) => false,
    };
    if certificate.names.iter().any(fits) {
        return Ok(());
    }
    let told = certificate.names.iter().take(NAMES_TOLD).map(|name| {
        let name = match name {
            AlternativeName::Kerberos(realm, name) => {
                format!("{name}@{}", realm.to_str_lossy())
            }
            AlternativeName::Upn(name) | AlternativeName::Dns(name) => (*name).to_owned(),
        };
        name.escape_debug().take(253).collect::<String>().into()
    });
    Err(KdcCertificateProblem::OtherName {
        realm: realm.to_str_lossy().into(),
        names: told.collect(),
    })
}

fn problem(error: webpki::Error) -> PkinitError {
    use webpki::Error;

    let problem = match error {
        Error::CertExpired { .. } | Error::CrlExpired { .. } => KdcCertificateProblem::Expired,
        Error::CertNotValidYet { .. } => KdcCertificateProblem::NotYetValid,
        Error::CertRevoked => KdcCertificateProblem::Revoked,
        Error::RequiredEkuNotFoundContext(_) => KdcCertificateProblem::WrongPurpose,
        // An issuer has the anchor's name, but not its key.
        Error::UnknownIssuer | Error::InvalidSignatureForPublicKey => {
            KdcCertificateProblem::UnknownIssuer
        }
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            KdcCertificateProblem::UnsupportedSignature
        }
        error => return other(error),
    };
    problem.into()
}

fn other(error: webpki::Error) -> PkinitError {
    KdcCertificateProblem::Other(error.to_string().into()).into()
}
