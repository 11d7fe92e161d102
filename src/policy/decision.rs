use std::fmt;

use super::SpnPattern;
use crate::error::DelegationDenied;
use crate::group_policy::PolicyList;
use crate::proof::ServerProof;

/// Why a target may receive credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permission {
    /// The list that allows it.
    pub list: PolicyList,
    /// The pattern that does.
    pub pattern: SpnPattern,
    /// Whether that pattern is one of [`BuiltInDefaults`](super::BuiltInDefaults).
    pub built_in: bool,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.built_in {
            "built-in pattern"
        } else {
            "pattern"
        };
        write!(f, "allowed by the {kind} {} in {}", self.pattern, self.list)
    }
}

/// What policy says to one proof of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// The proof.
    pub proof: ServerProof,
    /// By what credentials may go, or why they may not.
    pub answer: Result<Permission, DelegationDenied>,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proved by {}: ", self.proof)?;
        match &self.answer {
            Ok(permission) => permission.fmt(f),
            Err(denied) => write!(f, "refused: {denied}"),
        }
    }
}
