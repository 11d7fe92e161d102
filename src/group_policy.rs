//! The group policies of Windows on credential delegation: their names, and what they are about.

use std::fmt;

/// Where the credentials of a client come from. Each class has policies of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialClass {
    /// Those of the session that the user is logged on to.
    Default,
    /// Those that were saved for this target earlier.
    Saved,
    /// Those that were given for this one logon.
    #[default]
    Fresh,
}

impl CredentialClass {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Default, Self::Saved, Self::Fresh];
}

impl fmt::Display for CredentialClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Saved => "saved",
            Self::Fresh => "fresh",
        })
    }
}

/// A policy that is a list of patterns of service principal names.
///
/// Three allow where the server has proved itself, three where it has proved nothing but NTLM, and three deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PolicyList {
    /// `AllowDefaultCredentials`.
    AllowDefault,
    /// `AllowDefCredentialsWhenNTLMOnly`.
    AllowDefaultWhenNtlmOnly,
    /// `AllowFreshCredentials`.
    AllowFresh,
    /// `AllowFreshCredentialsWhenNTLMOnly`.
    AllowFreshWhenNtlmOnly,
    /// `AllowSavedCredentials`.
    AllowSaved,
    /// `AllowSavedCredentialsWhenNTLMOnly`.
    AllowSavedWhenNtlmOnly,
    /// `DenyDefaultCredentials`.
    DenyDefault,
    /// `DenyFreshCredentials`.
    DenyFresh,
    /// `DenySavedCredentials`.
    DenySaved,
}

impl PolicyList {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::AllowDefault,
        Self::AllowDefaultWhenNtlmOnly,
        Self::AllowFresh,
        Self::AllowFreshWhenNtlmOnly,
        Self::AllowSaved,
        Self::AllowSavedWhenNtlmOnly,
        Self::DenyDefault,
        Self::DenyFresh,
        Self::DenySaved,
    ];

    /// The list that allows credentials of `class`: to servers that have proved themselves, or to those that have not.
    pub const fn allowing(class: CredentialClass, ntlm_only: bool) -> Self {
        match (class, ntlm_only) {
            (CredentialClass::Default, false) => Self::AllowDefault,
            (CredentialClass::Default, true) => Self::AllowDefaultWhenNtlmOnly,
            (CredentialClass::Fresh, false) => Self::AllowFresh,
            (CredentialClass::Fresh, true) => Self::AllowFreshWhenNtlmOnly,
            (CredentialClass::Saved, false) => Self::AllowSaved,
            (CredentialClass::Saved, true) => Self::AllowSavedWhenNtlmOnly,
        }
    }

    /// The list that denies credentials of `class`.
    pub const fn denying(class: CredentialClass) -> Self {
        match class {
            CredentialClass::Default => Self::DenyDefault,
            CredentialClass::Fresh => Self::DenyFresh,
            CredentialClass::Saved => Self::DenySaved,
        }
    }

    /// Its value, and the key with its patterns, below `SOFTWARE\Policies\Microsoft\Windows\CredentialsDelegation`.
    pub const fn registry_name(self) -> &'static str {
        match self {
            Self::AllowDefault => "AllowDefaultCredentials",
            Self::AllowDefaultWhenNtlmOnly => "AllowDefCredentialsWhenNTLMOnly",
            Self::AllowFresh => "AllowFreshCredentials",
            Self::AllowFreshWhenNtlmOnly => "AllowFreshCredentialsWhenNTLMOnly",
            Self::AllowSaved => "AllowSavedCredentials",
            Self::AllowSavedWhenNtlmOnly => "AllowSavedCredentialsWhenNTLMOnly",
            Self::DenyDefault => "DenyDefaultCredentials",
            Self::DenyFresh => "DenyFreshCredentials",
            Self::DenySaved => "DenySavedCredentials",
        }
    }

    /// The value that says whether the built-in patterns stay beside the configured ones.
    pub const fn concatenation_name(self) -> &'static str {
        match self {
            Self::AllowDefault => "ConcatenateDefaults_AllowDefault",
            Self::AllowDefaultWhenNtlmOnly => "ConcatenateDefaults_AllowDefNTLMOnly",
            Self::AllowFresh => "ConcatenateDefaults_AllowFresh",
            Self::AllowFreshWhenNtlmOnly => "ConcatenateDefaults_AllowFreshNTLMOnly",
            Self::AllowSaved => "ConcatenateDefaults_AllowSaved",
            Self::AllowSavedWhenNtlmOnly => "ConcatenateDefaults_AllowSavedNTLMOnly",
            Self::DenyDefault => "ConcatenateDefaults_DenyDefault",
            Self::DenyFresh => "ConcatenateDefaults_DenyFresh",
            Self::DenySaved => "ConcatenateDefaults_DenySaved",
        }
    }

    /// Its title in the editor of group policies, below Computer Configuration, Administrative Templates, System,
    /// Credentials Delegation.
    pub const fn title(self) -> &'static str {
        match self {
            Self::AllowDefault => "Allow delegating default credentials",
            Self::AllowDefaultWhenNtlmOnly => {
                "Allow delegating default credentials with NTLM-only server authentication"
            }
            Self::AllowFresh => "Allow delegating fresh credentials",
            Self::AllowFreshWhenNtlmOnly => {
                "Allow delegating fresh credentials with NTLM-only server authentication"
            }
            Self::AllowSaved => "Allow delegating saved credentials",
            Self::AllowSavedWhenNtlmOnly => {
                "Allow delegating saved credentials with NTLM-only server authentication"
            }
            Self::DenyDefault => "Deny delegating default credentials",
            Self::DenyFresh => "Deny delegating fresh credentials",
            Self::DenySaved => "Deny delegating saved credentials",
        }
    }
}

/// The registry's name and the editor's title, the two ways to find a policy.
impl fmt::Display for PolicyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (\"{}\")", self.registry_name(), self.title())
    }
}

/// How a policy stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyState {
    /// Nobody has said anything: the built-in patterns count.
    #[default]
    NotConfigured,
    /// Switched off: no pattern counts, a built-in one neither.
    Disabled,
    /// Switched on: the configured patterns count, and the built-in ones where they are concatenated.
    Enabled,
}

impl fmt::Display for PolicyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConfigured => "not configured",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
        })
    }
}

/// `RestrictedRemoteAdministration`, "Restrict delegation of credentials to remote servers": whether credentials that the
/// server could use again may be delegated at all.
///
/// The lists of patterns are asked all the same: also a logon that delegates nothing tells the server something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestrictedDelegation {
    /// Nobody has said anything: not restricted.
    #[default]
    NotConfigured,
    /// Switched off: not restricted.
    Disabled,
    /// `RestrictedRemoteAdministrationType` 1, Require Restricted Admin: nothing is delegated, which is an empty
    /// `TSPasswordCreds` (MS-CSSP, section 2.2.1.2.1).
    RequireRestrictedAdmin,
    /// `RestrictedRemoteAdministrationType` 2, Require Remote Credential Guard: `TSRemoteGuardCreds` only (MS-CSSP, section
    /// 2.2.1.2.3).
    RequireRemoteCredentialGuard,
    /// `RestrictedRemoteAdministrationType` 3, Restrict credential delegation: either of the two. Windows' own client
    /// prefers Remote Credential Guard; here the caller says which it is.
    RequireEither,
}

impl RestrictedDelegation {
    /// Whether a client under this policy may delegate such a thing.
    pub const fn permits(self, delegated: DelegatedKind) -> bool {
        match self {
            Self::NotConfigured | Self::Disabled => true,
            Self::RequireRestrictedAdmin => matches!(delegated, DelegatedKind::Nothing),
            Self::RequireRemoteCredentialGuard => {
                matches!(delegated, DelegatedKind::RemoteGuard)
            }
            Self::RequireEither => !matches!(delegated, DelegatedKind::Reusable),
        }
    }

    /// What has to be done in place of what it forbids.
    pub(crate) const fn remedy(self) -> &'static str {
        const RESTRICTED_ADMIN: &str = "use Restricted Admin, by RequestFlags::RESTRICTED_ADMIN or by delegating an empty \
                                        TSPasswordCreds";
        const REMOTE_GUARD: &str = "use Remote Credential Guard, by RequestFlags::REDIRECTED_AUTHENTICATION and credentials \
                                    that delegate TSRemoteGuardCreds";
        const EITHER: &str = "use Remote Credential Guard, by RequestFlags::REDIRECTED_AUTHENTICATION and credentials that \
                              delegate TSRemoteGuardCreds, or Restricted Admin, by RequestFlags::RESTRICTED_ADMIN or by \
                              delegating an empty TSPasswordCreds";
        match self {
            Self::NotConfigured | Self::Disabled | Self::RequireEither => EITHER,
            Self::RequireRestrictedAdmin => RESTRICTED_ADMIN,
            Self::RequireRemoteCredentialGuard => REMOTE_GUARD,
        }
    }
}

impl fmt::Display for RestrictedDelegation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConfigured => "not configured",
            Self::Disabled => "disabled",
            Self::RequireRestrictedAdmin => "Require Restricted Admin",
            Self::RequireRemoteCredentialGuard => "Require Remote Credential Guard",
            Self::RequireEither => "Restrict credential delegation",
        })
    }
}

/// What a server can do with what it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DelegatedKind {
    /// Nothing: an empty `TSPasswordCreds`, as in Restricted Admin mode.
    Nothing,
    /// Ask the client to prove the user again, while the connection lasts: `TSRemoteGuardCreds`.
    RemoteGuard,
    /// Log on with it anywhere and at any time: a password, or a smart card's PIN.
    Reusable,
}
