use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Krb5User, Peer, Process};

/// MIT's krb5kdc for the realms `TEST.EXAMPLE` and `OTHER.EXAMPLE`, with the accounts of `tests/peers/mit_kdc`.
pub struct MitKdc {
    port: u16,
    folder: PathBuf,
    _process: Process,
}

impl MitKdc {
    pub const REALM: &str = "TEST.EXAMPLE";
    pub const OTHER_REALM: &str = "OTHER.EXAMPLE";
    pub const PASSWORD: &str = "pass-canary";

    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with options of `mit_kdc`: `&["--skew", "+10m"]`.
    pub fn start_with(options: &[&str]) -> Self {
        // krb5kdc cannot say which port it got, so it is told one that was free.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        let script = Peer::script("mit_kdc").into_os_string();
        let arguments = [script, OsString::from(port.to_string())]
            .into_iter()
            .chain(options.iter().map(OsString::from));
        let mut process = Process::start("bash".as_ref(), arguments);
        let folder = folder_of(&process.line());
        Self {
            port,
            folder,
            _process: process,
        }
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file of the KDC's folder: `service.keytab`, `user.keytab`, `kdc.log`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The configuration for clients.
    pub fn krb5_conf(&self) -> PathBuf {
        self.path("krb5.conf")
    }

    /// MIT's tools as a client of this KDC, with an empty credential cache.
    pub fn user(&self) -> Krb5User {
        Krb5User::new(&self.krb5_conf())
    }

    /// Asks over TCP.
    pub fn ask(&self, message: &[u8]) -> Vec<u8> {
        ask(self.address(), message)
    }
}

/// The folder in a script's ready line.
pub(super) fn folder_of(line: &str) -> PathBuf {
    line.strip_prefix("ready ")
        .map(PathBuf::from)
        .unwrap_or_else(|| panic!("{line:?}"))
}

/// Asks a KDC over TCP (RFC 4120, section 7.2.2).
pub(super) fn ask(kdc: SocketAddr, message: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(kdc).expect("a KDC");
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).expect("a timeout");
    let length = u32::try_from(message.len()).expect("short").to_be_bytes();
    stream.write_all(&length).expect("sent");
    stream.write_all(message).expect("sent");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("a reply");
    let mut reply = vec![0; usize::try_from(u32::from_be_bytes(length)).expect("a length")];
    stream.read_exact(&mut reply).expect("a whole reply");
    reply
}
