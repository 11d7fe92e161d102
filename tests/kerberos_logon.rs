//! Logons by Kerberos from end to end: our client and our server over TLS, and MIT's krb5kdc beside them.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod logon;
mod loopback;
mod pair;
mod peer;

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::thread;

use bytes::BytesMut;
use credssp::client::Handshake;
use credssp::error::{
    ApiMisuse, AuthenticationFailure, DelegationDeniedReason, KdcError, NtStatus, Step,
    TicketRefusal,
};
use credssp::gss::MechanismProvider;
use credssp::kdc::KdcTransport;
use credssp::kerberos::Kerberos;
use credssp::kerberos::acceptor::ServiceCredentials;
use credssp::kerberos::asn1::PrincipalName;
use credssp::kerberos::crypto::EncryptionType;
use credssp::kerberos::initiator::{ClientName, ClientSecret};
use credssp::mechanism::Mechanism;
use credssp::ntlm::Ntlm;
use credssp::proof::ServerProof;
use credssp::stream::files::{read_ccache, read_keytab};
use credssp::stream::kdc::KdcClient;
use credssp::tls::{TlsVersions, Trust};
use credssp::ts_request::TsRequest;
use credssp::{AccountName, DelegationPolicy, Error, Server, ServerConfig};
use logon::{Logon, Outcome, PASSWORD, assert_delegated, refusal};
use loopback::exchange::rest;
use loopback::{Issued, raw, spawn, trusting_authority};
use peer::{MitKdc, Peer};

const REALM: &str = MitKdc::REALM;
const SERVICE: &str = "TERMSRV/server.test.example";

/// The KDC of all tests here; `None` where it is missing.
fn kdc() -> Option<&'static MitKdc> {
    static KDC: OnceLock<MitKdc> = OnceLock::new();
    peer::available(Peer::MitKdc).then(|| KDC.get_or_init(MitKdc::start))
}

fn logon(kdc: &MitKdc, account: &str, target: &str) -> Logon {
    Logon::new(kdc.address(), &kdc.path("service.keytab"), account, target)
}

/// Of `alice`, by her key: deriving one of her password takes its time.
fn alice(kdc: &MitKdc, target: &str) -> Logon {
    let mut logon = logon(kdc, r"TEST.EXAMPLE\alice", target);
    logon.initiator.keys = Some(keys(kdc, "user.keytab", &user("alice")));
    logon
}

fn user(name: &str) -> ClientName {
    ClientName::of(&AccountName::new(REALM, name), "")
}

fn keys(
    kdc: &MitKdc,
    keytab: &str,
    client: &ClientName,
) -> Arc<[credssp::kerberos::crypto::EncryptionKey]> {
    let keytab = read_keytab(kdc.path(keytab)).unwrap();
    keytab.client_keys(client).unwrap()
}

/// By either kind of driver, and over either version of TLS.
fn both_ways(mut logon: Logon) -> [Outcome; 2] {
    logon.tls = TlsVersions::Tls12;
    let blocking = logon.run();
    logon.tls = TlsVersions::Tls13;
    [blocking, logon.run_async()]
}

#[test]
fn logs_on_by_each_encryption_type_alone() {
    let Some(kdc) = kdc() else {
        return;
    };
    for (name, encryption_type) in [
        ("aes256-sha2", EncryptionType::Aes256Sha2),
        ("aes256-sha1", EncryptionType::Aes256Sha1),
        ("aes128-sha2", EncryptionType::Aes128Sha2),
        ("aes128-sha1", EncryptionType::Aes128Sha1),
        #[cfg(feature = "rc4-hmac")]
        ("rc4", EncryptionType::Rc4Hmac),
    ] {
        let account = format!(r"{REALM}\{name}");
        let target = format!("TERMSRV/{name}.test.example");
        let mut logon = logon(kdc, &account, &target);
        logon.initiator.encryption_types = vec![encryption_type];
        let keytab = read_keytab(kdc.path("service.keytab")).unwrap();
        let credentials = ServiceCredentials::new(keytab);
        let credentials = credentials.encryption_types(&[encryption_type]);
        logon.acceptor = Some(Arc::new(credentials));
        for outcome in both_ways(logon) {
            let server = outcome.assert_kerberos(REALM, name);
            assert_delegated(&server, [REALM, name, PASSWORD]);
        }
    }
}

#[test]
fn a_server_without_a_keytab_is_served_by_user_to_user() {
    let Some(kdc) = kdc() else {
        return;
    };
    let service = PrincipalName::new(PrincipalName::SRV_INST, &["TERMSRV", "server.test.example"]);
    let service = ClientName::new(REALM, service);
    for (server, keytab, owner) in [
        (service, "service.keytab", None),
        (user("svcuser"), "user.keytab", Some("svcuser")),
    ] {
        let mut logon = alice(kdc, SERVICE);
        let secret = ClientSecret::Keys(keys(kdc, keytab, &server));
        logon.serve_user_to_user(server, secret);
        logon.initiator.user_to_user = true;
        logon.initiator.user_to_user_owner =
            owner.map(|owner| PrincipalName::new(PrincipalName::PRINCIPAL, &[owner]));
        for outcome in both_ways(logon) {
            let server = outcome.assert_kerberos(REALM, "alice");
            assert_delegated(&server, [REALM, "alice", PASSWORD]);
        }
    }
}

#[test]
fn a_client_that_insists_on_user_to_user_needs_a_server_with_a_ticket() {
    let Some(kdc) = kdc() else {
        return;
    };
    let mut logon = alice(kdc, SERVICE);
    logon.initiator.user_to_user = true;
    let outcome = logon.run();
    assert_eq!(
        refusal(&outcome.server),
        AuthenticationFailure::NoServiceTgt
    );
    let error = outcome.client_error();
    let expected = TicketRefusal::NoTicketGrantingTicket;
    assert!(
        matches!(error, Error::TicketRefused(reason) if reason == expected),
        "{error}"
    );

    // A server that has NTLM besides selects that, and it is for the client's policy to take it.
    let mut logon = alice(kdc, SERVICE).with_ntlm(true);
    logon.initiator.user_to_user = true;
    let (client, _) = logon.run().both();
    assert_eq!(client.mechanism, Mechanism::Ntlm);
    let mut logon = alice(kdc, SERVICE).with_ntlm(false);
    logon.initiator.user_to_user = true;
    assert_eq!(
        refusal(&logon.run().server),
        AuthenticationFailure::NoServiceTgt
    );
}

#[test]
fn a_server_that_has_kerberos_without_keys_selects_ntlm() {
    let Some(kdc) = kdc() else {
        return;
    };
    let mut out = BytesMut::new();
    for (ntlm, selects) in [(true, true), (false, false)] {
        let mut first = first_message(&alice(kdc, SERVICE).with_ntlm(ntlm));
        let mechanisms: Vec<Arc<dyn MechanismProvider>> =
            vec![Arc::new(Kerberos::default()), Arc::new(Ntlm::default())];
        let config = ServerConfig::with_mechanisms(mechanisms);
        let server = Server::new(config, loopback::p256().public_key().clone());
        let next = server.start().unwrap().process(&mut first, &mut out);
        assert_eq!(next.is_ok(), selects);
        if let Err(error) = next {
            let expected = ApiMisuse::NoServiceCredentials;
            assert!(
                matches!(error.error, Error::ApiMisuse(reason) if reason == expected),
                "{error}"
            );
        }
    }
}

#[test]
fn a_kdc_refers_to_another_realm() {
    let Some(kdc) = kdc() else {
        return;
    };
    for outcome in both_ways(alice(kdc, "TERMSRV/server.other.example")) {
        outcome.assert_kerberos(REALM, "alice");
    }
}

#[cfg(feature = "kdc-proxy")]
#[test]
fn a_proxy_is_the_way_to_the_kdcs_of_all_realms() {
    if !peer::available(Peer::KdcProxy) {
        return;
    }
    let Some(kdc) = kdc() else {
        return;
    };
    let proxy = peer::KdcProxy::start(kdc.address(), &[REALM, MitKdc::OTHER_REALM]);
    let roots = std::fs::read(proxy.ca_pem()).unwrap();
    let client = || KdcClient::default().with_every_realm([proxy.url().parse().unwrap()]);
    let mut logon = alice(kdc, "TERMSRV/server.other.example");
    logon.kdc = Arc::new(client().with_proxy_roots(&roots).unwrap());
    for outcome in both_ways(logon) {
        outcome.assert_kerberos(REALM, "alice");
    }
    // Whom it does not know it does not trust.
    let mut logon = alice(kdc, SERVICE);
    let (_, stranger, key) = &*loopback::AUTHORITY;
    let stranger = stranger.self_signed(key).unwrap().pem();
    let client = client().with_proxy_roots(stranger.as_bytes());
    logon.kdc = Arc::new(client.unwrap());
    for outcome in both_ways(logon) {
        let error = outcome.client_error();
        assert!(
            matches!(error, Error::Kdc(KdcError::Unreachable(_))),
            "{error}"
        );
    }
}

#[test]
fn an_account_is_named_in_several_ways() {
    let Some(kdc) = kdc() else {
        return;
    };
    for (account, [domain, name], user) in [
        // A principal of that whole name, with a salt of its own.
        (
            "alice@TEST.EXAMPLE",
            ["", "alice@TEST.EXAMPLE"],
            "alice@TEST.EXAMPLE",
        ),
        // The KDC knows no other one with a suffix: it is the user of that realm.
        (
            "svcuser@test.example",
            ["", "svcuser@test.example"],
            "svcuser",
        ),
        (r"TEST.EXAMPLE\alice", [REALM, "alice"], "alice"),
        (r"TEST.EXAMPLE\Éva日本", [REALM, "Éva日本"], "Éva日本"),
    ] {
        let server = logon(kdc, account, SERVICE)
            .run()
            .assert_kerberos(REALM, user);
        assert_delegated(&server, [domain, name, PASSWORD]);
        // There is a PAC in the ticket, but nothing about the account in it.
        assert_eq!(server.logon_info, Some(Box::default()), "{account}");
    }
    let mut of_default_realm = logon(kdc, "alice", SERVICE);
    of_default_realm.initiator.default_realm = Some(REALM.into());
    let server = of_default_realm.run().assert_kerberos(REALM, "alice");
    assert_delegated(&server, ["", "alice", PASSWORD]);
}

#[test]
fn a_service_is_found_however_its_host_is_written() {
    let Some(kdc) = kdc() else {
        return;
    };
    for target in [
        "TERMSRV/Server.TEST.example",
        "TERMSRV/server.test.example:3389",
        "TERMSRV/server.test.example.",
    ] {
        alice(kdc, target).run().assert_kerberos(REALM, "alice");
    }
}

#[test]
fn one_ticket_at_hand_serves_many_connections_without_a_kdc() {
    let Some(kdc) = kdc() else {
        return;
    };
    let user = kdc.user();
    user.kinit("alice", MitKdc::PASSWORD).unwrap();
    user.run("kvno", &[SERVICE], "").unwrap();
    let mut logon = logon(kdc, r"TEST.EXAMPLE\alice", SERVICE);
    logon.initiator.tickets = Some(Arc::new(read_ccache(user.ccache()).unwrap()));
    logon.kdc = nowhere();
    let logon = &logon;
    thread::scope(|scope| {
        let at_once = [(); 8].map(|()| scope.spawn(|| logon.run()));
        for outcome in at_once {
            outcome.join().unwrap().assert_kerberos(REALM, "alice");
        }
    });
}

#[test]
fn a_certificate_proves_the_host_of_the_service_and_not_the_address_dialled() {
    let Some(kdc) = kdc() else {
        return;
    };
    // NTLM, for Kerberos would prove the server whatever its certificate says.
    for (names, proof) in [
        (&["server.test.example"][..], Some(ServerProof::Certificate)),
        (&["localhost", "127.0.0.1", "nobody.test.example"], None),
    ] {
        let mut logon = alice(kdc, "TERMSRV/server.test.example").with_ntlm(false);
        logon.kdc = nowhere();
        logon.trust = trusting_authority();
        logon.identity = Issued::new(names).by_authority();
        let outcome = logon.run();
        match proof {
            Some(proof) => {
                let (client, _) = outcome.both();
                assert_eq!((client.mechanism, client.proof), (Mechanism::Ntlm, proof));
            }
            None => {
                let error = outcome.client_error();
                assert!(
                    matches!(error, Error::Kdc(KdcError::Unreachable(_))),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn an_address_in_place_of_a_name_gets_ntlm_where_policy_lets_it() {
    let Some(kdc) = kdc() else {
        return;
    };
    let target = "TERMSRV/127.0.0.1";
    for outcome in both_ways(alice(kdc, target).with_ntlm(true)) {
        let reason = outcome.assert_fallback();
        assert!(
            matches!(reason, Error::Kdc(KdcError::HostIsAddress)),
            "{reason}"
        );
    }
    // Where only a proof of the server's will do, its certificate has to be one.
    let mut logon = alice(kdc, target).with_ntlm(false);
    logon.trust = trusting_authority();
    logon.identity = Issued::new(&["127.0.0.1"]).by_authority();
    let reason = logon.run().assert_fallback();
    assert!(
        matches!(reason, Error::Kdc(KdcError::HostIsAddress)),
        "{reason}"
    );

    logon.trust = Trust::default();
    for outcome in both_ways(logon) {
        let error = outcome.client_error();
        assert!(
            matches!(error, Error::Kdc(KdcError::HostIsAddress)),
            "{error}"
        );
        assert_untouched(&outcome);
    }
}

#[test]
fn a_kdc_that_is_down_leaves_ntlm_where_policy_lets_it() {
    let Some(kdc) = kdc() else {
        return;
    };
    let mut logon = alice(kdc, SERVICE).with_ntlm(true);
    logon.kdc = nowhere();
    for outcome in both_ways(logon) {
        let reason = outcome.assert_fallback();
        assert!(
            matches!(reason, Error::Kdc(KdcError::Unreachable(_))),
            "{reason}"
        );
    }
    let mut logon = alice(kdc, SERVICE).with_ntlm(false);
    logon.kdc = nowhere();
    for outcome in both_ways(logon) {
        let error = outcome.client_error();
        assert!(
            matches!(error, Error::Kdc(KdcError::Unreachable(_))),
            "{error}"
        );
    }
}

#[test]
fn a_policy_that_wants_no_proof_leaves_kerberos_out() {
    let Some(kdc) = kdc() else {
        return;
    };
    let mut logon = alice(kdc, SERVICE).with_ntlm(true);
    let pattern = "TERMSRV/*".parse().unwrap();
    logon.policy = DelegationPolicy::default().allow_fresh_when_ntlm_only(pattern);
    let (client, _) = logon.run().both();
    assert_eq!(client.mechanism, Mechanism::Ntlm);

    let pattern = "TERMSRV/another.test.example".parse().unwrap();
    logon.policy = DelegationPolicy::default().allow_fresh(pattern);
    match logon.run().client_error() {
        Error::DelegationDenied(denied) => {
            assert_eq!(denied.reason, DelegationDeniedReason::NotAllowed);
            assert_eq!(denied.proof, ServerProof::Kerberos);
        }
        error => panic!("{error}"),
    }
}

#[test]
fn a_service_that_the_kdc_does_not_know_gets_ntlm_where_policy_lets_it() {
    let Some(kdc) = kdc() else {
        return;
    };
    let target = "TERMSRV/nobody.test.example";
    let reason = alice(kdc, target).with_ntlm(true).run().assert_fallback();
    assert!(
        matches!(reason, Error::Kdc(KdcError::ServiceUnknown)),
        "{reason}"
    );
    let error = alice(kdc, target).with_ntlm(false).run().client_error();
    assert!(
        matches!(error, Error::Kdc(KdcError::ServiceUnknown)),
        "{error}"
    );
}

#[test]
fn a_server_without_kerberos_gets_ntlm_where_policy_lets_it() {
    let Some(kdc) = kdc() else {
        return;
    };
    let mut logon = alice(kdc, SERVICE).with_ntlm(true);
    logon.acceptor = None;
    for outcome in both_ways(logon) {
        let (client, server) = outcome.both();
        assert_eq!(
            (client.mechanism, client.proof),
            (Mechanism::Ntlm, ServerProof::None)
        );
        // The client could have used Kerberos: the server chose.
        assert!(client.fallback.is_none());
        assert_delegated(&server, [REALM, "alice", PASSWORD]);
    }
    let mut logon = alice(kdc, SERVICE).with_ntlm(false);
    logon.acceptor = None;
    let outcome = logon.run();
    let error = outcome.client_error();
    assert!(
        matches!(error, Error::Rejected(NtStatus::LOGON_FAILURE)),
        "{error}"
    );
    let error = outcome.server_error();
    assert_eq!(error.kind(), "PeerIncompatible", "{error}");
}

#[test]
fn a_wrong_password_is_not_tried_by_ntlm() {
    let Some(kdc) = kdc() else {
        return;
    };
    let mut logon = logon(kdc, r"TEST.EXAMPLE\alice", SERVICE).with_ntlm(true);
    logon.password = "wrong".to_owned();
    for outcome in both_ways(logon) {
        let error = outcome.client_error();
        assert!(
            matches!(error, Error::Kdc(KdcError::WrongPassword)),
            "{error}"
        );
        assert_untouched(&outcome);
    }
}

#[test]
fn what_a_client_said_is_refused_on_another_connection() {
    let Some(kdc) = kdc() else {
        return;
    };
    let logon = alice(kdc, SERVICE);
    let first = first_message(&logon);
    let acceptor = logon.acceptor();
    let answers = [(); 2].map(|()| {
        let acceptor = acceptor.clone();
        let (io, server) = spawn(move |io| acceptor.accept(io, |_| Ok(None)));
        let mut stream = raw::client(raw::client_config(rustls::ALL_VERSIONS), io);
        stream.write_all(&first).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        (rest(&mut stream), server.join().unwrap())
    });
    let [(accepted, left), (refused, repeated)] = &answers;
    // With the AP-REP, but who repeats has not the key to go on with.
    let accepted = TsRequest::decode(accepted).unwrap();
    assert_eq!(accepted.error_code, None);
    assert!(accepted.nego_token.is_some());
    let left = left.as_ref().err().unwrap();
    assert_eq!(left.progress().step, Step::PublicKey);

    let refused = TsRequest::decode(refused).unwrap();
    assert_eq!(refused.error_code, Some(NtStatus::LOGON_FAILURE));
    assert_eq!(
        refusal(repeated),
        AuthenticationFailure::ReplayedAuthenticator
    );
}

#[test]
fn clocks_that_agree_with_the_kdcs_are_right() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let skewed = MitKdc::start_with(&["--skew", "+10m"]);
    for (client, server) in [(0, 600), (600, 600), (-3600, 600)] {
        let mut logon = alice(&skewed, SERVICE);
        logon.clocks = (client, server);
        logon.run().assert_kerberos(REALM, "alice");
    }
    // The client takes the KDC's time. A server with another one refuses, and no NTLM follows.
    let logon = alice(&skewed, SERVICE).with_ntlm(true);
    for outcome in both_ways(logon) {
        let reason = refusal(&outcome.server);
        assert_eq!(reason, AuthenticationFailure::TicketNotYetValid);
        let error = outcome.client_error();
        assert!(
            matches!(error, Error::TicketRefused(TicketRefusal::NotValidNow)),
            "{error}"
        );
    }
}

#[test]
fn a_client_with_a_wrong_clock_logs_on_all_the_same() {
    let Some(kdc) = kdc() else {
        return;
    };
    for wrong in [-86_400, 3600] {
        let mut logon = alice(kdc, SERVICE);
        logon.clocks = (wrong, 0);
        logon.run().assert_kerberos(REALM, "alice");
    }
    // It has no other clock to go by than its KDC's, from which the server's must not differ.
    let mut logon = alice(kdc, SERVICE);
    logon.clocks = (0, 600);
    let outcome = logon.run();
    let reason = refusal(&outcome.server);
    assert_eq!(reason, AuthenticationFailure::TimeSkew);
    let error = outcome.client_error();
    assert!(
        matches!(error, Error::TicketRefused(TicketRefusal::ClockSkew)),
        "{error}"
    );
}

/// The server has not heard a word.
#[track_caller]
fn assert_untouched(outcome: &Outcome) {
    let server = outcome.server.as_ref().err().unwrap();
    assert_eq!(server.kind(), "Closed");
    assert_eq!(server.progress().peer_version, None);
}

/// A transport to a KDC that is not there.
fn nowhere() -> Arc<KdcClient> {
    // A port that was free.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    Arc::new(KdcClient::default().with_every_realm([address.parse().unwrap()]))
}

/// The client's first TSRequest.
fn first_message(logon: &Logon) -> BytesMut {
    let mut out = BytesMut::new();
    let mut handshake = logon.client().start(&mut out).unwrap();
    while let Handshake::NeedsKdc(state) = handshake {
        let reply = KdcTransport::ask(&*logon.kdc, state.request(), None);
        handshake = state.continue_with(reply, &mut out).unwrap();
    }
    out
}
