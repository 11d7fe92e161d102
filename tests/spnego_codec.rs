//! SPNEGO's tokens against printed and derived vectors, and against malformed ones.

#![allow(clippy::indexing_slicing, clippy::unwrap_used)] // in what the tests share

use credssp::error::InvalidMessageKind;
use credssp::mechanism::Oid;
use credssp::spnego::{
    MechType, MechTypeList, NegState, NegTokenInit, NegTokenResp, NegotiationToken, TokenKind,
};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// MS-SPNG, section 4: a server's list with NEGOEX.
const INIT2: &str = "6082015d06062b0601050502a08201513082014da01a3018060a2b06010401823702021e060a2b06010401823702\
    020aa28201010481fe4e45474f4558545301000000000000006000000070000000cffa11765e12599a347d766852bfce7097458710bb8242\
    b4c7dfbad2da897aa311a7d868463430952562dc13c554f2010000000000000000600000000100000000000000000000005c33530deaf90d\
    4db2ec4ae3786ec3084e45474f455854530300000001000000400000008e000000cffa11765e12599a347d766852bfce705c33530deaf90d\
    4db2ec4ae3786ec308400000004e000000304ca04a3048302a80283026312430220603550403131b584d4c50726f766964657220496e7465\
    726d656469617465204341301a80183016311430120603550403130b584d4c50726f7669646572a32a3028a0261b246e6f745f646566696e\
    65645f696e5f5246433431373840706c656173655f69676e6f7265";
/// An NTLM NEGOTIATE_MESSAGE below SPNEGO.
const INIT_NTLM: &str = "604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa22a04284e544c4d53535000010000\
    00b78208e2000000000000000000000000000000000601b11d0000000f";

#[test]
fn reads_and_writes_a_servers_list() {
    let bytes = hex(INIT2);
    let init = NegTokenInit::decode(&bytes).unwrap();
    let mechs: Vec<_> = init.mech_types.iter().collect();
    assert_eq!(
        mechs,
        [MechType::from(Oid::NEGOEX), MechType::from(Oid::NTLMSSP)]
    );
    assert!(init.mech_token.unwrap().starts_with(b"NEGOEXTS"));
    let hints = init.neg_hints.unwrap();
    assert_eq!(
        hints.hint_name,
        Some(&b"not_defined_in_RFC4178@please_ignore"[..])
    );
    assert_eq!(hints.hint_address, None);
    assert_eq!(init.mech_list_mic, None);
    assert_eq!(init.encode(), bytes);
}

#[test]
fn reads_and_writes_an_optimistic_ntlm_token() {
    let bytes = hex(INIT_NTLM);
    let Ok(NegotiationToken::Init(init)) = NegotiationToken::decode(&bytes) else {
        panic!("not an init");
    };
    assert_eq!(
        init.mech_types.as_der(),
        hex("300c060a2b06010401823702020a")
    );
    assert_eq!(init.mech_token.map(<[u8]>::len), Some(40));
    assert_eq!(init.encode(), bytes);
    // Without the InitialContextToken around it.
    assert_eq!(NegTokenInit::decode(&bytes[10..]), Ok(init));
}

#[test]
fn reads_and_writes_responses() {
    let mic1 = hex("0100000002f81117bb3953f700000000");
    let mic2 = hex("01000000a7a9da7e0ff3680100000000");
    let mut resp = [NegTokenResp::default(); 5];
    resp[0].neg_state = Some(NegState::AcceptIncomplete);
    resp[0].supported_mech = Some(Oid::NTLMSSP.into());
    resp[0].response_token = Some(b"\xaa\xbb");
    resp[1].neg_state = Some(NegState::RequestMic);
    resp[1].supported_mech = Some(Oid::MS_KERBEROS.into());
    resp[2].response_token = Some(b"\xaa\xbb");
    resp[2].mech_list_mic = Some(&mic1);
    resp[3].neg_state = Some(NegState::AcceptCompleted);
    resp[3].mech_list_mic = Some(&mic2);
    resp[4].neg_state = Some(NegState::Reject);
    for (resp, vector) in resp.into_iter().zip([
        "a11b3019a0030a0101a10c060a2b06010401823702020aa2040402aabb",
        "a1143012a0030a0103a10b06092a864882f712010202",
        "a11c301aa2040402aabba31204100100000002f81117bb3953f700000000",
        "a11b3019a0030a0100a312041001000000a7a9da7e0ff3680100000000",
        "a1073005a0030a0102",
    ]) {
        let bytes = hex(vector);
        assert_eq!(NegTokenResp::decode(&bytes), Ok(resp), "{vector}");
        assert_eq!(
            NegotiationToken::decode(&bytes),
            Ok(NegotiationToken::Resp(resp))
        );
        assert_eq!(resp.encode(), bytes, "{vector}");
    }
}

#[test]
fn writes_lists_of_mechanisms() {
    for (oids, vector) in [
        (&[Oid::NTLMSSP][..], "300c060a2b06010401823702020a"),
        (
            &[Oid::KERBEROS, Oid::NTLMSSP],
            "301706092a864886f712010202060a2b06010401823702020a",
        ),
        (
            &[Oid::MS_KERBEROS, Oid::KERBEROS, Oid::NTLMSSP],
            "302206092a864882f71201020206092a864886f712010202060a2b06010401823702020a",
        ),
    ] {
        let der = MechTypeList::encode(oids.iter().copied());
        assert_eq!(der, hex(vector));
        let list = MechTypeList::decode(&der).unwrap();
        assert_eq!(list.as_der(), der);
        assert_eq!(list.iter().count(), oids.len());
        assert!(list.iter().zip(oids).all(|(mech, oid)| mech == *oid));
    }
}

#[test]
fn shows_object_identifiers_with_dots() {
    for (oid, text) in [
        (Oid::SPNEGO, "1.3.6.1.5.5.2"),
        (Oid::KERBEROS, "1.2.840.113554.1.2.2"),
        (Oid::MS_KERBEROS, "1.2.840.48018.1.2.2"),
        (Oid::KERBEROS_USER_TO_USER, "1.2.840.113554.1.2.2.3"),
        (Oid::NTLMSSP, "1.3.6.1.4.1.311.2.2.10"),
        (Oid::NEGOEX, "1.3.6.1.4.1.311.2.2.30"),
        (Oid::from_contents(b"\x88\x37\x03"), "2.999.3"),
    ] {
        assert_eq!(MechType::from(oid).to_string(), text);
    }
}

#[test]
fn debug_shows_no_octets_of_tokens() {
    let bytes = hex(INIT_NTLM);
    let shown = format!("{:?}", NegTokenInit::decode(&bytes).unwrap());
    assert!(
        shown.contains("1.3.6.1.4.1.311.2.2.10") && shown.contains("40 octets"),
        "{shown}"
    );
    assert!(!shown.contains("78, 84"), "{shown}");
    let shown = format!(
        "{:?}",
        NegTokenResp::decode(&hex("a1083006a2040402aabb")).unwrap()
    );
    assert!(
        shown.contains("2 octets") && !shown.contains("170"),
        "{shown}"
    );
}

#[test]
fn refuses_every_truncation_and_every_trailing_octet() {
    for vector in [
        INIT2,
        INIT_NTLM,
        "a11b3019a0030a0101a10c060a2b06010401823702020aa2040402aabb",
    ] {
        let mut bytes = hex(vector);
        for len in 0..bytes.len() {
            assert!(
                NegotiationToken::decode(&bytes[..len]).is_err(),
                "{len} of {vector}"
            );
        }
        bytes.push(0);
        assert!(NegotiationToken::decode(&bytes).is_err(), "{vector}");
    }
}

#[test]
fn refuses_what_is_not_the_structure() {
    use InvalidMessageKind::{BadEncoding, BadValue, MissingField, TrailingData, Truncated};
    for (bytes, kind) in [
        // An empty token, and one of another type.
        ("", MissingField),
        ("3000", BadEncoding),
        // Another mechanism than SPNEGO in the InitialContextToken.
        ("600d06092a864886f712010202a000", BadValue),
        // A NegTokenResp in it.
        ("600f06062b0601050502a1053003a0010a", BadEncoding),
        // No mechTypes.
        ("a0023000", MissingField),
        ("a0063004a2020400", BadEncoding),
        // mechTypes twice.
        ("a00a3008a0023000a0023000", TrailingData),
        // A type that is no OBJECT IDENTIFIER; one that ends early; one that is empty.
        ("a0083006a00430020400", BadEncoding),
        ("a00a3008a006300406022a86", BadEncoding),
        ("a0083006a00430020600", BadEncoding),
        // A mechListMIC in [3] and in [4].
        ("a00e300ca0023000a3020400a4020400", TrailingData),
        // A second value in [3].
        ("a00c300aa0023000a30404000400", TrailingData),
        // Fields out of order.
        ("a00e300ca0023000a3020400a2020400", TrailingData),
        // reqFlags whose unused bits are set.
        ("a00c300aa0023000a10403020701", BadEncoding),
        // negState 4, of two octets, negative, and empty.
        ("a1073005a0030a0104", BadValue),
        ("a1083006a0040a020001", BadEncoding),
        ("a1073005a0030a01ff", BadValue),
        ("a1063004a0020a00", BadEncoding),
        // Lengths that lie: beyond the message, beyond the structure around them, not shortest, indefinite.
        ("a1847fffffff00", Truncated),
        ("a1063004a2820400", Truncated),
        ("a181063004a2020400", BadEncoding),
        ("a1803080a20204000000", BadEncoding),
    ] {
        let error = NegotiationToken::decode(&hex(bytes)).unwrap_err();
        assert_eq!(error.kind, kind, "{bytes}: {error}");
    }
}

#[test]
fn bounds_the_list_of_mechanisms() {
    let most = MechTypeList::encode([Oid::NTLMSSP; MechTypeList::MAX_LEN]);
    assert_eq!(MechTypeList::decode(&most).unwrap().iter().count(), 32);
    let more = MechTypeList::encode([Oid::NTLMSSP; MechTypeList::MAX_LEN + 1]);
    let error = MechTypeList::decode(&more).unwrap_err();
    assert_eq!(error.kind, InvalidMessageKind::TooLarge);
}

#[test]
fn deep_nesting_is_refused_at_the_first_level_too_many() {
    let mut bytes = Vec::new();
    for _ in 0..10_000 {
        let mut outer = vec![0xa1, 0x83];
        let length = u32::try_from(bytes.len()).unwrap().max(0x1_0000);
        outer.extend_from_slice(&length.to_be_bytes()[1..]);
        bytes.splice(0..0, outer);
    }
    assert!(NegotiationToken::decode(&bytes).unwrap_err().offset < 16);
}

#[test]
fn tells_kinds_of_tokens_apart() {
    for (token, kind) in [
        (&b"NTLMSSP\0\x01"[..], Some(TokenKind::Ntlm)),
        (b"NTLMSSQ\0\x01", None),
        (b"NTLMSSP", None),
        (b"", None),
        (b"\x60", None),
        (
            b"\x60\x48\x06\x06\x2b\x06\x01\x05\x05\x02\xa0",
            Some(TokenKind::Spnego),
        ),
        (
            b"\x60\x82\x12\x34\x06\x06\x2b\x06\x01\x05\x05\x02",
            Some(TokenKind::Spnego),
        ),
        (b"\x60\x48\x04\x06\x2b\x06\x01\x05\x05\x02\xa0", None),
        (b"\x60\x48\x06\x06\x2b\x06\x01\x05\x05\x03\xa0", None),
        (b"\x60\x48\x06\x06\x2b\x06\x01", None),
        (b"\xa0\x10", Some(TokenKind::Spnego)),
        (b"\xa1\x10", Some(TokenKind::Spnego)),
        (
            b"\x60\x48\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00",
            Some(TokenKind::Kerberos),
        ),
        (
            b"\x60\x48\x06\x09\x2a\x86\x48\x82\xf7\x12\x01\x02\x02\x01\x00",
            Some(TokenKind::Kerberos),
        ),
        (
            b"\x60\x48\x06\x0a\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x03\x01\x00",
            Some(TokenKind::Kerberos),
        ),
        (b"\x6e\x82\x01\x00\x30", Some(TokenKind::Kerberos)),
        (b"\x30\x10", None),
    ] {
        assert_eq!(TokenKind::of(token), kind, "{token:02x?}");
    }
}
