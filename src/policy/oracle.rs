use std::fmt;

/// `AllowEncryptionOracle`, "Encryption Oracle Remediation": which versions of CredSSP that are open to CVE-2018-0886 are
/// still spoken.
///
/// Windows has been at [`Self::Mitigated`] since May 2018. The configurations of this crate are at
/// [`Self::ForceUpdatedClients`] until told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub enum EncryptionOracleRemediation {
    /// 0, Force Updated Clients: none.
    #[cfg_attr(feature = "serde", serde(rename = "Force Updated Clients"))]
    ForceUpdatedClients,
    /// 1, Mitigated: clients speak none, servers still take old clients.
    Mitigated,
    /// 2, Vulnerable: both speak all.
    Vulnerable,
}

impl EncryptionOracleRemediation {
    /// By its number in the registry, 0 to 2.
    pub const fn from_registry(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::ForceUpdatedClients),
            1 => Some(Self::Mitigated),
            2 => Some(Self::Vulnerable),
            _ => None,
        }
    }

    /// Its number in the registry.
    pub const fn to_registry(self) -> u32 {
        match self {
            Self::ForceUpdatedClients => 0,
            Self::Mitigated => 1,
            Self::Vulnerable => 2,
        }
    }

    /// The lowest version that a client accepts.
    pub const fn client_min_version(self) -> u32 {
        match self {
            Self::ForceUpdatedClients | Self::Mitigated => 5,
            Self::Vulnerable => 2,
        }
    }

    /// The lowest version that a server accepts.
    pub const fn server_min_version(self) -> u32 {
        match self {
            Self::ForceUpdatedClients => 5,
            Self::Mitigated | Self::Vulnerable => 2,
        }
    }
}

impl fmt::Display for EncryptionOracleRemediation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForceUpdatedClients => "Force Updated Clients",
            Self::Mitigated => "Mitigated",
            Self::Vulnerable => "Vulnerable",
        })
    }
}
