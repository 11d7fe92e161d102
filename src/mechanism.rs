//! Security mechanisms and their object identifiers.

use std::fmt;

/// A GSS-API mechanism that can stand below CredSSP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// Kerberos 5, RFC 4120 and RFC 4121.
    Kerberos,
    /// NTLM, MS-NLMP.
    Ntlm,
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kerberos => "Kerberos",
            Self::Ntlm => "NTLM",
        })
    }
}

/// An object identifier, as the contents octets of its DER encoding (without tag and length).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Oid(&'static [u8]);

impl Oid {
    /// Kerberos 5, `1.2.840.113554.1.2.2` (RFC 4121, section 1).
    pub const KERBEROS: Self = Self(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02");
    /// Kerberos 5 user-to-user, `1.2.840.113554.1.2.2.3` (draft-swift-win2k-krb-user2user); never selected by this
    /// crate.
    pub const KERBEROS_USER_TO_USER: Self = Self(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x03");
    /// Kerberos 5 as Windows also spells it, `1.2.840.48018.1.2.2` (MS-SPNG, section 1.9).
    pub const MS_KERBEROS: Self = Self(b"\x2a\x86\x48\x82\xf7\x12\x01\x02\x02");
    /// NEGOEX, `1.3.6.1.4.1.311.2.2.30` (MS-SPNG, section 1.9); never selected by this crate.
    pub const NEGOEX: Self = Self(b"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x1e");
    /// NTLM, `1.3.6.1.4.1.311.2.2.10` (MS-NLMP, section 1.9).
    pub const NTLMSSP: Self = Self(b"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a");
    /// SPNEGO, `1.3.6.1.5.5.2` (RFC 4178, section 3.2).
    pub const SPNEGO: Self = Self(b"\x2b\x06\x01\x05\x05\x02");

    /// From contents octets.
    pub const fn from_contents(contents: &'static [u8]) -> Self {
        Self(contents)
    }

    /// The contents octets.
    pub const fn contents(self) -> &'static [u8] {
        self.0
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Oid(")?;
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// How a mechanism's tokens travel in `negoTokens`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Negotiation {
    /// In SPNEGO (RFC 4178). A server with this setting takes bare tokens too, and answers in kind.
    #[default]
    Spnego,
    /// Bare, as Remote Desktop clients send NTLM where Kerberos is impossible. A server with this setting refuses
    /// SPNEGO.
    Bare,
}
