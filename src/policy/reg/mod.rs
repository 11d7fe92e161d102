//! Exports of the Windows registry, `.reg` files: what they say about CredSSP, read and written.

mod registry;
mod syntax;
mod write;

use std::fmt;

use super::{InvalidPattern, MachineSettings};
use registry::Registry;
use syntax::Entry;

pub use write::{RegContents, RegEncoding};

impl MachineSettings {
    /// Reads an export of the registry, and changes these settings as importing it would change a machine's: what the file
    /// sets is set, what it deletes is not configured afterwards, and the rest stays.
    ///
    /// The file is in UTF-16LE with its byte order mark, as the registry editor writes it, or in UTF-8; version 5.00 or
    /// REGEDIT4; and at most 1 MiB long. Its keys are those below `HKEY_LOCAL_MACHINE` where Windows has these settings.
    ///
    /// # Errors
    /// Where the file is malformed, a setting has a value that it cannot have, or a pattern is none. Then nothing has
    /// changed.
    pub fn merge_reg(&mut self, file: &[u8]) -> Result<RegReport, InvalidRegFile> {
        let text = syntax::text(file)?;
        let mut reader = syntax::Reader::new(&text)?;
        let mut registry = Registry::of(self);
        let mut report = RegReport::default();
        let mut key = None;
        while let Some((line, entry)) = reader.next()? {
            match entry {
                Entry::Key(path) => {
                    let found = registry::find(path);
                    if found.is_none() {
                        report.foreign.push(path.into());
                    }
                    key = Some((path, found));
                }
                Entry::DeletedKey(path) => {
                    if !registry.delete(path) {
                        report.foreign.push(path.into());
                    }
                    key = None;
                }
                Entry::Value(name, data) => {
                    let Some((path, found)) = key else {
                        let expected = "a key in brackets before the first value";
                        return Err(InvalidRegFile::new(line, Reason::Malformed { expected }));
                    };
                    let name = name.as_deref();
                    let known = match found {
                        // The key has been named.
                        None => true,
                        Some(found) => registry
                            .set(found, name, data)
                            .map_err(|reason| InvalidRegFile::new(line, reason))?,
                    };
                    if !known {
                        let name = name.unwrap_or("@");
                        report.foreign.push(format!(r"{path}\{name}"));
                    }
                }
            }
        }
        report.ineffective = registry.ineffective();
        registry.store(self);
        Ok(report)
    }
}

/// What an export of the registry held beside what was taken from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegReport {
    /// Keys, and values of known keys, that have nothing to do with CredSSP or that this crate does not know; they were
    /// left alone. The values of a foreign key are not named.
    pub foreign: Vec<String>,
    /// Values that are known, but that count for nothing as long as the policy that they belong to is not enabled, such as
    /// the patterns of a list; they were not kept.
    pub ineffective: Vec<String>,
}

/// An export of the registry that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidRegFile {
    /// The line, from 1; 0 where it is about the whole file.
    pub line: usize,
    reason: Reason,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    TooLong,
    NotText,
    NoHeader,
    Malformed {
        expected: &'static str,
    },
    BadValue {
        name: &'static str,
        expected: &'static str,
    },
    BadPattern(InvalidPattern),
}

impl InvalidRegFile {
    fn new(line: usize, reason: Reason) -> Self {
        Self { line, reason }
    }
}

impl fmt::Display for InvalidRegFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot read the export of the registry")?;
        if self.line != 0 {
            write!(f, ", line {}", self.line)?;
        }
        match &self.reason {
            Reason::TooLong => write!(
                f,
                ": it is longer than {} octets; export the keys of the policies alone",
                syntax::MAX_LEN
            ),
            Reason::NotText => f.write_str(
                ": it is neither UTF-16LE with its byte order mark nor UTF-8; export it anew, or convert it",
            ),
            Reason::NoHeader => write!(
                f,
                ": expected is `{}` or `REGEDIT4`; without a byte order mark the file has to be UTF-8",
                syntax::VERSION_5
            ),
            Reason::Malformed { expected } => write!(f, ": expected is {expected}"),
            Reason::BadValue { name, expected } => write!(f, ": {name} has to be {expected}"),
            Reason::BadPattern(error) => write!(f, ": {error}"),
        }
    }
}

impl std::error::Error for InvalidRegFile {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            Reason::BadPattern(error) => Some(error),
            _ => None,
        }
    }
}
