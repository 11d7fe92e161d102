//! WinRM with foreign peers: pywinrm and pypsrp at our service, our client at a service by pyspnego. Ours are the example
//! programs.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
#![allow(dead_code, reason = "what the tests share")]

mod peer;
#[path = "examples/programs.rs"]
mod programs;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use peer::{MitKdc, Peer, WinrmClient, WinrmServer};
use programs::{ACCOUNT, PASSWORD, Run, Server, example};
use serde_json::{Value, json};

const PEM: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/test-only-rsa2048.pem"
);

/// As [`PASSWORD`], without the colon that pyspnego's file of accounts cannot hold.
const FOREIGN_PASSWORD: &str = "-cörrect horse \u{1d11e}";

fn foreign_account() -> String {
    format!("{ACCOUNT}:{FOREIGN_PASSWORD}")
}

/// Our service, which knows some commands.
fn service(options: &[&str]) -> Server {
    let ours = [
        "--cert",
        PEM,
        "--key",
        PEM,
        "--command",
        "hello=/bin/echo hello",
        "--command",
        "count=/usr/bin/seq 1 10000",
        "--command",
        "slow=/bin/sleep 2",
        "--command",
        "fail=/bin/ls /nonexistent",
    ];
    Server::start_program("winrm_server", &[&ours, options].concat())
}

fn foreign_client(url: &str, library: &str, password: &str, action: &[&str]) -> Value {
    let options = [url, "--library", library, "--user", ACCOUNT, "--password"];
    let password = format!("--password={password}");
    WinrmClient::run(&[&options[..5], &[&password], action].concat())
}

fn our_client(url: &str, options: &[&str], action: &[&str]) -> Run {
    let mut command = example("winrm_client");
    command
        .args([
            url,
            "--user",
            ACCOUNT,
            "--allow-fresh-ntlm-only",
            "WSMAN/127.0.0.1",
        ])
        .args(options)
        .args(action)
        .env("CREDSSP_PASSWORD", FOREIGN_PASSWORD);
    Run::of(&mut command)
}

#[test]
fn pywinrm_and_pypsrp_run_commands_at_our_service() {
    if !peer::available(Peer::Winrm) {
        return;
    }
    let numbers: String = (1..=10_000).map(|number| format!("{number}\n")).collect();
    for tls in ["1.2", "1.3"] {
        let service = service(&["--tls", tls]);
        let url = format!("http://{}/wsman", service.address);
        for library in ["pywinrm", "pypsrp"] {
            let run = |name| foreign_client(&url, library, PASSWORD, &["run", name]);
            assert_eq!(
                run("hello"),
                json!({"ok": true, "exit_code": 0, "stdout": "hello\n", "stderr": ""}),
                "{library} {tls}"
            );
            let line = service.line();
            assert_eq!(
                (&line["ok"], &line["account"]),
                (&true.into(), &ACCOUNT.into())
            );
            assert_eq!(line["tls"], tls);
            // An answer of several parts, one that has to be awaited, one that fails.
            assert_eq!(run("count")["stdout"], numbers);
            assert_eq!(run("slow")["exit_code"], 0);
            assert_eq!(run("fail")["exit_code"], 2);
            let refused = run("calc");
            assert!(
                refused["message"]
                    .as_str()
                    .unwrap()
                    .contains("only the commands"),
                "{refused}"
            );
        }
    }
}

#[test]
fn pywinrm_sends_long_requests_to_our_service() {
    if !peer::available(Peer::Winrm) {
        return;
    }
    for tls in ["1.2", "1.3"] {
        let service = service(&["--tls", tls]);
        let url = format!("http://{}/wsman", service.address);
        for padding in ["0", "16384", "40000", "300000"] {
            let action = ["--padding", padding, "identify"];
            let told = foreign_client(&url, "pywinrm", PASSWORD, &action);
            assert_eq!(
                told,
                json!({"ok": true, "vendor": "credssp"}),
                "{tls} {padding}"
            );
        }
    }
}

#[test]
fn over_https_nothing_need_be_sealed() {
    if !peer::available(Peer::Winrm) {
        return;
    }
    let service = service(&["--https"]);
    let url = format!("https://{}/wsman", service.address);
    for library in ["pywinrm", "pypsrp"] {
        let told = foreign_client(&url, library, PASSWORD, &["run", "hello"]);
        assert_eq!(told["stdout"], "hello\n", "{library}: {told}");
    }
}

#[test]
fn a_foreign_client_hears_why_it_is_refused() {
    if !peer::available(Peer::Winrm) {
        return;
    }
    let service = service(&["--account-status", r"CORP\alice=C0000072"]);
    let url = format!("http://{}/wsman", service.address);
    for (password, code, kind) in [
        ("wrong", "0xc000006d", "AuthenticationFailed"),
        // It knows few codes by name, and this is none of them.
        (PASSWORD, "received ntstatus", "AccountRefused"),
    ] {
        let told = foreign_client(&url, "pywinrm", password, &["run", "hello"]);
        let message = told["message"].as_str().unwrap().to_lowercase();
        assert!(message.contains(code), "{told}");
        assert_eq!(service.line()["kind"], kind);
    }
}

/// As it is in WinRM until somebody switches it on.
#[test]
fn pywinrm_hears_where_credssp_is_off() {
    if !peer::available(Peer::Winrm) {
        return;
    }
    let service = service(&["--https", "--negotiate", "--no-credssp"]);
    let url = format!("https://{}/wsman", service.address);
    let told = foreign_client(&url, "pywinrm", PASSWORD, &["run", "hello"]);
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("CredSSP"), "{told}");
    assert!(message.contains("Negotiate"), "{told}");
}

/// Passes one connection on to `target`, up to the service's `answers`th answer; later ones to their end.
fn dropping(target: &str, answers: usize) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let target = target.to_owned();
    thread::spawn(move || {
        for (count, client) in listener.incoming().enumerate() {
            let (mut client, target) = (client.unwrap(), target.clone());
            let limit = if count == 0 { answers } else { usize::MAX };
            thread::spawn(move || {
                let mut service = TcpStream::connect(target).unwrap();
                let (mut to, mut from) =
                    (service.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || io::copy(&mut from, &mut to));
                let mut chunk = [0; 65_536];
                for _ in 0..limit {
                    match service.read(&mut chunk) {
                        Ok(length) if length > 0 => client.write_all(&chunk[..length]).unwrap(),
                        _ => break,
                    }
                }
                for socket in [&client, &service] {
                    let _ = socket.shutdown(Shutdown::Both);
                }
            });
        }
    });
    address
}

/// Whatever becomes of that client, the service has let go of it, and serves the next one.
#[test]
fn a_connection_that_is_dropped_takes_its_session_along() {
    if !peer::available(Peer::Winrm) {
        return;
    }
    let service = service(&[]);
    // In the midst of the logon, and behind the first sealed answer.
    for answers in [2, 5] {
        let url = format!("http://{}/wsman", dropping(&service.address, answers));
        let told = foreign_client(&url, "pywinrm", PASSWORD, &["run", "hello"]);
        // It may log on once more over another connection, but its shell is gone with the first one.
        let again = told["stdout"] == "hello\n";
        assert!(again || told["ok"] == false, "{told}");
    }
    let url = format!("http://{}/wsman", service.address);
    let told = foreign_client(&url, "pywinrm", PASSWORD, &["run", "hello"]);
    assert_eq!(told["stdout"], "hello\n");
}

#[test]
fn our_client_logs_on_inside_https_of_a_foreign_service() {
    if !peer::available(Peer::Winrm) {
        return;
    }
    let account = foreign_account();
    let service = WinrmServer::start(&["--account", &account, "--https", PEM]);
    let url = service.url().replace("http:", "https:");
    let options = ["--trust-roots", PEM];
    let run = our_client(&url, &options, &["identify"]);
    assert_eq!(run.line(0)["vendor"], "pyspnego");
    // It proves the listener, and not the service inside.
    assert_eq!(run.line(0)["proof"], "none");
}

#[test]
fn our_client_runs_a_command_at_a_foreign_service() {
    if !peer::available(Peer::Winrm) {
        return;
    }
    let account = foreign_account();
    for (tls, name, trailer) in [("1.2", "TLSv1.2", 16), ("1.3", "TLSv1.3", 17)] {
        // Without a ticket of TLS 1.3, its server has nothing to say to the end of the handshake.
        for tickets in ["0", "2"] {
            let mut service =
                WinrmServer::start(&["--account", &account, "--tls", tls, "--tickets", tickets]);
            let run = our_client(
                &service.url(),
                &["--tls", tls],
                &["run", "--", "hello & <world>"],
            );
            let line = run.line(0);
            assert_eq!(
                (&line["exit_code"], &line["stdout"]),
                (&7.into(), &"hello &amp; &lt;world&gt;".into())
            );
            let logon = service.line();
            assert_eq!(
                (&logon["account"], &logon["tls"]),
                (&ACCOUNT.into(), &name.into())
            );
            assert_eq!(logon["password"], FOREIGN_PASSWORD);
            for _ in 0..5 {
                let sealed = service.line();
                assert_eq!(sealed["parts"][0]["trailer"], trailer, "{sealed}");
            }
        }
    }
}

#[test]
fn our_client_opens_what_a_foreign_service_seals() {
    if !peer::available(Peer::Winrm) {
        return;
    }
    let account = foreign_account();
    for tls in ["1.2", "1.3"] {
        for options in [
            &[][..],
            &["--padding", "40000"],
            &["--padding", "40000", "--part", "1000"],
            &["--padding", "2000000"],
            &["--flaw", "boundary"],
        ] {
            let service =
                WinrmServer::start(&[&["--account", &account, "--tls", tls], options].concat());
            let run = our_client(&service.url(), &["--tls", tls], &["identify"]);
            assert_eq!(run.line(0)["vendor"], "pyspnego", "{options:?}");
        }
        for (flaw, kind, text) in [
            ("length", "InvalidMessage", "OriginalContent.Length"),
            ("tamper", "Tls", "decrypt"),
            ("cut", "InvalidMessage", "ends early"),
        ] {
            let service =
                WinrmServer::start(&["--account", &account, "--tls", tls, "--flaw", flaw]);
            let run = our_client(&service.url(), &["--tls", tls], &["identify"]);
            let line = run.line(2);
            assert_eq!(line["kind"], kind, "{line}");
            assert!(line["error"].as_str().unwrap().contains(text), "{line}");
        }
    }
}

/// Once: a service that forgets every session would have the client log on in a loop.
#[test]
fn our_client_logs_on_once_more_where_the_service_forgets_the_session() {
    if !peer::available(Peer::Winrm) {
        return;
    }
    let account = foreign_account();
    for (forget, status) in [("1", 0), ("2", 2)] {
        let mut service = WinrmServer::start(&["--account", &account, "--forget", forget]);
        let run = our_client(&service.url(), &[], &["identify"]);
        let line = run.line(status);
        if status == 0 {
            assert_eq!(line["vendor"], "pyspnego");
        } else {
            assert!(line["error"].as_str().unwrap().contains("401"), "{line}");
        }
        for _ in 0..2 {
            assert_eq!(service.line()["ok"], true);
        }
    }
}

#[test]
fn a_foreign_service_refuses_a_wrong_password() {
    if !peer::available(Peer::Winrm) {
        return;
    }
    let service = WinrmServer::start(&["--account", r"CORP\alice:another"]);
    let line = our_client(&service.url(), &[], &["identify"]).line(1);
    assert_eq!(line["kind"], "Rejected", "{line}");
}

/// Kerberos proves the service under the name WSMAN/host, so that no certificate need do it.
#[test]
fn our_ends_log_on_by_kerberos() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    const ALICE: &str = r"TEST.EXAMPLE\alice";
    let kdc = MitKdc::start();
    let keytab = kdc.path("service.keytab");
    let service = service(&["--keytab", keytab.to_str().unwrap()]);
    let address = kdc.address().to_string();
    let client = |host: &str, options: &[&str]| {
        let mut command = example("winrm_client");
        command
            .args([
                &*format!("http://{}", service.address),
                "--user",
                ALICE,
                "--host",
                host,
            ])
            .args(["--kdc", &address, "--allow-fresh", "WSMAN/*"])
            .args(options)
            .args(["run", "--", "hello"])
            .env("CREDSSP_PASSWORD", MitKdc::PASSWORD);
        Run::of(&mut command)
    };
    for tls in ["1.2", "1.3"] {
        let line = client("server.test.example", &["--tls", tls]).line(0);
        assert_eq!(
            (&line["mechanism"], &line["proof"]),
            (&"kerberos".into(), &"kerberos".into())
        );
        assert_eq!(line["stdout"], "hello\n");
        let line = service.line();
        assert_eq!(
            (&line["account"], &line["mechanism"]),
            (&ALICE.into(), &"kerberos".into())
        );
    }
    // No KDC knows this one, and NTLM would prove nothing.
    let line = client("other.test.example", &[]).line(1);
    assert_eq!(line["kind"], "Kdc", "{line}");
}
