//! A CredSSP client: delegates a password, and prints one JSON line. `--help` shows the options and examples.
//!
//! Exit status:
//! - 0: delegated. CredSSP has no answer to the credentials, so this means that they were sent, that the server did not
//!   refuse them within two seconds (by `errorCode` or a TLS alert), and no more; a server that merely closes the
//!   connection is as a rule one that has what it wanted.
//! - 1: the server refused us: by `errorCode`, by a TLS alert, by hanging up on our proof, or in Remote Desktop's
//!   negotiation or authorization; or the KDC did.
//! - 2: we refused: policy, version, key binding, certificate, a malformed message or one that has no place there.
//! - 3: the connection failed, or no KDC could be reached.
//! - 64: the command line is wrong.

#![expect(clippy::print_stderr, reason = "a program talks to its user")]

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
#[cfg(feature = "pkinit")]
use credssp::Secret;
use credssp::client::Complete;
use credssp::error::{HandshakeError, KdcError, PkinitError, Progress, Step, TlsError};
use credssp::kerberos::Kerberos;
use credssp::kerberos::initiator::ClientName;
use credssp::policy::MachineSettings;
use credssp::proof::{CertificateProof, ServerProof};
use credssp::rdp::RequestFlags;
use credssp::rdp::client::NegotiationConfig;
use credssp::stream::files;
use credssp::stream::kdc::KdcClient;
use credssp::tls::Connector;
use credssp::ts_request::{MAX_MESSAGE_LEN, TsRequest};
use credssp::{AccountName, ClientConfig, Credentials, ServicePrincipalName, stream};
use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};

#[cfg(feature = "pkinit")]
#[path = "shared/card.rs"]
mod card;
#[path = "shared/command_line.rs"]
mod command_line;
#[path = "shared/kerberos.rs"]
mod kerberos;
#[path = "shared/password.rs"]
mod password;
#[path = "shared/policy.rs"]
mod policy;
#[path = "shared/protocol_name.rs"]
mod protocol_name;
#[path = "shared/trust.rs"]
mod trust;
#[path = "shared/usage.rs"]
mod usage;

#[cfg(feature = "pkinit")]
use card::CertificateOptions;
use command_line::{Protocol, TRANSPORT, print_json, tls_name};
use kerberos::KdcOptions;
use password::PasswordOptions;
use policy::{Policies, PolicyOptions};
use protocol_name::protocol_name;
use trust::TrustOptions;
use usage::USAGE;

/// Exit status: the server refused us.
const REFUSED_BY_PEER: u8 = 1;
/// Exit status: we refused.
const REFUSED_BY_US: u8 = 2;

/// How long each address of the server may take to answer.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// How long TLS and CredSSP together may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long the server may take to refuse the credentials.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Delegates a user's password to a server over CredSSP, and prints one line of JSON.
#[derive(Parser)]
#[command(after_help = r"Examples:
  To a server that proves itself by nothing but NTLM:
    client host.example.com:5000 --user 'CORP\alice' --password-file pw.txt --allow-fresh-ntlm-only TERMSRV/host.example.com
  To a server with a certificate of a known authority:
    client host.example.com:5000 --user 'CORP\alice' --password-file pw.txt --trust-roots ca.pem --allow-fresh 'TERMSRV/*.example.com'
  To a server whose certificate is known, by `openssl x509 -fingerprint -sha256`:
    CREDSSP_PASSWORD='correct horse' client 127.0.0.1:5000 --user alice --pin 55:7C:...:0A --allow-fresh 'TERMSRV/*'
  By Kerberos, which proves the server by itself, or by NTLM where no KDC helps and policy allows it:
    client host.example.com:5000 --user alice@EXAMPLE.COM --password-file pw.txt --kdc dc.example.com --allow-fresh 'TERMSRV/*.example.com'
  To a Remote Desktop server, up to the end of Network Level Authentication; with nothing delegated, where it allows that:
    client host.example.com:3389 --rdp --user 'CORP\alice' --password-file pw.txt --allow-fresh-ntlm-only TERMSRV/host.example.com
    client host.example.com:3389 --rdp --restricted-admin --user 'CORP\alice' --password-file pw.txt --allow-fresh-ntlm-only TERMSRV/host.example.com
  By a certificate in place of the password, at a KDC that proves itself by its own; nothing else is delegated (feature pkinit):
    client host.example.com:5000 --cert user.pem --key user.key --kdc-anchors ca.pem --kdc dc.example.com --allow-fresh 'TERMSRV/*.example.com'
  By a smart card, which is delegated with its PIN (feature pkcs11):
    client host.example.com:5000 --pkcs11-module /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so --pin-file pin.txt --kdc-anchors ca.pem --kdc dc.example.com --allow-fresh 'TERMSRV/*.example.com'
  By Kerberos alone, with the tickets that kinit has left:
    client host.example.com:5000 --user alice@EXAMPLE.COM --password-file pw.txt --mechanism kerberos --krb5-conf /etc/krb5.conf --ccache /tmp/krb5cc_1000 --allow-fresh 'TERMSRV/*.example.com'

Exit status: 0 delegated, 1 the server or the KDC refused us, 2 we refused, 3 the connection failed, 64 wrong command line.
RUST_LOG=debug logs each message's size and fields to stderr.
A password in an argument is visible to the other users of this machine: prefer --password-file.
Without an --allow-fresh... or a --policy nothing is delegated.")]
struct Options {
    /// The server
    #[arg(value_name = "HOST:PORT")]
    server: String,
    /// Whom to log on
    #[cfg_attr(not(feature = "pkinit"), arg(required = true))]
    #[cfg_attr(feature = "pkinit", arg(required_unless_present = "kdc_anchors"))]
    #[arg(long, value_name = r"DOMAIN\USER")]
    user: Option<AccountName>,
    #[command(flatten)]
    password: PasswordOptions,
    /// The server's name, for policy, NTLM and certificates [default: TERMSRV/<host of HOST:PORT>]
    #[arg(long)]
    spn: Option<ServicePrincipalName>,
    #[command(flatten)]
    trust: TrustOptions,
    #[command(flatten)]
    policy: PolicyOptions,
    #[command(flatten)]
    kdc: KdcOptions,
    #[cfg(feature = "pkinit")]
    #[command(flatten)]
    certificate: CertificateOptions,
    /// Use the tickets of a credential cache in place of the password, which is delegated all the same
    #[arg(long, value_name = "FILE")]
    ccache: Option<PathBuf>,
    /// Log on to Kerberos by the account's key in a keytab in place of the password, which is delegated all the same
    #[arg(long, value_name = "FILE")]
    keytab: Option<PathBuf>,
    /// Ask the server for its own ticket first, as Windows' Remote Desktop client does
    #[arg(long)]
    user_to_user: bool,
    /// Negotiate as Remote Desktop clients do before TLS, await where the server offers it whether the user may log on, and
    /// end there
    #[arg(long)]
    rdp: bool,
    /// Delegate empty credentials, to a Remote Desktop server that supports Restricted Admin mode; to another one nothing
    #[arg(long, requires = "rdp")]
    restricted_admin: bool,
    #[command(flatten)]
    protocol: Protocol,
}

impl Options {
    /// What to log on with, and to delegate.
    fn credentials(&self) -> Result<Credentials, Box<dyn Error>> {
        #[cfg(feature = "pkinit")]
        {
            let password = self.password.read()?;
            let password = password.as_ref().map(Secret::expose);
            let found = self.certificate.credentials(self.user.as_ref(), password)?;
            if let Some(credentials) = found {
                return Ok(credentials);
            }
        }
        let user = self.user.clone().ok_or("say by --user whom to log on")?;
        Ok(Credentials::password(user, self.password.required()?))
    }

    fn negotiation(&self) -> Option<NegotiationConfig<'static>> {
        let mut config = NegotiationConfig::default();
        if self.restricted_admin {
            config.flags = RequestFlags::RESTRICTED_ADMIN;
        }
        self.rdp.then_some(config)
    }
}

fn main() -> ExitCode {
    let options: Options = match usage::parse() {
        Ok(options) => options,
        Err(status) => return status.into(),
    };
    command_line::log_to_stderr();
    let (connector, target, credentials) = match configure(&options) {
        Ok(configuration) => configuration,
        Err(error) => {
            eprintln!("client: {error}");
            return USAGE.into();
        }
    };
    let (line, status) = match delegate(&options, &connector, target, credentials) {
        Ok(line) => (line, 0),
        Err(error) => {
            eprintln!("client: {error}");
            let line = json!({
                "ok": false,
                "kind": error.kind(),
                "error": error.to_string(),
                "step": error.step(),
            });
            (line, error.exit_status())
        }
    };
    match print_json(&line) {
        Ok(()) => status.into(),
        Err(error) => {
            eprintln!("client: cannot print the result: {error}");
            TRANSPORT.into()
        }
    }
}

/// Makes everything ready for which the server is not needed.
fn configure(
    options: &Options,
) -> Result<(Connector, ServicePrincipalName, Credentials), Box<dyn Error>> {
    let (host, _) = options
        .server
        .rsplit_once(':')
        .filter(|(_, port)| port.parse::<u16>().is_ok())
        .ok_or("the server is given as HOST:PORT, such as host.example.com:5000 or [::1]:5000")?;
    let target = match &options.spn {
        Some(spn) => spn.clone(),
        None => ServicePrincipalName::termsrv(host)?,
    };
    let credentials = options.credentials()?;

    let Policies { settings, remarks } = options.policy.read(MachineSettings::default())?;
    for remark in remarks {
        eprintln!("client: in the file of --policy, {remark}");
    }
    let (kdc, kerberos) = kerberos(options)?;
    let mechanisms = options.protocol.mechanisms(kerberos)?;
    let mut config = ClientConfig::with_mechanisms(settings.delegation, mechanisms);
    config.negotiation = options.protocol.negotiation();
    if let Some(setting) = settings.encryption_oracle {
        config = config.with_encryption_oracle(setting);
    }
    (config.own_version, config.min_version) = options
        .protocol
        .versions(config.own_version, config.min_version)?;

    let trust = options.trust.read()?;
    let connector = Connector::with_trust(config, trust, options.protocol.tls_versions())?;
    let connector = connector.with_timeout(DEADLINE).with_kdc(kdc);
    Ok((connector, target, credentials))
}

/// The way to the KDCs, and Kerberos where the command line gives it anything to begin with.
fn kerberos(options: &Options) -> Result<(Arc<KdcClient>, Option<Kerberos>), Box<dyn Error>> {
    let (kdc, mut initiator) = options.kdc.configure()?;
    initiator.user_to_user = options.user_to_user;
    #[cfg(feature = "pkinit")]
    {
        initiator.pkinit = Arc::new(options.certificate.pkinit()?);
    }
    if let Some(path) = &options.keytab {
        let realm = initiator.default_realm.as_deref().unwrap_or_default();
        let user = options
            .user
            .as_ref()
            .ok_or("say by --user whose key of --keytab it is")?;
        let client = ClientName::of(user, realm);
        let keytab = files::read_keytab(path)?;
        let keys = keytab.client_keys(&client).ok_or_else(|| {
            let (name, realm, path) = (&client.name, client.realm.to_str_lossy(), path.display());
            format!("{path} has no key of {name} in the realm {realm}: see `klist -k {path}`")
        })?;
        initiator.keys = Some(keys);
    }
    if let Some(path) = &options.ccache {
        initiator.tickets = Some(Arc::new(files::read_ccache(path)?));
    }
    let possible = options.kdc.given() || options.ccache.is_some();
    let mut kerberos = Kerberos::default();
    kerberos.initiator = initiator;
    Ok((kdc, possible.then_some(kerberos)))
}

fn delegate(
    options: &Options,
    connector: &Connector,
    target: ServicePrincipalName,
    credentials: Credentials,
) -> Result<Value, Failure> {
    let account = credentials.account().to_string();
    let spn = target.to_string();
    let tcp = connect(&options.server).map_err(Failure::Connect)?;
    let (mut stream, complete, selected) = match options.negotiation() {
        None => {
            let (stream, complete) = connector.connect(tcp, target, credentials)?;
            (stream, complete, None)
        }
        Some(negotiation) => {
            let (stream, complete, selected) =
                connector.connect_rdp(tcp, target, credentials, &negotiation)?;
            (stream, complete, Some(selected))
        }
    };
    last_words(&mut stream, &complete)?;
    let mut line = json!({
        "ok": true,
        "account": account,
        "mechanism": complete.mechanism.to_string().to_lowercase(),
        "version": complete.version,
        "tls": tls_name(stream.conn.protocol_version()),
        "proof": match complete.proof {
            ServerProof::Kerberos => "kerberos",
            ServerProof::Certificate => "certificate",
            _ => "none",
        },
        "target": spn,
    });
    if let (Value::Object(line), ServerProof::Certificate, Some(Ok(proof))) =
        (&mut line, complete.proof, &complete.certificate)
    {
        line.insert("certificate".into(), certificate_name(*proof).into());
    }
    if let (Value::Object(line), Some(reason)) = (&mut line, &complete.fallback) {
        eprintln!(
            "client: {} took the place of Kerberos: {reason}",
            complete.mechanism
        );
        line.insert("fallback".into(), reason.to_string().into());
    }
    if let (Value::Object(line), Some(selected)) = (&mut line, selected) {
        line.insert("selected".into(), protocol_name(selected.protocol).into());
    }
    Ok(line)
}

fn certificate_name(proof: CertificateProof) -> &'static str {
    match proof {
        CertificateProof::Chain => "chain",
        CertificateProof::Sha256Pin => "sha256-pin",
        CertificateProof::Sha1Pin => "sha1-pin",
        _ => "other",
    }
}

/// Connects to the first of the server's addresses that answers.
fn connect(server: &str) -> io::Result<TcpStream> {
    let mut result = Err(io::Error::new(
        io::ErrorKind::NotFound,
        "the name has no address",
    ));
    for address in server.to_socket_addrs()? {
        result = TcpStream::connect_timeout(&address, CONNECT_DEADLINE);
        if result.is_ok() {
            break;
        }
    }
    let tcp = result?;
    // Each message is one write: nothing is won by waiting for more.
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// Listens for a while whether the server refuses the credentials: some send an `errorCode`, others a TLS alert. Then
/// says goodbye; not before, for a server that finds its client gone may not bother to refuse.
///
/// Silence, other data and a connection that ends are no refusals.
fn last_words(
    stream: &mut StreamOwned<ClientConnection, TcpStream>,
    complete: &Complete,
) -> Result<(), HandshakeError> {
    let mut progress = Progress::default();
    progress.step = Step::Credentials;
    progress.mechanism = Some(complete.mechanism);
    progress.proof = Some(complete.proof);

    let deadline = Instant::now() + LAST_WORDS;
    let mut words = Vec::new();
    let mut ready = stream.sock.set_read_timeout(Some(LAST_WORDS));
    while ready.is_ok() && Instant::now() < deadline && words.len() < MAX_MESSAGE_LEN {
        let mut chunk = [0; 4096];
        ready = match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => {
                words.extend(chunk.iter().take(length));
                Ok(())
            }
            Err(error) => Err(error),
        };
    }
    stream.conn.send_close_notify();
    // The server may be gone; the credentials have arrived all the same.
    let _ = stream.flush();

    let alert = ready.err().and_then(io::Error::into_inner);
    match alert.and_then(|error| error.downcast::<rustls::Error>().ok()) {
        Some(error) if matches!(*error, rustls::Error::AlertReceived(_)) => {
            return Err(HandshakeError::new(TlsError::new(*error), progress));
        }
        _ => {}
    }
    match TsRequest::decode(&words) {
        Ok(TsRequest {
            error_code: Some(status),
            ..
        }) => Err(HandshakeError::new(
            credssp::Error::Rejected(status),
            progress,
        )),
        _ => Ok(()),
    }
}

/// Why nothing was delegated, or not for good.
#[derive(Debug)]
enum Failure {
    Connect(io::Error),
    Handshake(stream::Error),
}

impl Failure {
    fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "Io",
            Self::Handshake(error) => error.kind(),
        }
    }

    fn step(&self) -> String {
        match self {
            Self::Connect(_) => "connection".into(),
            Self::Handshake(error) => error.progress().step.to_string(),
        }
    }

    /// Whose fault it is, as an exit status.
    fn exit_status(&self) -> u8 {
        match self {
            Self::Handshake(stream::Error::Protocol(error)) => match &error.error {
                credssp::Error::ConnectionRefused(_)
                | credssp::Error::EarlyAuthorizationDenied
                | credssp::Error::Rejected(_)
                | credssp::Error::TicketRefused(_) => REFUSED_BY_PEER,
                credssp::Error::Kdc(KdcError::Unreachable(_)) => TRANSPORT,
                // What we find wrong with a KDC's answer, or do not have for it.
                credssp::Error::Kdc(
                    KdcError::HostIsAddress
                    | KdcError::NoTicket
                    | KdcError::ReferralLoop
                    | KdcError::UnfitReply(_)
                    | KdcError::UnfitStringToKey,
                ) => REFUSED_BY_US,
                credssp::Error::Kdc(KdcError::Pkinit(
                    PkinitError::CertificateRefused(_)
                    | PkinitError::NotOffered
                    | PkinitError::PreAuthenticationFailed,
                )) => REFUSED_BY_PEER,
                credssp::Error::Kdc(KdcError::Pkinit(_)) => REFUSED_BY_US,
                credssp::Error::Kdc(_) => REFUSED_BY_PEER,
                credssp::Error::Tls(tls)
                    if matches!(tls.error, rustls::Error::AlertReceived(_)) =>
                {
                    REFUSED_BY_PEER
                }
                _ => REFUSED_BY_US,
            },
            Self::Handshake(stream::Error::Closed { progress })
                if progress.step == Step::PublicKey =>
            {
                REFUSED_BY_PEER
            }
            _ => TRANSPORT,
        }
    }
}

impl From<HandshakeError> for Failure {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error.into())
    }
}

impl From<stream::Error> for Failure {
    fn from(error: stream::Error) -> Self {
        Self::Handshake(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(
                f,
                "cannot connect: {error}: check host and port, and that the server runs and can be reached"
            ),
            Self::Handshake(error) => error.fmt(f),
        }
    }
}
