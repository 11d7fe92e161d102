use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use super::codes::{Entry, HRESULT, NT_STATUS, Notation};

/// An NTSTATUS (MS-ERREF, section 2.3), or the HRESULT that some peers send in its place.
///
/// Unknown codes are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NtStatus(u32);

impl NtStatus {
    /// From its number.
    pub const fn from_u32(code: u32) -> Self {
        Self(code)
    }

    /// Its number.
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// Its name in MS-ERREF, where this crate knows it.
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
        NT_STATUS.find(self.0).or_else(|| HRESULT.find(self.0))
    }
}

impl FromStr for NtStatus {
    type Err = ParseIntError;

    /// Eight hexadecimal digits, with or without `0x`.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        u32::from_str_radix(s.strip_prefix("0x").unwrap_or(s), 16).map(Self)
    }
}

impl fmt::Display for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = Notation::Hexadecimal.of(self.0);
        match self.entry() {
            Some(entry) => entry.under(number).fmt(f),
            None => write!(
                f,
                "status {number}: not known to this crate, so look it up in MS-ERREF and in the server's Security log"
            ),
        }
    }
}

impl fmt::Debug for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "NtStatus(0x{:08X})", self.0),
        }
    }
}
