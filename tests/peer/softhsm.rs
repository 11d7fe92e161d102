use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Peer;

/// SoftHSM's tokens, which stand for smart cards.
pub struct Cards {
    folder: PathBuf,
}

/// The folder, in the process that a test has to itself.
const FOLDER: &str = "CREDSSP_TEST_CARDS";

impl Cards {
    pub const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
    pub const PIN: &str = "271828";

    /// Runs `body` with tokens as `tests/peers/softhsm` makes them.
    ///
    /// The module takes its configuration from the environment, and one process has one of it: so the test named `test` runs
    /// once more, in a process of its own.
    pub fn with(test: &str, tokens: &[&str], body: impl FnOnce(&Self)) {
        if let Some(folder) = env::var_os(FOLDER) {
            return body(&Self {
                folder: folder.into(),
            });
        }
        let cards = Self::make(test, tokens);
        let folder = &cards.folder;
        let status = Command::new(env::current_exe().expect("a program"))
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder)
            .env("SOFTHSM2_CONF", cards.configuration())
            .stdin(Stdio::null())
            .status()
            .expect("a process");
        assert!(status.success(), "{test}: {status}; see above");
    }

    /// Tokens for other programs; `name` is nobody else's.
    pub fn make(name: &str, tokens: &[&str]) -> Self {
        let folder = env::temp_dir().join(format!("credssp-cards-{}-{name}", std::process::id()));
        let output = Command::new("bash")
            .arg(Peer::script("softhsm"))
            .arg(&folder)
            .args(tokens)
            .output()
            .expect("bash");
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaints}");
        Self { folder }
    }

    /// For `SOFTHSM2_CONF`.
    pub fn configuration(&self) -> PathBuf {
        self.path("softhsm2.conf")
    }

    pub fn pki(&self) -> PathBuf {
        self.path("pki")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// As if all cards were pulled out.
    pub fn pull(&self) {
        let tokens = self.path("tokens");
        for token in fs::read_dir(&tokens).expect("tokens").flatten() {
            fs::remove_dir_all(token.path()).expect("removed");
        }
    }

    pub(super) fn installed() -> bool {
        [
            Self::MODULE,
            "/usr/bin/softhsm2-util",
            "/usr/bin/pkcs11-tool",
            "/usr/bin/openssl",
        ]
        .iter()
        .all(|tool| Path::new(tool).exists())
    }
}

impl Drop for Cards {
    fn drop(&mut self) {
        // Not in the process that only uses them.
        if env::var_os(FOLDER).is_none() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
