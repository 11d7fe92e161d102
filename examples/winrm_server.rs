//! A WinRM service that takes CredSSP: prints one JSON line for each client that logs on, or that fails to. `--help` shows the
//! options and examples.
//!
//! Exit status: 3 where it cannot listen, 64 for a mistake in the command line; else it runs until it is stopped, and then 0.

#![expect(clippy::print_stderr, reason = "a program talks to its user")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, io};

use clap::Parser;
use credssp::ServerConfig;
use credssp::environment::SystemRandom;
use credssp::error::WinRmError;
use credssp::tls::Identity;
use credssp::winrm::CertificateStore;
use credssp::winrm::server::Acceptor;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::signal;
#[cfg(unix)]
use tokio::signal::unix;
use tokio::sync::{Mutex, Semaphore};
use tokio::time;
use tokio_rustls::TlsAcceptor;

#[path = "shared/command_line.rs"]
mod command_line;
#[path = "winrm_server/connection.rs"]
mod connection;
#[path = "server/delegated.rs"]
mod delegated;
#[path = "shared/directory.rs"]
mod directory;
#[path = "winrm_server/hand_over.rs"]
mod hand_over;
#[path = "shared/kerberos.rs"]
mod kerberos;
#[path = "winrm_server/negotiate.rs"]
mod negotiate;
#[path = "server/service.rs"]
mod service;
#[path = "winrm_server/shell.rs"]
mod shell;
#[path = "winrm_server/soap.rs"]
mod soap;
#[path = "shared/usage.rs"]
mod usage;

use command_line::{Protocol, TRANSPORT, print_json};
use connection::Connection;
use directory::Directory;
use hand_over::HandOver;
use kerberos::KdcOptions;
use negotiate::Negotiate;
use service::ServiceKeys;
use shell::Programs;
use usage::USAGE;

/// The most connections at a time; further ones wait in the system's queue.
const MAX_CONNECTIONS: usize = 64;

/// How long a client may take for TLS, and for the head of each request.
const DEADLINE: Duration = Duration::from_secs(60);

/// Serves as much of WinRM as it takes to run some commands, to clients that log on by CredSSP.
#[derive(Parser)]
#[command(after_help = r"Examples:
  One account and one command, at http://127.0.0.1:5985/wsman:
    winrm_server --listen 127.0.0.1:5985 --account 'CORP\alice:correct horse' --command 'hostname=/bin/hostname'
  Over HTTPS, with a certificate that proves the server both there and inside:
    winrm_server --listen 0.0.0.0:5986 --https --cert cert.pem --key key.pem --account 'alice:correct horse' --command 'uptime=/usr/bin/uptime -p'

Clients name a command; what it runs stands on this command line, and nothing that a client sends is ever given to a shell or
to a program. The commands run as the user of this server, whoever logs on. Of its environment they have PATH, HOME, LANG, LC_ALL and
TZ only.

With --hand-over a command gets the credentials that its client has delegated, so that it can go on to another machine with
them. They stand in files which only this server's user can read, in a folder ($XDG_RUNTIME_DIR, else $TMPDIR or /tmp, and in it
winrm_server-ID) that goes away when the command ends, or when this server is stopped by SIGTERM or SIGINT. Its environment says where:
  CREDSSP_AUTHENTICATION_FILE  domain, username and password, as smbclient -A reads them
  KRB5CCNAME                   with --kdc, --krb5-conf or --kdc-proxy: the client's ticket, for which this server asks the KDC
  KRB5_CONFIG                  with --krb5-conf: that file
With --negotiate clients may log on by NTLM or Kerberos alone as well, which delegates nothing: their commands have none of these.

RUST_LOG=debug logs each message's size and fields to stderr.
Passwords in arguments are visible to the other users of this machine: for tests only.")]
struct Options {
    /// Where to listen; port 0 is any free one, which the first line of output tells
    #[arg(long, value_name = "ADDR")]
    listen: String,
    /// Speak HTTPS
    #[arg(long, requires = "cert")]
    https: bool,
    /// An account that may log on; without a domain, it matches any. The password begins behind the first ':'
    #[arg(
        long,
        value_name = r"[DOMAIN\]USER:PASSWORD",
        required_unless_present_any = ["keytab", "accounts"],
        allow_hyphen_values = true
    )]
    account: Vec<String>,
    /// More accounts, each a line as --account takes it
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// Refuse an account, once it has proved itself, with an NTSTATUS, e.g. C0000072 for one that is disabled
    #[arg(long, value_name = r"[DOMAIN\]USER=NTSTATUS")]
    account_status: Vec<String>,
    /// The certificate, then those above it, in PEM [default: self-signed with an RSA key, made in memory]
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// A command that clients may run by its NAME, and what that is
    #[arg(long, value_name = "NAME=PROGRAM ARGUMENT...")]
    command: Vec<String>,
    /// Give the commands what their clients have delegated (see below)
    #[arg(long)]
    hand_over: bool,
    /// Accept logons without CredSSP, too, over HTTPS and bound to its certificate
    #[arg(long, requires = "https")]
    negotiate: bool,
    /// Leave CredSSP switched off, as it is in WinRM until somebody switches it on: clients meet what is left
    #[arg(long, requires = "negotiate")]
    no_credssp: bool,
    #[command(flatten)]
    service: ServiceKeys,
    #[command(flatten)]
    kdc: KdcOptions,
    #[command(flatten)]
    protocol: Protocol,
    /// How long a client may take to log on
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    deadline: u64,
    /// Print the delegated secrets too
    #[arg(long)]
    show_secrets: bool,
}

/// What all connections share.
struct Service {
    acceptor: Acceptor,
    https: bool,
    directory: Directory,
    programs: Arc<Programs>,
    hand_over: Option<Arc<HandOver>>,
    negotiate: Option<Negotiate>,
    deadline: Duration,
    show_secrets: bool,
}

fn main() -> ExitCode {
    let options: Options = match usage::parse() {
        Ok(options) => options,
        Err(status) => return status.into(),
    };
    command_line::log_to_stderr();
    let (service, tls) = match configure(&options) {
        Ok(configured) => configured,
        Err(error) => {
            eprintln!("winrm_server: {error}");
            return USAGE.into();
        }
    };
    let served = Runtime::new()
        .and_then(|runtime| runtime.block_on(serve(&options.listen, Arc::new(service), tls)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "winrm_server: cannot listen on {}: {error}: give an address of this machine and a port that is free, such \
                 as 127.0.0.1:0",
                options.listen
            );
            TRANSPORT.into()
        }
    }
}

fn configure(options: &Options) -> Result<(Service, Option<TlsAcceptor>), Box<dyn Error>> {
    let kerberos = options.service.kerberos(&options.kdc)?;
    let mechanisms = options.protocol.mechanisms(kerberos)?;
    let mut config = ServerConfig::with_mechanisms(mechanisms.clone());
    config.negotiation = options.protocol.negotiation();
    (config.own_version, config.min_version) = options
        .protocol
        .versions(config.own_version, config.min_version)?;
    let versions = options.protocol.tls_versions();
    let identity = identity(options)?;
    let mut acceptor = Acceptor::with_tls_versions(config, &identity, versions)?;
    if !options.no_credssp {
        acceptor = acceptor.enable_credssp();
    }
    let tls = match (options.https, &options.cert, &options.key) {
        (true, Some(cert), Some(key)) => Some(https(&read(cert)?, &read(key)?)?),
        _ => None,
    };
    let negotiate = match (options.negotiate, &options.cert) {
        (true, Some(cert)) => Some(Negotiate::new(mechanisms, &read(cert)?)?),
        _ => None,
    };
    let hand_over = options.hand_over.then(|| HandOver::new(&options.kdc));
    let mut accounts = options.account.clone();
    if let Some(path) = &options.accounts {
        let text = String::from_utf8(read(path)?)?;
        accounts.extend(text.lines().map(str::to_owned));
    }
    let service = Service {
        acceptor,
        https: options.https,
        directory: Directory::new(&accounts, &options.account_status)?,
        programs: Arc::new(shell::programs(&options.command)?),
        hand_over: hand_over.transpose()?.map(Arc::new),
        negotiate,
        deadline: Duration::from_secs(options.deadline),
        show_secrets: options.show_secrets,
    };
    Ok((service, tls))
}

/// The certificate inside HTTP.
fn identity(options: &Options) -> Result<Identity, Box<dyn Error>> {
    if let (Some(cert), Some(key)) = (&options.cert, &options.key) {
        return Ok(Identity::from_pem(&read(cert)?, &read(key)?)?);
    }
    let store = CertificateStore::default();
    Ok(store.identity_or_self_signed(None, "localhost", &SystemRandom::default())?)
}

fn https(cert: &[u8], key: &[u8]) -> Result<TlsAcceptor, Box<dyn Error>> {
    let chain = CertificateDer::pem_slice_iter(cert).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config).into())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

async fn serve(listen: &str, service: Arc<Service>, tls: Option<TlsAcceptor>) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    print_json(&json!({ "listening": listener.local_addr()?.to_string() }))?;
    // What runs is dropped with the runtime, and takes its files away.
    tokio::select! {
        () = answer(&listener, &service, tls.as_ref()) => Ok(()),
        stopped = stopped() => stopped,
    }
}

/// Waits until this server is told to stop.
async fn stopped() -> io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = unix::signal(unix::SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            interrupted = signal::ctrl_c() => interrupted,
        }
    }
    #[cfg(not(unix))]
    signal::ctrl_c().await
}

async fn answer(listener: &TcpListener, service: &Arc<Service>, tls: Option<&TlsAcceptor>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let permit = permits.clone().acquire_owned().await;
        let tcp = match listener.accept().await {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                eprintln!("winrm_server: cannot accept a connection: {error}");
                time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (service, tls) = (service.clone(), tls.cloned());
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = connection(service, tls, tcp).await {
                eprintln!("winrm_server: a connection failed: {error}");
            }
        });
    }
}

async fn connection(
    service: Arc<Service>,
    tls: Option<TlsAcceptor>,
    tcp: TcpStream,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    // Each answer is one write: nothing is won by waiting for more. It works without, too.
    let _ = tcp.set_nodelay(true);
    match tls {
        None => http(service, tcp).await,
        Some(tls) => {
            let stream = time::timeout(DEADLINE, tls.accept(tcp)).await??;
            http(service, stream).await
        }
    }
}

async fn http(
    service: Arc<Service>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let connection = match service.acceptor.start() {
        Ok(state) => Connection::Authenticating(state),
        Err(error)
            if matches!(
                error.error,
                credssp::Error::WinRm(WinRmError::ServiceDisabled)
            ) =>
        {
            Connection::WithoutCredSsp
        }
        Err(error) => return Err(error.into()),
    };
    // HTTP/1.1 has one request at a time: nobody ever waits for the other.
    let connection = Arc::new(Mutex::new(connection));
    let logged_on = Arc::new(AtomicBool::new(false));
    let (deadline, in_time) = (service.deadline, logged_on.clone());
    let answer = service_fn(move |request| {
        let (service, connection) = (service.clone(), connection.clone());
        let logged_on = logged_on.clone();
        async move {
            let mut connection = connection.lock().await;
            let answer = connection.answer(&service, request).await;
            let authenticated = matches!(*connection, Connection::Authenticated { .. });
            logged_on.store(authenticated, Ordering::Relaxed);
            answer
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(DEADLINE)
        .serve_connection(TokioIo::new(stream), answer);
    let mut served = pin!(served);
    match time::timeout(deadline, served.as_mut()).await {
        Ok(served) => served?,
        Err(_) if in_time.load(Ordering::Relaxed) => served.await?,
        Err(_) => return Err("the client has not logged on in time".into()),
    }
    Ok(())
}
