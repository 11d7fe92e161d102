//! What nobody may see: passwords, hashes and keys, in `Debug`, in errors and in tracing's events.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[cfg(all(feature = "kerberos", feature = "tokio"))]
mod logon;
mod loopback;
mod pair;
#[cfg(all(feature = "kerberos", feature = "tokio"))]
mod peer;

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use credssp::credentials::{
    TsCredentials, TsCspDataDetail, TsRemoteGuardCreds, TsRemoteGuardPackageCred, TsSmartCardCreds,
};
use credssp::environment::{Environment, GetRandomFailed, Random};
use credssp::error::NtStatus;
use credssp::tls::{Acceptor, Connector, Identity};
use credssp::ts_request::ServerPublicKey;
use credssp::{Account, Client, Credentials, Secret, Server, ServerConfig};
use hmac::{Hmac, KeyInit, Mac};
use md4::{Digest, Md4};
use md5::Md5;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use loopback::{connector, credentials, localhost, p256, spawn};
use pair::{PASSWORD, Pair, Peer, Side, State, alice};

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The ways in which bytes may show.
fn spellings(bytes: &[u8]) -> Vec<String> {
    let hex = |separator: &str, upper: bool| {
        let digits = bytes.iter().map(|byte| {
            if upper {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            }
        });
        digits.collect::<Vec<_>>().join(separator)
    };
    let decimal: Vec<_> = bytes.iter().map(u8::to_string).collect();
    let short_hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:x}")).collect();
    let mut spellings = vec![
        decimal.join(", "),
        decimal.join(","),
        decimal.join(" "),
        short_hex.join(", "),
        bytes.escape_ascii().to_string(),
        String::from_utf8_lossy(bytes).into_owned(),
    ];
    for separator in ["", " ", ":", ", ", ", 0x", "\\x"] {
        spellings.extend([hex(separator, false), hex(separator, true)]);
    }
    spellings
}

/// Fails where `text` holds one of the secrets, or a good part of one, in any spelling.
#[track_caller]
fn assert_keeps(secrets: &[(&str, Vec<u8>)], what: &str, text: &str) {
    // The pretty form of a list has a line for each of its numbers.
    let lines = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, secret) in secrets {
        let part = secret.len().min(8);
        let parts = [&secret[..], &secret[..part], &secret[secret.len() - part..]];
        for part in parts {
            for spelling in spellings(part) {
                assert!(
                    !text.contains(&spelling) && !lines.contains(&spelling),
                    "{what} shows {name} as {spelling}: {text}"
                );
            }
        }
    }
}

/// Collects every event, of every level.
#[derive(Clone, Debug, Default)]
struct Capture(Arc<Mutex<String>>);

impl Capture {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// Runs `code`, and collects what it says.
    fn during<T>(&self, code: impl FnOnce() -> T) -> T {
        tracing::subscriber::with_default(self.clone(), code)
    }
}

impl Subscriber for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Text(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Text(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        event.record(&mut Text(&mut text));
        text.push('\n');
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

/// Hands on random bytes, and remembers them.
#[derive(Debug)]
struct Remembering {
    inner: Arc<dyn Random>,
    given: Mutex<Vec<Vec<u8>>>,
}

impl Random for Remembering {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        self.inner.fill(buffer)?;
        self.given.lock().unwrap().push(buffer.to_vec());
        Ok(())
    }
}

fn hmac_md5(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Md5>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// Everything secret about alice's logon: what is so from the beginning, and what the exchange made of it.
fn secrets(
    nt_proof_str: Option<&[u8]>,
    exported_session_key: Option<&[u8]>,
) -> Vec<(&'static str, Vec<u8>)> {
    let nt_hash = Md4::digest(utf16(PASSWORD)).to_vec();
    let response_key = hmac_md5(&nt_hash, &utf16("ALICECORP"));
    let mut secrets = vec![
        ("the password", PASSWORD.as_bytes().to_vec()),
        ("the password in UTF-16", utf16(PASSWORD)),
        ("the NT hash", nt_hash),
        ("NTOWFv2", response_key.clone()),
    ];
    if let Some(proof) = nt_proof_str {
        secrets.push(("NTProofStr", proof.to_vec()));
        secrets.push(("SessionBaseKey", hmac_md5(&response_key, proof)));
    }
    if let Some(key) = exported_session_key {
        secrets.push(("ExportedSessionKey", key.to_vec()));
        for (name, direction, purpose) in [
            ("the client's signing key", "client-to-server", "signing"),
            ("the client's sealing key", "client-to-server", "sealing"),
            ("the server's signing key", "server-to-client", "signing"),
            ("the server's sealing key", "server-to-client", "sealing"),
        ] {
            let magic = format!("session key to {direction} {purpose} key magic constant\0");
            let derived = Md5::digest([key, magic.as_bytes()].concat());
            secrets.push((name, derived.to_vec()));
        }
    }
    secrets
}

/// NTProofStr in an AUTHENTICATE_MESSAGE that stands anywhere in `token`.
fn nt_proof_str(token: &[u8]) -> Vec<u8> {
    let start = token
        .windows(8)
        .position(|window| window == b"NTLMSSP\0")
        .unwrap();
    let message = &token[start..];
    let offset = u32::from_le_bytes(message[24..28].try_into().unwrap());
    let offset = usize::try_from(offset).unwrap();
    message[offset..offset + 16].to_vec()
}

#[test]
fn a_handshake_says_much_and_no_secret() {
    for mut pair in [Pair::bare(), Pair::spnego()] {
        // A first run tells the keys; the second one draws the same.
        let random = Arc::new(Remembering {
            inner: pair::environment(1).random,
            given: Mutex::default(),
        });
        let mut config = pair.client.clone();
        config.environment = Environment::new(pair::environment(1).time, random.clone());
        let capture = Capture::default();
        let (sent, debugs) = capture.during(|| {
            let mut debugs = Vec::new();
            let mut out = bytes::BytesMut::new();
            let client = Client::new(
                config.clone(),
                pair.target.clone(),
                pair.credentials.clone(),
                pair.client_key.clone(),
            );
            debugs.push(format!("{client:?} {client:#?} {config:?}"));
            let mut state = client.start(&mut out).unwrap();
            let mut server = pair.started_server();
            let mut sent = Vec::new();
            while !out.is_empty() {
                debugs.push(format!("{state:?} {state:#?} {server:?}"));
                sent.push(out.split().to_vec());
                server.feed(sent.last().unwrap());
                let Some(answer) = server.next_message() else {
                    break;
                };
                let credssp::client::Handshake::NeedsInput(waiting) = state else {
                    panic!("{state:?}");
                };
                let mut input = bytes::BytesMut::from(&answer.bytes[..]);
                state = waiting.process(&mut input, &mut out).unwrap();
            }
            let State::ServerComplete(complete) = &server.state else {
                panic!("{server:?}");
            };
            debugs.push(format!("{state:?} {complete:?} {complete:#?}"));
            (sent, debugs)
        });
        let proof = nt_proof_str(&sent[1]);
        // Client challenge, exported session key, nonce.
        let given = random.given.lock().unwrap().clone();
        let exported: Vec<_> = given.iter().filter(|bytes| bytes.len() == 16).collect();
        assert_eq!(exported.len(), 1, "{given:x?}");
        let secrets = secrets(Some(&proof), Some(exported[0]));
        // The control: these are the keys indeed. The message that they protect carries the key encrypted.
        assert!(sent[1].windows(16).any(|window| window == proof));

        let events = capture.text();
        assert!(events.contains("delegated the credentials"), "{events}");
        assert!(events.contains("received the credentials"), "{events}");
        assert!(events.lines().count() > 10);
        assert_keeps(&secrets, "tracing", &events);
        for debug in &debugs {
            assert_keeps(&secrets, "Debug", debug);
        }
        // Nor do tokens show, which are as good as the password for who has time to guess.
        for bytes in &sent {
            assert_keeps(&[("a message", bytes.clone())], "tracing", &events);
        }

        // The look-up sees the response, and does not show it.
        pair.accounts = |request| {
            let (text, pretty) = (format!("{request:?}"), format!("{request:#?}"));
            let response = request
                .ntlm
                .as_ref()
                .unwrap()
                .nt_challenge_response
                .to_vec();
            for text in [text, pretty] {
                assert!(text.contains("alice"), "{text}");
                assert_keeps(&[("NtChallengeResponse", response.clone())], "Debug", &text);
            }
            Some(Account::password(PASSWORD))
        };
        pair.run().complete();
    }
}

#[test]
fn a_failure_says_much_and_no_secret() {
    let failing: [fn(&mut Pair); 6] = [
        |pair| pair.accounts = |_| Some(Account::password("Zxcvb-0ther")),
        |pair| pair.accounts = |_| None,
        |pair| pair.client_key = ServerPublicKey::from_subject_public_key(&[4; 65]),
        |pair| {
            pair.accounts = |_| {
                let account = Account::password(PASSWORD);
                Some(account.with_status(NtStatus::ACCOUNT_DISABLED))
            };
        },
        |pair| pair.server.own_version = 2,
        |pair| pair.client.policy = credssp::DelegationPolicy::default(),
    ];
    for fail in failing {
        for mut pair in [Pair::bare(), Pair::spnego()] {
            fail(&mut pair);
            if pair.server.own_version == 2 {
                pair.server.min_version = 2;
            }
            let capture = Capture::default();
            let outcome = capture.during(|| pair.run());
            let mut secrets = secrets(
                outcome
                    .from(Side::Client)
                    .get(1)
                    .map(|message| nt_proof_str(&message.bytes))
                    .as_deref(),
                None,
            );
            secrets.push(("the other password", b"Zxcvb-0ther".to_vec()));
            let events = capture.text();
            assert!(events.contains("the handshake failed"), "{events}");
            assert_keeps(&secrets, "tracing", &events);
            let describe = |peer: &Peer| match &peer.state {
                State::Failed(error) => format!("{error} {error:?} {error:#?}"),
                other => format!("{other:?}"),
            };
            for peer in [&outcome.client, &outcome.server] {
                assert_keeps(&secrets, "an error", &describe(peer));
            }
        }
    }
}

#[cfg(all(feature = "kerberos", feature = "tokio"))]
#[test]
fn kerberos_says_much_and_no_secret() {
    use credssp::kerberos::acceptor::ServiceCredentials;
    use credssp::kerberos::keytab::Keytab;
    use credssp::stream::files::read_keytab;
    use peer::MitKdc;

    if !peer::available(peer::Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    let file = kdc.path("service.keytab");
    let mut secrets = vec![
        ("the password", logon::PASSWORD.into()),
        ("the other password", b"Zxcvb-0ther".to_vec()),
    ];
    let keytab = read_keytab(&file).unwrap();
    for entry in &keytab.entries {
        secrets.push(("a service's key", entry.key.expose().to_vec()));
    }
    let failing: [fn(&mut logon::Logon); 4] = [
        |_| {},
        |logon| logon.password = "Zxcvb-0ther".to_owned(),
        |logon| {
            let keyless = ServiceCredentials::new(Keytab::parse(&[5, 2]).unwrap());
            logon.acceptor = Some(Arc::new(keyless));
        },
        |logon| logon.clocks = (0, 1000),
    ];
    for (number, fail) in failing.iter().enumerate() {
        let service = "TERMSRV/server.test.example";
        let mut logon = logon::Logon::new(kdc.address(), &file, r"TEST.EXAMPLE\alice", service);
        fail(&mut logon);
        let capture = Capture::default();
        let outcome = capture.during(|| logon.run_async());
        let (client, server) = (&outcome.client, &outcome.server);
        assert_eq!((client.is_ok(), server.is_ok()), (number == 0, number == 0));
        let events = capture.text();
        let last = ["delegated the credentials", "the handshake failed"];
        assert!(events.contains(last[number.min(1)]), "{events}");
        assert_keeps(&secrets, "tracing", &events);
        let acceptor = &logon.acceptor;
        assert_keeps(
            &secrets,
            "Debug",
            &format!("{outcome:?} {outcome:#?} {acceptor:?} {acceptor:#?}"),
        );
    }
}

/// What was sealed well and does not parse is a credential all the same.
#[test]
fn credentials_that_do_not_parse_are_not_shown() {
    let mut pair = Pair::with_mechanisms(
        vec![pair::toy::Toy::kerberos(1)],
        vec![pair::toy::Toy::kerberos(1)],
    );
    pair.client.negotiation = credssp::mechanism::Negotiation::Bare;
    let sealed = pair.run().sent[2].decode().auth_info.unwrap();
    let capture = Capture::default();
    for at in 4..sealed.len() {
        let outcome = capture.during(|| {
            pair.run_with(|message| {
                message.change(|fields| {
                    if let Some(sealed) = &mut fields.auth_info {
                        sealed[at] ^= 0x5f;
                    }
                })
            })
        });
        if let State::Failed(error) = &outcome.server.state {
            assert_keeps(
                &secrets(None, None),
                "an error",
                &format!("{error} {error:?}"),
            );
        }
    }
    assert_keeps(&secrets(None, None), "tracing", &capture.text());
}

#[test]
fn the_parts_show_no_secret() {
    let hash: [u8; 16] = Md4::digest(utf16(PASSWORD)).into();
    let card = TsSmartCardCreds::new(PASSWORD, TsCspDataDetail::new(1));
    let guard = TsRemoteGuardCreds::new(TsRemoteGuardPackageCred::new("NTLM", hash.to_vec()));
    let parts: Vec<Box<dyn fmt::Debug>> = vec![
        Box::new(credentials()),
        Box::new(credentials().delegating(card.into())),
        Box::new(Credentials::nt_hash(
            alice(),
            Secret::new(hash),
            guard.into(),
        )),
        Box::new(Account::password(PASSWORD)),
        Box::new(Account::nt_hash(Secret::new(hash))),
        Box::new(Account::verified(Secret::new(hash))),
        Box::new(Secret::<str>::from(PASSWORD)),
        Box::new(Secret::<[u8]>::from(&hash[..])),
        Box::new(Secret::new(hash)),
    ];
    for part in &parts {
        for text in [format!("{part:?}"), format!("{part:#?}")] {
            assert!(text.contains("Secret(..)"), "{text}");
            assert_keeps(&secrets(None, None), "Debug", &text);
        }
    }
    // The control: the search would find them.
    for (name, secret) in secrets(None, None) {
        for text in [
            format!("{secret:?}"),
            format!("{secret:x?}"),
            String::from_utf8_lossy(&secret).into_owned(),
        ] {
            let found = spellings(&secret)
                .iter()
                .any(|spelling| text.contains(spelling));
            assert!(found, "{name}: {text}");
        }
    }
}

#[test]
fn over_tls_nothing_shows_either() {
    let capture = Capture::default();
    for password in [PASSWORD, "Zxcvb-0ther"] {
        let (acceptor, quiet) = (loopback::acceptor(&p256()), capture.clone());
        let (tcp, server) = spawn(move |tcp| {
            quiet.during(|| {
                let result = acceptor.accept(tcp, loopback::look_up);
                let error = result.as_ref().err().map(ToString::to_string);
                let complete = result.ok().map(|(_, complete)| format!("{complete:#?}"));
                format!("{error:?} {complete:?}")
            })
        });
        let credentials = Credentials::password(alice(), password);
        let client = capture.during(|| {
            let result = connector().connect(tcp, localhost(), credentials);
            let complete = result.as_ref().ok().map(|(_, complete)| complete);
            format!("{complete:?} {:?}", result.as_ref().err())
        });
        let server = server.join().unwrap();
        let mut secrets = secrets(None, None);
        secrets.push(("the other password", b"Zxcvb-0ther".to_vec()));
        assert_keeps(&secrets, "Debug", &client);
        assert_keeps(&secrets, "Debug", &server);
        assert_keeps(&secrets, "tracing", &capture.text());
    }
    assert!(capture.text().contains("the handshake failed"));
}

#[test]
fn private_keys_do_not_show() {
    let rsa = include_bytes!("data/test-only-rsa2048.pem");
    let issued = loopback::Issued::new(&["localhost"]);
    let ec_key = issued.key.serialize_der();
    let keys = [
        (
            Identity::from_pem(rsa, rsa).unwrap(),
            PrivateKeyDer::from_pem_slice(rsa).unwrap().secret_der()[600..664].to_vec(),
        ),
        // The scalar in a PKCS #8 file.
        (issued.self_signed(), ec_key[36..68].to_vec()),
    ];
    for (identity, key) in keys {
        let acceptor = Acceptor::new(ServerConfig::default(), &identity).unwrap();
        let connector: Connector = connector();
        let server = Server::new(ServerConfig::default(), identity.public_key().clone());
        let text = format!("{identity:?} {acceptor:?} {acceptor:#?} {connector:?} {server:?}");
        assert_keeps(&[("a private key", key)], "Debug", &text);
    }
}

/// What a server hands to its application shows who it is about, and nothing else.
#[test]
fn delegated_credentials_show_their_account_only() {
    let (_, complete) = Pair::bare().run().complete();
    let text = format!("{complete:?}");
    assert!(text.contains("alice") && text.contains("CORP"), "{text}");
    assert!(matches!(complete.credentials, TsCredentials::Password(_)));
    assert_keeps(&secrets(None, None), "Debug", &text);
}
