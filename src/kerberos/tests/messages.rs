//! Messages that no recording has: other implementations' habits, and hostile ones.

use proptest::prelude::*;

use crate::environment::SystemRandom;
use crate::error::InvalidMessageKind;
use crate::kerberos::asn1::*;
use crate::kerberos::crypto::{EncryptionKey, EncryptionType};
use crate::mechanism::Oid;

/// A KRB-ERROR with every field.
fn error_message() -> KrbError {
    KrbError {
        pvno: Exactly,
        msg_type: Exactly,
        ctime: Some(KerberosTime::from_unix(1_700_000_000)),
        cusec: Microseconds::new(999_999),
        stime: KerberosTime::from_unix(1_700_000_001),
        susec: Microseconds::new(0).unwrap(),
        error_code: -128,
        crealm: Some("ÉVA.日本".into()),
        cname: Some(PrincipalName::new(1, &["Éva日本", ""])),
        realm: "TEST.EXAMPLE".into(),
        sname: PrincipalName::krbtgt(&"TEST.EXAMPLE".into()),
        e_text: Some(b"\xff\x80\x00".as_slice().into()),
        e_data: Some(vec![1, 2, 3].into()),
    }
}

fn ticket() -> Encoded<Ticket> {
    let ticket = Ticket {
        tkt_vno: Exactly,
        realm: "TEST.EXAMPLE".into(),
        sname: PrincipalName::new(2, &["TERMSRV", "server.test.example"]),
        enc_part: EncryptedData {
            etype: 18,
            kvno: Some(0x8002_0001.into()),
            cipher: vec![7; 300].into(),
        },
    };
    Encoded::encode(ticket, "Ticket").unwrap()
}

fn request() -> KdcReq {
    let body = KdcReqBody {
        kdc_options: Flags::FORWARDABLE.with(Flags::CANONICALIZE),
        cname: None,
        realm: "TEST.EXAMPLE".into(),
        sname: Some(PrincipalName::new(2, &["TERMSRV", "server"])),
        from: None,
        till: KerberosTime::FAR_FUTURE,
        rtime: None,
        nonce: 0x7fff_ffff.into(),
        etype: vec![20, 18, -133],
        addresses: None,
        enc_authorization_data: None,
        additional_tickets: Some(vec![ticket(), ticket()]),
    };
    KdcReq::new(MessageType::Tgs, Vec::new(), body.encode().unwrap())
}

#[test]
fn names_outside_of_ascii_come_back() {
    let message = error_message().encode().unwrap();
    let decoded = KrbError::decode(&message).unwrap();
    assert_eq!(decoded.cname, error_message().cname);
    assert_eq!(decoded.crealm.unwrap().to_str_lossy(), "ÉVA.日本");
    assert_eq!(decoded.e_text, error_message().e_text);
    assert_eq!(decoded.error_code, -128);
}

#[test]
fn principals_are_compared_without_their_type() {
    let name = PrincipalName::new(1, &["a", "b"]);
    assert_eq!(name, PrincipalName::new(2, &["a", "b"]));
    assert_ne!(name, PrincipalName::new(1, &["a/b"]));
    assert_ne!(name, PrincipalName::new(1, &["a"]));
}

#[test]
fn flags_are_32_bits_with_the_highest_first() {
    let request = request().encode().unwrap();
    let flags = [0x03, 0x05, 0x00, 0x40, 0x01, 0x00, 0x00];
    assert!(request.windows(7).any(|window| window == flags));
}

/// `[0] etype [1] kvno [2] cipher` with these contents of `kvno`.
fn with_kvno(kvno: &[u8]) -> Result<EncryptedData, InvalidMessageKind> {
    let length = u8::try_from(kvno.len()).unwrap();
    let mut message = vec![0xa0, 3, 2, 1, 18, 0xa1, length + 2, 2, length];
    message.extend_from_slice(kvno);
    message.extend_from_slice(&[0xa2, 2, 4, 0]);
    let total = u8::try_from(message.len()).unwrap();
    message.splice(0..0, [0x30, total]);
    EncryptedData::decode(&message).map_err(|error| error.kind)
}

#[test]
fn key_versions_are_read_with_a_sign_and_in_needless_octets() {
    for (contents, expected) in [
        (&b"\x05"[..], 5),
        (b"\x80\x02\x00\x01", 0x8002_0001),
        (b"\x00\x80\x02\x00\x01", 0x8002_0001),
        (b"\xff", u32::MAX),
        (b"\0\x05", 5),
        (b"\0\0\0\x05", 5),
        (b"\xff\xff\xff\xff", u32::MAX),
    ] {
        let decoded = with_kvno(contents).unwrap();
        assert_eq!(decoded.kvno.unwrap().get(), expected);
    }
    for bad in [&b""[..], b"\x01\x00\x00\x00\x00", b"\0\0\0\0\0\x05"] {
        assert_eq!(with_kvno(bad), Err(InvalidMessageKind::BadValue));
    }
}

#[test]
fn microseconds_are_read_in_needless_octets() {
    let with = |contents: &[u8]| {
        let mut message = b"\x30\x17\xa0\x11\x18\x0f20260101000000Z\xa1\x02\x02\0".to_vec();
        let length = u8::try_from(contents.len()).unwrap();
        for (at, length) in [(1, 0x17), (22, 2), (24, 0)].map(|(at, fixed)| (at, fixed + length)) {
            message[at] = length;
        }
        message.extend_from_slice(contents);
        PaEncTsEnc::decode(&message).map(|decoded| decoded.pausec.unwrap().get())
    };
    for contents in [&b"\x05"[..], b"\0\x05", b"\0\0\0\x05"] {
        assert_eq!(with(contents), Ok(5));
    }
    assert_eq!(with(b"\0\x0f\x42\x3f"), Ok(999_999));
    for bad in [&b""[..], b"\xff", b"\0\x0f\x42\x40", b"\0\0\0\0\0\x05"] {
        assert!(with(bad).is_err(), "{bad:x?}");
    }
}

#[test]
fn a_ticket_keeps_its_octets() {
    // A version number with a sign, which we would write otherwise.
    let unsigned = [0xa1, 7, 2, 5, 0, 0x80, 2, 0, 1];
    let mut octets = ticket().as_bytes().to_vec();
    let at = octets.windows(9).position(|window| window == unsigned);
    octets.splice(at.unwrap()..at.unwrap() + 9, [0xa1, 6, 2, 4, 0x80, 2, 0, 1]);
    // One octet less in the four structures around it, whose lengths take two octets each.
    for header in 0..at.unwrap() - 2 {
        if matches!(octets[header..], [0x61 | 0x30 | 0xa3, 0x82, ..]) {
            octets[header + 3] -= 1;
        }
    }
    let reply = TgtReply::new(Ticket::decode(&octets).unwrap());
    let reply = TgtReply::decode(&reply.encode().unwrap()).unwrap();
    assert_eq!(reply.ticket.as_bytes(), octets);

    let message = request().encode().unwrap();
    let (kind, decoded) = KdcReq::decode(&message).unwrap();
    assert_eq!(kind, MessageType::Tgs);
    assert!(decoded.padata.is_none(), "absent rather than empty");
    let tickets = decoded.req_body.value().additional_tickets.clone().unwrap();
    assert_eq!(tickets[1].as_bytes(), ticket().as_bytes());
    assert_eq!(decoded.encode().unwrap(), message);
}

#[test]
fn refuses_a_message_of_another_type_or_version() {
    let message = error_message().encode().unwrap();
    let fields = [[0xa0, 3, 2, 1, 5], [0xa1, 3, 2, 1, 30]];
    for field in fields {
        let at = message.windows(5).position(|window| window == field);
        let mut changed = message.clone();
        changed[at.unwrap() + 4] ^= 1;
        let error = KrbError::decode(&changed).unwrap_err();
        assert_eq!(error.structure, "KRB-ERROR");
    }
    assert!(KdcRep::decode(MessageType::As, &message).is_err());
    assert!(ApReq::decode(&message).is_err());
}

#[test]
fn refuses_trailing_octets_and_every_truncation() {
    let mut message = request().encode().unwrap();
    for end in 0..message.len() {
        assert!(KdcReq::decode(&message[..end]).is_err(), "{end}");
    }
    message.push(0);
    let error = KdcReq::decode(&message).unwrap_err();
    assert_eq!(error.kind, InvalidMessageKind::TrailingData);
    assert_eq!(error.offset, message.len() - 1);
}

#[test]
fn refuses_lengths_that_are_not_the_shortest() {
    // rasn alone would take it.
    let message = [0x30, 0x81, 4, 0xa0, 2, 4, 0];
    let error = MethodData::decode(&message).unwrap_err();
    assert_eq!(error.kind, InvalidMessageKind::BadEncoding);
    let nested = [0x30, 6, 0x30, 0x81, 3, 2, 1, 0];
    let error = MethodData::decode(&nested).unwrap_err();
    assert_eq!(
        (error.kind, error.offset),
        (InvalidMessageKind::BadEncoding, 2)
    );
}

#[test]
fn refuses_messages_beyond_the_limits() {
    let long = vec![0; MAX_LEN + 1];
    let error = MethodData::decode(&long).unwrap_err();
    assert_eq!(error.kind, InvalidMessageKind::TooLarge);
    let many = MethodData(vec![PaData::new(2, vec![]); 100_000]);
    assert!(encode(&many, "METHOD-DATA").is_err());

    let mut deep = vec![0x30, 0];
    for _ in 0..40 {
        let length = u8::try_from(deep.len()).unwrap();
        deep.splice(0..0, [0x30, length]);
    }
    let error = MethodData::decode(&deep).unwrap_err();
    assert_eq!(error.kind, InvalidMessageKind::BadEncoding);
}

#[test]
fn debug_shows_neither_keys_nor_ciphertexts() {
    let key = EncryptionKey::random(EncryptionType::Aes128Sha1, &SystemRandom::default()).unwrap();
    let shown = format!("{:?} {:?}", KeyValue::from(&key), ticket());
    assert!(
        shown.contains("Secret(..)") && shown.contains("300 octets"),
        "{shown}"
    );
    assert!(!shown.contains(&format!("{:?}", key.expose())));
}

#[test]
fn a_token_keeps_its_message_in_its_framing() {
    let request = TgtRequest::default().encode().unwrap();
    let mut token = Vec::new();
    InitialToken::new(Oid::KERBEROS_USER_TO_USER, TokenId::TgtRequest, &request).encode(&mut token);
    assert_eq!(&token[..2], [0x60, u8::try_from(token.len()).unwrap() - 2]);
    let decoded = InitialToken::decode(&token).unwrap();
    assert_eq!(decoded.id, TokenId::TgtRequest);
    assert_eq!(decoded.oid, Oid::KERBEROS_USER_TO_USER);
    assert_eq!(
        TgtRequest::decode(decoded.message),
        Ok(TgtRequest::default())
    );

    for end in 0..token.len() {
        assert!(InitialToken::decode(&token[..end]).is_err(), "{end}");
    }
    let mut other = Vec::new();
    InitialToken::new(Oid::MS_KERBEROS, TokenId::ApReq, &request).encode(&mut other);
    assert!(
        InitialToken::decode(&other).is_err(),
        "only SPNEGO knows it"
    );
    let mut unknown = token.clone();
    let id = token.len() - request.len() - 1;
    unknown[id] = 9;
    assert!(InitialToken::decode(&unknown).is_err());
}

proptest! {
    #[test]
    fn changed_octets_are_refused_or_read_as_something_else(
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let mut message = request().encode().unwrap();
        let at = at.index(message.len());
        message[at] = to;
        if let Ok((_, decoded)) = KdcReq::decode(&message) {
            prop_assert!(!decoded.req_body.as_bytes().is_empty());
        }
        let mut message = error_message().encode().unwrap();
        let at = at % message.len();
        message[at] = to;
        let _ = KrbError::decode(&message);
    }

    #[test]
    fn times_come_back(seconds in 0..253_402_300_800_u64) {
        let inner = PaEncTsEnc {
            patimestamp: KerberosTime::from_unix(seconds),
            pausec: None,
        };
        prop_assert_eq!(PaEncTsEnc::decode(&inner.encode().unwrap()), Ok(inner));
    }
}
