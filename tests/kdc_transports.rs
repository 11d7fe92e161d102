//! Ways to KDCs: a real one, and servers that are dead, slow or lie; blocking and asynchronous.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // in what the tests share

mod kdcs;
mod peer;

use std::io::Write as _;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use credssp::kdc::{KdcAddress, KdcLocator};
use credssp::kerberos::asn1::MAX_LEN;
use credssp::stream::kdc::KdcClient;
use kdcs::{
    PATIENCE, REALM, REPLY, RESPONSE_TOO_BIG, SVC_UNAVAILABLE, Stub, WAYS, address, client, dead,
    framed, krb_error, logs_on, read_request, request, same_port,
};
use peer::{MitKdc, Peer};

#[test]
fn logs_on_at_a_real_kdc_over_tcp_and_udp() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    for ask in WAYS {
        for (protocol, udp_limit) in [
            ("tcp/", 0),
            ("udp/", 0),
            ("", 0),
            ("", KdcClient::UDP_PREFERENCE_LIMIT),
        ] {
            let client = client([address(protocol, kdc.address())]).with_udp(udp_limit);
            assert!(logs_on(ask, &client), "{protocol} {udp_limit}");
        }
    }
}

#[test]
fn goes_on_to_the_next_kdc_and_stays_there() {
    for ask in WAYS {
        let busy = Stub::answering(framed(&krb_error(SVC_UNAVAILABLE)));
        let good = Stub::good();
        let client = client([dead(), busy.at, good.at].map(|at| address("", at)));
        for _ in 0..3 {
            assert_eq!(ask(&client, &request()).unwrap(), REPLY);
        }
        assert_eq!((busy.asked(), good.asked()), (1, 3));
    }
}

#[test]
fn goes_back_to_the_others_where_the_one_that_answered_is_gone() {
    for ask in WAYS {
        let (socket, listener) = same_port();
        let mortal = Stub::udp_on(socket, |socket, count, sender| {
            if count == 1 {
                socket.send_to(REPLY, sender).unwrap();
            }
        });
        let client = client([address("", mortal.at)]).with_udp(100);
        assert_eq!(ask(&client, &request()).unwrap(), REPLY);
        // Where the datagram is lost, an address that leaves the choice is asked over TCP.
        let _tcp = Stub::tcp_on(listener, |stream| {
            read_request(stream);
            stream.write_all(&framed(b"another reply")).unwrap();
        });
        assert_eq!(ask(&client, &request()).unwrap(), b"another reply");
        assert_eq!(mortal.asked(), 2);
    }
}

#[test]
fn any_other_error_is_the_answer() {
    const C_PRINCIPAL_UNKNOWN: u8 = 6;
    for ask in WAYS {
        let [first, second] = [krb_error(C_PRINCIPAL_UNKNOWN), REPLY.to_vec()]
            .map(|reply| Stub::answering(framed(&reply)));
        let client = client([first.at, second.at].map(|at| address("", at)));
        let expected = krb_error(C_PRINCIPAL_UNKNOWN);
        assert_eq!(ask(&client, &request()).unwrap(), expected);
        assert_eq!(second.asked(), 0);
    }
}

#[test]
fn says_what_is_wrong_with_a_reply_and_asks_the_next() {
    let too_long = u32::try_from(MAX_LEN + 1).unwrap().to_be_bytes();
    let cut = "closed before a whole reply";
    for (octets, fault) in [
        (vec![], cut),
        (vec![0, 0, 0], cut),
        (framed(REPLY)[..9].to_vec(), cut),
        (vec![0, 0, 0, 0], "it is empty"),
        (vec![0x80, 0, 0, 1, 0], "the reserved bit"),
        (too_long.to_vec(), "1048577 octets are announced"),
        (
            framed(&krb_error(SVC_UNAVAILABLE)),
            "KDC_ERR_SVC_UNAVAILABLE (29)",
        ),
    ] {
        for ask in WAYS {
            let bad = Stub::answering(octets.clone());
            let error = ask(&client([address("tcp/", bad.at)]), &request()).unwrap_err();
            assert_eq!(&*error.realm, REALM);
            let at = format!("tcp/{0} (TCP to {0})", bad.at);
            assert!(error.reason.starts_with(&at), "{error}");
            assert!(error.reason.contains(fault), "{error}");

            let good = Stub::good();
            let client = client([bad.at, good.at].map(|at| address("", at)));
            assert_eq!(ask(&client, &request()).unwrap(), REPLY);
        }
    }
}

#[test]
fn reads_the_longest_reply_and_octet_by_octet() {
    for ask in WAYS {
        let longest = vec![7; MAX_LEN];
        let stub = Stub::answering(framed(&longest));
        assert!(ask(&client([address("", stub.at)]), &request()).unwrap() == longest);

        let stub = Stub::tcp(|stream| {
            read_request(stream);
            for octet in framed(REPLY) {
                stream.write_all(&[octet]).unwrap();
                thread::sleep(Duration::from_millis(5));
            }
        });
        let reply = ask(&client([address("", stub.at)]), &request());
        assert_eq!(reply.unwrap(), REPLY);
    }
}

#[test]
fn waits_for_no_server_longer_than_it_may() {
    let silent = Stub::tcp(|_| thread::sleep(Duration::from_secs(20)));
    // Each octet comes in time, but not the last one.
    let dripping = Stub::tcp(|stream| {
        let _ = stream.write_all(&[0, 1]);
        while stream.write_all(&[0]).is_ok() {
            thread::sleep(PATIENCE / 8);
        }
    });
    for ask in WAYS {
        let good = Stub::good();
        let both = client([silent.at, dripping.at, good.at].map(|at| address("", at)));
        let began = Instant::now();
        assert_eq!(ask(&both, &request()).unwrap(), REPLY);
        assert!((2 * PATIENCE..4 * PATIENCE).contains(&began.elapsed()));

        let impatient = client([silent.at, silent.at, good.at].map(|at| address("tcp/", at)))
            .with_timeout(PATIENCE * 3 / 2);
        let began = Instant::now();
        let error = ask(&impatient, &request()).unwrap_err();
        assert!((PATIENCE..2 * PATIENCE).contains(&began.elapsed()));
        assert!(error.reason.contains("no answer after 0.4 s"), "{error}");
        assert!(error.reason.contains("the time was over"), "{error}");
    }
}

#[test]
fn fetches_over_tcp_what_is_too_long_for_a_datagram() {
    for ask in WAYS {
        let (socket, listener) = same_port();
        let udp = Stub::udp_on(socket, |socket, _, sender| {
            socket
                .send_to(&krb_error(RESPONSE_TOO_BIG), sender)
                .unwrap();
        });
        let tcp = Stub::tcp_on(listener, |stream| {
            read_request(stream);
            stream.write_all(&framed(REPLY)).unwrap();
        });
        let client = client([address("udp/", udp.at)]);
        assert_eq!(ask(&client, &request()).unwrap(), REPLY);
        assert_eq!((udp.asked(), tcp.asked()), (1, 1));
    }
}

#[test]
fn sends_a_datagram_again_and_hears_nobody_else() {
    for ask in WAYS {
        let deaf = Stub::udp(|_, count, sender| {
            let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            stranger.send_to(b"a forgery", sender).unwrap();
            assert!(count <= 3);
        });
        let slow = Stub::udp(|socket, count, sender| {
            if count == 3 {
                socket.send_to(REPLY, sender).unwrap();
            }
        });
        let both = client([deaf.at, slow.at].map(|at| address("udp/", at)));
        assert_eq!(ask(&both, &request()).unwrap(), REPLY);
        assert_eq!((deaf.asked(), slow.asked()), (3, 3));

        let error = ask(&client([address("udp/", dead())]), &request()).unwrap_err();
        assert!(error.reason.contains("refused"), "{error}");
    }
}

#[test]
fn prefers_udp_up_to_a_length_only() {
    for ask in WAYS {
        let length = request().message.len();
        for (limit, datagrams) in [(0, 0), (length - 1, 0), (length, 1)] {
            let (socket, listener) = same_port();
            let udp = Stub::udp_on(socket, |socket, _, sender| {
                socket.send_to(REPLY, sender).unwrap();
            });
            let _tcp = Stub::tcp_on(listener, |stream| {
                read_request(stream);
                stream.write_all(&framed(REPLY)).unwrap();
            });
            let client = client([address("", udp.at)]).with_udp(limit);
            assert_eq!(ask(&client, &request()).unwrap(), REPLY);
            assert_eq!(udp.asked(), datagrams);
        }
    }
}

/// Knows one realm.
#[derive(Debug)]
struct Directory(KdcAddress);

impl KdcLocator for Directory {
    fn locate(&self, realm: &str) -> Vec<KdcAddress> {
        Vec::from_iter((realm == REALM).then(|| self.0.clone()))
    }
}

#[test]
fn asks_the_realms_own_addresses_then_those_for_all_then_locators() {
    for ask in WAYS {
        let [own, every, located] = [b"1", b"2", b"3"].map(|reply| Stub::answering(framed(reply)));
        let [own, every, located] = [own.at, every.at, located.at].map(|at| address("", at));
        let locator = || std::sync::Arc::new(Directory(located.clone()));

        let client = || KdcClient::default().with_locator(locator());
        assert_eq!(ask(&client(), &request()).unwrap(), b"3");
        let client = || client().with_every_realm([every.clone()]);
        assert_eq!(ask(&client(), &request()).unwrap(), b"2");
        let client = client().with_realm("test.example", [own.clone()]);
        assert_eq!(ask(&client, &request()).unwrap(), b"1");

        let nobody = KdcClient::default().with_locator(std::sync::Arc::new(Directory(every)));
        let mut elsewhere = request();
        elsewhere.realm = "ELSEWHERE".into();
        let error = ask(&nobody, &elsewhere).unwrap_err();
        assert_eq!(&*error.realm, "ELSEWHERE");
        assert!(error.reason.contains("with_realm"), "{error}");
    }
}

#[test]
fn resolves_names_and_says_where_one_leads_nowhere() {
    for ask in WAYS {
        let good = Stub::good();
        let port = good.at.port();
        let named = |name: &str| format!("{name}:{port}").parse::<KdcAddress>().unwrap();
        let client = client([named("kdc.invalid"), named("localhost")]);
        assert_eq!(ask(&client, &request()).unwrap(), REPLY);

        let lost = kdcs::client([named("kdc.invalid")]);
        let error = ask(&lost, &request()).unwrap_err();
        assert!(error.reason.starts_with("kdc.invalid:"), "{error}");
        assert!(error.reason.contains("check these addresses"), "{error}");
    }
}
