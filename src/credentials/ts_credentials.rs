use bytes::BytesMut;

use super::{TsPasswordCreds, TsRemoteGuardCreds, TsSmartCardCreds};
use crate::codec::der::{self, INTEGER, OCTET_STRING, Reader, SEQUENCE, context};
use crate::error::{InvalidMessage, InvalidMessageKind};
use crate::group_policy::DelegatedKind;

const PASSWORD: u8 = 1;
const SMART_CARD: u8 = 2;
const REMOTE_GUARD: u8 = 6;

/// What the server receives: `TSCredentials` (MS-CSSP, section 2.2.1.2).
///
/// The codec is strict: DER, fields in their order, nothing unknown, nothing twice and nothing behind.
#[derive(Debug)]
#[non_exhaustive]
pub enum TsCredentials {
    /// `credType` 1.
    Password(TsPasswordCreds),
    /// `credType` 2.
    SmartCard(TsSmartCardCreds),
    /// `credType` 6.
    RemoteGuard(TsRemoteGuardCreds),
}

impl TsCredentials {
    /// A stable word for logs and machines: `password`, `smart-card` or `remote-guard`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Password(_) => "password",
            Self::SmartCard(_) => "smart-card",
            Self::RemoteGuard(_) => "remote-guard",
        }
    }

    /// What a server can do with it. Delegation policy may restrict that.
    pub fn delegated_kind(&self) -> DelegatedKind {
        match self {
            Self::Password(credentials) if credentials.is_empty() => DelegatedKind::Nothing,
            Self::RemoteGuard(_) => DelegatedKind::RemoteGuard,
            Self::Password(_) | Self::SmartCard(_) => DelegatedKind::Reusable,
        }
    }

    /// Decodes exactly one structure. The bytes are the caller's to erase.
    ///
    /// # Errors
    /// Where it breaks DER or its grammar, `credType` is not 1, 2 or 6, a text is not UTF-16 (an odd length, or half a
    /// surrogate pair), or there are more than 16 supplemental credentials.
    pub fn decode(message: &[u8]) -> Result<Self, InvalidMessage> {
        const CRED_TYPE: &str = "TSCredentials.credType";
        const CREDENTIALS: &str = "TSCredentials.credentials";

        let mut outer = Reader::new(message);
        let mut fields = outer.read(SEQUENCE, "TSCredentials")?;
        outer.finish("TSCredentials")?;
        let cred_type = fields.explicit(context(0), INTEGER, CRED_TYPE)?;
        let mut credentials = fields.explicit(context(1), OCTET_STRING, CREDENTIALS)?;
        fields.finish("TSCredentials")?;

        // MS-CSSP, section 2.2.1.2: the type says which structure `credentials` holds.
        let kind = cred_type.unsigned(CRED_TYPE)?;
        let inner = credentials.read(SEQUENCE, CREDENTIALS)?;
        credentials.finish(CREDENTIALS)?;
        match u8::try_from(kind) {
            Ok(PASSWORD) => TsPasswordCreds::decode(inner).map(Self::Password),
            Ok(SMART_CARD) => TsSmartCardCreds::decode(inner).map(Self::SmartCard),
            Ok(REMOTE_GUARD) => TsRemoteGuardCreds::decode(inner).map(Self::RemoteGuard),
            _ => Err(cred_type.error(CRED_TYPE, InvalidMessageKind::BadValue)),
        }
    }

    /// Appends the structure to `out`.
    ///
    /// `out` grows before the first secret is in it and not afterwards, so that whoever erases it erases every copy.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(self.encoded_len());

        let contents = self.fields_len();
        let credentials = der::value_len(contents);
        der::put_header(out, SEQUENCE, outer_len(credentials));
        der::put_explicit(out, context(0), INTEGER, &[self.cred_type()]);
        der::put_explicit_header(out, context(1), OCTET_STRING, credentials);
        der::put_header(out, SEQUENCE, contents);
        match self {
            Self::Password(credentials) => credentials.put_fields(out),
            Self::SmartCard(credentials) => credentials.put_fields(out),
            Self::RemoteGuard(credentials) => credentials.put_fields(out),
        }
    }

    /// The length of the structure in octets.
    pub fn encoded_len(&self) -> usize {
        der::value_len(outer_len(der::value_len(self.fields_len())))
    }

    fn cred_type(&self) -> u8 {
        match self {
            Self::Password(_) => PASSWORD,
            Self::SmartCard(_) => SMART_CARD,
            Self::RemoteGuard(_) => REMOTE_GUARD,
        }
    }

    fn fields_len(&self) -> usize {
        match self {
            Self::Password(credentials) => credentials.fields_len(),
            Self::SmartCard(credentials) => credentials.fields_len(),
            Self::RemoteGuard(credentials) => credentials.fields_len(),
        }
    }
}

/// The length of the fields of `TSCredentials`, whose `credentials` has `credentials` octets.
fn outer_len(credentials: usize) -> usize {
    der::explicit_len(1).saturating_add(der::explicit_len(credentials))
}

impl From<TsPasswordCreds> for TsCredentials {
    fn from(credentials: TsPasswordCreds) -> Self {
        Self::Password(credentials)
    }
}

impl From<TsSmartCardCreds> for TsCredentials {
    fn from(credentials: TsSmartCardCreds) -> Self {
        Self::SmartCard(credentials)
    }
}

impl From<TsRemoteGuardCreds> for TsCredentials {
    fn from(credentials: TsRemoteGuardCreds) -> Self {
        Self::RemoteGuard(credentials)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{TsCspDataDetail, TsRemoteGuardPackageCred};
    use super::*;
    use crate::codec::hex::hex as bytes;

    const PASSWORD: &str = "301ba003020101a11404123010a0020400a10404026100a20404023100";
    const REMOTE_GUARD: &str = "302ca003020106a12504233021a01f301da01404125000610063006b0061006700650020003100a1050403\
                                313233";

    fn kind(hex: &str) -> (&'static str, InvalidMessageKind) {
        let error = TsCredentials::decode(&bytes(hex)).unwrap_err();
        (error.structure, error.kind)
    }

    fn encoded(credentials: &TsCredentials) -> BytesMut {
        let mut out = BytesMut::new();
        credentials.encode(&mut out);
        out
    }

    fn remote_guard(supplemental: usize) -> TsCredentials {
        let package = |name| TsRemoteGuardPackageCred::new(name, &b"\x01\x02"[..]);
        let mut credentials = TsRemoteGuardCreds::new(package("Kerberos"));
        credentials.supplemental_creds = Some((0..supplemental).map(|_| package("NTLM")).collect());
        credentials.into()
    }

    #[test]
    fn passwords_are_read_and_written() {
        let decoded = TsCredentials::decode(&bytes(PASSWORD)).unwrap();
        assert_eq!(decoded.kind(), "password");
        assert_eq!(encoded(&decoded)[..], bytes(PASSWORD));
        let TsCredentials::Password(decoded) = decoded else {
            panic!("no password");
        };
        assert_eq!((&*decoded.domain_name, &*decoded.user_name), ("", "a"));
        assert_eq!(decoded.password.expose(), "1");

        let restricted_admin = TsPasswordCreds::new("", "", "").into();
        assert_eq!(
            encoded(&restricted_admin)[..],
            bytes("3017a003020101a110040e300ca0020400a1020400a2020400")
        );
    }

    #[test]
    fn smart_cards_are_read_and_written() {
        let mut csp_data = TsCspDataDetail::new(2);
        csp_data.card_name = Some("card".into());
        csp_data.reader_name = Some("reader".into());
        csp_data.container_name = Some("container".into());
        csp_data.csp_name = Some("provider".into());
        let mut credentials = TsSmartCardCreds::new("0000", csp_data.clone());
        credentials.user_hint = Some("alice".into());
        credentials.domain_hint = Some("CORP".into());
        let credentials = TsCredentials::from(credentials);
        let message = encoded(&credentials);
        assert_eq!(credentials.kind(), "smart-card");

        let decoded = TsCredentials::decode(&message).unwrap();
        assert_eq!(encoded(&decoded), message);
        let TsCredentials::SmartCard(decoded) = decoded else {
            panic!("no smart card");
        };
        assert_eq!(decoded.csp_data, csp_data);
        assert_eq!(decoded.pin.expose(), "0000");
        assert_eq!(decoded.user_hint.as_deref(), Some("alice"));
        assert_eq!(decoded.domain_hint.as_deref(), Some("CORP"));
    }

    #[test]
    fn a_smart_card_needs_no_names() {
        let credentials = TsSmartCardCreds::new("1", TsCspDataDetail::new(u32::MAX)).into();
        let message = encoded(&credentials);
        assert_eq!(
            message[..],
            bytes("301ea003020102a11704153013a00404023100a10b3009a007020500ffffffff")
        );
        assert_eq!(encoded(&TsCredentials::decode(&message).unwrap()), message);
    }

    #[test]
    fn remote_guard_credentials_are_read_and_written() {
        let decoded = TsCredentials::decode(&bytes(REMOTE_GUARD)).unwrap();
        assert_eq!(decoded.kind(), "remote-guard");
        assert_eq!(encoded(&decoded)[..], bytes(REMOTE_GUARD));
        let TsCredentials::RemoteGuard(decoded) = decoded else {
            panic!("no remote guard");
        };
        assert_eq!(&*decoded.logon_cred.package_name, "Package 1");
        assert_eq!(decoded.logon_cred.cred_buffer.expose(), b"123");
        assert!(decoded.supplemental_creds.is_none());

        for count in [0, 1, 16] {
            let message = encoded(&remote_guard(count));
            let decoded = TsCredentials::decode(&message).unwrap();
            assert_eq!(encoded(&decoded), message);
            let TsCredentials::RemoteGuard(decoded) = decoded else {
                panic!("no remote guard");
            };
            assert_eq!(decoded.supplemental_creds.unwrap().len(), count);
        }
    }

    #[test]
    fn refuses_more_supplemental_credentials_than_anybody_sends() {
        let error = TsCredentials::decode(&encoded(&remote_guard(17))).unwrap_err();
        assert_eq!(error.kind, InvalidMessageKind::TooLarge);
        assert_eq!(error.structure, "TSRemoteGuardCreds.supplementalCreds");
    }

    #[test]
    fn refuses_unknown_types() {
        for cred_type in ["00", "03", "07", "ff"] {
            let message = PASSWORD.replacen("020101", &format!("0201{cred_type}"), 1);
            assert_eq!(
                kind(&message),
                ("TSCredentials.credType", InvalidMessageKind::BadValue)
            );
        }
    }

    #[test]
    fn refuses_texts_that_are_no_utf_16() {
        for password in ["a203040131", "a206040400d83100", "a204040200dc"] {
            let fields = format!("a0020400a1020400{password}");
            let length = fields.len() / 2;
            let message = format!(
                "30{:02x}a003020101a1{:02x}04{:02x}30{length:02x}{fields}",
                length + 11,
                length + 4,
                length + 2
            );
            assert_eq!(
                kind(&message),
                ("TSPasswordCreds.password", InvalidMessageKind::BadValue)
            );
        }
    }

    #[test]
    fn refuses_fields_that_are_missing_or_too_many() {
        use InvalidMessageKind::{MissingField, TrailingData};

        for (message, expected) in [
            (
                "3013a003020101a10c040a3008a0020400a1020400",
                ("TSPasswordCreds.password", MissingField),
            ),
            (
                "301ba003020101a11404123010a0020400a1020400a2020400a3020400",
                ("TSPasswordCreds", TrailingData),
            ),
            (
                "3019a003020101a1120410300ca0020400a1020400a20204000500",
                ("TSCredentials.credentials", TrailingData),
            ),
            (
                "3017a003020101a110040e300ca0020400a1020400a202040000",
                ("TSCredentials", TrailingData),
            ),
            (
                "3019a003020101a110040e300ca0020400a1020400a20204000500",
                ("TSCredentials", TrailingData),
            ),
            (
                "3005a003020101",
                ("TSCredentials.credentials", MissingField),
            ),
        ] {
            assert_eq!(kind(message), expected, "{message}");
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        for message in [PASSWORD, REMOTE_GUARD] {
            let message = bytes(message);
            for length in 0..message.len() {
                assert!(TsCredentials::decode(&message[..length]).is_err());
            }
        }
    }

    #[test]
    fn the_buffer_never_regrows_with_a_secret_in_it() {
        for length in [600, 1000, 1400] {
            let password = "p".repeat(length);
            let credentials = TsCredentials::from(TsPasswordCreds::new("D", "u", &*password));
            // More than was needed would show in the capacity, and so would a second growth, which doubles it.
            let mut out = encoded(&credentials);
            assert!(out.capacity() < out.len() + 64, "{}", out.capacity());
            // Where there is enough room, nothing moves.
            let start = out.as_ptr();
            out.clear();
            credentials.encode(&mut out);
            assert_eq!(out.as_ptr(), start);
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut csp_data = TsCspDataDetail::new(1);
        csp_data.card_name = Some("card".into());
        let package = TsRemoteGuardPackageCred::new("Kerberos", &b"hunter2"[..]);
        for credentials in [
            TsCredentials::from(TsPasswordCreds::new("D", "u", "hunter2")),
            TsSmartCardCreds::new("hunter2", csp_data).into(),
            TsRemoteGuardCreds::new(package).into(),
        ] {
            let text = format!("{credentials:?}");
            assert!(text.contains("Secret(..)"), "{text}");
            assert!(
                !text.contains("hunter2") && !text.contains("104, 117"),
                "{text}"
            );
        }
    }
}
