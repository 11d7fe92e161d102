//! What a certificate says, and whether it proves the server.

use credssp::proof::{CertificateProblem, CertificateVerdict, ChainProblem};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls::pki_types::{CertificateDer, UnixTime};
use serde_json::json;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

use crate::report::{Finding, Step, Verdict, shortened};

/// What was found, where `judgement` is the library's on the same certificates.
pub(crate) fn judge(chain: &[CertificateDer<'static>], judgement: &CertificateVerdict) -> Finding {
    let failed = |says: &str| Finding::new(Step::Certificate, Verdict::Failed, says);
    let Some(end_entity) = chain.first() else {
        return failed("the server presents no certificate");
    };
    let Ok((_, certificate)) = X509Certificate::from_der(end_entity) else {
        return failed(
            "the server's certificate cannot be read: it is no X.509 certificate in DER",
        )
        .remedy("give the server another certificate");
    };
    let proves = judgement.is_ok();

    let names = names(&certificate);
    let self_signed = certificate.subject() == certificate.issuer();
    let (key, weakness) = key(&certificate);
    let now = UnixTime::now().as_secs();
    let validity = certificate.validity();
    let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
    let (begin, end) = (seconds(validity.not_before), seconds(validity.not_after));

    let issuer = match self_signed {
        true => "itself".to_owned(),
        false => text(certificate.issuer()),
    };
    let [sha256, sha1] = [&SHA256, &SHA1_FOR_LEGACY_USE_ONLY]
        .map(|algorithm| hex(digest(algorithm, end_entity).as_ref()));
    let expired = end < now;
    let early = now < begin;
    let bad = expired || early || weakness.is_some();
    let verdict = match (bad, proves) {
        (_, true) => Verdict::Ok,
        (true, false) => Verdict::Failed,
        (false, false) => Verdict::Note,
    };
    let proof = match judgement {
        Ok(proof) => format!("it proves the server by {proof}"),
        Err(CertificateProblem { chain, pins: 0, .. }) => {
            format!("it does not prove the server: {chain}")
        }
        Err(CertificateProblem { chain, .. }) => {
            format!("it does not prove the server: it is not the one that is pinned, and {chain}")
        }
    };
    let mut finding = Finding::new(
        Step::Certificate,
        verdict,
        format!(
            "{} with {key}, issued by {issuer}",
            text(certificate.subject())
        ),
    )
    .also(match names.is_empty() {
        true => "names no host".into(),
        false => format!("names {}", names.join(", ")),
    })
    .also(format!(
        "valid from {} to {}{}",
        validity.not_before,
        validity.not_after,
        if expired {
            ": it has expired"
        } else if early {
            ": it is not valid yet, or this machine's clock is wrong"
        } else {
            ""
        }
    ))
    .also(format!("SHA-256 {sha256}"))
    .also(format!("SHA-1 {sha1}, which Windows calls the thumbprint"))
    .also(proof)
    .fact(
        "certificate",
        json!({
            "subject": text(certificate.subject()),
            "issuer": text(certificate.issuer()),
            "self_signed": self_signed,
            "names": names,
            "key": key,
            "not_before": begin,
            "not_after": end,
            "sha256": sha256,
            "sha1": sha1,
            "proves_server": proves,
        }),
    );
    if let Some(weakness) = weakness {
        finding = finding.also(weakness).remedy(
            "give the server a certificate with an RSA key of 2048 to 8192 bits, or one on P-256 or P-384",
        );
    }
    if expired || early {
        finding = finding.remedy(
            "renew the certificate on the server (Remote Desktop's own self-signed one renews itself when its service \
             restarts), and compare the clocks",
        );
    }
    let nobody_vouches = matches!(
        judgement,
        Err(CertificateProblem {
            chain: ChainProblem::NoRoots | ChainProblem::SelfSigned | ChainProblem::UnknownIssuer,
            ..
        })
    );
    if nobody_vouches {
        finding = finding.remedy(
            "trust its authority by --trust-roots; or, once the thumbprint has been compared on the server itself, pin it: \
             --pin with the SHA-256 above",
        );
    }
    if !proves {
        finding = finding.remedy(
            "a proof is not needed where Kerberos gives one, or where policy lets NTLM alone do: see below",
        );
    }
    finding
}

/// The names in subjectAltName, or where that is not there the common names.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    match alternative {
        Some(names) => names
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(shortened(name)),
                GeneralName::IPAddress(octets) => match *octets {
                    [a, b, c, d] => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
                    octets => <[u8; 16]>::try_from(octets)
                        .ok()
                        .map(|octets| std::net::Ipv6Addr::from(octets).to_string()),
                },
                _ => None,
            })
            .collect(),
        None => certificate
            .subject()
            .iter_common_name()
            .filter_map(|name| name.as_str().ok())
            .map(|name| {
                format!(
                    "{} (in its subject only, which does not count)",
                    shortened(name)
                )
            })
            .collect(),
    }
}

/// What key it has, and what is wrong with that.
fn key(certificate: &X509Certificate<'_>) -> (String, Option<&'static str>) {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => {
            let bits = key.key_size();
            let weakness = match bits {
                ..2048 => Some("RSA keys below 2048 bits cannot be verified by this TLS library"),
                2048..=8192 => None,
                _ => Some("RSA keys above 8192 bits cannot be verified by this TLS library"),
            };
            (format!("an RSA key of {bits} bits"), weakness)
        }
        Ok(PublicKey::EC(point)) => match point.key_size() {
            256 => ("a key on P-256".into(), None),
            384 => ("a key on P-384".into(), None),
            bits => (
                format!("a key on a curve of {bits} bits"),
                Some("this TLS library verifies keys on P-256 and P-384 only"),
            ),
        },
        _ => match certificate
            .public_key()
            .algorithm
            .algorithm
            .to_id_string()
            .as_str()
        {
            "1.3.101.112" => ("an Ed25519 key".into(), None),
            other => (
                format!("a key of the algorithm {}", shortened(other)),
                Some("this TLS library does not know such keys"),
            ),
        },
    }
}

fn text(name: &X509Name<'_>) -> String {
    match shortened(&name.to_string()) {
        empty if empty.is_empty() => "a certificate without a subject".into(),
        name => name,
    }
}

fn hex(octets: &[u8]) -> String {
    let pairs: Vec<_> = octets.iter().map(|octet| format!("{octet:02X}")).collect();
    pairs.join(":")
}
