//! The DER of `TSRequest`.

use bytes::BytesMut;

use super::{MAX_NEGO_TOKENS, TsRequest};
use crate::codec::der::{self, INTEGER, OCTET_STRING, Reader, SEQUENCE, context};
use crate::error::{InvalidMessage, InvalidMessageKind, NtStatus};

const VERSION: u8 = context(0);
const NEGO_TOKENS: u8 = context(1);
const AUTH_INFO: u8 = context(2);
const PUB_KEY_AUTH: u8 = context(3);
const ERROR_CODE: u8 = context(4);
const CLIENT_NONCE: u8 = context(5);
/// `[0]` of each element of `negoTokens`.
const NEGO_TOKEN: u8 = context(0);

pub(super) fn frame_length(input: &[u8], limit: usize) -> Result<Option<usize>, InvalidMessage> {
    let invalid = |kind| InvalidMessage::new("TSRequest", 0, kind);
    if input.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(invalid(InvalidMessageKind::BadEncoding));
    }
    match der::header(input).map_err(invalid)? {
        Some(header) if header.total() > limit => Err(invalid(InvalidMessageKind::TooLarge)),
        header => Ok(header.map(der::Header::total)),
    }
}

pub(super) fn decode(message: &[u8]) -> Result<TsRequest<'_>, InvalidMessage> {
    let mut outer = Reader::new(message);
    let mut fields = outer.read(SEQUENCE, "TSRequest")?;
    outer.finish("TSRequest")?;

    let request = TsRequest {
        version: version(fields.explicit(VERSION, INTEGER, "TSRequest.version")?)?,
        nego_token: fields
            .optional_explicit(NEGO_TOKENS, SEQUENCE, "TSRequest.negoTokens")?
            .map(first_nego_token)
            .transpose()?,
        auth_info: fields
            .optional_explicit(AUTH_INFO, OCTET_STRING, "TSRequest.authInfo")?
            .map(|octets| octets.rest()),
        pub_key_auth: fields
            .optional_explicit(PUB_KEY_AUTH, OCTET_STRING, "TSRequest.pubKeyAuth")?
            .map(|octets| octets.rest()),
        error_code: fields
            .optional_explicit(ERROR_CODE, INTEGER, "TSRequest.errorCode")?
            .map(|code| code.integer("TSRequest.errorCode").map(NtStatus::from_u32))
            .transpose()?,
        client_nonce: fields
            .optional_explicit(CLIENT_NONCE, OCTET_STRING, "TSRequest.clientNonce")?
            .map(client_nonce)
            .transpose()?,
    };

    if fields.is_empty() {
        Ok(request)
    } else {
        // A field that is unknown, is there twice or stands before its place.
        Err(fields.error("TSRequest", InvalidMessageKind::BadEncoding))
    }
}

fn version(number: Reader<'_>) -> Result<u32, InvalidMessage> {
    const FIELD: &str = "TSRequest.version";
    match number.unsigned(FIELD)? {
        version @ 1..=0x7fff_ffff => Ok(version),
        _ => Err(number.error(FIELD, InvalidMessageKind::BadValue)),
    }
}

fn first_nego_token(mut elements: Reader<'_>) -> Result<&[u8], InvalidMessage> {
    const FIELD: &str = "TSRequest.negoTokens";
    let first = nego_token(&mut elements)?;
    let mut count = 1;
    while !elements.is_empty() {
        if count == MAX_NEGO_TOKENS {
            return Err(elements.error(FIELD, InvalidMessageKind::TooLarge));
        }
        nego_token(&mut elements)?;
        count += 1;
    }
    Ok(first)
}

fn nego_token<'a>(elements: &mut Reader<'a>) -> Result<&'a [u8], InvalidMessage> {
    const FIELD: &str = "TSRequest.negoTokens";
    let mut element = elements.read(SEQUENCE, FIELD)?;
    let token = element.explicit(NEGO_TOKEN, OCTET_STRING, FIELD)?;
    element.finish(FIELD)?;
    Ok(token.rest())
}

fn client_nonce(octets: Reader<'_>) -> Result<[u8; 32], InvalidMessage> {
    // MS-CSSP, section 2.2.1: "A 32-byte array of cryptographically random bytes".
    octets
        .rest()
        .try_into()
        .map_err(|_| octets.error("TSRequest.clientNonce", InvalidMessageKind::BadValue))
}

/// The lengths of what nests.
#[derive(Clone, Copy)]
pub(super) struct Lengths {
    /// The contents of `negoTokens`' one element.
    nego_element: usize,
    /// The contents of the outermost SEQUENCE.
    fields: usize,
}

impl Lengths {
    pub(super) fn of(request: &TsRequest<'_>) -> Self {
        let octets =
            |field: Option<&[u8]>| field.map_or(0, |octets| der::explicit_len(octets.len()));
        let nego_element = octets(request.nego_token);
        let fields = [
            der::explicit_len(der::unsigned_contents(request.version, &mut [0; 5]).len()),
            request
                .nego_token
                .map_or(0, |_| der::explicit_len(der::value_len(nego_element))),
            octets(request.auth_info),
            octets(request.pub_key_auth),
            request.error_code.map_or(0, |code| {
                der::explicit_len(der::signed_contents(code.to_u32(), &mut [0; 4]).len())
            }),
            octets(request.client_nonce.as_ref().map(<[u8; 32]>::as_slice)),
        ];
        Self {
            nego_element,
            fields: fields.into_iter().fold(0, usize::saturating_add),
        }
    }

    pub(super) fn message(self) -> usize {
        der::value_len(self.fields)
    }
}

pub(super) fn encode(request: &TsRequest<'_>, out: &mut BytesMut) {
    let lengths = Lengths::of(request);
    let start = out.len();
    out.resize(start.saturating_add(lengths.message()), 0);
    let out = &mut out.get_mut(start..).unwrap_or_default();

    der::put_header(out, SEQUENCE, lengths.fields);
    let version = &mut [0; 5];
    let version = der::unsigned_contents(request.version, version);
    der::put_explicit(out, VERSION, INTEGER, version);
    if let Some(token) = request.nego_token {
        let element = lengths.nego_element;
        der::put_explicit_header(out, NEGO_TOKENS, SEQUENCE, der::value_len(element));
        der::put_header(out, SEQUENCE, element);
        der::put_explicit(out, NEGO_TOKEN, OCTET_STRING, token);
    }
    if let Some(auth_info) = request.auth_info {
        der::put_explicit(out, AUTH_INFO, OCTET_STRING, auth_info);
    }
    if let Some(pub_key_auth) = request.pub_key_auth {
        der::put_explicit(out, PUB_KEY_AUTH, OCTET_STRING, pub_key_auth);
    }
    if let Some(code) = request.error_code {
        // An NTSTATUS of a failure takes 4 octets, a negative number. As a positive one it would take 5, which peers
        // refuse.
        let contents = &mut [0; 4];
        let contents = der::signed_contents(code.to_u32(), contents);
        der::put_explicit(out, ERROR_CODE, INTEGER, contents);
    }
    if let Some(nonce) = request.client_nonce {
        der::put_explicit(out, CLIENT_NONCE, OCTET_STRING, &nonce);
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_MESSAGE_LEN;
    use super::*;
    use crate::codec::hex::hex as bytes;

    fn kind(hex: &str) -> (&'static str, InvalidMessageKind) {
        let error = TsRequest::decode(&bytes(hex)).unwrap_err();
        (error.structure, error.kind)
    }

    fn encoded(request: &TsRequest<'_>) -> BytesMut {
        let mut out = BytesMut::new();
        request.encode(&mut out);
        assert_eq!(out.len(), request.encoded_len());
        out
    }

    fn all_fields() -> TsRequest<'static> {
        TsRequest {
            version: 6,
            nego_token: Some(b"token"),
            auth_info: Some(b"auth info"),
            pub_key_auth: Some(b"pub key auth"),
            error_code: Some(NtStatus::LOGON_FAILURE),
            client_nonce: Some([7; 32]),
        }
    }

    #[test]
    fn encodes_every_field_in_its_place() {
        assert_eq!(
            encoded(&all_fields())[..],
            bytes(concat!(
                "305d",
                "a003020106",
                "a10d300b3009a0070405746f6b656e",
                "a20b04096175746820696e666f",
                "a30e040c707562206b65792061757468",
                "a4060204c000006d",
                "a5220420",
                "0707070707070707070707070707070707070707070707070707070707070707"
            ))
        );
    }

    #[test]
    fn decodes_what_it_encodes() {
        let long = vec![0x5a; 40_000];
        for length in [0, 100, 127, 128, 240, 255, 256, 1000, 40_000] {
            let mut request = TsRequest::new(2);
            request.nego_token = long.get(..length);
            assert_eq!(TsRequest::decode(&encoded(&request)), Ok(request));
            let mut request = all_fields();
            request.pub_key_auth = long.get(..length);
            assert_eq!(TsRequest::decode(&encoded(&request)), Ok(request));
        }
        for code in [0, 5, 0x80, 0x7fff_ffff, 0x8009_030c, u32::MAX] {
            let mut request = TsRequest::new(0x7fff_ffff);
            request.error_code = Some(NtStatus::from_u32(code));
            assert_eq!(TsRequest::decode(&encoded(&request)), Ok(request));
        }
    }

    #[test]
    fn reads_error_codes_with_and_without_a_sign() {
        for message in [
            "300da003020106a4060204c000006d",
            "300ea003020106a407020500c000006d",
        ] {
            let message = bytes(message);
            let request = TsRequest::decode(&message).unwrap();
            assert_eq!(request.error_code, Some(NtStatus::LOGON_FAILURE));
        }
        let message = bytes("300aa003020106a40302010a");
        let request = TsRequest::decode(&message).unwrap();
        assert_eq!(request.error_code, Some(NtStatus::from_u32(10)));
    }

    #[test]
    fn uses_the_first_of_several_tokens_and_takes_an_empty_one() {
        let message = bytes("3019a003020106a11230103006a0040402aabb3006a0040402ccdd");
        let request = TsRequest::decode(&message).unwrap();
        assert_eq!(request.nego_token, Some(&b"\xaa\xbb"[..]));

        let message = bytes("300fa003020106a10830063004a0020400");
        let request = TsRequest::decode(&message).unwrap();
        assert_eq!(request.nego_token, Some(&b""[..]));
    }

    #[test]
    fn refuses_lists_of_tokens_that_are_empty_or_long() {
        use InvalidMessageKind::{MissingField, TooLarge};

        assert_eq!(
            kind("3009a003020106a1023000"),
            ("TSRequest.negoTokens", MissingField)
        );
        let list = |count: usize| {
            let elements = "3004a0020400".repeat(count);
            let length = elements.len() / 2;
            format!(
                "30{:02x}a003020106a1{:02x}30{length:02x}{elements}",
                length + 9,
                length + 2
            )
        };
        assert!(TsRequest::decode(&bytes(&list(16))).is_ok());
        assert_eq!(kind(&list(17)), ("TSRequest.negoTokens", TooLarge));
    }

    #[test]
    fn rejects_fields_that_are_unknown_or_out_of_place() {
        use InvalidMessageKind::{BadEncoding, MissingField};

        for message in [
            "3009a003020106a6020400",
            "300da003020106a2020400a2020400",
            "300da003020106a3020400a2020400",
            "3007a0030201060500",
            "300aa003020106a003020106",
        ] {
            assert_eq!(kind(message), ("TSRequest", BadEncoding), "{message}");
        }
        assert_eq!(kind("3000"), ("TSRequest.version", MissingField));
        assert_eq!(kind("3004a2020400"), ("TSRequest.version", BadEncoding));
    }

    #[test]
    fn rejects_trailing_bytes() {
        use InvalidMessageKind::TrailingData;

        assert_eq!(kind("3005a003020106ffff"), ("TSRequest", TrailingData));
        assert_eq!(
            kind("300ca003020106a205040100ffff"),
            ("TSRequest.authInfo", TrailingData)
        );
    }

    #[test]
    fn rejects_lengths_that_lie() {
        use InvalidMessageKind::Truncated;

        for message in [
            "3005a003020105a4000204c000006d",
            "30847fffffffa003020106",
            "3009a003020106a2847fffffff",
            "300ba003020106a20404847fffff",
        ] {
            assert!(TsRequest::decode(&bytes(message)).is_err(), "{message}");
        }
        assert_eq!(kind("30847fffffffa003020106"), ("TSRequest", Truncated));
    }

    #[test]
    fn rejects_versions_that_are_not_positive_numbers_of_31_bits() {
        use InvalidMessageKind::{BadEncoding, BadValue};

        for (version, expected) in [
            ("020100", BadValue),
            ("0201ff", BadValue),
            ("02050080000000", BadValue),
            ("02050100000000", BadValue),
            ("02020006", BadEncoding),
            ("0200", BadEncoding),
            ("040106", BadEncoding),
        ] {
            let length = version.len() / 2;
            let message = format!("30{:02x}a0{length:02x}{version}", length + 2);
            assert_eq!(kind(&message), ("TSRequest.version", expected), "{message}");
        }
    }

    #[test]
    fn rejects_nonces_that_have_not_32_octets() {
        for length in [0_usize, 12, 31, 33] {
            let nonce = "5a".repeat(length);
            let message = format!(
                "30{:02x}a003020106a5{:02x}04{length:02x}{nonce}",
                length + 9,
                length + 2
            );
            assert_eq!(
                kind(&message),
                ("TSRequest.clientNonce", InvalidMessageKind::BadValue)
            );
        }
        assert_eq!(
            kind(
                "3044a003020106a10b30093007a0050403313233a20b04096175746820696e666fa30e040c707562206b65792061757468a4030201\
                 0aa50e040c636c69656e74206e6f6e6365"
            ),
            ("TSRequest.clientNonce", InvalidMessageKind::BadValue)
        );
    }

    #[test]
    fn every_truncation_is_an_error() {
        let message = encoded(&all_fields());
        for length in 0..message.len() {
            assert!(TsRequest::decode(&message[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn framing_needs_the_header_alone() {
        let message = encoded(&all_fields());
        assert_eq!(frame_length(b"", MAX_MESSAGE_LEN), Ok(None));
        assert_eq!(frame_length(&message[..1], MAX_MESSAGE_LEN), Ok(None));
        assert_eq!(
            frame_length(&message[..2], MAX_MESSAGE_LEN),
            Ok(Some(message.len()))
        );
        assert_eq!(frame_length(b"\x30\x82\x01", MAX_MESSAGE_LEN), Ok(None));
        assert_eq!(
            frame_length(b"\x30\x82\x30\x0c", MAX_MESSAGE_LEN),
            Ok(Some(12_304))
        );
    }

    #[test]
    fn framing_refuses_what_is_no_request_or_too_long() {
        use InvalidMessageKind::{BadEncoding, TooLarge};

        let kind = |input: &[u8], limit| frame_length(input, limit).unwrap_err().kind;
        assert_eq!(kind(b"H", MAX_MESSAGE_LEN), BadEncoding);
        assert_eq!(kind(b"\x30\x80", MAX_MESSAGE_LEN), BadEncoding);
        assert_eq!(frame_length(b"\x30\x7e", 128), Ok(Some(128)));
        assert_eq!(kind(b"\x30\x7f", 128), TooLarge);
        assert_eq!(kind(b"\x30\x83\x00\xff\xfd", MAX_MESSAGE_LEN), BadEncoding);
        assert_eq!(
            frame_length(b"\x30\x82\xff\xfc", MAX_MESSAGE_LEN),
            Ok(Some(MAX_MESSAGE_LEN))
        );
        assert_eq!(kind(b"\x30\x82\xff\xfd", MAX_MESSAGE_LEN), TooLarge);
        assert_eq!(kind(b"\x30\x84\x7f\xff\xff\xff", MAX_MESSAGE_LEN), TooLarge);
        assert_eq!(kind(b"\x30\x85", MAX_MESSAGE_LEN), TooLarge);
    }

    #[test]
    fn debug_shows_lengths_only() {
        let mut request = all_fields();
        request.nego_token = Some(&[0x2a; 42]);
        let text = format!("{request:?}");
        assert!(text.contains("nego_token: Some(42 bytes)"), "{text}");
        assert!(text.contains("client_nonce: Some(32 bytes)"), "{text}");
        assert!(text.contains("STATUS_LOGON_FAILURE"), "{text}");
        assert!(!text.contains("42, 42") && !text.contains("7, 7"), "{text}");
    }
}
