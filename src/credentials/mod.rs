//! Whom a client logs on as, and what it hands over: `TSCredentials` (MS-CSSP, section 2.2.1.2).

use std::sync::Arc;

use crate::group_policy::CredentialClass;
use crate::name::AccountName;
use crate::secret::Secret;

mod password;
mod remote_guard;
#[cfg(feature = "pkinit")]
mod signer;
mod smart_card;
mod text;
mod ts_credentials;

pub use password::TsPasswordCreds;
pub use remote_guard::{TsRemoteGuardCreds, TsRemoteGuardPackageCred};
#[cfg(feature = "pkinit")]
pub use signer::{CertificateSigner, InvalidKey, SignatureScheme, SoftwareSigner, ToSign};
pub use smart_card::{TsCspDataDetail, TsSmartCardCreds};
pub use ts_credentials::TsCredentials;

/// Whom a client logs on as, and what it delegates once the server has proved its key.
///
/// Cheap to clone: the parts are shared.
#[derive(Clone, Debug)]
pub struct Credentials {
    account: AccountName,
    logon: Arc<LogonSecret>,
    delegated: Arc<TsCredentials>,
    class: CredentialClass,
}

impl Credentials {
    /// Logs on with a password, and delegates it.
    pub fn password(account: AccountName, password: impl Into<Secret<str>>) -> Self {
        let password = password.into();
        let delegated =
            TsPasswordCreds::new(account.domain(), account.user(), password.expose()).into();
        Self {
            account,
            logon: Arc::new(LogonSecret::Password(password)),
            delegated: Arc::new(delegated),
            class: CredentialClass::Fresh,
        }
    }

    /// Logs on with an NT hash, `MD4(UTF-16LE(password))`, and delegates what the caller says.
    pub fn nt_hash(account: AccountName, hash: Secret<[u8; 16]>, delegated: TsCredentials) -> Self {
        Self {
            account,
            logon: Arc::new(LogonSecret::NtHash(hash)),
            delegated: Arc::new(delegated),
            class: CredentialClass::Fresh,
        }
    }

    /// Logs on with a certificate (PKINIT), and delegates what the caller says.
    #[cfg(feature = "pkinit")]
    pub fn certificate(
        account: AccountName,
        signer: Arc<dyn CertificateSigner>,
        delegated: TsCredentials,
    ) -> Self {
        Self {
            account,
            logon: Arc::new(LogonSecret::Certificate(signer)),
            delegated: Arc::new(delegated),
            class: CredentialClass::Fresh,
        }
    }

    /// Delegates something else than what the logon used.
    #[must_use]
    pub fn delegating(mut self, delegated: TsCredentials) -> Self {
        self.delegated = Arc::new(delegated);
        self
    }

    /// Says where they come from; by default they are fresh. Delegation policy has rules for each class.
    #[must_use]
    pub fn of_class(mut self, class: CredentialClass) -> Self {
        self.class = class;
        self
    }

    /// Where they come from.
    pub fn class(&self) -> CredentialClass {
        self.class
    }

    /// The account to log on.
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// What proves the account.
    pub fn logon(&self) -> &LogonSecret {
        &self.logon
    }

    /// What the server receives.
    pub fn delegated(&self) -> &TsCredentials {
        &self.delegated
    }
}

/// What proves an account.
#[derive(Debug)]
#[non_exhaustive]
pub enum LogonSecret {
    /// A password.
    Password(Secret<str>),
    /// An NT hash.
    NtHash(Secret<[u8; 16]>),
    /// A certificate and its key: for Kerberos only.
    #[cfg(feature = "pkinit")]
    Certificate(Arc<dyn CertificateSigner>),
}
