use std::fmt;

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
        self.entry().map(|(name, _)| name)
    }

    /// What it means and what to do, in a sentence, where this crate knows it.
    pub fn description(self) -> Option<&'static str> {
        self.entry().map(|(_, description)| description)
    }
}

impl fmt::Display for NegotiationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry() {
            Some((name, description)) => write!(f, "{name} ({}): {description}", self.0),
            None => write!(f, "failure code 0x{:08X}", self.0),
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

/// Gives each code a constant, a name and a sentence.
macro_rules! failures {
    ($($constant:ident = $code:literal $description:literal;)*) => {
        impl NegotiationFailure {
            $(
                #[doc = concat!("`", stringify!($constant), "`: ", $description, ".")]
                pub const $constant: Self = Self($code);
            )*

            fn entry(self) -> Option<(&'static str, &'static str)> {
                match self.0 {
                    $($code => Some((stringify!($constant), $description)),)*
                    _ => None,
                }
            }
        }
    };
}

failures! {
    SSL_REQUIRED_BY_SERVER = 1 "the server takes TLS only, without CredSSP: it has Network Level Authentication switched off";
    SSL_NOT_ALLOWED_BY_SERVER = 2 "the server takes standard RDP security only, which this crate does not speak";
    SSL_CERT_NOT_ON_SERVER = 3 "the server has no certificate for TLS: give it one";
    INCONSISTENT_FLAGS = 4 "the protocols asked for do not fit the connection that CredSSP has already secured";
    HYBRID_REQUIRED_BY_SERVER = 5 "the server wants CredSSP (Network Level Authentication), which was not asked for";
    SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER = 6 "the server wants TLS with a certificate of the client's";
}
