use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{Krb5User, Peer, Process};

/// kdcproxy in front of a KDC (MS-KKDCP).
pub struct KdcProxy {
    folder: PathBuf,
    https_port: String,
    http_port: String,
    _process: Process,
}

impl KdcProxy {
    /// Passes on what is for the realms to the KDC.
    pub fn start(kdc: SocketAddr, realms: &[&str]) -> Self {
        let script = Peer::script("kdcproxy_peer.py").into_os_string();
        let arguments = [script, OsString::from(kdc.to_string())]
            .into_iter()
            .chain(realms.iter().map(OsString::from));
        let mut process = Process::start(Peer::KdcProxy.python().as_os_str(), arguments);
        let line = process.line();
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            &["ready", folder, https_port, http_port] => Self {
                folder: folder.into(),
                https_port: https_port.to_owned(),
                http_port: http_port.to_owned(),
                _process: process,
            },
            _ => panic!("{line:?}"),
        }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}/KdcProxy", self.https_port)
    }

    /// The same without TLS.
    pub fn http_url(&self) -> String {
        format!("http://localhost:{}/KdcProxy", self.http_port)
    }

    /// The file with the certificate that the server's is to be trusted by.
    pub fn ca_pem(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// MIT's tools as a client that has the KDC only through this proxy.
    pub fn user(&self) -> Krb5User {
        Krb5User::new(&self.folder.join("krb5.conf"))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
