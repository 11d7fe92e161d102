//! xfreerdp, the gateway, and FreeRDP's shadow server behind it.

use std::net::{SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::thread;

use credssp::rdp::Protocol;
use credssp::{AccountName, Credentials};

use crate::connect_pdu;
use crate::loopback::{connector, localhost};
use crate::peer::{self, FreerdpShadow, Peer, Xfreerdp};
use crate::programs::Server;
use crate::remote_desktop::offering;

const CORP: &str = FreerdpShadow::DOMAIN;
const ALICE: &str = FreerdpShadow::USER;
const PASSWORD: &str = FreerdpShadow::PASSWORD;

static ACCOUNT: LazyLock<String> = LazyLock::new(|| format!(r"{CORP}\{ALICE}"));

/// A gateway to `shadow` that knows alice, by the password that she has there.
fn gateway(shadow: &FreerdpShadow, options: &[&str]) -> Server {
    let (target, account) = (
        shadow.address().to_string(),
        format!("{}:{PASSWORD}", *ACCOUNT),
    );
    let fixed = ["--target", &target, "--mechanism", "ntlm"];
    let fixed = [&fixed[..], &["--account", &account], options].concat();
    Server::start_program("rdp_gateway", &fixed)
}

fn address(gateway: &Server) -> SocketAddr {
    gateway.address.parse().unwrap()
}

#[test]
fn xfreerdp_reaches_its_end_through_the_gateway() {
    if !peer::available(Peer::Freerdp) {
        return;
    }
    let shadow = FreerdpShadow::start();
    let gateway = gateway(&shadow, &[]);
    let end = Xfreerdp::log_on(address(&gateway), ALICE, CORP, PASSWORD, &[]);
    assert_eq!(end.code, Xfreerdp::SUCCESS, "{}", end.stderr);

    let line = gateway.line();
    assert_eq!(line["verdict"], "completed", "{line}");
    assert_eq!(line["end"], "the client closed the connection");
    assert_eq!(line["account"], *ACCOUNT);
    assert_eq!(line["logon"]["mechanism"], "ntlm");
    assert_eq!(line["logon"]["version"], 6);
    assert_eq!(line["logon"]["selected"], "PROTOCOL_HYBRID");
    assert_eq!(line["logon"]["cookie"], ALICE);
    assert_eq!(line["target"], shadow.address().to_string());
    assert_eq!(line["target_logon"]["account"], *ACCOUNT);
    assert_eq!(line["target_logon"]["proof"], "nothing but NTLM");
    assert_eq!(line["target_logon"]["spn"], "TERMSRV/127.0.0.1");
    let octets = |direction: &str| line["octets"][direction].as_u64().unwrap();
    assert!(
        octets("to_target") > 500 && octets("to_client") > 300,
        "{line}"
    );
    assert!(!line.to_string().contains(PASSWORD));
}

#[test]
fn xfreerdp_gets_each_refusal_of_the_gateway() {
    if !peer::available(Peer::Freerdp) {
        return;
    }
    let shadow = FreerdpShadow::start();
    let gateway_ = gateway(&shadow, &[]);
    let end = Xfreerdp::log_on(address(&gateway_), ALICE, CORP, "another", &[]);
    assert_eq!(end.code, 134, "{}", end.stderr);
    let line = gateway_.line();
    assert_eq!(line["verdict"], "client-failed", "{line}");
    assert_eq!(line["kind"], "AuthenticationFailed");
    assert_eq!(line["account"], *ACCOUNT);

    for (status, code) in [
        ("C0000234", 135),
        ("C0000071", 148),
        ("C0000224", 149),
        ("C0000072", 151),
        ("C000006A", 154),
        ("C0000022", 155),
        ("C000006E", 156),
        ("C0000193", 157),
        ("C000015B", 158),
        ("C0000418", 132),
    ] {
        let status = format!("{}={status}", *ACCOUNT);
        let gateway = gateway(&shadow, &["--account-status", &status]);
        let end = Xfreerdp::log_on(address(&gateway), ALICE, CORP, PASSWORD, &[]);
        assert_eq!(end.code, code, "{status}: {}", end.stderr);
        let line = gateway.line();
        assert_eq!(
            (&line["verdict"], &line["kind"]),
            (&"client-failed".into(), &"AccountRefused".into())
        );
        assert_eq!(line.get("target_logon"), None, "{line}");
    }
}

#[test]
fn eight_sessions_at_once_reach_their_end() {
    if !peer::available(Peer::Freerdp) {
        return;
    }
    let shadow = FreerdpShadow::start();
    let gateway = gateway(&shadow, &[]);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let address = address(&gateway);
            thread::spawn(move || Xfreerdp::log_on(address, ALICE, CORP, PASSWORD, &[]))
        })
        .collect();
    for client in clients {
        let end = client.join().unwrap();
        assert_eq!(end.code, Xfreerdp::SUCCESS, "{}", end.stderr);
    }
    for _ in 0..8 {
        let line = gateway.line();
        assert_eq!(line["verdict"], "completed", "{line}");
    }
}

/// With credentials of the gateway's own, clients may keep theirs, and need not know those.
#[test]
fn xfreerdp_uses_credentials_that_it_does_not_know() {
    if !peer::available(Peer::Freerdp) {
        return;
    }
    let shadow = FreerdpShadow::start();
    let inject = format!("{}:{PASSWORD}", *ACCOUNT);
    let gateway = gateway(
        &shadow,
        &["--inject", &inject, "--account", "bob:bobs-canary"],
    );
    for (options, restricted_admin) in [(&[][..], false), (&["/restricted-admin"], true)] {
        let end = Xfreerdp::log_on(address(&gateway), "bob", "", "bobs-canary", options);
        assert_eq!(end.code, Xfreerdp::SUCCESS, "{}", end.stderr);
        assert!(!end.stderr.contains(PASSWORD));
        let line = gateway.line();
        assert_eq!(line["verdict"], "completed", "{line}");
        assert_eq!(line["account"], "bob");
        assert_eq!(line["logon"]["restricted_admin"], restricted_admin);
        assert_eq!(line["target_logon"]["account"], *ACCOUNT);
    }
    let log = gateway.stop();
    assert!(
        !log.contains(PASSWORD) && !log.contains("bobs-canary"),
        "{log}"
    );
}

/// The shadow server does not know PROTOCOL_HYBRID_EX, which the gateway offers to clients, and each end hears again what
/// it negotiated itself.
#[test]
fn each_end_hears_again_what_it_negotiated() {
    if !peer::available(Peer::Freerdp) {
        return;
    }
    let shadow = FreerdpShadow::start();
    let gateway = gateway(&shadow, &[]);
    for hybrid_ex in [false, true] {
        let tcp = TcpStream::connect(address(&gateway)).unwrap();
        let credentials = Credentials::password(AccountName::new(CORP, ALICE), PASSWORD);
        let (mut stream, _, selected) = connector()
            .connect_rdp(tcp, localhost(), credentials, &offering(hybrid_ex))
            .unwrap();
        let expected = [Protocol::Hybrid, Protocol::HybridEx][usize::from(hybrid_ex)];
        assert_eq!(selected.protocol, expected);

        use std::io::Write;
        let initial = connect_pdu::connect_initial(Some(selected.protocol));
        stream.write_all(&initial).unwrap();
        let response = connect_pdu::read(&mut stream);
        let requested = connect_pdu::requested(&response);
        assert_eq!(requested, Some(selected.requested.bits()));
        drop(stream);

        let line = gateway.line();
        assert_eq!(line["verdict"], "completed", "{line}");
        assert_eq!(line["target_logon"]["selected"], "PROTOCOL_HYBRID");
    }
}
