use super::SpnPattern;
use crate::group_policy::{PolicyList, PolicyState};

/// What is configured for one of the lists.
///
/// [`Self::NotConfigured`] and [`Self::Disabled`] are not the same: the first leaves the built-in patterns in force, and the
/// second none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListSetting {
    /// Nobody has said anything: the built-in patterns count.
    #[default]
    NotConfigured,
    /// Switched off: no pattern counts.
    Disabled,
    /// Switched on.
    Enabled {
        /// The patterns.
        patterns: Vec<SpnPattern>,
        /// `ConcatenateDefaults_…`: whether the built-in patterns count beside them.
        concatenate_defaults: bool,
    },
}

impl ListSetting {
    /// How the policy stands.
    pub fn state(&self) -> PolicyState {
        match self {
            Self::NotConfigured => PolicyState::NotConfigured,
            Self::Disabled => PolicyState::Disabled,
            Self::Enabled { .. } => PolicyState::Enabled,
        }
    }

    /// The configured patterns, without the built-in ones.
    pub fn patterns(&self) -> &[SpnPattern] {
        match self {
            Self::Enabled { patterns, .. } => patterns,
            Self::NotConfigured | Self::Disabled => &[],
        }
    }

    /// Whether the built-in patterns count.
    pub fn keeps_defaults(&self) -> bool {
        match self {
            Self::NotConfigured => true,
            Self::Disabled => false,
            Self::Enabled {
                concatenate_defaults,
                ..
            } => *concatenate_defaults,
        }
    }

    /// Adds a pattern, and switches the list on. The built-in patterns count as they did.
    pub fn push(&mut self, pattern: SpnPattern) {
        if let Self::Enabled { patterns, .. } = self {
            patterns.push(pattern);
        } else {
            *self = Self::Enabled {
                patterns: vec![pattern],
                concatenate_defaults: self.keeps_defaults(),
            };
        }
    }
}

/// The patterns that count although nobody has configured them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub enum BuiltInDefaults {
    /// There are none.
    #[default]
    Nothing,
    /// Those of a Windows client that is a member of a domain: `TERMSRV/*` for fresh credentials, however the server has
    /// proved itself, and for saved ones to servers that have proved themselves by their certificate or by Kerberos.
    WindowsDomainMember,
    /// Those of a Windows client on its own: `TERMSRV/*` for fresh and for saved credentials, however the server has proved
    /// itself.
    WindowsWorkgroup,
}

impl BuiltInDefaults {
    /// The built-in pattern of a list, where it has one.
    pub fn pattern(self, list: PolicyList) -> Option<SpnPattern> {
        let remote_desktop = match list {
            PolicyList::AllowFresh
            | PolicyList::AllowFreshWhenNtlmOnly
            | PolicyList::AllowSaved => self != Self::Nothing,
            PolicyList::AllowSavedWhenNtlmOnly => self == Self::WindowsWorkgroup,
            PolicyList::AllowDefault
            | PolicyList::AllowDefaultWhenNtlmOnly
            | PolicyList::DenyDefault
            | PolicyList::DenyFresh
            | PolicyList::DenySaved => false,
        };
        remote_desktop.then(|| SpnPattern::new("TERMSRV/*"))
    }
}
