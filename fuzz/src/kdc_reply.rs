//! What KDCs answer: messages of anybody's, and what a KDC that knows the client's key encrypts for it.

use std::sync::Arc;

use credssp::kerberos::asn1::{EncryptedData, KdcReq, PrincipalName};
use credssp::kerberos::crypto::{EncryptionKey, EncryptionType, KeyUsage};
use credssp::kerberos::initiator::{
    AsExchange, AsStep, ClientName, ClientSecret, IssuedTicket, TgsExchange, TgsRequest, TgsStep,
};

use super::der::{encryption_key, fields, name, number, tagged, text};
use super::live;

/// The first octet of the input says what the rest is.
const AS_MESSAGE: u8 = 0;
const AS_PART: u8 = 1;
const AS_ERROR: u8 = 2;
const TGS_MESSAGE: u8 = 3;
const TGS_PART: u8 = 4;

const TYPES: [EncryptionType; 1] = [EncryptionType::Aes128Sha1];

/// Gives an exchange the reply that the input says; whether the client got its ticket.
pub fn run(data: &[u8]) -> bool {
    let Some((kind, data)) = data.split_first() else {
        return false;
    };
    match *kind % 5 {
        AS_MESSAGE => after_as(data).is_some(),
        AS_PART => after_as(&as_reply(data)).is_some(),
        AS_ERROR => after_as(&error(data)).is_some(),
        TGS_MESSAGE => after_tgs(data),
        TGS_PART | 5.. => after_tgs(&tgs_reply(data)),
    }
}

/// An input of each kind; those with `true` get a ticket.
pub fn seeds() -> [(&'static str, bool, Vec<u8>); 5] {
    let with = |kind: u8, data: &[u8]| [&[kind], data].concat();
    let info = fields(&[(0, number(17)), (1, text("Rsalt"))]);
    let method = |kind, value: &[u8]| fields(&[(1, number(kind)), (2, tagged(4, value))]);
    let methods = [method(19, &tagged(0x30, &info)), method(2, &[])].concat();
    [
        (
            "as-message",
            true,
            with(AS_MESSAGE, &as_reply(&part(as_nonce(), "krbtgt", "R"))),
        ),
        (
            "as-part",
            true,
            with(AS_PART, &part(as_nonce(), "krbtgt", "R")),
        ),
        ("as-error", false, with(AS_ERROR, &tagged(0x30, &methods))),
        (
            "tgs-message",
            true,
            with(
                TGS_MESSAGE,
                &tgs_reply(&part(tgs_nonce(), "TERMSRV", "host")),
            ),
        ),
        (
            "tgs-part",
            true,
            with(TGS_PART, &part(tgs_nonce(), "TERMSRV", "host")),
        ),
    ]
}

fn key(octet: u8) -> EncryptionKey {
    EncryptionKey::new(TYPES[0], &[octet; 16]).expect("a key's length")
}

fn start() -> (Vec<u8>, Box<AsExchange>) {
    let client = ClientName::new("R", PrincipalName::new(1, &["alice"]));
    let secret = ClientSecret::Keys([key(1)].into());
    match AsExchange::start(client, secret, &TYPES, true, &live::environment(1)) {
        Ok(AsStep::NeedsKdc { request, next }) => (request.message, next),
        other => panic!("{other:?}"),
    }
}

/// The rest of the exchange gets the same reply again and again: it must come to an end.
fn after_as(reply: &[u8]) -> Option<IssuedTicket> {
    let (_, mut next) = start();
    for _ in 0..64 {
        match next.step(reply) {
            Ok(AsStep::NeedsKdc {
                request,
                next: then,
            }) => {
                KdcReq::decode(&request.message).expect("our own request");
                next = then;
            }
            Ok(AsStep::Complete(ticket)) => return Some(*ticket),
            Ok(_) => unreachable!("there is nothing else"),
            Err(error) => {
                let _ = error.to_string();
                return None;
            }
        }
    }
    panic!("an exchange without end");
}

fn start_tgs() -> (Vec<u8>, Box<TgsExchange>) {
    let tgt = after_as(&as_reply(&part(as_nonce(), "krbtgt", "R"))).expect("a good reply");
    let request = TgsRequest::new(PrincipalName::new(2, &["TERMSRV", "host"]));
    match TgsExchange::start(Arc::new(tgt), request, &live::environment(2)) {
        Ok(TgsStep::NeedsKdc { request, next }) => (request.message, next),
        other => panic!("{other:?}"),
    }
}

fn after_tgs(reply: &[u8]) -> bool {
    let (_, mut next) = start_tgs();
    for _ in 0..64 {
        match next.step(reply) {
            Ok(TgsStep::NeedsKdc {
                request,
                next: then,
            }) => {
                KdcReq::decode(&request.message).expect("our own request");
                next = then;
            }
            Ok(TgsStep::Complete(_)) => return true,
            Ok(_) => unreachable!("there is nothing else"),
            Err(error) => {
                let _ = error.to_string();
                return false;
            }
        }
    }
    panic!("an exchange without end");
}

fn nonce_of(request: &[u8]) -> u32 {
    let (_, request) = KdcReq::decode(request).expect("our own request");
    request.req_body.value().nonce.get()
}

fn as_nonce() -> u32 {
    nonce_of(&start().0)
}

fn tgs_nonce() -> u32 {
    nonce_of(&start_tgs().0)
}

/// EncKDCRepPart (RFC 4120, section 5.4.2).
fn part(nonce: u32, service: &str, instance: &str) -> Vec<u8> {
    // Our nonces are below 2³¹.
    let octets = nonce.to_be_bytes();
    let mut nonce = octets.as_slice();
    while let [0, rest @ ..] = nonce
        && rest.first().is_some_and(|octet| *octet < 0x80)
    {
        nonce = rest;
    }
    tagged(
        0x7a,
        &fields(&[
            (0, encryption_key(&[2; 16])),
            (1, tagged(0x30, &[])),
            (2, tagged(2, nonce)),
            (4, tagged(3, &[0, 0, 0, 0, 0])),
            (5, tagged(0x18, b"20231114221000Z")),
            (7, tagged(0x18, b"20231115221000Z")),
            (9, text("R")),
            (10, name(&[service, instance])),
        ]),
    )
}

fn as_reply(part: &[u8]) -> Vec<u8> {
    reply(0x6b, 11, &["krbtgt", "R"], &key(1), KeyUsage::AS_REP, part)
}

fn tgs_reply(part: &[u8]) -> Vec<u8> {
    let service = ["TERMSRV", "host"];
    reply(
        0x6d,
        13,
        &service,
        &key(2),
        KeyUsage::TGS_REP_SESSION_KEY,
        part,
    )
}

/// KDC-REP (RFC 4120, section 5.4.2).
fn reply(
    tag: u8,
    msg_type: u8,
    service: &[&str],
    key: &EncryptionKey,
    usage: KeyUsage,
    part: &[u8],
) -> Vec<u8> {
    let sealed = EncryptedData::seal(key, usage, part, &*live::environment(3).random)
        .map(|sealed| sealed.encode().expect("short enough"))
        .expect("random octets");
    let opaque = fields(&[(0, number(17)), (2, tagged(4, &[0; 48]))]);
    let ticket = fields(&[
        (0, number(5)),
        (1, text("R")),
        (2, name(service)),
        (3, opaque),
    ]);
    tagged(
        tag,
        &fields(&[
            (0, number(5)),
            (1, number(msg_type)),
            (3, text("R")),
            (4, name(&["alice"])),
            (5, tagged(0x61, &ticket)),
            (6, sealed),
        ]),
    )
}

/// KRB-ERROR (RFC 4120, section 5.9.1) that asks for pre-authentication.
fn error(methods: &[u8]) -> Vec<u8> {
    tagged(
        0x7e,
        &fields(&[
            (0, number(5)),
            (1, number(30)),
            (4, tagged(0x18, b"20231114221000Z")),
            (5, number(0)),
            (6, number(25)),
            (9, text("R")),
            (10, name(&["krbtgt", "R"])),
            (12, tagged(4, methods)),
        ]),
    )
}
