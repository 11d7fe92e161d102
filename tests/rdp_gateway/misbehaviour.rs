//! Ends that are not there, are silent, or say what is not due.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use credssp::credentials::{TsCredentials, TsPasswordCreds};
use credssp::rdp::{Protocol, Protocols, client};
use serde_json::Value;

use crate::connect_pdu::{connect_initial, connect_response};
use crate::loopback::{connector, localhost};
use crate::programs::{ACCOUNT, PASSWORD, Run, Server, example};
use crate::session::{Target, connect, credentials, expect, tcp};

/// A port on which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().to_string()
}

fn gateway_to(target: &str, options: &[&str]) -> Server {
    Server::start_program(
        "rdp_gateway",
        &[&["--target", target][..], options].concat(),
    )
}

#[track_caller]
fn assert_failed(line: &Value, verdict: &str, kind: &str, text: &str) {
    assert_eq!(
        (&line["verdict"], &line["kind"]),
        (&verdict.into(), &kind.into()),
        "{line}"
    );
    assert!(line["error"].as_str().unwrap().contains(text), "{line}");
}

#[test]
fn a_target_that_is_down_ends_the_session() {
    let target = nobody();
    let gateway = gateway_to(&target, &[]);
    let (mut client, _) = connect(&gateway, true);
    // No reason, but a farewell in due form.
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    let line = gateway.line();
    assert_failed(&line, "target-failed", "Connect", "check --target");
    assert_eq!(
        (&line["account"], &line["target"]),
        (&ACCOUNT.into(), &target.into())
    );
}

/// As in Restricted Admin mode, which the gateway does not offer without credentials of its own.
#[test]
fn a_client_that_delegates_nothing_is_not_logged_on_as_nobody() {
    let gateway = gateway_to(&nobody(), &[]);
    let nothing = TsCredentials::Password(TsPasswordCreds::new("", "", ""));
    let (_client, ..) = connector()
        .connect_rdp(
            tcp(&gateway),
            localhost(),
            credentials().delegating(nothing),
            &client::NegotiationConfig::default(),
        )
        .unwrap();
    let line = gateway.line();
    assert_failed(&line, "client-failed", "CannotLogOnWith", "(nothing)");
    assert_eq!(line["account"], ACCOUNT);
}

#[test]
fn a_target_that_refuses_the_password_ends_the_session() {
    let target = Server::start(&["--rdp", "--account-status", r"CORP\alice=C0000072"]);
    let gateway = gateway_to(&target.address, &[]);
    let (mut client, _) = connect(&gateway, true);
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    let line = gateway.line();
    assert_failed(
        &line,
        "target-failed",
        "Rejected",
        "STATUS_ACCOUNT_DISABLED",
    );
    assert_eq!(line["target_logon"]["account"], ACCOUNT);
}

#[test]
fn a_target_that_says_nothing_is_not_awaited_for_ever() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let gateway = gateway_to(&target, &["--logon-timeout", "3"]);
    let begin = Instant::now();
    let (mut client, _) = connect(&gateway, true);
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_failed(&gateway.line(), "target-failed", "TimedOut", "slow");
}

#[test]
fn a_client_that_says_nothing_is_hung_up_on_and_makes_room() {
    let target = Target::start(true, PASSWORD);
    let gateway = target.gateway(&["--logon-timeout", "3", "--max-pending", "1"]);
    let mut silent = tcp(&gateway);
    // It waits in the queue until then.
    let begin = Instant::now();
    let (client, _) = connect(&gateway, true);
    assert!(begin.elapsed() > Duration::from_secs(2));
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
    assert_failed(&gateway.line(), "client-failed", "TimedOut", "slow");
    drop(client);
    assert_eq!(gateway.line()["account"], ACCOUNT);
}

#[test]
fn a_client_that_is_no_client_is_hung_up_on() {
    let gateway = gateway_to(&nobody(), &[]);
    let mut client = tcp(&gateway);
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut told = Vec::new();
    let _ = client.read_to_end(&mut told);
    assert_eq!(told, b"");
    assert_failed(
        &gateway.line(),
        "client-failed",
        "InvalidMessage",
        "tpktHeader",
    );
}

#[test]
fn a_session_without_a_word_ends_where_that_is_wanted() {
    let target = Target::start(true, PASSWORD);
    let gateway = target.gateway(&["--idle-timeout", "3"]);
    let (mut client, selected) = connect(&gateway, true);
    let (mut target, _, accepted) = target.accepted();
    let initial = connect_initial(Some(selected.protocol));
    client.write_all(&initial).unwrap();
    expect(&mut target, &initial);
    let response = connect_response(Some(accepted.requested));
    target.write_all(&response).unwrap();
    expect(&mut client, &response);
    // A word now and then keeps it up, and its lack ends it at both ends.
    let begin = Instant::now();
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(1200));
        client.write_all(b"word").unwrap();
        expect(&mut target, b"word");
    }
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(target.read(&mut [0; 1]).unwrap(), 0);
    assert!(begin.elapsed() > Duration::from_millis(6500));
    let line = gateway.line();
    assert_eq!(line["verdict"], "completed", "{line}");
    assert_eq!(line["end"], "neither end has said anything for too long");
}

/// Somebody changed the negotiation between the client and the gateway, or between that and the target.
#[test]
fn a_changed_negotiation_ends_the_session() {
    let target = Target::start(true, PASSWORD);
    let gateway = target.gateway(&[]);
    let (mut client, _) = connect(&gateway, true);
    let (mut target, ..) = target.accepted();
    client
        .write_all(&connect_initial(Some(Protocol::Hybrid)))
        .unwrap();
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(target.read(&mut [0; 1]).unwrap(), 0);
    assert_failed(
        &gateway.line(),
        "session-failed",
        "NegotiationChanged",
        "serverSelectedProtocol is 0x2, and 0x8 was negotiated",
    );

    let target = Target::start(true, PASSWORD);
    let gateway = target.gateway(&[]);
    let (mut client, selected) = connect(&gateway, true);
    let (mut target, ..) = target.accepted();
    let initial = connect_initial(Some(selected.protocol));
    client.write_all(&initial).unwrap();
    expect(&mut target, &initial);
    target
        .write_all(&connect_response(Some(Protocols::SSL)))
        .unwrap();
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    assert_failed(
        &gateway.line(),
        "session-failed",
        "NegotiationChanged",
        "clientRequestedProtocols is 0x1, and 0xB was negotiated",
    );
}

#[test]
fn a_first_message_that_is_none_ends_the_session() {
    let good = connect_initial(Some(Protocol::HybridEx));
    for message in [
        &b"\x02\x00\x00\x13"[..],
        b"\x03\x00\x00\x03",
        b"\x03\x00\x00\x04",
        b"\x03\x00\x00\x07\x02\xf0\x80",
        &[&good[..4], &[0; 400][..good.len() - 4]].concat(),
        // A block that says it has no length.
        &good
            .iter()
            .copied()
            .enumerate()
            .map(|(at, octet)| {
                let core = good.windows(4).position(|w| w == b"Duca").unwrap() + 4;
                if (core + 4..core + 6).contains(&at) || at == core + 3 {
                    0
                } else {
                    octet
                }
            })
            .collect::<Vec<_>>(),
    ] {
        let target = Target::start(true, PASSWORD);
        let gateway = target.gateway(&[]);
        let (mut client, _) = connect(&gateway, true);
        client.write_all(message).unwrap();
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
        assert_failed(
            &gateway.line(),
            "session-failed",
            "Malformed",
            "no MCS Connect Initial",
        );
    }
}

#[test]
fn the_command_line_tells_what_is_wrong_with_it() {
    let account = format!("{ACCOUNT}:{PASSWORD}");
    for (options, text) in [
        (&["--target", "host"][..], "given as HOST:PORT"),
        (&["--target", "host:port"], "given as HOST:PORT"),
        (
            &["--target", "host:1", "--inject", "alice"],
            "set CREDSSP_PASSWORD",
        ),
        (&["--target", "host:1", "--max-pending", "0"], "1 at least"),
        (
            &[
                "--target",
                "host:1",
                "--idle-timeout",
                "18446744073709551615",
            ],
            "1..=31536000",
        ),
        (&[], "--target"),
    ] {
        let mut command = example("rdp_gateway");
        command.args(["--listen", "127.0.0.1:0", "--account", &account]);
        let run = Run::of(command.args(options));
        assert_eq!(run.status, 64, "{run:?}");
        assert!(run.stderr.contains(text), "{run:?}");
        assert!(!run.stderr.contains(PASSWORD), "{run:?}");
    }
}
