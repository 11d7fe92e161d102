use std::fmt;
use std::sync::{Arc, Mutex};

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use rustls::pki_types::CertificateDer;

use super::choice::Chosen;
use super::error::of_signature;
use super::{CardChoice, CardError, Module, PinTries};
use crate::codec::der::{self, INTEGER, SEQUENCE};
use crate::credentials::{
    CertificateSigner, Credentials, SignatureScheme, ToSign, TsCspDataDetail, TsSmartCardCreds,
};
use crate::error::SignError;
use crate::kerberos::pkinit::{self, KeyKind, chain_of, key_kind};
use crate::name::AccountName;
use crate::secret::Secret;

/// The key exchange key of a container (AT_KEYEXCHANGE), where Windows puts keys for logons.
const AT_KEYEXCHANGE: u32 = 1;
const CAPI_PROVIDER: &str = "Microsoft Base Smart Card Crypto Provider";
/// For keys that CryptoAPI's providers do not know, which are those of ECDSA.
const CNG_PROVIDER: &str = "Microsoft Smart Card Key Storage Provider";

/// A key on a card that is logged in to, as long as this value lasts.
///
/// A PIN is tried once, when the card is opened; a card that was pulled out and put back has to be opened anew.
pub struct Card {
    session: Mutex<Session>,
    key: ObjectHandle,
    kind: KeyKind,
    certificates: Vec<CertificateDer<'static>>,
    csp_data: TsCspDataDetail,
}

impl Card {
    /// Finds the certificate and its key, and logs in.
    ///
    /// # Errors
    /// Where the choice fits none or more than one, or the PIN is wrong.
    pub fn open(
        module: &Module,
        choice: &CardChoice,
        pin: &Secret<str>,
    ) -> Result<Self, CardError> {
        let Module(module) = module;
        let Chosen {
            slot,
            session,
            id,
            certificate,
            others,
        } = choice.find(module)?;
        let kind = key_kind(&certificate).ok_or(CardError::UnsupportedKey)?;
        if module.get_token_info(slot)?.user_pin_locked() {
            return Err(CardError::PinLocked);
        }
        // The copy is erased when it is dropped.
        let secret = AuthPin::from(Box::<str>::from(pin.expose()));
        match session.login(UserType::User, Some(&secret)) {
            Err(Error::Pkcs11(RvError::PinIncorrect, _)) => {
                let tries = module.get_token_info(slot).map(|info| {
                    if info.user_pin_locked() {
                        PinTries::None
                    } else if info.user_pin_final_try() {
                        PinTries::One
                    } else if info.user_pin_count_low() {
                        PinTries::Fewer
                    } else {
                        PinTries::Unknown
                    }
                });
                return Err(CardError::WrongPin(tries.unwrap_or(PinTries::Unknown)));
            }
            result => result?,
        }
        drop(secret);
        let key = session
            .find_objects(&[
                Attribute::Class(ObjectClass::PRIVATE_KEY),
                Attribute::Id(id.into()),
            ])?
            .first()
            .copied()
            .ok_or(CardError::NoKey)?;
        let reader = module.get_slot_info(slot)?.slot_description().to_owned();
        let csp_data = csp_data(kind, &reader, &label(&session, key));
        let certificates = chain_of(certificate, others);
        Ok(Self {
            session: Mutex::new(session),
            key,
            kind,
            certificates,
            csp_data,
        })
    }

    /// Where Windows finds the key: what is delegated of it, beside the PIN.
    ///
    /// The reader is what the module calls the slot; the container is the key's label, since modules that know Windows'
    /// containers put their names there; the provider is Windows' own. Where a server wants something else, change it and give
    /// it to [`Credentials::certificate()`].
    pub fn csp_data(&self) -> &TsCspDataDetail {
        &self.csp_data
    }

    /// Whose the certificate is, where it tells: a user principal name as a rule.
    pub fn principal_name(&self) -> Option<String> {
        pkinit::principal_name(self.certificates.first()?)
    }

    /// Logs on with this card, and delegates it with its PIN; the account is the certificate's unless one is given, which
    /// then goes along as a hint.
    ///
    /// `None` where there is no account, and the certificate names none.
    pub fn credentials(
        self: &Arc<Self>,
        account: Option<AccountName>,
        pin: Secret<str>,
    ) -> Option<Credentials> {
        let mut delegated = TsSmartCardCreds::new(pin, self.csp_data.clone());
        let account = match account {
            Some(account) => {
                delegated.user_hint = Some(account.user().into());
                let domain = account.domain();
                delegated.domain_hint = (!domain.is_empty()).then(|| domain.into());
                account
            }
            None => AccountName::new("", &self.principal_name()?),
        };
        let signer: Arc<dyn CertificateSigner> = Arc::<Self>::clone(self);
        Some(Credentials::certificate(account, signer, delegated.into()))
    }
}

fn csp_data(kind: KeyKind, reader: &str, container: &str) -> TsCspDataDetail {
    let (key_spec, provider) = match kind {
        KeyKind::Rsa => (AT_KEYEXCHANGE, CAPI_PROVIDER),
        KeyKind::P256 | KeyKind::P384 => (0, CNG_PROVIDER),
    };
    let mut data = TsCspDataDetail::new(key_spec);
    let some = |name: &str| (!name.is_empty()).then(|| name.into());
    data.reader_name = some(reader);
    data.container_name = some(container);
    data.csp_name = some(provider);
    data
}

fn label(session: &Session, key: ObjectHandle) -> String {
    let attributes = session.get_attributes(key, &[AttributeType::Label]);
    let label = attributes.ok().and_then(|attributes| {
        attributes
            .into_iter()
            .find_map(|attribute| match attribute {
                Attribute::Label(label) => String::from_utf8(label).ok(),
                _ => None,
            })
    });
    label.unwrap_or_default()
}

impl CertificateSigner for Card {
    fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    fn schemes(&self) -> &[SignatureScheme] {
        match self.kind {
            KeyKind::Rsa => &[
                SignatureScheme::RsaPkcs1Sha256,
                SignatureScheme::RsaPkcs1Sha384,
                SignatureScheme::RsaPkcs1Sha512,
                SignatureScheme::RsaPkcs1Sha1,
            ],
            KeyKind::P256 => &[SignatureScheme::EcdsaP256Sha256],
            KeyKind::P384 => &[SignatureScheme::EcdsaP384Sha384],
        }
    }

    fn sign(&self, scheme: SignatureScheme, input: &ToSign<'_>) -> Result<Vec<u8>, SignError> {
        if !self.schemes().contains(&scheme) {
            return Err(SignError::UnsupportedScheme);
        }
        let session = self
            .session
            .lock()
            .map_err(|_| SignError::Other("another signature has panicked".into()))?;
        match digest_info(scheme) {
            Some(prefix) => session
                .sign(
                    &Mechanism::RsaPkcs,
                    self.key,
                    &[prefix, input.digest()].concat(),
                )
                .map_err(of_signature),
            None => {
                let signature = session
                    .sign(&Mechanism::Ecdsa, self.key, input.digest())
                    .map_err(of_signature)?;
                ecdsa_sig_value(&signature)
                    .ok_or_else(|| SignError::Other("a signature of an odd length".into()))
            }
        }
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card")
            .field("csp_data", &self.csp_data)
            .finish_non_exhaustive()
    }
}

/// What stands before the digest in a DigestInfo (RFC 8017, section 9.2, note 1).
fn digest_info(scheme: SignatureScheme) -> Option<&'static [u8]> {
    match scheme {
        SignatureScheme::RsaPkcs1Sha1 => {
            Some(b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14")
        }
        SignatureScheme::RsaPkcs1Sha256 => {
            Some(b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20")
        }
        SignatureScheme::RsaPkcs1Sha384 => {
            Some(b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30")
        }
        SignatureScheme::RsaPkcs1Sha512 => {
            Some(b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40")
        }
        SignatureScheme::EcdsaP256Sha256 | SignatureScheme::EcdsaP384Sha384 => None,
    }
}

/// `ECDSA-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279, section 2.2.3), of r and s as PKCS #11 has them: one
/// behind the other, equally long.
fn ecdsa_sig_value(signature: &[u8]) -> Option<Vec<u8>> {
    if signature.is_empty() || !signature.len().is_multiple_of(2) {
        return None;
    }
    let mut numbers = Vec::with_capacity(signature.len().saturating_add(8));
    for number in signature.chunks(signature.len() / 2) {
        let zeros = number.iter().take_while(|octet| **octet == 0).count();
        let number = number.get(zeros..)?;
        let sign: &[u8] = match number.first() {
            Some(0..=0x7f) => b"",
            _ => b"\0",
        };
        der::put_header(
            &mut numbers,
            INTEGER,
            number.len().saturating_add(sign.len()),
        );
        numbers.extend_from_slice(sign);
        numbers.extend_from_slice(number);
    }
    let mut value = Vec::with_capacity(der::value_len(numbers.len()));
    der::put_header(&mut value, SEQUENCE, numbers.len());
    value.extend_from_slice(&numbers);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_ecdsa_become_der() {
        let value = ecdsa_sig_value(&[0, 1, 0x80, 0]).unwrap();
        assert_eq!(value, [0x30, 8, 2, 1, 1, 2, 3, 0, 0x80, 0]);
        let value = ecdsa_sig_value(&[0, 0, 0, 0x7f]).unwrap();
        assert_eq!(value, [0x30, 6, 2, 1, 0, 2, 1, 0x7f]);
        assert!(ecdsa_sig_value(&[]).is_none() && ecdsa_sig_value(&[1; 3]).is_none());
    }

    #[test]
    fn windows_is_told_of_the_provider_that_knows_the_kind_of_key() {
        let data = csp_data(KeyKind::Rsa, "reader", "");
        assert_eq!(data.key_spec, 1);
        assert_eq!(data.csp_name.as_deref(), Some(CAPI_PROVIDER));
        assert_eq!(data.reader_name.as_deref(), Some("reader"));
        assert_eq!(data.container_name, None);
        let data = csp_data(KeyKind::P384, "", "container");
        assert_eq!((data.key_spec, data.reader_name), (0, None));
        assert_eq!(data.csp_name.as_deref(), Some(CNG_PROVIDER));
        assert_eq!(data.container_name.as_deref(), Some("container"));
    }
}
