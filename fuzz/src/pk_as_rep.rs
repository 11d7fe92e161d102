//! What a KDC answers to a certificate: PA-PK-AS-REP, TD-DH-PARAMETERS, and certificates by themselves.

use std::sync::Arc;
use std::time::Duration;

use credssp::credentials::{CertificateSigner, SignatureScheme, ToSign};
use credssp::environment::{Environment, TimeProvider};
use credssp::error::SignError;
use credssp::kerberos::asn1::PrincipalName;
use credssp::kerberos::crypto::EncryptionType;
use credssp::kerberos::initiator::{AsExchange, AsStep, ClientName, ClientSecret};
use credssp::kerberos::pkinit::{PkinitOptions, chain_of, is_for_logons, key_kind, principal_name};
use rustls_pki_types::CertificateDer;

use super::der::{fields, name, number, tagged, text};
use super::live;

/// A KDC's answer, recorded, and who vouches for it.
const RECORDED: &[u8] = include_bytes!("../recorded/pk_as_rep.der");
const AUTHORITY: &[u8] = include_bytes!("../recorded/ca.der");
const USER: &[u8] = include_bytes!("../recorded/user.der");
const REALM: &str = "TEST.EXAMPLE";

/// The first octet of the input says what the rest is.
const REPLY: u8 = 0;
const SIGNED_DATA: u8 = 1;
const TYPED_DATA: u8 = 2;
const CERTIFICATE: u8 = 3;

pub fn run(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    match *kind % 4 {
        REPLY => answer(&reply(data)),
        SIGNED_DATA => answer(&reply(&tagged(0xa0, &tagged(0x30, &tagged(0x80, data))))),
        TYPED_DATA => answer(&error(65, data)),
        CERTIFICATE | 4.. => {
            let _ = (key_kind(data), is_for_logons(data), principal_name(data));
            let certificate = CertificateDer::from(data.to_vec());
            let chain = chain_of(certificate.clone(), vec![certificate; 3]);
            assert!(chain.len() <= 8);
        }
    }
}

pub fn seeds() -> [(&'static str, Vec<u8>); 5] {
    let with = |kind: u8, data: &[u8]| [&[kind], data].concat();
    // Behind the headers of PA-PK-AS-REP, DHRepInfo and dhSignedData, of four octets each, up to the kdf.
    let signed = &RECORDED[12..RECORDED.len() - 14];
    let parameters = tagged(0x30, &tagged(0x30, &tagged(6, b"\x2a\x86\x48\xce\x3e\x02\x01")));
    let element = fields(&[(0, number(109)), (1, tagged(4, &parameters))]);
    [
        ("reply", with(REPLY, RECORDED)),
        ("signed-data", with(SIGNED_DATA, signed)),
        ("typed-data", with(TYPED_DATA, &tagged(0x30, &element))),
        ("certificate-ca", with(CERTIFICATE, AUTHORITY)),
        ("certificate-user", with(CERTIFICATE, USER)),
    ]
}

/// In the year of the certificates.
#[derive(Debug)]
struct Recorded;

impl TimeProvider for Recorded {
    fn since_unix_epoch(&self) -> Duration {
        Duration::from_secs(1_796_000_000)
    }
}

/// Signs by rote.
#[derive(Debug)]
struct Rote([CertificateDer<'static>; 1]);

impl CertificateSigner for Rote {
    fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }

    fn schemes(&self) -> &[SignatureScheme] {
        &[SignatureScheme::RsaPkcs1Sha256]
    }

    fn sign(&self, _: SignatureScheme, _: &ToSign<'_>) -> Result<Vec<u8>, SignError> {
        Ok(vec![1; 256])
    }
}

/// A client that has signed gets this, again and again: it must come to an end.
fn answer(message: &[u8]) {
    let mut options = PkinitOptions::default();
    options.anchors.push(CertificateDer::from(AUTHORITY));
    let secret = ClientSecret::Certificate {
        signer: Arc::new(Rote([CertificateDer::from(USER)])),
        options: Arc::new(options),
    };
    let environment = Environment::new(Arc::new(Recorded), live::environment(1).random);
    let client = ClientName::new(REALM, PrincipalName::new(1, &["pkuser"]));
    let types = [EncryptionType::Aes256Sha2];
    let mut step = AsExchange::start(client, secret, &types, true, &environment);
    let method = fields(&[(1, number(16)), (2, tagged(4, &[]))]);
    let mut first = true;
    for _ in 0..8 {
        match step {
            Ok(AsStep::NeedsKdc { next, .. }) if first => {
                first = false;
                step = next.step(&error(25, &tagged(0x30, &method)));
            }
            Ok(AsStep::NeedsKdc { next, .. }) => {
                step = next.step(message);
            }
            Ok(AsStep::Complete(_)) => panic!("a ticket by an answer to somebody else"),
            Ok(_) => unreachable!("there is nothing else"),
            Err(error) => {
                let _ = error.to_string();
                return;
            }
        }
    }
    panic!("an exchange without end");
}

/// AS-REP with this in its PA-PK-AS-REP.
fn reply(pa_pk_as_rep: &[u8]) -> Vec<u8> {
    let padata = fields(&[(1, number(17)), (2, tagged(4, pa_pk_as_rep))]);
    let sealed = |length| fields(&[(0, number(20)), (2, tagged(4, &vec![0; length]))]);
    let ticket = fields(&[
        (0, number(5)),
        (1, text(REALM)),
        (2, name(&["krbtgt", REALM])),
        (3, sealed(48)),
    ]);
    tagged(
        0x6b,
        &fields(&[
            (0, number(5)),
            (1, number(11)),
            (2, tagged(0x30, &padata)),
            (3, text(REALM)),
            (4, name(&["pkuser"])),
            (5, tagged(0x61, &ticket)),
            (6, sealed(64)),
        ]),
    )
}

/// KRB-ERROR with a code below 128.
fn error(code: u8, e_data: &[u8]) -> Vec<u8> {
    tagged(
        0x7e,
        &fields(&[
            (0, number(5)),
            (1, number(30)),
            (4, tagged(0x18, b"20261201000000Z")),
            (5, number(0)),
            (6, number(code)),
            (9, text(REALM)),
            (10, name(&["krbtgt", REALM])),
            (12, tagged(4, e_data)),
        ]),
    )
}
