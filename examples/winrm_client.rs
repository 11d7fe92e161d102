//! A WinRM client that logs on by CredSSP: asks who the service is, or runs a command there. Prints one JSON line. `--help`
//! shows the options and examples.
//!
//! Exit status:
//! - 0: done; how a command ended stands in the line.
//! - 1: the service refused us, or what we asked for; or the KDC did.
//! - 2: we refused: policy, version, key binding, certificate, a malformed message or one that has no place there.
//! - 3: the connection failed, or no KDC could be reached.
//! - 64: the command line is wrong.

#![expect(clippy::print_stderr, reason = "a program talks to its user")]

use std::error::Error;
use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use credssp::error::{HandshakeError, KdcError, WinRmError};
use credssp::kerberos::Kerberos;
use credssp::policy::MachineSettings;
use credssp::proof::ServerProof;
use credssp::stream::kdc::KdcClient;
use credssp::tls::TlsVersions;
use credssp::winrm::client::Connector;
use credssp::{AccountName, ClientConfig, Credentials};
use hyper::Uri;
use rustls::RootCertStore;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

#[path = "shared/command_line.rs"]
mod command_line;
#[path = "winrm_client/connection.rs"]
mod connection;
#[path = "shared/kerberos.rs"]
mod kerberos;
#[path = "shared/password.rs"]
mod password;
#[path = "shared/policy.rs"]
mod policy;
#[path = "winrm_client/shell.rs"]
mod shell;
#[path = "shared/trust.rs"]
mod trust;
#[path = "shared/usage.rs"]
mod usage;

use command_line::{Protocol, TRANSPORT, print_json, tls_name};
use connection::Connection;
use kerberos::KdcOptions;
use password::PasswordOptions;
use policy::PolicyOptions;
use trust::TrustOptions;
use usage::USAGE;

/// Exit status: the service refused us.
const REFUSED_BY_PEER: u8 = 1;
/// Exit status: we refused.
const REFUSED_BY_US: u8 = 2;

/// Logs on to a WinRM service by CredSSP, delegates the password, and runs a command there.
#[derive(Parser)]
#[command(after_help = r"Examples:
  To a service that proves itself by nothing but NTLM, as most do over HTTP:
    winrm_client http://host.example.com:5985/wsman --user 'CORP\alice' --password-file pw.txt --allow-fresh-ntlm-only WSMAN/host.example.com identify
  To one whose certificate inside HTTP is of a known authority:
    winrm_client http://host.example.com --user 'CORP\alice' --password-file pw.txt --trust-roots ca.pem --allow-fresh 'WSMAN/*.example.com' run -- hostname
  By Kerberos, which proves the service:
    winrm_client http://host.example.com --user alice@EXAMPLE.COM --password-file pw.txt --kdc dc.example.com --allow-fresh 'WSMAN/*.example.com' run -- ipconfig /all

The words behind run -- are what the service is given as command and arguments; a Windows service gives them to its shell.
Exit status: 0 done, 1 the service or the KDC refused us, 2 we refused, 3 the connection failed, 64 wrong command line.
RUST_LOG=debug logs each message's size and fields to stderr.
A password in an argument is visible to the other users of this machine: prefer --password-file.
Without an --allow-fresh... nothing is delegated.")]
struct Options {
    /// The service, by http:// or https://; the port is 5985 or 5986, and the path /wsman, unless given
    #[arg(value_name = "URL")]
    url: Uri,
    /// Whom to log on
    #[arg(long, value_name = r"DOMAIN\USER")]
    user: AccountName,
    /// The service's host, for policy, Kerberos and certificates [default: the URL's]
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    #[command(flatten)]
    password: PasswordOptions,
    #[command(flatten)]
    policy: PolicyOptions,
    #[command(flatten)]
    trust: TrustOptions,
    #[command(flatten)]
    kdc: KdcOptions,
    #[command(flatten)]
    protocol: Protocol,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Ask which product the service is
    Identify,
    /// Run a command, and print what it says
    Run {
        /// The command, then its arguments
        #[arg(last = true, required = true)]
        words: Vec<String>,
    },
}

/// What is ready before the service is asked.
struct Setup {
    url: Uri,
    host: String,
    connector: Connector,
    credentials: Credentials,
    kdc: Arc<KdcClient>,
    https: Option<TlsConnector>,
}

fn main() -> ExitCode {
    let options: Options = match usage::parse() {
        Ok(options) => options,
        Err(status) => return status.into(),
    };
    command_line::log_to_stderr();
    let setup = match configure(&options) {
        Ok(setup) => setup,
        Err(error) => {
            eprintln!("winrm_client: {error}");
            return USAGE.into();
        }
    };
    let done = Runtime::new()
        .map_err(|error| Failure::Transport(error.to_string()))
        .and_then(|runtime| runtime.block_on(act(setup, &options.action)));
    let (line, status) = match done {
        Ok(line) => (line, 0),
        Err(failure) => {
            eprintln!("winrm_client: {failure}");
            let line = json!({
                "ok": false,
                "kind": failure.kind(),
                "error": failure.to_string(),
                "step": failure.step(),
            });
            (line, failure.exit_status())
        }
    };
    match print_json(&line) {
        Ok(()) => status.into(),
        Err(error) => {
            eprintln!("winrm_client: cannot print the result: {error}");
            TRANSPORT.into()
        }
    }
}

fn configure(options: &Options) -> Result<Setup, Box<dyn Error>> {
    let credentials = Credentials::password(options.user.clone(), options.password.required()?);
    // Whoever runs this program means to use CredSSP; what the machine's settings say of it goes before.
    let mut unconfigured = MachineSettings::default();
    unconfigured.winrm.client = Some(true);
    let policies = options.policy.read(unconfigured)?;
    for remark in &policies.remarks {
        eprintln!("winrm_client: {remark}");
    }
    let settings = policies.settings;
    let (kdc, initiator) = options.kdc.configure()?;
    let mut kerberos = Kerberos::default();
    kerberos.initiator = initiator;
    let kerberos = options.kdc.given().then_some(kerberos);
    let mut config =
        ClientConfig::with_mechanisms(settings.delegation, options.protocol.mechanisms(kerberos)?);
    config.negotiation = options.protocol.negotiation();
    (config.own_version, config.min_version) = options
        .protocol
        .versions(config.own_version, config.min_version)?;
    // Not every service that speaks TLS 1.3 does so inside HTTP.
    let versions = match options.protocol.tls_versions() {
        TlsVersions::All => TlsVersions::Tls12,
        version => version,
    };
    let trust = options.trust.read()?;
    let https = match options.url.scheme_str() {
        Some("http") => None,
        Some("https") => {
            let mut roots = RootCertStore::empty();
            for root in &trust.roots {
                roots.add(root.clone())?;
            }
            Some(https(roots)?)
        }
        _ => return Err("the service is given as http://HOST:PORT/wsman, or by https://".into()),
    };
    Ok(Setup {
        url: options.url.clone(),
        host: options
            .host
            .clone()
            .unwrap_or_else(|| options.url.host().unwrap_or_default().into()),
        connector: Connector::with_tls_versions(config, trust, versions)?
            .with_switches(settings.winrm),
        credentials,
        kdc,
        https,
    })
}

fn https(roots: RootCertStore) -> Result<TlsConnector, Box<dyn Error>> {
    if roots.is_empty() {
        return Err(
            "https:// wants authorities that prove the service: give --trust-roots PEM".into(),
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config).into())
}

async fn act(setup: Setup, action: &Action) -> Result<Value, Failure> {
    let account = setup.credentials.account().to_string();
    let mut connection = Connection::open(setup).await?;
    let mut line = json!({
        "ok": true,
        "account": account,
        "mechanism": connection.credssp.mechanism.to_string().to_lowercase(),
        "version": connection.credssp.version,
        "tls": tls_name(connection.session.tls_version()),
        "proof": match connection.credssp.proof {
            ServerProof::Kerberos => "kerberos",
            ServerProof::Certificate => "certificate",
            _ => "none",
        },
    });
    let done = match action {
        Action::Identify => shell::identify(&mut connection).await?,
        Action::Run { words } => shell::run(&mut connection, words).await?,
    };
    if let (Value::Object(line), Value::Object(done)) = (&mut line, done) {
        line.extend(done);
    }
    Ok(line)
}

/// Why nothing came of it.
#[derive(Debug)]
enum Failure {
    Transport(String),
    Handshake(HandshakeError),
    /// A body that does not open.
    Session(credssp::Error),
    /// What the service says in place of an answer.
    Fault(String),
    /// What it says is no answer at all.
    Answer(String),
}

impl Failure {
    fn kind(&self) -> &'static str {
        match self {
            Self::Transport(_) => "Io",
            Self::Handshake(error) => error.error.kind(),
            Self::Session(error) => error.kind(),
            Self::Fault(_) => "Fault",
            Self::Answer(_) => "Answer",
        }
    }

    fn step(&self) -> String {
        match self {
            Self::Transport(_) => "connection".into(),
            Self::Handshake(error) => error.progress.step.to_string(),
            Self::Session(_) | Self::Fault(_) | Self::Answer(_) => "session".into(),
        }
    }

    /// Whose fault it is, as an exit status.
    fn exit_status(&self) -> u8 {
        match self {
            Self::Transport(_) => TRANSPORT,
            Self::Fault(_) => REFUSED_BY_PEER,
            Self::Session(_) | Self::Answer(_) => REFUSED_BY_US,
            Self::Handshake(error) => match &error.error {
                credssp::Error::WinRm(WinRmError::ClientDisabled) => REFUSED_BY_US,
                credssp::Error::Kdc(KdcError::Unreachable(_)) => TRANSPORT,
                credssp::Error::Tls(tls)
                    if !matches!(tls.error, rustls::Error::AlertReceived(_)) =>
                {
                    REFUSED_BY_US
                }
                credssp::Error::WinRm(_)
                | credssp::Error::Rejected(_)
                | credssp::Error::TicketRefused(_)
                | credssp::Error::Kdc(_)
                | credssp::Error::Tls(_) => REFUSED_BY_PEER,
                _ => REFUSED_BY_US,
            },
        }
    }
}

impl From<HandshakeError> for Failure {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<credssp::Error> for Failure {
    fn from(error: credssp::Error) -> Self {
        Self::Session(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => write!(
                f,
                "the connection failed: {error}: check host and port, and that the service runs and can be reached"
            ),
            Self::Handshake(error) => error.fmt(f),
            Self::Session(error) => error.fmt(f),
            Self::Fault(reason) => write!(f, "the service refused: {reason}"),
            Self::Answer(reason) => write!(f, "the service's answer makes no sense: {reason}"),
        }
    }
}
