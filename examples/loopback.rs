//! CredSSP between two ends of one process, step by step: a client delegates a password to a server over TCP and TLS, by
//! NTLM, or by Kerberos where there is a KDC. `--help` shows how.
//!
//! Both ends drive the engine by hand over TLS streams of their own, to show what goes on. A program that only wants
//! the result calls `Connector::connect()` and `Acceptor::accept()`.

#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program talks to its user"
)]

use std::env;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::DerefMut;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use bytes::BytesMut;
use clap::Parser;
use credssp::credentials::TsCredentials;
use credssp::error::Step;
use credssp::gss::MechanismProvider;
use credssp::kdc::KdcTransport;
use credssp::kerberos::Kerberos;
use credssp::kerberos::acceptor::ServiceCredentials;
use credssp::mechanism::Mechanism;
use credssp::ntlm::Ntlm;
use credssp::policy::CredentialClass;
use credssp::proof::ServerProof;
use credssp::stream::files;
use credssp::tls::server_public_key;
use credssp::ts_request::TsRequest;
use credssp::{
    Account, AccountName, Client, ClientConfig, Credentials, DelegationPolicy, Server,
    ServerConfig, ServicePrincipalName, client, server,
};
use ring::digest::{SHA256, digest};
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{
    ClientConnection, ConnectionCommon, RootCertStore, ServerConnection, SideData, StreamOwned,
};

#[path = "shared/kerberos.rs"]
mod kerberos;
#[path = "shared/usage.rs"]
mod usage;

use kerberos::KdcOptions;
use usage::USAGE;

const ACCOUNT: &str = r"CORP\alice";
const PASSWORD: &str = "correct horse battery staple";
const TOO_MUCH: &str = "the engine asks for something that this program does not know";

/// How to have a KDC.
const HOW_TO: &str = r"--kerberos needs a KDC and the keys of a service. Start MIT's KDC with accounts and services for tests, from the root of
this repository (Debian: tests/peers/install mit_kdc installs it; it runs until its standard input ends, which is what
the sleep is for):
  sleep infinity | tests/peers/mit_kdc 8888
It says `ready FOLDER`. Then, in another shell:
  CREDSSP_PASSWORD=pass-canary cargo run --example loopback -- --kerberos --kdc 127.0.0.1:8888 --keytab FOLDER/service.keytab --user alice@TEST.EXAMPLE --spn TERMSRV/server.test.example";

/// Delegates a password from a client to a server, both of this process, and shows each step.
#[derive(Parser)]
#[command(after_help = format!("Without options, NTLM is used, for which nothing else is needed. {HOW_TO}"))]
struct Options {
    /// Use Kerberos
    #[arg(long)]
    kerberos: bool,
    #[command(flatten)]
    kdc: KdcOptions,
    /// The server's keys
    #[arg(long, value_name = "FILE")]
    keytab: Option<PathBuf>,
    /// Whom to log on, whose password is in the variable CREDSSP_PASSWORD
    #[arg(long, value_name = "USER@REALM")]
    user: Option<AccountName>,
    /// The server's name
    #[arg(long)]
    spn: Option<ServicePrincipalName>,
}

/// What both ends use.
struct Setting {
    client: Arc<dyn MechanismProvider>,
    server: Arc<dyn MechanismProvider>,
    kdc: Arc<dyn KdcTransport>,
    credentials: Credentials,
    target: ServicePrincipalName,
}

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let options: Options = match usage::parse() {
        Ok(options) => options,
        Err(status) => return status.into(),
    };
    let setting = match options.setting() {
        Ok(setting) => setting,
        Err(error) => {
            eprintln!("loopback: {error}");
            return USAGE.into();
        }
    };
    match run(&Arc::new(setting)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loopback: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn setting(&self) -> Result<Setting> {
        let (kdc, initiator) = self.kdc.configure().map_err(|error| error.to_string())?;
        if !self.kerberos {
            let ntlm = Arc::new(Ntlm::default());
            return Ok(Setting {
                client: ntlm.clone(),
                server: ntlm,
                kdc,
                credentials: Credentials::password(ACCOUNT.parse()?, PASSWORD),
                target: ServicePrincipalName::termsrv("localhost")?,
            });
        }
        let (true, Some(keytab), Some(user), Some(spn), Ok(password)) = (
            self.kdc.given(),
            &self.keytab,
            &self.user,
            &self.spn,
            env::var("CREDSSP_PASSWORD"),
        ) else {
            return Err(HOW_TO.into());
        };
        let mut kerberos = Kerberos::default();
        kerberos.initiator = initiator;
        let keys = ServiceCredentials::new(files::read_keytab(keytab)?);
        kerberos.acceptor = Some(Arc::new(keys));
        let kerberos = Arc::new(kerberos);
        Ok(Setting {
            client: kerberos.clone(),
            server: kerberos,
            kdc,
            credentials: Credentials::password(user.clone(), password),
            target: spn.clone(),
        })
    }
}

fn run(setting: &Arc<Setting>) -> Result<()> {
    let host = setting.target.host().to_owned();
    let made = rcgen::generate_simple_self_signed([host])?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    println!("server: listening on {address} with a new self-signed P-256 certificate");

    let own = certificate.clone();
    let story = setting.clone();
    let server = thread::spawn(move || serve(&listener, own, key, &story));
    let sent = delegate(address, certificate, setting);
    let received = server
        .join()
        .map_err(|_| "the server's thread panicked")??;
    let client::Complete {
        mechanism,
        version,
        proof,
        ..
    } = sent?;
    println!("client: done: {mechanism}, CredSSP version {version}, server proved by {proof}");

    let TsCredentials::Password(password) = received.credentials else {
        return Err("the client delegated something else than a password".into());
    };
    let (domain, user) = (password.domain_name, password.user_name);
    println!(
        "server: done: {} delegated the credential of domain {domain}, user {user}, password ********",
        received.account
    );
    Ok(())
}

/// The client's end.
fn delegate(
    address: SocketAddr,
    trusted: CertificateDer<'static>,
    setting: &Setting,
) -> Result<client::Complete> {
    let target = setting.target.clone();
    let host = target.host().to_owned();
    // 1. TLS, without resumption (MS-CSSP, section 3.1.5). This client trusts the one certificate.
    let mut roots = RootCertStore::empty();
    roots.add(trusted)?;
    let mut config = rustls::ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    let connection = ClientConnection::new(config.into(), host.clone().try_into()?)?;
    let mut tls = StreamOwned::new(connection, TcpStream::connect(address)?);
    tls.conn.complete_io(&mut tls.sock)?;
    if let (Some(version), Some(suite)) = (
        tls.conn.protocol_version(),
        tls.conn.negotiated_cipher_suite(),
    ) {
        println!("client: TLS is up: {version:?}, {:?}", suite.suite());
    }
    let certificate = tls
        .conn
        .peer_certificates()
        .and_then(<[_]>::first)
        .ok_or("the server has no certificate")?;
    println!(
        "client: verified: the certificate is trusted and names {host}; SHA-256 {}",
        fingerprint(certificate)
    );

    // 2. Policy: may this server, proved like this, receive credentials at all?
    let proof = ServerProof::Certificate;
    let policy = DelegationPolicy::default().allow_fresh(target.as_str().parse()?);
    let permission = policy.decide(&target, CredentialClass::Fresh, proof)?;
    println!(
        "client: policy {} lets credentials go to {target}, proved by {proof}",
        permission.list.registry_name()
    );

    // 3. CredSSP, bound to the key of that certificate.
    let key = server_public_key(certificate)?;
    let config = ClientConfig::with_mechanisms(policy, vec![setting.client.clone()]);
    let credentials = setting.credentials.clone();
    let client = Client::new(config, target, credentials, key).with_proof(proof);
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut handshake = client.start(&mut out)?;
    loop {
        send("client", &mut tls, &mut out)?;
        handshake = match handshake {
            client::Handshake::NeedsInput(state) => {
                receive(&mut tls, &mut input)?;
                state.process(&mut input, &mut out)?
            }
            client::Handshake::NeedsKdc(state) => {
                let request = state.request();
                println!(
                    "client: asks the KDC of {} by {} bytes",
                    request.realm,
                    request.message.len()
                );
                let reply = setting.kdc.ask(request, None);
                state.continue_with(reply, &mut out)?
            }
            client::Handshake::Complete(complete) => return Ok(complete),
            _ => return Err(TOO_MUCH.into()),
        };
        match &handshake {
            client::Handshake::NeedsInput(state) if state.progress().step == Step::PublicKey => {
                println!("client: proves by pubKeyAuth which key it sees");
            }
            client::Handshake::Complete(_) => {
                println!(
                    "client: verified: the other end has the session's key, and its pubKeyAuth covers the same TLS key"
                );
            }
            _ => {}
        }
    }
}

/// The server's end.
fn serve(
    listener: &TcpListener,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    setting: &Setting,
) -> Result<server::Complete> {
    let own_key = server_public_key(&certificate)?;
    let mut config = rustls::ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    let (tcp, _) = listener.accept()?;
    let mut tls = StreamOwned::new(ServerConnection::new(config.into())?, tcp);

    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let config = ServerConfig::with_mechanisms(vec![setting.server.clone()]);
    let mut handshake = server::Handshake::NeedsInput(Server::new(config, own_key).start()?);
    loop {
        let next = match handshake {
            server::Handshake::NeedsInput(state) => {
                receive(&mut tls, &mut input)?;
                let before = state.progress().step;
                let next = state.process(&mut input, &mut out);
                if before == Step::Negotiation && proved_by_ticket(&next) {
                    println!("server: verified: the client's ticket and authenticator");
                }
                next
            }
            // A real server asks its database here, for as long as that takes.
            server::Handshake::NeedsAccount(state) => {
                let claimed = state.request().account.to_string();
                println!("server: looks up {claimed}, whom the client claims to be");
                let account = (claimed == ACCOUNT).then(|| Account::password(PASSWORD));
                let next = state.continue_with(account, &mut out);
                if next.is_ok() {
                    println!(
                        "server: verified: the client's NTLM response, and a pubKeyAuth that covers this server's key"
                    );
                }
                next
            }
            server::Handshake::Complete(complete) => return Ok(complete),
            _ => return Err(TOO_MUCH.into()),
        };
        // After an error too: it may hold what the client is told.
        send("server", &mut tls, &mut out)?;
        handshake = next?;
    }
}

/// Whether Kerberos has told the server who its client is.
fn proved_by_ticket<E>(next: &std::result::Result<server::Handshake, E>) -> bool {
    match next {
        Ok(server::Handshake::NeedsInput(state)) => {
            let progress = state.progress();
            progress.mechanism == Some(Mechanism::Kerberos) && progress.account.is_some()
        }
        _ => false,
    }
}

/// Sends what the engine has to say, in one write, and shows it.
fn send<C, S>(who: &str, tls: &mut StreamOwned<C, TcpStream>, out: &mut BytesMut) -> Result<()>
where
    C: DerefMut<Target = ConnectionCommon<S>>,
    S: SideData,
{
    let message = out.split();
    if message.is_empty() {
        return Ok(());
    }
    let request = TsRequest::decode(&message)?;
    let mut fields = vec![format!("version {}", request.version)];
    for (name, field) in [
        ("negoToken", request.nego_token),
        ("authInfo", request.auth_info),
        ("pubKeyAuth", request.pub_key_auth),
        (
            "clientNonce",
            request.client_nonce.as_ref().map(<[u8; 32]>::as_slice),
        ),
    ] {
        fields.extend(field.map(|field| format!("{name} of {} bytes", field.len())));
    }
    println!(
        "{who}: sends a TSRequest of {} bytes: {}",
        message.len(),
        fields.join(", ")
    );
    tls.write_all(&message)?;
    Ok(tls.flush()?)
}

/// Reads what there is: part of a message, one, or more.
fn receive(tls: &mut impl Read, input: &mut BytesMut) -> Result<()> {
    let mut chunk = [0; 4096];
    let length = tls.read(&mut chunk)?;
    input.extend(chunk.iter().take(length));
    if length == 0 {
        Err("the peer closed the connection".into())
    } else {
        Ok(())
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let octets = digest(&SHA256, certificate);
    let octets = octets.as_ref().iter().map(|octet| format!("{octet:02X}"));
    octets.collect::<Vec<_>>().join(":")
}
