//! Peers that break the negotiation, or do not come to its end: each driver gives up in time, for the right reason, and has
//! told them no more than it had to.

use std::thread;

use credssp::error::{InvalidMessageKind, PeerMisbehaved};

use super::*;

#[derive(Clone, Copy, Debug)]
enum Driver {
    Blocking,
    #[cfg(feature = "tokio")]
    Tokio,
}

const DRIVERS: &[Driver] = &[
    Driver::Blocking,
    #[cfg(feature = "tokio")]
    Driver::Tokio,
];

/// More than any refusal takes, and less than the deadline.
const AT_ONCE: Duration = Duration::from_secs(10);

impl Driver {
    fn connect(self, tcp: TcpStream, timeout: Duration) -> Result<(), Error> {
        let connector = connector().with_timeout(timeout);
        let negotiation = offering(true);
        match self {
            Self::Blocking => connector
                .connect_rdp(tcp, localhost(), credentials(), &negotiation)
                .map(drop),
            #[cfg(feature = "tokio")]
            Self::Tokio => run(async {
                let tcp = asynchronous::asynchronous(tcp);
                let connected =
                    connector.connect_rdp_async(tcp, localhost(), credentials(), &negotiation);
                connected.await.map(drop)
            }),
        }
    }

    fn accept(self, tcp: TcpStream, timeout: Duration) -> Result<(), Error> {
        let acceptor = acceptor(&p256()).with_timeout(timeout);
        let config = supporting(true);
        let authorize = |_: &_| EarlyUserAuthorization::Success;
        match self {
            Self::Blocking => acceptor
                .accept_rdp(tcp, config, look_up, authorize)
                .map(drop),
            #[cfg(feature = "tokio")]
            Self::Tokio => run(async {
                let tcp = asynchronous::asynchronous(tcp);
                let lookup = |request| async move { look_up(&request) };
                let accepted = acceptor.accept_rdp_async(tcp, config, lookup, authorize);
                accepted.await.map(drop)
            }),
        }
    }
}

#[cfg(feature = "tokio")]
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

/// What a server makes of a client that says `words` and waits, and what the client hears.
fn accept(driver: Driver, words: &[u8]) -> (CredSspError, Vec<u8>) {
    let (mut client, tcp) = sockets();
    client.write_all(words).unwrap();
    let started = Instant::now();
    let (error, step) = protocol_error(driver.accept(tcp, PATIENCE));
    assert!(started.elapsed() < AT_ONCE, "{driver:?}: {words:x?}");
    assert_eq!(step, Step::SecurityProtocol, "{driver:?}: {error}");
    (error, rest(&mut client))
}

/// What a client makes of a server that says `words` and waits, and what the server hears.
fn connect(driver: Driver, words: &[u8]) -> (CredSspError, Vec<u8>) {
    let (tcp, mut server) = sockets();
    server.write_all(words).unwrap();
    let started = Instant::now();
    let (error, step) = protocol_error(driver.connect(tcp, PATIENCE));
    assert!(started.elapsed() < AT_ONCE, "{driver:?}: {words:x?}");
    assert_eq!(step, Step::SecurityProtocol, "{driver:?}: {error}");
    (error, rest(&mut server))
}

/// Each octet of our client's request.
const REQUEST: [u8; 19] = [
    3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 0x0b, 0, 0, 0,
];

/// An X.224 message with this code and body, and headers that fit it.
fn framed(code: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len() + 11).unwrap();
    let header = [3, 0, 0, length, length - 5, code, 0, 0, 0, 0, 0];
    [&header, body].concat()
}

#[test]
fn a_server_says_nothing_to_a_request_that_it_cannot_read() {
    const NEG_REQ: [u8; 8] = [1, 0, 8, 0, 0x0b, 0, 0, 0];
    let info = [&[6, 0, 36, 0][..], &[9; 16], &[0; 16]].concat();
    let flagged = [1, 8, 8, 0, 0x0b, 0, 0, 0];
    let request = |parts: &[&[u8]]| framed(0xe0, &parts.concat());
    for (words, expected) in [
        // Too short, though it has what it says that it has; and too long, which its header tells.
        (
            vec![3, 0, 0, 10, 5, 0xe0, 0, 0, 0, 0],
            InvalidMessageKind::BadValue,
        ),
        (vec![3, 0, 0xff, 0xff], InvalidMessageKind::TooLarge),
        // Other lengths than each other's.
        (
            vec![3, 0, 0, 11, 7, 0xe0, 0, 0, 0, 0, 0],
            InvalidMessageKind::BadValue,
        ),
        (
            vec![2, 0, 0, 11, 6, 0xe0, 0, 0, 0, 0, 0],
            InvalidMessageKind::BadEncoding,
        ),
        // Cookies without end.
        (
            request(&[b"Cookie: mstshash=alice"]),
            InvalidMessageKind::Truncated,
        ),
        (
            request(&[b"Cookie: mstshash=alice\r", &NEG_REQ]),
            InvalidMessageKind::Truncated,
        ),
        (
            request(&[b"Cookie: mstshash=", &[b'a'; 220]]),
            InvalidMessageKind::Truncated,
        ),
        // The flag without what it announces, that without the flag, and both, but too short.
        (request(&[&flagged]), InvalidMessageKind::MissingField),
        (
            request(&[&NEG_REQ, &info]),
            InvalidMessageKind::TrailingData,
        ),
        (
            request(&[&flagged, &info[..35]]),
            InvalidMessageKind::Truncated,
        ),
        // A confirm, and a request twice.
        (framed(0xd0, &NEG_REQ), InvalidMessageKind::BadEncoding),
        (
            request(&[&NEG_REQ, &NEG_REQ]),
            InvalidMessageKind::TrailingData,
        ),
    ] {
        for driver in DRIVERS {
            let (error, told) = accept(*driver, &words);
            let CredSspError::InvalidMessage(invalid) = &error else {
                panic!("{driver:?}: {words:x?}: {error}");
            };
            assert_eq!(invalid.kind, expected, "{driver:?}: {words:x?}");
            assert_eq!(told, b"", "{driver:?}: {words:x?}");
        }
    }
}

/// All that it announces does come, and is not read.
#[test]
fn a_request_of_64_kib_is_refused_by_its_header() {
    for driver in DRIVERS {
        let (mut client, tcp) = sockets();
        let flood = thread::spawn(move || {
            let words = [&[3, 0, 0xff, 0xff][..], &[0xe0; 65_531]].concat();
            // It may be cut off on the way.
            let _ = client.write_all(&words);
            rest(&mut client)
        });
        let (error, _) = protocol_error(driver.accept(tcp, PATIENCE));
        let CredSspError::InvalidMessage(invalid) = &error else {
            panic!("{driver:?}: {error}");
        };
        assert_eq!(invalid.kind, InvalidMessageKind::TooLarge, "{driver:?}");
        assert_eq!(flood.join().unwrap(), b"");
    }
}

/// The user has not been asked for yet, and TLS has not begun: all that there is to hear is the refusal.
#[test]
fn a_client_of_old_is_told_no_more_than_that_credssp_is_needed() {
    let refusal = [
        3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 3, 0, 8, 0, 5, 0, 0, 0,
    ];
    for (words, expected) in [
        (framed(0xe0, &[]), &[][..]),
        (framed(0xe0, b"Cookie: mstshash=alice\r\n"), &[]),
        (framed(0xe0, &[1, 0, 8, 0, 0, 0, 0, 0]), &refusal),
        (framed(0xe0, &[1, 0, 8, 0, 0x15, 0, 0, 0]), &refusal),
    ] {
        for driver in DRIVERS {
            let (error, told) = accept(*driver, &words);
            assert!(
                matches!(
                    error,
                    CredSspError::PeerIncompatible(PeerIncompatible::NoCredSsp)
                ),
                "{driver:?}: {error}"
            );
            assert_eq!(told, expected, "{driver:?}: {words:x?}");
        }
    }
}

#[test]
fn a_client_says_nothing_to_an_answer_that_it_cannot_read() {
    for (words, expected) in [
        (
            vec![3, 0, 0, 10, 5, 0xd0, 0, 0, 0, 0],
            InvalidMessageKind::BadValue,
        ),
        (vec![3, 0, 0xff, 0xff], InvalidMessageKind::TooLarge),
        // TLS at once.
        (
            b"\x16\x03\x03\0\x7a".to_vec(),
            InvalidMessageKind::BadEncoding,
        ),
        // Two protocols, one that there is not, none of the structures, a failure with flags, half of a response.
        (
            framed(0xd0, &[2, 0, 8, 0, 0x0a, 0, 0, 0]),
            InvalidMessageKind::BadValue,
        ),
        (
            framed(0xd0, &[2, 0, 8, 0, 0x20, 0, 0, 0]),
            InvalidMessageKind::BadValue,
        ),
        (
            framed(0xd0, &[4, 0, 8, 0, 2, 0, 0, 0]),
            InvalidMessageKind::BadEncoding,
        ),
        (
            framed(0xd0, &[3, 1, 8, 0, 5, 0, 0, 0]),
            InvalidMessageKind::BadValue,
        ),
        (framed(0xd0, &[2, 0, 8, 0]), InvalidMessageKind::Truncated),
        (
            framed(0xe0, &[2, 0, 8, 0, 2, 0, 0, 0]),
            InvalidMessageKind::BadEncoding,
        ),
    ] {
        for driver in DRIVERS {
            let (error, told) = connect(*driver, &words);
            let CredSspError::InvalidMessage(invalid) = &error else {
                panic!("{driver:?}: {words:x?}: {error}");
            };
            assert_eq!(invalid.kind, expected, "{driver:?}: {words:x?}");
            assert_eq!(told, REQUEST, "{driver:?}: {words:x?}");
        }
    }
}

#[test]
fn a_client_goes_no_further_with_a_server_that_does_not_do_what_it_asks() {
    let selected = |number| framed(0xd0, &[2, 0x1f, 8, 0, number, 0, 0, 0]);
    type Check = fn(&CredSspError) -> bool;
    let no_credssp: Check = |error| {
        matches!(
            error,
            CredSspError::PeerIncompatible(PeerIncompatible::NoCredSsp)
        )
    };
    let unrequested: Check = |error| {
        matches!(
            error,
            CredSspError::PeerMisbehaved(PeerMisbehaved::SelectedUnrequestedProtocol)
        )
    };
    for (words, check) in [
        (framed(0xd0, &[]), no_credssp),
        (selected(0), no_credssp),
        (selected(1), no_credssp),
        (selected(4), unrequested),
        (selected(0x10), unrequested),
    ] {
        for driver in DRIVERS {
            let (error, told) = connect(*driver, &words);
            assert!(check(&error), "{driver:?}: {words:x?}: {error}");
            assert_eq!(told, REQUEST, "{driver:?}: {words:x?}");
        }
    }
    for code in 0..=7 {
        for driver in DRIVERS {
            let (error, told) = connect(*driver, &framed(0xd0, &[3, 0, 8, 0, code, 0, 0, 0]));
            let failure = NegotiationFailure::from_u32(code.into());
            assert!(
                matches!(error, CredSspError::ConnectionRefused(found) if found == failure),
                "{driver:?}: {error}"
            );
            assert_eq!(told, REQUEST, "{driver:?}: {code}");
        }
    }
}

/// The credentials are gone by then, but nothing follows them.
#[test]
fn an_authorization_that_is_neither_yes_nor_no_is_an_error() {
    for words in [&[1, 0, 0, 0], &[0, 0, 0, 5], &[5, 0, 0, 0x80], &[0xff; 4]] {
        for driver in DRIVERS {
            let (tcp, server) = saying(words);
            let (error, step) = protocol_error(driver.connect(tcp, PATIENCE));
            let CredSspError::InvalidMessage(invalid) = &error else {
                panic!("{driver:?}: {words:x?}: {error}");
            };
            assert_eq!(invalid.kind, InvalidMessageKind::BadValue);
            assert_eq!(step, Step::EarlyAuthorization);
            assert_eq!(rest(&mut server.join().unwrap()), b"", "{driver:?}");
        }
    }
}

#[test]
fn an_authorization_that_does_not_come_whole_is_an_error() {
    for words in [&b""[..], b"\0\0\0"] {
        for driver in DRIVERS {
            let (tcp, server) = saying(words);
            let error = driver.connect(tcp, PATIENCE).unwrap_err();
            assert_eq!(
                (error.kind(), error.progress().step),
                ("Closed", Step::EarlyAuthorization),
                "{driver:?}"
            );
            assert_eq!(rest(&mut server.join().unwrap()), b"", "{driver:?}");
        }
    }
}

#[test]
fn whoever_says_nothing_or_too_little_is_not_waited_for_beyond_the_deadline() {
    for driver in DRIVERS {
        for words in [&[][..], &[3, 0, 0], &[3, 0, 0, 19, 14, 0xe0]] {
            let (mut client, tcp) = sockets();
            client.write_all(words).unwrap();
            let started = Instant::now();
            timed_out(started, driver.accept(tcp, SHORT));
            assert_eq!(rest(&mut client), b"", "{driver:?}: {words:x?}");

            let (tcp, mut server) = sockets();
            server.write_all(words).unwrap();
            let started = Instant::now();
            timed_out(started, driver.connect(tcp, SHORT));
            assert_eq!(rest(&mut server), REQUEST, "{driver:?}: {words:x?}");
        }
    }
}

/// Each octet is in time, and all of them would not be.
#[test]
fn whoever_drips_is_not_waited_for_beyond_the_deadline() {
    for driver in DRIVERS {
        let (mut client, tcp) = sockets();
        let drip = thread::spawn(move || {
            for octet in framed(0xe0, &[b'a'; 200]) {
                if client.write_all(&[octet]).is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(40));
            }
            rest(&mut client)
        });
        timed_out(Instant::now(), driver.accept(tcp, SHORT));
        assert_eq!(drip.join().unwrap(), b"", "{driver:?}");
    }
}

#[test]
fn whoever_closes_in_the_middle_has_closed() {
    for driver in DRIVERS {
        for words in [&[][..], &[3, 0, 0], &[3, 0, 0, 19, 14, 0xe0]] {
            let (mut client, tcp) = sockets();
            client.write_all(words).unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let error = driver.accept(tcp, PATIENCE).unwrap_err();
            assert_eq!(
                (error.kind(), error.progress().step),
                ("Closed", Step::SecurityProtocol)
            );
            assert_eq!(rest(&mut client), b"", "{driver:?}: {words:x?}");
        }
    }
}
