//! The example programs of WinRM, against each other and against clients that misbehave.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
#![allow(dead_code, reason = "what the tests share")]

#[path = "examples/programs.rs"]
mod programs;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use programs::{ACCOUNT, PASSWORD, Run, Server, certificate_for, example, file};
use ring::digest;

const PEM: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/test-only-rsa2048.pem"
);
const WSMAN: [&str; 2] = ["--allow-fresh-ntlm-only", "WSMAN/127.0.0.1"];

fn service(options: &[&str]) -> Server {
    let ours = [
        "--command",
        "hello=/bin/echo hello",
        "--command",
        "fail=/bin/ls /nonexistent",
    ];
    let certificate = ["--cert", PEM, "--key", PEM];
    let certificate = if options.contains(&"--cert") {
        &[][..]
    } else {
        &certificate
    };
    Server::start_program("winrm_server", &[&ours, certificate, options].concat())
}

fn client(url: &str, password: &str, options: &[&str], action: &[&str]) -> Run {
    let mut command = example("winrm_client");
    command
        .args([url, "--user", ACCOUNT])
        .args(options)
        .args(action);
    Run::of(command.env("CREDSSP_PASSWORD", password))
}

fn url(server: &Server) -> String {
    format!("http://{}", server.address)
}

/// What is answered to a request as it stands.
fn raw(server: &Server, request: &str) -> String {
    let mut tcp = TcpStream::connect(&server.address).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    tcp.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = tcp.read_to_string(&mut answer);
    answer
}

#[test]
fn a_command_runs_over_each_version_of_tls() {
    let server = service(&[]);
    for (options, tls) in [(&[][..], "1.2"), (&["--tls", "1.3"], "1.3")] {
        let options = [&WSMAN, options].concat();
        let line = client(&url(&server), PASSWORD, &options, &["run", "--", "hello"]).line(0);
        assert_eq!(line["stdout"], "hello\n");
        assert_eq!((&line["exit_code"], &line["tls"]), (&0.into(), &tls.into()));
        let line = server.line();
        assert_eq!(
            (&line["account"], &line["tls"]),
            (&ACCOUNT.into(), &tls.into())
        );
        assert_eq!(line["credentials"]["password"], serde_json::Value::Null);

        let line = client(&url(&server), PASSWORD, &options, &["identify"]).line(0);
        assert_eq!(line["vendor"], "credssp");
        server.line();
    }
    let line = client(&url(&server), PASSWORD, &WSMAN, &["run", "--", "fail"]).line(0);
    assert_eq!(line["exit_code"], 2);
    assert!(
        line["stderr"].as_str().unwrap().contains("nonexistent"),
        "{line}"
    );
}

/// Nothing from the wire becomes a program, an argument, or a line for a shell.
#[test]
fn only_commands_of_the_command_line_run_and_without_other_arguments() {
    let server = service(&[]);
    for words in [
        &["/bin/echo"][..],
        &["hello", "world"],
        &["hello; id"],
        &["hello\u{a0}world"],
        &[""],
        &["$(id)"],
        &["../hello"],
    ] {
        let action = [&["run", "--"], words].concat();
        let run = client(&url(&server), PASSWORD, &WSMAN, &action);
        let line = run.line(1);
        assert_eq!(line["kind"], "Fault", "{words:?}");
    }
}

#[test]
fn refusals_have_their_exit_status() {
    let server = service(&[]);
    let line = client(&url(&server), "wrong", &WSMAN, &["identify"]).line(1);
    assert_eq!(
        (&line["kind"], &line["step"]),
        (&"Rejected".into(), &"public key exchange".into())
    );
    server.failure("AuthenticationFailed", "negotiation", Some(ACCOUNT));

    for options in [
        &[][..],
        &["--allow-fresh-ntlm-only", "TERMSRV/*"],
        // The server proves nothing.
        &["--allow-fresh", "WSMAN/*"],
    ] {
        let line = client(&url(&server), PASSWORD, options, &["identify"]).line(2);
        assert_eq!(line["kind"], "DelegationDenied", "{options:?}");
    }
    // The machine's settings may have it switched off.
    let off = "Windows Registry Editor Version 5.00\r\n\r\n\
               [HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WSMAN\\Client]\r\n\
               \"auth_credssp\"=dword:00000000\r\n";
    let off = file("winrm-off.reg", off);
    let options = [&WSMAN, &["--policy", off.to_str().unwrap()][..]].concat();
    let line = client(&url(&server), PASSWORD, &options, &["identify"]).line(2);
    assert_eq!(line["kind"], "WinRm");

    let line = client("http://127.0.0.1:1", PASSWORD, &WSMAN, &["identify"]).line(3);
    assert_eq!(line["kind"], "Io");
    for url in ["127.0.0.1:5985", "ftp://127.0.0.1", "https://127.0.0.1"] {
        assert_eq!(
            client(url, PASSWORD, &WSMAN, &["identify"]).status,
            64,
            "{url}"
        );
    }
    let elsewhere = format!("{}/elsewhere", url(&server));
    let line = client(&elsewhere, PASSWORD, &WSMAN, &["identify"]).line(1);
    assert!(
        line["error"].as_str().unwrap().contains("status 404"),
        "{line}"
    );
}

#[test]
fn a_pinned_certificate_proves_the_service_inside_http() {
    let pem = std::fs::read(PEM).unwrap();
    let identity = credssp::tls::Identity::from_pem(&pem, &pem).unwrap();
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &identity.chain()[0]);
    let pin: String = hash
        .as_ref()
        .iter()
        .map(|octet| format!("{octet:02X} "))
        .collect();
    let server = service(&[]);
    let options = ["--allow-fresh", "WSMAN/127.0.0.1", "--pin", &pin];
    let line = client(&url(&server), PASSWORD, &options, &["identify"]).line(0);
    assert_eq!(line["proof"], "certificate");
}

#[test]
fn https_wants_a_certificate_that_is_trusted() {
    let certificate = certificate_for("127.0.0.1");
    let cert = file("winrm-https.pem", &certificate.cert.pem());
    let key = file(
        "winrm-https-key.pem",
        &certificate.signing_key.serialize_pem(),
    );
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let server = service(&["--https", "--cert", cert, "--key", key]);
    let url = format!("https://{}", server.address);
    let options = ["--allow-fresh", "WSMAN/127.0.0.1", "--trust-roots", cert];
    let line = client(&url, PASSWORD, &options, &["run", "--", "hello"]).line(0);
    assert_eq!(
        (&line["stdout"], &line["proof"]),
        (&"hello\n".into(), &"certificate".into())
    );

    let other = file("winrm-other.pem", &certificate_for("127.0.0.1").cert.pem());
    let options = [&WSMAN, &["--trust-roots", other.to_str().unwrap()][..]].concat();
    let line = client(&url, PASSWORD, &options, &["identify"]).line(3);
    assert!(
        line["error"].as_str().unwrap().contains("certificate"),
        "{line}"
    );
}

#[test]
fn what_is_no_request_of_winrm_gets_nowhere() {
    let server = service(&[]);
    let post = "POST /wsman HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n";
    let offer = raw(&server, &format!("{post}\r\n"));
    assert!(offer.starts_with("HTTP/1.1 401 "), "{offer}");
    assert!(
        offer
            .to_lowercase()
            .contains("www-authenticate: credssp\r\n"),
        "{offer}"
    );
    for (request, status) in [
        (
            "GET /wsman HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
            405,
        ),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                .to_owned(),
            404,
        ),
        (format!("{post}Authorization: Basic YTpi\r\n\r\n"), 401),
        (format!("{post}Authorization: CredSSP ====\r\n\r\n"), 401),
        (format!("{post}Authorization: CredSSP AAAA\r\n\r\n"), 401),
        (
            format!(
                "{post}Authorization: CredSSP {}\r\n\r\n",
                "A".repeat(200_000)
            ),
            401,
        ),
        (
            "POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n".to_owned(),
            413,
        ),
    ] {
        let answer = raw(&server, &request);
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{request:.80}: {answer}");
    }
}

/// Neither waiting nor asking for something else keeps the place of one that logs on.
#[test]
fn a_client_that_does_not_log_on_is_hung_up_on() {
    let server = service(&["--deadline", "3"]);
    let elsewhere = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let slow = "POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n";
    for request in ["", elsewhere, slow] {
        let mut tcp = TcpStream::connect(&server.address).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        tcp.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).expect("the end");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 404 "));
    }

    // A client that has logged on stays.
    let slow = ["--command", "slow=/bin/sleep 5", "--deadline", "3"];
    let server = service(&slow);
    let line = client(&url(&server), PASSWORD, &WSMAN, &["run", "--", "slow"]).line(0);
    assert_eq!(line["exit_code"], 0);
}

#[test]
fn no_program_logs_a_secret() {
    let server = service(&[]);
    let mut command = example("winrm_client");
    command
        .args([&url(&server), "--user", ACCOUNT])
        .args(WSMAN)
        .args(["run", "--", "hello"])
        .env("CREDSSP_PASSWORD", PASSWORD)
        .env("RUST_LOG", "trace");
    let run = Run::of(&mut command);
    assert_eq!(run.line(0)["stdout"], "hello\n");
    let log = server.stop();
    for said in [&run.stdout, &run.stderr, &log] {
        assert!(!said.contains(PASSWORD));
        assert!(!said.contains("c\u{f6}rrect"));
    }
    assert!(run.stderr.contains("delegated the credentials"));
    assert!(log.contains("received the credentials"));
}
