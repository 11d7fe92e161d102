//! The greeting that every server answers, and a whole logon, which stops before anything is delegated.

use std::io::{Read, Write};
use std::time::Duration;

use bytes::BytesMut;
use credssp::client::{Client, ClientConfig, Complete, Handshake};
use credssp::error::{HandshakeError, NtStatus};
use credssp::kdc::KdcTransport;
use credssp::mechanism::{Mechanism, Negotiation};
use credssp::ntlm::Ntlm;
use credssp::policy::DelegationPolicy;
use credssp::rdp::{EarlyUserAuthorization, Protocol};
use credssp::tls::server_public_key;
use credssp::{AccountName, Credentials};
use rustls::Error as TlsError;

use crate::connection::{self, Chain, Limited, TlsStream, Trouble, Way};
use crate::examination::{Patient, Reached, has, skipped};
use crate::report::{Finding, Step, Verdict};
use crate::winrm::Headers;

/// How long a server may take to refuse what was delegated; there is no message by which it would accept that.
const SECOND_THOUGHT: Duration = Duration::from_secs(2);

/// What a server says to the first message, in which there is nothing about any account.
pub(crate) struct Greeting {
    pub(crate) version: u32,
    pub(crate) token: bool,
    pub(crate) error_code: Option<NtStatus>,
}

/// Sends NTLM's NEGOTIATE_MESSAGE, and looks at the answer; then the connection is of no more use.
pub(crate) fn greet(
    mut stream: TlsStream,
    patient: &Patient,
    negotiation: Negotiation,
) -> Result<Greeting, Trouble> {
    let mechanisms: Vec<std::sync::Arc<dyn credssp::gss::MechanismProvider>> =
        vec![std::sync::Arc::new(Ntlm::default())];
    let mut config =
        ClientConfig::with_mechanisms(DelegationPolicy::permit_everything(), mechanisms);
    (config.own_version, config.min_version) = (patient.own_version, patient.min_version);
    config.negotiation = negotiation;
    let nobody = Credentials::password(AccountName::new("", "nobody"), "");
    let key = server_public_key(end_entity(&stream)?)?;
    let client = Client::new(config, patient.target.clone(), nobody, key);
    let mut out = BytesMut::new();
    client.start(&mut out).map_err(|failed| failed.error)?;
    connection::ask(&mut stream, &out, |answer| Greeting {
        version: answer.version,
        token: answer.nego_token.is_some() && answer.error_code.is_none(),
        error_code: answer.error_code,
    })
}

/// All that goes before CredSSP, and the protocol that was selected, in Remote Desktop; with the certificates.
pub(crate) fn open(
    mut stream: Limited,
    patient: &Patient,
) -> Result<(TlsStream, Option<Protocol>, Chain), Trouble> {
    let mut selected = None;
    let way = match &patient.winrm {
        Some(service) => Way::Headers(Headers::open(stream, service)?.0.into()),
        None => {
            if patient.rdp {
                selected = Some(connection::negotiate(&mut stream)?.protocol);
            }
            Way::Direct(stream)
        }
    };
    let (stream, chain) = connection::tls(way, patient);
    Ok((stream?, selected, chain))
}

fn end_entity(stream: &TlsStream) -> Result<&rustls::pki_types::CertificateDer<'static>, TlsError> {
    stream
        .conn
        .peer_certificates()
        .and_then(<[_]>::first)
        .ok_or(TlsError::NoCertificatesPresented)
}

/// A logon, if there is an account to try, and if what it may lead to is permitted.
pub(crate) fn try_out(patient: &Patient, reached: &Reached, permitted: bool) -> Finding {
    let Some(credentials) = &patient.credentials else {
        return skipped(Step::Logon, "no account was given: --user");
    };
    if !permitted {
        let why = "policy does not let this server have credentials, and so it gets no proof of them either";
        return skipped(Step::Logon, why);
    }
    let account = credentials.account();
    match log_on(patient, reached, credentials) {
        Ok((complete, delegated)) => {
            let mechanism = complete.mechanism;
            let says = format!(
                "{account} is logged on by {mechanism}, CredSSP version {}; the server is proved by {}",
                complete.version, complete.proof
            );
            let verdict = match delegated {
                Delegated::HungUp | Delegated::Status(_) => Verdict::Note,
                _ => Verdict::Ok,
            };
            let finding = Finding::new(Step::Logon, verdict, says);
            let finding = match &complete.fallback {
                Some(reason) => {
                    finding.also(format!("{mechanism} took the place of Kerberos: {reason}"))
                }
                None => finding,
            };
            let finding = match delegated {
                Delegated::Nothing => {
                    finding.also("nothing was delegated: the connection ended before that")
                }
                Delegated::Authorized => finding
                    .also("the password was delegated, and the server says that the user may log on"),
                Delegated::Status(status) => finding.also(format!(
                    "the password was delegated, and the service answered with status {status}"
                )),
                Delegated::Taken => {
                    finding.also("the password was delegated, and the service has taken it")
                }
                Delegated::Silence => finding.also(format!(
                    "the password was delegated, and not refused within {} s",
                    SECOND_THOUGHT.as_secs()
                )),
                Delegated::HungUp => finding
                    .also("the password was delegated, and then the server closed the connection")
                    .remedy(
                        "this is how many servers refuse a logon: may the account log on there? Others are just done",
                    ),
            };
            finding
                .fact("account", account.to_string())
                .fact("mechanism", mechanism.to_string().to_lowercase())
                .fact("proof", complete.proof.to_string())
                .fact("delegated", delegated != Delegated::Nothing)
        }
        Err(failed) => {
            let finding = Finding::new(Step::Logon, Verdict::Failed, failed.text)
                .fact("account", account.to_string())
                .fact("kind", failed.kind);
            match failed.remedy {
                Some(remedy) => finding.remedy(remedy),
                None => finding,
            }
        }
    }
}

/// What was delegated, and what the server made of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delegated {
    Nothing,
    /// It says so, as PROTOCOL_HYBRID_EX has it.
    Authorized,
    /// It says so, as WinRM has it.
    Taken,
    /// Another status of HTTP than those for a success or a refusal.
    Status(u16),
    Silence,
    HungUp,
}

struct Failed {
    text: String,
    kind: &'static str,
    remedy: Option<&'static str>,
}

impl From<HandshakeError> for Failed {
    fn from(failed: HandshakeError) -> Self {
        Self {
            text: failed.to_string(),
            kind: failed.error.kind(),
            remedy: None,
        }
    }
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        let (kind, remedy) = match &trouble {
            Trouble::Closed => (
                "Closed",
                Some(
                    "this is how many servers refuse a logon: is the password right, and may the account log on there?",
                ),
            ),
            Trouble::Slow => ("TimedOut", None),
            Trouble::Io(_) => ("Io", None),
            Trouble::Protocol(error) => (error.kind(), None),
        };
        Self {
            text: trouble.to_string(),
            kind,
            remedy,
        }
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Trouble::from(error).into()
    }
}

fn log_on(
    patient: &Patient,
    reached: &Reached,
    credentials: &Credentials,
) -> Result<(Complete, Delegated), Failed> {
    let stream = Limited::connect(reached.address, patient.timeout)?;
    let (mut stream, selected, chain) = open(stream, patient)?;
    // Who answers this time may be another than before, whose certificate proves nothing of this one.
    let certificate = patient.certificate_verdict(&chain);

    let mut config =
        ClientConfig::with_mechanisms(patient.policy.clone(), patient.mechanisms.clone());
    (config.own_version, config.min_version) = (patient.own_version, patient.min_version);
    config.negotiation = match has(patient, Mechanism::Kerberos) {
        true => Negotiation::Spnego,
        false => reached.negotiation,
    };
    let key = server_public_key(end_entity(&stream).map_err(Trouble::from)?);
    let key = key.map_err(Trouble::from)?;
    let client = Client::new(config, patient.target.clone(), credentials.clone(), key)
        .with_certificate(certificate);
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut handshake = client.start(&mut out)?;
    loop {
        handshake = match handshake {
            Handshake::NeedsInput(state) => {
                send(&mut stream, &mut out)?;
                let mut chunk = [0; 4096];
                let length = stream.read(&mut chunk)?;
                if length == 0 {
                    return Err(Trouble::Closed.into());
                }
                input.extend(chunk.iter().take(length));
                state.process(&mut input, &mut out)?
            }
            Handshake::NeedsKdc(state) => {
                send(&mut stream, &mut out)?;
                let reply = patient.kdc.ask(state.request(), None);
                state.continue_with(reply, &mut out)?
            }
            Handshake::Complete(complete) => {
                // The server has proved that the logon works. What `out` holds now are the sealed credentials.
                if !patient.delegate {
                    return Ok((complete, Delegated::Nothing));
                }
                send(&mut stream, &mut out)?;
                if selected == Some(Protocol::HybridEx) {
                    let mut result = [0; EarlyUserAuthorization::LEN];
                    stream.read_exact(&mut result)?;
                    let result = EarlyUserAuthorization::decode(result).map_err(Trouble::from)?;
                    result.into_result().map_err(Trouble::from)?;
                    return Ok((complete, Delegated::Authorized));
                }
                if let Way::Headers(headers) = &stream.sock {
                    return match headers.status() {
                        200..=299 => Ok((complete, Delegated::Taken)),
                        401 => Err(Trouble::Closed.into()),
                        status => Ok((complete, Delegated::Status(status))),
                    };
                }
                return Ok((complete, second_thought(&mut stream)?));
            }
            _ => return Err(Trouble::Closed.into()),
        };
    }
}

/// What a server says that may refuse what was delegated, and need not say anything.
fn second_thought(stream: &mut TlsStream) -> Result<Delegated, Failed> {
    stream.sock.limit(SECOND_THOUGHT);
    match connection::hear(stream, |answer| answer.error_code) {
        Ok(Some(code)) => Err(Trouble::Protocol(credssp::Error::Rejected(code)).into()),
        Err(Trouble::Closed) => Ok(Delegated::HungUp),
        Err(Trouble::Protocol(error @ credssp::Error::Tls(_))) => {
            Err(Trouble::Protocol(error).into())
        }
        // Else it is the application that speaks.
        _ => Ok(Delegated::Silence),
    }
}

fn send(stream: &mut TlsStream, out: &mut BytesMut) -> std::io::Result<()> {
    if !out.is_empty() {
        stream.write_all(&out.split())?;
    }
    stream.flush()
}
