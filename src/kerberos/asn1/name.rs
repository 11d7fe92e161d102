use std::borrow::Cow;
use std::fmt;

use rasn::prelude::Tag;
use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

use super::primitive::contents_codec;

/// KerberosString (RFC 4120, section 5.2.1): names and texts, realms too.
///
/// The RFC restricts it to IA5String's characters, but implementations put UTF-8 into it and compare octets: so does this.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KerberosString(Box<[u8]>);

impl KerberosString {
    /// Its octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As text; octets that are not UTF-8 are replaced.
    pub fn to_str_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    fn from_contents(contents: &[u8]) -> Option<Self> {
        Some(Self(contents.into()))
    }

    fn to_contents(&self) -> Box<[u8]> {
        self.0.clone()
    }
}

contents_codec!(KerberosString, Tag::GENERAL_STRING,);

impl From<&str> for KerberosString {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl From<&[u8]> for KerberosString {
    fn from(octets: &[u8]) -> Self {
        Self(octets.into())
    }
}

impl fmt::Debug for KerberosString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_str_lossy(), f)
    }
}

/// PrincipalName (RFC 4120, section 5.2.2).
///
/// Names are equal where their components are: the type is a hint (section 6.2), and not compared.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[non_exhaustive]
pub struct PrincipalName {
    /// What kind of name it is: one of the constants, or any other number.
    #[rasn(tag(explicit(0)))]
    pub name_type: i32,
    /// Its components.
    #[rasn(tag(explicit(1)))]
    pub name_string: Vec<KerberosString>,
}

impl PrincipalName {
    /// NT-PRINCIPAL: a user.
    pub const PRINCIPAL: i32 = 1;
    /// NT-SRV-INST: a service and other unique instance, such as `krbtgt`.
    pub const SRV_INST: i32 = 2;
    /// NT-ENTERPRISE: one component, with an `@` (RFC 6806, section 5).
    pub const ENTERPRISE: i32 = 10;

    /// From parts.
    pub fn new(name_type: i32, components: &[&str]) -> Self {
        Self {
            name_type,
            name_string: components
                .iter()
                .map(|component| KerberosString::from(*component))
                .collect(),
        }
    }

    /// `krbtgt/REALM`: the ticket-granting service of a realm (RFC 4120, section 7.3).
    pub fn krbtgt(realm: &KerberosString) -> Self {
        Self {
            name_type: Self::SRV_INST,
            name_string: vec!["krbtgt".into(), realm.clone()],
        }
    }

    /// Whether it is the name of a ticket-granting service.
    pub fn is_krbtgt(&self) -> bool {
        self.ticket_granting_realm().is_some()
    }

    /// The realm of the ticket-granting service whose name it is.
    pub fn ticket_granting_realm(&self) -> Option<&KerberosString> {
        match &*self.name_string {
            [first, realm] if first.as_bytes() == b"krbtgt" => Some(realm),
            _ => None,
        }
    }
}

impl PartialEq for PrincipalName {
    fn eq(&self, other: &Self) -> bool {
        // RFC 4120, section 6.2: "Ignoring the name type, no two names can be the same".
        self.name_string == other.name_string
    }
}

impl Eq for PrincipalName {}

impl fmt::Display for PrincipalName {
    /// The components, with a slash between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, component) in self.name_string.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            f.write_str(&component.to_str_lossy())?;
        }
        Ok(())
    }
}
