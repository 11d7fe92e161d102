use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, PKCS_RSA_SHA256};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Identity;
use crate::environment::Random;
use crate::error::{Error, OtherError};

mod rsa;

impl Identity {
    /// Makes a P-256 key and a certificate for `host` (a DNS name or an IP address), signed by that key.
    ///
    /// Such a certificate proves nothing by itself, as those that Remote Desktop and WinRM make for themselves do not:
    /// clients delegate to it only by the policies `…WhenNTLMOnly`, by a pin, or by Kerberos.
    ///
    /// # Errors
    /// Where `host` is neither a DNS name nor an IP address, or the random source fails.
    pub fn self_signed(host: &str) -> Result<Self, Error> {
        let key = KeyPair::generate().map_err(OtherError::new)?;
        Self::from_key_pair(host, &key)
    }

    /// As [`Self::self_signed()`], with an RSA key of 2048 bits, for peers that know no elliptic curves.
    ///
    /// Finding the primes takes around a second of computing, and several without optimization.
    ///
    /// # Errors
    /// As [`Self::self_signed()`].
    pub fn self_signed_rsa(host: &str, random: &dyn Random) -> Result<Self, Error> {
        let key = PrivatePkcs8KeyDer::from(rsa::generate(random)?);
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_RSA_SHA256)
            .map_err(OtherError::new)?;
        Self::from_key_pair(host, &key)
    }

    fn from_key_pair(host: &str, key: &KeyPair) -> Result<Self, Error> {
        let mut params = CertificateParams::new([host.to_owned()]).map_err(OtherError::new)?;
        params.distinguished_name.push(DnType::CommonName, host);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.self_signed(key).map_err(OtherError::new)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Self::new(vec![certificate.der().clone()], key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::SystemRandom;

    #[test]
    fn makes_keys_of_both_types() {
        let ec = Identity::self_signed("host.example.com").unwrap();
        assert_eq!(ec.public_key().as_bytes()[0], 4, "an uncompressed point");
        assert_eq!(ec.public_key().as_bytes().len(), 65);

        let rsa = Identity::self_signed_rsa("127.0.0.1", &SystemRandom::default()).unwrap();
        assert_eq!(
            rsa.public_key().as_bytes().len(),
            270,
            "an RSAPublicKey of 2048 bits"
        );
    }

    #[test]
    fn refuses_what_is_no_host() {
        assert!(Identity::self_signed("höst").is_err());
    }
}
