//! The ASN.1 of MS-CSSP once more, by rasn: what the hand-written codecs are held equal to, in tests and in fuzzing.

use bytes::BytesMut;
use credssp::credentials::{TsCredentials, TsRemoteGuardPackageCred};
use credssp::ts_request::TsRequest;
use rasn::types::OctetString;
use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

/// `TSRequest` (MS-CSSP, section 2.2.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
pub(crate) struct Request {
    #[rasn(tag(explicit(context, 0)))]
    pub(crate) version: i64,
    #[rasn(tag(explicit(context, 1)))]
    pub(crate) nego_tokens: Option<Vec<NegoToken>>,
    #[rasn(tag(explicit(context, 2)))]
    pub(crate) auth_info: Option<OctetString>,
    #[rasn(tag(explicit(context, 3)))]
    pub(crate) pub_key_auth: Option<OctetString>,
    #[rasn(tag(explicit(context, 4)))]
    pub(crate) error_code: Option<i64>,
    #[rasn(tag(explicit(context, 5)))]
    pub(crate) client_nonce: Option<OctetString>,
}

/// An element of `negoTokens`.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
pub(crate) struct NegoToken {
    #[rasn(tag(explicit(context, 0)))]
    pub(crate) nego_token: OctetString,
}

/// `TSCredentials` (MS-CSSP, section 2.2.1.2).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
pub(crate) struct Credentials {
    #[rasn(tag(explicit(context, 0)))]
    pub(crate) cred_type: i64,
    #[rasn(tag(explicit(context, 1)))]
    pub(crate) credentials: OctetString,
}

/// `TSPasswordCreds` (MS-CSSP, section 2.2.1.2.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
pub(crate) struct PasswordCreds {
    #[rasn(tag(explicit(context, 0)))]
    pub(crate) domain_name: OctetString,
    #[rasn(tag(explicit(context, 1)))]
    pub(crate) user_name: OctetString,
    #[rasn(tag(explicit(context, 2)))]
    pub(crate) password: OctetString,
}

/// `TSSmartCardCreds` (MS-CSSP, section 2.2.1.2.2).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
pub(crate) struct SmartCardCreds {
    #[rasn(tag(explicit(context, 0)))]
    pub(crate) pin: OctetString,
    #[rasn(tag(explicit(context, 1)))]
    pub(crate) csp_data: CspDataDetail,
    #[rasn(tag(explicit(context, 2)))]
    pub(crate) user_hint: Option<OctetString>,
    #[rasn(tag(explicit(context, 3)))]
    pub(crate) domain_hint: Option<OctetString>,
}

/// `TSCspDataDetail` (MS-CSSP, section 2.2.1.2.2.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
pub(crate) struct CspDataDetail {
    #[rasn(tag(explicit(context, 0)))]
    pub(crate) key_spec: i64,
    #[rasn(tag(explicit(context, 1)))]
    pub(crate) card_name: Option<OctetString>,
    #[rasn(tag(explicit(context, 2)))]
    pub(crate) reader_name: Option<OctetString>,
    #[rasn(tag(explicit(context, 3)))]
    pub(crate) container_name: Option<OctetString>,
    #[rasn(tag(explicit(context, 4)))]
    pub(crate) csp_name: Option<OctetString>,
}

/// `TSRemoteGuardCreds` (MS-CSSP, section 2.2.1.2.3).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
pub(crate) struct RemoteGuardCreds {
    #[rasn(tag(explicit(context, 0)))]
    pub(crate) logon_cred: PackageCred,
    #[rasn(tag(explicit(context, 1)))]
    pub(crate) supplemental_creds: Option<Vec<PackageCred>>,
}

/// `TSRemoteGuardPackageCred` (MS-CSSP, section 2.2.1.2.3.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
pub(crate) struct PackageCred {
    #[rasn(tag(explicit(context, 0)))]
    pub(crate) package_name: OctetString,
    #[rasn(tag(explicit(context, 1)))]
    pub(crate) cred_buffer: OctetString,
}

/// Whether the crate reads `message`. If so, rasn must read the same, and what the crate writes must be `message` again:
/// DER has one encoding for each value.
pub(crate) fn ts_request_agrees(message: &[u8]) -> bool {
    let Ok(request) = TsRequest::decode(message) else {
        return false;
    };
    let twin: Request = rasn::der::decode(message).expect("rasn reads what the crate reads");
    assert_eq!(i64::from(request.version), twin.version);
    assert_eq!(request.auth_info, twin.auth_info.as_deref());
    assert_eq!(request.pub_key_auth, twin.pub_key_auth.as_deref());
    let nonce = request.client_nonce.as_ref().map(<[u8; 32]>::as_slice);
    assert_eq!(nonce, twin.client_nonce.as_deref());
    let token = twin
        .nego_tokens
        .as_ref()
        .map(|tokens| &*tokens[0].nego_token);
    assert_eq!(request.nego_token, token);
    // The crate keeps 32 bits of an error code, whether it had a sign or not.
    let code = request.error_code.map(|code| i64::from(code.to_u32()));
    assert_eq!(code, twin.error_code.map(|code| code & 0xffff_ffff));

    let mut out = BytesMut::new();
    request.encode(&mut out);
    let one_encoding = twin.nego_tokens.is_none_or(|tokens| tokens.len() == 1)
        && twin
            .error_code
            .is_none_or(|code| i32::try_from(code).is_ok());
    if one_encoding {
        assert_eq!(out, message);
    } else {
        assert_eq!(TsRequest::decode(&out), Ok(request));
    }
    true
}

/// Whether the crate reads `message`. If so, rasn must read the same, and what the crate writes must be `message` again.
pub(crate) fn ts_credentials_agree(message: &[u8]) -> bool {
    let Ok(credentials) = TsCredentials::decode(message) else {
        return false;
    };
    let outer: Credentials = rasn::der::decode(message).expect("rasn reads what the crate reads");
    match &credentials {
        TsCredentials::Password(ours) => {
            let twin: PasswordCreds = inner(&outer, 1);
            assert_eq!(utf16(&ours.domain_name), twin.domain_name);
            assert_eq!(utf16(&ours.user_name), twin.user_name);
            assert_eq!(utf16(ours.password.expose()), twin.password);
        }
        TsCredentials::SmartCard(ours) => {
            let twin: SmartCardCreds = inner(&outer, 2);
            let (ours_data, twin_data) = (&ours.csp_data, twin.csp_data);
            assert_eq!(utf16(ours.pin.expose()), twin.pin);
            assert_eq!(i64::from(ours_data.key_spec), twin_data.key_spec);
            for (ours, twin) in [
                (&ours.user_hint, twin.user_hint),
                (&ours.domain_hint, twin.domain_hint),
                (&ours_data.card_name, twin_data.card_name),
                (&ours_data.reader_name, twin_data.reader_name),
                (&ours_data.container_name, twin_data.container_name),
                (&ours_data.csp_name, twin_data.csp_name),
            ] {
                assert_eq!(ours.as_deref().map(utf16), twin);
            }
        }
        TsCredentials::RemoteGuard(ours) => {
            let twin: RemoteGuardCreds = inner(&outer, 6);
            let package = |ours: &TsRemoteGuardPackageCred| PackageCred {
                package_name: utf16(&ours.package_name),
                cred_buffer: ours.cred_buffer.expose().to_vec().into(),
            };
            assert_eq!(package(&ours.logon_cred), twin.logon_cred);
            let supplemental = ours.supplemental_creds.as_ref();
            assert_eq!(
                supplemental.map(|creds| creds.iter().map(package).collect()),
                twin.supplemental_creds
            );
        }
        _ => unreachable!("a kind that the twin does not know"),
    }

    let mut out = BytesMut::new();
    credentials.encode(&mut out);
    assert_eq!(out, message);
    true
}

fn inner<T: Decode>(outer: &Credentials, cred_type: i64) -> T {
    assert_eq!(outer.cred_type, cred_type);
    rasn::der::decode(&outer.credentials).expect("rasn reads what the crate reads")
}

/// UTF-16LE, as the texts of these structures are.
pub(crate) fn utf16(text: &str) -> OctetString {
    let octets: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    octets.into()
}
