//! The second hop: what clients delegate to `winrm_server` is given to its commands, with which they log on to Samba, and to
//! nobody else.

#![cfg(target_os = "linux")]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
#![allow(dead_code, reason = "what the tests share")]

mod peer;
#[path = "examples/programs.rs"]
mod programs;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use peer::{Peer, SambaAd, WinrmClient};
use programs::{ACCOUNT, Run, Server, example, file};
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Nothing else on this machine has it.
const PASSWORD: &str = "second = hop # 'canary' \u{1d11e}\\ ";
const PATIENCE: Duration = Duration::from_secs(20);

/// What `found` returns, as soon as that is something.
#[track_caller]
fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "there is no {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// B, with a folder of its own for what it hands on.
struct Service {
    server: Server,
    folder: PathBuf,
}

impl Service {
    fn start(name: &str, account: &str, password: &str, options: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("multi_hop-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let accounts = file(
            &format!("multi_hop-{name}-accounts"),
            &format!("{account}:{password}\n"),
        );
        let pem = format!("{ROOT}/tests/data/test-only-rsa2048.pem");
        let mut command = example("winrm_server");
        command
            .args(["--cert", &pem, "--key", &pem, "--accounts"])
            .arg(accounts)
            .args(["--command", "hold=/bin/sleep 60"])
            .args(["--command", "environment=/usr/bin/env"])
            .args(options)
            .env("XDG_RUNTIME_DIR", &folder)
            .env("PLANTED", "planted");
        Self {
            server: Server::start_command(&mut command),
            folder,
        }
    }

    /// Our client, which runs a command.
    fn client(&self, name: &str) -> Command {
        let mut command = example("winrm_client");
        command
            .args([&format!("http://{}", self.server.address), "--user"])
            .args([ACCOUNT, "--allow-fresh-ntlm-only", "WSMAN/127.0.0.1"])
            .args(["run", "--", name])
            .env("CREDSSP_PASSWORD", PASSWORD);
        command
    }

    fn run(&self, name: &str) -> Run {
        Run::of(&mut self.client(name))
    }

    /// What it hands on to commands that run.
    fn handed_on(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Starts a command that goes on until it is ended, and waits for it.
    fn hold(&self) -> (Child, Held) {
        let mut client = self.client("hold");
        let child = client
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let parent = self.server.child.id().to_string();
        let held = wait_for("command", || {
            let processes = fs::read_dir("/proc").unwrap();
            let mut ids = processes.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            let id = ids.find(|id| {
                let status = fs::read_to_string(format!("/proc/{id}/status"));
                let status = status.unwrap_or_default();
                let child = status
                    .lines()
                    .any(|line| line.strip_prefix("PPid:\t") == Some(&parent));
                child && status.starts_with("Name:\tsleep\n")
            })?;
            let environment = fs::read(format!("/proc/{id}/environ")).ok()?;
            let variables = environment.split(|octet| *octet == 0);
            let variables = variables.filter_map(|variable| {
                let (name, value) = str::from_utf8(variable).ok()?.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            });
            Some(Held {
                process: PathBuf::from(format!("/proc/{id}")),
                environment: variables.collect(),
            })
        });
        (child, held)
    }
}

/// A command that runs.
struct Held {
    process: PathBuf,
    environment: HashMap<String, String>,
}

impl Held {
    /// Who has ended, and whom nobody has asked yet for its status, has no command line any more.
    fn runs(&self) -> bool {
        fs::read(self.process.join("cmdline")).is_ok_and(|line| !line.is_empty())
    }
}

/// The command lines of all processes.
fn command_lines() -> String {
    let processes = fs::read_dir("/proc").unwrap();
    processes
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).into_owned() + "\n")
        .collect()
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_command_is_told_of_files_that_its_owner_alone_can_read() {
    let service = Service::start("files", ACCOUNT, PASSWORD, &["--hand-over"]);
    let (client, held) = service.hold();
    let authentication = Path::new(&held.environment["CREDSSP_AUTHENTICATION_FILE"]);
    let folder = authentication.parent().unwrap();
    assert_eq!(service.handed_on(), [folder]);
    assert_eq!((mode(folder), mode(authentication)), (0o700, 0o600));
    assert_eq!(
        fs::read_to_string(authentication).unwrap(),
        format!("domain = CORP\nusername = alice\npassword = {PASSWORD}\n")
    );
    let names = ["CREDSSP_AUTHENTICATION_FILE", "HOME", "LANG", "LC_ALL"];
    let mut names = names.to_vec();
    names.extend(["PATH", "TZ"]);
    for (name, value) in &held.environment {
        assert!(names.contains(&&**name), "{name}");
        assert!(!value.contains("canary"), "{name}");
    }
    let lines = command_lines();
    assert!(lines.contains("winrm_server"), "{lines}");
    assert!(!lines.contains("second = hop"), "a command line has it");
    end(client);
}

/// Whether its client, its server or it itself puts an end to it.
#[test]
fn the_files_go_away_with_the_command() {
    let service = Service::start("end", ACCOUNT, PASSWORD, &["--hand-over"]);
    let line = service.run("environment").line(0);
    let told = line["stdout"].as_str().unwrap();
    assert!(told.contains("CREDSSP_AUTHENTICATION_FILE"), "{told}");
    assert_eq!(service.handed_on(), [""; 0].map(PathBuf::from));

    let (client, held) = service.hold();
    assert_eq!((service.handed_on().len(), held.runs()), (1, true));
    end(client);
    wait_for("end of the command", || {
        (service.handed_on().is_empty() && !held.runs()).then_some(())
    });

    let (client, held) = service.hold();
    assert_eq!(service.handed_on().len(), 1);
    let id = service.server.child.id().to_string();
    let stopped = Command::new("kill").args(["-TERM", &id]).status();
    assert!(stopped.unwrap().success());
    let mut server = service.server;
    assert_eq!(server.wait(), 0);
    assert_eq!(fs::read_dir(&service.folder).unwrap().count(), 0);
    wait_for("end of the command", || (!held.runs()).then_some(()));
    end(client);
    let log = server.stop();
    assert!(log.contains("received a TSRequest"), "the log is on");
    assert!(!log.contains("canary"), "{log}");
}

#[test]
fn nothing_is_handed_on_unless_the_server_is_told_to() {
    let service = Service::start("off", ACCOUNT, PASSWORD, &[]);
    let (client, held) = service.hold();
    assert!(service.handed_on().is_empty());
    let names: Vec<_> = held.environment.keys().collect();
    assert!(
        !names.iter().any(|name| name.contains("CREDSSP")),
        "{names:?}"
    );
    end(client);
}

/// A line break would be a line of its own in the file, and spaces before the password would be lost.
#[test]
fn what_the_file_cannot_hold_is_refused() {
    for (name, password) in [("break", "a\nusername = bob"), ("space", " canary")] {
        let options = ["--hand-over", "--account", &format!("{ACCOUNT}:{password}")];
        let service = Service::start(name, "nobody", "none", &options);
        let run = Run::of(
            service
                .client("environment")
                .env("CREDSSP_PASSWORD", password),
        );
        let line = run.line(1);
        let error = line["error"].as_str().unwrap();
        assert!(error.contains("cannot hold these characters"), "{error}");
        assert!(service.handed_on().is_empty());
    }
}

/// Asks B over HTTPS to run a command.
fn pywinrm(service: &Service, options: &[&str], name: &str) -> Value {
    let url = format!("https://{}/wsman", service.server.address);
    let client = [&url, "--library", "pywinrm", "--user", r"AD.EXAMPLE\alice"];
    let client = [&client, options, &["run", name]].concat();
    let password = format!("--password={}", SambaAd::PASSWORD);
    WinrmClient::run(&[&client[..], &[&password]].concat())
}

/// The command that fetches a file from C.
fn report(domain: &SambaAd) -> String {
    let address = domain.address().ip();
    format!("report={ROOT}/examples/multi_hop/fetch //dc1.ad.example/share {address} hello.txt")
}

/// C's words on logons, of those that follow `from`.
fn logons(domain: &SambaAd, from: usize, kind: &str, service: &str) -> Vec<Value> {
    let log = fs::read(domain.path("samba.log")).unwrap();
    let log = String::from_utf8_lossy(&log[from..]).into_owned();
    let lines = log.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line.get(line.find('{')?..)?).ok()?;
        let logon = &line[kind];
        (logon["serviceDescription"] == service).then(|| logon.clone())
    });
    lines.collect()
}

#[test]
fn the_second_hop_takes_what_credssp_delegates() {
    if !(peer::available(Peer::Winrm) && peer::available(Peer::SambaAd)) {
        return;
    }
    let domain = SambaAd::start();
    let krb5_conf = domain.krb5_conf();
    let krb5_conf = krb5_conf.to_str().unwrap();
    let report = report(&domain);
    for (name, kdc, mechanism) in [
        ("ntlm", &[][..], "NTLMSSP"),
        ("kerberos", &["--krb5-conf", krb5_conf], "krb5"),
    ] {
        let options = [
            "--https",
            "--negotiate",
            "--hand-over",
            "--command",
            &report,
        ];
        let options = [&options, kdc].concat();
        let account = r"AD.EXAMPLE\alice";
        let service = Service::start(name, account, SambaAd::PASSWORD, &options);
        let log = || fs::read(domain.path("samba.log")).unwrap().len();

        let before = log();
        let told = pywinrm(&service, &["--transport", "ntlm"], "report");
        assert_eq!(told["exit_code"], 1, "{told}");
        let output = told["stdout"].as_str().unwrap();
        assert!(output.contains("NT_STATUS_ACCESS_DENIED"), "{told}");
        let line = service.server.line();
        assert_eq!(line["account"], account);
        assert_eq!(line["credentials"], Value::Null);
        let nobody = wait_for("logon", || {
            logons(&domain, before, "Authorization", "SMB2").pop()
        });
        assert_eq!(nobody["account"], "ANONYMOUS LOGON");

        let before = log();
        let told = pywinrm(&service, &["--transport", "credssp"], "report");
        assert_eq!(told["stdout"], "the second hop\n", "{told}");
        assert_eq!(told["exit_code"], 0);
        let line = service.server.line();
        assert_eq!(line["credentials"]["user"], "alice");
        let logon = wait_for("logon", || {
            logons(&domain, before, "Authorization", "SMB2").pop()
        });
        assert_eq!(
            (&logon["account"], &logon["authType"]),
            (&"alice".into(), &mechanism.into())
        );
        let by_password = logons(&domain, before, "Authentication", "SMB2");
        match mechanism {
            "krb5" => assert_eq!(by_password, [Value::Null; 0]),
            _ => assert_eq!(by_password[0]["passwordType"], "NTLMv2"),
        }
        assert!(service.handed_on().is_empty());

        let environment = pywinrm(&service, &[], "environment");
        let environment = environment["stdout"].as_str().unwrap();
        for (name, value) in [
            ("CREDSSP_AUTHENTICATION_FILE", Some("/authentication\n")),
            (
                "KRB5CCNAME=FILE:",
                Some("/tickets\n").filter(|_| mechanism == "krb5"),
            ),
            (
                "KRB5_CONFIG",
                Some("/krb5.conf\n").filter(|_| mechanism == "krb5"),
            ),
        ] {
            assert_eq!(environment.contains(name), value.is_some(), "{environment}");
            assert!(
                environment.contains(value.unwrap_or_default()),
                "{environment}"
            );
        }
        service.server.line();
        let log = service.server.stop();
        assert!(log.contains("received a TSRequest"), "the log is on");
        assert!(!log.contains(SambaAd::PASSWORD), "{log}");
    }
}

/// Spaces and all: smbclient reads what was written.
#[test]
fn any_password_gets_through_the_file() {
    if !(peer::available(Peer::Winrm) && peer::available(Peer::SambaAd)) {
        return;
    }
    let domain = SambaAd::start();
    let database = domain.path("private/sam.ldb");
    let change = Command::new("samba-tool")
        .args(["user", "setpassword", "bob", "-H"])
        .arg(database)
        .arg(format!("--newpassword={PASSWORD}"))
        .output()
        .unwrap();
    assert!(change.status.success(), "{change:?}");
    let options = ["--https", "--hand-over", "--command", &report(&domain)];
    let service = Service::start("any", r"ADLAB\bob", PASSWORD, &options);
    let url = format!("https://{}/wsman", service.server.address);
    let client = [&url, "--library", "pywinrm", "--user", r"ADLAB\bob"];
    let password = format!("--password={PASSWORD}");
    let told = WinrmClient::run(&[&client[..], &[&password, "run", "report"]].concat());
    assert_eq!(told["stdout"], "the second hop\n", "{told}");
}

/// The commands still run, and can try NTLM.
#[test]
fn a_kdc_that_refuses_is_asked_once() {
    if !(peer::available(Peer::Winrm) && peer::available(Peer::SambaAd)) {
        return;
    }
    let domain = SambaAd::start();
    let kdc = domain.address().to_string();
    let options = ["--hand-over", "--kdc", &kdc];
    // The domain has another password for this one.
    let account = r"AD.EXAMPLE\alice";
    let service = Service::start("refused", account, "another", &options);
    let url = format!("http://{}/wsman", service.server.address);
    // Which runs both commands in one session.
    let client = ["--library", "pypsrp", "--user", account];
    let client = [&[&*url], &client[..], &["--password=another", "run"]].concat();
    let told = WinrmClient::run(&[&client[..], &["environment", "environment"]].concat());
    let environment = told["stdout"].as_str().unwrap();
    assert!(
        environment.contains("CREDSSP_AUTHENTICATION_FILE"),
        "{told}"
    );
    assert!(!environment.contains("KRB5CCNAME"), "{told}");
    let log = service.server.stop();
    let complaint = r"no ticket for AD.EXAMPLE\alice: Kerberos";
    assert_eq!(log.matches(complaint).count(), 1, "{log}");
    let refused = logons(&domain, 0, "Authentication", "Kerberos KDC");
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0]["status"], "NT_STATUS_WRONG_PASSWORD");
}

#[test]
fn negotiate_wants_the_password_and_the_channel() {
    if !peer::available(Peer::Winrm) {
        return;
    }
    let account = r"AD.EXAMPLE\alice";
    let start = |name, password, options: &[&str]| Service::start(name, account, password, options);
    let (ours, https) = (SambaAd::PASSWORD, ["--https", "--negotiate"]);
    let disabled = format!("{account}=C0000072");
    for (name, password, more, client, kind) in [
        ("good", ours, &[][..], &[][..], None),
        ("wrong", "another", &[], &[], Some("AuthenticationFailed")),
        (
            "unbound",
            ours,
            &[],
            &["--no-cbt"],
            Some("AuthenticationFailed"),
        ),
        (
            "disabled",
            ours,
            &["--account-status", &disabled],
            &[],
            Some("AccountRefused"),
        ),
    ] {
        let service = start(name, password, &[&https[..], more].concat());
        let options = [&["--transport", "ntlm"][..], client].concat();
        let told = pywinrm(&service, &options, "environment");
        assert_eq!(told["ok"], kind.is_none(), "{name} {told}");
        let line = service.server.line();
        assert_eq!(line["ok"], kind.is_none(), "{name} {line}");
        assert_eq!(
            line["kind"],
            kind.map_or(Value::Null, Value::from),
            "{line}"
        );
    }
    let service = start("not-offered", ours, &["--https"]);
    let told = pywinrm(&service, &["--transport", "ntlm"], "environment");
    assert_eq!(told["ok"], false, "{told}");
}

#[test]
fn the_script_tells_the_story() {
    if !(peer::available(Peer::Winrm) && peer::available(Peer::SambaAd)) {
        return;
    }
    let server = example("winrm_server");
    let mut script = Command::new("timeout");
    script
        .args(["120", &format!("{ROOT}/examples/multi_hop.sh")])
        .env("WINRM_SERVER", server.get_program());
    let run = Run::of(&mut script);
    assert_eq!((run.status, &*run.stderr), (0, ""), "{run:?}");
    let found = [
        "NT_STATUS_ACCESS_DENIED",
        r#""stdout": "the second hop\n""#,
        "C: ANONYMOUS LOGON of NT AUTHORITY logs on by NTLMSSP",
        "C: alice of ADLAB logs on by NTLMSSP",
        "C: alice of ADLAB logs on by krb5",
    ]
    .map(|text| run.stdout.matches(text).count());
    assert_eq!(found, [2, 2, 2, 1, 1], "{run:?}");
    assert!(!run.stdout.contains(SambaAd::PASSWORD), "{run:?}");
}
