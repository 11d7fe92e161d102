use super::{BuiltInDefaults, DelegationPolicy, EncryptionOracleRemediation, WinRmSwitches};

/// What a Windows machine has in its registry about CredSSP, as a client and as a server. The default has nothing
/// configured, and permits nothing.
///
/// It is read from an export of the registry, [`Self::merge_reg()`], and written as one, [`Self::to_reg()`]; with the feature
/// `serde` it is a TOML file, too.
///
/// ```
/// use credssp::ClientConfig;
/// use credssp::policy::MachineSettings;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exported = r#"Windows Registry Editor Version 5.00
///
/// [HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\CredentialsDelegation]
/// "AllowFreshCredentials"=dword:00000001
/// "ConcatenateDefaults_AllowFresh"=dword:00000000
///
/// [HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\CredentialsDelegation\AllowFreshCredentials]
/// "1"="WSMAN/*.example.com"
/// "#;
/// let mut settings = MachineSettings::default();
/// let report = settings.merge_reg(exported.as_bytes())?;
/// assert!(report.foreign.is_empty());
/// let config = ClientConfig::new(settings.delegation.clone());
/// # drop(config);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MachineSettings {
    /// The lists, and what may be delegated at all.
    pub delegation: DelegationPolicy,
    /// `AllowEncryptionOracle`; `None` where it is not configured.
    ///
    /// It changes nothing by itself: see
    /// [`ClientConfig::with_encryption_oracle()`](crate::ClientConfig::with_encryption_oracle).
    pub encryption_oracle: Option<EncryptionOracleRemediation>,
    /// `AllowProtectedCreds`, "Remote host allows delegation of non-exportable credentials": whether a Remote Desktop host
    /// accepts Restricted Admin and Remote Credential Guard; `None` where it is not configured, which means no.
    pub allow_protected_creds: Option<bool>,
    /// Whether WinRM uses CredSSP.
    pub winrm: WinRmSwitches,
}

impl MachineSettings {
    /// A Windows machine on which nothing is configured, where `built_in` says whether it is a member of a domain.
    pub fn windows(built_in: BuiltInDefaults) -> Self {
        Self {
            delegation: DelegationPolicy::default().with_built_in_defaults(built_in),
            ..Self::default()
        }
    }
}
