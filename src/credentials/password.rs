use bytes::BytesMut;

use super::text;
use crate::codec::der::{Reader, context};
use crate::error::InvalidMessage;
use crate::secret::Secret;

/// A user name and a password: `TSPasswordCreds` (MS-CSSP, section 2.2.1.2.1).
///
/// All three texts may be empty: with all of them empty it is what a client delegates in Restricted Admin mode, nothing.
#[derive(Debug)]
#[non_exhaustive]
pub struct TsPasswordCreds {
    /// `domainName`.
    pub domain_name: Box<str>,
    /// `userName`.
    pub user_name: Box<str>,
    /// `password`.
    pub password: Secret<str>,
}

impl TsPasswordCreds {
    /// From parts.
    pub fn new(domain_name: &str, user_name: &str, password: impl Into<Secret<str>>) -> Self {
        Self {
            domain_name: domain_name.into(),
            user_name: user_name.into(),
            password: password.into(),
        }
    }

    /// Whether all three texts are empty.
    pub(super) fn is_empty(&self) -> bool {
        [&*self.domain_name, &self.user_name, self.password.expose()]
            .into_iter()
            .all(str::is_empty)
    }

    pub(super) fn decode(mut fields: Reader<'_>) -> Result<Self, InvalidMessage> {
        let credentials = Self {
            domain_name: text::read(&mut fields, context(0), "TSPasswordCreds.domainName")?,
            user_name: text::read(&mut fields, context(1), "TSPasswordCreds.userName")?,
            password: text::read_secret(&mut fields, context(2), "TSPasswordCreds.password")?,
        };
        fields.finish("TSPasswordCreds")?;
        Ok(credentials)
    }

    pub(super) fn fields_len(&self) -> usize {
        [&*self.domain_name, &self.user_name, self.password.expose()]
            .into_iter()
            .map(text::len)
            .fold(0, usize::saturating_add)
    }

    pub(super) fn put_fields(&self, out: &mut BytesMut) {
        text::put(out, context(0), &self.domain_name);
        text::put(out, context(1), &self.user_name);
        text::put(out, context(2), self.password.expose());
    }
}
