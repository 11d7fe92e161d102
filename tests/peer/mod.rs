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

mod capture;
mod clock;
mod freerdp;
mod gss;
mod kdc;
mod kdc_proxy;
mod krb5_user;
mod openssl;
mod process;
mod pyspnego;
mod samba_ad;
mod samba_registry;
mod softhsm;
mod tshark;
mod winrm;

use std::env;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

pub use capture::{Capture, Packet};
pub use clock::Wrong;
pub use freerdp::{FreerdpShadow, Xfreerdp};
pub use gss::{GssError, GssMechanism, GssPeer, GssRole, GssStep, GssUnwrapped};
pub use kdc::MitKdc;
pub use kdc_proxy::KdcProxy;
pub use krb5_user::Krb5User;
pub use openssl::OpensslServer;
pub use process::Process;
pub use pyspnego::{PyspnegoClient, PyspnegoServer};
pub use samba_ad::SambaAd;
pub use samba_registry::SambaRegistry;
pub use softhsm::Cards;
pub use tshark::{Dissected, dissect_kerberos, dissect_ts_requests};
pub use winrm::{WinrmClient, WinrmServer};

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
    /// kdcproxy in the same virtual environment as pyspnego.
    KdcProxy,
    /// SoftHSM with OpenSC's pkcs11-tool.
    SoftHsm,
    /// Samba as a domain controller; it needs root.
    SambaAd,
    /// Samba's registry and the tool that imports and exports it.
    SambaRegistry,
    /// FreeRDP's shadow server and X11 client, with the tools that they need here.
    Freerdp,
    /// Wireshark's dissectors on the command line.
    Tshark,
    /// OpenSSL's command.
    Openssl,
    /// pywinrm and pypsrp, in a virtual environment of their own.
    Winrm,
}

impl Peer {
    /// The peer's interpreter.
    pub fn python(self) -> PathBuf {
        match self {
            Self::Pyspnego | Self::KdcProxy => Self::folder().join("venv/bin/python"),
            Self::Winrm => Self::folder().join("winrm/bin/python"),
            Self::Gss => PathBuf::from("/usr/bin/python3"),
            Self::SoftHsm
            | Self::MitKdc
            | Self::SambaAd
            | Self::SambaRegistry
            | Self::Freerdp
            | Self::Tshark
            | Self::Openssl => {
                panic!("it is no Python program")
            }
        }
    }

    /// Where the peers are installed that are no Debian packages.
    fn folder() -> PathBuf {
        env::var_os(PEERS_DIR).map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers"),
            PathBuf::from,
        )
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
            Self::MitKdc => "krb5-kdc with krb5-pkinit, krb5-user and faketime",
            Self::KdcProxy => "kdcproxy",
            Self::SoftHsm => "softhsm2 with opensc",
            Self::SambaAd => "samba-ad-dc, which runs as root only,",
            Self::SambaRegistry => "samba-common-bin",
            Self::Openssl => "openssl",
            Self::Freerdp => "freerdp2-shadow-x11 with freerdp2-x11, winpr-utils and xvfb",
            Self::Tshark => "tshark",
            Self::Winrm => "pywinrm with pypsrp",
        }
    }

    /// Whether the peer's libraries load; asked once for each test binary.
    fn installed(self) -> bool {
        static PYSPNEGO: OnceLock<bool> = OnceLock::new();
        static GSS: OnceLock<bool> = OnceLock::new();
        static WINRM: OnceLock<bool> = OnceLock::new();
        static SAMBA: OnceLock<bool> = OnceLock::new();
        const MIT: [&str; 5] = [
            "/usr/sbin/krb5kdc",
            "/usr/sbin/kadmin.local",
            "/usr/bin/kinit",
            "/usr/bin/faketime",
            "/usr/bin/openssl",
        ];
        const FREERDP: [&str; 5] = [
            "/usr/bin/freerdp-shadow-cli",
            "/usr/bin/xfreerdp",
            "/usr/bin/winpr-hash",
            "/usr/bin/Xvfb",
            "/usr/bin/openssl",
        ];
        match self {
            Self::Pyspnego => *PYSPNEGO
                .get_or_init(|| self.imports("import gssapi, kdcproxy, krb5, spnego")),
            Self::Gss => *GSS.get_or_init(|| {
                self.imports("import gssapi; assert '1.3.6.1.4.1.311.2.2.10' in [m.dotted_form for m in gssapi.raw.indicate_mechs()]")
            }),
            Self::MitKdc => MIT.iter().all(|tool| Path::new(tool).exists()) && pkinit_plugin(),
            Self::Freerdp => FREERDP.iter().all(|tool| Path::new(tool).exists()),
            Self::SoftHsm => Cards::installed(),
            Self::KdcProxy => Self::Pyspnego.installed(),
            Self::Tshark => Path::new("/usr/bin/tshark").exists(),
            Self::Openssl => Path::new("/usr/bin/openssl").exists(),
            Self::SambaRegistry => Path::new("/usr/bin/net").exists(),
            Self::Winrm => {
                *WINRM.get_or_init(|| self.imports("import pypsrp, requests_credssp, winrm"))
            }
            Self::SambaAd => *SAMBA.get_or_init(|| {
                let domain = Self::folder().join("samba_ad/made-by");
                self.permitted() && Path::new("/usr/sbin/samba").exists() && domain.exists()
            }),
        }
    }

    /// Whether a missing peer is only a matter of installing it.
    fn permitted(self) -> bool {
        // What its script does first.
        let unshare = ["--mount", "--pid", "--fork", "--mount-proc", "true"];
        self != Self::SambaAd || succeeds(Command::new("unshare").args(unshare))
    }

    fn imports(self, probe: &str) -> bool {
        succeeds(Command::new(self.python()).args(["-c", probe]))
    }
}

/// Whether MIT's Kerberos has its plug-in for logons by certificate, wherever this architecture has it.
fn pkinit_plugin() -> bool {
    let libraries = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten();
    libraries
        .map(|folder| folder.path().join("krb5/plugins/preauth/pkinit.so"))
        .any(|plugin| plugin.exists())
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether the peer can be used.
///
/// A missing peer is said where the reader sees it, and where `ci/check` counts it: the test harness keeps back what
/// passing tests print, but not what is written to standard error itself.
///
/// # Panics
/// If the peer is missing, could run here, and `CREDSSP_REQUIRE_PEERS` is 1.
pub fn available(peer: Peer) -> bool {
    if peer.installed() {
        return true;
    }
    let missing = format!("{} is not installed (run tests/peers/install)", peer.name());
    assert!(
        env::var_os(REQUIRE_PEERS).is_none_or(|value| value != "1") || !peer.permitted(),
        "{missing}"
    );
    let test = thread::current().name().unwrap_or("a test").to_owned();
    // One write, so that the lines of tests that run at once stay whole.
    let _ = stderr().write_all(format!("skipped: {missing}: {test}\n").as_bytes());
    false
}
