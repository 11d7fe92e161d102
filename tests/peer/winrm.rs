use std::ffi::OsString;

use serde_json::Value;

use super::{Peer, Process};

/// A WinRM service by pyspnego.
pub struct WinrmServer {
    process: Process,
    port: u64,
}

impl WinrmServer {
    /// Starts the service; `options` as `winrm_peer.py server --help` tells them.
    pub fn start(options: &[&str]) -> Self {
        let mut process = run("server", options);
        let told = json(&mut process);
        let port = told["listening"].as_u64().expect("a port");
        Self { process, port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/wsman", self.port)
    }

    /// What it says next: of a logon, or of a sealed request.
    pub fn line(&mut self) -> Value {
        json(&mut self.process)
    }
}

/// A WinRM client by pywinrm or pypsrp.
pub struct WinrmClient;

impl WinrmClient {
    /// Runs the client; `options` as `winrm_peer.py client --help` tells them.
    pub fn run(options: &[&str]) -> Value {
        json(&mut run("client", options))
    }
}

fn run(role: &str, options: &[&str]) -> Process {
    let script = Peer::script("winrm_peer.py").into_os_string();
    let arguments = [script, OsString::from(role)]
        .into_iter()
        .chain(options.iter().map(OsString::from));
    Process::start(Peer::Winrm.python().as_os_str(), arguments)
}

fn json(process: &mut Process) -> Value {
    let line = process.line();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}
