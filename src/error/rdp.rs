use std::fmt;

use super::codes::{AUTHZ_ACCESS_DENIED, Entry, RDP_NEGOTIATION};

/// The code of an RDP_NEG_FAILURE: why a server of Remote Desktop refuses a connection (MS-RDPBCGR, section 2.2.1.2.2).
///
/// Unknown codes are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NegotiationFailure(u32);

impl NegotiationFailure {
    /// From its number.
    pub const fn from_u32(code: u32) -> Self {
        Self(code)
    }

    /// Its number.
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// Its name in MS-RDPBCGR, where this crate knows it.
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
        RDP_NEGOTIATION.find(self.0)
    }
}

impl fmt::Display for NegotiationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry() {
            Some(entry) => entry.under(self.0).fmt(f),
            None => write!(
                f,
                "failure code 0x{:08X}: not known to this crate, so look it up in MS-RDPBCGR and in the server's log",
                self.0
            ),
        }
    }
}

impl fmt::Debug for NegotiationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "NegotiationFailure(0x{:08X})", self.0),
        }
    }
}

/// The refusal in an Early User Authorization Result, with its code.
pub(super) fn access_denied() -> impl fmt::Display {
    AUTHZ_ACCESS_DENIED.under(AUTHZ_ACCESS_DENIED.code)
}
