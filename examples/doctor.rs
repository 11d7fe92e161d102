//! Goes through what an administrator goes through where CredSSP does not work, and says what to do. `--help` shows the
//! options and examples.
//!
//! It sends no password, nor anything that is made of one, unless `--user` is given; and delegates it to nobody, unless
//! `--delegate` is given too.
//!
//! Exit status: 0 where nothing failed; else by the first step that did:
//! 10 resolve, 11 connect, 12 negotiate, 13 tls, 14 certificate, 15 credssp, 16 version, 17 spn, 18 policy, 19 logon;
//! 3 where the result cannot be printed, 64 for a mistake in the command line.

#![expect(clippy::print_stderr, reason = "a program talks to its user")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use credssp::policy::{BuiltInDefaults, MachineSettings};
use credssp::tls::Connector;
use credssp::{AccountName, ClientConfig, Credentials, ServicePrincipalName};
use rustls::pki_types::ServerName;

#[path = "doctor/certificate.rs"]
mod certificate;
#[path = "shared/command_line.rs"]
mod command_line;
#[path = "doctor/connection.rs"]
mod connection;
#[path = "doctor/examination.rs"]
mod examination;
#[path = "shared/kerberos.rs"]
mod kerberos;
#[path = "doctor/logon.rs"]
mod logon;
#[path = "shared/password.rs"]
mod password;
#[path = "shared/policy.rs"]
mod policy;
#[path = "shared/protocol_name.rs"]
mod protocol_name;
#[path = "doctor/report.rs"]
mod report;
#[path = "shared/shown.rs"]
mod shown;
#[path = "doctor/spn.rs"]
mod spn;
#[path = "shared/trust.rs"]
mod trust;
#[path = "shared/usage.rs"]
mod usage;
#[path = "doctor/winrm.rs"]
mod winrm;

use command_line::{Protocol, TRANSPORT};
use examination::Patient;
use kerberos::KdcOptions;
use password::PasswordOptions;
use policy::{Policies, PolicyOptions};
use report::Report;
use trust::TrustOptions;
use usage::USAGE;
use winrm::Service;

/// Examines a server, and the way to it, and says step by step what is well and what to do about the rest.
#[derive(Parser)]
#[command(after_help = r"Examples:
  A Remote Desktop host, without a password; what may be delegated is as Windows has it where nothing is configured:
    doctor host.example.com --rdp
  With a policy of one's own, and a logon that delegates nothing:
    doctor host.example.com --rdp --policy policy.reg --user 'CORP\alice' --password-file pw.txt
  Does the KDC know the service, and does Kerberos do?
    doctor host.example.com:5000 --spn TERMSRV/host.example.com --user alice@EXAMPLE.COM --password-file pw.txt --kdc dc.example.com
  A WinRM service, and whether a logon to it works:
    doctor --winrm http://host.example.com:5985/wsman --user 'CORP\alice' --password-file pw.txt --allow-fresh-ntlm-only WSMAN/host.example.com
  For a machine:
    doctor host.example.com --rdp --json

Exit status: 0 where nothing failed; else by the first step that did: 10 resolve, 11 connect, 12 negotiate, 13 tls,
14 certificate, 15 credssp, 16 version, 17 spn, 18 policy, 19 logon; 64 for a wrong command line.
A password in an argument is visible to the other users of this machine: prefer --password-file.")]
struct Options {
    /// The server; without a port, 3389 with --rdp
    #[arg(value_name = "HOST[:PORT]", required_unless_present = "winrm")]
    server: Option<String>,
    /// Negotiate as Remote Desktop clients do before TLS
    #[arg(long)]
    rdp: bool,
    /// Examine a WinRM service in place of a server: http://HOST[:PORT][/PATH], or https
    #[arg(long, value_name = "URL", value_parser = Service::new, conflicts_with_all = ["server", "rdp"])]
    winrm: Option<Service>,
    /// The server's name, for policy, Kerberos and NTLM [default: TERMSRV/<host of HOST>, or WSMAN/<host of URL>]
    #[arg(long)]
    spn: Option<ServicePrincipalName>,
    // Without any, what counts is what Windows does where nothing is configured.
    #[command(flatten)]
    policy: PolicyOptions,
    #[command(flatten)]
    trust: TrustOptions,
    /// Try to log on as this account, where policy permits that it delegates credentials; none are delegated
    #[arg(long, value_name = r"DOMAIN\USER")]
    user: Option<AccountName>,
    #[command(flatten)]
    password: PasswordOptions,
    /// Delegate the password, too, and so see the logon to its end
    #[arg(long, requires = "user")]
    delegate: bool,
    #[command(flatten)]
    kdc: KdcOptions,
    #[command(flatten)]
    protocol: Protocol,
    /// How long each connection may take
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    /// One JSON object in place of lines
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let options: Options = match usage::parse() {
        Ok(options) => options,
        Err(status) => return status.into(),
    };
    command_line::log_to_stderr();
    let patient = match patient(&options) {
        Ok(patient) => patient,
        Err(error) => {
            eprintln!("doctor: {error}");
            return USAGE.into();
        }
    };
    let mut report = Report::new(options.json);
    let examined = examination::examine(&patient, &mut report);
    match examined.and_then(|()| report.finish(patient.target.as_str())) {
        Ok(status) => status.into(),
        Err(error) => {
            eprintln!("doctor: cannot print the result: {error}");
            TRANSPORT.into()
        }
    }
}

fn patient(options: &Options) -> Result<Patient, Box<dyn Error>> {
    let (host, port) = match (&options.winrm, &options.server) {
        (Some(service), _) => (&*service.host, service.port),
        (None, server) => host_and_port(server.as_deref().unwrap_or_default(), options.rdp)?,
    };
    let target = match (&options.spn, &options.winrm) {
        (Some(spn), _) => spn.clone(),
        (None, Some(_)) => ServicePrincipalName::wsman(host)?,
        (None, None) => ServicePrincipalName::termsrv(host)?,
    };
    let name = ServerName::try_from(target.host().to_owned())
        .map_err(|_| format!("{} is neither a host name nor an IP address", target.host()))?;
    let credentials = match &options.user {
        Some(user) => Some(Credentials::password(
            user.clone(),
            options.password.required()?,
        )),
        None => None,
    };
    let password = match &options.user {
        Some(_) => options.password.read()?,
        None => None,
    };
    let windows = MachineSettings::windows(BuiltInDefaults::WindowsDomainMember);
    let Policies { settings, remarks } = options.policy.read(windows)?;
    let oracle = settings.encryption_oracle;
    let floor = oracle.map_or(5, |setting| setting.client_min_version());
    let (kdc, initiator) = options.kdc.configure()?;
    let kerberos = options.kdc.given().then(|| {
        let mut kerberos = credssp::kerberos::Kerberos::default();
        kerberos.initiator = initiator;
        kerberos
    });
    let (own_version, min_version) = options.protocol.versions(6, floor)?;
    let tls = options.protocol.tls_versions();
    let config = ClientConfig::new(settings.delegation.clone());
    let connector = Connector::with_trust(config, options.trust.read()?, tls)?;
    Ok(Patient {
        host: host.to_owned(),
        port,
        rdp: options.rdp,
        winrm: options.winrm.clone(),
        target,
        name,
        tls,
        timeout: Duration::from_secs(options.timeout),
        connector,
        policy: settings.delegation,
        policy_remarks: remarks,
        own_version,
        min_version,
        mechanisms: options.protocol.mechanisms(kerberos.clone())?,
        negotiation: options.protocol.negotiation(),
        kdc,
        initiator: kerberos.map(|kerberos| kerberos.initiator),
        credentials,
        password,
        delegate: options.delegate,
    })
}

/// `HOST`, `HOST:PORT`, `[::1]` or `[::1]:PORT`.
fn host_and_port(server: &str, rdp: bool) -> Result<(&str, u16), String> {
    let split = server
        .rsplit_once(':')
        .filter(|(host, _)| !host.contains(':') || host.ends_with(']'))
        .map(|(host, port)| (host, port.parse()));
    let (host, port) = match split {
        Some((host, Ok(port))) => (host, port),
        Some((_, Err(_))) => {
            return Err(format!(
                "the port of {server} is no number up to 65535: give HOST:PORT, such as host.example.com:3389"
            ));
        }
        None if rdp => (server, 3389),
        None => {
            return Err(format!(
                "{server} has no port: give HOST:PORT, or --rdp for a Remote Desktop host on port 3389"
            ));
        }
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    Ok((bare.unwrap_or(host), port))
}
