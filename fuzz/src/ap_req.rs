//! A server's side of Kerberos: tokens of anybody's, and what KDCs and clients encrypt for it.

use std::sync::Arc;

use credssp::gss::{Acceptor, AcceptorRequest, AcceptorStep, ChannelBindings};
use credssp::kerberos::acceptor::{KerberosAcceptor, ServiceCredentials};
use credssp::kerberos::asn1::EncryptedData;
use credssp::kerberos::crypto::{EncryptionKey, EncryptionType, KeyUsage};
use credssp::kerberos::keytab::Keytab;

use super::der::{encryption_key, fields, name, number, sequence, tagged, text};
use super::live;

const KEY: [u8; 16] = [1; 16];
const SESSION_KEY: [u8; 16] = [2; 16];

/// `TERMSRV/host@R` with [`KEY`], of the encryption type 17.
const KEYTAB: &[u8] =
    b"\x05\x02\0\0\0\x31\0\x02\0\x01R\0\x07TERMSRV\0\x04host\0\0\0\x01\0\0\0\0\x03\0\x11\0\x10\
    \x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01";

/// What is to be parsed, after the first octet of the input, which says so.
const TOKEN: u8 = 0;
const TICKET: u8 = 1;
const AUTHENTICATOR: u8 = 2;
const CHECKSUM: u8 = 3;
const RESTRICTIONS: u8 = 4;

/// One of the above as the input says, in a request that is honest otherwise; whether the client was let in.
pub fn run(data: &[u8]) -> bool {
    let Some((kind, data)) = data.split_first() else {
        return false;
    };
    let token = match *kind % 5 {
        TOKEN => data.to_vec(),
        TICKET => token(data, &authenticator(&checksum())),
        AUTHENTICATOR => token(&ticket(&[]), data),
        CHECKSUM => token(&ticket(&[]), &authenticator(data)),
        RESTRICTIONS | 5.. => token(&ticket(data), &authenticator(&checksum())),
    };
    let environment = live::environment(1);
    let bindings = ChannelBindings::from_application_data(b"a channel");
    let mut request = AcceptorRequest::new(&environment);
    if *kind >= 0x80 {
        request = request.with_channel_bindings(&bindings);
    }
    let credentials = ServiceCredentials::new(Keytab::parse(KEYTAB).expect("a good keytab"));
    let acceptor = KerberosAcceptor::new(Some(Arc::new(credentials)), request);
    match Box::new(acceptor).step(&token) {
        Ok(AcceptorStep::Established { account, token, .. }) => {
            assert!(!account.user().is_empty());
            assert!(token.is_some());
            true
        }
        Ok(AcceptorStep::Refused { token, error }) => {
            assert!(!token.is_empty());
            let _ = error.to_string();
            false
        }
        Ok(_) => unreachable!("without a ticket-granting ticket"),
        Err(error) => {
            assert!(error.nt_status().is_some(), "{error}");
            false
        }
    }
}

/// An input of each kind that is accepted.
pub fn seeds() -> [(&'static str, Vec<u8>); 5] {
    let with = |kind: u8, data: &[u8]| [&[kind], data].concat();
    let whole = token(&ticket(&[]), &authenticator(&checksum()));
    let restrictions = sequence(&[&element(1, &sequence(&[&element(143, &[0, 0x40, 0, 0])]))]);
    [
        ("token", with(TOKEN, &whole)),
        ("ticket", with(TICKET, &ticket(&[]))),
        (
            "authenticator",
            with(AUTHENTICATOR, &authenticator(&checksum())),
        ),
        ("checksum", with(CHECKSUM, &checksum())),
        ("restrictions", with(RESTRICTIONS, &restrictions)),
    ]
}

/// AP-REQ (RFC 4120, section 5.5.1) in its framing, of a plaintext ticket and authenticator.
fn token(ticket: &[u8], authenticator: &[u8]) -> Vec<u8> {
    const KERBEROS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00";

    let seal = |key: &[u8], usage, part: &[u8]| {
        let key = EncryptionKey::new(EncryptionType::Aes128Sha1, key).expect("a key's length");
        EncryptedData::seal(&key, usage, part, &*live::environment(2).random)
            .map(|sealed| sealed.encode().expect("short enough"))
            .expect("random octets")
    };
    let ticket = tagged(
        0x61,
        &fields(&[
            (0, number(5)),
            (1, text("R")),
            (2, name(&["TERMSRV", "host"])),
            (3, seal(&KEY, KeyUsage::TICKET, ticket)),
        ]),
    );
    let usage = KeyUsage::AP_REQ_AUTHENTICATOR;
    let request = tagged(
        0x6e,
        &fields(&[
            (0, number(5)),
            (1, number(14)),
            (2, tagged(3, &[0, 0x20, 0, 0, 0])),
            (3, ticket),
            (4, seal(&SESSION_KEY, usage, authenticator)),
        ]),
    );
    tagged(0x60, &[KERBEROS, &request].concat())
}

/// EncTicketPart (RFC 4120, section 5.3), with this AuthorizationData unless it is empty.
fn ticket(restrictions: &[u8]) -> Vec<u8> {
    let mut all = vec![
        (0, tagged(3, &[0, 0, 0x20, 0, 0])),
        (1, encryption_key(&SESSION_KEY)),
        (2, text("R")),
        (3, name(&["alice"])),
        (4, fields(&[(0, number(1)), (1, tagged(4, &[]))])),
        (5, tagged(0x18, b"20231114221000Z")),
        (7, tagged(0x18, b"20231115221000Z")),
    ];
    if !restrictions.is_empty() {
        all.push((10, restrictions.to_vec()));
    }
    tagged(0x63, &fields(&all))
}

/// Authenticator (RFC 4120, section 5.5.1).
fn authenticator(checksum: &[u8]) -> Vec<u8> {
    let checksum = fields(&[(0, tagged(2, &[0, 0x80, 3])), (1, tagged(4, checksum))]);
    tagged(
        0x62,
        &fields(&[
            (0, number(5)),
            (1, text("R")),
            (2, name(&["alice"])),
            (3, checksum),
            (4, number(7)),
            (5, tagged(0x18, b"20231114221320Z")),
            (6, encryption_key(&[3; 16])),
            (7, number(9)),
        ]),
    )
}

/// RFC 4121, section 4.1.1: no channel bindings, and all flags.
fn checksum() -> Vec<u8> {
    [&[16, 0, 0, 0][..], &[0; 16], &[0x3e, 0, 0, 0]].concat()
}

fn element(ad_type: u8, ad_data: &[u8]) -> Vec<u8> {
    let ad_type = tagged(2, &[0, ad_type]);
    let ad_type = if ad_type[3] < 0x80 {
        number(ad_type[3])
    } else {
        ad_type
    };
    fields(&[(0, ad_type), (1, tagged(4, ad_data))])
}
