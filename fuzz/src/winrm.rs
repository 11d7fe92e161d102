//! WinRM: the headers as each end takes them, and bodies in a session that is real.

use std::sync::LazyLock;

use bytes::BytesMut;
use credssp::tls::{Identity, TlsVersions, Trust};
use credssp::winrm::client::{self, Connector};
use credssp::winrm::server::{self, Acceptor, Reply};
use credssp::winrm::{OriginalType, Session};
use credssp::{Account, AccountName, ClientConfig, Credentials, DelegationPolicy, ServerConfig};

const PASSWORD: &str = "Password";
const HOST: &str = "host.example.com";
const CONTENT_TYPE: &[u8] = b"multipart/x-multi-encrypted;\
    protocol=\"application/HTTP-CredSSP-session-encrypted\";boundary=\"b\"";

/// For each version of TLS.
static ENDS: LazyLock<[(Connector, Acceptor); 2]> = LazyLock::new(|| {
    let identity = Identity::self_signed(HOST).expect("a good name");
    [TlsVersions::Tls12, TlsVersions::Tls13].map(|versions| {
        let config = ClientConfig::new(DelegationPolicy::permit_everything());
        let connector = Connector::with_tls_versions(config, Trust::default(), versions);
        let acceptor = Acceptor::with_tls_versions(ServerConfig::default(), &identity, versions);
        (
            connector.expect("it is fit").enable_credssp(),
            acceptor.expect("it is fit").enable_credssp(),
        )
    })
});

fn client(tls13: bool) -> client::NeedsResponse {
    let credentials = Credentials::password(AccountName::new("Domain", "User"), PASSWORD);
    let (connector, _) = &ENDS[usize::from(tls13)];
    connector.start(HOST, credentials).expect("it starts")
}

fn server(tls13: bool) -> server::NeedsRequest {
    ENDS[usize::from(tls13)].1.start().expect("it starts")
}

/// Lines are values of headers: the client takes all of them together, first where the offer is due and then where a token
/// is; the server takes one after the other.
pub fn headers(data: &[u8]) {
    let lines: Vec<_> = data.split(|octet| *octet == b'\n').collect();
    let offered = client(false).process(401, &lines);
    let next = match offered {
        Ok(client::Handshake::NeedsResponse(state)) => state,
        Ok(_) => panic!("a client that has sent nothing is not done"),
        Err(_) => match client(false).process(401, ["CredSSP"]) {
            Ok(client::Handshake::NeedsResponse(state)) => state,
            _ => panic!("the offer"),
        },
    };
    let value = next.authorization().expect("a token");
    assert!(value.starts_with("CredSSP "));
    match next.process(401, &lines) {
        Ok(client::Handshake::NeedsResponse(state)) => assert!(state.authorization().is_some()),
        Ok(_) => panic!("nobody has proved anything"),
        Err(error) => drop(error.to_string()),
    }

    let mut state = server(false);
    for line in lines.iter().take(80) {
        let mut reply = Reply::default();
        let next = state.process(Some(line), &mut reply);
        assert_eq!(reply.status, 401);
        assert!(
            reply
                .www_authenticate
                .is_some_and(|value| value.starts_with("CredSSP"))
        );
        state = match next {
            Ok(server::Handshake::NeedsRequest(state)) => state,
            Ok(_) => panic!("nobody has proved anything"),
            Err(_) => break,
        };
    }
}

fn sessions(tls13: bool) -> (Session, Session) {
    let (mut client, mut server) = (client(tls13), server(tls13));
    loop {
        let mut reply = Reply::default();
        let authorization = client.authorization().map(str::as_bytes);
        let mut next = server
            .process(authorization, &mut reply)
            .expect("good requests");
        if let server::Handshake::NeedsAccount(state) = next {
            let account = Account::password(PASSWORD);
            next = state
                .continue_with(Some(account), &mut reply)
                .expect("the password");
        }
        let answered = client
            .process(reply.status, reply.www_authenticate)
            .expect("good replies");
        match (answered, next) {
            (client::Handshake::NeedsResponse(one), server::Handshake::NeedsRequest(other)) => {
                (client, server) = (one, other);
            }
            (client::Handshake::Complete(one), server::Handshake::Complete(other)) => {
                return (one.session, other.session);
            }
            _ => panic!("both are done at once"),
        }
    }
}

/// A body, in which a zero and a number stand for a record with so many octets: it opens to nothing that was not sealed, in
/// this order. The first octet chooses TLS's version and how the body is cut. Whether it opened.
pub fn body(data: &[u8]) -> bool {
    let Some((first, template)) = data.split_first() else {
        return false;
    };
    let (mut sender, mut receiver) = sessions(first & 1 == 1);
    let (mut body, mut sealed) = (Vec::new(), Vec::new());
    let mut octets = template.iter();
    while let Some(octet) = octets.next() {
        match (octet, octets.as_slice().first()) {
            (0, Some(length @ 1..)) => {
                octets.next();
                let start = sealed.len();
                sealed.extend((0..*length).map(|at| at ^ start.to_le_bytes()[0]));
                body.extend(record(&mut sender, &sealed[start..]));
            }
            _ => body.push(*octet),
        }
    }
    let mut opener = receiver.opener(CONTENT_TYPE, 2000).expect("a good type");
    let mut out = BytesMut::new();
    let failed = body
        .chunks(usize::from(first >> 1).max(1))
        .any(|piece| opener.open(piece, &mut out).is_err());
    let finished = opener.finish();
    assert!(sealed.starts_with(&out) && out.len() <= 2000);
    let opened = !failed && finished.is_ok();
    assert_eq!(receiver.is_open(), opened);
    if !opened {
        let mut out = BytesMut::new();
        assert!(
            receiver
                .seal(&OriginalType::SOAP_UTF_8, b"x", &mut out)
                .is_err()
        );
        assert!(out.is_empty());
    }
    opened
}

/// A record, without what a sealed body has around it.
fn record(session: &mut Session, plaintext: &[u8]) -> Vec<u8> {
    const HEAD: &[u8] = b"application/octet-stream\r\n";
    const END: &[u8] = b"--Encrypted Boundary--\r\n";
    let mut sealed = BytesMut::new();
    session
        .seal(&OriginalType::SOAP_UTF_8, plaintext, &mut sealed)
        .expect("an open session");
    let head = sealed
        .windows(HEAD.len())
        .position(|window| window == HEAD)
        .expect("a head");
    sealed[head + HEAD.len() + 4..sealed.len() - END.len()].to_vec()
}

/// Names and contents of seeds for the headers.
pub fn header_seeds() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("offer", b"CredSSP".to_vec()),
        (
            "among-others",
            b"Negotiate\nBasic realm=\"WSMAN, CredSSP AAAA\", CredSSP, Kerberos".to_vec(),
        ),
        ("token", b"CredSSP FgMDAAIBAA==".to_vec()),
        ("empty", b"CredSSP \ncredssp".to_vec()),
    ]
}

/// Names and contents of seeds for bodies, each of which opens.
pub fn body_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let part = |length: u8, octets: &[u8]| {
        let head = format!(
            "--b\r\n\tContent-Type: application/HTTP-CredSSP-session-encrypted\r\n\
             \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n\
             --b\r\n\tContent-Type: application/octet-stream\r\n"
        );
        [head.as_bytes(), b"abcd", octets].concat()
    };
    let end = b"--b--\r\n";
    vec![
        ("one-part", [&b"\xff"[..], &part(4, b"\0\x04"), end].concat()),
        ("two-parts", [&b"\xfe"[..], &part(200, b"\0\xc8"), &part(1, b"\0\x01"), end].concat()),
        ("two-records", [&b"\x05"[..], &part(3, b"\0\x01\0\x02"), end].concat()),
        (
            "as-others-write-it",
            [&b"\xff"[..], b"-- b\r\ncontent-type:application/http-credssp-session-encrypted\r\n\
              OriginalContent: text/plain;Length=4\r\n--b\r\nContent-Type: application/octet-stream\r\n\
              abcd\0\x04\r\n--b--"].concat(),
        ),
    ]
}
