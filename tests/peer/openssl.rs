use std::env;
use std::fs;
use std::net::SocketAddr;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use super::Process;

/// `openssl s_server`: TLS, and nothing behind it; for what rustls does not speak.
pub struct OpensslServer {
    address: SocketAddr,
    _process: Process,
}

impl OpensslServer {
    /// With a new certificate for localhost whose key is of this kind, e.g. `rsa:1024`, and options of `s_server`. No cipher suite
    /// is too weak for it.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(key: &str, options: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("openssl-{}-{count}", process::id()));
        fs::create_dir(&folder).unwrap();
        let (certificate, private) = (folder.join("certificate.pem"), folder.join("key.pem"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-nodes",
                "-newkey",
                key,
                "-subj",
                "/CN=localhost",
            ])
            .args([
                "-addext",
                "subjectAltName=DNS:localhost",
                "-days",
                "2",
                "-out",
            ])
            .arg(&certificate)
            .arg("-keyout")
            .arg(&private)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut process = Process::start(
            "openssl".as_ref(),
            [
                "s_server".as_ref(),
                "-accept".as_ref(),
                "127.0.0.1:0".as_ref(),
                "-cipher".as_ref(),
                "ALL:@SECLEVEL=0".as_ref(),
                "-cert".as_ref(),
                certificate.as_os_str(),
                "-key".as_ref(),
                private.as_os_str(),
            ]
            .into_iter()
            .chain(options.iter().map(AsRef::as_ref)),
        );
        let address = loop {
            let line = process.line();
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                break address.parse().unwrap();
            }
        };
        fs::remove_dir_all(&folder).unwrap();
        Self {
            address,
            _process: process,
        }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}
