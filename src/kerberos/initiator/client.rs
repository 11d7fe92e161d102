use std::fmt;
use std::sync::Arc;

#[cfg(feature = "pkinit")]
use crate::credentials::CertificateSigner;
use crate::kerberos::asn1::{KerberosString, PrincipalName};
use crate::kerberos::crypto::{EncryptionKey, EncryptionType};
#[cfg(feature = "pkinit")]
use crate::kerberos::pkinit::PkinitOptions;
use crate::name::AccountName;
use crate::secret::Secret;

/// Whom to log on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientName {
    /// The realm to ask first.
    pub realm: KerberosString,
    /// The name.
    pub name: PrincipalName,
}

impl ClientName {
    /// A name of a realm, which is used as it is spelled.
    pub fn new(realm: &str, name: PrincipalName) -> Self {
        Self {
            realm: realm.into(),
            name,
        }
    }

    /// Of an account; `default_realm` is for one without a domain, and may be empty.
    ///
    /// `DOMAIN\user` is a user of that realm. `user@suffix` is an enterprise name, whole (RFC 6806, section 5): the default
    /// realm is asked first, which may refer to another, and without one the realm that is the suffix in upper case. A `/`
    /// separates components (RFC 1964, section 2.1.1).
    pub fn of(account: &AccountName, default_realm: &str) -> Self {
        let user = account.user();
        match user.rsplit_once('@') {
            Some((_, suffix)) if account.domain().is_empty() => {
                let suffix = suffix.to_uppercase();
                let realm = match default_realm {
                    "" => &suffix,
                    realm => realm,
                };
                Self::new(
                    realm,
                    PrincipalName::new(PrincipalName::ENTERPRISE, &[user]),
                )
            }
            _ => {
                let components: Vec<_> = user.split('/').collect();
                let realm = match account.domain() {
                    "" => default_realm,
                    domain => domain,
                };
                Self::new(
                    realm,
                    PrincipalName::new(PrincipalName::PRINCIPAL, &components),
                )
            }
        }
    }

    pub(super) fn is_enterprise(&self) -> bool {
        self.name.name_type == PrincipalName::ENTERPRISE
    }

    /// `user` of the realm that the suffix says, where this is the enterprise name `user@suffix`.
    pub(in crate::kerberos) fn without_enterprise(&self) -> Option<Self> {
        let [name] = &*self.name.name_string else {
            return None;
        };
        let name = name.to_str_lossy();
        let (user, suffix) = name.rsplit_once('@')?;
        let components: Vec<_> = user.split('/').collect();
        self.is_enterprise().then(|| {
            Self::new(
                &suffix.to_uppercase(),
                PrincipalName::new(PrincipalName::PRINCIPAL, &components),
            )
        })
    }

    /// Realm and components without anything between them (RFC 4120, section 4).
    pub(super) fn default_salt(&self) -> Vec<u8> {
        let components = self.name.name_string.iter();
        [&self.realm]
            .into_iter()
            .chain(components)
            .flat_map(|part| part.as_bytes().iter().copied())
            .collect()
    }
}

/// How the client proves itself.
#[non_exhaustive]
pub enum ClientSecret {
    /// By a password.
    Password(Secret<str>),
    /// By keys, of which the KDC takes one by its encryption type: those of a keytab.
    Keys(Arc<[EncryptionKey]>),
    /// By a certificate.
    #[cfg(feature = "pkinit")]
    Certificate {
        /// The key that signs.
        signer: Arc<dyn CertificateSigner>,
        /// How, and whom the client takes for a KDC.
        options: Arc<PkinitOptions>,
    },
}

impl ClientSecret {
    /// By an NT hash, which is the key of rc4-hmac (RFC 4757, section 2).
    #[cfg(feature = "rc4-hmac")]
    pub(super) fn nt_hash(hash: &Secret<[u8; 16]>) -> Option<Self> {
        let key = EncryptionKey::new(EncryptionType::Rc4Hmac, hash.expose()).ok()?;
        Some(Self::Keys([key].into()))
    }

    /// Whether there is or can be a key of this encryption type.
    pub(super) fn serves(&self, encryption_type: EncryptionType) -> bool {
        match self {
            Self::Password(_) => true,
            #[cfg(feature = "pkinit")]
            Self::Certificate { .. } => true,
            Self::Keys(keys) => keys
                .iter()
                .any(|key| key.encryption_type() == encryption_type),
        }
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(..)",
            Self::Keys(_) => "Keys(..)",
            #[cfg(feature = "pkinit")]
            Self::Certificate { .. } => "Certificate(..)",
        })
    }
}
