//! Runs the example programs.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, fs};

use rcgen::{CertifiedKey, KeyPair};
use serde_json::Value;

pub(crate) const TLS: &str = "TLS handshake";
pub(crate) const NEGOTIATION: &str = "negotiation";
pub(crate) const PUBLIC_KEY: &str = "public key exchange";
pub(crate) const CREDENTIALS: &str = "credential exchange";

pub(crate) const ACCOUNT: &str = r"CORP\alice";
/// With what a shell, a command line and UTF-16 could trip over.
pub(crate) const PASSWORD: &str = "-cörrect:horse \u{1d11e}";
pub(crate) const NTLM_ONLY: [&str; 2] = ["--allow-fresh-ntlm-only", "TERMSRV/*"];

/// Longer than any deadline in the programs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The command that runs an example. `cargo test` has built it; `cargo test --test examples` alone does not build it.
pub(crate) fn example(name: &str) -> Command {
    let own = env::current_exe().unwrap();
    let target = own.ancestors().nth(2).unwrap();
    let path = target
        .join("examples")
        .join(name)
        .with_extension(env::consts::EXE_EXTENSION);
    assert!(
        path.is_file(),
        "{} is missing: run cargo build --examples",
        path.display()
    );
    let mut command = Command::new(path);
    command
        .env_remove("CREDSSP_PASSWORD")
        .env_remove("RUST_LOG");
    command
}

/// A client that logs on as [`ACCOUNT`]; the password still has to be given.
pub(crate) fn client_without_password(address: &str, options: &[&str]) -> Command {
    let mut command = example("client");
    command.args([address, "--user", ACCOUNT]).args(options);
    command
}

/// A client that logs on as [`ACCOUNT`].
pub(crate) fn client(address: &str, options: &[&str]) -> Run {
    Run::of(client_without_password(address, options).env("CREDSSP_PASSWORD", PASSWORD))
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = command.stdin(Stdio::null()).output().unwrap();
        Self {
            status: status.code().unwrap(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// The one line of JSON, of a client that exited with `status`.
    #[track_caller]
    pub(crate) fn line(&self, status: i32) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.stdout.matches('\n').count(), 1, "{self:?}");
        let line: Value = serde_json::from_str(&self.stdout).unwrap();
        assert_eq!(line["ok"], status == 0, "{self:?}");
        line
    }

    /// The line of a client that failed, which has said the same on stderr.
    #[track_caller]
    pub(crate) fn failure(&self, status: i32, kind: &str, step: &str, text: &str) {
        let line = self.line(status);
        assert_eq!(
            (&line["kind"], &line["step"]),
            (&kind.into(), &step.into()),
            "{self:?}"
        );
        let error = line["error"].as_str().unwrap();
        assert!(error.contains(text), "{self:?}");
        assert_eq!(self.stderr, format!("client: {error}\n"));
        assert_eq!(line.as_object().unwrap().len(), 4, "{self:?}");
    }
}

/// A server that runs, and is stopped on drop.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) child: Child,
    lines: Receiver<Value>,
    log: Option<JoinHandle<String>>,
}

impl Server {
    /// One that knows [`ACCOUNT`], among the others that `options` give.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_program("server", options)
    }

    /// Another program than `server`, with the same options.
    pub(crate) fn start_program(name: &str, options: &[&str]) -> Self {
        let account = format!("{ACCOUNT}:{PASSWORD}");
        let mut command = example(name);
        command.args(["--account", &account]).args(options);
        Self::start_command(&mut command)
    }

    /// A program whose options but `--listen`, and whose environment, are complete.
    pub(crate) fn start_command(command: &mut Command) -> Self {
        let mut child = command
            .args(["--listen", "127.0.0.1:0"])
            .env("RUST_LOG", "trace")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines() {
                let line = serde_json::from_str(&line.unwrap()).unwrap();
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let log = thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        let mut server = Self {
            address: String::new(),
            child,
            lines,
            log: Some(log),
        };
        server.address = server.line()["listening"].as_str().unwrap().to_owned();
        server
    }

    /// The next line of output.
    pub(crate) fn line(&self) -> Value {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// The line of a connection that failed.
    #[track_caller]
    pub(crate) fn failure(&self, kind: &str, step: &str, account: Option<&str>) {
        let line = self.line();
        let expected = (&false.into(), &kind.into(), &step.into(), &account.into());
        assert_eq!(
            (&line["ok"], &line["kind"], &line["step"], &line["account"]),
            expected,
            "{line}"
        );
        assert_eq!(line.as_object().unwrap().len(), 5, "{line}");
    }

    /// Runs a client against it.
    pub(crate) fn client(&self, options: &[&str]) -> Run {
        client(&self.address, options)
    }

    /// Waits until it ends by itself, and returns its exit status.
    pub(crate) fn wait(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("the server does not end");
    }

    /// Stops it, and returns its log.
    pub(crate) fn stop(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.log.take().unwrap().join().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of this test's own.
pub(crate) fn file(name: &str, contents: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, contents).unwrap();
    path
}

pub(crate) fn certificate_for(host: &str) -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed([host.to_owned()]).unwrap()
}
