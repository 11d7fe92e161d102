//! Whether the KDC knows the service: what `setspn -Q` answers in Windows.

use std::net::IpAddr;
use std::sync::Arc;

use credssp::environment::Environment;
use credssp::error::KdcError;
use credssp::kdc::KdcTransport;
use credssp::kerberos::asn1::PrincipalName;
use credssp::kerberos::initiator::{ClientName, ClientSecret, TgsExchange, TgsRequest, TgsStep};
use credssp::mechanism::Mechanism;
use credssp::stream::kdc;

use crate::examination::{Patient, has, skipped};
use crate::report::{Finding, Step, Verdict};

pub(crate) struct Kerberos {
    pub(crate) finding: Finding,
    /// Whether it can prove the server, if that was found out.
    pub(crate) known: Option<bool>,
    /// Whether the KDC has refused the password.
    pub(crate) refused: bool,
}

pub(crate) fn look_up(patient: &Patient) -> Kerberos {
    let target = &patient.target;
    let by_hand = |finding: Finding| {
        finding
            .remedy(format!("to ask in Windows: setspn -Q {target}"))
            .remedy(format!("to register it, for the account that the service runs under: setspn -S {target} ACCOUNT"))
    };
    if target.host().parse::<IpAddr>().is_ok() {
        let says = format!(
            "{target} holds an address, by which no KDC knows a service: Kerberos is not possible"
        );
        return Kerberos {
            finding: Finding::new(Step::Spn, Verdict::Note, says)
                .remedy("connect by the host's name, or give it by --spn"),
            known: Some(false),
            refused: false,
        };
    }
    if patient.initiator.is_some() && !has(patient, Mechanism::Kerberos) {
        return Kerberos {
            finding: by_hand(skipped(Step::Spn, "--mechanism ntlm leaves Kerberos out")),
            known: Some(false),
            refused: false,
        };
    }
    let (Some(initiator), Some(credentials), Some(password)) =
        (&patient.initiator, &patient.credentials, &patient.password)
    else {
        let why = "the KDC answers that after a logon only: give --user, and --kdc, --krb5-conf or --kdc-proxy";
        return Kerberos {
            finding: by_hand(skipped(Step::Spn, why)),
            known: None,
            refused: false,
        };
    };
    let realm = initiator.default_realm.as_deref().unwrap_or_default();
    let client = ClientName::of(credentials.account(), realm);
    let asked = client.realm.to_str_lossy().into_owned();
    let environment = Environment::default();
    let secret = ClientSecret::Password(password.expose().into());
    let tgt = kdc::log_on(&*patient.kdc, client, secret, initiator, &environment);
    // As the logon itself asks for it.
    let host = target.host().trim_end_matches('.').to_lowercase();
    let result = tgt.and_then(|tgt| {
        let mut request = TgsRequest::new(PrincipalName::new(
            PrincipalName::SRV_INST,
            &[target.class(), &host],
        ));
        request
            .encryption_types
            .clone_from(&initiator.encryption_types);
        request.canonicalize = initiator.canonicalize;
        request.realm = initiator.domain_realms.realm_of(&host).map(Into::into);
        let mut step = TgsExchange::start(Arc::new(tgt), request, &environment)?;
        loop {
            step = match step {
                TgsStep::NeedsKdc { request, next } => {
                    next.step(&patient.kdc.ask(&request, None).map_err(KdcError::from)?)?
                }
                TgsStep::Complete(_) => return Ok(()),
                _ => return Err(KdcError::NoTicket.into()),
            };
        }
    });
    let account = credentials.account();
    let wrong_password =
        |error: &credssp::Error| matches!(error, credssp::Error::Kdc(KdcError::WrongPassword));
    let refused = result.as_ref().is_err_and(wrong_password);
    let (finding, known) = match result {
        Ok(()) => {
            let says =
                format!("the KDC of {asked} logs {account} on, and has a ticket for {target}");
            (Finding::new(Step::Spn, Verdict::Ok, says), Some(true))
        }
        // With user-to-user, which the logon tries.
        Err(credssp::Error::Kdc(KdcError::UserToUserRequired)) => {
            let says = format!("the KDC of {asked} knows {target}, for user-to-user only");
            (Finding::new(Step::Spn, Verdict::Ok, says), Some(true))
        }
        Err(credssp::Error::Kdc(KdcError::ServiceUnknown)) => {
            let says = format!("the KDC of {asked} logs {account} on, and knows no {target}");
            (
                by_hand(Finding::new(Step::Spn, Verdict::Failed, says)),
                Some(false),
            )
        }
        Err(error) => {
            let says = format!("the KDC of {asked} cannot be asked for {target}: {error}");
            (Finding::new(Step::Spn, Verdict::Failed, says), None)
        }
    };
    Kerberos {
        finding,
        known,
        refused,
    }
}
