//! Foreign implementations as child processes on loopback: is a peer installed, start it, hear it, end it.
//!
//! A test says which peer it needs and stops early where that is missing:
//!
//! ```ignore
//! if !peer::available(Peer::Pyspnego) {
//!     return;
//! }
//! let server = PyspnegoServer::start(&["--account", r"CORP\alice:secret", "--tls", "1.3"]);
//! // ... connect to server.address() ...
//! let outcome = server.outcome();
//! ```
//!
//! `tests/peers/README.md` tells what each peer is and which options it takes.

// Each test binary compiles this module and uses its own part of it.
#![allow(dead_code, missing_docs, unreachable_pub, unused_imports)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod gss;
mod kdc;
mod krb5_user;
mod process;
mod pyspnego;

use std::env;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

pub use gss::{GssError, GssMechanism, GssPeer, GssRole, GssStep, GssUnwrapped};
pub use kdc::MitKdc;
pub use krb5_user::Krb5User;
pub use process::Process;
pub use pyspnego::{PyspnegoClient, PyspnegoServer};

/// Set to 1 where a missing peer is a failure: in CI.
const REQUIRE_PEERS: &str = "CREDSSP_REQUIRE_PEERS";

/// Where the peers are installed, if not in `target/peers`.
const PEERS_DIR: &str = "CREDSSP_PEERS_DIR";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// pyspnego in the virtual environment that `tests/peers/install` makes.
    Pyspnego,
    /// MIT's libgssapi with gss-ntlmssp, from Debian's interpreter.
    Gss,
    /// MIT's krb5kdc, the tools that make its database, its clients' tools, and libfaketime.
    MitKdc,
}

impl Peer {
    /// The peer's interpreter.
    pub fn python(self) -> PathBuf {
        match self {
            Self::Pyspnego => {
                let folder = env::var_os(PEERS_DIR).map_or_else(
                    || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers"),
                    PathBuf::from,
                );
                folder.join("venv/bin/python")
            }
            Self::Gss => PathBuf::from("/usr/bin/python3"),
            Self::MitKdc => panic!("it is no Python program"),
        }
    }

    /// The path of a script in `tests/peers`.
    pub fn script(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/peers")
            .join(name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Pyspnego => "pyspnego",
            Self::Gss => "python3-gssapi with gss-ntlmssp",
            Self::MitKdc => "krb5-kdc with krb5-user and faketime",
        }
    }

    /// Whether the peer's libraries load; asked once for each test binary.
    fn installed(self) -> bool {
        static PYSPNEGO: OnceLock<bool> = OnceLock::new();
        static GSS: OnceLock<bool> = OnceLock::new();
        if self == Self::MitKdc {
            return [
                "sbin/krb5kdc",
                "sbin/kdb5_util",
                "sbin/kadmin.local",
                "bin/kinit",
                "bin/faketime",
            ]
            .iter()
            .all(|tool| Path::new("/usr").join(tool).exists());
        }
        let (answer, probe) = match self {
            Self::Pyspnego => (&PYSPNEGO, "import gssapi, kdcproxy, krb5, spnego"),
            Self::Gss => (
                &GSS,
                "import gssapi; assert '1.3.6.1.4.1.311.2.2.10' in [m.dotted_form for m in gssapi.raw.indicate_mechs()]",
            ),
            Self::MitKdc => unreachable!(),
        };
        *answer.get_or_init(|| {
            Command::new(self.python())
                .args(["-c", probe])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        })
    }
}

/// Whether the peer can be used.
///
/// A missing peer is said where the reader sees it, and where `ci/check` counts it: the test harness keeps back what
/// passing tests print, but not what is written to standard error itself.
///
/// # Panics
/// If the peer is missing and `CREDSSP_REQUIRE_PEERS` is 1.
pub fn available(peer: Peer) -> bool {
    if peer.installed() {
        return true;
    }
    let missing = format!("{} is not installed (run tests/peers/install)", peer.name());
    assert!(
        env::var_os(REQUIRE_PEERS).is_none_or(|value| value != "1"),
        "{missing}"
    );
    let test = thread::current().name().unwrap_or("a test").to_owned();
    // One write, so that the lines of tests that run at once stay whole.
    let _ = stderr().write_all(format!("skipped: {missing}: {test}\n").as_bytes());
    false
}
