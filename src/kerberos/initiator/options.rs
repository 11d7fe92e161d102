use std::sync::Arc;

use crate::kerberos::DomainRealms;
use crate::kerberos::asn1::PrincipalName;
use crate::kerberos::ccache::CredentialCache;
use crate::kerberos::crypto::{EncryptionKey, EncryptionType};
use crate::kerberos::krb5_conf::Krb5Conf;
#[cfg(feature = "pkinit")]
use crate::kerberos::pkinit::PkinitOptions;

/// How a client goes about Kerberos.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InitiatorOptions {
    /// The realm of accounts without a domain or a suffix.
    pub default_realm: Option<Box<str>>,
    /// Which realms hosts belong to. The KDC of the client's realm is asked about a host that is not among these, and may refer
    /// to another.
    pub domain_realms: Arc<DomainRealms>,
    /// The encryption types that are taken, the preferred one first.
    pub encryption_types: Vec<EncryptionType>,
    /// Whether KDCs may answer by other names of the client and of the service, and refer to other realms (RFC 6806).
    pub canonicalize: bool,
    /// Whether to ask the server for its ticket-granting ticket, and for a ticket under that one's key, as Windows' clients
    /// do. Where the server or the KDC insists on it, that is done without this too.
    pub user_to_user: bool,
    /// For user-to-user: the account that the server runs under, where its KDC issues tickets by that name only.
    pub user_to_user_owner: Option<PrincipalName>,
    /// The account's keys, in place of its password: those of a keytab.
    pub keys: Option<Arc<[EncryptionKey]>>,
    /// How to log on by certificate, where the credentials have one.
    #[cfg(feature = "pkinit")]
    pub pkinit: Arc<PkinitOptions>,
    /// Tickets that are there already, in place of a logon while they last. Whose they are is the caller's to know: the
    /// account that is delegated is not held against them.
    pub tickets: Option<Arc<CredentialCache>>,
}

impl InitiatorOptions {
    /// What a configuration says; the rest is as usual.
    pub fn from_krb5_conf(configuration: &Krb5Conf) -> Self {
        let usual = Self::default();
        Self {
            default_realm: configuration.default_realm().map(Into::into),
            domain_realms: Arc::new(configuration.domain_realms().clone()),
            encryption_types: configuration
                .encryption_types()
                .unwrap_or(usual.encryption_types),
            canonicalize: configuration.canonicalize().unwrap_or(usual.canonicalize),
            ..Self::default()
        }
    }
}

impl Default for InitiatorOptions {
    fn default() -> Self {
        Self {
            default_realm: None,
            domain_realms: Arc::default(),
            encryption_types: EncryptionType::DEFAULT.into(),
            canonicalize: true,
            user_to_user: false,
            user_to_user_owner: None,
            keys: None,
            #[cfg(feature = "pkinit")]
            pkinit: Arc::default(),
            tickets: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_says_the_realms_and_the_encryption_types() {
        let options = InitiatorOptions::from_krb5_conf(&Krb5Conf::default());
        assert_eq!(options.encryption_types, EncryptionType::DEFAULT);
        assert!(options.canonicalize && options.default_realm.is_none());

        let configuration = Krb5Conf::parse(
            "[libdefaults]\ndefault_realm = A\ncanonicalize = false\npermitted_enctypes = aes128-cts\n\
             [domain_realm]\n.b.example = B\n",
        );
        let options = InitiatorOptions::from_krb5_conf(&configuration.unwrap());
        assert_eq!(options.default_realm.as_deref(), Some("A"));
        assert_eq!(options.encryption_types, [EncryptionType::Aes128Sha1]);
        assert_eq!(options.domain_realms.realm_of("h.b.example"), Some("B"));
        assert!(!options.canonicalize);
    }
}
