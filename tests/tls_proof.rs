//! What of the server's certificate counts as its proof, and what is told where nothing does.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod loopback;
mod pair;

use credssp::error::{DelegationDenied, Error};
use credssp::proof::{
    CertificateProblem, CertificateProof, CertificateVerdict, ChainProblem, InvalidThumbprint,
    ServerProof, Thumbprint,
};
use credssp::tls::{Connector, Identity, TlsVersions, Trust};
use credssp::{ClientConfig, DelegationPolicy, ServicePrincipalName};
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, SanType};
use ring::digest;

use loopback::{
    Issued, acceptor, connect, credentials, everything, localhost, p256, serve, trusting_authority,
};

fn hash(algorithm: &'static digest::Algorithm, identity: &Identity) -> String {
    let hash = digest::digest(algorithm, &identity.chain()[0]);
    let octets = hash.as_ref().iter().map(|octet| format!("{octet:02x}"));
    octets.collect()
}

fn sha256(identity: &Identity) -> Thumbprint {
    hash(&digest::SHA256, identity).parse().unwrap()
}

fn sha1(identity: &Identity) -> Thumbprint {
    let hash = hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, identity);
    hash.parse().unwrap()
}

fn pinning(mut trust: Trust, pins: &[Thumbprint]) -> Trust {
    trust.pins.extend(pins);
    trust
}

fn genuine() -> Identity {
    Issued::new(&["localhost"]).by_authority()
}

fn outcome(trust: Trust, identity: &Identity) -> (ServerProof, Option<CertificateVerdict>) {
    let connector = Connector::with_trust(everything(), trust, TlsVersions::All).unwrap();
    let complete = connect(&connector, acceptor(identity)).client.1;
    (complete.proof, complete.certificate)
}

#[test]
fn the_outcome_says_by_which_proof_the_certificate_counted() {
    let identity = genuine();
    let none = Trust::default;
    let other = sha256(&p256());
    for (trust, expected) in [
        (trusting_authority(), CertificateProof::Chain),
        (
            pinning(none(), &[other, sha256(&identity)]),
            CertificateProof::Sha256Pin,
        ),
        (
            pinning(none(), &[other, sha1(&identity)]),
            CertificateProof::Sha1Pin,
        ),
        // Of several, the one that is the hardest to come by.
        (
            pinning(trusting_authority(), &[sha1(&identity)]),
            CertificateProof::Chain,
        ),
        (
            pinning(trusting_authority(), &[sha1(&identity), sha256(&identity)]),
            CertificateProof::Sha256Pin,
        ),
        (
            pinning(trusting_authority(), &[other]),
            CertificateProof::Chain,
        ),
    ] {
        assert_eq!(
            outcome(trust, &identity),
            (ServerProof::Certificate, Some(Ok(expected)))
        );
    }
}

#[test]
fn a_sha_1_pin_proves_a_certificate_that_nobody_vouches_for() {
    let expired = Issued::new(&["other.example"]).valid(2000, 2010);
    let identity = expired.self_signed();
    let text = format!(
        "\u{200e}{} ",
        hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, &identity)
    );
    let trust = pinning(Trust::default(), &[text.parse().unwrap()]);
    let (proof, certificate) = outcome(trust, &identity);
    assert_eq!(proof, ServerProof::Certificate);
    assert_eq!(certificate, Some(Ok(CertificateProof::Sha1Pin)));
}

/// What policy says of a server that has to prove itself, and does not.
#[track_caller]
fn denial(trust: Trust, identity: &Identity) -> Box<DelegationDenied> {
    let policy = DelegationPolicy::default().allow_fresh("TERMSRV/*".parse().unwrap());
    let connector =
        Connector::with_trust(ClientConfig::new(policy), trust, TlsVersions::All).unwrap();
    let (tcp, server) = serve(acceptor(identity));
    let result = connector.connect(tcp, localhost(), credentials());
    let error = result.map(drop).unwrap_err();
    assert!(server.join().unwrap().is_err());
    let progress = error.progress().certificate.clone();
    match error {
        credssp::stream::Error::Protocol(failed) => match failed.error {
            Error::DelegationDenied(denied) => {
                assert_eq!(
                    progress,
                    denied.certificate.clone().map(|problem| Err(*problem))
                );
                Box::new(denied)
            }
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    }
}

#[test]
fn a_refusal_says_why_the_certificate_does_not_prove_the_server() {
    let authority = trusting_authority;
    let mut client = Issued::new(&["localhost"]);
    client.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    // As many tools make them: an authority's, which is no server's.
    let mut own_authority = Issued::new(&["localhost"]);
    own_authority.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut other_authority = Trust::default();
    other_authority.roots.push(p256().chain()[0].clone());
    let other_name = |names: &[&str]| ChainProblem::OtherName {
        host: "localhost".into(),
        names: names.iter().map(|name| (*name).into()).collect(),
    };
    let pin = sha256(&p256());
    for (trust, identity, chain, words) in [
        (
            authority(),
            p256(),
            ChainProblem::SelfSigned,
            "it is self-signed: pin it",
        ),
        (
            authority(),
            own_authority.self_signed(),
            ChainProblem::SelfSigned,
            "it is self-signed: pin it",
        ),
        (
            other_authority,
            genuine(),
            ChainProblem::UnknownIssuer,
            "trust its authority's root",
        ),
        (
            authority(),
            Issued::new(&["localhost"]).valid(2000, 2010).by_authority(),
            ChainProblem::Expired,
            "it has expired: renew it",
        ),
        (
            authority(),
            Issued::new(&["localhost"]).valid(2100, 2110).by_authority(),
            ChainProblem::NotYetValid,
            "it is not valid yet: set this client's clock",
        ),
        (
            authority(),
            Issued::new(&["web.example", "*.web.example"]).by_authority(),
            other_name(&["web.example", "*.web.example"]),
            "it names web.example, *.web.example, and not localhost",
        ),
        (
            authority(),
            Issued::new(&[]).by_authority(),
            other_name(&[]),
            "it names no host in its subjectAltName",
        ),
        (
            authority(),
            client.by_authority(),
            ChainProblem::NotForServers,
            "serverAuth",
        ),
        (
            pinning(Trust::default(), &[pin]),
            genuine(),
            ChainProblem::NoRoots,
            "it is not the one that is pinned, and there are no trusted roots",
        ),
        (
            pinning(authority(), &[pin, pin]),
            p256(),
            ChainProblem::SelfSigned,
            "it is not the one that is pinned, and it is self-signed",
        ),
    ] {
        let pins = trust.pins.len();
        let denied = denial(trust, &identity);
        let problem = CertificateProblem::new(chain, pins, Some(sha256(&identity)));
        assert_eq!(denied.certificate.as_deref(), Some(&problem));
        let text = denied.to_string();
        let thumbprint = format!("(SHA-256 thumbprint {})", sha256(&identity));
        let because = "its certificate does not prove it: it ";
        let code = "[SEC_E_POLICY_NLTM_ONLY, 0x8009035F]";
        for part in [because, words, &thumbprint, code] {
            assert!(text.contains(part), "{text}\nlacks {part}");
        }
    }
}

#[test]
fn that_nothing_is_trusted_is_said_before_anything_goes_out() {
    let policy = DelegationPolicy::default().allow_fresh("TERMSRV/*".parse().unwrap());
    let connector = Connector::new(ClientConfig::new(policy)).unwrap();
    let (tcp, _server) = loopback::sockets();
    let error = connector
        .connect(tcp, localhost(), credentials())
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("neither trusted roots nor pins"), "{text}");
}

#[test]
fn where_policy_does_not_mind_the_outcome_says_it_all_the_same() {
    let identity = p256();
    let (proof, certificate) = outcome(trusting_authority(), &identity);
    assert_eq!(proof, ServerProof::None);
    let problem = CertificateProblem::new(ChainProblem::SelfSigned, 0, Some(sha256(&identity)));
    assert_eq!(certificate, Some(Err(problem)));
    let (_, certificate) = outcome(Trust::default(), &identity);
    let problem = CertificateProblem::new(ChainProblem::NoRoots, 0, Some(sha256(&identity)));
    assert_eq!(certificate, Some(Err(problem)));
}

#[test]
fn a_denied_target_hears_nothing_of_certificates() {
    let policy = DelegationPolicy::permit_everything().deny_fresh("*/localhost".parse().unwrap());
    let connector = Connector::new(ClientConfig::new(policy)).unwrap();
    let (tcp, _server) = loopback::sockets();
    let error = connector
        .connect(tcp, localhost(), credentials())
        .unwrap_err();
    let text = error.to_string();
    assert!(!text.contains("does not prove it"), "{text}");
    assert!(
        text.ends_with("[SEC_E_DELEGATION_POLICY, 0x8009035E]"),
        "{text}"
    );
}

#[test]
fn a_certificate_is_judged_without_a_connection_too() {
    let connector =
        Connector::with_trust(everything(), trusting_authority(), TlsVersions::All).unwrap();
    let identity = genuine();
    let judge = |host: &str| {
        let target = ServicePrincipalName::wsman(host).unwrap();
        connector.certificate_verdict(identity.chain(), &target)
    };
    assert_eq!(judge("localhost").unwrap(), Ok(CertificateProof::Chain));
    let problem = judge("other.example").unwrap().unwrap_err();
    assert!(matches!(problem.chain, ChainProblem::OtherName { .. }));
    assert!(judge("bad!host").is_err());
    assert!(connector.certificate_verdict(&[], &localhost()).is_err());
}

#[test]
fn names_in_a_certificate_are_told_only_as_far_as_is_good() {
    let mut issued = Issued::new(&[]);
    issued.params.subject_alt_names = (0..40)
        .map(|n| {
            let name = format!("a{n}\u{1b}[31m\n{}", "b".repeat(300));
            SanType::DnsName(name.try_into().unwrap())
        })
        .collect();
    let denied = denial(trusting_authority(), &issued.by_authority());
    let text = denied.to_string();
    assert!(text.contains("it names a0"), "{text}");
    assert!(text.len() < 4000, "{}", text.len());
    assert!(!text.contains(char::is_control), "{text}");
}

#[test]
fn thumbprints_are_read_as_people_have_them() {
    let octets: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 7).unwrap());
    let digits: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
    let pairs: Vec<_> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    for text in [
        digits.clone(),
        digits.to_lowercase(),
        pairs.join(":"),
        pairs.join(" "),
        pairs.join("-"),
        format!("\u{200e}{digits}\n"),
        format!("\u{feff}\t{digits}\u{200e}"),
    ] {
        let thumbprint: Thumbprint = text.parse().unwrap();
        assert_eq!(thumbprint, Thumbprint::Sha256(octets), "{text:?}");
        assert_eq!(thumbprint.to_string(), digits);
    }
    let sha1: Thumbprint = pairs[..20].join(" ").parse().unwrap();
    let (head, _) = digits.split_at(40);
    assert_eq!(sha1.as_bytes(), &octets[..20]);
    assert_eq!((sha1.algorithm(), &*sha1.to_string()), ("SHA-1", head));
    assert_eq!(format!("{sha1:?}"), format!("SHA-1({head})"));
}

#[test]
fn what_is_no_thumbprint_is_refused_by_name() {
    for (text, expected) in [
        ("", InvalidThumbprint::Length(0)),
        (&*"0".repeat(39), InvalidThumbprint::Length(39)),
        (&*"0".repeat(41), InvalidThumbprint::Length(41)),
        (&*"0".repeat(63), InvalidThumbprint::Length(63)),
        (&*"0".repeat(65), InvalidThumbprint::Length(65)),
        (&*"0".repeat(100_000), InvalidThumbprint::Length(100_000)),
        (&*"g".repeat(40), InvalidThumbprint::Foreign('g')),
        ("sha256:00", InvalidThumbprint::Foreign('s')),
        ("\u{661}0", InvalidThumbprint::Foreign('\u{661}')),
    ] {
        assert_eq!(text.parse::<Thumbprint>(), Err(expected));
    }
    let text = InvalidThumbprint::Length(39).to_string();
    assert!(text.contains("64") && text.contains("40") && text.contains("39"));
}
