//! Connections that fail, end or stall.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use bytes::BytesMut;
use credssp::error::NtStatus;
use credssp::tls::{Acceptor, Identity};
use credssp::ts_request::TsRequest;
use credssp::{Account, ServerConfig};
use rustls::{ServerConnection, StreamOwned};

use crate::programs::{
    CREDENTIALS, NTLM_ONLY, PASSWORD, Run, Server, TLS, certificate_for, client,
    client_without_password, example,
};

type TlsStream = StreamOwned<ServerConnection, TcpStream>;

#[test]
fn a_tls_alert_is_a_refusal_by_the_peer() {
    let server = Server::start(&["--tls", "1.3"]);
    let run = server.client(&[&NTLM_ONLY[..], &["--tls", "1.2"]].concat());
    run.failure(
        1,
        "Tls",
        TLS,
        "the two ends share no TLS version or cipher suite",
    );
    server.failure("Tls", TLS, None);
}

#[test]
fn a_server_that_is_not_there_is_the_transports_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let hangs_up = thread::spawn(move || drop(listener.accept().unwrap()));
    client(&address, &NTLM_ONLY).failure(3, "Closed", TLS, "the peer closed the connection");
    hangs_up.join().unwrap();
    // The listener is gone with its thread.
    client(&address, &NTLM_ONLY).failure(3, "Io", "connection", "check host and port");
}

#[test]
fn a_server_that_cannot_listen_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let run = Run::of(example("server").args(["--listen", &address, "--account", "a:b"]));
    assert_eq!((run.status, &*run.stdout), (3, ""), "{run:?}");
    assert!(
        run.stderr
            .contains("give an address of this machine and a port that is free"),
        "{run:?}"
    );
}

#[test]
fn a_server_for_one_client_ends_with_it() {
    for (password, status) in [(PASSWORD, 0), ("wrong", 1)] {
        let mut server = Server::start(&["--once"]);
        let mut command = client_without_password(&server.address, &NTLM_ONLY);
        Run::of(command.args(["--password", password])).line(status);
        assert_eq!(server.wait(), status);
    }
}

#[test]
fn a_silent_client_does_not_keep_others_waiting() {
    let server = Server::start(&[]);
    let silent = TcpStream::connect(&server.address).unwrap();
    server.client(&NTLM_ONLY).line(0);
    assert_eq!(server.line()["ok"], true);
    drop(silent);
    server.failure("Closed", TLS, None);
}

#[test]
fn a_refusal_of_the_credentials_themselves_counts() {
    let refuse_by_error_code = |stream: &mut TlsStream| {
        let mut request = TsRequest::new(6);
        request.error_code = Some(NtStatus::LOGON_TYPE_NOT_GRANTED);
        let mut message = BytesMut::new();
        request.encode(&mut message);
        stream.write_all(&message).unwrap();
    };
    let run = against(refuse_by_error_code);
    run.failure(1, "Rejected", CREDENTIALS, "STATUS_LOGON_TYPE_NOT_GRANTED");

    // rustls sends no alert on demand, but answers what it cannot decrypt with one.
    let refuse_by_alert = |stream: &mut TlsStream| {
        let record = [&[0x17, 3, 3, 0, 32][..], &[0; 32]].concat();
        stream.conn.read_tls(&mut &*record).unwrap();
        stream.conn.process_new_packets().unwrap_err();
        stream.conn.write_tls(&mut stream.sock).unwrap();
    };
    against(refuse_by_alert).failure(1, "Tls", CREDENTIALS, "bad_record_mac (20)");

    // The application's own data, silence, and the end of the connection, are none.
    against(|stream| stream.write_all(b"220 ready\r\n").unwrap()).line(0);
    against(|stream| assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0)).line(0);
    against(|_| ()).line(0);
}

/// What a client makes of a server that accepts its credentials, and then does something.
fn against(then: impl FnOnce(&mut TlsStream) + Send) -> Run {
    let made = certificate_for("localhost");
    let key = made.signing_key.serialize_pem();
    let identity = Identity::from_pem(made.cert.pem().as_bytes(), key.as_bytes()).unwrap();
    let acceptor = Acceptor::new(ServerConfig::default(), &identity).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (tcp, _) = listener.accept().unwrap();
            let lookup = |_: &_| Ok(Some(Account::password(PASSWORD)));
            then(&mut acceptor.accept(tcp, lookup).unwrap().0);
        });
        client(&address, &NTLM_ONLY)
    })
}
