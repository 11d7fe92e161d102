use std::fmt;
use std::str::FromStr;

/// The hash over a certificate's DER, by which people know it.
///
/// It reads hexadecimal digits of either case, 64 for SHA-256 and 40 for SHA-1. Colons, dashes, white space and the invisible marks
/// that Windows' certificate dialog copies along (U+200E among them) are not regarded.
///
/// A thumbprint stands for one certificate because nobody can make another one with the same hash. For SHA-1, whoever makes
/// *both* can make two with the same hash; another one for a certificate that is already there, which is what it would take here,
/// is out of reach to this day. SHA-1 is here because it is what Windows shows and WinRM's `CertificateThumbprint` is set to;
/// prefer SHA-256, and do not pin by SHA-1 a certificate that somebody else has made for you to pin.
///
/// ```
/// use credssp::proof::Thumbprint;
///
/// let thumbprint: Thumbprint = "\u{200e}55 7c 2f 00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff 0A".parse()?;
/// assert_eq!(thumbprint.to_string(), "557C2F00112233445566778899AABBCCDDEEFF0A");
/// # Ok::<(), credssp::proof::InvalidThumbprint>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Thumbprint {
    /// By SHA-256.
    Sha256([u8; 32]),
    /// By SHA-1.
    Sha1([u8; 20]),
}

impl Thumbprint {
    /// Its octets.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(octets) => octets,
            Self::Sha1(octets) => octets,
        }
    }

    /// The hash's name.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA-256",
            Self::Sha1(_) => "SHA-1",
        }
    }
}

impl FromStr for Thumbprint {
    type Err = InvalidThumbprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut octets = [0; 32];
        let mut digits: usize = 0;
        for c in text.chars().filter(|c| !is_decoration(*c)) {
            let digit = c.to_digit(16).ok_or(InvalidThumbprint::Foreign(c))?;
            let digit = u8::try_from(digit).map_err(|_| InvalidThumbprint::Foreign(c))?;
            if let Some(octet) = octets.get_mut(digits / 2) {
                *octet = *octet << 4 | digit;
            }
            digits = digits.saturating_add(1);
        }
        match (digits, octets.first_chunk()) {
            (64, _) => Ok(Self::Sha256(octets)),
            (40, Some(octets)) => Ok(Self::Sha1(*octets)),
            _ => Err(InvalidThumbprint::Length(digits)),
        }
    }
}

fn is_decoration(c: char) -> bool {
    matches!(c, ':' | '-' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}')
        || c.is_whitespace()
}

impl fmt::Display for Thumbprint {
    /// As Windows shows it: capital letters, nothing in between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({self})", self.algorithm())
    }
}

/// Why a text is no [`Thumbprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidThumbprint {
    /// Not so many digits, but this number.
    #[error("a thumbprint has 64 hexadecimal digits (SHA-256) or 40 (SHA-1), and this one {0}")]
    Length(usize),
    /// A character that has no place in it.
    #[error("a thumbprint has hexadecimal digits, colons and spaces, and no {0:?}")]
    Foreign(char),
}
