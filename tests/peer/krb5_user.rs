use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Seconds that one tool may take.
const PATIENCE: &str = "20";

/// MIT's `kinit`, `kvno` and `klist`, with a credential cache of their own.
#[derive(Debug)]
pub struct Krb5User {
    krb5_conf: PathBuf,
    ccache: PathBuf,
}

impl Krb5User {
    /// `krb5_conf` tells the KDC; the cache comes to lie beside it.
    pub fn new(krb5_conf: &Path) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        Self {
            krb5_conf: krb5_conf.to_owned(),
            ccache: krb5_conf.with_file_name(format!("ccache-{made}")),
        }
    }

    /// The file with the tickets.
    pub fn ccache(&self) -> &Path {
        &self.ccache
    }

    /// Logs on by password.
    pub fn kinit(&self, principal: &str, password: &str) -> Result<String, String> {
        self.run("kinit", &[principal], password)
    }

    /// Logs on by a key.
    pub fn kinit_by_keytab(&self, principal: &str, keytab: &Path) -> Result<String, String> {
        let keytab = keytab.to_str().expect("a path in UTF-8");
        self.run("kinit", &["-k", "-t", keytab, principal], "")
    }

    /// Runs a tool that is told a line; what it said, and whether it was content.
    pub fn run(&self, tool: &str, options: &[&str], line: &str) -> Result<String, String> {
        let mut child = Command::new("timeout")
            .args([PATIENCE, tool])
            .args(options)
            .env("KRB5_CONFIG", &self.krb5_conf)
            .env("KRB5CCNAME", format!("FILE:{}", self.ccache.display()))
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {tool}: {error}"));
        let mut stdin = child.stdin.take().expect("piped");
        // A tool that asks nothing may be gone already.
        let _ = stdin.write_all(format!("{line}\n").as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("a child of ours");
        let text = |said: &[u8]| String::from_utf8_lossy(said).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }
}
