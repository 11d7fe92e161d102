//! Smart cards through PKCS #11: SoftHSM's tokens stand for them, and MIT's krb5kdc takes what they sign.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod logon;
mod loopback;
mod pair;
mod peer;

use std::sync::Arc;

use credssp::credentials::{CertificateSigner, SignatureScheme, ToSign, TsCredentials};
use credssp::error::{KdcError, PkinitError, SignError};
use credssp::kerberos::pkinit::PkinitOptions;
use credssp::policy::{CredentialClass, PolicyList, RestrictedDelegation};
use credssp::stream::pkcs11::{Card, CardChoice, CardError, Module, PinTries};
use credssp::{DelegationPolicy, Error, Secret};
use logon::Logon;
use peer::{Cards, MitKdc, Peer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

const SERVICE: &str = "TERMSRV/server.test.example";

fn pin() -> Secret<str> {
    Cards::PIN.into()
}

fn open(choice: &CardChoice) -> Result<Arc<Card>, CardError> {
    let module = Module::load(Cards::MODULE)?;
    Card::open(&module, choice, &pin()).map(Arc::new)
}

fn by_label(label: &str) -> CardChoice {
    let mut choice = CardChoice::default();
    choice.certificate_label = Some(label.into());
    choice
}

fn by_token(label: &str) -> CardChoice {
    let mut choice = CardChoice::default();
    choice.token_label = Some(label.into());
    choice
}

fn logon(kdc: &MitKdc, card: &Arc<Card>, account: Option<&str>) -> Logon {
    let mut logon = Logon::new(kdc.address(), &kdc.path("service.keytab"), "", SERVICE);
    let mut options = PkinitOptions::default();
    let anchor = CertificateDer::from_pem_file(kdc.path("pki/ca.pem")).unwrap();
    options.anchors.push(anchor);
    logon.initiator.pkinit = Arc::new(options);
    let account = account.map(|account| account.parse().unwrap());
    logon.credentials = card.credentials(account, pin());
    logon
}

#[test]
fn logs_on_and_delegates_by_each_kind_of_key() {
    if !(peer::available(Peer::SoftHsm) && peer::available(Peer::MitKdc)) {
        return;
    }
    let test = "logs_on_and_delegates_by_each_kind_of_key";
    Cards::with(
        test,
        &["card=rsa,p256,p384,intermediate,-intermediate-ca"],
        |_| {
            let kdc = MitKdc::start_with(&["--pkinit", "kdc"]);
            for (label, key_spec, provider) in [
                ("rsa", 1, "Microsoft Base Smart Card Crypto Provider"),
                ("p256", 0, "Microsoft Smart Card Key Storage Provider"),
                ("p384", 0, "Microsoft Smart Card Key Storage Provider"),
                (
                    "intermediate",
                    0,
                    "Microsoft Smart Card Key Storage Provider",
                ),
            ] {
                let card = open(&by_label(label)).unwrap();
                // The authority below the KDC's anchor comes from the card, too.
                let chain = card.certificates().len();
                assert_eq!(chain, if label == "intermediate" { 2 } else { 1 });
                let name = card.principal_name();
                assert_eq!(name.as_deref(), Some("pkuser@TEST.EXAMPLE"));
                let outcome = logon(&kdc, &card, None).run();
                // This KDC has a principal of the whole UPN.
                let complete = outcome.assert_kerberos(MitKdc::REALM, "pkuser@TEST.EXAMPLE");
                // The server has the card, whole.
                let TsCredentials::SmartCard(creds) = &complete.credentials else {
                    panic!("{}", complete.credentials.kind());
                };
                assert_eq!(creds.pin.expose(), Cards::PIN);
                assert_eq!(creds.csp_data, *card.csp_data());
                assert_eq!(creds.csp_data.key_spec, key_spec);
                assert_eq!(creds.csp_data.csp_name.as_deref(), Some(provider));
                assert_eq!(creds.csp_data.container_name.as_deref(), Some(label));
                let reader = creds.csp_data.reader_name.as_deref().unwrap();
                assert!(reader.starts_with("SoftHSM slot ID"), "{reader}");
                assert_eq!((&creds.user_hint, &creds.domain_hint), (&None, &None));
            }
            // An account that is given goes along.
            let card = open(&by_label("p256")).unwrap();
            let outcome = logon(&kdc, &card, Some(r"TEST.EXAMPLE\pkuser")).run_async();
            let complete = outcome.assert_kerberos(MitKdc::REALM, "pkuser");
            let TsCredentials::SmartCard(creds) = &complete.credentials else {
                panic!("{}", complete.credentials.kind());
            };
            assert_eq!(creds.user_hint.as_deref(), Some("pkuser"));
            assert_eq!(creds.domain_hint.as_deref(), Some(MitKdc::REALM));
        },
    );
}

/// As in a session of Remote Desktop whose client lends its reader.
#[test]
fn a_server_that_has_the_card_logs_on_by_what_it_was_delegated() {
    if !(peer::available(Peer::SoftHsm) && peer::available(Peer::MitKdc)) {
        return;
    }
    let test = "a_server_that_has_the_card_logs_on_by_what_it_was_delegated";
    Cards::with(test, &["card=rsa,p256"], |_| {
        let kdc = MitKdc::start_with(&["--pkinit", "kdc"]);
        for label in ["rsa", "p256"] {
            let card = open(&by_label(label)).unwrap();
            let outcome = logon(&kdc, &card, None).run();
            let complete = outcome.assert_kerberos(MitKdc::REALM, "pkuser@TEST.EXAMPLE");
            let TsCredentials::SmartCard(delegated) = &complete.credentials else {
                panic!("{}", complete.credentials.kind());
            };
            // The client lets go of it.
            drop(card);
            let container = delegated.csp_data.container_name.as_deref().unwrap();
            let module = Module::load(Cards::MODULE).unwrap();
            let card = Card::open(&module, &by_label(container), &delegated.pin).unwrap();
            let outcome = logon(&kdc, &Arc::new(card), None).run();
            outcome.assert_kerberos(MitKdc::REALM, "pkuser@TEST.EXAMPLE");
        }
    });
}

#[test]
fn the_choice_leads_to_one_certificate_or_says_what_there_is() {
    if !peer::available(Peer::SoftHsm) {
        return;
    }
    let test = "the_choice_leads_to_one_certificate_or_says_what_there_is";
    let tokens = [
        "one=rsa,no-name,no-purpose",
        "two=rsa,p256",
        "keyless=-p256",
        "empty",
        "odd=kdc",
    ];
    Cards::with(test, &tokens, |_| {
        // The only one for logons.
        let card = open(&by_token("one")).unwrap();
        assert_eq!(card.csp_data().container_name.as_deref(), Some("rsa"));
        drop(card);

        let CardError::Ambiguous(found) = open(&by_token("two")).unwrap_err() else {
            panic!();
        };
        let labels: Vec<_> = found.iter().map(|one| &*one.label).collect();
        assert!(
            labels == ["rsa", "p256"] || labels == ["p256", "rsa"],
            "{labels:?}"
        );
        let name = found[0].principal_name.as_deref();
        assert_eq!(name, Some("pkuser@TEST.EXAMPLE"));
        let text = CardError::Ambiguous(found.clone()).to_string();
        for part in [
            "\"rsa\" with the id 01",
            "\"p256\" with the id 02",
            "\"two\"",
        ] {
            assert!(text.contains(part), "{text}");
        }
        // By its id, in the slot that the error names.
        let mut choice = CardChoice::default();
        choice.slot = Some(found[0].slot);
        choice.certificate_id = Some([2].into());
        let card = open(&choice).unwrap();
        assert_eq!(card.csp_data().container_name.as_deref(), Some("p256"));
        drop(card);

        for (choice, expected) in [
            (by_token("keyless"), CardError::NoKey),
            (by_token("empty"), CardError::NoCertificate),
            // It is no user's.
            (by_token("odd"), CardError::NoCertificate),
            (by_token("none"), CardError::NoCard),
            (by_label("none"), CardError::NoCertificate),
        ] {
            assert_eq!(open(&choice).unwrap_err(), expected, "{choice:?}");
        }
        assert!(matches!(
            open(&CardChoice::default()),
            Err(CardError::Ambiguous(_))
        ));
    });
}

#[test]
fn a_wrong_pin_is_tried_once() {
    if !peer::available(Peer::SoftHsm) {
        return;
    }
    Cards::with("a_wrong_pin_is_tried_once", &["card=p256"], |_| {
        let module = Module::load(Cards::MODULE).unwrap();
        let choice = CardChoice::default();
        let error = Card::open(&module, &choice, &"314159".into()).unwrap_err();
        assert!(
            matches!(
                error,
                CardError::WrongPin(PinTries::Fewer | PinTries::Unknown)
            ),
            "{error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("314159"));
        for unfit in ["", "1"] {
            let error = Card::open(&module, &choice, &unfit.into()).unwrap_err();
            assert!(
                matches!(error, CardError::UnfitPin | CardError::WrongPin(_)),
                "{error:?}"
            );
        }
        let card = Card::open(&module, &choice, &pin()).unwrap();
        assert!(!format!("{card:?}").contains(Cards::PIN));
        // While it lasts, any PIN would do.
        let error = Card::open(&module, &choice, &"314159".into()).unwrap_err();
        assert_eq!(error, CardError::InUse);
        drop(card);
        Card::open(&module, &choice, &pin()).unwrap();
    });
}

#[test]
fn a_card_that_is_pulled_out_ends_the_logon() {
    if !(peer::available(Peer::SoftHsm) && peer::available(Peer::MitKdc)) {
        return;
    }
    let test = "a_card_that_is_pulled_out_ends_the_logon";
    Cards::with(test, &["card=rsa"], |cards| {
        let kdc = MitKdc::start_with(&["--pkinit", "kdc"]);
        let card = open(&CardChoice::default()).unwrap();
        let input = ToSign::new(SignatureScheme::RsaPkcs1Sha256, b"message");
        card.sign(SignatureScheme::RsaPkcs1Sha256, &input).unwrap();
        let other = card.sign(SignatureScheme::EcdsaP256Sha256, &input);
        assert_eq!(other, Err(SignError::UnsupportedScheme));

        let logon = logon(&kdc, &card, None);
        cards.pull();
        match logon.run().client_error() {
            Error::Kdc(KdcError::Pkinit(error)) => {
                assert_eq!(error, PkinitError::Sign(SignError::Removed));
            }
            error => panic!("{error:?}"),
        }
        assert!(open(&CardChoice::default()).is_err());
    });
}

#[test]
fn cards_obey_policy_as_passwords_do() {
    if !(peer::available(Peer::SoftHsm) && peer::available(Peer::MitKdc)) {
        return;
    }
    Cards::with("cards_obey_policy_as_passwords_do", &["card=p256"], |_| {
        let kdc = MitKdc::start_with(&["--pkinit", "kdc"]);
        let card = open(&CardChoice::default()).unwrap();
        let fresh = DelegationPolicy::default().allow_fresh("*".parse().unwrap());
        let saved = DelegationPolicy::default().with(PolicyList::AllowSaved, "*".parse().unwrap());
        for (policy, class, permitted) in [
            (fresh.clone(), CredentialClass::Fresh, true),
            (fresh.clone(), CredentialClass::Saved, false),
            (saved.clone(), CredentialClass::Saved, true),
            (saved, CredentialClass::Fresh, false),
            (
                fresh.restricted(RestrictedDelegation::RequireRemoteCredentialGuard),
                CredentialClass::Fresh,
                false,
            ),
        ] {
            let mut logon = logon(&kdc, &card, None);
            let credentials = logon.credentials.take().unwrap();
            logon.credentials = Some(credentials.of_class(class));
            logon.policy = policy;
            let outcome = logon.run();
            if permitted {
                outcome.assert_kerberos(MitKdc::REALM, "pkuser@TEST.EXAMPLE");
            } else {
                let error = outcome.client_error();
                assert!(matches!(error, Error::DelegationDenied(_)), "{error:?}");
            }
        }
    });
}

#[test]
fn a_module_that_is_none_is_said_to_be_none() {
    for path in ["/no/such/module.so", file!()] {
        let error = Module::load(path).unwrap_err();
        let CardError::Module { path: told, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(told.to_str(), Some(path));
        assert!(error.to_string().contains(path), "{error}");
    }
}
