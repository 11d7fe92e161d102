//! Remote Desktop's negotiation and early user authorization with a peer that is written from the specification and does
//! TLS and CredSSP by pyspnego: our client with its server, its client with our server, by both drivers.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod ours;
mod peer;
mod remote_desktop;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use credssp::error::{NegotiationFailure, PeerIncompatible, PeerMisbehaved, Step};
use credssp::rdp::{
    EarlyUserAuthorization, Protocol, Protocols, RequestFlags, ResponseFlags, Routing, client,
    server,
};
use credssp::stream::Error;
use credssp::{Account, AccountName, Credentials, Error as CredSspError};
use ours::delegated::{assert_password, password};
use ours::{OurClient, OurServer, PASSWORD, accept_within_patience, credentials, runtime, target};
use peer::{Peer, PyspnegoServer};
use remote_desktop::{offering, protocol_error, supporting};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[derive(Clone, Copy, Debug)]
enum Driver {
    Blocking,
    Tokio,
}

const DRIVERS: [Driver; 2] = [Driver::Blocking, Driver::Tokio];

/// What the peer says behind CredSSP, and hears.
const TALK: [&str; 4] = ["--say", "pong", "--hear", "4"];

/// The peer's server, for so many connections.
fn serve(count: usize, options: &[&str]) -> PyspnegoServer {
    let count = count.to_string();
    let account = format!(r"CORP\alice:{PASSWORD}");
    let common = ["--trace", "--account", &account, "--count", &count];
    PyspnegoServer::start(&[&common, options].concat())
}

/// Our client's logon, up to the application's data both ways.
fn log_on(
    driver: Driver,
    server: SocketAddr,
    credentials: Credentials,
    negotiation: &client::NegotiationConfig<'_>,
) -> Result<client::Selected, Error> {
    let connector = OurClient::default().connector();
    let mut heard = [0; 4];
    let selected = match driver {
        Driver::Blocking => {
            let tcp = TcpStream::connect(server).unwrap();
            let (mut stream, _, selected) =
                connector.connect_rdp(tcp, target(), credentials, negotiation)?;
            stream.write_all(b"ping").unwrap();
            stream.read_exact(&mut heard).unwrap();
            selected
        }
        Driver::Tokio => runtime().block_on(async {
            let tcp = tokio::net::TcpStream::connect(server).await.unwrap();
            let connected = connector.connect_rdp_async(tcp, target(), credentials, negotiation);
            let (mut stream, _, selected) = connected.await?;
            stream.write_all(b"ping").await.unwrap();
            stream.flush().await.unwrap();
            stream.read_exact(&mut heard).await.unwrap();
            Ok::<_, Error>(selected)
        })?,
    };
    assert_eq!(&heard, b"pong");
    Ok(selected)
}

#[test]
fn our_client_goes_on_behind_the_authorization() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    for (supported, has_ex) in [("hybrid", false), ("hybrid-ex", true)] {
        let mut server = serve(4, &[&["--rdp", supported][..], &TALK].concat());
        for driver in DRIVERS {
            for offered in [false, true] {
                let mut negotiation = offering(offered);
                negotiation.routing = Routing::cookie(b"alice");
                let selected = log_on(driver, server.address(), credentials(), &negotiation);
                let (expected, number) = if offered && has_ex {
                    (Protocol::HybridEx, 8)
                } else {
                    (Protocol::Hybrid, 2)
                };
                assert_eq!(selected.unwrap().protocol, expected);
                let told = server.outcome();
                assert_eq!(
                    told["rdp"],
                    json!({
                        "cookie": "alice",
                        "requested": if offered { 11 } else { 3 },
                        "flags": 0,
                        "selected": number,
                    })
                );
                assert_eq!(
                    [&told["ok"], &told["heard"], &told["credentials"]],
                    [
                        &json!(true),
                        &json!("ping"),
                        &password("CORP", "alice", PASSWORD)
                    ],
                    "{told}"
                );
            }
        }
    }
}

/// Four TLS records of one octet each, in TCP pieces of one octet each.
#[test]
fn the_authorization_may_come_octet_by_octet() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let pieces = ["--rdp", "hybrid-ex", "--chunk", "1", "--record", "1"];
    let mut server = serve(2, &[&pieces[..], &TALK].concat());
    for driver in DRIVERS {
        let selected = log_on(driver, server.address(), credentials(), &offering(true));
        assert_eq!(selected.unwrap().protocol, Protocol::HybridEx);
        assert_eq!(server.outcome()["heard"], json!("ping"));

        let success = EarlyUserAuthorization::Success;
        let options = [&pieces[..], &TALKING].concat();
        let (served, told) = meet(driver, supporting(true), success, &options);
        assert_eq!(served.unwrap().1.selected, Protocol::HybridEx);
        assert_eq!(told["heard"], json!("pong"));
    }
}

#[test]
fn our_client_is_told_that_its_user_may_not_log_on() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let denying = ["--rdp", "hybrid-ex", "--early", "5"];
    let mut server = serve(2, &denying);
    for driver in DRIVERS {
        let result = log_on(driver, server.address(), credentials(), &offering(true));
        let (error, step) = protocol_error(result);
        assert!(
            matches!(error, CredSspError::EarlyAuthorizationDenied),
            "{error}"
        );
        assert_eq!(step, Step::EarlyAuthorization);
        // It had the credentials before.
        assert_eq!(
            server.outcome()["credentials"],
            password("CORP", "alice", PASSWORD)
        );
    }
}

#[test]
fn our_client_takes_no_other_number_for_an_authorization() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    for number in ["1", "0x80000005", "0x05000000", "0xffffffff"] {
        let mut server = serve(
            2,
            &["--rdp", "hybrid-ex", "--early", number, "--say", "pong"],
        );
        for driver in DRIVERS {
            let result = log_on(driver, server.address(), credentials(), &offering(true));
            let (error, step) = protocol_error(result);
            assert_eq!(
                (error.kind(), step),
                ("InvalidMessage", Step::EarlyAuthorization),
                "{number}: {error}"
            );
            assert_eq!(server.outcome()["ok"], json!(true));
        }
    }
}

#[test]
fn our_client_understands_each_refusal_of_the_negotiation() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    // They take their time to start, so they start together.
    let servers: Vec<_> = (1..=6)
        .map(|code: u32| {
            let text = code.to_string();
            let options = ["--rdp", "hybrid-ex", "--neg-failure", &text];
            (code, serve(2, &options))
        })
        .collect();
    for (code, mut server) in servers {
        for driver in DRIVERS {
            let result = log_on(driver, server.address(), credentials(), &offering(true));
            let (error, step) = protocol_error(result);
            let failure = NegotiationFailure::from_u32(code);
            assert!(
                matches!(error, CredSspError::ConnectionRefused(found) if found == failure),
                "{error}"
            );
            assert!(error.to_string().contains(failure.name().unwrap()));
            assert_eq!(step, Step::SecurityProtocol);
            // Behind its request, we said nothing.
            assert_eq!(server.outcome()["behind"], json!(""));
        }
    }
}

#[test]
fn our_client_goes_no_further_with_a_protocol_that_it_did_not_request() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    for (selected, offered) in [(1, true), (4, true), (16, true), (8, false)] {
        let number = selected.to_string();
        let mut server = serve(2, &["--rdp", "hybrid-ex", "--select", &number]);
        for driver in DRIVERS {
            let result = log_on(driver, server.address(), credentials(), &offering(offered));
            let (error, step) = protocol_error(result);
            let told = server.outcome();
            if selected == 1 {
                // PROTOCOL_SSL was requested, as the specification recommends, but will not do.
                assert!(
                    matches!(
                        error,
                        CredSspError::PeerIncompatible(PeerIncompatible::NoCredSsp)
                    ),
                    "{error}"
                );
            } else {
                assert!(
                    matches!(
                        error,
                        CredSspError::PeerMisbehaved(PeerMisbehaved::SelectedUnrequestedProtocol)
                    ),
                    "{error}"
                );
            }
            assert_eq!(step, Step::SecurityProtocol);
            // The server waits for TLS or for nothing: neither has come.
            assert_eq!([&told["ok"], &told["tls"]], [&json!(false), &Value::Null]);
            if selected == 8 {
                assert_eq!(told["error"], json!("PeerClosed"), "{told}");
            } else {
                assert_eq!(told["behind"], json!(""), "{told}");
            }
        }
    }
}

#[test]
fn our_client_delegates_nothing_in_restricted_admin_mode() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let mut negotiation = offering(true);
    negotiation.flags = RequestFlags::RESTRICTED_ADMIN;
    let options = [&["--rdp", "hybrid-ex", "--restricted-admin"][..], &TALK].concat();
    let mut able = serve(2, &options);
    let mut unable = serve(2, &["--rdp", "hybrid-ex"]);
    for driver in DRIVERS {
        log_on(driver, able.address(), credentials(), &negotiation).unwrap();
        let told = able.outcome();
        assert_eq!(told["credentials"], password("", "", ""));
        assert_eq!(
            [&told["rdp"]["flags"], &told["account"]],
            [&json!(1), &json!(r"CORP\alice")]
        );

        let result = log_on(driver, unable.address(), credentials(), &negotiation);
        let (error, _) = protocol_error(result);
        assert!(
            matches!(
                error,
                CredSspError::PeerIncompatible(PeerIncompatible::NoRestrictedAdmin)
            ),
            "{error}"
        );
        let told = unable.outcome();
        assert_eq!([&told["ok"], &told["tls"]], [&json!(false), &Value::Null]);
    }
}

#[test]
fn our_client_with_a_wrong_password_does_not_come_to_the_authorization() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let mut server = serve(2, &["--rdp", "hybrid-ex"]);
    for driver in DRIVERS {
        let wrong = Credentials::password(AccountName::new("CORP", "alice"), "another");
        let result = log_on(driver, server.address(), wrong, &offering(true));
        assert_eq!(protocol_error(result).0.kind(), "Rejected");
        let told = server.outcome();
        assert_eq!(
            [&told["ok"], &told["credentials"]],
            [&json!(false), &Value::Null]
        );
    }
}

/// How our server fared, up to the application's data both ways.
type Served = Result<(credssp::server::Complete, server::Accepted), Error>;

/// Our server and the peer's client.
fn meet(
    driver: Driver,
    config: server::NegotiationConfig,
    result: EarlyUserAuthorization,
    options: &[&str],
) -> (Served, Value) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut client = ours::client(listener.local_addr().unwrap(), options);
    let ours = thread::spawn(move || {
        let tcp = accept_within_patience(&listener);
        let acceptor = OurServer::default().acceptor();
        let account = || Ok(Some(Account::password(PASSWORD)));
        let authorize = |_: &_| result;
        let mut heard = [0; 4];
        let served = match driver {
            Driver::Blocking => {
                let (mut stream, complete, accepted) =
                    acceptor.accept_rdp(tcp, config, |_| account(), authorize)?;
                stream.write_all(b"pong").unwrap();
                stream.read_exact(&mut heard).unwrap();
                (complete, accepted)
            }
            Driver::Tokio => runtime().block_on(async {
                tcp.set_nonblocking(true).unwrap();
                let tcp = tokio::net::TcpStream::from_std(tcp).unwrap();
                let lookup = |_| async { account() };
                let accepted = acceptor.accept_rdp_async(tcp, config, lookup, authorize);
                let (mut stream, complete, accepted) = accepted.await?;
                stream.write_all(b"pong").await.unwrap();
                stream.flush().await.unwrap();
                stream.read_exact(&mut heard).await.unwrap();
                Ok::<_, Error>((complete, accepted))
            })?,
        };
        assert_eq!(&heard, b"ping");
        Ok(served)
    });
    let told = client.outcome();
    (ours.join().unwrap(), told)
}

const TALKING: [&str; 4] = ["--say", "ping", "--hear", "4"];

#[test]
fn our_server_authorizes_the_user_where_the_client_waits_for_it() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    for driver in DRIVERS {
        for (offered, requested) in [("hybrid", 3), ("hybrid-ex", 11)] {
            for supported in [false, true] {
                let (served, told) = meet(
                    driver,
                    supporting(supported),
                    EarlyUserAuthorization::Success,
                    &[&["--rdp", offered][..], &TALKING].concat(),
                );
                let (complete, accepted) = served.unwrap();
                let is_ex = supported && offered == "hybrid-ex";
                let (selected, number) = if is_ex {
                    (Protocol::HybridEx, 8)
                } else {
                    (Protocol::Hybrid, 2)
                };
                assert_eq!(accepted.selected, selected);
                assert_eq!(accepted.requested, Protocols::from_bits(requested));
                assert_eq!(accepted.cookie.as_deref(), Some(&b"alice"[..]));
                assert_password(&complete.credentials, "CORP", "alice", PASSWORD);
                assert_eq!(told["rdp"], json!({"selected": number, "flags": 0}));
                let early = if is_ex { json!(0) } else { Value::Null };
                assert_eq!(
                    [&told["ok"], &told["early"], &told["heard"]],
                    [&json!(true), &early, &json!("pong")],
                    "{told}"
                );
            }
        }
    }
}

#[test]
fn our_server_tells_a_user_who_may_not_log_on() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    for driver in DRIVERS {
        for (offered, early) in [("hybrid-ex", json!(5)), ("hybrid", Value::Null)] {
            let (served, told) = meet(
                driver,
                supporting(true),
                EarlyUserAuthorization::AccessDenied,
                &[&["--rdp", offered][..], &TALKING].concat(),
            );
            let (error, step) = protocol_error(served);
            assert!(
                matches!(error, CredSspError::EarlyAuthorizationDenied),
                "{error}"
            );
            assert_eq!(step, Step::EarlyAuthorization);
            assert_eq!([&told["ok"], &told["early"]], [&json!(false), &early]);
            let cause = match early {
                // Closed in due form, with nothing before.
                Value::Null => ("PeerClosed", "TLS was closed"),
                _ => ("Refused", "early user authorization is 5"),
            };
            assert_eq!(told["error"], json!(cause.0), "{told}");
            assert!(
                told["message"].as_str().unwrap().starts_with(cause.1),
                "{told}"
            );
        }
    }
}

#[test]
fn our_server_takes_empty_credentials_in_restricted_admin_mode() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    let options = [&["--rdp", "hybrid-ex", "--restricted-admin"][..], &TALKING].concat();
    for driver in DRIVERS {
        let mut config = supporting(true);
        config.flags = ResponseFlags::RESTRICTED_ADMIN;
        let success = EarlyUserAuthorization::Success;
        let (served, told) = meet(driver, config, success, &options);
        let (complete, accepted) = served.unwrap();
        assert!(accepted.restricted_admin);
        assert_password(&complete.credentials, "", "", "");
        assert_eq!(told["rdp"], json!({"selected": 8, "flags": 8}));

        let (served, told) = meet(driver, supporting(true), success, &options);
        let error = served.unwrap_err();
        assert_eq!((error.kind(), error.progress().step), ("Closed", Step::Tls));
        assert_eq!(told["message"], json!("no Restricted Admin mode"));
    }
}

#[test]
fn our_server_tells_of_a_wrong_password_by_its_error_code() {
    if !peer::available(Peer::Pyspnego) {
        return;
    }
    for driver in DRIVERS {
        let (served, told) = meet(
            driver,
            supporting(true),
            EarlyUserAuthorization::Success,
            &["--rdp", "hybrid-ex", "--password", "another"],
        );
        assert_eq!(protocol_error(served).0.kind(), "AuthenticationFailed");
        assert_eq!(
            [&told["early"], &told["status"]],
            [&Value::Null, &json!("C000006D")],
            "{told}"
        );
    }
}
