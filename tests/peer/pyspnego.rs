use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;

use super::{Peer, Process};

/// A CredSSP server by pyspnego that waits on a port of its own.
pub struct PyspnegoServer {
    process: Process,
    address: SocketAddr,
    certificate_sha256: String,
}

impl PyspnegoServer {
    /// Starts the server; `options` as `pyspnego_peer.py server --help` tells them.
    pub fn start(options: &[&str]) -> Self {
        let mut process = run("server", options.iter().map(OsString::from));
        let told = json(&mut process);
        let port = told["listening"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok());
        Self {
            process,
            address: (
                Ipv4Addr::LOCALHOST,
                port.unwrap_or_else(|| panic!("no port in {told}")),
            )
                .into(),
            certificate_sha256: text(&told, "certificate_sha256"),
        }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate's thumbprint, in lower-case hex.
    pub fn certificate_sha256(&self) -> &str {
        &self.certificate_sha256
    }

    /// What became of the next connection.
    pub fn outcome(&mut self) -> Value {
        json(&mut self.process)
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

/// A CredSSP client by pyspnego.
pub struct PyspnegoClient {
    process: Process,
}

impl PyspnegoClient {
    /// Lets the client connect; `options` as `pyspnego_peer.py client --help` tells them.
    pub fn connect(server: SocketAddr, options: &[&str]) -> Self {
        let port = OsString::from(server.port().to_string());
        Self {
            process: run(
                "client",
                [port].into_iter().chain(options.iter().map(OsString::from)),
            ),
        }
    }

    /// What became of the connection.
    pub fn outcome(&mut self) -> Value {
        json(&mut self.process)
    }
}

fn run(role: &str, options: impl Iterator<Item = OsString>) -> Process {
    let script = Peer::script("pyspnego_peer.py").into_os_string();
    let arguments = [script, OsString::from(role), "--owned".into()]
        .into_iter()
        .chain(options);
    Process::start(Peer::Pyspnego.python().as_os_str(), arguments)
}

fn json(process: &mut Process) -> Value {
    let line = process.line();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}"))
}

fn text(object: &Value, member: &str) -> String {
    object[member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member} in {object}"))
        .to_owned()
}
