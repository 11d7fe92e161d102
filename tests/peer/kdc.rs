use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use super::{Peer, Process};

/// MIT's krb5kdc for the realm `TEST.EXAMPLE`, with the accounts of `tests/peers/mit_kdc`.
pub struct MitKdc {
    port: u16,
    _process: Process,
}

impl MitKdc {
    pub const REALM: &str = "TEST.EXAMPLE";
    pub const PASSWORD: &str = "pass-canary";

    pub fn start() -> Self {
        // krb5kdc cannot say which port it got, so it is told one that was free.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        let script = Peer::script("mit_kdc").into_os_string();
        let mut process =
            Process::start("bash".as_ref(), [script, OsString::from(port.to_string())]);
        assert_eq!(process.line(), "ready");
        Self {
            port,
            _process: process,
        }
    }

    /// Asks over TCP (RFC 4120, section 7.2.2).
    pub fn ask(&self, message: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("a KDC");
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
}
