//! Where Windows has the settings: keys, values, and what their numbers mean.

use std::collections::BTreeMap;

use super::Reason;
use super::syntax::Data;
use crate::group_policy::{PolicyList, RestrictedDelegation};
use crate::policy::{EncryptionOracleRemediation, ListSetting, MachineSettings, SpnPattern};

pub(super) const DELEGATION: &str =
    r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\CredentialsDelegation";
pub(super) const CREDSSP: &str = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System\CredSSP\Parameters";
pub(super) const WINRM_CLIENT: &str =
    r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\WSMAN\Client";
pub(super) const WINRM_SERVICE: &str =
    r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\WSMAN\Service";

pub(super) const RESTRICTED: &str = "RestrictedRemoteAdministration";
pub(super) const RESTRICTED_TYPE: &str = "RestrictedRemoteAdministrationType";
pub(super) const PROTECTED: &str = "AllowProtectedCreds";
pub(super) const ORACLE: &str = "AllowEncryptionOracle";
pub(super) const WINRM_CREDSSP: &str = "auth_credssp";

/// A key in which settings stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Delegation,
    Patterns(PolicyList),
    CredSsp,
    WinRmClient,
    WinRmService,
}

impl Key {
    fn all() -> impl Iterator<Item = Self> {
        let lists = PolicyList::ALL.into_iter().map(Self::Patterns);
        [
            Self::Delegation,
            Self::CredSsp,
            Self::WinRmClient,
            Self::WinRmService,
        ]
        .into_iter()
        .chain(lists)
    }

    pub(super) fn path(self) -> String {
        match self {
            Self::Delegation => DELEGATION.into(),
            Self::Patterns(list) => [DELEGATION, r"\", list.registry_name()].concat(),
            Self::CredSsp => CREDSSP.into(),
            Self::WinRmClient => WINRM_CLIENT.into(),
            Self::WinRmService => WINRM_SERVICE.into(),
        }
    }
}

/// The key with this path. Names of keys have no case.
pub(super) fn find(path: &str) -> Option<Key> {
    let path = whole(path);
    Key::all().find(|key| key.path().eq_ignore_ascii_case(&path))
}

/// The path with the long name of its root.
fn whole(path: &str) -> String {
    let root = path.split_once('\\').map_or(path, |(root, _)| root);
    match path.strip_prefix(root) {
        Some(rest) if root.eq_ignore_ascii_case("HKLM") => ["HKEY_LOCAL_MACHINE", rest].concat(),
        _ => path.into(),
    }
}

/// A list, as it stands in the registry.
#[derive(Debug, Default)]
struct List {
    enabled: Option<bool>,
    concatenate: Option<bool>,
    /// By the values' names: numbers in their order, then what else there is.
    patterns: BTreeMap<(u32, String), SpnPattern>,
}

/// The settings, as they stand in the registry.
#[derive(Debug, Default)]
pub(super) struct Registry {
    lists: BTreeMap<PolicyList, List>,
    restricted: Option<bool>,
    restricted_type: Option<RestrictedDelegation>,
    protected: Option<bool>,
    oracle: Option<EncryptionOracleRemediation>,
    winrm_client: Option<bool>,
    winrm_service: Option<bool>,
}

impl Registry {
    pub(super) fn of(settings: &MachineSettings) -> Self {
        let lists = PolicyList::ALL.map(|list| {
            let list_of = match settings.delegation.list(list) {
                ListSetting::NotConfigured => List::default(),
                ListSetting::Disabled => List {
                    enabled: Some(false),
                    ..List::default()
                },
                ListSetting::Enabled {
                    patterns,
                    concatenate_defaults,
                } => List {
                    enabled: Some(true),
                    concatenate: Some(*concatenate_defaults),
                    patterns: (1..)
                        .zip(patterns)
                        .map(|(number, pattern)| ((number, number.to_string()), pattern.clone()))
                        .collect(),
                },
            };
            (list, list_of)
        });
        let (restricted, restricted_type) = match settings.delegation.restriction() {
            RestrictedDelegation::NotConfigured => (None, None),
            RestrictedDelegation::Disabled => (Some(false), None),
            restriction => (Some(true), Some(restriction)),
        };
        Self {
            lists: lists.into(),
            restricted,
            restricted_type,
            protected: settings.allow_protected_creds,
            oracle: settings.encryption_oracle,
            winrm_client: settings.winrm.client,
            winrm_service: settings.winrm.service,
        }
    }

    pub(super) fn store(self, settings: &mut MachineSettings) {
        for (list, stored) in self.lists {
            let setting = match stored.enabled {
                None => ListSetting::NotConfigured,
                Some(false) => ListSetting::Disabled,
                Some(true) => ListSetting::Enabled {
                    patterns: stored.patterns.into_values().collect(),
                    concatenate_defaults: stored.concatenate == Some(true),
                },
            };
            settings.delegation.set_list(list, setting);
        }
        settings.delegation.set_restriction(match self.restricted {
            None => RestrictedDelegation::NotConfigured,
            Some(false) => RestrictedDelegation::Disabled,
            // The first systems with this policy had no choice, and those that have it take this one without.
            Some(true) => self
                .restricted_type
                .unwrap_or(RestrictedDelegation::RequireRestrictedAdmin),
        });
        settings.allow_protected_creds = self.protected;
        settings.encryption_oracle = self.oracle;
        settings.winrm.client = self.winrm_client;
        settings.winrm.service = self.winrm_service;
    }

    /// What stands there and counts for nothing.
    pub(super) fn ineffective(&self) -> Vec<String> {
        let mut names = Vec::new();
        let value = |key: &str, name: &str| [key, r"\", name].concat();
        for (list, stored) in &self.lists {
            if stored.enabled == Some(true) {
                continue;
            }
            if stored.concatenate.is_some() {
                names.push(value(DELEGATION, list.concatenation_name()));
            }
            let key = Key::Patterns(*list).path();
            names.extend(stored.patterns.keys().map(|(_, name)| value(&key, name)));
        }
        if self.restricted_type.is_some() && self.restricted != Some(true) {
            names.push(value(DELEGATION, RESTRICTED_TYPE));
        }
        names
    }

    /// Deletes a key and all below it; says whether there was one of these.
    pub(super) fn delete(&mut self, path: &str) -> bool {
        let path = whole(path).to_ascii_lowercase();
        let below = [&path, r"\"].concat();
        let mut found = false;
        for key in Key::all() {
            let own = key.path().to_ascii_lowercase();
            if own != path && !own.starts_with(&below) {
                continue;
            }
            found = true;
            match key {
                Key::Delegation => {
                    for list in self.lists.values_mut() {
                        (list.enabled, list.concatenate) = (None, None);
                    }
                    (self.restricted, self.restricted_type) = (None, None);
                    self.protected = None;
                }
                Key::Patterns(list) => self.lists.entry(list).or_default().patterns.clear(),
                Key::CredSsp => self.oracle = None,
                Key::WinRmClient => self.winrm_client = None,
                Key::WinRmService => self.winrm_service = None,
            }
        }
        found
    }

    /// Sets or deletes a value; says whether it is one of these.
    pub(super) fn set(&mut self, key: Key, name: Option<&str>, data: Data) -> Result<bool, Reason> {
        let Some(name) = name else {
            return Ok(false);
        };
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match key {
            Key::Delegation if is(RESTRICTED) => self.restricted = switch(RESTRICTED, data)?,
            Key::Delegation if is(RESTRICTED_TYPE) => {
                self.restricted_type = number(data, restriction).ok_or(Reason::BadValue {
                    name: RESTRICTED_TYPE,
                    expected: "dword:00000001 to 00000003",
                })?;
            }
            Key::Delegation if is(PROTECTED) => self.protected = switch(PROTECTED, data)?,
            Key::Delegation => return self.set_list(name, data),
            Key::Patterns(list) => {
                let number = name.parse().unwrap_or(u32::MAX);
                let name = (number, name.to_ascii_lowercase());
                let patterns = &mut self.lists.entry(list).or_default().patterns;
                match data {
                    Data::Deleted => drop(patterns.remove(&name)),
                    Data::Text(text) => {
                        let pattern = text.parse().map_err(Reason::BadPattern)?;
                        patterns.insert(name, pattern);
                    }
                    Data::Number(_) | Data::Other => {
                        return Err(Reason::BadValue {
                            name: list.registry_name(),
                            expected: "a key whose values are texts, each a pattern",
                        });
                    }
                }
            }
            Key::CredSsp if is(ORACLE) => {
                self.oracle = number(data, EncryptionOracleRemediation::from_registry).ok_or(
                    Reason::BadValue {
                        name: ORACLE,
                        expected: "dword:00000000 to 00000002",
                    },
                )?;
            }
            Key::WinRmClient if is(WINRM_CREDSSP) => {
                self.winrm_client = switch(WINRM_CREDSSP, data)?;
            }
            Key::WinRmService if is(WINRM_CREDSSP) => {
                self.winrm_service = switch(WINRM_CREDSSP, data)?;
            }
            Key::CredSsp | Key::WinRmClient | Key::WinRmService => return Ok(false),
        }
        Ok(true)
    }

    fn set_list(&mut self, name: &str, data: Data) -> Result<bool, Reason> {
        for list in PolicyList::ALL {
            let stored = self.lists.entry(list).or_default();
            let (own, concatenation) = (list.registry_name(), list.concatenation_name());
            if name.eq_ignore_ascii_case(own) {
                stored.enabled = switch(own, data)?;
                return Ok(true);
            }
            if name.eq_ignore_ascii_case(concatenation) {
                stored.concatenate = switch(concatenation, data)?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// 1 or 0; nothing where the value is deleted.
fn switch(name: &'static str, data: Data) -> Result<Option<bool>, Reason> {
    let on = |value| match value {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    };
    number(data, on).ok_or(Reason::BadValue {
        name,
        expected: "dword:00000000 or dword:00000001",
    })
}

/// A number that means something; nothing inside where the value is deleted.
fn number<T>(data: Data, meaning: impl FnOnce(u32) -> Option<T>) -> Option<Option<T>> {
    match data {
        Data::Deleted => Some(None),
        Data::Number(value) => meaning(value).map(Some),
        Data::Text(_) | Data::Other => None,
    }
}

fn restriction(value: u32) -> Option<RestrictedDelegation> {
    match value {
        1 => Some(RestrictedDelegation::RequireRestrictedAdmin),
        2 => Some(RestrictedDelegation::RequireRemoteCredentialGuard),
        3 => Some(RestrictedDelegation::RequireEither),
        _ => None,
    }
}

/// The number of a restriction that has one.
pub(super) fn restriction_type(restriction: RestrictedDelegation) -> Option<u32> {
    match restriction {
        RestrictedDelegation::NotConfigured | RestrictedDelegation::Disabled => None,
        RestrictedDelegation::RequireRestrictedAdmin => Some(1),
        RestrictedDelegation::RequireRemoteCredentialGuard => Some(2),
        RestrictedDelegation::RequireEither => Some(3),
    }
}
