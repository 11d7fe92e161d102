use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::server::ParsedCertificate;

use crate::codec::der::{self, Reader};
use crate::error::{Error, InvalidMessage, InvalidMessageKind};
use crate::ts_request::ServerPublicKey;

/// The contents of `rsaEncryption`, 1.2.840.113549.1.1.1 (RFC 8017, appendix A.1).
const RSA_ENCRYPTION: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";

/// The key of a certificate, in the form to which CredSSP binds: the contents of `subjectPublicKey`.
///
/// Use this under a TLS stack of your own, with the leaf certificate that the server presented in the handshake.
///
/// # Errors
/// Where the certificate does not parse.
pub fn server_public_key(certificate: &CertificateDer<'_>) -> Result<ServerPublicKey, Error> {
    let info = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    Ok(subject_public_key(&info)?)
}

/// Takes `SubjectPublicKeyInfo ::= SEQUENCE { algorithm, subjectPublicKey BIT STRING }` apart (RFC 5280, section
/// 4.1).
fn subject_public_key(
    info: &SubjectPublicKeyInfoDer<'_>,
) -> Result<ServerPublicKey, InvalidMessage> {
    const FIELD: &str = "SubjectPublicKeyInfo.subjectPublicKey";
    let mut fields = Reader::new(info).read(der::SEQUENCE, "SubjectPublicKeyInfo")?;
    fields.read(der::SEQUENCE, "SubjectPublicKeyInfo.algorithm")?;
    let bits = fields.read(der::BIT_STRING, FIELD)?;
    match bits.rest().split_first() {
        // The first octet counts the unused bits at the end; a key has none.
        Some((0, key)) => Ok(ServerPublicKey::from_subject_public_key(key)),
        _ => Err(bits.error(FIELD, InvalidMessageKind::BadEncoding)),
    }
}

/// The length in bits of an RSA key's modulus, or `None` for keys of other types.
pub(super) fn rsa_modulus_bits(certificate: &CertificateDer<'_>) -> Option<usize> {
    let info = ParsedCertificate::try_from(certificate)
        .ok()?
        .subject_public_key_info();
    let mut fields = Reader::new(&info).read(der::SEQUENCE, "").ok()?;
    let mut algorithm = fields.read(der::SEQUENCE, "").ok()?;
    if algorithm.read(der::OBJECT_IDENTIFIER, "").ok()?.rest() != RSA_ENCRYPTION {
        return None;
    }
    let key = subject_public_key(&info).ok()?;
    // RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER } (RFC 8017, appendix A.1.1)
    let mut fields = Reader::new(key.as_bytes()).read(der::SEQUENCE, "").ok()?;
    let modulus = fields.read(der::INTEGER, "").ok()?.rest();
    let zeros = modulus.iter().take_while(|octet| **octet == 0).count();
    Some(modulus.len().saturating_sub(zeros).saturating_mul(8))
}

/// Whether a certificate names itself as its issuer (RFC 5280, section 4.1).
pub(super) fn is_self_issued(certificate: &CertificateDer<'_>) -> bool {
    names(certificate).is_ok_and(|(issuer, subject)| issuer == subject)
}

/// The issuer and the subject of `TBSCertificate ::= SEQUENCE { version [0] DEFAULT v1, serialNumber, signature, issuer,
/// validity, subject, ... }`.
fn names<'a>(certificate: &'a CertificateDer<'_>) -> Result<(&'a [u8], &'a [u8]), InvalidMessage> {
    const FIELD: &str = "TBSCertificate";
    let mut certificate = Reader::new(certificate).read(der::SEQUENCE, "Certificate")?;
    let mut fields = certificate.read(der::SEQUENCE, FIELD)?;
    fields.optional(der::context(0), FIELD)?;
    fields.read(der::INTEGER, FIELD)?;
    fields.read(der::SEQUENCE, FIELD)?;
    let issuer = fields.read(der::SEQUENCE, FIELD)?.rest();
    fields.read(der::SEQUENCE, FIELD)?;
    let subject = fields.read(der::SEQUENCE, FIELD)?.rest();
    Ok((issuer, subject))
}
