//! The foreign peers against each other: the rig itself, without this library in between.

#![allow(clippy::panic)] // in what the tests share

mod peer;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use peer::{
    FreerdpShadow, GssError, GssMechanism, GssPeer, GssRole, KdcProxy, Krb5User, MitKdc, Peer,
    PyspnegoClient, PyspnegoServer, SambaAd, Xfreerdp,
};
use serde_json::{Value, json};

const ACCOUNT: &str = r"CORP\alice:pass-canary";
const CLIENT: [&str; 4] = ["--user", r"CORP\alice", "--password", "pass-canary"];

#[test]
fn pyspnego_delegates_a_password_to_pyspnego() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    for (mechanism, framing, tls, version) in [
        ("ntlm", "ntlm", "1.2", "2"),
        ("negotiate", "spnego", "1.3", "6"),
    ] {
        let options = ["--mech", mechanism, "--tls", tls, "--version", version];
        let (server, client) = exchange(
            &options,
            &[CLIENT.as_slice(), &options, &["--chunk", "1"]].concat(),
        );
        let expected = json!({
            "ok": true,
            "account": r"CORP\alice",
            "mechanism": "ntlm",
            "framing": framing,
            "tls": tls,
            "version": version.parse::<u64>().unwrap(),
            "credentials": {"type": "password", "domain": "CORP", "user": "alice", "password": "pass-canary"},
        });
        assert_eq!(server, expected);
        assert_eq!(client["ok"], true, "{client}");
    }
}

#[test]
fn pyspnego_refuses_a_wrong_password() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let (server, client) = exchange(&[], &["--user", r"CORP\alice", "--password", "another"]);
    assert_eq!(
        (&server["ok"], &server["status"]),
        (&json!(false), &json!("8009030C")),
        "{server}"
    );
    assert_eq!(
        (&client["ok"], &client["status"]),
        (&json!(false), &json!("8009030C")),
        "{client}"
    );
}

#[test]
fn pyspnego_delegates_a_password_over_kerberos() {
    if !(peer::available(Peer::Pyspnego) && peer::available(Peer::MitKdc)) {
        return;
    }
    let kdc = MitKdc::start();
    let user = kdc.user();
    user.kinit("alice", MitKdc::PASSWORD).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let krb5_conf = path(&kdc.krb5_conf());
    let keytab = path(&kdc.path("service.keytab"));
    let ccache = path(user.ccache());
    for (mechanism, framing, ccache) in [
        ("kerberos", "kerberos", None),
        ("negotiate", "spnego", Some(&*ccache)),
    ] {
        let options = ["--mech", mechanism, "--krb5-conf", &krb5_conf];
        let server = [&options, ["--keytab", &keytab].as_slice()].concat();
        let password = if ccache.is_some() {
            "not needed"
        } else {
            MitKdc::PASSWORD
        };
        let client = ["--user", "alice@TEST.EXAMPLE", "--password", password];
        let target = ["--target-host", "server.test.example"];
        let ccache: Vec<_> = ccache
            .into_iter()
            .flat_map(|file| ["--ccache", file])
            .collect();
        let client = [&options, client.as_slice(), &target, &ccache].concat();
        let (server, client) = exchange(&server, &client);
        let expected = json!({
            "ok": true,
            "account": "alice@TEST.EXAMPLE",
            "mechanism": "kerberos",
            "framing": framing,
            "tls": "1.3",
            "version": 6,
            "credentials": {
                "type": "password", "domain": "", "user": "alice@TEST.EXAMPLE", "password": password,
            },
        });
        assert_eq!(server, expected);
        assert_eq!(client["ok"], true, "{client}");
    }
}

#[test]
fn application_data_follows_the_credential() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let server = ["--say", "welcome", "--hear", "5"];
    let client = [CLIENT.as_slice(), &["--say", "hello", "--hear", "7"]].concat();
    let (server, client) = exchange(&server, &client);
    assert_eq!(
        (&server["heard"], &client["heard"]),
        (&json!("hello"), &json!("welcome")),
        "{server} {client}"
    );
}

#[test]
fn gss_ntlmssp_seals_and_signs_for_gss_ntlmssp() {
    if !peer::available(Peer::Gss) {
        return;
    }
    for (mechanism, tokens) in [(GssMechanism::Ntlm, 3), (GssMechanism::SpnegoNtlm, 4)] {
        let mut initiator = gss_initiator(mechanism, "pass-canary", "c0ffee");
        let mut acceptor = gss_acceptor(mechanism, "c0ffee");
        assert_eq!(
            gss_exchange(&mut initiator, &mut acceptor).unwrap(),
            tokens,
            "{mechanism:?}"
        );

        let sealed = initiator.wrap(b"to the acceptor").unwrap();
        let opened = acceptor.unwrap(&sealed).unwrap();
        assert_eq!(
            (opened.message.as_slice(), opened.encrypted),
            (b"to the acceptor".as_slice(), true)
        );
        let mic = acceptor.mic(b"to the initiator").unwrap();
        initiator.verify(b"to the initiator", &mic).unwrap();
        let mic = acceptor.mic(b"to the initiator").unwrap();
        assert_eq!(
            initiator
                .verify(b"to the imitator!", &mic)
                .unwrap_err()
                .kind,
            "BadMICError"
        );
        assert!(
            acceptor
                .info()
                .unwrap()
                .contains(&r"initiator=CORP\alice".to_owned())
        );
    }
}

#[test]
fn gss_ntlmssp_refuses_a_wrong_password_and_other_channel_bindings() {
    if !peer::available(Peer::Gss) {
        return;
    }
    for mechanism in [GssMechanism::Ntlm, GssMechanism::SpnegoNtlm] {
        for (password, bindings) in [("another", "c0ffee"), ("pass-canary", "c0ffef")] {
            let mut initiator = gss_initiator(mechanism, password, bindings);
            let refused = gss_exchange(&mut initiator, &mut gss_acceptor(mechanism, "c0ffee"));
            assert!(refused.is_err(), "{mechanism:?} {password} {bindings}");
        }
    }
}

#[test]
fn mit_kdc_logs_on_and_issues_tickets_for_every_service() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    let user = kdc.user();
    assert!(user.kinit("alice", "another").is_err());
    user.kinit("alice", MitKdc::PASSWORD).unwrap();
    for (service, encryption_type) in [
        ("TERMSRV/server.test.example", ""),
        ("HTTP/server.test.example", ""),
        ("WSMAN/server.test.example", ""),
        ("HOST/server.test.example", ""),
        ("host/server.test.example", ""),
        (
            "TERMSRV/aes256-sha2.test.example",
            "aes256-cts-hmac-sha384-192",
        ),
        (
            "TERMSRV/aes128-sha2.test.example",
            "aes128-cts-hmac-sha256-128",
        ),
        (
            "TERMSRV/aes256-sha1.test.example",
            "aes256-cts-hmac-sha1-96",
        ),
        (
            "TERMSRV/aes128-sha1.test.example",
            "aes128-cts-hmac-sha1-96",
        ),
        ("TERMSRV/rc4.test.example", "DEPRECATED:arcfour-hmac"),
        // The client does not know its realm.
        (
            "TERMSRV/server.other.example@",
            "aes256-cts-hmac-sha384-192",
        ),
    ] {
        user.run("kvno", &[service], "").unwrap();
        let listed = user.run("klist", &["-e"], "").unwrap();
        let of_service = listed.split(service).nth(1).unwrap();
        let types = format!("(skey, tkt): {encryption_type}, {encryption_type} ");
        assert!(
            encryption_type.is_empty() || of_service.lines().nth(1).unwrap().ends_with(&types),
            "{listed}"
        );
    }
    let listed = user.run("klist", &[], "").unwrap();
    assert!(listed.contains("Ticket server: TERMSRV/server.other.example@OTHER.EXAMPLE"));

    let keytab = kdc.path("user.keytab");
    kdc.user().kinit_by_keytab("alice", &keytab).unwrap();
    let enterprise = ["-E", "alice@TEST.EXAMPLE"];
    kdc.user()
        .run("kinit", &enterprise, MitKdc::PASSWORD)
        .unwrap();
    let service = kdc.user();
    service.kinit("svcuser", MitKdc::PASSWORD).unwrap();
    let tickets = service.ccache().to_str().unwrap();
    user.run("kvno", &["--u2u", tickets, "svcuser"], "")
        .unwrap();
}

#[test]
fn mit_kdc_with_a_wrong_clock_lives_in_the_future() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start_with(&["--skew", "+10d"]);
    let user = kdc.user();
    user.kinit("alice", MitKdc::PASSWORD).unwrap();
    let now = |format: &str| {
        let date = Command::new("date")
            .args(["-d", "+10 days", format])
            .output()
            .unwrap();
        String::from_utf8(date.stdout).unwrap().trim().to_owned()
    };
    let listed = user.run("klist", &[], "").unwrap();
    assert!(listed.contains(&now("+%m/%d/%y")), "{listed}");
}

#[test]
fn gss_krb5_seals_for_gss_krb5() {
    if !(peer::available(Peer::MitKdc) && peer::available(Peer::Gss)) {
        return;
    }
    let kdc = MitKdc::start();
    let user = kdc.user();
    user.kinit("alice", MitKdc::PASSWORD).unwrap();
    for mechanism in [
        GssMechanism::Kerberos,
        GssMechanism::SpnegoKerberos,
        GssMechanism::SpnegoKerberosNtlm,
    ] {
        let (mut initiator, mut acceptor) = gss_over_kerberos(&kdc, &user, mechanism, &[], &[]);
        gss_exchange(&mut initiator, &mut acceptor).unwrap();
        let opened = acceptor.unwrap(&initiator.wrap(b"to the acceptor").unwrap());
        assert_eq!(opened.unwrap().message, b"to the acceptor");
        let (header, sealed) = acceptor.wrap_iov(b"to the initiator").unwrap();
        assert_eq!((header.len(), sealed.len()), (72, 16));
        let opened = initiator.unwrap_iov(&header, &sealed).unwrap();
        assert_eq!(
            (opened.message.as_slice(), opened.encrypted),
            (b"to the initiator".as_slice(), true)
        );
        let info = acceptor.info().unwrap();
        for expected in [
            "initiator=alice@TEST.EXAMPLE",
            "target=TERMSRV/server.test.example@TEST.EXAMPLE",
            "mechanism=1.2.840.113554.1.2.2",
        ] {
            assert!(info.iter().any(|word| word == expected), "{info:?}");
        }
    }
}

#[test]
fn gss_krb5_refuses_other_channel_bindings_and_what_was_said_before() {
    if !(peer::available(Peer::MitKdc) && peer::available(Peer::Gss)) {
        return;
    }
    let kdc = MitKdc::start();
    let user = kdc.user();
    user.kinit_by_keytab("alice", &kdc.path("user.keytab"))
        .unwrap();
    let rcache = format!("rcache={}", kdc.path("rcache").display());
    let flags = "flags=integ,conf"; // one token
    let mechanism = GssMechanism::Kerberos;
    let pair = |bindings| {
        gss_over_kerberos(
            &kdc,
            &user,
            mechanism,
            &[bindings, flags],
            &["cb=c0ffee", &rcache],
        )
    };
    let (mut initiator, mut acceptor) = pair("cb=c0ffef");
    let token = initiator.step(None).unwrap().token;
    assert_eq!(
        acceptor.step(Some(&token)).unwrap_err().kind,
        "BadChannelBindingsError"
    );

    let (mut initiator, mut acceptor) = pair("cb=c0ffee");
    let token = initiator.step(None).unwrap().token;
    assert!(acceptor.step(Some(&token)).unwrap().complete);
    let (_, mut again) = pair("cb=c0ffee");
    let refused = again.step(Some(&token)).unwrap_err();
    assert!(refused.message.contains("replay"), "{refused}");
}

#[test]
fn kdcproxy_passes_on_to_a_kdc() {
    if !(peer::available(Peer::MitKdc) && peer::available(Peer::KdcProxy)) {
        return;
    }
    let kdc = MitKdc::start();
    let proxy = KdcProxy::start(kdc.address(), &[MitKdc::REALM, MitKdc::OTHER_REALM]);
    let user = proxy.user();
    user.kinit("alice", MitKdc::PASSWORD).unwrap();
    let services = [
        "TERMSRV/server.test.example",
        "TERMSRV/server.other.example@",
    ];
    user.run("kvno", &services, "").unwrap();
    assert!(proxy.user().kinit("alice", "another").is_err());

    let ca_pem = proxy.ca_pem();
    let get = |url: String, trust: &[&str]| {
        let output = Command::new("curl")
            .args([
                "--silent",
                "--max-time",
                "20",
                "--write-out",
                "%{http_code}",
            ])
            .args(["--output", "/dev/null", &url])
            .args(trust)
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let trusting = ["--cacert", ca_pem.to_str().unwrap()];
    let method_not_allowed = (0, "405".to_owned());
    assert_eq!(get(proxy.url(), &trusting), method_not_allowed);
    assert_eq!(get(proxy.http_url(), &[]), method_not_allowed);
    // Whom it does not know it does not trust.
    assert_eq!(get(proxy.url(), &[]), (60, "000".to_owned()));
}

#[test]
fn samba_ad_logs_on_and_issues_tickets() {
    if !(peer::available(Peer::SambaAd) && peer::available(Peer::MitKdc)) {
        return;
    }
    let (domain, other) = (SambaAd::start(), SambaAd::start());
    let user = domain.user();
    let by_upn = ["-C", "-E", SambaAd::ALICE_UPN];
    user.run("kinit", &by_upn, SambaAd::PASSWORD).unwrap();
    let listed = user.run("klist", &[], "").unwrap();
    assert!(
        listed.contains("Default principal: alice@AD.EXAMPLE"),
        "{listed}"
    );
    let services = [
        SambaAd::WINRM_SERVICE,
        SambaAd::HTTP_SERVICE,
        SambaAd::RDP_SERVICE,
    ];
    user.run("kvno", &services, "").unwrap();

    for account in ["bob", "Éva日本", SambaAd::PROTECTED, SambaAd::RDP_ACCOUNT] {
        other.user().kinit(account, SambaAd::PASSWORD).unwrap();
    }
    for (account, password) in [
        ("bob", "another"),
        (SambaAd::MUST_CHANGE, SambaAd::PASSWORD),
        (SambaAd::DISABLED, SambaAd::PASSWORD),
    ] {
        assert!(other.user().kinit(account, password).is_err(), "{account}");
    }
    let keytab = domain.path("service.keytab");
    let service = domain.user();
    service
        .kinit_by_keytab(SambaAd::RDP_ACCOUNT, &keytab)
        .unwrap();
    let tickets = service.ccache().to_str().unwrap();
    user.run("kvno", &["--u2u", tickets, SambaAd::RDP_ACCOUNT], "")
        .unwrap();
}

#[test]
fn xfreerdp_logs_on_to_freerdp_shadow_with_every_certificate() {
    if !peer::available(Peer::Freerdp) {
        return;
    }
    for (options, key) in [
        (&[][..], "2048 bit"),
        (&["--certificate", "rsa-4096"], "4096 bit"),
        (&["--certificate", "p-256"], "256 bit"),
    ] {
        let server = FreerdpShadow::start_with(options);
        let end = xfreerdp_as_alice(&server, FreerdpShadow::PASSWORD);
        assert_eq!(end.code, Xfreerdp::SUCCESS, "{key}: {}", end.stderr);
        let shown = Command::new("openssl")
            .args(["x509", "-noout", "-text", "-in"])
            .arg(server.certificate())
            .output()
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains(&format!("Public-Key: ({key})")), "{shown}");
    }
}

#[test]
fn freerdp_shadow_closes_after_a_wrong_password() {
    if !peer::available(Peer::Freerdp) {
        return;
    }
    let server = FreerdpShadow::start();
    let end = xfreerdp_as_alice(&server, "another");
    assert_eq!(end.code, Xfreerdp::CLOSED, "{}", end.stderr);
    // For others it is there as before, all at once.
    thread::scope(|scope| {
        let logons: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| xfreerdp_as_alice(&server, FreerdpShadow::PASSWORD)))
            .collect();
        for logon in logons {
            let end = logon.join().unwrap();
            assert_eq!(end.code, Xfreerdp::SUCCESS, "{}", end.stderr);
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_peer_ends_with_its_owner() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let server = PyspnegoServer::start(&["--account", ACCOUNT]);
    let process = format!("/proc/{}/stat", server.id());
    assert!(fs::exists(&process).unwrap());
    drop(server);
    assert!(!fs::exists(&process).unwrap());
}

fn exchange(server_options: &[&str], client_options: &[&str]) -> (Value, Value) {
    let mut server = PyspnegoServer::start(&[&["--account", ACCOUNT], server_options].concat());
    let mut client = PyspnegoClient::connect(server.address(), client_options);
    (server.outcome(), client.outcome())
}

fn xfreerdp_as_alice(server: &FreerdpShadow, password: &str) -> Xfreerdp {
    let (user, domain) = (FreerdpShadow::USER, FreerdpShadow::DOMAIN);
    Xfreerdp::log_on(server.address(), user, domain, password, &[])
}

fn gss_initiator(mechanism: GssMechanism, password: &str, bindings: &str) -> GssPeer {
    let password = format!("password={password}");
    let bindings = format!("cb={bindings}");
    let options = [
        r"user=CORP\alice",
        &password,
        "target=TERMSRV@localhost",
        &bindings,
    ];
    GssPeer::start(GssRole::Initiate, mechanism, &options)
}

fn gss_acceptor(mechanism: GssMechanism, bindings: &str) -> GssPeer {
    let account = format!("account={ACCOUNT}");
    GssPeer::start(
        GssRole::Accept,
        mechanism,
        &[&account, &format!("cb={bindings}")],
    )
}

/// Both sides at a KDC's, with more options for either.
fn gss_over_kerberos(
    kdc: &MitKdc,
    user: &Krb5User,
    mechanism: GssMechanism,
    initiate: &[&str],
    accept: &[&str],
) -> (GssPeer, GssPeer) {
    let krb5_conf = format!("krb5_conf={}", kdc.krb5_conf().display());
    let ccache = format!("ccache={}", user.ccache().display());
    let target = "target=TERMSRV@server.test.example";
    let initiator = [&[target, &krb5_conf, &ccache], initiate].concat();
    let keytab = format!("keytab={}", kdc.path("service.keytab").display());
    let acceptor = [&[keytab.as_str(), &krb5_conf], accept].concat();
    (
        GssPeer::start(GssRole::Initiate, mechanism, &initiator),
        GssPeer::start(GssRole::Accept, mechanism, &acceptor),
    )
}

/// Passes tokens until there are none left; how many there were, or the first refusal.
fn gss_exchange(initiator: &mut GssPeer, acceptor: &mut GssPeer) -> Result<usize, GssError> {
    let mut token = initiator.step(None)?.token;
    for sent in 1..=8 {
        let side = if sent % 2 == 1 {
            &mut *acceptor
        } else {
            &mut *initiator
        };
        let step = side.step(Some(&token))?;
        if step.token.is_empty() {
            assert!(step.complete);
            return Ok(sent);
        }
        token = step.token;
    }
    panic!("eight tokens and no end");
}
