//! The steps, each of which needs what the ones before have found.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use credssp::gss::MechanismProvider;
use credssp::kerberos::initiator::InitiatorOptions;
use credssp::mechanism::{Mechanism, Negotiation};
use credssp::policy::{CredentialClass, DelegatedKind, DelegationPolicy};
use credssp::proof::{CertificateProblem, CertificateVerdict, ServerProof};
use credssp::rdp::client::Selected;
use credssp::stream::kdc::KdcClient;
use credssp::tls::{Connector, TlsVersions};
use credssp::{Credentials, Secret, ServicePrincipalName};
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};

use crate::certificate;
use crate::command_line::tls_name;
use crate::connection::{self, Limited, TlsStream, Trouble, Way};
use crate::protocol_name::protocol_name;
use crate::report::{Finding, Report, Step, Verdict};
use crate::winrm::{Headers, Service};
use crate::{logon, spn};

/// What is examined, and with what.
pub(crate) struct Patient {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) rdp: bool,
    pub(crate) winrm: Option<Service>,
    pub(crate) target: ServicePrincipalName,
    /// The target's host, for TLS.
    pub(crate) name: ServerName<'static>,
    pub(crate) tls: TlsVersions,
    /// For each connection.
    pub(crate) timeout: Duration,
    /// What certificates prove a server.
    pub(crate) connector: Connector,
    pub(crate) policy: DelegationPolicy,
    /// What its file sets without effect.
    pub(crate) policy_remarks: Vec<String>,
    pub(crate) own_version: u32,
    pub(crate) min_version: u32,
    pub(crate) mechanisms: Vec<Arc<dyn MechanismProvider>>,
    pub(crate) negotiation: Negotiation,
    pub(crate) kdc: Arc<KdcClient>,
    /// Where any KDC is known.
    pub(crate) initiator: Option<InitiatorOptions>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) password: Option<Secret<str>>,
    pub(crate) delegate: bool,
}

impl Patient {
    /// Whether the certificates of a handshake prove the target.
    pub(crate) fn certificate_verdict(&self, chain: &[CertificateDer<'_>]) -> CertificateVerdict {
        let verdict = self.connector.certificate_verdict(chain, &self.target);
        verdict.unwrap_or_else(|_| Err(CertificateProblem::nothing_trusted()))
    }
}

/// The server as it was reached.
pub(crate) struct Reached {
    pub(crate) address: SocketAddr,
    pub(crate) certificate: CertificateVerdict,
    /// How its tokens have to travel.
    pub(crate) negotiation: Negotiation,
}

pub(crate) fn examine(patient: &Patient, report: &mut Report) -> io::Result<()> {
    let reached = reach(patient, report)?;
    let kerberos = spn::look_up(patient);
    report.add(kerberos.finding)?;
    let (finding, permitted) = policy(patient, reached.as_ref(), kerberos.known);
    report.add(finding)?;
    report.add(match reached {
        Some(_) if kerberos.refused => skipped(
            Step::Logon,
            "the KDC has refused the password, and each further try helps to lock the account",
        ),
        Some(reached) => logon::try_out(patient, &reached, permitted),
        None => skipped(Step::Logon, "the server was not reached"),
    })
}

pub(crate) fn skipped(step: Step, why: &str) -> Finding {
    Finding::new(step, Verdict::NotChecked, format!("not checked: {why}"))
}

/// Up to CredSSP's first answer.
fn reach(patient: &Patient, report: &mut Report) -> io::Result<Option<Reached>> {
    let (finding, addresses) = resolve(patient);
    report.add(finding)?;
    if addresses.is_empty() {
        return Ok(None);
    }
    let (finding, connected) = connect(patient, &addresses);
    report.add(finding)?;
    let Some((stream, address)) = connected else {
        return Ok(None);
    };
    let (finding, stream) = negotiate(patient, stream);
    if let Some(finding) = finding {
        report.add(finding)?;
    }
    let Some(stream) = stream else {
        return Ok(None);
    };
    let (stream, chain) = connection::tls(stream, patient);
    let (finding, stream) = tls(patient, stream);
    report.add(finding)?;
    let verdict = patient.certificate_verdict(&chain);
    if !chain.is_empty() {
        report.add(certificate::judge(&chain, &verdict))?;
    }
    let Some(stream) = stream else {
        return Ok(None);
    };
    let (findings, negotiation) = credssp(patient, stream, address);
    for finding in findings {
        report.add(finding)?;
    }
    Ok(negotiation.map(|negotiation| Reached {
        address,
        certificate: verdict,
        negotiation,
    }))
}

fn resolve(patient: &Patient) -> (Finding, Vec<SocketAddr>) {
    let host = &patient.host;
    let result = (host.as_str(), patient.port).to_socket_addrs();
    let addresses: Vec<_> = match result {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            let says = format!("{host} has no address: {error}");
            let finding = Finding::new(Step::Resolve, Verdict::Failed, says)
                .remedy("check the name's spelling, and that this machine asks the right DNS server")
                .remedy(
                    "an address works too, but not with Kerberos, nor with certificates that name the host",
                );
            return (finding, Vec::new());
        }
    };
    let mut distinct: Vec<_> = addresses.iter().map(|address| address.ip()).collect();
    distinct.dedup();
    let texts: Vec<_> = distinct.iter().map(ToString::to_string).collect();
    let finding = match host.parse::<std::net::IpAddr>() {
        Ok(_) => Finding::new(
            Step::Resolve,
            Verdict::Note,
            format!(
                "{host} is an address: Kerberos knows no addresses, and few certificates name them"
            ),
        )
        .remedy("give the host's name, where it has one"),
        Err(_) => Finding::new(
            Step::Resolve,
            Verdict::Ok,
            format!("{host} is {}", texts.join(", ")),
        ),
    };
    (finding.fact("addresses", texts), addresses)
}

fn connect(
    patient: &Patient,
    addresses: &[SocketAddr],
) -> (Finding, Option<(Limited, SocketAddr)>) {
    let mut failures = Vec::new();
    for address in addresses {
        let begin = Instant::now();
        match Limited::connect(*address, patient.timeout) {
            Ok(stream) => {
                let milliseconds = begin.elapsed().as_millis();
                let says = format!("{address} answers after {milliseconds} ms");
                let finding = Finding::new(Step::Connect, Verdict::Ok, says)
                    .fact("address", address.to_string());
                return (finding, Some((stream, *address)));
            }
            Err(error) => failures.push(format!("{address}: {error}")),
        }
    }
    let finding = Finding::new(Step::Connect, Verdict::Failed, failures.join("; "))
        .remedy("check the port, that the service runs, and that no firewall is in between")
        .remedy(if patient.winrm.is_some() {
            "WinRM has to run there (winrm quickconfig), and listens on port 5985 for HTTP and 5986 for HTTPS unless told otherwise"
        } else if patient.rdp {
            "Remote Desktop has to be switched on there (SystemPropertiesRemote), and listens on port 3389 unless told otherwise"
        } else {
            "a Remote Desktop host listens on port 3389: doctor HOST --rdp"
        });
    (finding, None)
}

/// What goes before TLS: Remote Desktop's negotiation, or what WinRM offers in its HTTP.
fn negotiate(patient: &Patient, mut stream: Limited) -> (Option<Finding>, Option<Way>) {
    if let Some(service) = &patient.winrm {
        let (finding, headers) = offer(service, stream);
        return (
            Some(finding),
            headers.map(|headers| Way::Headers(headers.into())),
        );
    }
    if !patient.rdp {
        return (None, Some(Way::Direct(stream)));
    }
    let Selected {
        protocol, flags, ..
    } = match connection::negotiate(&mut stream) {
        Ok(selected) => selected,
        Err(trouble) => {
            let finding = Finding::new(Step::Negotiate, Verdict::Failed, trouble.to_string());
            let finding = match trouble {
                Trouble::Slow | Trouble::Closed => finding.remedy(
                    "is it a Remote Desktop host that listens there? Without --rdp the doctor begins with TLS",
                ),
                Trouble::Protocol(credssp::Error::InvalidMessage(_)) => {
                    finding.remedy("what listens there is no Remote Desktop host: leave --rdp out")
                }
                _ => finding,
            };
            return (Some(finding), None);
        }
    };
    let selected = protocol_name(protocol);
    let supports = |flag| match flags.contains(flag) {
        true => "has",
        false => "has no",
    };
    let finding = Finding::new(
        Step::Negotiate,
        Verdict::Ok,
        format!("the server selects {selected}: Network Level Authentication, which is CredSSP"),
    )
    .also(format!(
        "it {} Restricted Admin mode, and it {} Remote Credential Guard: with them nothing is delegated",
        supports(credssp::rdp::ResponseFlags::RESTRICTED_ADMIN),
        supports(credssp::rdp::ResponseFlags::REDIRECTED_AUTHENTICATION),
    ))
    .fact("selected", selected)
    .fact("flags", flags.bits());
    (Some(finding), Some(Way::Direct(stream)))
}

/// Which authentication a WinRM service offers.
fn offer(service: &Service, stream: Limited) -> (Finding, Option<Headers>) {
    let way = if service.https { "HTTPS" } else { "HTTP" };
    let (headers, offer) = match Headers::open(stream, service) {
        Ok(opened) => opened,
        Err(trouble) => {
            let says = format!("no answer over {way}: {trouble}");
            let finding = Finding::new(Step::Negotiate, Verdict::Failed, says)
                .remedy("WinRM listens on port 5985 for HTTP and 5986 for HTTPS unless told otherwise: winrm enumerate winrm/config/listener");
            return (finding, None);
        }
    };
    let schemes = match &offer.schemes[..] {
        [] => "no authentication".to_owned(),
        schemes => schemes.join(", "),
    };
    let says = format!(
        "over {way}, the service answers with status {}, and offers {schemes}",
        offer.status
    );
    let verdict = if offer.credssp {
        Verdict::Ok
    } else {
        Verdict::Failed
    };
    let finding = Finding::new(Step::Negotiate, verdict, says)
        .fact("status", offer.status)
        .fact("offers", offer.schemes);
    match (offer.credssp, offer.status) {
        (true, _) => (finding, Some(headers)),
        (false, 401) => (
            finding.remedy(
                "CredSSP is switched off on the server: Enable-WSManCredSSP -Role Server, or winrm set \
                 winrm/config/service/auth @{CredSSP=\"true\"}",
            ),
            None,
        ),
        (false, _) => (
            finding.remedy("is it WinRM that answers there, under this path? It is /wsman unless told otherwise"),
            None,
        ),
    }
}

fn tls(patient: &Patient, stream: Result<TlsStream, Trouble>) -> (Finding, Option<TlsStream>) {
    let stream = match stream {
        Ok(stream) => stream,
        Err(trouble) => {
            let mut finding = Finding::new(Step::Tls, Verdict::Failed, trouble.to_string());
            if let Trouble::Closed | Trouble::Slow = trouble {
                finding = finding.remedy(
                    "it speaks no TLS there, or none that this TLS library speaks: TLS 1.2 or 1.3 with AEAD cipher suites, \
                     which Windows Server 2012 R2 and older mostly do not offer",
                );
            }
            if !patient.rdp && patient.winrm.is_none() {
                finding = finding.remedy(
                    "a Remote Desktop host wants its own negotiation before TLS: give --rdp",
                );
            }
            return (finding, None);
        }
    };
    let version = tls_name(stream.conn.protocol_version()).unwrap_or("?");
    let suite = stream
        .conn
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str())
        .unwrap_or("an unknown cipher suite");
    let finding = Finding::new(
        Step::Tls,
        Verdict::Ok,
        format!("TLS {version}, {suite}; the server holds its certificate's key"),
    );
    (
        finding.fact("tls", version).fact("cipher_suite", suite),
        Some(stream),
    )
}

/// Whether the server speaks CredSSP, how its tokens travel, and which version it has.
fn credssp(
    patient: &Patient,
    stream: TlsStream,
    address: SocketAddr,
) -> (Vec<Finding>, Option<Negotiation>) {
    let answer = match logon::greet(stream, patient, patient.negotiation) {
        Ok(answer) => answer,
        Err(trouble) => {
            let finding = Finding::new(
                Step::CredSsp,
                Verdict::Failed,
                format!("no CredSSP behind TLS: {trouble}"),
            );
            let finding = match trouble {
                Trouble::Protocol(_) => finding
                    .remedy("what answers there speaks another protocol over TLS: check the port"),
                _ => finding.remedy(
                    "CredSSP may be switched off there, or another service listens: check the port",
                ),
            };
            return (vec![finding], None);
        }
    };
    let mut negotiation = patient.negotiation;
    let mut finding = Finding::new(
        Step::CredSsp,
        Verdict::Ok,
        "the server answers by a TSRequest, with a token for the logon",
    );
    let mut answer = answer;
    if !answer.token && negotiation == Negotiation::Spnego {
        // Some servers know nothing but NTLM without SPNEGO.
        let again = Limited::connect(address, patient.timeout)
            .map_err(Trouble::from)
            .and_then(|stream| logon::open(stream, patient))
            .and_then(|(stream, ..)| logon::greet(stream, patient, Negotiation::Bare));
        if let Ok(again) = again
            && again.token
        {
            answer = again;
            negotiation = Negotiation::Bare;
            finding = Finding::new(
                Step::CredSsp,
                Verdict::Note,
                "the server answers by a TSRequest; it takes NTLM without SPNEGO only",
            )
            .remedy("clients have to send it so: --mechanism ntlm");
        }
    }
    if !answer.token {
        let says = match answer.error_code {
            // What else a code says is of an account, and none was named.
            Some(code) => format!(
                "the server speaks CredSSP, and refuses NTLM: {} (0x{:08X})",
                code.name().unwrap_or("a code without a name"),
                code.to_u32()
            ),
            None => "the server speaks CredSSP, but gives no token in answer to NTLM".into(),
        };
        finding = Finding::new(Step::CredSsp, Verdict::Note, says).remedy(
            "it may take Kerberos alone: give --kdc and --user, and see whether the logon works",
        );
    }
    let version = answer.version;
    let finding = finding
        .fact(
            "negotiation",
            match negotiation {
                Negotiation::Bare => "bare",
                _ => "spnego",
            },
        )
        .fact(
            "error_code",
            answer
                .error_code
                .map(|code| format!("{:08X}", code.to_u32())),
        );
    let floor = patient.min_version;
    let version = match version < floor {
        false => Finding::new(
            Step::Version,
            Verdict::Ok,
            format!("the server speaks CredSSP version {version}, and {floor} is the lowest that is accepted"),
        ),
        true => Finding::new(
            Step::Version,
            Verdict::Failed,
            match version < 5 {
                true => format!(
                    "the server speaks CredSSP version {version}, below {floor}: whoever stands in between could have a client \
                     of that version seal a key of his making (CVE-2018-0886)"
                ),
                false => format!("the server speaks CredSSP version {version}, below {floor}"),
            },
        )
        .remedy("update the server: Windows has had version 5 or 6 since May 2018")
        .remedy("until then, and only where nobody can stand in between, accept it by name: --min-version"),
    }
    .fact("version", version);
    (vec![finding, version], Some(negotiation))
}

/// What policy says to each proof, and to what this server can prove.
fn policy(patient: &Patient, reached: Option<&Reached>, kerberos: Option<bool>) -> (Finding, bool) {
    let decisions = patient
        .policy
        .explain(&patient.target, CredentialClass::Fresh);
    let proof = match (kerberos, reached) {
        (Some(true), _) => ServerProof::Kerberos,
        (_, Some(reached)) if reached.certificate.is_ok() => ServerProof::Certificate,
        _ => ServerProof::None,
    };
    let (target, class) = (&patient.target, CredentialClass::Fresh);
    let judge = |proof| {
        let decision = patient.policy.decide(target, class, proof);
        decision.and_then(|permission| {
            let password = DelegatedKind::Reusable;
            let restricted = patient.policy.check_delegated(target, class, password);
            restricted.map(|()| permission)
        })
    };
    let answer = judge(proof);
    // Without an account there was no KDC to ask, and so another client may do better.
    let kerberos_open =
        kerberos.is_none() && patient.credentials.is_none() && judge(ServerProof::Kerberos).is_ok();
    let what = match (proof, reached) {
        (ServerProof::Kerberos, _) => "once Kerberos has proved the server",
        (ServerProof::Certificate, _) => "since the certificate proves the server",
        (_, Some(_)) if !kerberos_open => "since nothing but NTLM can prove the server",
        _ => "if nothing but NTLM proves the server",
    };
    // What is not known does not fail.
    let [good, bad] = match (proof, reached) {
        (ServerProof::None, None) => [Verdict::Note; 2],
        (ServerProof::None, _) if kerberos_open => [Verdict::Ok, Verdict::Note],
        _ => [Verdict::Ok, Verdict::Failed],
    };
    let permitted = answer.is_ok();
    let mut finding = match &answer {
        Ok(permission) => Finding::new(
            Step::Policy,
            good,
            format!("{what}, credentials may go to {target}: {permission}"),
        ),
        Err(denied) => {
            let says = format!("{what}, credentials may not go to {target}");
            Finding::new(Step::Policy, bad, says)
                .remedy(denied.to_string())
                .fact("status", denied.status().name())
        }
    };
    let mut table = Vec::new();
    for decision in &decisions {
        let (allowed, by) = match &decision.answer {
            Ok(permission) => (true, permission.to_string()),
            Err(denied) => {
                let list = denied.list.map(|list| list.to_string());
                (
                    false,
                    format!(
                        "refused by {}, {}",
                        list.as_deref().unwrap_or("a restriction"),
                        denied.state
                    ),
                )
            }
        };
        finding = finding.also(format!("proved by {}: {by}", decision.proof));
        table.push(json!({
            "proof": decision.proof.to_string(),
            "allowed": allowed,
            "by": by,
        }));
    }
    for remark in &patient.policy_remarks {
        finding = finding.also(format!("in the file, {remark}"));
    }
    (finding.fact("decisions", Value::Array(table)), permitted)
}

/// Whether `mechanism` is among those that are to be tried.
pub(crate) fn has(patient: &Patient, mechanism: Mechanism) -> bool {
    let mut mechanisms = patient.mechanisms.iter();
    mechanisms.any(|provider| provider.mechanism() == mechanism)
}
