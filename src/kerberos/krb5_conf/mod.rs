//! Kerberos' configuration, `/etc/krb5.conf` by its usual name: the part of it that a client needs, in the syntax that MIT's library
//! reads. Text only: reading the files is `stream::files`'.

mod encryption_types;
mod profile;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::DomainRealms;
use super::crypto::EncryptionType;
use crate::kdc::{InvalidKdcAddress, KdcAddress, KdcLocator};

/// What krb5.conf says.
///
/// Sections and names that are not asked for here are ignored. Where a name that takes one value has several, the first counts.
///
/// ```
/// use credssp::kerberos::krb5_conf::Krb5Conf;
///
/// let configuration = Krb5Conf::parse(
///     "[libdefaults]
///        default_realm = EXAMPLE.COM
///      [realms]
///        EXAMPLE.COM = {
///          kdc = dc1.example.com
///          kdc = tcp/dc2.example.com:88
///        }
///      [domain_realm]
///        .example.com = EXAMPLE.COM",
/// )?;
/// assert_eq!(configuration.default_realm(), Some("EXAMPLE.COM"));
/// assert_eq!(configuration.kdcs("EXAMPLE.COM").len(), 2);
/// assert_eq!(configuration.domain_realms().realm_of("web.example.com"), Some("EXAMPLE.COM"));
/// # Ok::<(), credssp::kerberos::krb5_conf::InvalidKrb5Conf>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Krb5Conf {
    defaults: Defaults,
    realms: BTreeMap<Box<str>, Realm>,
    domain_realms: DomainRealms,
}

/// `[libdefaults]`.
#[derive(Clone, Debug, Default)]
struct Defaults {
    default_realm: Option<Box<str>>,
    dns_lookup_kdc: Option<bool>,
    udp_preference_limit: Option<usize>,
    clock_skew: Option<Duration>,
    permitted_enctypes: Option<Box<str>>,
    default_tkt_enctypes: Option<Box<str>>,
    default_tgs_enctypes: Option<Box<str>>,
    allow_rc4: Option<bool>,
    canonicalize: Option<bool>,
    default_ccache_name: Option<Box<str>>,
    default_keytab_name: Option<Box<str>>,
}

/// What stands in the braces of a realm.
#[derive(Clone, Debug, Default)]
struct Realm {
    kdcs: Vec<KdcAddress>,
    http_anchors: Vec<Box<str>>,
}

/// Where the text of the configuration and of what it includes comes from.
pub trait ConfigurationFiles {
    /// Why a file cannot be had, or is malformed.
    type Error: From<InvalidKrb5Conf>;

    /// A file's text.
    ///
    /// # Errors
    /// Where it cannot be had.
    fn read(&mut self, file: &Path) -> Result<String, Self::Error>;

    /// The files of a folder, in the order in which they are to be read.
    ///
    /// # Errors
    /// Where they cannot be had.
    fn list(&mut self, directory: &Path) -> Result<Vec<PathBuf>, Self::Error>;
}

impl Krb5Conf {
    /// From a text that includes no files.
    ///
    /// # Errors
    /// Where a line is malformed, or a value that is asked for here is none.
    pub fn parse(text: &str) -> Result<Self, InvalidKrb5Conf> {
        Self::load(&[PathBuf::from("krb5.conf")], &mut OneText(Some(text)))
    }

    /// From files, of which the earlier ones have precedence, and what they include.
    ///
    /// # Errors
    /// What `files` says; where a line is malformed, or a value that is asked for here is none; where there are too many files, they are
    /// longer than 1 MiB together, or one includes itself.
    pub fn load<F: ConfigurationFiles>(paths: &[PathBuf], files: &mut F) -> Result<Self, F::Error> {
        let mut configuration = Self::default();
        profile::read(paths, files, &mut |sections, name, value| match sections {
            [section] if section == "libdefaults" => configuration.defaults.set(name, value),
            [section, realm] if section == "realms" => configuration.set_realm(realm, name, value),
            [section] if section == "domain_realm" => {
                configuration.domain_realms.insert(name, value);
                Ok(())
            }
            _ => Ok(()),
        })?;
        Ok(configuration)
    }

    /// `default_realm`: the realm of users that are named without one.
    pub fn default_realm(&self) -> Option<&str> {
        self.defaults.default_realm.as_deref()
    }

    /// The values of `kdc` of a realm, in the order in which to try them. None where they are to be found otherwise.
    pub fn kdcs(&self, realm: &str) -> &[KdcAddress] {
        self.realms
            .get(realm)
            .map_or(&[], |realm| realm.kdcs.as_slice())
    }

    /// The values of `http_anchors` of a realm: where to find the certificates that KDC proxies are verified by, such as
    /// `FILE:/etc/ssl/ca.pem`.
    pub fn http_anchors(&self, realm: &str) -> impl Iterator<Item = &str> {
        self.realms
            .get(realm)
            .into_iter()
            .flat_map(|realm| realm.http_anchors.iter().map(|anchor| &**anchor))
    }

    /// `[domain_realm]`.
    pub fn domain_realms(&self) -> &DomainRealms {
        &self.domain_realms
    }

    /// The encryption types to use, the best first; `None` where nothing is said of them.
    ///
    /// They are those that all of `default_tkt_enctypes`, `default_tgs_enctypes` and `permitted_enctypes` name, as far as they
    /// are there, in the order of the first of them. Types that this crate does not speak are left out, so that there may be none
    /// left, and `arcfour-hmac` is, unless `allow_rc4` holds.
    pub fn encryption_types(&self) -> Option<Vec<EncryptionType>> {
        let defaults = &self.defaults;
        let lists = [
            defaults.default_tkt_enctypes.as_deref(),
            defaults.default_tgs_enctypes.as_deref(),
            defaults.permitted_enctypes.as_deref(),
            defaults
                .allow_rc4
                .unwrap_or_default()
                .then_some("DEFAULT rc4"),
        ];
        let allow_rc4 = defaults.allow_rc4.unwrap_or_default();
        lists
            .into_iter()
            .flatten()
            .map(|list| encryption_types::parse(list, allow_rc4))
            .reduce(|mut types, others| {
                types.retain(|kind| others.contains(kind));
                types
            })
    }

    /// `clockskew`: how far clocks may be apart; 5 minutes unless it says otherwise.
    pub fn clock_skew(&self) -> Duration {
        self.defaults.clock_skew.unwrap_or(Duration::from_secs(300))
    }

    /// `dns_lookup_kdc`: whether to ask DNS for the KDCs of realms that name none; true unless it says otherwise.
    pub fn dns_lookup_kdc(&self) -> bool {
        self.defaults.dns_lookup_kdc.unwrap_or(true)
    }

    /// `udp_preference_limit`: the length in octets up to which a message goes by UDP first.
    pub fn udp_preference_limit(&self) -> Option<usize> {
        self.defaults.udp_preference_limit
    }

    /// `canonicalize`: whether a KDC may return another name of a client's than it was asked for.
    pub fn canonicalize(&self) -> Option<bool> {
        self.defaults.canonicalize
    }

    /// `default_ccache_name`, as it is written: `FILE:` or another type may stand before a path, and `%{uid}` and the like in it.
    pub fn default_ccache_name(&self) -> Option<&str> {
        self.defaults.default_ccache_name.as_deref()
    }

    /// `default_keytab_name`, as it is written.
    pub fn default_keytab_name(&self) -> Option<&str> {
        self.defaults.default_keytab_name.as_deref()
    }

    fn set_realm(&mut self, realm: &str, name: &str, value: &str) -> Result<(), &'static str> {
        let realm = match self.realms.get_mut(realm) {
            Some(realm) => realm,
            None => self.realms.entry(realm.into()).or_default(),
        };
        match name {
            "kdc" => realm
                .kdcs
                .push(value.parse().map_err(|_| InvalidKdcAddress::EXPECTED)?),
            "http_anchors" => realm.http_anchors.push(value.into()),
            _ => {}
        }
        Ok(())
    }
}

impl KdcLocator for Krb5Conf {
    fn locate(&self, realm: &str) -> Vec<KdcAddress> {
        self.kdcs(realm).to_vec()
    }
}

impl Defaults {
    fn set(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        let text = match name {
            "default_realm" => &mut self.default_realm,
            "permitted_enctypes" => &mut self.permitted_enctypes,
            "default_tkt_enctypes" => &mut self.default_tkt_enctypes,
            "default_tgs_enctypes" => &mut self.default_tgs_enctypes,
            "default_ccache_name" => &mut self.default_ccache_name,
            "default_keytab_name" => &mut self.default_keytab_name,
            "dns_lookup_kdc" => return first(&mut self.dns_lookup_kdc, boolean(value)?),
            "allow_rc4" => return first(&mut self.allow_rc4, boolean(value)?),
            "canonicalize" => return first(&mut self.canonicalize, boolean(value)?),
            "udp_preference_limit" => return first(&mut self.udp_preference_limit, number(value)?),
            "clockskew" => {
                let skew = Duration::from_secs(number(value)?);
                return first(&mut self.clock_skew, skew);
            }
            _ => return Ok(()),
        };
        first(text, value.into())
    }
}

/// The first value counts.
fn first<T>(slot: &mut Option<T>, value: T) -> Result<(), &'static str> {
    slot.get_or_insert(value);
    Ok(())
}

fn boolean(value: &str) -> Result<bool, &'static str> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
    if is(&["true", "t", "yes", "y", "on", "1"]) {
        Ok(true)
    } else if is(&["false", "f", "no", "n", "off", "nil", "0"]) {
        Ok(false)
    } else {
        Err("`true` or `false`")
    }
}

fn number<T: TryFrom<u32>>(value: &str) -> Result<T, &'static str> {
    value
        .parse()
        .ok()
        .and_then(|number: u32| number.try_into().ok())
        .ok_or("a whole number")
}

/// A text whose includes cannot be had.
struct OneText<'a>(Option<&'a str>);

impl ConfigurationFiles for OneText<'_> {
    type Error = InvalidKrb5Conf;

    fn read(&mut self, file: &Path) -> Result<String, Self::Error> {
        let text = self.0.take().map(str::to_owned);
        text.ok_or_else(|| InvalidKrb5Conf::new(file, 0, "a text that includes no files"))
    }

    fn list(&mut self, directory: &Path) -> Result<Vec<PathBuf>, Self::Error> {
        self.read(directory).map(|_| Vec::new())
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidKrb5Conf {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// What was expected there.
    pub expected: &'static str,
}

impl InvalidKrb5Conf {
    fn new(file: &Path, line: usize, expected: &'static str) -> Self {
        Self {
            file: file.into(),
            line,
            expected,
        }
    }
}

impl fmt::Display for InvalidKrb5Conf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            expected,
        } = self;
        write!(f, "{}, line {line}: expected {expected}", file.display())
    }
}

impl StdError for InvalidKrb5Conf {}
