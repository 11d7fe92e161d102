//! To whom the client delegates: policy, certificates and versions.

use rcgen::{CertifiedKey, KeyPair};
use ring::digest::{SHA256, digest};

use crate::programs::{NEGOTIATION, NTLM_ONLY, Server, TLS, certificate_for, file};

#[test]
fn nothing_is_delegated_without_leave() {
    let server = Server::start(&[]);
    let other = ["--allow-fresh-ntlm-only", "WSMAN/*"];
    for (options, text) in [
        (
            &[][..],
            "no policy allows delegating fresh credentials to TERMSRV/127.0.0.1",
        ),
        (
            &other,
            "no policy allows delegating fresh credentials to TERMSRV/127.0.0.1",
        ),
        (
            &["--allow-fresh", "*"],
            "covers TERMSRV/127.0.0.1 by its pattern *, but the server is not trusted",
        ),
    ] {
        server
            .client(options)
            .failure(2, "DelegationDenied", TLS, text);
        server.failure("Closed", TLS, None);
    }
}

#[test]
fn a_pinned_certificate_proves_the_server() {
    let (server, made) = server_with_certificate("pinned", "elsewhere.example.com");
    let fingerprint = digest(&SHA256, made.cert.der());
    let octets = fingerprint
        .as_ref()
        .iter()
        .map(|octet| format!("{octet:02x}"));
    let octets = octets.collect::<Vec<_>>();
    for pin in [octets.concat(), octets.join(":").to_uppercase()] {
        let run = server.client(&["--allow-fresh", "TERMSRV/*", "--pin", &pin]);
        assert_eq!(run.line(0)["proof"], "certificate");
        assert_eq!(server.line()["ok"], true);
    }
    let other = "00".repeat(32);
    let run = server.client(&["--allow-fresh", "TERMSRV/*", "--pin", &other]);
    run.failure(2, "DelegationDenied", NEGOTIATION, "pin the certificate");
    server.failure("Closed", NEGOTIATION, None);
}

#[test]
fn a_trusted_certificate_proves_the_host_it_names() {
    let (server, made) = server_with_certificate("trusted", "host.example.com");
    let roots = file("roots.pem", &made.cert.pem());
    let trust = [
        "--trust-roots",
        roots.to_str().unwrap(),
        "--allow-fresh",
        "TERMSRV/*",
    ];
    let log_on = |target: &str| server.client(&[&trust[..], &["--spn", target]].concat());

    let line = log_on("TERMSRV/host.example.com").line(0);
    assert_eq!(
        (&line["proof"], &line["target"]),
        (&"certificate".into(), &"TERMSRV/host.example.com".into())
    );
    assert_eq!(server.line()["ok"], true);
    let run = log_on("TERMSRV/other.example.com");
    run.failure(
        2,
        "DelegationDenied",
        NEGOTIATION,
        "trusted here and names the host",
    );
    server.failure("Closed", NEGOTIATION, None);
}

#[test]
fn versions_below_the_floor_are_refused_on_either_side() {
    let old = ["--own-version", "4", "--min-version", "4"];
    let new = Server::start(&[]);
    let run = new.client(&[&NTLM_ONLY[..], &old].concat());
    run.failure(1, "Rejected", NEGOTIATION, "STATUS_NOT_SUPPORTED");
    new.failure("PeerIncompatible", NEGOTIATION, None);

    let old = Server::start(&old);
    let run = old.client(&NTLM_ONLY);
    run.failure(
        2,
        "PeerIncompatible",
        NEGOTIATION,
        "it speaks CredSSP version 4, and at least 5 is wanted",
    );
    old.failure("Closed", NEGOTIATION, None);
    let run = old.client(&[&NTLM_ONLY[..], &["--min-version", "2"]].concat());
    assert_eq!(run.line(0)["version"], 4);
    assert_eq!(old.line()["version"], 4);
}

/// A server with a certificate that names `host`, in files named after `name`.
fn server_with_certificate(name: &str, host: &str) -> (Server, CertifiedKey<KeyPair>) {
    let made = certificate_for(host);
    let cert = file(&format!("{name}-cert.pem"), &made.cert.pem());
    let key = file(
        &format!("{name}-key.pem"),
        &made.signing_key.serialize_pem(),
    );
    let options = [
        "--cert",
        cert.to_str().unwrap(),
        "--key",
        key.to_str().unwrap(),
    ];
    (Server::start(&options), made)
}
