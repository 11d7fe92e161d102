use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::kdc::folder_of;
use super::{Peer, Process};

/// freerdp-shadow-cli: a server that demands NLA with bare NTLM, and goes on with RDP behind it.
pub struct FreerdpShadow {
    address: SocketAddr,
    folder: PathBuf,
    _process: Process,
}

impl FreerdpShadow {
    /// The only account, of this domain only.
    pub const USER: &str = "alice";
    pub const DOMAIN: &str = "CORP";
    pub const PASSWORD: &str = "pass-canary";

    /// With a certificate of RSA-2048.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with options of `freerdp_peer server`: `&["--certificate", "p-256"]` or `rsa-4096`, and then those of
    /// freerdp-shadow-cli itself.
    pub fn start_with(options: &[&str]) -> Self {
        // It cannot say which port it got, so it is told one that was free.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .expect("a port");
        let script = Peer::script("freerdp_peer").into_os_string();
        let port = address.port().to_string();
        let arguments = [script, "server".into(), port.into()]
            .into_iter()
            .chain(options.iter().map(OsString::from));
        let mut process = Process::start("bash".as_ref(), arguments);
        let folder = folder_of(&process.line());
        Self {
            address,
            folder,
            _process: process,
        }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A file of its folder: `shadow.log`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The certificate that it shows, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.path("certificate.pem")
    }
}

/// What became of a logon by xfreerdp, which takes the whole of RDP's activation for success.
#[derive(Debug)]
pub struct Xfreerdp {
    /// One of the constants, or what `tests/peers/README.md` lists.
    pub code: i32,
    /// Its whole log.
    pub stderr: String,
}

impl Xfreerdp {
    pub const SUCCESS: i32 = 0;
    /// The server closed the connection without a word of NLA's or RDP's about the reason.
    pub const CLOSED: i32 = 147;

    /// Logs on with NLA, whatever the server's certificate; waits for the end, half a minute at most. Options of its own
    /// can follow: `&["/restricted-admin"]`.
    ///
    /// # Panics
    /// If it could not run, or did not end in that time.
    pub fn log_on(
        server: SocketAddr,
        user: &str,
        domain: &str,
        password: &str,
        options: &[&str],
    ) -> Self {
        let output = Command::new("bash")
            .arg(Peer::script("freerdp_peer"))
            .args(["client", "+auth-only", "/sec:nla", "/cert:ignore"])
            .arg(format!("/v:{server}"))
            .arg(format!("/u:{user}"))
            .arg(format!("/d:{domain}"))
            .arg(format!("/p:{password}"))
            .args(options)
            .stdin(Stdio::null())
            .output()
            .expect("bash");
        let end = Self {
            code: output.status.code().expect("no signal"),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        // Those of bash and of timeout; xfreerdp's own of 1 is for a display that it cannot open.
        assert!(!matches!(end.code, 1 | 124..=127 | 137), "{end:?}");
        end
    }
}
