use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::error::{InvalidMessage, InvalidMessageKind};
use crate::kerberos::krb5_conf::InvalidKrb5Conf;

/// Why one of Kerberos' files could not be read or written. Its text says which file, what is wrong and what would help.
#[derive(Debug)]
#[non_exhaustive]
pub struct Error {
    /// What the file is.
    pub kind: FileKind,
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong.
    pub reason: Reason,
}

/// One of Kerberos' files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A keytab.
    Keytab,
    /// A credential cache.
    CredentialCache,
    /// krb5.conf, or what it includes.
    Configuration,
}

/// What is wrong with a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// It cannot be read or written: it is missing, or permissions are.
    Io(io::Error),
    /// It is longer than so many octets.
    TooLong(usize),
    /// It is none, or damaged.
    Malformed(InvalidMessage),
    /// A line of it is malformed.
    MalformedLine(InvalidKrb5Conf),
    /// It is no file, but kept elsewhere: in `KCM:`, `KEYRING:`, `DIR:`, `MEMORY:` or the like.
    UnsupportedType,
}

impl Error {
    pub(super) fn new(kind: FileKind, path: PathBuf, reason: Reason) -> Self {
        Self { kind, path, reason }
    }
}

impl FileKind {
    /// What would give a program another file of that kind.
    const fn remedy(self) -> &'static str {
        match self {
            Self::Keytab => {
                "name another one, or have the realm's administrator export the service's keys anew"
            }
            Self::CredentialCache => "name another one by KRB5CCNAME, or log on anew with `kinit`",
            Self::Configuration => {
                "name another one by KRB5_CONFIG, or do without and configure the realm's KDCs in the program"
            }
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keytab => "the keytab",
            Self::CredentialCache => "the credential cache",
            Self::Configuration => "the Kerberos configuration",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, path, reason } = self;
        let remedy = kind.remedy();
        write!(f, "{kind} {}: ", path.display())?;
        match reason {
            Reason::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                write!(f, "there is no such file or folder: {remedy}")
            }
            Reason::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                write!(f, "{error}: run as the user whom it belongs to, or let this one have access")
            }
            Reason::Io(error) => write!(f, "{error}"),
            Reason::TooLong(limit) => write!(f, "it is longer than {limit} octets: {remedy}"),
            Reason::Malformed(error) if error.kind == InvalidMessageKind::UnsupportedVersion => {
                write!(f, "its format is an old one: take out ccache_type from krb5.conf, and log on anew with `kinit`")
            }
            Reason::Malformed(error) => write!(f, "it is none, or damaged ({error}): {remedy}"),
            Reason::MalformedLine(error) => {
                write!(f, "line {}: expected {}", error.line, error.expected)
            }
            Reason::UnsupportedType => f.write_str(match kind {
                FileKind::CredentialCache => {
                    "only files are read: log on with `kinit -c FILE:/tmp/tickets`, say, and set KRB5CCNAME=FILE:/tmp/tickets"
                }
                _ => "only files are read: name one as a path, or as `FILE:` and a path",
            }),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.reason {
            Reason::Io(error) => Some(error),
            Reason::Malformed(error) => Some(error),
            Reason::MalformedLine(error) => Some(error),
            Reason::TooLong(_) | Reason::UnsupportedType => None,
        }
    }
}

impl From<InvalidKrb5Conf> for Error {
    fn from(error: InvalidKrb5Conf) -> Self {
        let path = error.file.clone();
        Self::new(FileKind::Configuration, path, Reason::MalformedLine(error))
    }
}
