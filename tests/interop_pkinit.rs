//! Logons by certificate at MIT's krb5kdc: PKINIT against a KDC that nobody here wrote.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod peer;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use credssp::credentials::{CertificateSigner, SoftwareSigner};
use credssp::environment::{Environment, SystemRandom, TimeProvider};
use credssp::error::{KdcCertificateProblem, KdcError, KrbErrorCode, PkinitError};
use credssp::kerberos::asn1::{Flags, KrbError, MethodData, PaData, PrincipalName};
use credssp::kerberos::crypto::EncryptionType;
use credssp::kerberos::initiator::{AsExchange, AsStep, ClientName, ClientSecret, IssuedTicket};
use credssp::kerberos::pkinit::{DhGroup, KdcPurpose, PkinitOptions};
use credssp::{AccountName, Error};
use peer::{MitKdc, Peer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

fn kdc(certificate: &str, more: &[&str]) -> MitKdc {
    let options: Vec<_> = ["--pkinit", certificate]
        .iter()
        .chain(more)
        .copied()
        .collect();
    MitKdc::start_with(&options)
}

fn signer(pki: &Path, name: &str) -> Arc<dyn CertificateSigner> {
    let read = |ending| fs::read(pki.join(format!("{name}.{ending}"))).unwrap();
    Arc::new(SoftwareSigner::from_pem(&read("pem"), &read("key")).unwrap())
}

fn options(pki: &Path) -> PkinitOptions {
    let mut options = PkinitOptions::default();
    let anchor = CertificateDer::from_pem_file(pki.join("ca.pem")).unwrap();
    options.anchors.push(anchor);
    options
}

/// The ticket, and what went to the KDC and came back.
struct Outcome {
    ticket: Result<IssuedTicket, Error>,
    requests: Vec<Vec<u8>>,
    replies: Vec<Vec<u8>>,
}

impl Outcome {
    fn codes(&self) -> Vec<i32> {
        self.replies
            .iter()
            .filter(|reply| KrbError::is_one(reply))
            .map(|reply| KrbError::decode(reply).unwrap().error_code)
            .collect()
    }

    #[track_caller]
    fn refused(self) -> PkinitError {
        match self.ticket {
            Err(Error::Kdc(KdcError::Pkinit(error))) => error,
            other => panic!("{other:?}"),
        }
    }
}

fn log_on(
    kdc: &MitKdc,
    user: &str,
    signer: Arc<dyn CertificateSigner>,
    options: PkinitOptions,
) -> Outcome {
    log_on_at(kdc, user, signer, options, &Environment::default())
}

fn log_on_at(
    kdc: &MitKdc,
    user: &str,
    signer: Arc<dyn CertificateSigner>,
    options: PkinitOptions,
    environment: &Environment,
) -> Outcome {
    let secret = ClientSecret::Certificate {
        signer,
        options: Arc::new(options),
    };
    let mut step = AsExchange::start(
        ClientName::of(&AccountName::new("", user), MitKdc::REALM),
        secret,
        EncryptionType::DEFAULT,
        true,
        environment,
    );
    let (mut requests, mut replies) = (Vec::new(), Vec::new());
    let ticket = loop {
        match step {
            Ok(AsStep::NeedsKdc { request, next }) => {
                let reply = kdc.ask(&request.message);
                step = next.step(&reply);
                requests.push(request.message);
                replies.push(reply);
            }
            Ok(AsStep::Complete(ticket)) => break Ok(*ticket),
            Ok(_) => unreachable!(),
            Err(error) => break Err(error),
        }
    };
    Outcome {
        ticket,
        requests,
        replies,
    }
}

fn contains(message: &[u8], part: &[u8]) -> bool {
    message.windows(part.len()).any(|window| window == part)
}

#[test]
fn logs_on_by_a_certificate_in_pem() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = kdc("kdc", &[]);
    let pki = kdc.path("pki");
    for name in ["rsa", "p256", "p384", "upn", "intermediate"] {
        let outcome = log_on(&kdc, "pkuser", signer(&pki, name), options(&pki));
        assert_eq!(outcome.codes(), [25], "{name}");
        let ticket = outcome.ticket.unwrap();
        assert_eq!(ticket.cname, PrincipalName::new(1, &["pkuser"]));
        assert!(ticket.flags.contains(Flags::PRE_AUTHENT));
    }
    // By the whole UPN, which this KDC knows as a principal of its own.
    let user = "pkuser@TEST.EXAMPLE";
    let outcome = log_on(&kdc, user, signer(&pki, "upn"), options(&pki));
    outcome.ticket.unwrap();
}

#[test]
fn the_freshness_token_goes_back_signed_and_the_derivation_is_rfc_8636s() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = kdc("kdc-ec", &[]);
    let pki = kdc.path("pki");
    let outcome = log_on(&kdc, "pkuser", signer(&pki, "p256"), options(&pki));
    let methods = KrbError::decode(&outcome.replies[0]).unwrap().e_data;
    let methods = MethodData::decode(methods.unwrap().as_bytes()).unwrap().0;
    let token = methods
        .iter()
        .find(|one| one.padata_type == PaData::AS_FRESHNESS);
    let token = token.unwrap().padata_value.as_bytes();
    assert!(token.len() > 8 && contains(&outcome.requests[1], token));
    // id-pkinit-kdf-ah-sha256, which the KDC has chosen.
    assert!(contains(
        &outcome.replies[1],
        b"\x2b\x06\x01\x05\x02\x03\x06\x02"
    ));
    outcome.ticket.unwrap();
}

#[test]
fn another_group_is_used_where_it_is_chosen_or_the_kdc_asks_for_it() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = kdc("kdc", &["--dh-min-bits", "4096"]);
    let pki = kdc.path("pki");
    let with = |groups: &[DhGroup]| {
        let mut options = options(&pki);
        options.groups = groups.to_vec();
        log_on(&kdc, "pkuser", signer(&pki, "p256"), options)
    };
    let chosen = with(&[DhGroup::Group16]);
    assert_eq!(chosen.codes(), [25]);
    chosen.ticket.unwrap();

    let asked = with(&[DhGroup::Group14, DhGroup::Group16]);
    assert_eq!(asked.codes(), [25, 65]);
    asked.ticket.unwrap();

    let alone = with(&[DhGroup::Group14]);
    assert_eq!(alone.codes(), [25, 65]);
    assert_eq!(alone.refused(), PkinitError::NoCommonGroup);
    assert_eq!(with(&[]).refused(), PkinitError::NoCommonGroup);
}

#[test]
fn what_the_kdc_refuses_of_a_certificate_is_said() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = kdc("kdc", &[]);
    let pki = kdc.path("pki");
    for (name, user, code) in [
        ("no-name", "pkuser", KrbErrorCode::CLIENT_NAME_MISMATCH),
        ("p256", "alice", KrbErrorCode::CLIENT_NAME_MISMATCH),
        (
            "no-purpose",
            "pkuser",
            KrbErrorCode::INCONSISTENT_KEY_PURPOSE,
        ),
        (
            "rogue-user",
            "pkuser",
            KrbErrorCode::CANT_VERIFY_CERTIFICATE,
        ),
        ("expired", "pkuser", KrbErrorCode::INVALID_CERTIFICATE),
        ("revoked", "pkuser", KrbErrorCode::REVOKED_CERTIFICATE),
    ] {
        let outcome = log_on(&kdc, user, signer(&pki, name), options(&pki));
        assert_eq!(outcome.codes(), [25, code.number()], "{name}");
        assert_eq!(outcome.refused(), PkinitError::CertificateRefused(code));
    }
}

#[test]
fn a_kdc_that_its_certificate_does_not_prove_is_refused() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    use KdcCertificateProblem as Problem;

    let other_name = |names: &[&str]| Problem::OtherName {
        realm: MitKdc::REALM.into(),
        names: names.iter().map(|name| (*name).into()).collect(),
    };
    let refused: [(&str, Problem); 4] = [
        ("kdc-wrong-purpose", Problem::WrongPurpose),
        (
            "kdc-other-realm",
            other_name(&["krbtgt/OTHER.EXAMPLE@OTHER.EXAMPLE", "kdc.test.example"]),
        ),
        ("kdc-host", other_name(&["kdc.test.example"])),
        ("kdc-revoked", Problem::Revoked),
    ];
    for (certificate, problem) in refused {
        let kdc = kdc(certificate, &[]);
        let pki = kdc.path("pki");
        let with = |change: &dyn Fn(&mut PkinitOptions)| {
            let mut options = options(&pki);
            let list = CertificateRevocationListDer::from_pem_file(pki.join("crl.pem"));
            options.crls.push(list.unwrap());
            change(&mut options);
            log_on(&kdc, "pkuser", signer(&pki, "p256"), options)
        };
        let outcome = with(&|_| {});
        // The KDC has issued a ticket; it is not taken.
        assert_eq!(outcome.codes(), [25], "{certificate}");
        assert_eq!(outcome.refused(), problem.into(), "{certificate}");
        // What makes the difference.
        let outcome = with(&|options| match certificate {
            "kdc-wrong-purpose" => options.kdc_purpose = KdcPurpose::Server,
            "kdc-revoked" => options.crls.clear(),
            _ => options.kdc_hosts.push("KDC.test.example.".into()),
        });
        outcome.ticket.unwrap();
    }
}

#[test]
fn a_kdc_of_an_unknown_authority_or_out_of_its_time_is_refused() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = kdc("kdc", &[]);
    let pki = kdc.path("pki");
    let rogue = CertificateDer::from_pem_file(pki.join("rogue.pem")).unwrap();
    let mut anchors = options(&pki);
    anchors.anchors = vec![rogue];
    let outcome = log_on(&kdc, "pkuser", signer(&pki, "p256"), anchors);
    assert_eq!(
        outcome.refused(),
        KdcCertificateProblem::UnknownIssuer.into()
    );

    let outcome = log_on(
        &kdc,
        "pkuser",
        signer(&pki, "p256"),
        PkinitOptions::default(),
    );
    assert!(outcome.requests.is_empty());
    assert_eq!(outcome.refused(), PkinitError::NoAnchors);

    for (at, problem) in [
        (1_000_000_000, KdcCertificateProblem::NotYetValid),
        (4_000_000_000, KdcCertificateProblem::Expired),
    ] {
        let environment = Environment::new(Arc::new(At(at)), Arc::new(SystemRandom::default()));
        let outcome = log_on_at(
            &kdc,
            "pkuser",
            signer(&pki, "p256"),
            options(&pki),
            &environment,
        );
        // The KDC's own time makes the request one that it takes.
        assert_eq!(outcome.codes(), [25]);
        assert_eq!(outcome.refused(), problem.into());
    }
}

/// A clock that stands.
#[derive(Debug)]
struct At(u64);

impl TimeProvider for At {
    fn since_unix_epoch(&self) -> Duration {
        Duration::from_secs(self.0)
    }
}

#[test]
fn a_kdc_without_a_certificate_offers_no_logon_by_one() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let pki = kdc("kdc", &[]);
    let kdc = MitKdc::start();
    let pki = pki.path("pki");
    let outcome = log_on(&kdc, "alice", signer(&pki, "p256"), options(&pki));
    assert_eq!(outcome.codes(), [25]);
    assert_eq!(outcome.refused(), PkinitError::NotOffered);
}

/// NTLM knows nothing of certificates, and does not take a card's place.
#[cfg(feature = "ntlm")]
#[test]
fn a_certificate_fits_no_ntlm() {
    use credssp::credentials::{TsCspDataDetail, TsSmartCardCreds};
    use credssp::error::ApiMisuse;
    use credssp::mechanism::Negotiation;
    use credssp::ntlm::Ntlm;
    use credssp::ts_request::ServerPublicKey;
    use credssp::{Client, ClientConfig, Credentials, DelegationPolicy};

    let made = rcgen::generate_simple_self_signed(["user".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let signer = SoftwareSigner::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let delegated = TsSmartCardCreds::new("271828", TsCspDataDetail::new(1));
    let account = AccountName::new("CORP", "alice");
    let credentials = Credentials::certificate(account, Arc::new(signer), delegated.into());
    for negotiation in [Negotiation::Bare, Negotiation::Spnego] {
        let policy = DelegationPolicy::permit_everything();
        let mut config = ClientConfig::with_mechanisms(policy, vec![Arc::new(Ntlm::default())]);
        config.negotiation = negotiation;
        let key = ServerPublicKey::from_subject_public_key(&[4; 65]);
        let target = "TERMSRV/host.example.com".parse().unwrap();
        let client = Client::new(config, target, credentials.clone(), key);
        let mut out = bytes::BytesMut::new();
        let error = client.start(&mut out).unwrap_err().error;
        assert!(
            matches!(
                error,
                Error::ApiMisuse(ApiMisuse::CredentialsFitNoMechanism)
            ),
            "{error:?}"
        );
        assert!(out.is_empty());
    }
}
