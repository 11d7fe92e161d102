//! The foreign peers against each other: the rig itself, without this library in between.

#![allow(clippy::panic)] // in what the tests share

mod peer;

use std::fs;

use peer::{GssError, GssMechanism, GssPeer, GssRole, Peer, PyspnegoClient, PyspnegoServer};
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
