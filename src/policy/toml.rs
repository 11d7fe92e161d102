//! The settings as a TOML file, and for serde.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    BuiltInDefaults, DelegationPolicy, EncryptionOracleRemediation, ListSetting, MachineSettings,
    PolicyList, RestrictedDelegation, SpnPattern, WinRmSwitches,
};

impl MachineSettings {
    /// Reads a TOML file whose tables and names are those of the registry: `[CredentialsDelegation]`, `[CredSSP]` and
    /// `[WSMAN]`, all of which may be missing.
    ///
    /// A list is `false` where it is disabled, else an array of its patterns; what it concatenates is `false` unless said
    /// otherwise. The built-in patterns are named by `BuiltInDefaults` before the first table; there are none by default.
    ///
    /// ```
    /// use credssp::policy::MachineSettings;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let settings = MachineSettings::from_toml(r#"
    ///     BuiltInDefaults = "WindowsDomainMember"
    ///
    ///     [CredentialsDelegation]
    ///     AllowFreshCredentials = ["WSMAN/*.example.com"]
    ///     ConcatenateDefaults_AllowFresh = true
    ///     AllowSavedCredentials = false
    ///     RestrictedRemoteAdministration = "Require Restricted Admin"
    ///
    ///     [CredSSP]
    ///     AllowEncryptionOracle = "Mitigated"
    ///
    ///     [WSMAN]
    ///     Client.auth_credssp = true
    /// "#)?;
    /// assert_eq!(settings, MachineSettings::from_toml(&settings.to_toml()?)?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Where it is no TOML, has a name that is none of these, a value that its name cannot have, or a pattern that is none.
    pub fn from_toml(text: &str) -> Result<Self, InvalidToml> {
        ::toml::from_str(text).map_err(|error| InvalidToml(error.to_string().into()))
    }

    /// Writes a TOML file that [`Self::from_toml()`] reads.
    ///
    /// # Errors
    /// Where the TOML library fails, for which there is no known reason.
    pub fn to_toml(&self) -> Result<String, InvalidToml> {
        ::toml::to_string(self).map_err(|error| InvalidToml(error.to_string().into()))
    }
}

/// A TOML file that does not hold settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the policies: {0}")]
pub struct InvalidToml(Box<str>);

impl Serialize for MachineSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Document {
            built_in: self.delegation.built_in_defaults(),
            credentials_delegation: Delegation::of(self),
            credssp: CredSsp {
                allow_encryption_oracle: self.encryption_oracle,
            },
            wsman: Wsman {
                client: Auth {
                    auth_credssp: self.winrm.client,
                },
                service: Auth {
                    auth_credssp: self.winrm.service,
                },
            },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for MachineSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Document::deserialize(deserializer)?;
        let mut delegation = DelegationPolicy::default().with_built_in_defaults(document.built_in);
        let protected = document.credentials_delegation.allow_protected_creds;
        document
            .credentials_delegation
            .store(&mut delegation)
            .map_err(de::Error::custom)?;
        Ok(Self {
            delegation,
            encryption_oracle: document.credssp.allow_encryption_oracle,
            allow_protected_creds: protected,
            winrm: WinRmSwitches {
                client: document.wsman.client.auth_credssp,
                service: document.wsman.service.auth_credssp,
            },
        })
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "BuiltInDefaults", default)]
    built_in: BuiltInDefaults,
    #[serde(
        rename = "CredentialsDelegation",
        default,
        skip_serializing_if = "Delegation::is_empty"
    )]
    credentials_delegation: Delegation,
    #[serde(rename = "CredSSP", default, skip_serializing_if = "CredSsp::is_empty")]
    credssp: CredSsp,
    #[serde(rename = "WSMAN", default, skip_serializing_if = "Wsman::is_empty")]
    wsman: Wsman,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CredSsp {
    #[serde(
        rename = "AllowEncryptionOracle",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    allow_encryption_oracle: Option<EncryptionOracleRemediation>,
}

impl CredSsp {
    fn is_empty(&self) -> bool {
        self.allow_encryption_oracle.is_none()
    }
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Wsman {
    #[serde(rename = "Client", default, skip_serializing_if = "Auth::is_empty")]
    client: Auth,
    #[serde(rename = "Service", default, skip_serializing_if = "Auth::is_empty")]
    service: Auth,
}

impl Wsman {
    fn is_empty(&self) -> bool {
        self.client.is_empty() && self.service.is_empty()
    }
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Auth {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auth_credssp: Option<bool>,
}

impl Auth {
    fn is_empty(&self) -> bool {
        self.auth_credssp.is_none()
    }
}

/// The lists, each with its two names, and what stands beside them.
macro_rules! delegation {
    ($($list:ident $setting:ident $name:literal $concatenate:ident $concatenation:literal;)*) => {
        #[derive(Default, Deserialize, Serialize)]
        #[serde(deny_unknown_fields)]
        struct Delegation {
            $(
                #[serde(rename = $name, default, skip_serializing_if = "List::is_not_configured")]
                $setting: List,
                #[serde(rename = $concatenation, default, skip_serializing_if = "Option::is_none")]
                $concatenate: Option<bool>,
            )*
            #[serde(
                rename = "RestrictedRemoteAdministration",
                default,
                skip_serializing_if = "is_not_configured"
            )]
            restricted: RestrictedDelegation,
            #[serde(rename = "AllowProtectedCreds", default, skip_serializing_if = "Option::is_none")]
            allow_protected_creds: Option<bool>,
        }

        impl Delegation {
            fn of(settings: &MachineSettings) -> Self {
                let policy = &settings.delegation;
                Self {
                    $(
                        $setting: List::of(policy.list(PolicyList::$list)),
                        $concatenate: concatenation(policy.list(PolicyList::$list)),
                    )*
                    restricted: policy.restriction(),
                    allow_protected_creds: settings.allow_protected_creds,
                }
            }

            fn is_empty(&self) -> bool {
                $(self.$setting.is_not_configured() && self.$concatenate.is_none() &&)*
                is_not_configured(&self.restricted) && self.allow_protected_creds.is_none()
            }

            fn store(self, policy: &mut DelegationPolicy) -> Result<(), String> {
                $(
                    let setting = self.$setting.setting(self.$concatenate, $name, $concatenation)?;
                    policy.set_list(PolicyList::$list, setting);
                )*
                policy.set_restriction(self.restricted);
                Ok(())
            }
        }

        #[cfg(test)]
        const NAMES: &[(PolicyList, &str, &str)] =
            &[$((PolicyList::$list, $name, $concatenation)),*];
    };
}

delegation! {
    AllowDefault allow_default "AllowDefaultCredentials"
        concatenate_allow_default "ConcatenateDefaults_AllowDefault";
    AllowDefaultWhenNtlmOnly allow_default_ntlm "AllowDefCredentialsWhenNTLMOnly"
        concatenate_allow_default_ntlm "ConcatenateDefaults_AllowDefNTLMOnly";
    AllowFresh allow_fresh "AllowFreshCredentials"
        concatenate_allow_fresh "ConcatenateDefaults_AllowFresh";
    AllowFreshWhenNtlmOnly allow_fresh_ntlm "AllowFreshCredentialsWhenNTLMOnly"
        concatenate_allow_fresh_ntlm "ConcatenateDefaults_AllowFreshNTLMOnly";
    AllowSaved allow_saved "AllowSavedCredentials"
        concatenate_allow_saved "ConcatenateDefaults_AllowSaved";
    AllowSavedWhenNtlmOnly allow_saved_ntlm "AllowSavedCredentialsWhenNTLMOnly"
        concatenate_allow_saved_ntlm "ConcatenateDefaults_AllowSavedNTLMOnly";
    DenyDefault deny_default "DenyDefaultCredentials"
        concatenate_deny_default "ConcatenateDefaults_DenyDefault";
    DenyFresh deny_fresh "DenyFreshCredentials"
        concatenate_deny_fresh "ConcatenateDefaults_DenyFresh";
    DenySaved deny_saved "DenySavedCredentials"
        concatenate_deny_saved "ConcatenateDefaults_DenySaved";
}

/// `false`, or an array of patterns.
#[derive(Default)]
enum List {
    #[default]
    NotConfigured,
    Disabled,
    Patterns(Vec<SpnPattern>),
}

impl List {
    fn of(setting: &ListSetting) -> Self {
        match setting {
            ListSetting::NotConfigured => Self::NotConfigured,
            ListSetting::Disabled => Self::Disabled,
            ListSetting::Enabled { patterns, .. } => Self::Patterns(patterns.clone()),
        }
    }

    fn is_not_configured(&self) -> bool {
        matches!(self, Self::NotConfigured)
    }

    fn setting(
        self,
        concatenate: Option<bool>,
        name: &str,
        concatenation: &str,
    ) -> Result<ListSetting, String> {
        match (self, concatenate) {
            (Self::Patterns(patterns), concatenate) => Ok(ListSetting::Enabled {
                patterns,
                concatenate_defaults: concatenate == Some(true),
            }),
            (Self::NotConfigured, None) => Ok(ListSetting::NotConfigured),
            (Self::Disabled, None) => Ok(ListSetting::Disabled),
            (_, Some(_)) => Err(format!(
                "{concatenation} counts for nothing unless {name} is an array of patterns, which may be empty"
            )),
        }
    }
}

fn concatenation(setting: &ListSetting) -> Option<bool> {
    match setting {
        ListSetting::Enabled {
            concatenate_defaults,
            ..
        } => Some(*concatenate_defaults),
        ListSetting::NotConfigured | ListSetting::Disabled => None,
    }
}

fn is_not_configured(restriction: &RestrictedDelegation) -> bool {
    *restriction == RestrictedDelegation::NotConfigured
}

impl Serialize for List {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::NotConfigured => serializer.serialize_none(),
            Self::Disabled => serializer.serialize_bool(false),
            Self::Patterns(patterns) => patterns.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = List;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("false where the list is disabled, or an array of patterns such as [\"TERMSRV/*.example.com\"]")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<List, E> {
        if value {
            return Err(E::invalid_value(de::Unexpected::Bool(value), &self));
        }
        Ok(List::Disabled)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List, A::Error> {
        let mut patterns = Vec::new();
        while let Some(pattern) = seq.next_element()? {
            patterns.push(pattern);
        }
        Ok(List::Patterns(patterns))
    }
}

/// As a text.
impl Serialize for SpnPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SpnPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl Serialize for RestrictedDelegation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::NotConfigured => serializer.serialize_none(),
            Self::Disabled => serializer.serialize_bool(false),
            _ => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for RestrictedDelegation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RestrictionVisitor)
    }
}

struct RestrictionVisitor;

impl Visitor<'_> for RestrictionVisitor {
    type Value = RestrictedDelegation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "false, \"Require Restricted Admin\", \"Require Remote Credential Guard\" or \"Restrict credential delegation\"",
        )
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<RestrictedDelegation, E> {
        if value {
            return Err(E::invalid_value(de::Unexpected::Bool(value), &self));
        }
        Ok(RestrictedDelegation::Disabled)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<RestrictedDelegation, E> {
        [
            RestrictedDelegation::RequireRestrictedAdmin,
            RestrictedDelegation::RequireRemoteCredentialGuard,
            RestrictedDelegation::RequireEither,
        ]
        .into_iter()
        .find(|restriction| restriction.to_string() == value)
        .ok_or_else(|| E::invalid_value(de::Unexpected::Str(value), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_names_of_the_registry() {
        let names =
            PolicyList::ALL.map(|list| (list, list.registry_name(), list.concatenation_name()));
        assert_eq!(NAMES, names);
    }
}
