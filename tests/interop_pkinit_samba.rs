//! Logons by certificate in a domain, at Samba's KDC: our client at our server and at pyspnego's.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod logon;
mod loopback;
mod ours;
mod pair;
mod peer;

use std::fs;
use std::sync::{Arc, OnceLock};

use credssp::credentials::{CertificateSigner, SoftwareSigner, TsCredentials};
use credssp::error::{KdcError, KrbErrorCode, PkinitError};
use credssp::kdc::KdcAddress;
use credssp::kerberos::Kerberos;
use credssp::kerberos::pkinit::{PkinitOptions, principal_name};
use credssp::mechanism::Mechanism;
use credssp::proof::ServerProof;
use credssp::stream::kdc::KdcClient;
use credssp::{Credentials, Error};
use logon::Logon;
use ours::OurClient;
use ours::delegated::{smart_card, smart_card_as_told, told};
use peer::{Peer, PyspnegoServer, SambaAd};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The domain of all tests here; `None` where it is missing.
fn domain() -> Option<&'static SambaAd> {
    static DOMAIN: OnceLock<SambaAd> = OnceLock::new();
    peer::available(Peer::SambaAd).then(|| DOMAIN.get_or_init(SambaAd::start))
}

fn pkinit(domain: &SambaAd) -> Arc<PkinitOptions> {
    let mut options = PkinitOptions::default();
    let anchor = CertificateDer::from_pem_file(domain.path("pki/ca.pem"));
    options.anchors.push(anchor.unwrap());
    Arc::new(options)
}

fn credentials(
    domain: &SambaAd,
    name: &str,
    account: &str,
    delegated: TsCredentials,
) -> Credentials {
    let read = |ending| fs::read(domain.path(&format!("pki/{name}.{ending}"))).unwrap();
    let signer = SoftwareSigner::from_pem(&read("pem"), &read("key")).unwrap();
    let upn = principal_name(signer.certificates().first().unwrap());
    assert_eq!(upn.as_deref(), Some("bob@AD.EXAMPLE"));
    Credentials::certificate(account.parse().unwrap(), Arc::new(signer), delegated)
}

fn logon(domain: &SambaAd, credentials: Credentials) -> Logon {
    let keytab = domain.path("service.keytab");
    let mut logon = Logon::new(domain.address(), &keytab, "", SambaAd::RDP_SERVICE);
    logon.initiator.pkinit = pkinit(domain);
    logon.initiator.default_realm = Some(SambaAd::REALM.into());
    logon.credentials = Some(credentials);
    logon
}

/// Its KDC knows nothing of RFC 8636: the key comes by RFC 4556's own derivation.
#[test]
fn our_server_meets_the_account_of_the_certificate() {
    let Some(domain) = domain() else {
        return;
    };
    for account in ["bob@AD.EXAMPLE", r"AD.EXAMPLE\bob"] {
        let logon = logon(domain, credentials(domain, "rsa-ad", account, smart_card()));
        for outcome in [logon.run(), logon.run_async()] {
            let complete = outcome.assert_kerberos(SambaAd::REALM, "bob");
            assert_eq!(told(&complete.credentials), smart_card_as_told());
            let info = complete.logon_info.unwrap();
            assert_eq!(info.sam_name.as_deref(), Some("bob"));
            assert_eq!(info.dns_domain.as_deref(), Some(SambaAd::REALM));
        }
    }
    // What the KDC itself says of it.
    let log = fs::read_to_string(domain.path("samba.log")).unwrap();
    assert!(log.contains("PKINIT") || log.contains("PK-INIT"), "{log}");
}

#[test]
fn a_certificate_logs_on_its_own_account_only() {
    let Some(domain) = domain() else {
        return;
    };
    let logon = logon(
        domain,
        credentials(domain, "rsa-ad", r"AD.EXAMPLE\alice", smart_card()),
    );
    let refused = PkinitError::CertificateRefused(KrbErrorCode::CLIENT_NAME_MISMATCH);
    let error = logon.run().client_error();
    assert!(
        matches!(&error, Error::Kdc(KdcError::Pkinit(error)) if *error == refused),
        "{error:?}"
    );
}

#[test]
fn elliptic_curves_are_beyond_this_kdc() {
    let Some(domain) = domain() else {
        return;
    };
    let logon = logon(
        domain,
        credentials(domain, "p256-ad", "bob@AD.EXAMPLE", smart_card()),
    );
    let error = logon.run().client_error();
    let bad_integrity = KrbErrorCode::BAD_INTEGRITY.number();
    assert!(
        matches!(error, Error::Kdc(KdcError::Other(code)) if code == bad_integrity),
        "{error:?}"
    );
}

#[test]
fn pyspnegos_server_takes_the_ticket_and_the_card() {
    let Some(domain) = domain() else {
        return;
    };
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let [krb5_conf, keytab] = [domain.krb5_conf(), domain.path("service.keytab")]
        .map(|path| path.to_str().unwrap().to_owned());
    let mut server = PyspnegoServer::start(&[
        "--krb5-conf",
        &krb5_conf,
        "--keytab",
        &keytab,
        "--mech",
        "negotiate",
    ]);
    let mut kerberos = Kerberos::default();
    kerberos.initiator.pkinit = pkinit(domain);
    let kdc: KdcAddress = domain.address().to_string().parse().unwrap();
    let ours = OurClient {
        mechanisms: vec![Arc::new(kerberos)],
        host: "server.ad.example",
        kdc: Some(Arc::new(KdcClient::default().with_every_realm([kdc]))),
        ..OurClient::default()
    };
    let by_card = credentials(domain, "rsa-ad", "bob@AD.EXAMPLE", smart_card());
    let (_, complete) = ours.connect_as(server.address(), by_card).unwrap();
    assert_eq!(complete.mechanism, Mechanism::Kerberos);
    assert_eq!(complete.proof, ServerProof::Kerberos);
    let theirs = server.outcome();
    assert_eq!(theirs["ok"], true, "{theirs}");
    assert_eq!(theirs["account"], "bob@AD.EXAMPLE", "{theirs}");
    assert_eq!(theirs["credentials"], smart_card_as_told(), "{theirs}");
}
