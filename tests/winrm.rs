//! CredSSP in HTTP's headers: both ends in memory.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod http;
mod pair;

use base64::prelude::{BASE64_STANDARD, Engine};
use credssp::credentials::{TsCredentials, TsPasswordCreds};
use credssp::error::{
    ApiMisuse, AuthenticationFailure, DelegationDeniedReason, Error, InvalidMessageKind, NtStatus,
    PeerMisbehaved, Step, WinRmError,
};
use credssp::policy::{CredentialClass, MachineSettings};
use credssp::proof::{ServerProof, Thumbprint};
use credssp::tls::{Identity, TlsVersions, Trust};
use credssp::winrm::CertificateStore;
use credssp::winrm::client::{Connector, Handshake};
use credssp::winrm::server::{self, Acceptor, Reply};
use credssp::{Account, ClientConfig, Credentials, DelegationPolicy, ServerConfig};
use ring::digest;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use http::{
    HOST, Service, VERSIONS, acceptor, client, connector, credentials, open, policy, seal, talk,
};
use pair::{PASSWORD, alice};

fn winrm(error: &Error) -> WinRmError {
    match error {
        Error::WinRm(error) => *error,
        other => panic!("{other:?}"),
    }
}

/// By SHA-1, and by SHA-256.
fn thumbprints(identity: &Identity) -> [Thumbprint; 2] {
    let leaf = &identity.chain()[0];
    let hash = |algorithm| digest::digest(algorithm, leaf);
    [
        Thumbprint::Sha1(
            hash(&digest::SHA1_FOR_LEGACY_USE_ONLY)
                .as_ref()
                .try_into()
                .unwrap(),
        ),
        Thumbprint::Sha256(hash(&digest::SHA256).as_ref().try_into().unwrap()),
    ]
}

fn reply(status: u16, www_authenticate: &str) -> Reply {
    let mut reply = Reply::default();
    reply.status = status;
    reply.www_authenticate = Some(www_authenticate.into());
    reply
}

#[test]
fn delegates_over_each_version_of_tls_in_six_requests() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13, TlsVersions::All] {
        let mut service = Service::new(versions);
        let (client, exchanged) = talk(client(versions), &mut service, |_, reply| reply);
        let client = client.unwrap();
        assert_eq!(client.credssp.proof, ServerProof::None);
        assert!(client.renewal.is_some());

        let service = service.complete();
        assert_eq!(service.credssp.account, alice());
        let TsCredentials::Password(delegated) = &service.credssp.credentials else {
            panic!("{:?}", service.credssp.credentials);
        };
        assert_eq!(delegated.password.expose(), PASSWORD);

        let statuses: Vec<_> = exchanged.iter().map(|(_, reply)| reply.status).collect();
        assert_eq!(statuses, [401, 401, 401, 401, 401, 200], "{versions:?}");
        assert_eq!(exchanged[0].0, None);
        assert_eq!(exchanged[0].1.www_authenticate.as_deref(), Some("CredSSP"));
        assert_eq!(exchanged[5].1.www_authenticate, None);
    }
}

/// Some clients take a scheme without the space for a refusal.
#[test]
fn a_reply_without_anything_to_say_keeps_its_space() {
    let mut service = Service::new(TlsVersions::Tls13);
    let (_, exchanged) = talk(client(TlsVersions::Tls13), &mut service, |_, reply| reply);
    assert_eq!(exchanged[2].1.www_authenticate.as_deref(), Some("CredSSP "));
}

#[test]
fn the_space_may_get_lost_on_the_way() {
    let mut service = Service::new(TlsVersions::Tls13);
    let (client, _) = talk(client(TlsVersions::Tls13), &mut service, |_, mut reply| {
        let value = reply.www_authenticate.take();
        reply.www_authenticate = value.map(|value| value.trim().to_owned());
        reply
    });
    assert!(client.is_ok());
}

#[test]
fn other_schemes_may_stand_around_each_token() {
    for versions in VERSIONS {
        let mut service = Service::new(versions);
        let (client, _) = talk(client(versions), &mut service, |_, mut reply| {
            if let Some(value) = reply.www_authenticate.take() {
                let value =
                    format!("Negotiate, Basic realm=\"WSMAN, CredSSP AAAA\", {value}, Kerberos");
                reply.www_authenticate = Some(value);
            }
            reply
        });
        assert!(client.is_ok());
        assert!(service.complete().session.is_open());
    }
}

/// The server takes the end of TLS's handshake and the first `TSRequest` in one token, and the records of a token in as many
/// tokens as there are.
#[test]
fn the_server_takes_tokens_joined_and_cut() {
    for cut in [1, 5, 64, usize::MAX] {
        let mut service = Service::new(TlsVersions::Tls12);
        let (client, _) = {
            let mut state = client(TlsVersions::Tls12);
            let complete = loop {
                let authorization = state.authorization().map(str::to_owned);
                let reply = match &authorization {
                    None => service.answer(None),
                    Some(value) => {
                        let token = value.strip_prefix("CredSSP ").unwrap();
                        let token = BASE64_STANDARD.decode(token).unwrap();
                        // The limit of requests leaves room for so many pieces only.
                        let cut = cut.max(token.len() / 8 + 1);
                        let mut said = String::from("CredSSP ");
                        let mut last = Reply::default();
                        for piece in token.chunks(cut) {
                            let piece = format!("CredSSP {}", BASE64_STANDARD.encode(piece));
                            last = service.answer(Some(piece.as_bytes()));
                            if let Some(value) = &last.www_authenticate {
                                said.push_str(value.strip_prefix("CredSSP ").unwrap());
                            }
                        }
                        if last.www_authenticate.is_some() {
                            last.www_authenticate = Some(said);
                        }
                        last
                    }
                };
                match state.process(reply.status, reply.www_authenticate).unwrap() {
                    Handshake::NeedsResponse(next) => state = next,
                    Handshake::Complete(complete) => break complete,
                    other => panic!("{other:?}"),
                }
            };
            (complete, ())
        };
        let (mut client, mut server) = (client.session, service.complete().session);
        let (content_type, sealed) = seal(&mut client, b"ping");
        assert_eq!(
            &open(&mut server, content_type, &sealed).unwrap()[..],
            b"ping"
        );
    }
}

#[test]
fn credssp_is_off_unless_it_is_enabled_on_both_ends() {
    let connector = Connector::new(ClientConfig::new(policy()), Trust::default()).unwrap();
    let error = connector.start(HOST, credentials()).unwrap_err();
    assert_eq!(winrm(&error.error), WinRmError::ClientDisabled);
    assert!(error.to_string().contains("enable_credssp"), "{error}");

    let pem = include_bytes!("data/test-only-rsa2048.pem");
    let identity = Identity::from_pem(pem, pem).unwrap();
    let acceptor = Acceptor::new(ServerConfig::default(), &identity).unwrap();
    let error = acceptor.start().unwrap_err();
    assert_eq!(winrm(&error.error), WinRmError::ServiceDisabled);
    assert!(error.to_string().contains("enable_credssp"), "{error}");
}

#[test]
fn a_machines_settings_switch_both_ends() {
    let pem = include_bytes!("data/test-only-rsa2048.pem");
    let identity = Identity::from_pem(pem, pem).unwrap();
    let mut settings = MachineSettings::default();
    let start = |settings: &MachineSettings| {
        let config = ClientConfig::new(settings.delegation.clone());
        let connector = Connector::new(config, Trust::default()).unwrap();
        let acceptor = Acceptor::new(ServerConfig::default(), &identity).unwrap();
        (
            connector
                .with_switches(settings.winrm)
                .start(HOST, credentials())
                .map(drop),
            acceptor.with_switches(settings.winrm).start().map(drop),
        )
    };
    settings.enable_winrm_service();
    let (client, server) = start(&settings);
    assert_eq!(
        winrm(&client.unwrap_err().error),
        WinRmError::ClientDisabled
    );
    server.unwrap();

    settings.enable_winrm_client(&[HOST]).unwrap();
    settings.disable_winrm_service();
    let (client, server) = start(&settings);
    // On, and what stands in the way now is that nothing proves the server.
    assert!(matches!(
        client.unwrap_err().error,
        Error::DelegationDenied(_)
    ));
    assert_eq!(
        winrm(&server.unwrap_err().error),
        WinRmError::ServiceDisabled
    );
}

#[test]
fn policy_is_asked_for_wsman_before_anything_goes_out() {
    for (pattern, host) in [
        ("TERMSRV/*", HOST),
        ("HTTP/*", HOST),
        ("WSMAN/*.corp.example", "web.other.example"),
    ] {
        let policy =
            DelegationPolicy::default().allow_fresh_when_ntlm_only(pattern.parse().unwrap());
        let connector = Connector::new(ClientConfig::new(policy), Trust::default()).unwrap();
        let error = connector
            .enable_credssp()
            .start(host, credentials())
            .unwrap_err();
        let Error::DelegationDenied(denied) = &error.error else {
            panic!("{error:?}");
        };
        assert_eq!(denied.target.as_str(), format!("WSMAN/{host}"));
    }
}

/// The certificate inside HTTP proves a service that the client trusts, and no other.
#[test]
fn the_certificate_inside_proves_the_service_only_where_it_is_trusted() {
    let pem = include_bytes!("data/test-only-rsa2048.pem");
    let identity = Identity::from_pem(pem, pem).unwrap();
    let pin = thumbprints(&identity)[1];
    let policy =
        || DelegationPolicy::default().allow_fresh(format!("WSMAN/{HOST}").parse().unwrap());

    let mut trust = Trust::default();
    trust.pins.push(pin);
    let start = |trust| {
        let connector = Connector::new(ClientConfig::new(policy()), trust).unwrap();
        connector.enable_credssp().start(HOST, credentials())
    };
    let mut service = Service::new(TlsVersions::All);
    let (client, _) = talk(start(trust).unwrap(), &mut service, |_, reply| reply);
    assert_eq!(client.unwrap().credssp.proof, ServerProof::Certificate);

    // Another pin: TLS comes about, and no token of NTLM goes out.
    let mut trust = Trust::default();
    trust.pins.push(Thumbprint::Sha256([0; 32]));
    let mut service = Service::new(TlsVersions::All);
    let (client, exchanged) = talk(start(trust).unwrap(), &mut service, |_, reply| reply);
    let Error::DelegationDenied(denied) = client.unwrap_err().error else {
        panic!("delegated");
    };
    assert_eq!(denied.reason, DelegationDeniedReason::NtlmOnly);
    assert_eq!(exchanged.len(), 3);
}

#[test]
fn only_a_name_and_a_password_are_delegated() {
    let delegated = TsCredentials::from(TsPasswordCreds::new("CORP", "bob", "other"));
    let mut service = Service::new(TlsVersions::All);
    let state = connector(TlsVersions::Tls12)
        .start(HOST, credentials().delegating(delegated))
        .unwrap();
    assert!(talk(state, &mut service, |_, reply| reply).0.is_ok());

    let guard = credssp::credentials::TsRemoteGuardCreds::new(
        credssp::credentials::TsRemoteGuardPackageCred::new("NTLM", vec![1]),
    );
    for unfit in [
        credentials().delegating(guard.into()),
        credentials().of_class(CredentialClass::Saved),
        credentials().of_class(CredentialClass::Default),
    ] {
        let error = connector(TlsVersions::Tls12)
            .start(HOST, unfit)
            .unwrap_err();
        assert!(matches!(
            error.error,
            Error::ApiMisuse(ApiMisuse::CredentialsFitNoWinRm)
        ));
    }
}

#[test]
fn a_wrong_password_is_told_in_a_token() {
    for versions in VERSIONS {
        let mut service = Service::new(versions);
        let state = connector(versions)
            .start(HOST, Credentials::password(alice(), "wrong"))
            .unwrap();
        let (client, exchanged) = talk(state, &mut service, |_, reply| reply);
        let error = client.unwrap_err();
        assert!(
            matches!(error.error, Error::Rejected(NtStatus::LOGON_FAILURE)),
            "{error:?}"
        );
        assert_eq!(exchanged.last().unwrap().1.status, 401);
        let error = service.error().error;
        let wrong = matches!(
            error,
            Error::AuthenticationFailed {
                reason: AuthenticationFailure::WrongResponse,
                ..
            }
        );
        assert!(wrong, "{error:?}");
    }
}

#[test]
fn an_unknown_account_is_answered_as_a_wrong_password_is() {
    let lengths = |service: &mut Service, password: &str| {
        let state = connector(TlsVersions::Tls12)
            .start(HOST, Credentials::password(alice(), password))
            .unwrap();
        let (_, exchanged) = talk(state, service, |_, reply| reply);
        let length =
            |(_, reply): &http::Exchanged| reply.www_authenticate.as_ref().map(String::len);
        exchanged.iter().map(length).collect::<Vec<_>>()
    };
    let mut unknown = Service::new(TlsVersions::All);
    unknown.knows = |_| None;
    let mut known = Service::new(TlsVersions::All);
    assert_eq!(
        lengths(&mut unknown, PASSWORD)[3..],
        lengths(&mut known, "wrong")[3..]
    );
}

/// Status 401 without a token means what has just been sent.
#[test]
fn a_refusal_without_a_token_is_what_the_step_says() {
    for (index, expected, step) in [
        (0, WinRmError::NotOffered, Step::Tls),
        (1, WinRmError::TlsRefused, Step::Tls),
        (3, WinRmError::LogonRefused, Step::Negotiation),
        (4, WinRmError::LogonRefused, Step::PublicKey),
        (5, WinRmError::CredentialsRefused, Step::Credentials),
    ] {
        for value in ["Negotiate, Kerberos", "CredSSP", "CredSSP "] {
            if index == 0 && value.contains("CredSSP") {
                continue;
            }
            let mut service = Service::new(TlsVersions::Tls12);
            let (client, _) = talk(client(TlsVersions::Tls12), &mut service, |at, answer| {
                if at == index {
                    reply(401, value)
                } else {
                    answer
                }
            });
            let error = client.unwrap_err();
            assert_eq!(winrm(&error.error), expected, "{index} {value}");
            assert_eq!(error.progress.step, step, "{index} {value}");
            assert_eq!(error.progress.account, Some(alice()));
        }
    }
}

/// After the end of TLS 1.3's handshake, the service may have nothing to say.
#[test]
fn only_the_end_of_tls_may_be_left_without_an_answer() {
    let mut service = Service::new(TlsVersions::Tls13);
    let (client, _) = talk(client(TlsVersions::Tls13), &mut service, |at, answer| {
        if at == 2 {
            reply(401, "Negotiate")
        } else {
            answer
        }
    });
    assert_eq!(winrm(&client.unwrap_err().error), WinRmError::TlsRefused);
}

#[test]
fn any_other_status_is_named() {
    for index in 0..6 {
        for status in [0, 200, 204, 302, 403, 407, 500, 503] {
            if index == 5 && (200..300).contains(&status) {
                continue;
            }
            let mut service = Service::new(TlsVersions::Tls12);
            let (client, _) = talk(
                client(TlsVersions::Tls12),
                &mut service,
                |at, mut answer| {
                    if at == index {
                        answer.status = status;
                    }
                    answer
                },
            );
            let error = winrm(&client.unwrap_err().error);
            assert_eq!(error, WinRmError::UnexpectedStatus(status), "{index}");
        }
    }
}

/// A token is good for the connection whose it is.
#[test]
fn a_token_of_another_connection_opens_nothing() {
    let mut first = Service::new(TlsVersions::Tls12);
    let (_, exchanged) = talk(client(TlsVersions::Tls12), &mut first, |_, reply| reply);
    assert!(first.complete().session.is_open());
    // From the second request on, all requests are the first connection's.
    for from in 1..exchanged.len() {
        let mut second = Service::new(TlsVersions::Tls12);
        let mut last = Reply::default();
        for (authorization, _) in &exchanged[from..] {
            last = second.answer(authorization.as_deref().map(str::as_bytes));
            assert_eq!(last.status, 401);
            if matches!(second.state, Some(Err(_))) {
                break;
            }
        }
        assert!(matches!(second.error().error, Error::Tls(_)), "{from}");
        assert!(last.www_authenticate.is_some());
    }
}

#[test]
fn headers_that_hold_no_token_are_refused_on_both_ends() {
    for (value, kind) in [
        ("CredSSP A", InvalidMessageKind::BadEncoding),
        ("CredSSP AQID AQID", InvalidMessageKind::BadEncoding),
        (
            &*format!("CredSSP {}", "A".repeat(1 << 20)),
            InvalidMessageKind::TooLarge,
        ),
    ] {
        for index in 0..3 {
            let mut service = Service::new(TlsVersions::Tls12);
            let (client, _) = talk(client(TlsVersions::Tls12), &mut service, |at, answer| {
                if at == index {
                    reply(401, value)
                } else {
                    answer
                }
            });
            let error = client.unwrap_err().error;
            let Error::InvalidMessage(error) = error else {
                panic!("{error:?}");
            };
            assert_eq!((error.structure, error.kind), ("WWW-Authenticate", kind));
        }
        let mut service = Service::new(TlsVersions::Tls12);
        assert_eq!(
            service.answer(Some(value.as_bytes())),
            reply(401, "CredSSP")
        );
        let error = service.error().error;
        let Error::InvalidMessage(error) = error else {
            panic!("{error:?}");
        };
        assert_eq!((error.structure, error.kind), ("Authorization", kind));
    }
}

#[test]
fn a_service_offers_until_it_is_asked_and_then_insists() {
    let mut service = Service::new(TlsVersions::Tls12);
    for authorization in [None, Some(&b"Negotiate AQID"[..]), Some(b""), None] {
        assert_eq!(service.answer(authorization), reply(401, "CredSSP"));
    }
    let mut state = client(TlsVersions::Tls12);
    for _ in 0..2 {
        let answer = service.answer(state.authorization().map(str::as_bytes));
        state = match state
            .process(answer.status, answer.www_authenticate)
            .unwrap()
        {
            Handshake::NeedsResponse(state) => state,
            other => panic!("{other:?}"),
        };
    }
    service.answer(None);
    assert!(matches!(service.error().error, Error::InvalidMessage(_)));

    let mut service = Service::new(TlsVersions::Tls12);
    service.answer(Some(b"CredSSP "));
    assert!(matches!(service.error().error, Error::InvalidMessage(_)));
}

#[test]
fn neither_end_goes_on_forever() {
    let mut service = Service::new(TlsVersions::Tls12);
    let mut requests = 0;
    while matches!(service.state, Some(Ok(_))) {
        service.answer(None);
        requests += 1;
    }
    assert_eq!(requests, 65);

    // A service that gives its flight octet by octet.
    let mut service = Service::new(TlsVersions::Tls12);
    let mut state = match client(TlsVersions::Tls12).process(401, ["CredSSP"]) {
        Ok(Handshake::NeedsResponse(state)) => state,
        other => panic!("{other:?}"),
    };
    let answer = service.answer(state.authorization().map(str::as_bytes));
    let flight = answer.www_authenticate.unwrap();
    let flight = BASE64_STANDARD
        .decode(flight.strip_prefix("CredSSP ").unwrap())
        .unwrap();
    let mut responses = 1;
    let error = loop {
        let octet = BASE64_STANDARD.encode(&flight[responses - 1..responses]);
        responses += 1;
        state = match state.process(401, [format!("CredSSP {octet}")]) {
            Ok(Handshake::NeedsResponse(next)) => next,
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error.error,
        };
        assert_eq!(state.authorization(), Some("CredSSP "));
    };
    assert!(matches!(
        error,
        Error::PeerMisbehaved(PeerMisbehaved::TooManyRounds)
    ));
    assert_eq!(responses, 65);
}

/// TLS that is none gets an alert, where TLS has one.
#[test]
fn a_token_that_is_no_tls_is_answered_by_an_alert() {
    let mut service = Service::new(TlsVersions::Tls12);
    let answer = service.answer(Some(b"CredSSP AAECAwQFBgcICQ=="));
    assert_eq!(answer.status, 401);
    assert!(answer.www_authenticate.unwrap().len() > "CredSSP ".len());
    let error = service.error();
    assert!(matches!(error.error, Error::Tls(_)), "{error:?}");

    let mut service = Service::new(TlsVersions::Tls13);
    let (client, _) = talk(client(TlsVersions::Tls12), &mut service, |_, reply| reply);
    let text = client.unwrap_err().to_string();
    assert!(text.contains("share no TLS version"), "{text}");
}

#[test]
fn a_service_that_forgot_the_session_is_asked_once_more_and_no_more() {
    let mut service = Service::new(TlsVersions::Tls12);
    let (client, _) = talk(client(TlsVersions::Tls12), &mut service, |_, reply| reply);
    let renewal = client.unwrap().renewal.unwrap();

    let mut service = Service::new(TlsVersions::Tls12);
    let forgot = service.answer(None);
    let state = match renewal
        .start(forgot.status, forgot.www_authenticate)
        .unwrap()
    {
        Handshake::NeedsResponse(state) => state,
        other => panic!("{other:?}"),
    };
    assert!(state.authorization().is_some());
    let (client, exchanged) = talk(state, &mut service, |_, reply| reply);
    assert_eq!(exchanged.len(), 5);
    let (mut client, mut server) = (client.unwrap(), service.complete().session);
    assert!(client.renewal.is_none());
    let (content_type, sealed) = seal(&mut client.session, b"once more");
    assert_eq!(
        &open(&mut server, content_type, &sealed).unwrap()[..],
        b"once more"
    );
}

#[test]
fn a_renewal_wants_the_offer_too() {
    for (status, value, expected) in [
        (401, "Negotiate", WinRmError::NotOffered),
        (500, "CredSSP", WinRmError::UnexpectedStatus(500)),
    ] {
        let mut service = Service::new(TlsVersions::Tls12);
        let (client, _) = talk(client(TlsVersions::Tls12), &mut service, |_, reply| reply);
        let renewal = client.unwrap().renewal.unwrap();
        let error = renewal.start(status, [value]).unwrap_err();
        assert_eq!(winrm(&error.error), expected);
    }
}

#[test]
fn a_failed_look_up_is_told_as_one() {
    let mut client = client(TlsVersions::Tls12);
    let mut state = acceptor(TlsVersions::Tls12).start().unwrap();
    let error = loop {
        let mut answer = Reply::default();
        let authorization = client.authorization().map(str::to_owned);
        match state.process(authorization.as_deref().map(str::as_bytes), &mut answer) {
            Ok(server::Handshake::NeedsRequest(next)) => state = next,
            Ok(server::Handshake::NeedsAccount(look_up)) => {
                assert_eq!(look_up.request().account, alice());
                let error = look_up.fail(credssp::error::OtherError::new("down"), &mut answer);
                assert_eq!(error.error.to_string(), "down");
                break client
                    .process(answer.status, answer.www_authenticate)
                    .unwrap_err();
            }
            other => panic!("{other:?}"),
        }
        client = match client
            .process(answer.status, answer.www_authenticate)
            .unwrap()
        {
            Handshake::NeedsResponse(next) => next,
            other => panic!("{other:?}"),
        };
    };
    assert!(
        matches!(error.error, Error::Rejected(NtStatus::NO_LOGON_SERVERS)),
        "{error:?}"
    );
}

#[test]
fn an_account_may_be_refused() {
    let mut service = Service::new(TlsVersions::Tls12);
    service.knows = |_| Some(Account::password(PASSWORD).with_status(NtStatus::ACCOUNT_DISABLED));
    let (client, _) = talk(client(TlsVersions::Tls12), &mut service, |_, reply| reply);
    let error = client.unwrap_err().error;
    assert!(
        matches!(error, Error::Rejected(NtStatus::ACCOUNT_DISABLED)),
        "{error:?}"
    );
}

#[test]
fn nothing_secret_is_shown() {
    let mut service = Service::new(TlsVersions::Tls12);
    let state = client(TlsVersions::Tls12);
    let shown = format!("{state:?}{:?}", service.state);
    let (client, _) = talk(state, &mut service, |_, reply| reply);
    let shown = format!("{shown}{client:?}{:?}", service.complete());
    assert!(!shown.contains(PASSWORD), "{shown}");
}

#[test]
fn a_listener_presents_the_certificate_with_its_thumbprint() {
    let pem = include_bytes!("data/test-only-rsa2048.pem");
    let rsa = Identity::from_pem(pem, pem).unwrap();
    let certificate = rsa.chain()[0].clone();
    let [thumbprint, sha256] = thumbprints(&rsa);
    let mut store = CertificateStore::default();
    let missing = store.identity(thumbprint).unwrap_err();
    assert_eq!(winrm(&missing), WinRmError::NoSuchCertificate);

    store.add(vec![], None);
    store.add(vec![certificate.clone()], None);
    let unreadable = store.identity(thumbprint).unwrap_err();
    assert_eq!(winrm(&unreadable), WinRmError::UnreadableKey);
    assert!(
        unreadable.to_string().contains("private key"),
        "{unreadable}"
    );

    store.add(
        vec![certificate],
        Some(PrivateKeyDer::from_pem_slice(pem).unwrap()),
    );
    for thumbprint in [thumbprint, sha256] {
        let chosen = store.identity(thumbprint).unwrap();
        assert_eq!(chosen.public_key(), rsa.public_key());
    }
    for other in [Thumbprint::Sha1([0; 20]), Thumbprint::Sha256([0; 32])] {
        let missing = store.identity(other).unwrap_err();
        assert_eq!(winrm(&missing), WinRmError::NoSuchCertificate);
    }
}

/// Without a certificate of its own, the listener makes one that proves nothing, with a key that all clients can use.
#[cfg(feature = "self-signed")]
#[test]
fn a_listener_without_a_certificate_makes_one_with_an_rsa_key() {
    let random = credssp::environment::SystemRandom::default();
    let store = CertificateStore::default();
    let identity = store.identity_or_self_signed(None, HOST, &random).unwrap();
    assert_eq!(identity.public_key().as_bytes().len(), 270);
    let thumbprint = Some(thumbprints(&identity)[0]);
    assert!(
        store
            .identity_or_self_signed(thumbprint, HOST, &random)
            .is_err()
    );

    let acceptor = Acceptor::new(ServerConfig::default(), &identity).unwrap();
    let mut service = Service::new(TlsVersions::All);
    let state = acceptor.enable_credssp().start().unwrap();
    service.state = Some(Ok(server::Handshake::NeedsRequest(state)));
    let (client, _) = talk(client(TlsVersions::Tls12), &mut service, |_, reply| reply);
    assert_eq!(client.unwrap().credssp.proof, ServerProof::None);
}
