use std::fmt;
use std::str::FromStr;

/// An encryption type, of those that this crate speaks.
///
/// ```
/// use credssp::kerberos::crypto::EncryptionType;
///
/// let aes256: EncryptionType = "aes256-cts".parse().unwrap();
/// assert_eq!(aes256, EncryptionType::Aes256Sha1);
/// assert_eq!((aes256.number(), aes256.name()), (18, "aes256-cts-hmac-sha1-96"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EncryptionType {
    /// `aes128-cts-hmac-sha1-96`, number 17 (RFC 3962).
    Aes128Sha1,
    /// `aes256-cts-hmac-sha1-96`, number 18 (RFC 3962).
    Aes256Sha1,
    /// `aes128-cts-hmac-sha256-128`, number 19 (RFC 8009).
    Aes128Sha2,
    /// `aes256-cts-hmac-sha384-192`, number 20 (RFC 8009).
    Aes256Sha2,
    /// `arcfour-hmac`, number 23 (RFC 4757): broken, for old peers only.
    #[cfg(feature = "rc4-hmac")]
    Rc4Hmac,
}

impl EncryptionType {
    /// All of them, the strongest first.
    const ALL: &[Self] = &[
        Self::Aes256Sha2,
        Self::Aes256Sha1,
        Self::Aes128Sha2,
        Self::Aes128Sha1,
        #[cfg(feature = "rc4-hmac")]
        Self::Rc4Hmac,
    ];

    /// Those that are taken unless told otherwise, the strongest first: all but the broken one.
    pub const DEFAULT: &[Self] = &[
        Self::Aes256Sha2,
        Self::Aes256Sha1,
        Self::Aes128Sha2,
        Self::Aes128Sha1,
    ];

    /// From its number; `None` where this crate does not speak it.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|known| known.number() == number)
    }

    /// Its number, as RFC 3961, section 8, and IANA assign it.
    pub const fn number(self) -> i32 {
        match self {
            Self::Aes128Sha1 => 17,
            Self::Aes256Sha1 => 18,
            Self::Aes128Sha2 => 19,
            Self::Aes256Sha2 => 20,
            #[cfg(feature = "rc4-hmac")]
            Self::Rc4Hmac => 23,
        }
    }

    /// The number of the checksum type that goes with it.
    pub const fn checksum_type(self) -> i32 {
        match self {
            Self::Aes128Sha1 => 15,
            Self::Aes256Sha1 => 16,
            Self::Aes128Sha2 => 19,
            Self::Aes256Sha2 => 20,
            #[cfg(feature = "rc4-hmac")]
            Self::Rc4Hmac => -138,
        }
    }

    /// Its name, as krb5.conf and MIT's tools spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Sha1 => "aes128-cts-hmac-sha1-96",
            Self::Aes256Sha1 => "aes256-cts-hmac-sha1-96",
            Self::Aes128Sha2 => "aes128-cts-hmac-sha256-128",
            Self::Aes256Sha2 => "aes256-cts-hmac-sha384-192",
            #[cfg(feature = "rc4-hmac")]
            Self::Rc4Hmac => "arcfour-hmac",
        }
    }

    /// The length of its keys, in octets.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Sha1 | Self::Aes128Sha2 => 16,
            Self::Aes256Sha1 | Self::Aes256Sha2 => 32,
            #[cfg(feature = "rc4-hmac")]
            Self::Rc4Hmac => 16,
        }
    }

    /// The other names that krb5.conf knows it by.
    const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Aes128Sha1 => &["aes128-cts", "aes128-sha1"],
            Self::Aes256Sha1 => &["aes256-cts", "aes256-sha1"],
            Self::Aes128Sha2 => &["aes128-sha2"],
            Self::Aes256Sha2 => &["aes256-sha2"],
            #[cfg(feature = "rc4-hmac")]
            Self::Rc4Hmac => &["rc4-hmac", "arcfour-hmac-md5"],
        }
    }
}

impl fmt::Display for EncryptionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EncryptionType {
    type Err = UnknownEncryptionType;

    /// By any of the names that krb5.conf knows it by, in either case.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|known| {
                let mut names = known.aliases().iter().copied().chain([known.name()]);
                names.any(|known| known.eq_ignore_ascii_case(name))
            })
            .ok_or(UnknownEncryptionType)
    }
}

/// A name that belongs to no encryption type of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no encryption type of that name")]
#[non_exhaustive]
pub struct UnknownEncryptionType;
