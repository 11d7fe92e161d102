//! What passes through the gateway, between this library's two ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use bytes::BytesMut;
use credssp::credentials::TsCredentials;
use credssp::rdp::{EarlyUserAuthorization, Protocol, client, server};
use credssp::stream::blocking;
use credssp::tls::server_public_key;
use credssp::{Account, AccountName, Client, Credentials};

use crate::connect_pdu::{self, connect_initial, connect_response};
use crate::loopback::raw::{self, Appending};
use crate::loopback::{
    ClientStream, PATIENCE, ServerStream, acceptor, connector, everything, localhost, p256,
};
use crate::peer::{self, MitKdc, Peer};
use crate::programs::{ACCOUNT, PASSWORD, Server};
use crate::remote_desktop::{offering, supporting};

/// A target in this process, for one connection.
pub(crate) struct Target {
    address: String,
    thread: JoinHandle<(ServerStream, TsCredentials, server::Accepted)>,
}

impl Target {
    pub(crate) fn start(hybrid_ex: bool, password: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let acceptor = acceptor(&p256());
        let thread = thread::spawn(move || {
            let (tcp, _) = listener.accept().unwrap();
            tcp.set_nodelay(true).unwrap();
            let (stream, complete, accepted) = acceptor
                .accept_rdp(
                    tcp,
                    supporting(hybrid_ex),
                    |_| Ok(Some(Account::password(password))),
                    |_| EarlyUserAuthorization::Success,
                )
                .unwrap();
            stream.sock.set_read_timeout(Some(PATIENCE)).unwrap();
            (stream, complete.credentials, accepted)
        });
        Self { address, thread }
    }

    pub(crate) fn gateway(&self, options: &[&str]) -> Server {
        let options = [&["--target", &*self.address][..], options].concat();
        Server::start_program("rdp_gateway", &options)
    }

    /// Once the gateway has logged on.
    pub(crate) fn accepted(self) -> (ServerStream, TsCredentials, server::Accepted) {
        self.thread.join().unwrap()
    }
}

pub(crate) fn tcp(gateway: &Server) -> TcpStream {
    let tcp = TcpStream::connect(&gateway.address).unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp
}

pub(crate) fn credentials() -> Credentials {
    Credentials::password(ACCOUNT.parse().unwrap(), PASSWORD)
}

pub(crate) fn connect(gateway: &Server, hybrid_ex: bool) -> (ClientStream, client::Selected) {
    let (stream, _, selected) = connector()
        .connect_rdp(
            tcp(gateway),
            localhost(),
            credentials(),
            &offering(hybrid_ex),
        )
        .unwrap();
    stream.sock.set_read_timeout(Some(PATIENCE)).unwrap();
    (stream, selected)
}

#[track_caller]
pub(crate) fn expect(stream: &mut impl Read, octets: &[u8]) {
    let mut heard = vec![0; octets.len()];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(heard, octets);
}

#[test]
fn credentials_and_what_is_said_behind_them_pass_through() {
    for (here, there) in [(true, true), (true, false), (false, true), (false, false)] {
        let target = Target::start(there, PASSWORD);
        let gateway = target.gateway(&[]);
        let (mut client, selected) = connect(&gateway, here);
        let (mut target, delegated, accepted) = target.accepted();
        let TsCredentials::Password(delegated) = delegated else {
            panic!("{delegated:?}");
        };
        let account = AccountName::new(&delegated.domain_name, &delegated.user_name);
        assert_eq!(account.to_string(), ACCOUNT);
        assert_eq!(delegated.password.expose(), PASSWORD);
        let protocol = [Protocol::Hybrid, Protocol::HybridEx];
        assert_eq!(selected.protocol, protocol[usize::from(here)]);
        assert_eq!(accepted.selected, protocol[usize::from(there)]);

        // Each repeats what was negotiated with the gateway, and hears of what it negotiated itself; nothing else changes.
        let initial = |protocol| connect_initial(Some(protocol));
        client.write_all(&initial(selected.protocol)).unwrap();
        let heard = connect_pdu::read(&mut target);
        assert_eq!(heard, initial(accepted.selected));
        assert_eq!(
            connect_pdu::selected(&heard),
            Some(accepted.selected.to_u32())
        );
        let response = |protocols| connect_response(Some(protocols));
        target.write_all(&response(accepted.requested)).unwrap();
        let heard = connect_pdu::read(&mut client);
        assert_eq!(heard, response(selected.requested));
        assert_eq!(
            connect_pdu::requested(&heard),
            Some(selected.requested.bits())
        );

        // From then on anything goes, in any amount, and both at once.
        let much: Vec<u8> = (0..=u8::MAX).cycle().take(300_000).collect();
        let sent = much.clone();
        let end = thread::spawn(move || {
            target.write_all(&sent).unwrap();
            target.flush().unwrap();
            expect(&mut target, b"\x03\x00\x00\x04");
            target.conn.send_close_notify();
            let _ = target.flush();
        });
        client.write_all(b"\x03\x00\x00\x04").unwrap();
        client.flush().unwrap();
        expect(&mut client, &much);
        // The target closes, and so does the gateway, in due form.
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
        end.join().unwrap();

        let line = gateway.line();
        assert_eq!(line["verdict"], "completed", "{line}");
        assert_eq!(line["end"], "the target closed the connection");
        let octets = connect_response(Some(accepted.requested)).len() + much.len();
        assert_eq!(line["octets"]["to_client"], octets);
    }
}

/// Whoever vanishes, as without a cable, says no word of it.
#[cfg(target_os = "linux")]
#[test]
fn an_end_that_vanishes_is_noticed() {
    let target = Target::start(true, PASSWORD);
    let gateway = target.gateway(&[]);
    let (client, _) = connect(&gateway, true);
    let (target, ..) = target.accepted();
    // `local_address` and `rem_address`, in hexadecimal with the port behind, `st`, and later `tr`, the timer: 2 is keepalive's.
    let asked = |ends: [u16; 2]| {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let ends = ends.map(|port| format!("0100007F:{port:04X}")).join(" ");
        let line = table.lines().find(|line| line.contains(&ends)).unwrap();
        line.split_whitespace().nth(5).unwrap().starts_with("02:")
    };
    for peer in [&client.sock, &target.sock] {
        let [gateways, peers] =
            [peer.peer_addr(), peer.local_addr()].map(|address| address.unwrap().port());
        // Until all that was sent has been acknowledged, the timer is another.
        let begin = std::time::Instant::now();
        while !asked([gateways, peers]) {
            assert!(begin.elapsed() < PATIENCE);
            thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

/// As BER permits, and as no client is known to do.
#[test]
fn lengths_may_be_longer_than_they_have_to_be() {
    let target = Target::start(false, PASSWORD);
    let gateway = target.gateway(&[]);
    let (mut client, selected) = connect(&gateway, true);
    let (mut target, _, accepted) = target.accepted();
    // The length of the whole is the first, in two octets.
    let lengthen = |mut message: Vec<u8>| {
        let old = message.splice(9..10, [0x84, 0, 0]).next();
        assert_eq!(old, Some(0x82));
        let length = u16::try_from(message.len()).unwrap();
        message.splice(2..4, length.to_be_bytes());
        message
    };
    let initial = |protocol| lengthen(connect_initial(Some(protocol)));
    client.write_all(&initial(selected.protocol)).unwrap();
    expect(&mut target, &initial(accepted.selected));
}

/// Clients of long ago say nothing of what was selected, nor do their servers.
#[test]
fn messages_that_repeat_nothing_pass_as_they_are() {
    let target = Target::start(false, PASSWORD);
    let gateway = target.gateway(&[]);
    let (mut client, _) = connect(&gateway, true);
    let (mut target, ..) = target.accepted();
    client.write_all(&connect_initial(None)).unwrap();
    expect(&mut target, &connect_initial(None));
    target.write_all(&connect_response(None)).unwrap();
    expect(&mut client, &connect_response(None));
}

#[test]
fn a_session_that_begins_in_the_record_of_the_credentials_loses_nothing() {
    let target = Target::start(false, PASSWORD);
    let gateway = target.gateway(&[]);

    let mut sock = tcp(&gateway);
    let (mut out, mut input) = (BytesMut::new(), BytesMut::new());
    let state = client::start(&offering(false), &mut out).unwrap();
    sock.write_all(&out).unwrap();
    input.extend_from_slice(&connect_pdu::read(&mut sock));
    let client::Negotiation::Complete(selected) = state.process(&mut input).unwrap() else {
        panic!("the answer was whole");
    };
    let stream = raw::client(raw::client_config(rustls::ALL_VERSIONS), sock);
    let key = server_public_key(&stream.conn.peer_certificates().unwrap()[0]).unwrap();
    let client = Client::new(everything(), localhost(), credentials(), key);
    let initial = connect_initial(Some(selected.protocol));
    let mut stream = Appending {
        stream,
        // Two tokens go before the credentials.
        after: 2,
        data: [&initial[..], b"more"].concat().leak(),
    };
    blocking::authenticate(&mut stream, client).unwrap();

    let (mut target, _, accepted) = target.accepted();
    expect(&mut target, &initial);
    let response = connect_response(Some(selected.requested));
    target
        .write_all(&connect_response(Some(accepted.requested)))
        .unwrap();
    expect(&mut stream, &response);
    expect(&mut target, b"more");
}

#[test]
fn injected_credentials_go_to_the_target_and_nowhere_else() {
    const INJECTED: &str = "injected:canary";
    let target = Target::start(true, INJECTED);
    let inject = format!(r"CORP\service:{INJECTED}");
    let gateway = target.gateway(&["--inject", &inject]);
    let (client, _) = connect(&gateway, true);
    let (_, delegated, _) = target.accepted();
    let TsCredentials::Password(delegated) = delegated else {
        panic!("{delegated:?}");
    };
    let delegated = [
        &*delegated.domain_name,
        &delegated.user_name,
        delegated.password.expose(),
    ];
    assert_eq!(delegated, ["CORP", "service", INJECTED]);
    drop(client);
    let line = gateway.line();
    assert_eq!(
        (&line["verdict"], &line["kind"]),
        (&"session-failed".into(), &"Closed".into())
    );
    let error = line["error"].as_str().unwrap();
    assert!(error.contains("the client ended the connection"), "{line}");
    assert_eq!(line["account"], ACCOUNT);
    assert_eq!(line["target_logon"]["account"], r"CORP\service");
    let told = format!("{line}{}", gateway.stop());
    for secret in [INJECTED, PASSWORD] {
        assert!(!told.contains(secret), "{told}");
    }
}

/// With what the client has delegated, of whose account the KDC knows the password too.
#[test]
fn the_target_may_be_proved_by_kerberos() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    let (address, keytab) = (kdc.address().to_string(), kdc.path("service.keytab"));
    let target = Server::start(&["--rdp", "--keytab", keytab.to_str().unwrap()]);
    let account = format!(r"{}\alice", MitKdc::REALM);
    let known = format!("{account}:{}", MitKdc::PASSWORD);
    let spn = "TERMSRV/server.test.example";
    let options = ["--account", &known, "--kdc", &address, "--spn", spn];
    let gateway = Server::start_program(
        "rdp_gateway",
        &[&["--target", &target.address][..], &options].concat(),
    );
    let credentials = Credentials::password(account.parse().unwrap(), MitKdc::PASSWORD);
    let negotiation = client::NegotiationConfig::default();
    connector()
        .connect_rdp(tcp(&gateway), localhost(), credentials, &negotiation)
        .unwrap();
    let line = target.line();
    assert_eq!(
        (&line["ok"], &line["account"]),
        (&true.into(), &(&*account).into())
    );
    let logon = &gateway.line()["target_logon"];
    assert_eq!(
        (&logon["mechanism"], &logon["proof"]),
        (&"kerberos".into(), &"Kerberos".into())
    );
}
