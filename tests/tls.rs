//! TLS below CredSSP: what proves the server, and what policy makes of it.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod loopback;
mod pair;

use std::io::{Read, Write};
use std::sync::Arc;

use credssp::credentials::TsCredentials;
use credssp::error::{DelegationDeniedReason, Error, Step};
use credssp::proof::{ServerProof, Thumbprint};
use credssp::stream;
use credssp::tls::{Acceptor, Connector, Identity, TlsVersions, Trust};
use credssp::{ClientConfig, DelegationPolicy, ServerConfig, ServicePrincipalName};
use ring::digest;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{ProtocolVersion, SignatureAlgorithm, SignatureScheme};

use loopback::{
    Issued, acceptor, connect, connector, credentials, everything, localhost, p256, raw, rsa,
    serve, spawn, trusting_authority,
};
use pair::{PASSWORD, alice};

const RSA_1024: &[u8] = include_bytes!("data/test-only-rsa1024.pem");

#[test]
fn delegates_over_each_version_with_each_kind_of_key() {
    for identity in [rsa(), p256()] {
        for (version, expected) in [
            (TlsVersions::Tls12, ProtocolVersion::TLSv1_2),
            (TlsVersions::Tls13, ProtocolVersion::TLSv1_3),
            (TlsVersions::All, ProtocolVersion::TLSv1_3),
        ] {
            let acceptor =
                Acceptor::with_tls_versions(ServerConfig::default(), &identity, version).unwrap();
            let both = connect(&connector(), acceptor);
            assert_eq!(both.client.0.conn.protocol_version(), Some(expected));
            assert_eq!(both.server.1.account, alice());
            let TsCredentials::Password(delegated) = both.server.1.credentials else {
                panic!("{:?}", both.server.1.credentials);
            };
            assert_eq!(delegated.password.expose(), PASSWORD);

            let connector = Connector::with_trust(everything(), Trust::default(), version).unwrap();
            let both = connect(&connector, loopback::acceptor(&identity));
            assert_eq!(both.client.0.conn.protocol_version(), Some(expected));
        }
    }
}

#[test]
fn the_application_talks_on_over_the_same_channel() {
    let mut both = connect(&connector(), acceptor(&p256()));
    let (client, server) = (&mut both.client.0, &mut both.server.0);
    client.write_all(b"ping").unwrap();
    let mut buffer = [0; 4];
    server.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"ping");
    server.write_all(b"pong").unwrap();
    client.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"pong");
}

/// What proves a server with this certificate.
#[track_caller]
fn proof(trust: Trust, identity: &Identity) -> ServerProof {
    let connector = Connector::with_trust(everything(), trust, TlsVersions::All).unwrap();
    let both = connect(&connector, acceptor(identity));
    both.client.1.proof
}

fn pin(identity: &Identity) -> Trust {
    let hash = digest::digest(&digest::SHA256, &identity.chain()[0]);
    let mut trust = Trust::default();
    let octets = hash.as_ref().try_into().unwrap();
    trust.pins.push(Thumbprint::Sha256(octets));
    trust
}

#[test]
fn a_certificate_proves_the_server_by_roots_and_name() {
    let genuine = Issued::new(&["localhost"]).by_authority();
    assert_eq!(
        proof(trusting_authority(), &genuine),
        ServerProof::Certificate
    );
    for (what, identity) in [
        (
            "another name",
            Issued::new(&["other.example"]).by_authority(),
        ),
        ("no name", Issued::new(&[]).by_authority()),
        (
            "expired",
            Issued::new(&["localhost"]).valid(2000, 2010).by_authority(),
        ),
        (
            "not yet valid",
            Issued::new(&["localhost"]).valid(2100, 2110).by_authority(),
        ),
        ("self-signed", Issued::new(&["localhost"]).self_signed()),
        ("self-signed RSA", rsa()),
    ] {
        let proved = proof(trusting_authority(), &identity);
        assert_eq!(proved, ServerProof::None, "{what}");
    }
    assert_eq!(proof(Trust::default(), &genuine), ServerProof::None);
}

#[test]
fn a_self_signed_certificate_may_be_its_own_root() {
    for identity in [p256(), rsa()] {
        let mut trust = Trust::default();
        trust.roots.push(identity.chain()[0].clone());
        assert_eq!(proof(trust, &identity), ServerProof::Certificate);
    }
}

#[test]
fn roots_are_read_from_pem() {
    let (der, ..) = &*loopback::AUTHORITY;
    let mut trust = Trust::default();
    let pem = pem_of(der);
    trust.add_pem_roots(pem.as_bytes()).unwrap();
    let genuine = Issued::new(&["localhost"]).by_authority();
    assert_eq!(proof(trust, &genuine), ServerProof::Certificate);
    for bad in ["", "no PEM", "-----BEGIN CERTIFICATE-----\n!\n"] {
        assert!(Trust::default().add_pem_roots(bad.as_bytes()).is_err());
    }
}

fn pem_of(der: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----");
    for (place, group) in der.chunks(3).enumerate() {
        if place % 16 == 0 {
            text.push('\n');
        }
        let bits = group
            .iter()
            .chain(&[0, 0])
            .take(3)
            .fold(0, |bits, octet| bits << 8 | usize::from(*octet));
        for digit in 0..4 {
            text.push(if digit <= group.len() {
                char::from(DIGITS[bits >> (18 - 6 * digit) & 63])
            } else {
                '='
            });
        }
    }
    text + "\n-----END CERTIFICATE-----\n"
}

#[test]
fn a_pin_proves_the_server_whatever_its_certificate_says() {
    for identity in [
        p256(),
        rsa(),
        Issued::new(&["other.example"])
            .valid(2000, 2010)
            .self_signed(),
    ] {
        assert_eq!(proof(pin(&identity), &identity), ServerProof::Certificate);
        assert_eq!(proof(pin(&p256()), &identity), ServerProof::None);
    }
}

#[test]
fn the_name_may_be_an_address() {
    let identity = Issued::new(&["127.0.0.1"]).by_authority();
    let connector =
        Connector::with_trust(everything(), trusting_authority(), TlsVersions::All).unwrap();
    for (host, expected) in [
        ("127.0.0.1", ServerProof::Certificate),
        ("127.0.0.2", ServerProof::None),
    ] {
        let (tcp, server) = serve(acceptor(&identity));
        let target = ServicePrincipalName::termsrv(host).unwrap();
        let (_, complete) = connector.connect(tcp, target, credentials()).unwrap();
        assert_eq!(complete.proof, expected);
        server.join().unwrap().unwrap();
    }
}

/// Without a proof nothing goes out but what TLS itself needs.
#[test]
fn policy_is_asked_once_the_certificate_is_known() {
    let policy = DelegationPolicy::default().allow_fresh("TERMSRV/*".parse().unwrap());
    let connector = Connector::with_trust(
        ClientConfig::new(policy),
        trusting_authority(),
        TlsVersions::All,
    )
    .unwrap();
    connect(
        &connector,
        acceptor(&Issued::new(&["localhost"]).by_authority()),
    );

    let (tcp, server) = serve(acceptor(&Issued::new(&["other.example"]).by_authority()));
    let error = connector
        .connect(tcp, localhost(), credentials())
        .unwrap_err();
    assert_denied(&error, DelegationDeniedReason::NtlmOnly);
    let error = server.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), "Closed", "{error}");
    assert_eq!(error.progress().step, Step::Negotiation);
    assert_eq!(error.progress().peer_version, None, "no token came");
}

#[track_caller]
fn assert_denied(error: &stream::Error, expected: DelegationDeniedReason) {
    match error {
        stream::Error::Protocol(error) => match &error.error {
            Error::DelegationDenied(denied) => assert_eq!(denied.reason, expected),
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    }
}

#[test]
fn policy_is_asked_before_anything_goes_out() {
    for (trust, policy, reason) in [
        (
            trusting_authority(),
            DelegationPolicy::default(),
            DelegationDeniedReason::NotAllowed,
        ),
        (
            Trust::default(),
            DelegationPolicy::default().allow_fresh("TERMSRV/*".parse().unwrap()),
            DelegationDeniedReason::NtlmOnly,
        ),
        (
            trusting_authority(),
            DelegationPolicy::permit_everything().deny_fresh("*/localhost".parse().unwrap()),
            DelegationDeniedReason::Denied,
        ),
    ] {
        let connector =
            Connector::with_trust(ClientConfig::new(policy), trust, TlsVersions::All).unwrap();
        let (tcp, server) = spawn(|mut tcp| {
            let mut received = Vec::new();
            tcp.read_to_end(&mut received).unwrap();
            received
        });
        let error = connector
            .connect(tcp, localhost(), credentials())
            .unwrap_err();
        assert_denied(&error, reason);
        assert_eq!(server.join().unwrap(), b"");
    }
}

/// Roots are no promise that the server proves itself by them: `…WhenNTLMOnly` is for those that do not.
#[test]
fn a_policy_for_unproved_servers_counts_beside_roots_and_pins() {
    for trust in [trusting_authority(), pin(&p256())] {
        let policy =
            DelegationPolicy::default().allow_fresh_when_ntlm_only("TERMSRV/*".parse().unwrap());
        let connector =
            Connector::with_trust(ClientConfig::new(policy), trust, TlsVersions::All).unwrap();
        let both = connect(&connector, acceptor(&p256()));
        assert_eq!(both.client.1.proof, ServerProof::None);
    }
}

/// The binding of pubKeyAuth would be worth nothing if anybody could present the certificate of the server that is
/// bound.
#[test]
fn who_presents_a_certificate_has_to_hold_its_key() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let genuine = Issued::new(&["localhost"]);
        let keys = [
            rcgen::KeyPair::generate().unwrap(),
            rcgen::KeyPair::from_pem(&genuine.key.serialize_pem()).unwrap(),
        ];
        let identity = genuine.by_authority();
        for (key, holds) in keys.iter().zip([false, true]) {
            let key = raw::certified_key(&identity, key);
            let config = raw::server_config(&[version], key);
            let own_key = identity.public_key().clone();
            let (tcp, server) = spawn(move |tcp| {
                let mut stream = raw::server(config, tcp).map_err(|error| error.to_string())?;
                let server = credssp::Server::new(ServerConfig::default(), own_key);
                stream::blocking::accept(&mut stream, server, loopback::look_up)
                    .map_err(|error| error.to_string())
            });
            let connector =
                Connector::with_trust(everything(), trusting_authority(), TlsVersions::All)
                    .unwrap();
            match connector.connect(tcp, localhost(), credentials()) {
                Ok(_) => assert!(holds),
                Err(error) => {
                    assert!(!holds, "{error}");
                    assert_eq!(error.kind(), "Tls", "{error}");
                    assert_eq!(error.progress().step, Step::Tls);
                    let text = error.to_string();
                    assert!(text.contains("BadSignature"), "{text}");
                    assert!(text.contains("key it does not hold"), "{text}");
                }
            }
            let server = server.join().unwrap();
            assert_eq!(server.is_ok(), holds, "{server:?}");
        }
    }
}

/// Also a pin is no substitute for the key.
#[test]
fn a_pinned_certificate_needs_its_key_too() {
    let identity = p256();
    let key = raw::certified_key(&identity, &rcgen::KeyPair::generate().unwrap());
    let config = raw::server_config(rustls::ALL_VERSIONS, key);
    let (tcp, server) = spawn(move |tcp| raw::server(config, tcp).map(drop));
    let connector = Connector::with_trust(everything(), pin(&identity), TlsVersions::All).unwrap();
    let error = connector
        .connect(tcp, localhost(), credentials())
        .unwrap_err();
    assert!(error.to_string().contains("BadSignature"), "{error}");
    assert!(server.join().unwrap().is_err());
}

#[test]
fn a_short_rsa_key_is_named() {
    /// Signs anything by nothing: the certificate is refused before its signature.
    #[derive(Debug)]
    struct Nothing;

    impl SigningKey for Nothing {
        fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
            if !offered.contains(&SignatureScheme::RSA_PSS_SHA256) {
                return None;
            }
            Some(Box::new(Self))
        }

        fn algorithm(&self) -> SignatureAlgorithm {
            SignatureAlgorithm::RSA
        }
    }

    impl Signer for Nothing {
        fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rustls::Error> {
            Ok(vec![7; 128])
        }

        fn scheme(&self) -> SignatureScheme {
            SignatureScheme::RSA_PSS_SHA256
        }
    }

    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let chain = vec![loopback::certificate(RSA_1024)];
        let key = CertifiedKey::new(chain, Arc::new(Nothing));
        let config = raw::server_config(&[version], key);
        let (tcp, server) = spawn(move |tcp| raw::server(config, tcp).map(drop));
        let error = connector()
            .connect(tcp, localhost(), credentials())
            .unwrap_err();
        assert_eq!(error.kind(), "Tls");
        let text = error.to_string();
        assert!(
            text.contains("RSA key of 1024 bits") && text.contains("longer key"),
            "{text}"
        );
        assert!(server.join().unwrap().is_err());
    }
}

#[test]
fn a_certificate_and_a_key_that_do_not_belong_together_are_refused() {
    let (one, other) = (Issued::new(&["localhost"]), Issued::new(&["localhost"]));
    let certificate = one.params.self_signed(&one.key).unwrap();
    let chain = || vec![certificate.der().clone()];
    assert!(Identity::new(chain(), other.private_key()).is_err());
    assert!(Identity::new(Vec::new(), one.private_key()).is_err());
    Identity::new(chain(), one.private_key()).unwrap();
}

#[test]
fn a_target_that_is_no_host_is_named() {
    let (tcp, _server) = loopback::sockets();
    let target = ServicePrincipalName::termsrv("under score!")
        .unwrap_or_else(|_| ServicePrincipalName::termsrv("bad!host").unwrap());
    let error = connector().connect(tcp, target, credentials()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("neither a host name nor an IP"), "{text}");
}
