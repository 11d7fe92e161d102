//! Kerberos' files: reading keytabs, credential caches and krb5.conf, and writing credential caches.
//!
//! Nothing in this crate reads a file or a variable of the environment unless it is told to: a program that wants the usual places
//! passes what [`default_krb5_conf_path()`] and its like return.

mod error;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
#[cfg(target_os = "linux")]
use std::os::unix::fs::MetadataExt;
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::environment::{Random, SystemRandom};
use crate::kerberos::ccache::{self, CredentialCache};
use crate::kerberos::keytab::Keytab;
use crate::kerberos::krb5_conf::{ConfigurationFiles, Krb5Conf};

pub use error::{Error, FileKind, Reason};

/// The longest keytab that is read, in octets.
const MAX_KEYTAB_LEN: usize = 1 << 20;

/// The longest file of a configuration that is read, in octets.
const MAX_KRB5_CONF_LEN: usize = 1 << 20;

/// The most entries of a folder of configuration files that are looked at.
const MAX_FOLDER: usize = 1024;

/// Reads a keytab: a path, or `FILE:` and a path.
///
/// # Errors
/// Where it is missing, must not be read, is longer than 1 MiB or malformed, or is of another type than `FILE:`.
pub fn read_keytab(name: impl AsRef<OsStr>) -> Result<Keytab, Error> {
    let kind = FileKind::Keytab;
    let path = path_of(name.as_ref(), kind)?;
    let contents = read(&path, kind, MAX_KEYTAB_LEN)?;
    Keytab::parse(&contents).map_err(|error| Error::new(kind, path, Reason::Malformed(error)))
}

/// Reads a credential cache: a path, or `FILE:` and a path.
///
/// # Errors
/// Where it is missing, must not be read, is longer than [`ccache::MAX_LEN`] or malformed, or is of another type than `FILE:`.
pub fn read_ccache(name: impl AsRef<OsStr>) -> Result<CredentialCache, Error> {
    let kind = FileKind::CredentialCache;
    let path = path_of(name.as_ref(), kind)?;
    let contents = read(&path, kind, ccache::MAX_LEN)?;
    CredentialCache::parse(&contents)
        .map_err(|error| Error::new(kind, path, Reason::Malformed(error)))
}

/// Writes a credential cache: to a path, or `FILE:` and a path.
///
/// The file is new, readable by its owner alone from the beginning, and takes its name when it is whole: who reads at the same time
/// has the old contents or the new ones. What another program has added to the old ones since they were read is lost.
///
/// # Errors
/// Where the folder is missing or must not be written to, and as [`CredentialCache::encode()`].
pub fn write_ccache(name: impl AsRef<OsStr>, cache: &CredentialCache) -> Result<(), Error> {
    let kind = FileKind::CredentialCache;
    let path = path_of(name.as_ref(), kind)?;
    let contents = cache
        .encode()
        .map_err(|_| Error::new(kind, path.clone(), Reason::TooLong(ccache::MAX_LEN)))?;
    replace(&path, contents.expose()).map_err(|error| Error::new(kind, path, Reason::Io(error)))
}

/// Reads a configuration, with what it includes: a path, or several as in `PATH`, of which the earlier ones have precedence and
/// those that are missing are passed over, unless all of them are.
///
/// # Errors
/// Where a file is missing, must not be read, is longer than 1 MiB or malformed.
pub fn read_krb5_conf(paths: impl AsRef<OsStr>) -> Result<Krb5Conf, Error> {
    let mut paths: Vec<_> = env::split_paths(paths.as_ref()).collect();
    if paths.iter().any(|path| path.exists()) {
        paths.retain(|path| path.exists());
    }
    Krb5Conf::load(&paths, &mut Disk)
}

/// Where the configuration usually is: what `KRB5_CONFIG` says, or `/etc/krb5.conf`.
pub fn default_krb5_conf_path() -> OsString {
    variable("KRB5_CONFIG").unwrap_or_else(|| "/etc/krb5.conf".into())
}

/// Where a service's keys usually are: what `KRB5_KTNAME` says, or `/etc/krb5.keytab`.
pub fn default_keytab_path() -> OsString {
    variable("KRB5_KTNAME").unwrap_or_else(|| "/etc/krb5.keytab".into())
}

/// Where a user's tickets usually are: what `KRB5CCNAME` says, or, on Linux, `/tmp/krb5cc_` and the user's number.
///
/// `None` where another user has put something in that place, as any may in `/tmp`: who has made up tickets knows their keys, and
/// could stand in for the servers that they are for.
pub fn default_ccache_path() -> Option<OsString> {
    #[cfg(target_os = "linux")]
    let usual = fs::metadata("/proc/self")
        .ok()
        .and_then(|process| usual_ccache(Path::new("/tmp"), process.uid()));
    #[cfg(not(target_os = "linux"))]
    let usual = None;
    variable("KRB5CCNAME").or(usual)
}

#[cfg(target_os = "linux")]
fn usual_ccache(folder: &Path, user: u32) -> Option<OsString> {
    let path = folder.join(format!("krb5cc_{user}"));
    match fs::symlink_metadata(&path) {
        Ok(file) => (file.is_file() && file.uid() == user).then(|| path.into()),
        // There is none yet.
        Err(_) => Some(path.into()),
    }
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The path in a name, in front of which its type may stand.
fn path_of(name: &OsStr, kind: FileKind) -> Result<PathBuf, Error> {
    let text = name.to_str().unwrap_or_default();
    match text.split_once(':') {
        Some(("FILE", path)) => Ok(path.into()),
        // One letter is a drive of Windows.
        Some((letters, _))
            if letters.len() > 1 && letters.bytes().all(|c| c.is_ascii_alphanumeric()) =>
        {
            Err(Error::new(kind, name.into(), Reason::UnsupportedType))
        }
        _ => Ok(name.into()),
    }
}

/// A file's contents, which are erased after use.
fn read(path: &Path, kind: FileKind, limit: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let io = |error| Error::new(kind, path.into(), Reason::Io(error));
    let too_long = || Error::new(kind, path.into(), Reason::TooLong(limit));
    let file = File::open(path).map_err(io)?;
    let length = usize::try_from(file.metadata().map_err(io)?.len()).unwrap_or(usize::MAX);
    if length > limit {
        return Err(too_long());
    }
    // With room for all of it, so that growing leaves no copies of keys behind.
    let mut contents = Zeroizing::new(Vec::with_capacity(length.saturating_add(1)));
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(bound).read_to_end(&mut contents).map_err(io)?;
    match contents.len() > limit {
        true => Err(too_long()),
        false => Ok(contents),
    }
}

/// Puts a file into the place of another, or of none.
fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut number = [0; 8];
    SystemRandom::default()
        .fill(&mut number)
        .map_err(io::Error::other)?;
    let mut new_name = OsString::from(".");
    new_name.push(name);
    new_name.push(format!(".{:016x}", u64::from_be_bytes(number)));
    let new = path.with_file_name(new_name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&new)?;
    let replaced = file
        .write_all(contents)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, path));
    if replaced.is_err() {
        // What is left of it is of no use; the error that is told is the first one.
        let _ = fs::remove_file(&new);
    }
    replaced
}

/// The files that a configuration includes.
struct Disk;

impl ConfigurationFiles for Disk {
    type Error = Error;

    fn read(&mut self, file: &Path) -> Result<String, Error> {
        let contents = read(file, FileKind::Configuration, MAX_KRB5_CONF_LEN)?;
        // A comment in another encoding does no harm.
        Ok(String::from_utf8_lossy(&contents).into_owned())
    }

    fn list(&mut self, directory: &Path) -> Result<Vec<PathBuf>, Error> {
        let io = |error| Error::new(FileKind::Configuration, directory.into(), Reason::Io(error));
        let mut files = Vec::new();
        for entry in fs::read_dir(directory).map_err(io)?.take(MAX_FOLDER) {
            let entry = entry.map_err(io)?;
            if is_configuration(&entry.file_name().to_string_lossy()) && entry.path().is_file() {
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Whether a file in a folder is meant to be read, and neither a backup nor a package manager's: MIT's rule.
fn is_configuration(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !name.starts_with('.') && (name.ends_with(".conf") || name.chars().all(plain))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn tickets_in_a_public_place_are_the_users_own_or_none() {
        let name = format!("credssp-usual-ccache-{}", std::process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let user = fs::metadata(&folder).unwrap().uid();
        let path = folder.join(format!("krb5cc_{user}"));
        let expected = Some(path.clone().into_os_string());
        assert_eq!(usual_ccache(&folder, user), expected, "not there yet");
        fs::write(&path, "").unwrap();
        assert_eq!(usual_ccache(&folder, user), expected);

        let other = folder.join(format!("krb5cc_{}", user + 1));
        fs::write(&other, "").unwrap();
        assert_eq!(usual_ccache(&folder, user + 1), None, "another's");
        fs::remove_file(&path).unwrap();
        symlink(&other, &path).unwrap();
        assert_eq!(usual_ccache(&folder, user), None, "a link");
        fs::remove_dir_all(&folder).unwrap();
    }
}
