//! What the codes of Windows, Remote Desktop, WinRM and Kerberos mean, and what to do about each.
//!
//! Each family of codes is one table, from which the constants of its type, the texts of the errors that carry a code, and
//! `docs/errors.md` are made. The last two families never come over the wire: Windows' own clients show them to people, who
//! then look for help.
//!
//! ```
//! use credssp::error::codes;
//!
//! let entry = codes::WSMAN.find(0x8033_81a3).ok_or("unknown")?;
//! assert_eq!(entry.name, "ERROR_WSMAN_CLIENT_ALLOWFRESHCREDENTIALS");
//! println!("{}", codes::WSMAN.explain(entry.code));
//! # Ok::<(), &str>(())
//! ```

use std::fmt;

mod hresult;
mod krb;
mod mstsc;
mod nt_status;
mod rdp;
mod tls_alert;
mod wsman;

pub use hresult::HRESULT;
pub use krb::KRB_ERROR;
pub use mstsc::MSTSC;
pub use nt_status::NT_STATUS;
pub(super) use rdp::AUTHZ_ACCESS_DENIED;
pub use rdp::{EARLY_USER_AUTHORIZATION, RDP_NEGOTIATION};
pub use tls_alert::TLS_ALERT;
pub use wsman::WSMAN;

/// All families.
pub const FAMILIES: &[&Family] = &[
    &NT_STATUS,
    &HRESULT,
    &KRB_ERROR,
    &RDP_NEGOTIATION,
    &EARLY_USER_AUTHORIZATION,
    &TLS_ALERT,
    &MSTSC,
    &WSMAN,
];

/// A family of codes.
#[derive(Debug)]
#[non_exhaustive]
pub struct Family {
    /// What it is called, e.g. `NTSTATUS`.
    pub title: &'static str,
    /// What its codes are and where they are met: the end of a sentence that begins with `They are`.
    pub place: &'static str,
    /// How its numbers are written.
    pub notation: Notation,
    /// Its codes, each once.
    pub entries: &'static [Entry],
}

impl Family {
    /// The entry of a code.
    pub fn find(&self, code: u32) -> Option<&'static Entry> {
        self.entries.iter().find(|entry| entry.code == code)
    }

    /// A code's name, number, meaning and remedy in one line; for an unknown one the number alone.
    pub fn explain(&self, code: u32) -> String {
        let number = self.notation.of(code);
        match self.find(code) {
            Some(entry) => entry.under(number).to_string(),
            None => number.to_string(),
        }
    }
}

/// A code, and what to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Its number.
    pub code: u32,
    /// Its name where it is defined, e.g. `STATUS_LOGON_FAILURE`.
    pub name: &'static str,
    /// What it means, in this crate's words: a clause that begins with a small letter and has no full stop.
    pub meaning: &'static str,
    /// What the reader can do: a clause like the above.
    pub remedy: &'static str,
}

impl Entry {
    /// The whole of it, with the number as its family writes it.
    pub(super) fn under<N: fmt::Display>(&self, number: N) -> impl fmt::Display {
        Explained {
            entry: self,
            number,
        }
    }
}

struct Explained<'a, N> {
    entry: &'a Entry,
    number: N,
}

impl<N: fmt::Display> fmt::Display for Explained<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entry, number } = self;
        write!(
            f,
            "{} ({number}): {}: {}",
            entry.name, entry.meaning, entry.remedy
        )
    }
}

/// How the numbers of a family are written where people meet them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notation {
    /// `0xC000006D`.
    Hexadecimal,
    /// `24`.
    Decimal,
    /// `2055, 0x807`.
    Both,
}

impl Notation {
    /// A number, so written.
    pub fn of(self, code: u32) -> impl fmt::Display {
        Number {
            notation: self,
            code,
        }
    }
}

struct Number {
    notation: Notation,
    code: u32,
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.notation {
            Notation::Hexadecimal => write!(f, "0x{:08X}", self.code),
            Notation::Decimal => write!(f, "{}", self.code),
            Notation::Both => write!(f, "{0}, 0x{0:X}", self.code),
        }
    }
}

/// Gives a family its table and, where a type holds its codes, that type a constant for each.
macro_rules! codes {
    (
        $type:ident::$new:ident;
        $($constant:ident = $code:literal $name:literal, $meaning:literal, $remedy:literal;)*
    ) => {
        impl $type {
            $(
                #[doc = concat!("`", $name, "`: ", $meaning, ".")]
                pub const $constant: Self = Self::$new($code);
            )*
        }

        codes! { $($code $name, $meaning, $remedy;)* }
    };
    ($($code:literal $name:literal, $meaning:literal, $remedy:literal;)*) => {
        const ENTRIES: &[$crate::error::codes::Entry] = &[$(
            $crate::error::codes::Entry { code: $code, name: $name, meaning: $meaning, remedy: $remedy }
        ),*];
    };
}
use codes;
