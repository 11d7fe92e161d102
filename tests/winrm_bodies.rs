//! WinRM's sealed bodies, whole and damaged.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod http;
mod pair;

use bytes::BytesMut;
use credssp::error::{ApiMisuse, Error, InvalidMessage, InvalidMessageKind, WinRmError};
use credssp::tls::TlsVersions;
use credssp::winrm::{MAX_PART_LEN, OriginalType, Session};
use proptest::prelude::*;

use http::{VERSIONS, open, seal, sessions};

const SINGLE: &str = "multipart/encrypted;protocol=\"application/HTTP-CredSSP-session-encrypted\";\
                      boundary=\"Encrypted Boundary\"";
const MULTIPLE: &str = "multipart/x-multi-encrypted;protocol=\"application/HTTP-CredSSP-session-encrypted\";\
     boundary=\"Encrypted Boundary\"";

/// A part before its trailer's length, as the specification has it and as peers write it.
fn head(length: &str) -> Vec<u8> {
    format!(
        "--Encrypted Boundary\r\n\
         \tContent-Type: application/HTTP-CredSSP-session-encrypted\r\n\
         \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n\
         --Encrypted Boundary\r\n\
         \tContent-Type: application/octet-stream\r\n"
    )
    .into_bytes()
}

const END: &[u8] = b"--Encrypted Boundary--\r\n";

fn sequence(length: usize) -> Vec<u8> {
    (0..length).map(|at| at.to_le_bytes()[0]).collect()
}

/// A record that seals this, without anything around it.
fn record(session: &mut Session, plaintext: &[u8]) -> Vec<u8> {
    let (_, sealed) = seal(session, plaintext);
    let head = head(&plaintext.len().to_string());
    assert!(sealed.starts_with(&head));
    sealed[head.len() + 4..sealed.len() - END.len()].to_vec()
}

fn invalid(result: Result<BytesMut, Error>) -> InvalidMessage {
    match result {
        Err(Error::InvalidMessage(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn is_closed(session: &mut Session) -> bool {
    let closed = |error| matches!(error, Error::WinRm(WinRmError::SessionClosed));
    let mut out = BytesMut::new();
    let sealed = session.seal(&OriginalType::SOAP_UTF_8, b"x", &mut out);
    !session.is_open()
        && closed(sealed.unwrap_err())
        && closed(open(session, SINGLE, END).unwrap_err())
        && out.is_empty()
}

/// The bytes that Windows and its peers send for an Identify of 198 octets, but for what TLS makes of it.
#[test]
fn a_body_has_the_very_form_that_peers_send() {
    for (versions, trailer, record_length) in
        [(TlsVersions::Tls12, 16, 227), (TlsVersions::Tls13, 17, 220)]
    {
        let (mut client, mut server) = sessions(versions);
        let body = sequence(198);
        let (content_type, sealed) = seal(&mut client, &body);
        assert_eq!(content_type, SINGLE);
        let head = head("198");
        assert_eq!(sealed[..head.len()], head);
        assert_eq!(sealed[head.len()..head.len() + 4], [trailer, 0, 0, 0]);
        let record = &sealed[head.len() + 4..sealed.len() - END.len()];
        assert_eq!(record.len(), record_length, "{versions:?}");
        assert_eq!(record[..3], [23, 3, 3]);
        assert_eq!(
            usize::from(u16::from_be_bytes([record[3], record[4]])),
            record_length - 5
        );
        assert!(sealed.ends_with(END));
        assert_eq!(open(&mut server, content_type, &sealed).unwrap()[..], body);
    }
}

#[test]
fn long_bodies_are_cut_into_parts_of_16_kib() {
    for versions in VERSIONS {
        let (mut client, mut server) = sessions(versions);
        for (length, expected) in [
            (1, &["1"][..]),
            (16_384, &["16384"]),
            (16_385, &["16384", "1"]),
            (32_768, &["16384", "16384"]),
            (40_208, &["16384", "16384", "7440"]),
        ] {
            let body = sequence(length);
            let (content_type, sealed) = seal(&mut client, &body);
            assert_eq!(
                content_type,
                if expected.len() == 1 {
                    SINGLE
                } else {
                    MULTIPLE
                }
            );
            let text = String::from_utf8_lossy(&sealed);
            let lengths: Vec<_> = text
                .split("Length=")
                .skip(1)
                .map(|rest| rest.split('\r').next().unwrap())
                .collect();
            assert_eq!(lengths, expected);
            assert_eq!(open(&mut server, content_type, &sealed).unwrap()[..], body);
        }
        // The body of the published size: parts begin at these places.
        let (_, sealed) = seal(&mut client, &sequence(40_208));
        if versions == TlsVersions::Tls12 {
            for at in [0, 16_633, 33_266] {
                assert!(
                    sealed[at..]
                        .starts_with(b"--Encrypted Boundary\r\n\tContent-Type: application/HTTP")
                );
            }
            assert_eq!(sealed.len(), 40_978);
        }
    }
}

#[test]
fn both_ends_seal_and_open_in_turn() {
    for versions in VERSIONS {
        let (mut client, mut server) = sessions(versions);
        for round in 0..20_usize {
            let body = sequence(round * 1777 + 1);
            let (content_type, sealed) = seal(&mut client, &body);
            assert_eq!(open(&mut server, content_type, &sealed).unwrap()[..], body);
            let (content_type, sealed) = seal(&mut server, &body);
            assert_eq!(open(&mut client, content_type, &sealed).unwrap()[..], body);
        }
    }
}

#[test]
fn the_original_type_is_kept() {
    let (mut client, mut server) = sessions(TlsVersions::Tls12);
    for original in [
        OriginalType::SOAP_UTF_8,
        OriginalType::SOAP_UTF_16,
        "text/xml; charset=\"utf-16\"".parse().unwrap(),
    ] {
        let (mut sealed, mut out) = (BytesMut::new(), BytesMut::new());
        let content_type = client.seal(&original, b"\xff\xfex\0", &mut sealed).unwrap();
        let opened = server
            .open(content_type.as_bytes(), &sealed, 4, &mut out)
            .unwrap();
        assert_eq!(opened.charset(), original.charset());
        assert_eq!(&out[..], b"\xff\xfex\0");
    }
}

/// One octet, and one part, after the other; what is given out is bounded by what is put in.
#[test]
fn bodies_of_many_mebibytes_pass_through_a_window_of_one_part() {
    const PIECE: usize = 50_000;
    const PIECES: usize = 120;
    for versions in VERSIONS {
        let (mut client, mut server) = sessions(versions);
        let piece = sequence(PIECE);
        let total = u64::try_from(PIECE * PIECES).unwrap();
        let mut sealer = client.sealer(OriginalType::SOAP_UTF_8, total).unwrap();
        assert_eq!(sealer.content_type(), MULTIPLE);
        let mut opener = server.opener(MULTIPLE.as_bytes(), total).unwrap();
        assert_eq!(opener.original_type(), None);
        let (mut opened, mut given) = (BytesMut::new(), 0_usize);
        for round in 0..PIECES {
            let mut sealed = BytesMut::new();
            sealer.seal(&piece, &mut sealed).unwrap();
            assert!(sealed.len() < PIECE + MAX_PART_LEN + 4096);
            opener.open(&sealed, &mut opened).unwrap();
            for octet in opened.split() {
                assert_eq!(octet, piece[given % PIECE]);
                given += 1;
            }
            assert!(given + MAX_PART_LEN > (round + 1) * PIECE);
        }
        let mut sealed = BytesMut::new();
        assert_eq!(sealer.finish(&mut sealed).unwrap(), MULTIPLE);
        opener.open(&sealed, &mut opened).unwrap();
        assert_eq!(opener.finish().unwrap(), OriginalType::SOAP_UTF_8);
        assert_eq!(given, PIECE * PIECES);
        assert!(client.is_open() && server.is_open());
    }
}

#[test]
fn pieces_of_any_length_seal_to_the_same_parts() {
    let body = sequence(40_000);
    for piece in [1, 1000, 16_383, 16_384, 16_385, 40_000] {
        let (mut client, mut server) = sessions(TlsVersions::Tls12);
        let mut sealed = BytesMut::new();
        let mut sealer = client.sealer(OriginalType::SOAP_UTF_8, 40_000).unwrap();
        for piece in body.chunks(piece) {
            sealer.seal(piece, &mut sealed).unwrap();
        }
        sealer.finish(&mut sealed).unwrap();
        let (_, whole) = seal(&mut client, &body);
        assert_eq!(sealed.len(), whole.len());
        assert_eq!(open(&mut server, MULTIPLE, &sealed).unwrap()[..], body);
        assert_eq!(open(&mut server, MULTIPLE, &whole).unwrap()[..], body);
    }
}

#[test]
fn a_body_may_be_cut_anywhere_on_its_way() {
    for versions in VERSIONS {
        let (mut client, mut server) = sessions(versions);
        for cut in [1, 2, 3, 5, 7, 64, 1000, 16_385] {
            let body = sequence(17_000);
            let (content_type, sealed) = seal(&mut client, &body);
            let mut out = BytesMut::new();
            let mut opener = server.opener(content_type.as_bytes(), 17_000).unwrap();
            for piece in sealed.chunks(cut) {
                opener.open(piece, &mut out).unwrap();
            }
            opener.finish().unwrap();
            assert_eq!(out[..], body, "{cut}");
        }
    }
}

/// What peers write around the records differs.
#[test]
fn takes_the_forms_that_peers_write() {
    for versions in VERSIONS {
        let (mut client, mut server) = sessions(versions);
        let head = String::from_utf8(head("4")).unwrap();
        for head in [
            head.clone(),
            head.replace("--Encrypted", "-- Encrypted"),
            head.replace("type=", ""),
            head.replace('\t', ""),
            head.replace('\t', "    "),
            head.replace("\r\n", "\n"),
            head.to_lowercase()
                .replace("--encrypted boundary", "--Encrypted Boundary"),
            head.replace("\tOriginal", "\tX-Other: y\r\n\tOriginal"),
        ] {
            for (trailer, end) in [
                (16_u32, "--Encrypted Boundary--\r\n"),
                (7, "-- Encrypted Boundary--\r\n"),
                (0, "\r\n--Encrypted Boundary--"),
                (u32::MAX, "--Encrypted Boundary--\r\n\r\n"),
            ] {
                let record = record(&mut client, b"ping");
                let body = [
                    head.as_bytes(),
                    &trailer.to_le_bytes(),
                    &record,
                    end.as_bytes(),
                ]
                .concat();
                assert_eq!(
                    &open(&mut server, SINGLE, &body).unwrap()[..],
                    b"ping",
                    "{head}{end}"
                );
            }
        }
    }
}

/// One part in several records; parts that are shorter than need be.
#[test]
fn takes_parts_and_records_of_any_length() {
    let (mut client, mut server) = sessions(TlsVersions::Tls12);
    let records = [
        record(&mut client, b"pi"),
        record(&mut client, b"n"),
        record(&mut client, b"g"),
    ];
    let body = [&head("4")[..], &[16, 0, 0, 0], &records.concat(), END].concat();
    assert_eq!(&open(&mut server, SINGLE, &body).unwrap()[..], b"ping");

    let mut body = Vec::new();
    for piece in [&b"pi"[..], b"n", b"g"] {
        body.extend(head(&piece.len().to_string()));
        body.extend([16, 0, 0, 0]);
        body.extend(record(&mut client, piece));
    }
    body.extend(END);
    assert_eq!(&open(&mut server, MULTIPLE, &body).unwrap()[..], b"ping");
}

/// The records are walked by their lengths: whatever stands in one is no boundary. Of so many ciphertexts, some hold the
/// beginning of one, and the body of this test holds all of it.
#[test]
fn a_boundary_within_a_record_is_none() {
    for boundary in ["0", "1", "a"] {
        let content_type = SINGLE.replace("Encrypted Boundary", boundary);
        let (mut client, mut server) = sessions(TlsVersions::Tls12);
        let mut held = 0;
        for _ in 0..64 {
            let plaintext = sequence(16_384);
            let record = record(&mut client, &plaintext);
            let needle = ["--", boundary].concat();
            held += record
                .windows(3)
                .filter(|window| *window == needle.as_bytes())
                .count();
            let head = String::from_utf8(head("16384")).unwrap();
            let body = [
                head.replace("Encrypted Boundary", boundary).as_bytes(),
                &[16, 0, 0, 0],
                &record,
                format!("--{boundary}--\r\n").as_bytes(),
            ]
            .concat();
            assert_eq!(
                open(&mut server, &content_type, &body).unwrap()[..],
                plaintext
            );
        }
        // 64 times 16 KiB, and one window in 2^24 holds it: it need not be there.
        assert!(held < 64);
    }
}

#[test]
fn no_truncated_body_opens() {
    let (mut client, _) = sessions(TlsVersions::Tls12);
    let (_, sealed) = seal(&mut client, b"ping");
    for length in 0..sealed.len() {
        // The end of the last line may be missing.
        if length >= sealed.len() - 2 {
            continue;
        }
        let (mut client, mut server) = sessions(TlsVersions::Tls12);
        let (content_type, sealed) = seal(&mut client, b"ping");
        let error = invalid(open(&mut server, content_type, &sealed[..length]));
        let cut = matches!(
            error.kind,
            InvalidMessageKind::Truncated | InvalidMessageKind::BadEncoding
        );
        assert!(cut, "{length}: {error:?}");
        assert!(is_closed(&mut server));
    }
}

/// Each way to lie about the parts, and the field that is named.
#[test]
fn lies_about_the_parts_are_named() {
    use InvalidMessageKind as Kind;
    let good = String::from_utf8(head("4")).unwrap();
    let cases: &[(&str, &str, &str, Kind)] = &[
        (
            "--Encrypted Boundary\r\n\tContent-Type: application/HTTP",
            "--Other Boundary\r\n\tContent-Type: application/HTTP",
            "multipart body",
            Kind::BadEncoding,
        ),
        (
            "--Encrypted Boundary\r\n\tContent-Type: application/HTTP",
            "--Encrypted Boundary--\r\n\tContent-Type: application/HTTP",
            "multipart body",
            Kind::BadEncoding,
        ),
        (
            "HTTP-CredSSP",
            "HTTP-SPNEGO",
            "Content-Type",
            Kind::BadValue,
        ),
        (
            "\tContent-Type: application/HTTP-CredSSP-session-encrypted\r\n",
            "",
            "Content-Type",
            Kind::MissingField,
        ),
        (
            "\tOriginal",
            "\tX-Original",
            "OriginalContent",
            Kind::MissingField,
        ),
        (";Length=4", "", "OriginalContent", Kind::MissingField),
        ("Length=4", "Length=-4", "OriginalContent", Kind::BadValue),
        (
            "Length=4",
            "Length=4;Length=4",
            "OriginalContent",
            Kind::BadValue,
        ),
        ("Length=4", "Length=0", "OriginalContent", Kind::BadValue),
        (
            "Length=4",
            "Length=3",
            "OriginalContent.Length",
            Kind::BadValue,
        ),
        (
            "Length=4",
            "Length=5",
            "OriginalContent.Length",
            Kind::BadValue,
        ),
        (
            "Length=4",
            "Length=2147483648",
            "OriginalContent.Length",
            Kind::TooLarge,
        ),
        ("octet-stream", "json", "Content-Type", Kind::BadValue),
        (
            "\tOriginal",
            "\tContent-Type: application/HTTP-CredSSP-session-encrypted\r\n\tOriginal",
            "Content-Type",
            Kind::BadValue,
        ),
        (
            "\tOriginal",
            "\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=1\r\n\tOriginal",
            "OriginalContent",
            Kind::BadValue,
        ),
        (
            "\tContent-Type: application/octet-stream\r\n",
            "",
            "OriginalContent.Length",
            Kind::BadValue,
        ),
        ("type=", &"x".repeat(1024), "multipart body", Kind::TooLarge),
        (
            "\tOriginal",
            "\tX: y\r\n\tX: y\r\n\tX: y\r\n\tX: y\r\n\tX: y\r\n\tX: y\r\n\tX: y\r\n\tX: y\r\n\tOriginal",
            "multipart body",
            Kind::BadEncoding,
        ),
        (
            "\tOriginal",
            "no header\r\n\tOriginal",
            "multipart body",
            Kind::BadEncoding,
        ),
    ];
    for (from, to, structure, kind) in cases {
        let (mut client, mut server) = sessions(TlsVersions::Tls12);
        let record = record(&mut client, b"ping");
        let head = good.replacen(from, to, 1);
        assert_ne!(head, good, "{from}");
        let body = [head.as_bytes(), &[16, 0, 0, 0], &record, END].concat();
        let error = invalid(open(&mut server, SINGLE, &body));
        // Without its headers, a part begins at another place.
        if !from.contains("octet-stream\r\n") {
            assert_eq!(
                (error.structure, error.kind),
                (*structure, *kind),
                "{from} -> {to}"
            );
        }
        assert!(is_closed(&mut server), "{from}");
    }
}

#[test]
fn what_stands_behind_the_parts_is_refused() {
    for (tail, kind) in [
        (
            &b"--Encrypted Boundary--\r\nmore\r\n"[..],
            InvalidMessageKind::TrailingData,
        ),
        (
            b"--Encrypted Boundary--\r\n--Encrypted Boundary\r\n",
            InvalidMessageKind::TrailingData,
        ),
        (
            b"more\r\n--Encrypted Boundary--\r\n",
            InvalidMessageKind::BadEncoding,
        ),
        (b"--Encrypted Boundary\r\n", InvalidMessageKind::Truncated),
        (b"\r\n", InvalidMessageKind::Truncated),
        (b"", InvalidMessageKind::Truncated),
        (b"--Other--\r\n", InvalidMessageKind::BadEncoding),
    ] {
        let (mut client, mut server) = sessions(TlsVersions::Tls12);
        let record = record(&mut client, b"ping");
        let body = [&head("4")[..], &[16, 0, 0, 0], &record, tail].concat();
        assert_eq!(invalid(open(&mut server, SINGLE, &body)).kind, kind);
        assert!(is_closed(&mut server));
    }
}

/// Nothing is given out of a record that is longer than its part says.
#[test]
fn more_than_was_announced_is_not_given_out() {
    let (mut client, mut server) = sessions(TlsVersions::Tls12);
    let record = record(&mut client, b"ping");
    let body = [&head("3")[..], &[16, 0, 0, 0], &record, END].concat();
    let mut out = BytesMut::from(&b"before"[..]);
    assert!(server.open(SINGLE.as_bytes(), &body, 9, &mut out).is_err());
    assert_eq!(&out[..], b"before");
}

#[test]
fn all_parts_have_one_type() {
    let (mut client, mut server) = sessions(TlsVersions::Tls12);
    let records = [record(&mut client, b"pi"), record(&mut client, b"ng")];
    let second = String::from_utf8(head("2"))
        .unwrap()
        .replace("UTF-8", "UTF-16");
    let body = [
        &head("2")[..],
        &[16, 0, 0, 0],
        &records[0],
        second.as_bytes(),
        &[16, 0, 0, 0],
        &records[1],
        END,
    ]
    .concat();
    let error = invalid(open(&mut server, MULTIPLE, &body));
    assert_eq!(
        (error.structure, error.kind),
        ("OriginalContent", InvalidMessageKind::BadValue)
    );
}

#[test]
fn the_limit_holds_for_all_parts_together() {
    for (limit, fits) in [(39_999, false), (40_000, true)] {
        let (mut client, mut server) = sessions(TlsVersions::Tls12);
        let (content_type, sealed) = seal(&mut client, &sequence(40_000));
        let mut out = BytesMut::new();
        let opened = server.open(content_type.as_bytes(), &sealed, limit, &mut out);
        assert_eq!(opened.is_ok(), fits);
        assert!(fits || out.len() == 32_768);
    }
}

/// The parts cost what they bring; nothing is kept of them.
#[test]
fn a_million_parts_end_at_the_limit() {
    let (_, mut server) = sessions(TlsVersions::Tls12);
    let mut opener = server.opener(MULTIPLE.as_bytes(), 1 << 20).unwrap();
    let mut out = BytesMut::new();
    // Parts without a record cannot follow each other.
    let part = [&head("1")[..], &[16, 0, 0, 0]].concat();
    opener.open(&part, &mut out).unwrap();
    assert!(opener.open(&part, &mut out).is_err());

    let (mut client, mut server) = sessions(TlsVersions::Tls12);
    let mut opener = server.opener(MULTIPLE.as_bytes(), 1000).unwrap();
    let mut parts = 0;
    let error = loop {
        let record = record(&mut client, b"x");
        let part = [&head("1")[..], &[16, 0, 0, 0], &record].concat();
        match opener.open(&part, &mut out) {
            Ok(()) => parts += 1,
            Err(Error::InvalidMessage(error)) => break error,
            Err(error) => panic!("{error:?}"),
        }
    };
    assert_eq!(
        (parts, out.len(), error.kind),
        (1000, 1000, InvalidMessageKind::TooLarge)
    );
}

#[test]
fn records_of_another_session_do_not_open() {
    for versions in VERSIONS {
        let (mut foreign, _) = sessions(versions);
        let (_, mut server) = sessions(versions);
        let (content_type, sealed) = seal(&mut foreign, b"ping");
        let error = open(&mut server, content_type, &sealed).unwrap_err();
        assert!(matches!(error, Error::Tls(_)), "{error:?}");
        assert!(is_closed(&mut server));
    }
}

#[test]
fn records_replayed_reflected_left_out_or_swapped_do_not_open() {
    for versions in VERSIONS {
        for way in 0..4 {
            let (mut client, mut server) = sessions(versions);
            let (content_type, first) = seal(&mut client, b"first");
            let (_, second) = seal(&mut client, b"second");
            let result = match way {
                0 => {
                    open(&mut server, content_type, &first).unwrap();
                    open(&mut server, content_type, &first)
                }
                1 => open(&mut client, content_type, &first),
                2 => open(&mut server, content_type, &second),
                _ => {
                    let body = [&second[..second.len() - END.len()], &first].concat();
                    open(&mut server, content_type, &body)
                }
            };
            let error = result.unwrap_err();
            assert!(
                matches!(error, Error::Tls(_)),
                "{versions:?} {way}: {error:?}"
            );
        }
    }
}

#[test]
fn every_flipped_octet_of_a_record_is_found() {
    for versions in VERSIONS {
        let (mut client, _) = sessions(versions);
        let length = record(&mut client, b"ping").len();
        for at in 0..length {
            let (mut client, mut server) = sessions(versions);
            let mut record = record(&mut client, b"ping");
            record[at] ^= 1;
            let body = [&head("4")[..], &[16, 0, 0, 0], &record, END].concat();
            assert!(open(&mut server, SINGLE, &body).is_err(), "{at}");
            assert!(is_closed(&mut server), "{at}");
        }
    }
}

/// Handshakes and alerts have no place in a body.
#[test]
fn only_application_data_stands_in_a_body() {
    for record_type in [20, 21, 22, 24] {
        let (mut client, mut server) = sessions(TlsVersions::Tls12);
        let mut record = record(&mut client, b"ping");
        record[0] = record_type;
        let body = [&head("4")[..], &[16, 0, 0, 0], &record, END].concat();
        let error = invalid(open(&mut server, SINGLE, &body));
        assert_eq!(error.structure, "OriginalContent.Length");
    }
}

#[test]
fn a_body_that_is_not_sealed_closes_the_session() {
    for content_type in [
        "application/soap+xml;charset=UTF-8",
        "",
        "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";boundary=\"Encrypted Boundary\"",
    ] {
        let (_, mut server) = sessions(TlsVersions::Tls12);
        assert!(open(&mut server, content_type, b"<s:Envelope/>").is_err());
        assert!(is_closed(&mut server));
    }
}

#[test]
fn a_body_that_is_left_unfinished_closes_the_session() {
    let (mut client, mut server) = sessions(TlsVersions::Tls12);
    let mut out = BytesMut::new();
    drop(server.opener(SINGLE.as_bytes(), 10).unwrap());
    assert!(is_closed(&mut server));
    client
        .sealer(OriginalType::SOAP_UTF_8, 10)
        .unwrap()
        .seal(b"x", &mut out)
        .unwrap();
    assert!(is_closed(&mut client));
}

/// Whatever follows: no rest of a body makes up for what was wrong with it.
#[test]
fn an_error_within_a_body_is_the_end_of_it() {
    let (mut client, mut server) = sessions(TlsVersions::Tls12);
    let (_, sealed) = seal(&mut client, b"ping");
    let mut out = BytesMut::new();
    for finish in [false, true] {
        let (mut client, mut server) = sessions(TlsVersions::Tls12);
        let (_, sealed) = seal(&mut client, b"ping");
        let mut opener = server.opener(SINGLE.as_bytes(), 9).unwrap();
        opener.open(&sealed, &mut out).unwrap();
        opener.open(b"more\r\n", &mut out).unwrap_err();
        if !finish {
            let error = opener.open(b"\r\n", &mut out).unwrap_err();
            assert!(matches!(error, Error::WinRm(WinRmError::SessionClosed)));
        }
        let error = opener.finish().unwrap_err();
        assert!(matches!(error, Error::WinRm(WinRmError::SessionClosed)));
        assert!(is_closed(&mut server));
    }

    let mut sealer = client.sealer(OriginalType::SOAP_UTF_8, 4).unwrap();
    sealer.seal(b"ping", &mut out).unwrap();
    sealer.seal(b"more", &mut out).unwrap_err();
    let error = sealer.finish(&mut out).unwrap_err();
    assert!(matches!(error, Error::WinRm(WinRmError::SessionClosed)));
    assert!(is_closed(&mut client));
    assert!(open(&mut server, SINGLE, &sealed).is_ok());
}

#[test]
fn a_body_is_as_long_as_was_said() {
    let wrong = |result: Result<&'static str, Error>| {
        assert!(matches!(
            result,
            Err(Error::ApiMisuse(ApiMisuse::WrongBodyLength))
        ));
    };
    let mut out = BytesMut::new();
    let (mut client, _) = sessions(TlsVersions::Tls12);
    wrong(client.seal(&OriginalType::SOAP_UTF_8, b"", &mut out));
    assert!(client.is_open() && out.is_empty());

    let mut sealer = client.sealer(OriginalType::SOAP_UTF_8, 3).unwrap();
    sealer.seal(b"pi", &mut out).unwrap();
    wrong(sealer.finish(&mut out));
    assert!(is_closed(&mut client));

    let (mut client, _) = sessions(TlsVersions::Tls12);
    let mut sealer = client.sealer(OriginalType::SOAP_UTF_8, 3).unwrap();
    wrong(sealer.seal(b"ping", &mut out).map(|()| ""));
    let after = sealer.seal(b"p", &mut out).unwrap_err();
    assert!(matches!(after, Error::WinRm(WinRmError::SessionClosed)));
    assert!(sealer.finish(&mut out).is_err());
    assert!(is_closed(&mut client));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Any bytes in any place: an error or the body, never a panic, and never another body.
    #[test]
    fn damaged_bodies_open_to_nothing_else(
        tls13: bool,
        at in any::<prop::sample::Index>(),
        removed in 0_usize..8,
        inserted in prop::collection::vec(any::<u8>(), 0..8),
        cut in 1_usize..64,
    ) {
        let (mut client, mut server) = sessions(VERSIONS[usize::from(tls13)]);
        let (content_type, sealed) = seal(&mut client, b"ping");
        let mut damaged = sealed.to_vec();
        let at = at.index(damaged.len());
        let end = damaged.len().min(at + removed);
        damaged.splice(at..end, inserted);
        let mut out = BytesMut::new();
        let mut opener = server.opener(content_type.as_bytes(), 100).unwrap();
        let failed = damaged.chunks(cut).any(|piece| opener.open(piece, &mut out).is_err());
        let finished = opener.finish();
        prop_assert!(b"ping".starts_with(&out));
        if !failed && finished.is_ok() {
            prop_assert_eq!(&out[..], b"ping");
        }
    }
}
