//! PKINIT's messages (RFC 4556, section 3.2; appendix A).

use ring::digest::{self, digest};

use super::certificate::whole;
use super::encoding::{self, primitive};
use super::key_derivation::KeyDerivation;
use super::{DhGroup, oid};
use crate::codec::der::{
    BIT_STRING, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE, context,
};
use crate::error::{Error, InvalidMessage, InvalidMessageKind};
use crate::kerberos::asn1::{self, KerberosTime, Microseconds, Unsigned32};

/// The most elements of a list that a KDC sends.
const MAX_ELEMENTS: usize = 16;

/// AuthPack (RFC 4556, section 3.2.1), which the client signs.
#[derive(Debug)]
pub(super) struct AuthPack<'a> {
    pub(super) time: (KerberosTime, Microseconds),
    /// That of the request's body: KDCs answer with it.
    pub(super) nonce: Unsigned32,
    /// The body of the request, as it is sent.
    pub(super) body: &'a [u8],
    /// RFC 8070, section 4.
    pub(super) freshness_token: Option<&'a [u8]>,
    /// A SubjectPublicKeyInfo.
    pub(super) public_key_info: &'a [u8],
    /// AlgorithmIdentifiers.
    pub(super) cms_types: &'a [Vec<u8>],
}

impl AuthPack<'_> {
    pub(super) fn encode(&self) -> Result<Vec<u8>, Error> {
        let explicit = |number, value: &[u8]| encoding::value(context(number), &[value]);
        let octets = |octets: &[u8]| encoding::value(OCTET_STRING, &[octets]);
        let (time, microseconds) = &self.time;
        let sha1 = digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, self.body);
        let sha256 = digest(&digest::SHA256, self.body);
        let token = self
            .freshness_token
            .map(|token| explicit(4, &octets(token)))
            .unwrap_or_default();
        // MS-PKCA, section 2.2.3: paChecksum2, for digests other than SHA-1, which RFC 4556 fixes for paChecksum.
        let checksum2 = encoding::sequence(&[
            &explicit(0, &octets(sha256.as_ref())),
            &explicit(1, &encoding::algorithm(oid::SHA256, b"")),
        ]);
        let authenticator = encoding::sequence(&[
            &explicit(0, &asn1::encode(microseconds, "PKAuthenticator")?),
            &explicit(1, &asn1::encode(time, "PKAuthenticator")?),
            &explicit(2, &asn1::encode(&self.nonce, "PKAuthenticator")?),
            &explicit(3, &octets(sha1.as_ref())),
            &token,
            &explicit(5, &checksum2),
        ]);
        let cms_types: Vec<&[u8]> = self.cms_types.iter().map(Vec::as_slice).collect();
        let derivations = KeyDerivation::OFFERED.map(|derivation| {
            let identifier = encoding::object_identifier(derivation.identifier());
            encoding::sequence(&[&explicit(0, &identifier)])
        });
        let derivations: Vec<&[u8]> = derivations.iter().map(Vec::as_slice).collect();
        Ok(encoding::sequence(&[
            &explicit(0, &authenticator),
            &explicit(1, self.public_key_info),
            &explicit(2, &encoding::sequence(&cms_types)),
            &explicit(4, &encoding::sequence(&derivations)),
        ]))
    }
}

/// PA-PK-AS-REQ, of a signed [`AuthPack`].
pub(super) fn pa_pk_as_req(signed: &[u8]) -> Vec<u8> {
    encoding::sequence(&[&encoding::value(primitive(0), &[signed])])
}

/// PA-PK-AS-REP (RFC 4556, section 3.2.3).
#[derive(Debug)]
pub(super) enum PaPkAsRep<'a> {
    DhInfo {
        /// A SignedData over a [`KdcDhKeyInfo`].
        signed: &'a [u8],
        /// The identifier of the key derivation that the KDC has chosen (RFC 8636, section 5).
        derivation: Option<&'a [u8]>,
    },
    EncKeyPack,
}

impl<'a> PaPkAsRep<'a> {
    pub(super) fn decode(message: &'a [u8]) -> Result<Self, InvalidMessage> {
        const NAME: &str = "PA-PK-AS-REP";
        const SIGNED: &str = "DHRepInfo.dhSignedData";
        const KDF: &str = "DHRepInfo.kdf";

        let mut outer = Reader::new(message);
        if outer.peek() == Some(primitive(1)) {
            outer.read(primitive(1), NAME)?;
            outer.finish(NAME)?;
            return Ok(Self::EncKeyPack);
        }
        let mut fields = outer.explicit(context(0), SEQUENCE, NAME)?;
        outer.finish(NAME)?;
        let signed = fields.read(primitive(0), SIGNED)?.rest();
        // The client has sent no nonce of its own, so that this one counts for nothing.
        fields.optional_explicit(context(1), OCTET_STRING, "DHRepInfo.serverDHNonce")?;
        let derivation = match fields.optional_explicit(context(2), SEQUENCE, KDF)? {
            Some(mut kdf) => Some(kdf.explicit(context(0), OBJECT_IDENTIFIER, KDF)?.rest()),
            None => None,
        };
        // "..." in the grammar: what newer KDCs add is not read.
        Ok(Self::DhInfo { signed, derivation })
    }
}

/// KDCDHKeyInfo (RFC 4556, section 3.2.3.1), which the KDC signs.
#[derive(Debug)]
pub(super) struct KdcDhKeyInfo<'a> {
    /// The KDC's public value, an INTEGER in DER.
    pub(super) public_value: &'a [u8],
    pub(super) nonce: Unsigned32,
}

impl<'a> KdcDhKeyInfo<'a> {
    pub(super) fn decode(message: &'a [u8]) -> Result<Self, InvalidMessage> {
        const NAME: &str = "KDCDHKeyInfo";
        const KEY: &str = "KDCDHKeyInfo.subjectPublicKey";
        const NONCE: &str = "KDCDHKeyInfo.nonce";

        let mut outer = Reader::new(message);
        let mut fields = outer.read(SEQUENCE, NAME)?;
        outer.finish(NAME)?;
        let key = fields.explicit(context(0), BIT_STRING, KEY)?;
        let [0, public_value @ ..] = key.rest() else {
            return Err(key.error(KEY, InvalidMessageKind::BadValue));
        };
        let mut nonce = fields.read(context(1), NONCE)?;
        Ok(Self {
            public_value,
            nonce: asn1::decode(whole(&mut nonce, NONCE)?, NONCE)?,
        })
    }
}

/// The groups of TD-DH-PARAMETERS in TYPED-DATA (RFC 4556, section 3.1.3), as far as they are known, in the KDC's order.
pub(super) fn offered_groups(typed_data: &[u8]) -> Result<Vec<DhGroup>, InvalidMessage> {
    const TYPED_DATA: &str = "TYPED-DATA";
    const FIELD: &str = "TD-DH-PARAMETERS";
    const TD_DH_PARAMETERS: u32 = 109;

    let mut outer = Reader::new(typed_data);
    let mut elements = outer.read(SEQUENCE, TYPED_DATA)?;
    let mut groups = Vec::new();
    for _ in 0..MAX_ELEMENTS {
        if elements.is_empty() {
            break;
        }
        let mut element = elements.read(SEQUENCE, TYPED_DATA)?;
        let kind = element.explicit(context(0), INTEGER, TYPED_DATA)?;
        let value = element.optional_explicit(context(1), OCTET_STRING, TYPED_DATA)?;
        if let (Ok(TD_DH_PARAMETERS), Some(mut value)) = (kind.unsigned(TYPED_DATA), value) {
            let mut algorithms = value.read(SEQUENCE, FIELD)?;
            for _ in 0..MAX_ELEMENTS {
                if algorithms.is_empty() {
                    break;
                }
                groups.extend(DhGroup::of_algorithm(algorithms.read(SEQUENCE, FIELD)?)?);
            }
        }
    }
    Ok(groups)
}
