//! What whoever brings a signer may ask of its certificates.

use rustls::pki_types::CertificateDer;

use super::certificate::{AlternativeName, Certificate};
use super::oid;

/// The most certificates between a client's and its authority's.
const MAX_CHAIN: usize = 8;

/// The kinds of keys that sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// ECDSA over P-256.
    P256,
    /// ECDSA over P-384.
    P384,
}

/// Of what kind a certificate's key is; none where it is of no kind that signs, or the certificate is malformed.
pub fn key_kind(certificate: &[u8]) -> Option<KeyKind> {
    match Certificate::decode(certificate).ok()?.key {
        (oid::RSA_ENCRYPTION, _) => Some(KeyKind::Rsa),
        (oid::EC_PUBLIC_KEY, Some(oid::P256)) => Some(KeyKind::P256),
        (oid::EC_PUBLIC_KEY, Some(oid::P384)) => Some(KeyKind::P384),
        _ => None,
    }
}

/// Whose a client's certificate is by its subjectAltName: a user principal name, `alice@corp.example`, else the Kerberos
/// principal, `alice@REALM`; none where it has neither, or is malformed.
///
/// That is for the KDC to say in the end, which knows accounts' other mappings.
pub fn principal_name(certificate: &[u8]) -> Option<String> {
    let certificate = Certificate::decode(certificate).ok()?;
    let upn = certificate.names.iter().find_map(|name| match name {
        AlternativeName::Upn(upn) => Some((*upn).to_owned()),
        _ => None,
    });
    upn.or_else(|| {
        certificate.names.iter().find_map(|name| match name {
            AlternativeName::Kerberos(realm, name) => {
                Some(format!("{name}@{}", realm.to_str_lossy()))
            }
            _ => None,
        })
    })
}

/// Whether a certificate is one for logons: it names a user, its key may sign, and its extended key usage has smart card logon
/// or PKINIT's client, or it has none.
///
/// That tells it from the others of a card. KDCs may take certificates that it does not fit, and refuse those that it does.
pub fn is_for_logons(certificate: &[u8]) -> bool {
    let Ok(certificate) = Certificate::decode(certificate) else {
        return false;
    };
    let names_a_user = certificate.names.iter().any(|name| match name {
        AlternativeName::Kerberos(_, name) => !name.is_krbtgt(),
        AlternativeName::Upn(_) => true,
        AlternativeName::Dns(_) => false,
    });
    let purpose = certificate.purposes.as_ref().is_none_or(|purposes| {
        let wanted = [oid::KP_CLIENT_AUTH, oid::KP_SMART_CARD_LOGON];
        purposes.iter().any(|purpose| wanted.contains(purpose))
    });
    names_a_user && purpose && certificate.digital_signature != Some(false)
}

/// A certificate, and behind it those of `others` that lead to an authority: each one the issuer of the one before, by its name.
/// One that is its own issuer is left out, since whoever trusts it has it.
pub fn chain_of(
    certificate: CertificateDer<'static>,
    mut others: Vec<CertificateDer<'static>>,
) -> Vec<CertificateDer<'static>> {
    let mut chain = vec![certificate];
    while chain.len() < MAX_CHAIN {
        let Some(Ok(last)) = chain.last().map(|last| Certificate::decode(last)) else {
            break;
        };
        let issuer = others.iter().position(|other| {
            Certificate::decode(other)
                .is_ok_and(|other| other.subject == last.issuer && other.subject != other.issuer)
        });
        let Some(issuer) = issuer else {
            break;
        };
        chain.push(others.swap_remove(issuer));
    }
    chain
}
