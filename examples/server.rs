//! A CredSSP server: prints one JSON line for each client. `--help` shows the options and examples.
//!
//! Exit status: with `--once` 0 if the client delegated and 1 if not; 3 where it cannot listen, 64 for a mistake in the
//! command line.

#![expect(clippy::print_stderr, reason = "a program talks to its user")]

use std::error::Error;
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use credssp::account::AccountRequest;
use credssp::rdp::server::NegotiationConfig;
use credssp::rdp::{EarlyUserAuthorization, ResponseFlags};
use credssp::tls::Acceptor;
use credssp::{AccountName, ServerConfig, stream};
use serde_json::{Value, json};

#[path = "shared/certificate.rs"]
mod certificate;
#[path = "shared/command_line.rs"]
mod command_line;
#[path = "server/delegated.rs"]
mod delegated;
#[path = "shared/directory.rs"]
mod directory;
#[path = "shared/kerberos.rs"]
mod kerberos;
#[path = "shared/protocol_name.rs"]
mod protocol_name;
#[path = "server/service.rs"]
mod service;
#[path = "shared/usage.rs"]
mod usage;

use certificate::CertificateOptions;
use command_line::{Protocol, TRANSPORT, print_json, tls_name};
use directory::Directory;
use kerberos::KdcOptions;
use protocol_name::protocol_name;
use service::ServiceKeys;
use usage::USAGE;

/// The most connections at a time; further ones wait in the system's queue.
const MAX_CONNECTIONS: usize = 64;

/// How long TLS and CredSSP together may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long a client that was answered may take to hang up.
const HANG_UP: Duration = Duration::from_secs(1);

/// Accepts delegated credentials over CredSSP, and prints one line of JSON for each client.
#[derive(Parser)]
#[command(after_help = r"Examples:
  One account, any free port, one client:
    server --listen 127.0.0.1:0 --account 'CORP\alice:correct horse' --once
  A certificate of one's own, the delegated password shown:
    server --listen 0.0.0.0:5000 --account 'alice:correct horse' --cert cert.pem --key key.pem --show-secrets
  An account that is disabled:
    server --listen 127.0.0.1:5000 --account 'CORP\bob:battery' --account-status 'CORP\bob=C0000072'
  Kerberos alone, with the service's keys; and for Remote Desktop clients, which want user-to-user, a KDC to log the
  service's account on at:
    server --listen 0.0.0.0:5000 --keytab service.keytab --mechanism kerberos
    server --listen 0.0.0.0:5000 --keytab service.keytab --kdc dc.example.com --service svc-rdp@EXAMPLE.COM
  For Remote Desktop clients, of whom none may log on; nothing of Remote Desktop follows:
    server --listen 0.0.0.0:3389 --rdp --hybrid-ex --deny --account 'alice:correct horse'

RUST_LOG=debug logs each message's size and fields to stderr.
Passwords in arguments are visible to the other users of this machine: for tests only.")]
struct Options {
    /// Where to listen; port 0 is any free one, which the first line of output tells
    #[arg(long, value_name = "ADDR")]
    listen: String,
    /// An account that may log on; without a domain, it matches any. The password begins behind the first ':'
    #[arg(
        long,
        value_name = r"[DOMAIN\]USER:PASSWORD",
        required_unless_present = "keytab",
        allow_hyphen_values = true
    )]
    account: Vec<String>,
    /// Refuse an account, once it has proved itself, with an NTSTATUS, e.g. C0000072 for one that is disabled
    #[arg(long, value_name = r"[DOMAIN\]USER=NTSTATUS")]
    account_status: Vec<String>,
    #[command(flatten)]
    certificate: CertificateOptions,
    #[command(flatten)]
    service: ServiceKeys,
    #[command(flatten)]
    kdc: KdcOptions,
    #[command(flatten)]
    protocol: Protocol,
    /// Negotiate before TLS, as Remote Desktop clients do
    #[arg(long)]
    rdp: bool,
    /// Select PROTOCOL_HYBRID_EX where the client offers it, and so tell it at the end whether the user may log on
    #[arg(long, requires = "rdp")]
    hybrid_ex: bool,
    /// Deny access to all users, once they have proved themselves
    #[arg(long, requires = "rdp")]
    deny: bool,
    /// Support Restricted Admin mode: clients may delegate empty credentials
    #[arg(long, requires = "rdp")]
    restricted_admin: bool,
    /// Print the delegated secrets too
    #[arg(long)]
    show_secrets: bool,
    /// Exit after the first client
    #[arg(long)]
    once: bool,
}

/// What all connections share.
struct Service {
    acceptor: Acceptor,
    directory: Directory,
    rdp: Option<Rdp>,
    show_secrets: bool,
}

/// What clients of Remote Desktop get.
#[derive(Clone, Copy)]
struct Rdp {
    negotiation: NegotiationConfig,
    result: EarlyUserAuthorization,
}

impl Rdp {
    fn new(options: &Options) -> Self {
        let mut negotiation = NegotiationConfig::default();
        negotiation.hybrid_ex = options.hybrid_ex;
        if options.restricted_admin {
            negotiation.flags = ResponseFlags::RESTRICTED_ADMIN;
        }
        let result = if options.deny {
            EarlyUserAuthorization::AccessDenied
        } else {
            EarlyUserAuthorization::Success
        };
        Self {
            negotiation,
            result,
        }
    }
}

fn main() -> ExitCode {
    let options: Options = match usage::parse() {
        Ok(options) => options,
        Err(status) => return status.into(),
    };
    command_line::log_to_stderr();
    let service = match service(&options) {
        Ok(service) => Arc::new(service),
        Err(error) => {
            eprintln!("server: {error}");
            return USAGE.into();
        }
    };
    match serve(&options, &service) {
        Ok(status) => status,
        Err(error) => {
            eprintln!(
                "server: cannot listen on {}: {error}: give an address of this machine and a port that is free, such as \
                 127.0.0.1:0",
                options.listen
            );
            TRANSPORT.into()
        }
    }
}

fn service(options: &Options) -> Result<Service, Box<dyn Error>> {
    let kerberos = options.service.kerberos(&options.kdc)?;
    let mechanisms = options.protocol.mechanisms(kerberos)?;
    let mut config = ServerConfig::with_mechanisms(mechanisms);
    config.negotiation = options.protocol.negotiation();
    (config.own_version, config.min_version) = options
        .protocol
        .versions(config.own_version, config.min_version)?;
    let identity = options.certificate.identity()?;
    let versions = options.protocol.tls_versions();
    Ok(Service {
        acceptor: Acceptor::with_tls_versions(config, &identity, versions)?.with_timeout(DEADLINE),
        directory: Directory::new(&options.account, &options.account_status)?,
        rdp: options.rdp.then(|| Rdp::new(options)),
        show_secrets: options.show_secrets,
    })
}

/// Gives each connection a thread of its own, and no more than [`MAX_CONNECTIONS`] of them at a time.
fn serve(options: &Options, service: &Arc<Service>) -> io::Result<ExitCode> {
    let listener = TcpListener::bind(&options.listen)?;
    print_json(&json!({ "listening": listener.local_addr()?.to_string() }))?;
    if options.once {
        let (tcp, _) = listener.accept()?;
        let delegated = service.answer(tcp)?;
        return Ok(ExitCode::from(u8::from(!delegated)));
    }
    // A channel of permits: entering waits while it is full.
    let (enter, leave) = sync_channel(MAX_CONNECTIONS);
    let leave = Arc::new(Mutex::new(leave));
    loop {
        let tcp = match listener.accept() {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                eprintln!("server: cannot accept a connection: {error}");
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        if enter.send(()).is_err() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let permit = Permit(leave.clone());
        let service = service.clone();
        thread::spawn(move || {
            let _permit = permit;
            if let Err(error) = service.answer(tcp) {
                eprintln!("server: cannot print the result: {error}");
            }
        });
    }
}

/// A connection's place, free again however its thread ends.
struct Permit(Arc<Mutex<Receiver<()>>>);

impl Drop for Permit {
    fn drop(&mut self) {
        if let Ok(leave) = self.0.lock() {
            let _ = leave.recv();
        }
    }
}

impl Service {
    /// Answers one client, prints what became of it, and says whether it has delegated its credentials.
    fn answer(&self, tcp: TcpStream) -> io::Result<bool> {
        let socket = tcp.try_clone();
        let result = self.accept(tcp);
        let delegated = result.is_ok();
        let printed = print_json(&result.unwrap_or_else(|error| {
            eprintln!("server: {error}");
            let progress = error.progress();
            json!({
                "ok": false,
                "kind": error.kind(),
                "error": error.to_string(),
                "account": progress.account.as_ref().map(AccountName::to_string),
                "step": progress.step.to_string(),
            })
        }));
        if let Ok(socket) = socket {
            hang_up(&socket);
        }
        printed.map(|()| delegated)
    }

    fn accept(&self, tcp: TcpStream) -> Result<Value, stream::Error> {
        // Each message is one write: nothing is won by waiting for more. It works without, too.
        let _ = tcp.set_nodelay(true);
        let lookup = |request: &AccountRequest| Ok(self.directory.look_up(&request.account));
        let (mut stream, complete, accepted) = match self.rdp {
            None => {
                let (stream, complete) = self.acceptor.accept(tcp, lookup)?;
                (stream, complete, None)
            }
            Some(Rdp {
                negotiation,
                result,
            }) => {
                let (stream, complete, accepted) =
                    self.acceptor
                        .accept_rdp(tcp, negotiation, lookup, |_| result)?;
                (stream, complete, Some(accepted))
            }
        };
        stream.conn.send_close_notify();
        // The credentials are here, whether or not the client still listens.
        let _ = stream.conn.complete_io(&mut stream.sock);
        let mut line = json!({
            "ok": true,
            "account": complete.account.to_string(),
            "mechanism": complete.mechanism.to_string().to_lowercase(),
            "version": complete.version,
            "tls": tls_name(stream.conn.protocol_version()),
            "credentials": delegated::to_json(&complete.credentials, self.show_secrets),
        });
        if let (Value::Object(line), Some(info)) = (&mut line, &complete.logon_info) {
            line.insert("logon_info".into(), service::to_json(info));
        }
        if let (Value::Object(line), Some(accepted)) = (&mut line, accepted) {
            line.insert("selected".into(), protocol_name(accepted.selected).into());
            line.insert("restricted_admin".into(), accepted.restricted_admin.into());
        }
        Ok(line)
    }
}

/// Closes the connection once the client has, for a short while: a socket that is closed while it holds unread bytes
/// is reset, and the client might never read what it was told.
fn hang_up(mut socket: &TcpStream) {
    let deadline = Instant::now() + HANG_UP;
    let prepared = socket
        .shutdown(Shutdown::Write)
        .and_then(|()| socket.set_read_timeout(Some(HANG_UP)));
    let mut rest = [0; 4096];
    while prepared.is_ok()
        && Instant::now() < deadline
        && matches!(socket.read(&mut rest), Ok(length) if length > 0)
    {}
}
