//! SignedData of the Cryptographic Message Syntax (RFC 5652, section 5), with one signer.

use ring::digest::{self, Digest, digest};
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use webpki::ring as algorithms;

use super::certificate::{Certificate, whole};
use super::encoding::{self, NULL, SET, primitive};
use super::oid;
use crate::codec::der::{INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE, context};
use crate::credentials::{CertificateSigner, SignatureScheme, ToSign};
use crate::error::{Error, InvalidMessage, InvalidMessageKind, KdcCertificateProblem, PkinitError};

/// The most certificates that come along, and the most attributes.
const MAX_ELEMENTS: usize = 16;

/// AlgorithmIdentifiers of signatures that are accepted in answers, for AuthPack.supportedCMSTypes.
pub(super) fn accepted() -> [Vec<u8>; 5] {
    [
        encoding::algorithm(oid::ECDSA_SHA256, b""),
        encoding::algorithm(oid::ECDSA_SHA384, b""),
        encoding::algorithm(oid::SHA256_WITH_RSA, NULL),
        encoding::algorithm(oid::SHA384_WITH_RSA, NULL),
        encoding::algorithm(oid::SHA512_WITH_RSA, NULL),
    ]
}

impl SignatureScheme {
    fn digest_identifier(self) -> &'static [u8] {
        match self {
            Self::RsaPkcs1Sha1 => oid::SHA1,
            Self::RsaPkcs1Sha256 | Self::EcdsaP256Sha256 => oid::SHA256,
            Self::RsaPkcs1Sha384 | Self::EcdsaP384Sha384 => oid::SHA384,
            Self::RsaPkcs1Sha512 => oid::SHA512,
        }
    }

    fn signature_algorithm(self) -> Vec<u8> {
        match self {
            Self::RsaPkcs1Sha1
            | Self::RsaPkcs1Sha256
            | Self::RsaPkcs1Sha384
            | Self::RsaPkcs1Sha512 => encoding::algorithm(oid::RSA_ENCRYPTION, NULL),
            Self::EcdsaP256Sha256 => encoding::algorithm(oid::ECDSA_SHA256, b""),
            Self::EcdsaP384Sha384 => encoding::algorithm(oid::ECDSA_SHA384, b""),
        }
    }
}

/// A ContentInfo with a SignedData over `content`, which is of the type `kind`.
pub(super) fn sign(
    kind: &[u8],
    content: &[u8],
    signer: &dyn CertificateSigner,
    scheme: SignatureScheme,
) -> Result<Vec<u8>, Error> {
    let certificates = signer.certificates();
    let own = certificates
        .first()
        .ok_or(PkinitError::NoCommonScheme)
        .map(|own| Certificate::decode(own))??;

    let kind = encoding::object_identifier(kind);
    let attribute = |name: &[u8], value: &[u8]| {
        let values = encoding::value(SET, &[value]);
        encoding::sequence(&[&encoding::object_identifier(name), &values])
    };
    let content_digest = scheme.digest(content);
    let mut attributes = [
        attribute(oid::CONTENT_TYPE, &kind),
        attribute(
            oid::MESSAGE_DIGEST,
            &encoding::value(OCTET_STRING, &[content_digest.as_ref()]),
        ),
    ];
    // X.690, section 11.6: a SET OF in DER is in the order of its elements' octets.
    attributes.sort();
    let [first, second] = &attributes;
    // RFC 5652, section 5.4: signed "rather than the IMPLICIT [0] tag" is the SET OF's own.
    let signed = encoding::value(SET, &[first, second]);
    let signature = signer
        .sign(scheme, &ToSign::new(scheme, &signed))
        .map_err(PkinitError::from)?;

    let digest_algorithm = encoding::algorithm(scheme.digest_identifier(), NULL);
    let identifier =
        encoding::sequence(&[own.issuer, &encoding::value(INTEGER, &[own.serial_number])]);
    let signer_info = encoding::sequence(&[
        b"\x02\x01\x01",
        &identifier,
        &digest_algorithm,
        &encoding::value(context(0), &[first, second]),
        &scheme.signature_algorithm(),
        &encoding::value(OCTET_STRING, &[&signature]),
    ]);
    let content = encoding::value(OCTET_STRING, &[content]);
    let mut certificates: Vec<&[u8]> = certificates.iter().map(AsRef::as_ref).collect();
    certificates.sort_unstable();
    let signed_data = encoding::sequence(&[
        b"\x02\x01\x03",
        &encoding::value(SET, &[&digest_algorithm]),
        &encoding::sequence(&[&kind, &encoding::value(context(0), &[&content])]),
        &encoding::value(context(0), &certificates),
        &encoding::value(SET, &[&signer_info]),
    ]);
    Ok(encoding::sequence(&[
        &encoding::object_identifier(oid::SIGNED_DATA),
        &encoding::value(context(0), &[&signed_data]),
    ]))
}

/// A SignedData of somebody else's.
#[derive(Debug)]
pub(super) struct SignedData<'a> {
    pub(super) content: &'a [u8],
    /// All that came along, in their order.
    pub(super) certificates: Vec<CertificateDer<'a>>,
    signer: SignerIdentifier<'a>,
    /// The contents of the attributes' SET.
    attributes: &'a [u8],
    digest_algorithm: &'static digest::Algorithm,
    message_digest: &'a [u8],
    signature: &'a [u8],
    signature_algorithm: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum SignerIdentifier<'a> {
    IssuerAndSerialNumber(&'a [u8], &'a [u8]),
    SubjectKeyIdentifier(&'a [u8]),
}

impl<'a> SignedData<'a> {
    /// Decodes a ContentInfo with one, whose content is of the type `kind`. Nothing of it is verified yet.
    pub(super) fn decode(message: &'a [u8], kind: &[u8]) -> Result<Self, Error> {
        const NAME: &str = "SignedData";
        const CONTENT: &str = "SignedData.encapContentInfo";
        const CERTIFICATES: &str = "SignedData.certificates";
        const SIGNERS: &str = "SignedData.signerInfos";

        let mut outer = Reader::new(message);
        let mut info = outer.read(SEQUENCE, "ContentInfo")?;
        outer.finish("ContentInfo")?;
        expect(&mut info, oid::SIGNED_DATA, "ContentInfo.contentType")?;
        let mut fields = info.explicit(context(0), SEQUENCE, NAME)?;
        fields.read(INTEGER, "SignedData.version")?;
        fields.read(SET, "SignedData.digestAlgorithms")?;
        let mut content = fields.read(SEQUENCE, CONTENT)?;
        expect(&mut content, kind, CONTENT)?;
        let content = content.explicit(context(0), OCTET_STRING, CONTENT)?.rest();

        let mut certificates = Vec::new();
        if let Some(mut set) = fields.optional(context(0), CERTIFICATES)? {
            while !set.is_empty() {
                if certificates.len() == MAX_ELEMENTS {
                    return Err(set.error(CERTIFICATES, InvalidMessageKind::TooLarge).into());
                }
                // RFC 5652, section 10.2.2: attribute certificates and others have tags of their own.
                let is_certificate = set.peek() == Some(SEQUENCE);
                let certificate = whole(&mut set, CERTIFICATES)?;
                if is_certificate {
                    certificates.push(certificate.into());
                }
            }
        }
        fields.optional(context(1), "SignedData.crls")?;
        let mut signers = fields.read(SET, SIGNERS)?;
        let signer = signers.read(SEQUENCE, SIGNERS)?;
        signers.finish(SIGNERS)?;
        fields.finish(NAME)?;
        Self::of(content, certificates, signer, kind)
    }

    fn of(
        content: &'a [u8],
        certificates: Vec<CertificateDer<'a>>,
        mut signer: Reader<'a>,
        kind: &[u8],
    ) -> Result<Self, Error> {
        const NAME: &str = "SignerInfo";
        const IDENTIFIER: &str = "SignerInfo.sid";
        const ATTRIBUTES: &str = "SignerInfo.signedAttrs";

        signer.read(INTEGER, "SignerInfo.version")?;
        let implicit = signer.optional(primitive(0), IDENTIFIER)?;
        // The tag is implicit, but some KDCs write it as an explicit one.
        let explicit = signer.optional_explicit(context(0), OCTET_STRING, IDENTIFIER)?;
        let identifier = match implicit.or(explicit) {
            Some(identifier) => SignerIdentifier::SubjectKeyIdentifier(identifier.rest()),
            None => {
                let mut fields = signer.read(SEQUENCE, IDENTIFIER)?;
                let issuer = whole(&mut fields, IDENTIFIER)?;
                let serial_number = fields.read(INTEGER, IDENTIFIER)?.rest();
                SignerIdentifier::IssuerAndSerialNumber(issuer, serial_number)
            }
        };
        let digest_algorithm = algorithm(&mut signer, "SignerInfo.digestAlgorithm")?;
        // RFC 5652, section 5.3: signedAttrs "MUST be present if the content type of the EncapsulatedContentInfo value
        // being signed is not id-data".
        let attributes = signer.read(context(0), ATTRIBUTES)?;
        let signature_algorithm = algorithm(&mut signer, "SignerInfo.signatureAlgorithm")?;
        let signature = signer.read(OCTET_STRING, "SignerInfo.signature")?.rest();
        signer.optional(context(1), "SignerInfo.unsignedAttrs")?;
        signer.finish(NAME)?;

        let mut content_type = None;
        let mut message_digest = None;
        let mut rest = attributes;
        for _ in 0..MAX_ELEMENTS {
            if rest.is_empty() {
                break;
            }
            let mut attribute = rest.read(SEQUENCE, ATTRIBUTES)?;
            let name = attribute.read(OBJECT_IDENTIFIER, ATTRIBUTES)?.rest();
            let mut values = attribute.read(SET, ATTRIBUTES)?;
            match name {
                oid::CONTENT_TYPE => {
                    content_type = Some(values.read(OBJECT_IDENTIFIER, ATTRIBUTES)?.rest());
                    values.finish(ATTRIBUTES)?;
                }
                oid::MESSAGE_DIGEST => {
                    message_digest = Some(values.read(OCTET_STRING, ATTRIBUTES)?.rest());
                    values.finish(ATTRIBUTES)?;
                }
                _ => {}
            }
        }
        rest.finish(ATTRIBUTES)?;
        let missing = || attributes.error(ATTRIBUTES, InvalidMessageKind::MissingField);
        if content_type.ok_or_else(missing)? != kind {
            return Err(attributes
                .error(ATTRIBUTES, InvalidMessageKind::BadValue)
                .into());
        }
        Ok(Self {
            content,
            certificates,
            signer: identifier,
            attributes: attributes.rest(),
            digest_algorithm: match digest_algorithm {
                oid::SHA256 => &digest::SHA256,
                oid::SHA384 => &digest::SHA384,
                oid::SHA512 => &digest::SHA512,
                _ => return Err(PkinitError::UnsupportedSignature.into()),
            },
            message_digest: message_digest.ok_or_else(missing)?,
            signature,
            signature_algorithm,
        })
    }

    /// The certificate of who signed, and the others.
    pub(super) fn signer(
        &self,
    ) -> Result<
        (
            &CertificateDer<'a>,
            Certificate<'_>,
            Vec<CertificateDer<'a>>,
        ),
        KdcCertificateProblem,
    > {
        let mut found = None;
        for (index, der) in self.certificates.iter().enumerate() {
            let certificate =
                Certificate::decode(der).map_err(|_| KdcCertificateProblem::Malformed)?;
            let is_signers = match self.signer {
                SignerIdentifier::IssuerAndSerialNumber(issuer, serial_number) => {
                    certificate.issuer == issuer && certificate.serial_number == serial_number
                }
                SignerIdentifier::SubjectKeyIdentifier(identifier) => {
                    certificate.subject_key_identifier == Some(identifier)
                }
            };
            if is_signers {
                found = Some((index, der, certificate));
                break;
            }
        }
        let (own, der, certificate) = found.ok_or(KdcCertificateProblem::Missing)?;
        let others = self.certificates.iter().enumerate();
        let others = others
            .filter(|(index, _)| *index != own)
            .map(|(_, other)| other.clone())
            .collect();
        Ok((der, certificate, others))
    }

    /// Verifies that the signature is that of the certificate's key, over this content.
    pub(super) fn verify(
        &self,
        certificate: &webpki::EndEntityCert<'_>,
    ) -> Result<(), PkinitError> {
        let computed: Digest = digest(self.digest_algorithm, self.content);
        if computed.as_ref() != self.message_digest {
            return Err(PkinitError::WrongSignature);
        }
        let signed = encoding::value(SET, &[self.attributes]);
        let mut result = Err(PkinitError::UnsupportedSignature);
        for algorithm in self.algorithms() {
            match certificate.verify_signature(*algorithm, &signed, self.signature) {
                Ok(()) => return Ok(()),
                // The key is of another kind than the algorithm.
                Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)) => {}
                Err(_) => result = Err(PkinitError::WrongSignature),
            }
        }
        result
    }

    /// What the signature may be made by: the certificate's key says which of these it is.
    ///
    /// Real KDCs write RSA's identifier over signatures of ECDSA, and sign the attributes by another digest than the content's. So
    /// the identifier counts for the digest alone.
    fn algorithms(&self) -> &'static [&'static dyn SignatureVerificationAlgorithm] {
        let digest = match self.signature_algorithm {
            oid::SHA256_WITH_RSA | oid::ECDSA_SHA256 => &digest::SHA256,
            oid::SHA384_WITH_RSA | oid::ECDSA_SHA384 => &digest::SHA384,
            oid::SHA512_WITH_RSA => &digest::SHA512,
            oid::RSA_ENCRYPTION | oid::EC_PUBLIC_KEY => self.digest_algorithm,
            _ => return &[],
        };
        if *digest == digest::SHA256 {
            SHA256
        } else if *digest == digest::SHA384 {
            SHA384
        } else {
            SHA512
        }
    }
}

const SHA256: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P384_SHA256,
];
const SHA384: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA384,
];
const SHA512: &[&dyn SignatureVerificationAlgorithm] = &[algorithms::RSA_PKCS1_2048_8192_SHA512];

fn expect(fields: &mut Reader<'_>, kind: &[u8], field: &'static str) -> Result<(), InvalidMessage> {
    let found = fields.read(OBJECT_IDENTIFIER, field)?;
    if found.rest() == kind {
        Ok(())
    } else {
        Err(found.error(field, InvalidMessageKind::BadValue))
    }
}

/// The identifier of an AlgorithmIdentifier; its parameters say nothing in those that are known here.
fn algorithm<'a>(fields: &mut Reader<'a>, field: &'static str) -> Result<&'a [u8], InvalidMessage> {
    let mut algorithm = fields.read(SEQUENCE, field)?;
    Ok(algorithm.read(OBJECT_IDENTIFIER, field)?.rest())
}
