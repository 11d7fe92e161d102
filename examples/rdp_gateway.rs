//! A gateway for Remote Desktop: takes a client's Network Level Authentication, logs on to the target in its place, and
//! passes on what both say from then on. `--help` shows the options and examples.
//!
//! It prints one JSON line for each session, when that ends, and no secret. It sees everything in clear, as whoever holds the
//! credentials could; the target has to be one that may receive them.
//!
//! Exit status: 3 where it cannot listen, 64 for a mistake in the command line; else it runs until it is stopped.

#![expect(clippy::print_stderr, reason = "a program talks to its user")]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use clap::Parser;
use credssp::policy::SpnPattern;
use credssp::rdp::ResponseFlags;
use credssp::rdp::server::NegotiationConfig;
use credssp::tls::{Acceptor, Connector, TlsVersions, Trust};
use credssp::{
    AccountName, ClientConfig, Credentials, DelegationPolicy, Secret, ServerConfig,
    ServicePrincipalName,
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time;

#[path = "shared/certificate.rs"]
mod certificate;
#[path = "shared/command_line.rs"]
mod command_line;
#[path = "rdp_gateway/connect_pdu.rs"]
mod connect_pdu;
#[path = "shared/directory.rs"]
mod directory;
#[path = "shared/kerberos.rs"]
mod kerberos;
#[path = "shared/protocol_name.rs"]
mod protocol_name;
#[path = "rdp_gateway/session.rs"]
mod session;
#[path = "rdp_gateway/splice.rs"]
mod splice;
#[path = "shared/usage.rs"]
mod usage;

use certificate::CertificateOptions;
use command_line::{Protocol, TRANSPORT, print_json};
use directory::Directory;
use kerberos::KdcOptions;
use session::Gateway;
use usage::USAGE;

/// Logs Remote Desktop clients on to a target, and prints one line of JSON for each session.
#[derive(Parser)]
#[command(after_help = r"Examples:
  With the credentials that the client delegates, which the target has to know as well:
    rdp_gateway --listen 0.0.0.0:3389 --target host.example.com:3389 --account 'CORP\alice:correct horse' --cert cert.pem --key key.pem
  With others, which the client never learns; their password is in a variable:
    CREDSSP_PASSWORD='battery staple' rdp_gateway --listen 127.0.0.1:3389 --target 10.0.0.7:3389 --account 'alice:correct horse' --inject 'CORP\service'
  By Kerberos at the target:
    rdp_gateway --listen 127.0.0.1:3389 --target host.example.com:3389 --account 'EXAMPLE.COM\alice:correct horse' --kdc dc.example.com

To name a target is to allow that it receives credentials, even where it proves itself by nothing but NTLM.
RUST_LOG=debug logs each message's size and fields to stderr.
Passwords in arguments are visible to the other users of this machine: for tests only.")]
struct Options {
    /// Where to listen; port 0 is any free one, which the first line of output tells
    #[arg(long, value_name = "ADDR")]
    listen: String,
    /// The Remote Desktop server behind
    #[arg(long, value_name = "HOST:PORT")]
    target: String,
    /// The target's name [default: TERMSRV/<host of HOST:PORT>]
    #[arg(long)]
    spn: Option<ServicePrincipalName>,
    /// An account that may log on; without a domain, it matches any. The password begins behind the first ':'
    #[arg(
        long,
        value_name = r"[DOMAIN\]USER:PASSWORD",
        required = true,
        allow_hyphen_values = true
    )]
    account: Vec<String>,
    /// Refuse an account, once it has proved itself, with an NTSTATUS, e.g. C0000072 for one that is disabled
    #[arg(long, value_name = r"[DOMAIN\]USER=NTSTATUS")]
    account_status: Vec<String>,
    #[command(flatten)]
    certificate: CertificateOptions,
    /// Log on to the target as this account, whoever the client is; without a password, with that of CREDSSP_PASSWORD
    #[arg(
        long,
        value_name = r"[DOMAIN\]USER[:PASSWORD]",
        allow_hyphen_values = true
    )]
    inject: Option<String>,
    #[command(flatten)]
    kdc: KdcOptions,
    // What it says of mechanisms and versions is for the target; clients may choose.
    #[command(flatten)]
    protocol: Protocol,
    /// The most connections that have not logged on yet; further ones wait in the system's queue
    #[arg(long, value_name = "N", default_value = "32", value_parser = at_least_one)]
    max_pending: usize,
    /// The most connections at all; further ones wait in the system's queue
    #[arg(long, value_name = "N", default_value = "256", value_parser = at_least_one)]
    max_sessions: usize,
    /// How long each of the two logons may take, and what both ends say first behind them
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=600))]
    logon_timeout: u64,
    /// End sessions in which neither end says anything for so long, up to a year [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    idle_timeout: Option<u64>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=Semaphore::MAX_PERMITS).contains(&number) => Ok(number),
        _ => Err("a number of connections, 1 at least".into()),
    }
}

fn main() -> ExitCode {
    let options: Options = match usage::parse() {
        Ok(options) => options,
        Err(status) => return status.into(),
    };
    command_line::log_to_stderr();
    let gateway = match gateway(&options) {
        Ok(gateway) => Arc::new(gateway),
        Err(error) => {
            eprintln!("rdp_gateway: {error}");
            return USAGE.into();
        }
    };
    let result = Runtime::new().and_then(|runtime| runtime.block_on(serve(&options, gateway)));
    if let Err(error) = result {
        eprintln!(
            "rdp_gateway: cannot listen on {}: {error}: give an address of this machine and a port that is free, such as \
             127.0.0.1:0",
            options.listen
        );
    }
    TRANSPORT.into()
}

fn gateway(options: &Options) -> Result<Gateway, Box<dyn Error>> {
    let (host, _) = options
        .target
        .rsplit_once(':')
        .filter(|(_, port)| port.parse::<u16>().is_ok())
        .ok_or("the target is given as HOST:PORT, such as host.example.com:3389 or [::1]:3389")?;
    let spn = match &options.spn {
        Some(spn) => spn.clone(),
        None => ServicePrincipalName::termsrv(host)?,
    };
    let inject = options.inject.as_deref().map(injected).transpose()?;

    let mut negotiation = NegotiationConfig::default();
    if inject.is_some() {
        // Where the client's own credentials are not needed, it may keep them.
        negotiation.flags = ResponseFlags::RESTRICTED_ADMIN;
    }
    let identity = options.certificate.identity()?;
    let acceptor =
        Acceptor::with_tls_versions(ServerConfig::default(), &identity, TlsVersions::All)?;

    let pattern: SpnPattern = spn.as_str().parse()?;
    let policy = DelegationPolicy::default()
        .allow_fresh(pattern.clone())
        .allow_fresh_when_ntlm_only(pattern);
    let (kdc, initiator) = options.kdc.configure()?;
    let mut kerberos = credssp::kerberos::Kerberos::default();
    kerberos.initiator = initiator;
    let kerberos = options.kdc.given().then_some(kerberos);
    let mechanisms = options.protocol.mechanisms(kerberos)?;
    let mut config = ClientConfig::with_mechanisms(policy, mechanisms);
    config.negotiation = options.protocol.negotiation();
    (config.own_version, config.min_version) = options
        .protocol
        .versions(config.own_version, config.min_version)?;
    let tls = options.protocol.tls_versions();
    let connector = Connector::with_trust(config, Trust::default(), tls)?;

    let logon_timeout = Duration::from_secs(options.logon_timeout);
    Ok(Gateway {
        acceptor: acceptor.with_timeout(logon_timeout),
        negotiation,
        directory: Arc::new(Directory::new(&options.account, &options.account_status)?),
        connector: connector.with_timeout(logon_timeout).with_async_kdc(kdc),
        target: options.target.clone(),
        spn,
        inject,
        logon_timeout,
        idle_timeout: options.idle_timeout.map(Duration::from_secs),
    })
}

/// `[DOMAIN\]USER[:PASSWORD]`. No error repeats a password.
fn injected(account: &str) -> Result<Credentials, Box<dyn Error>> {
    let (name, password) = match account.split_once(':') {
        Some((name, password)) => (name, Secret::from(password)),
        None => {
            let password = env::var("CREDSSP_PASSWORD").map_err(|_| {
                r"--inject without a password: give DOMAIN\USER:PASSWORD, or set CREDSSP_PASSWORD"
            })?;
            (account, password.into())
        }
    };
    let name: AccountName = name
        .parse()
        .map_err(|_| r"--inject takes DOMAIN\USER:PASSWORD or USER:PASSWORD")?;
    Ok(Credentials::password(name, password))
}

/// Accepts as long as there is room.
async fn serve(options: &Options, gateway: Arc<Gateway>) -> io::Result<()> {
    let listener = TcpListener::bind(&options.listen).await?;
    print_json(&json!({ "listening": listener.local_addr()?.to_string() }))?;
    let sessions = Arc::new(Semaphore::new(options.max_sessions));
    let pending = Arc::new(Semaphore::new(options.max_pending));
    let place = async |room: &Arc<Semaphore>| {
        let place = room.clone().acquire_owned().await;
        place.map_err(io::Error::other)
    };
    loop {
        let session = place(&sessions).await?;
        let pending = place(&pending).await?;
        let (tcp, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                eprintln!("rdp_gateway: cannot accept a connection: {error}");
                time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let gateway = gateway.clone();
        tokio::spawn(async move {
            let line = gateway.answer(tcp, peer, pending).await;
            drop(session);
            if let Err(error) = print_json(&line) {
                eprintln!("rdp_gateway: cannot print the result: {error}");
            }
        });
    }
}
