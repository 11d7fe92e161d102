//! Kerberos on the command lines, with MIT's KDC.

use std::path::Path;

use serde_json::Value;

use crate::peer::{self, KdcProxy, MitKdc, Peer};
use crate::programs::{ACCOUNT, NEGOTIATION, NTLM_ONLY, PASSWORD, Run, Server, example};

const ALICE: &str = r"TEST.EXAMPLE\alice";
const SPN: &str = "TERMSRV/server.test.example";

/// The KDC, and a server with the keys of its services.
struct Realm {
    kdc: MitKdc,
    server: Server,
}

impl Realm {
    fn start(options: &[&str]) -> Self {
        let kdc = MitKdc::start();
        let (keytab, address) = (path(&kdc.path("service.keytab")), kdc.address().to_string());
        let options: Vec<_> = options
            .iter()
            .map(|option| option.replace("KDC", &address))
            .collect();
        let mut all = vec!["--keytab", &keytab];
        all.extend(options.iter().map(String::as_str));
        let server = Server::start(&all);
        Self { kdc, server }
    }

    /// A client that logs on as alice to [`SPN`].
    fn client(&self, password: &str, options: &[&str]) -> Run {
        let mut command = example("client");
        command
            .args([&self.server.address, "--user", ALICE, "--spn", SPN])
            .args(["--allow-fresh", "TERMSRV/*"])
            .args(options)
            .env("CREDSSP_PASSWORD", password);
        Run::of(&mut command)
    }

    /// A logon by Kerberos, and what the server says of it.
    #[track_caller]
    fn delegates(&self, options: &[&str]) -> Value {
        let line = self.client(MitKdc::PASSWORD, options).line(0);
        for (field, value) in [
            ("mechanism", "kerberos"),
            ("proof", "kerberos"),
            ("target", SPN),
        ] {
            assert_eq!(line[field], value, "{line}");
        }
        assert!(line.get("fallback").is_none(), "{line}");
        let line = self.server.line();
        assert_eq!(
            (&line["ok"], &line["account"]),
            (&true.into(), &ALICE.into())
        );
        assert_eq!(line["mechanism"], "kerberos");
        assert_eq!(line["credentials"]["user"], "alice");
        line
    }
}

fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn logs_on_by_password_by_ticket_and_by_key() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let realm = Realm::start(&[]);
    let address = realm.kdc.address().to_string();
    let krb5_conf = path(realm.kdc.krb5_conf().as_ref());
    for mechanism in ["negotiate", "kerberos"] {
        let options = ["--kdc", &address, "--mechanism", mechanism];
        let line = realm.delegates(&options);
        assert!(line["logon_info"].is_object(), "{line}");
        realm.delegates(&["--krb5-conf", &krb5_conf, "--mechanism", mechanism]);
    }
    let user_keytab = path(&realm.kdc.path("user.keytab"));
    realm.delegates(&["--kdc", &address, "--keytab", &user_keytab]);

    // A service ticket needs no KDC, and no password that is right: it is only delegated.
    let user = realm.kdc.user();
    user.kinit("alice", MitKdc::PASSWORD).unwrap();
    user.run("kvno", &[SPN], "").unwrap();
    let ccache = path(user.ccache());
    realm.delegates(&["--ccache", &ccache, "--mechanism", "kerberos"]);
    let run = realm.client("only delegated", &["--ccache", &ccache]);
    assert_eq!(run.line(0)["mechanism"], "kerberos");
}

#[test]
fn logs_on_by_user_to_user() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let service = format!("{SPN}@TEST.EXAMPLE");
    let realm = Realm::start(&["--kdc", "KDC", "--service", &service]);
    let address = realm.kdc.address().to_string();
    realm.delegates(&["--kdc", &address, "--user-to-user"]);
    realm.delegates(&["--kdc", &address]);
}

#[test]
fn ntlm_takes_the_place_of_a_kdc_that_is_down_where_policy_allows_it() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let realm = Realm::start(&[]);
    let log_on = |options: &[&str]| {
        let mut command = example("client");
        command
            .args([
                &realm.server.address,
                "--user",
                ACCOUNT,
                "--kdc",
                "127.0.0.1:1",
            ])
            .args(options)
            .env("CREDSSP_PASSWORD", PASSWORD);
        Run::of(&mut command)
    };
    let named = ["--spn", SPN];
    let line = log_on(&[&NTLM_ONLY[..], &["--allow-fresh", "TERMSRV/*"], &named].concat()).line(0);
    assert_eq!(
        (&line["mechanism"], &line["proof"]),
        (&"ntlm".into(), &"none".into())
    );
    let reason = line["fallback"].as_str().unwrap();
    assert!(
        reason.contains("no KDC of the realm CORP can be reached: 127.0.0.1:1"),
        "{line}"
    );
    assert_eq!(realm.server.line()["mechanism"], "ntlm");

    // By its address no KDC knows a host.
    let line = log_on(&[&NTLM_ONLY[..], &["--allow-fresh", "TERMSRV/*"]].concat()).line(0);
    assert!(
        line["fallback"].as_str().unwrap().contains("IP address"),
        "{line}"
    );
    realm.server.line();

    let run = log_on(&[&["--allow-fresh", "TERMSRV/*"], &named[..]].concat());
    run.failure(
        3,
        "Kdc",
        NEGOTIATION,
        "no KDC of the realm CORP can be reached",
    );
}

#[test]
fn a_kdcs_refusal_is_told_and_ntlm_does_not_take_its_place() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let realm = Realm::start(&[]);
    let address = realm.kdc.address().to_string();
    let both = [&NTLM_ONLY[..], &["--kdc", &address]].concat();
    let run = realm.client("wrong", &both);
    run.failure(1, "Kdc", NEGOTIATION, "the password or key is wrong");
    assert_eq!(realm.server.line()["ok"], false);

    let krb5_conf = path(realm.kdc.krb5_conf().as_ref());
    for (options, text) in [
        (&["--mechanism", "kerberos"][..], "--kdc, --krb5-conf"),
        (&["--krb5-conf", "/does/not/exist"], "/does/not/exist"),
        (&["--kdc", "::1"], "tcp/dc.example.com:88"),
        (
            &["--kdc", &address, "--krb5-conf", &krb5_conf],
            "cannot be used with",
        ),
        (&["--kdc", &address, "--keytab", "/dev/null"], "/dev/null"),
        (&["--kdc", &address, "--ccache", &krb5_conf], &krb5_conf),
    ] {
        let run = realm.client("wrong", options);
        assert_eq!(run.status, 64, "{run:?}");
        assert!(
            run.stderr.contains(text) && run.stdout.is_empty(),
            "{run:?}"
        );
    }
}

#[test]
fn logs_on_through_a_kdc_proxy() {
    if !peer::available(Peer::MitKdc) || !peer::available(Peer::KdcProxy) {
        return;
    }
    let realm = Realm::start(&[]);
    let proxy = KdcProxy::start(realm.kdc.address(), &[MitKdc::REALM]);
    let (url, roots) = (proxy.url(), path(&proxy.ca_pem()));
    let options = ["--kdc-proxy", &*url, "--kdc-proxy-roots", &roots];
    if cfg!(feature = "kdc-proxy") {
        realm.delegates(&options);
        // By the certificates that the system trusts, or is told to.
        let mut command = example("client");
        command
            .args([&realm.server.address, "--user", ALICE, "--spn", SPN])
            .args(["--allow-fresh", "TERMSRV/*", "--kdc-proxy", &*url])
            .env("CREDSSP_PASSWORD", MitKdc::PASSWORD);
        Run::of(command.env("SSL_CERT_FILE", &roots)).line(0);
        realm.server.line();
        let run = Run::of(command.env("SSL_CERT_FILE", "/does/not/exist"));
        assert_ne!(run.status, 0, "{run:?}");
    } else {
        let run = realm.client(MitKdc::PASSWORD, &options);
        assert!(run.stderr.contains("--features kdc-proxy"), "{run:?}");
    }
}

#[test]
fn loopback_shows_each_step_of_kerberos_and_says_how_to_start_a_kdc() {
    let run = Run::of(example("loopback").arg("--kerberos"));
    assert_eq!(run.status, 64, "{run:?}");
    assert!(run.stderr.contains("tests/peers/mit_kdc 8888"), "{run:?}");

    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    let (keytab, address) = (path(&kdc.path("service.keytab")), kdc.address().to_string());
    let mut command = example("loopback");
    command
        .args(["--kerberos", "--kdc", &address, "--keytab", &keytab])
        .args(["--user", ALICE, "--spn", SPN])
        .env("CREDSSP_PASSWORD", MitKdc::PASSWORD);
    let run = Run::of(&mut command);
    assert_eq!(run.status, 0, "{run:?}");
    let mut rest = &*run.stdout;
    for step in [
        "client: verified: the certificate is trusted and names server.test.example",
        "client: asks the KDC of TEST.EXAMPLE by ",
        "client: sends a TSRequest of ",
        "server: verified: the client's ticket and authenticator",
        "client: done: Kerberos, CredSSP version 6, server proved by Kerberos",
        r"server: done: TEST.EXAMPLE\alice delegated the credential of domain TEST.EXAMPLE, user alice",
    ] {
        let found = rest.split_once(step);
        rest = found.unwrap_or_else(|| panic!("no {step:?} in:\n{rest}")).1;
    }
    assert!(
        !run.stdout.contains(MitKdc::PASSWORD) && run.stderr.is_empty(),
        "{run:?}"
    );
}

/// The KDC with a certificate, and a server with the keys of its services.
#[cfg(feature = "pkinit")]
fn by_certificate() -> (MitKdc, Server) {
    let kdc = MitKdc::start_with(&["--pkinit", "kdc"]);
    let keytab = path(&kdc.path("service.keytab"));
    let server = Server::start(&["--keytab", &keytab, "--show-secrets"]);
    (kdc, server)
}

#[cfg(feature = "pkinit")]
fn client_of(kdc: &MitKdc, server: &Server, authority: &str) -> std::process::Command {
    let mut command = example("client");
    let anchors = path(&kdc.path("pki").join(authority));
    let address = kdc.address().to_string();
    command
        .args([&server.address, "--spn", SPN, "--allow-fresh", "TERMSRV/*"])
        .args(["--kdc", &address, "--kdc-anchors", &anchors])
        .env_remove("CREDSSP_PASSWORD");
    command
}

#[cfg(feature = "pkinit")]
#[test]
fn the_client_logs_on_by_a_certificate() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let (kdc, server) = by_certificate();
    let [cert, key] = ["pki/rsa.pem", "pki/rsa.key"].map(|name| path(&kdc.path(name)));
    let by = ["--cert", &cert, "--key", &key];
    let mut command = client_of(&kdc, &server, "ca.pem");
    let line = Run::of(command.args(by)).line(0);
    assert_eq!(line["proof"], "kerberos", "{line}");
    assert_eq!(line["account"], "pkuser@TEST.EXAMPLE", "{line}");
    assert_eq!(server.line()["credentials"]["password"], "");

    // A password is delegated, and the account is the one that is given.
    let mut command = client_of(&kdc, &server, "ca.pem");
    let user = ["--user", r"TEST.EXAMPLE\pkuser", "--password", "other"];
    let line = Run::of(command.args(by).args(user)).line(0);
    assert_eq!(line["account"], r"TEST.EXAMPLE\pkuser", "{line}");
    assert_eq!(server.line()["credentials"]["password"], "other");

    // An authority that is not the KDC's, and an account that is not the certificate's.
    let mut command = client_of(&kdc, &server, "rogue.pem");
    let line = Run::of(command.args(by)).line(2);
    let error = line["error"].as_str().unwrap();
    assert!(
        error.contains("no chain leads from it to an anchor"),
        "{error}"
    );
    let mut command = client_of(&kdc, &server, "ca.pem");
    let run = Run::of(command.args(by).args(["--user", r"TEST.EXAMPLE\alice"]));
    let line = run.line(1);
    let error = line["error"].as_str().unwrap();
    assert!(
        error.contains("KDC_ERR_CLIENT_NAME_MISMATCH (75)"),
        "{error}"
    );
}

#[cfg(feature = "pkcs11")]
#[test]
fn the_client_delegates_a_smart_card() {
    use crate::peer::Cards;

    if !(peer::available(Peer::MitKdc) && peer::available(Peer::SoftHsm)) {
        return;
    }
    let (kdc, server) = by_certificate();
    let cards = Cards::make("client", &["card=rsa,p256"]);
    let pin = cards.path("pin");
    std::fs::write(&pin, format!("{}\n", Cards::PIN)).unwrap();
    let wrong = cards.path("wrong");
    std::fs::write(&wrong, "314159").unwrap();
    let run = |pin: &Path, more: &[&str]| {
        let mut command = client_of(&kdc, &server, "ca.pem");
        command
            .env("SOFTHSM2_CONF", cards.configuration())
            .args(["--pkcs11-module", Cards::MODULE, "--pin-file"])
            .arg(pin)
            .args(more);
        Run::of(&mut command)
    };
    let by_label = ["--cert-label", "rsa"];
    for (more, container) in [
        (&by_label[..], "rsa"),
        (&["--token-label", "card", "--cert-id", "02"], "p256"),
    ] {
        let line = run(&pin, more).line(0);
        assert_eq!(line["account"], "pkuser@TEST.EXAMPLE", "{line}");
        let credentials = &server.line()["credentials"];
        assert_eq!(credentials["type"], "smart-card", "{credentials}");
        assert_eq!(credentials["container"], container, "{credentials}");
        assert_eq!(credentials["pin"], Cards::PIN, "{credentials}");
    }
    // Which one, and a PIN that is wrong: nothing is sent to anybody.
    for (pin, more, part) in [
        (&pin, &[][..], "2 certificates fit: choose one"),
        (&wrong, &by_label, "the PIN is wrong"),
    ] {
        let run = run(pin, more);
        assert!(run.stderr.contains(part), "{}", run.stderr);
        assert!(!run.stderr.contains("314159"), "{}", run.stderr);
        assert_eq!((run.status, &*run.stdout), (64, ""));
    }
}
