//! What webpki does not tell of a certificate (RFC 5280).

use super::encoding::primitive;
use super::oid;
use crate::codec::der::{
    BIT_STRING, GENERAL_STRING, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE, context,
};
use crate::error::{InvalidMessage, InvalidMessageKind};
use crate::kerberos::asn1::{KerberosString, PrincipalName};

const BOOLEAN: u8 = 0x01;
const UTF8_STRING: u8 = 0x0c;

/// The most alternative names that are read of one certificate.
const MAX_NAMES: usize = 64;

/// A certificate's parts that PKINIT asks for.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    /// The issuer, a Name in DER.
    pub(super) issuer: &'a [u8],
    /// The subject, likewise.
    pub(super) subject: &'a [u8],
    /// The identifiers of the public key's algorithm and of its curve, where it has one.
    pub(super) key: (&'a [u8], Option<&'a [u8]>),
    /// The contents of the serial number.
    pub(super) serial_number: &'a [u8],
    pub(super) subject_key_identifier: Option<&'a [u8]>,
    /// Whether its key may sign, where it says what its key may do.
    pub(super) digital_signature: Option<bool>,
    /// Identifiers of what it is meant for, where it says that.
    pub(super) purposes: Option<Vec<&'a [u8]>>,
    pub(super) names: Vec<AlternativeName<'a>>,
}

/// A GeneralName of a kind that says who somebody is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AlternativeName<'a> {
    /// `id-pkinit-san`.
    Kerberos(KerberosString, PrincipalName),
    /// A user principal name, as Windows writes it.
    Upn(&'a str),
    /// `dNSName`.
    Dns(&'a str),
}

const CERTIFICATE: &str = "Certificate";
const SUBJECT_PUBLIC_KEY_INFO: &str = "TBSCertificate.subjectPublicKeyInfo";

impl<'a> Certificate<'a> {
    pub(super) fn decode(der: &'a [u8]) -> Result<Self, InvalidMessage> {
        let mut outer = Reader::new(der);
        let mut certificate = outer.read(SEQUENCE, CERTIFICATE)?;
        outer.finish(CERTIFICATE)?;
        let mut fields = certificate.read(SEQUENCE, "TBSCertificate")?;
        fields.optional(context(0), "TBSCertificate.version")?;
        let serial_number = fields.read(INTEGER, "TBSCertificate.serialNumber")?;
        fields.read(SEQUENCE, "TBSCertificate.signature")?;
        let issuer = whole(&mut fields, "TBSCertificate.issuer")?;
        fields.read(SEQUENCE, "TBSCertificate.validity")?;
        let subject = whole(&mut fields, "TBSCertificate.subject")?;
        let key = key(fields.read(SEQUENCE, SUBJECT_PUBLIC_KEY_INFO)?)?;
        for number in [1, 2] {
            fields.optional(primitive(number), "TBSCertificate.uniqueID")?;
        }
        let mut found = Self {
            issuer,
            subject,
            key,
            serial_number: serial_number.rest(),
            subject_key_identifier: None,
            digital_signature: None,
            purposes: None,
            names: Vec::new(),
        };
        const EXTENSIONS: &str = "TBSCertificate.extensions";
        if let Some(mut extensions) = fields.optional_explicit(context(3), SEQUENCE, EXTENSIONS)? {
            while !extensions.is_empty() {
                let mut extension = extensions.read(SEQUENCE, EXTENSIONS)?;
                let kind = extension.read(OBJECT_IDENTIFIER, EXTENSIONS)?.rest();
                extension.optional(BOOLEAN, EXTENSIONS)?;
                let value = extension.read(OCTET_STRING, EXTENSIONS)?;
                found.take(kind, value)?;
            }
        }
        Ok(found)
    }

    fn take(&mut self, kind: &[u8], mut value: Reader<'a>) -> Result<(), InvalidMessage> {
        match kind {
            oid::SUBJECT_KEY_IDENTIFIER => {
                let identifier = value.read(OCTET_STRING, "SubjectKeyIdentifier")?;
                self.subject_key_identifier = Some(identifier.rest());
            }
            oid::KEY_USAGE => {
                let bits = value.read(BIT_STRING, "KeyUsage")?.rest();
                // RFC 5280, section 4.2.1.3: digitalSignature is bit 0, the highest behind the number of unused ones.
                let first = bits.get(1).copied().unwrap_or_default();
                self.digital_signature = Some(first & 0x80 != 0);
            }
            oid::EXTENDED_KEY_USAGE => {
                let mut list = value.read(SEQUENCE, "ExtKeyUsage")?;
                let mut purposes = Vec::new();
                while !list.is_empty() && purposes.len() < MAX_NAMES {
                    purposes.push(list.read(OBJECT_IDENTIFIER, "ExtKeyUsage")?.rest());
                }
                self.purposes = Some(purposes);
            }
            oid::SUBJECT_ALT_NAME => {
                let mut names = value.read(SEQUENCE, "SubjectAltName")?;
                while !names.is_empty() {
                    if self.names.len() == MAX_NAMES {
                        return Err(names.error("SubjectAltName", InvalidMessageKind::TooLarge));
                    }
                    self.names.extend(alternative_name(&mut names)?);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The identifiers of a SubjectPublicKeyInfo.
fn key(mut info: Reader<'_>) -> Result<(&[u8], Option<&[u8]>), InvalidMessage> {
    let mut algorithm = info.read(SEQUENCE, SUBJECT_PUBLIC_KEY_INFO)?;
    let kind = algorithm.read(OBJECT_IDENTIFIER, SUBJECT_PUBLIC_KEY_INFO)?;
    let curve = algorithm.optional(OBJECT_IDENTIFIER, SUBJECT_PUBLIC_KEY_INFO)?;
    Ok((kind.rest(), curve.map(|curve| curve.rest())))
}

fn alternative_name<'a>(
    names: &mut Reader<'a>,
) -> Result<Option<AlternativeName<'a>>, InvalidMessage> {
    const FIELD: &str = "GeneralName";

    const OTHER_NAME: u8 = context(0);
    const DNS_NAME: u8 = primitive(2);
    let tag = names
        .peek()
        .ok_or_else(|| names.error(FIELD, InvalidMessageKind::MissingField))?;
    let mut name = names.read(tag, FIELD)?;
    match tag {
        DNS_NAME => Ok(text(name).map(AlternativeName::Dns)),
        OTHER_NAME => {
            let kind = name.read(OBJECT_IDENTIFIER, FIELD)?.rest();
            let mut value = name.read(context(0), FIELD)?;
            match kind {
                oid::UPN_SAN => {
                    // Others than this are not Windows'; a name that is not UTF-8 is nobody's.
                    Ok(value
                        .optional(UTF8_STRING, FIELD)?
                        .and_then(text)
                        .map(AlternativeName::Upn))
                }
                oid::PKINIT_SAN => {
                    let (realm, name) = kerberos_name(value)?;
                    Ok(Some(AlternativeName::Kerberos(realm, name)))
                }
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

/// KRB5PrincipalName (RFC 4556, section 3.2.2).
fn kerberos_name(mut value: Reader<'_>) -> Result<(KerberosString, PrincipalName), InvalidMessage> {
    const FIELD: &str = "KRB5PrincipalName";

    let mut fields = value.read(SEQUENCE, FIELD)?;
    let realm = fields.explicit(context(0), GENERAL_STRING, FIELD)?.rest();
    let mut name = fields.explicit(context(1), SEQUENCE, FIELD)?;
    name.explicit(context(0), INTEGER, FIELD)?;
    let mut strings = name.explicit(context(1), SEQUENCE, FIELD)?;
    let mut components = Vec::new();
    while !strings.is_empty() {
        let component = strings.read(GENERAL_STRING, FIELD)?.rest();
        components.push(KerberosString::from(component));
    }
    let mut found = PrincipalName::new(PrincipalName::PRINCIPAL, &[]);
    found.name_string = components;
    Ok((realm.into(), found))
}

fn text(value: Reader<'_>) -> Option<&str> {
    std::str::from_utf8(value.rest()).ok()
}

/// The next value, with its tag and length.
pub(super) fn whole<'a>(
    fields: &mut Reader<'a>,
    field: &'static str,
) -> Result<&'a [u8], InvalidMessage> {
    let before = fields.rest();
    let tag = fields
        .peek()
        .ok_or_else(|| fields.error(field, InvalidMessageKind::MissingField))?;
    fields.read(tag, field)?;
    let length = before.len().saturating_sub(fields.rest().len());
    Ok(before.get(..length).unwrap_or_default())
}
