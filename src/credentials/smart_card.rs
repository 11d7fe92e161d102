use bytes::BytesMut;

use super::text;
use crate::codec::der::{self, INTEGER, Reader, SEQUENCE, context};
use crate::error::InvalidMessage;
use crate::secret::Secret;

/// A smart card that the server reaches through the client, and its PIN: `TSSmartCardCreds` (MS-CSSP, section
/// 2.2.1.2.2).
#[derive(Debug)]
#[non_exhaustive]
pub struct TsSmartCardCreds {
    /// `pin`.
    pub pin: Secret<str>,
    /// `cspData`.
    pub csp_data: TsCspDataDetail,
    /// `userHint`: the account, where the certificate does not tell it.
    pub user_hint: Option<Box<str>>,
    /// `domainHint`: the domain of that account.
    pub domain_hint: Option<Box<str>>,
}

impl TsSmartCardCreds {
    /// Without hints.
    pub fn new(pin: impl Into<Secret<str>>, csp_data: TsCspDataDetail) -> Self {
        Self {
            pin: pin.into(),
            csp_data,
            user_hint: None,
            domain_hint: None,
        }
    }

    pub(super) fn decode(mut fields: Reader<'_>) -> Result<Self, InvalidMessage> {
        let credentials = Self {
            pin: text::read_secret(&mut fields, context(0), "TSSmartCardCreds.pin")?,
            csp_data: TsCspDataDetail::decode(fields.explicit(
                context(1),
                SEQUENCE,
                "TSSmartCardCreds.cspData",
            )?)?,
            user_hint: text::read_optional(&mut fields, context(2), "TSSmartCardCreds.userHint")?,
            domain_hint: text::read_optional(
                &mut fields,
                context(3),
                "TSSmartCardCreds.domainHint",
            )?,
        };
        fields.finish("TSSmartCardCreds")?;
        Ok(credentials)
    }

    pub(super) fn fields_len(&self) -> usize {
        [
            text::len(self.pin.expose()),
            der::explicit_len(self.csp_data.fields_len()),
            text::optional_len(self.user_hint.as_deref()),
            text::optional_len(self.domain_hint.as_deref()),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    pub(super) fn put_fields(&self, out: &mut BytesMut) {
        text::put(out, context(0), self.pin.expose());
        der::put_explicit_header(out, context(1), SEQUENCE, self.csp_data.fields_len());
        self.csp_data.put_fields(out);
        text::put_optional(out, context(2), self.user_hint.as_deref());
        text::put_optional(out, context(3), self.domain_hint.as_deref());
    }
}

/// Where a smart card's key is found: `TSCspDataDetail` (MS-CSSP, section 2.2.1.2.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TsCspDataDetail {
    /// `keySpec`: 1 for a key that exchanges keys (AT_KEYEXCHANGE), 2 for one that signs (AT_SIGNATURE).
    pub key_spec: u32,
    /// `cardName`.
    pub card_name: Option<Box<str>>,
    /// `readerName`.
    pub reader_name: Option<Box<str>>,
    /// `containerName`: the key's container on the card.
    pub container_name: Option<Box<str>>,
    /// `cspName`: the cryptographic service provider, e.g. `Microsoft Base Smart Card Crypto Provider`.
    pub csp_name: Option<Box<str>>,
}

impl TsCspDataDetail {
    /// Without any name.
    pub fn new(key_spec: u32) -> Self {
        Self {
            key_spec,
            card_name: None,
            reader_name: None,
            container_name: None,
            csp_name: None,
        }
    }

    fn decode(mut fields: Reader<'_>) -> Result<Self, InvalidMessage> {
        const KEY_SPEC: &str = "TSCspDataDetail.keySpec";
        let key_spec = fields.explicit(context(0), INTEGER, KEY_SPEC)?;
        let mut name = |number, field| text::read_optional(&mut fields, context(number), field);
        let detail = Self {
            key_spec: key_spec.unsigned(KEY_SPEC)?,
            card_name: name(1, "TSCspDataDetail.cardName")?,
            reader_name: name(2, "TSCspDataDetail.readerName")?,
            container_name: name(3, "TSCspDataDetail.containerName")?,
            csp_name: name(4, "TSCspDataDetail.cspName")?,
        };
        fields.finish("TSCspDataDetail")?;
        Ok(detail)
    }

    /// The four names, with the numbers of their tags.
    fn names(&self) -> [(u8, Option<&str>); 4] {
        [
            (1, self.card_name.as_deref()),
            (2, self.reader_name.as_deref()),
            (3, self.container_name.as_deref()),
            (4, self.csp_name.as_deref()),
        ]
    }

    fn fields_len(&self) -> usize {
        let key_spec = der::unsigned_contents(self.key_spec, &mut [0; 5]).len();
        self.names()
            .into_iter()
            .map(|(_, name)| text::optional_len(name))
            .fold(der::explicit_len(key_spec), usize::saturating_add)
    }

    fn put_fields(&self, out: &mut BytesMut) {
        let key_spec = &mut [0; 5];
        let key_spec = der::unsigned_contents(self.key_spec, key_spec);
        der::put_explicit(out, context(0), INTEGER, key_spec);
        for (number, name) in self.names() {
            text::put_optional(out, context(number), name);
        }
    }
}
