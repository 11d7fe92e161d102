//! The key of the reply, from what Diffie-Hellman has agreed on.

use ring::digest::{self, Context};
use zeroize::Zeroizing;

use super::{encoding, oid};
use crate::codec::der::{OCTET_STRING, context};
use crate::error::{Error, OtherError};
use crate::kerberos::asn1::{self, KerberosString, PrincipalName};
use crate::kerberos::crypto::{EncryptionKey, EncryptionType};

/// A key derivation of RFC 8636, section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyDerivation {
    #[cfg(test)]
    Sha1,
    Sha256,
    Sha512,
}

impl KeyDerivation {
    /// Those that are offered, the preferred one first.
    pub(super) const OFFERED: [Self; 2] = [Self::Sha256, Self::Sha512];

    pub(super) fn identifier(self) -> &'static [u8] {
        match self {
            #[cfg(test)]
            Self::Sha1 => oid::KDF_SHA1,
            Self::Sha256 => oid::KDF_SHA256,
            Self::Sha512 => oid::KDF_SHA512,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            #[cfg(test)]
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }

    /// So many octets from what was agreed on (NIST SP 800-56A, section 5.8.1; RFC 8636, section 6).
    pub(super) fn octets(
        self,
        agreed: &[u8],
        length: usize,
        parties: &Parties<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let information = parties.other_information(self)?;
        Ok(stretch(length, |counter, out| {
            let mut hash = Context::new(self.digest());
            hash.update(&counter.saturating_add(1).to_be_bytes());
            hash.update(agreed);
            hash.update(&information);
            out.extend_from_slice(hash.finish().as_ref());
        }))
    }
}

/// `octetstring2key()` of RFC 4556, section 3.2.3.1: for KDCs that know nothing of RFC 8636.
pub(super) fn octet_string_to_key(
    encryption_type: EncryptionType,
    agreed: &[u8],
) -> Result<EncryptionKey, Error> {
    let octets = stretch(encryption_type.key_len(), |counter, out| {
        let [_, _, _, counter] = counter.to_be_bytes();
        let mut hash = Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        hash.update(&[counter]);
        hash.update(agreed);
        out.extend_from_slice(hash.finish().as_ref());
    });
    EncryptionKey::new(encryption_type, &octets).map_err(|error| OtherError::new(error).into())
}

/// Hashes, one behind the other, until there are `length` octets.
fn stretch(length: usize, hash: impl Fn(u32, &mut Vec<u8>)) -> Zeroizing<Vec<u8>> {
    // With room for all, so that no part of it stays behind.
    let mut out = Zeroizing::new(Vec::with_capacity(length.saturating_add(64)));
    let mut counter = 0_u32;
    while out.len() < length {
        hash(counter, &mut out);
        counter = counter.saturating_add(1);
    }
    out.truncate(length);
    out
}

/// What a key of RFC 8636 is bound to.
#[derive(Debug)]
pub(super) struct Parties<'a> {
    /// The client, and its realm, as they stand in the request.
    pub(super) client: (&'a KerberosString, &'a PrincipalName),
    /// The service, and its realm, as they stand in the request.
    pub(super) server: (&'a KerberosString, &'a PrincipalName),
    pub(super) encryption_type: EncryptionType,
    /// The AS-REQ, as it was sent.
    pub(super) request: &'a [u8],
    /// The PA-PK-AS-REP, as it came.
    pub(super) reply: &'a [u8],
}

impl Parties<'_> {
    /// OtherInfo.
    fn other_information(&self, derivation: KeyDerivation) -> Result<Vec<u8>, Error> {
        let octets = |octets: &[u8]| encoding::value(OCTET_STRING, &[octets]);
        let explicit = |number, value: &[u8]| encoding::value(context(number), &[value]);
        let party = |(realm, name): (&KerberosString, &PrincipalName)| -> Result<_, Error> {
            let name = encoding::sequence(&[
                &explicit(0, &asn1::encode(realm, "KRB5PrincipalName")?),
                &explicit(1, &asn1::encode(name, "KRB5PrincipalName")?),
            ]);
            Ok(octets(&name))
        };
        let number = asn1::encode(&self.encryption_type.number(), "PkinitSuppPubInfo")?;
        let supplement = encoding::sequence(&[
            &explicit(0, &number),
            &explicit(1, &octets(self.request)),
            &explicit(2, &octets(self.reply)),
        ]);
        Ok(encoding::sequence(&[
            &encoding::algorithm(derivation.identifier(), b""),
            &explicit(0, &party(self.client)?),
            &explicit(1, &party(self.server)?),
            &explicit(2, &octets(&supplement)),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hex::hex;

    /// RFC 8636, section 8.
    #[test]
    fn derives_the_keys_of_rfc_8636() {
        let realm = KerberosString::from("SU.SE");
        let parties = Parties {
            client: (&realm, &PrincipalName::new(1, &["lha"])),
            server: (&realm, &PrincipalName::new(1, &["krbtgt", "SU.SE"])),
            encryption_type: EncryptionType::Aes256Sha1,
            request: &[0xaa; 10],
            reply: &[0xbb; 9],
        };
        for (derivation, expected) in [
            (
                KeyDerivation::Sha1,
                "e6ab38c9413e035bb079201ed0b6b73d8d49a814a737c04ee6649614206f73ad",
            ),
            (
                KeyDerivation::Sha256,
                "77ef4e48c420ae3fec75109d7981697eed5d295c90c62564f7bfd101fa9bc1d5",
            ),
        ] {
            let octets = derivation.octets(&[0; 256], 32, &parties).unwrap();
            assert_eq!(**octets, hex(expected), "{derivation:?}");
        }
    }

    /// RFC 4556, appendix B.
    #[test]
    fn derives_the_keys_of_rfc_4556() {
        let counting: Vec<u8> = (0..=16).cycle().take(128).collect();
        for (agreed, expected) in [
            (
                &[0; 256][..],
                "5ee50d675c809fe59e4a7762c54b65837547eafb159bd8cdc75ffca5911e4c41",
            ),
            (
                &[0; 128],
                "acf7707c08973ddfdb27cd361442ccfba355c8884cb472f37da636d07d56787e",
            ),
            (
                &counting,
                "c442da585fcb80e43b47946f254093e37329d99001380db78371db3acf5c797e",
            ),
            (
                &counting[..77],
                "0053953b84c896f4eb385c3f2e751c4a590ed6ffadca6ff64f47ebeb8d780ffc",
            ),
        ] {
            let key = octet_string_to_key(EncryptionType::Aes256Sha1, agreed).unwrap();
            assert_eq!(key.expose(), hex(expected));
        }
    }
}
