//! What a certificate says, and whether it proves the server.

use std::error::Error;
use std::sync::Arc;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::json;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

use crate::report::{Finding, Step, Verdict};

/// What proves a server here.
pub(crate) struct Trusted {
    pub(crate) roots: Vec<CertificateDer<'static>>,
    pub(crate) pins: Vec<[u8; 32]>,
}

/// What was found, and whether that is a proof.
pub(crate) fn judge(
    chain: &[CertificateDer<'static>],
    host: &ServerName<'_>,
    trusted: &Trusted,
) -> (Finding, bool) {
    let Some((end_entity, intermediates)) = chain.split_first() else {
        let says = "the server presents no certificate";
        return (
            Finding::new(Step::Certificate, Verdict::Failed, says),
            false,
        );
    };
    let Ok((_, certificate)) = X509Certificate::from_der(end_entity) else {
        let says = "the server's certificate cannot be read: it is no X.509 certificate in DER";
        return (
            Finding::new(Step::Certificate, Verdict::Failed, says)
                .remedy("give the server another certificate"),
            false,
        );
    };
    let pinned = trusted
        .pins
        .iter()
        .any(|pin| pin[..] == *digest(&SHA256, end_entity).as_ref());
    let trust = chains(end_entity, intermediates, host, trusted);
    let proves = pinned || trust.is_ok();

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
    let thumbprints = [hex(digest(&SHA256, end_entity).as_ref()), {
        hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, end_entity).as_ref())
    }];
    let [sha256, sha1] = &thumbprints;
    let expired = end < now;
    let early = now < begin;
    let verdict = match (expired || early || weakness.is_some(), proves) {
        (_, true) => Verdict::Ok,
        (true, false) => Verdict::Failed,
        (false, false) => Verdict::Note,
    };
    let proof = match (pinned, &trust) {
        (true, _) => "it proves the server: it is pinned".to_owned(),
        (false, Ok(())) => {
            "it proves the server: it chains to a trusted root and names the host".to_owned()
        }
        (false, Err(why)) => format!("it does not prove the server: {why}"),
    };
    let mut finding = Finding::new(
        Step::Certificate,
        verdict,
        format!(
            "{} with {key}, issued by {issuer}",
            text(certificate.subject())
        ),
    )
    .also(format!("names {}", names.join(", ")))
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
    if !proves && !expired && !early {
        finding = finding
            .remedy(match self_signed {
                true => {
                    "give the server a certificate of an authority that clients trust, with the host's name in it; or, once \
                     the fingerprint has been compared on the server itself, pin it: --pin with the SHA-256 above"
                }
                false => {
                    "trust its authority by --trust-roots, connect by a name that is in the certificate, or pin it: --pin \
                     with the SHA-256 above"
                }
            })
            .remedy(
                "a proof is not needed where Kerberos gives one, or where policy lets NTLM alone do: see below",
            );
    }
    (finding, proves)
}

fn chains(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    host: &ServerName<'_>,
    trusted: &Trusted,
) -> Result<(), Box<dyn Error>> {
    if trusted.roots.is_empty() {
        return Err("no roots are trusted here, and it is not pinned".into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut store = RootCertStore::empty();
    for root in &trusted.roots {
        store.add(root.clone())?;
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build()?;
    verifier.verify_server_cert(end_entity, intermediates, host, &[], UnixTime::now())?;
    Ok(())
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
                GeneralName::DNSName(name) => Some(printable(name)),
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
                    printable(name)
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
                format!("a key of the algorithm {}", printable(other)),
                Some("this TLS library does not know such keys"),
            ),
        },
    }
}

fn text(name: &X509Name<'_>) -> String {
    match printable(&name.to_string()) {
        empty if empty.is_empty() => "a certificate without a subject".into(),
        name => name,
    }
}

/// A server's text is not to move the cursor.
fn printable(text: &str) -> String {
    text.chars()
        .take(200)
        .flat_map(|c| match c.is_control() {
            true => c.escape_default().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect()
}

fn hex(octets: &[u8]) -> String {
    let pairs: Vec<_> = octets.iter().map(|octet| format!("{octet:02X}")).collect();
    pairs.join(":")
}
