//! To whom the client delegates: policy, certificates and versions.

use rcgen::{CertifiedKey, KeyPair};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use crate::programs::{NEGOTIATION, NTLM_ONLY, Server, TLS, certificate_for, file};
#[cfg(feature = "native-roots")]
use crate::programs::{PASSWORD, Run, client_without_password};

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
fn windows_own_policies_count_for_the_client() {
    let key = r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\CredentialsDelegation";
    let list = "AllowFreshCredentialsWhenNTLMOnly";
    let text = format!(
        "Windows Registry Editor Version 5.00\r\n\r\n[{key}]\r\n\"{list}\"=dword:00000001\r\n\
         \"Foreign\"=dword:00000001\r\n\r\n[{key}\\{list}]\r\n\"1\"=\"TERMSRV/127.0.0.*\"\r\n"
    );
    let policy = file("client.reg", &text);
    let server = Server::start(&[]);
    let run = server.client(&["--policy", policy.to_str().unwrap()]);
    run.line(0);
    assert!(
        run.stderr
            .contains(r"CredentialsDelegation\Foreign is none"),
        "{run:?}"
    );
    assert_eq!(server.line()["ok"], true);
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
    // As Windows' dialog gives it to whoever copies it.
    let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, made.cert.der());
    let sha1 = sha1.as_ref().iter().map(|octet| format!("{octet:02x}"));
    let sha1 = format!("\u{200e}{}", sha1.collect::<Vec<_>>().join(" "));
    for (pin, expected) in [
        (octets.concat(), "sha256-pin"),
        (octets.join(":").to_uppercase(), "sha256-pin"),
        (sha1, "sha1-pin"),
    ] {
        let run = server.client(&["--allow-fresh", "TERMSRV/*", "--pin", &pin]);
        let line = run.line(0);
        assert_eq!(line["proof"], "certificate");
        assert_eq!(line["certificate"], expected);
        assert_eq!(server.line()["ok"], true);
    }
    let other = "00".repeat(32);
    let run = server.client(&["--allow-fresh", "TERMSRV/*", "--pin", &other]);
    let told = format!(
        "it is not the one that is pinned, and there are no trusted roots: pin the new one if it was changed (SHA-256 \
         thumbprint {})",
        octets.concat().to_uppercase()
    );
    run.failure(2, "DelegationDenied", NEGOTIATION, &told);
    server.failure("Closed", NEGOTIATION, None);
    let run = server.client(&["--pin", "00"]);
    assert!(
        run.stderr.contains("64 hexadecimal digits"),
        "{}",
        run.stderr
    );
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
    assert_eq!(line["certificate"], "chain");
    assert_eq!(server.line()["ok"], true);
    let run = log_on("TERMSRV/other.example.com");
    run.failure(
        2,
        "DelegationDenied",
        NEGOTIATION,
        "it names host.example.com, and not other.example.com",
    );
    server.failure("Closed", NEGOTIATION, None);
}

#[test]
#[cfg(feature = "native-roots")]
fn the_roots_of_this_computer_prove_a_server_where_asked() {
    let (server, made) = server_with_certificate("native", "host.example.com");
    let roots = file("native-roots.pem", &made.cert.pem());
    let options = [
        "--native-roots",
        "--allow-fresh",
        "TERMSRV/*",
        "--spn",
        "TERMSRV/host.example.com",
    ];
    let run = |roots: &std::path::Path, options: &[&str]| {
        let mut command = client_without_password(&server.address, options);
        command.env("CREDSSP_PASSWORD", PASSWORD);
        Run::of(
            command
                .env("SSL_CERT_FILE", roots)
                .env_remove("SSL_CERT_DIR"),
        )
    };
    assert_eq!(run(&roots, &options).line(0)["certificate"], "chain");
    assert_eq!(server.line()["ok"], true);
    let without = run(&roots, &options[1..]);
    without.failure(2, "DelegationDenied", TLS, "neither trusted roots nor pins");
    server.failure("Closed", TLS, None);

    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let half = file("half-roots.pem", &format!("{}{bad}", made.cert.pem()));
    let told = run(&half, &options);
    assert_eq!(told.line(0)["certificate"], "chain");
    let text = "cannot be read, and is not trusted";
    assert!(told.stderr.contains(text), "{}", told.stderr);
    assert_eq!(server.line()["ok"], true);

    for missing in [file("no-roots.pem", ""), "/nowhere/roots.pem".into()] {
        let run = run(&missing, &options);
        assert_eq!(run.status, 64);
        let text = "this computer trusts no root: ";
        assert!(run.stderr.contains(text), "{}", run.stderr);
    }
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
