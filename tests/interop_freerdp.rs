//! Remote Desktop with FreeRDP: our client to its shadow server, its client to our server.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod loopback;
mod pair;
mod peer;

use std::net::{TcpListener, TcpStream};
use std::thread;

use credssp::account::Candidate;
use credssp::credentials::TsCredentials;
use credssp::error::{Error as CredSspError, NtStatus, PeerIncompatible, Step};
use credssp::mechanism::Negotiation;
use credssp::rdp::{EarlyUserAuthorization, Protocol, RequestFlags, ResponseFlags, client, server};
use credssp::stream::Error;
use credssp::tls::{Connector, Trust};
use credssp::{Account, AccountName, Credentials, Secret};

use loopback::{VERSIONS, acceptor, address, everything, localhost, p256};
use peer::{FreerdpShadow, Peer, Xfreerdp};

const CORP: &str = FreerdpShadow::DOMAIN;
const ALICE: &str = FreerdpShadow::USER;
const PASSWORD: &str = FreerdpShadow::PASSWORD;
/// Of that password.
const NT_HASH: [u8; 16] = 0x4293_7782_1b16_cf08_bd3f_dff1_00b6_9a83_u128.to_be_bytes();

/// A client of bare NTLM, which is what the shadow server takes.
fn bare() -> credssp::ClientConfig {
    let mut config = everything();
    config.negotiation = Negotiation::Bare;
    config
}

/// Logs on as alice, and tells the version of CredSSP in use.
fn log_on(
    shadow: &FreerdpShadow,
    connector: &Connector,
    password: &str,
    flags: RequestFlags,
) -> Result<u32, Error> {
    let tcp = TcpStream::connect(shadow.address()).unwrap();
    let credentials = Credentials::password(AccountName::new(CORP, ALICE), password);
    let mut negotiation = client::NegotiationConfig::default();
    negotiation.flags = flags;
    let (_, complete, selected) =
        connector.connect_rdp(tcp, localhost(), credentials, &negotiation)?;
    // It does not know PROTOCOL_HYBRID_EX, which was offered.
    assert_eq!(selected.protocol, Protocol::Hybrid);
    Ok(complete.version)
}

#[test]
fn logs_on_to_freerdp_with_each_certificate_and_version() {
    if !peer::available(Peer::Freerdp) {
        return;
    }
    for certificate in [
        &[][..],
        &["--certificate", "rsa-4096"],
        &["--certificate", "p-256"],
    ] {
        let shadow = FreerdpShadow::start_with(certificate);
        for tls in VERSIONS {
            for version in 2..=6 {
                let mut config = bare();
                (config.own_version, config.min_version) = (version, version.min(5));
                let connector = Connector::with_trust(config, Trust::default(), tls).unwrap();
                let used = log_on(&shadow, &connector, PASSWORD, RequestFlags::default());
                assert_eq!(used.unwrap(), version);
            }
        }
    }
}

#[test]
fn refusals_by_freerdp_are_told_as_what_they_are() {
    if !peer::available(Peer::Freerdp) {
        return;
    }
    let shadow = FreerdpShadow::start();
    let connector = Connector::new(bare()).unwrap();

    // It only closes.
    let error = log_on(&shadow, &connector, "another", RequestFlags::default()).unwrap_err();
    assert_eq!(
        (error.kind(), error.progress().step),
        ("Closed", Step::PublicKey)
    );
    assert!(error.to_string().contains("password is wrong"), "{error}");

    // It answers SPNEGO with an error, and a token of 12 KB of zeros.
    let spnego = Connector::new(everything()).unwrap();
    let error = log_on(&shadow, &spnego, PASSWORD, RequestFlags::default()).unwrap_err();
    assert_eq!(
        (error.kind(), error.progress().step),
        ("Rejected", Step::Negotiation)
    );

    let flags = RequestFlags::RESTRICTED_ADMIN;
    let Err(Error::Protocol(error)) = log_on(&shadow, &connector, PASSWORD, flags) else {
        panic!("it has no Restricted Admin mode");
    };
    assert!(
        matches!(
            error.error,
            CredSspError::PeerIncompatible(PeerIncompatible::NoRestrictedAdmin)
        ),
        "{error}"
    );

    // For those who ask for nothing special it is there as before.
    log_on(&shadow, &connector, PASSWORD, RequestFlags::default()).unwrap();
}

/// What our server, which knows `account`, makes of xfreerdp, and xfreerdp of our server.
fn serve(
    account: Account,
    password: &str,
    options: &[&str],
) -> (Result<(TsCredentials, server::Accepted), Error>, Xfreerdp) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = address(&listener);
    let acceptor = acceptor(&p256());
    let server = thread::spawn(move || {
        let mut config = server::NegotiationConfig::default();
        config.flags = ResponseFlags::RESTRICTED_ADMIN;
        let (tcp, _) = listener.accept().unwrap();
        // It is asked for once.
        let mut account = Some(account);
        let accepted = acceptor.accept_rdp(
            tcp,
            config,
            |_| Ok(account.take()),
            |_| EarlyUserAuthorization::Success,
        );
        accepted.map(|(_, complete, accepted)| (complete.credentials, accepted))
    });
    let end = Xfreerdp::log_on(address, ALICE, CORP, password, options);
    (server.join().unwrap(), end)
}

/// Behind NLA it goes on with RDP, which our server does not have.
#[test]
fn xfreerdp_delegates_its_password_to_our_server() {
    if !peer::available(Peer::Freerdp) {
        return;
    }
    for (options, restricted_admin, expected) in [
        (&[][..], false, [CORP, ALICE, PASSWORD]),
        (&["/restricted-admin"], true, ["", "", ""]),
    ] {
        let (accepted, end) = serve(Account::password(PASSWORD), PASSWORD, options);
        assert_eq!(end.code, Xfreerdp::CLOSED, "{}", end.stderr);
        let (credentials, accepted) = accepted.unwrap();
        assert_eq!(accepted.selected, Protocol::Hybrid);
        assert_eq!(accepted.cookie.as_deref(), Some(ALICE.as_bytes()));
        assert_eq!(accepted.restricted_admin, restricted_admin);
        assert_eq!(delegated(&credentials), expected);
    }
}

#[track_caller]
fn delegated(credentials: &TsCredentials) -> [&str; 3] {
    let TsCredentials::Password(delegated) = credentials else {
        panic!("no password credentials");
    };
    [
        &delegated.domain_name,
        &delegated.user_name,
        delegated.password.expose(),
    ]
}

/// The client has the NT hash in place of the password, and with that nothing that it could delegate.
#[test]
fn xfreerdp_logs_on_to_our_server_with_a_hash_alone() {
    if !peer::available(Peer::Freerdp) {
        return;
    }
    let nt_hash = || Secret::new(NT_HASH);
    let option = |hash: [u8; 16]| {
        let digits: String = hash.iter().map(|octet| format!("{octet:02x}")).collect();
        format!("/pth:{digits}")
    };
    let right = option(NT_HASH);
    for account in [
        Account::password(PASSWORD),
        Account::nt_hash(nt_hash()),
        Account::candidates([
            Candidate::Password("an older one".into()),
            Candidate::NtHash(nt_hash()),
        ]),
    ] {
        // The client wants a password, if not a right one.
        let (accepted, end) = serve(account, "another", &["/restricted-admin", &right]);
        assert_eq!(end.code, Xfreerdp::CLOSED, "{}", end.stderr);
        let (credentials, accepted) = accepted.unwrap();
        assert!(accepted.restricted_admin);
        assert_eq!(delegated(&credentials), ["", "", ""]);
    }

    let wrong = option([0x5a; 16]);
    for account in [Account::password(PASSWORD), Account::nt_hash(nt_hash())] {
        let (accepted, end) = serve(account, PASSWORD, &["/restricted-admin", &wrong]);
        assert_eq!(accepted.unwrap_err().kind(), "AuthenticationFailed");
        assert_eq!(end.code, 134, "{}", end.stderr);
    }
}

#[test]
fn xfreerdp_understands_each_refusal_of_our_server() {
    if !peer::available(Peer::Freerdp) {
        return;
    }
    let (accepted, end) = serve(Account::password(PASSWORD), "another", &[]);
    assert_eq!(accepted.unwrap_err().kind(), "AuthenticationFailed");
    assert_eq!(end.code, 134, "{}", end.stderr);
    for (status, code) in [
        (0xC000_0234, 135),
        (0xC000_0071, 148),
        (0xC000_0224, 149),
        (0xC000_0072, 151),
        (0xC000_006A, 154),
        (0xC000_0022, 155),
        (0xC000_006E, 156),
        (0xC000_0193, 157),
        (0xC000_015B, 158),
    ] {
        let account = Account::password(PASSWORD).with_status(NtStatus::from_u32(status));
        let (accepted, end) = serve(account, PASSWORD, &[]);
        assert_eq!(accepted.unwrap_err().kind(), "AccountRefused");
        assert_eq!(end.code, code, "{status:08X}: {}", end.stderr);
    }
}
