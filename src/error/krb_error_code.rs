use std::fmt;

use super::codes::{Entry, KRB_ERROR};

/// What a KDC or a server says is wrong, the `error-code` of a KRB-ERROR (RFC 4120, section 7.5.9).
///
/// Unknown codes are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KrbErrorCode(i32);

impl KrbErrorCode {
    /// From its number.
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Its name in the RFC, where this crate knows it.
    pub fn name(self) -> Option<&'static str> {
        self.entry().map(|entry| entry.name)
    }

    /// What it means, in a sentence, where this crate knows it.
    pub fn description(self) -> Option<&'static str> {
        self.entry().map(|entry| entry.meaning)
    }

    /// What the reader can do about it, where this crate knows it.
    pub fn remedy(self) -> Option<&'static str> {
        self.entry().map(|entry| entry.remedy)
    }

    fn entry(self) -> Option<&'static Entry> {
        KRB_ERROR.find(u32::try_from(self.0).ok()?)
    }
}

impl fmt::Display for KrbErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry() {
            Some(entry) => entry.under(self.0).fmt(f),
            None => write!(
                f,
                "error code {} (RFC 4120, section 7.5.9): not known to this crate, so look it up in the KDC's documentation and log",
                self.0
            ),
        }
    }
}

impl fmt::Debug for KrbErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "KrbErrorCode({})", self.0),
        }
    }
}
