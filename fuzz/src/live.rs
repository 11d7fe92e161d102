//! The two state machines, each with a peer that the input plays, or bends.
//!
//! The first octet of an input chooses the configuration. If the second is 0, the rest is all that the peer ever sends.
//! Else a real peer answers, and the rest says how each of its messages is damaged on its way; where it ends, nothing
//! is. Time and randomness are fixed, so that recorded messages stay valid.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use credssp::client::{self, Client, ClientConfig};
use credssp::credentials::TsCredentials;
use credssp::environment::{Environment, GetRandomFailed, Random, TimeProvider};
use credssp::error::{HandshakeError, NtStatus};
use credssp::gss::{AcceptorRequest, Initiator, InitiatorRequest, MechanismProvider};
use credssp::mechanism::Negotiation;
use credssp::server::{self, Server, ServerConfig};
use credssp::ts_request::{ServerPublicKey, TsRequest};
use credssp::{Account, AccountName, Credentials, DelegationPolicy, ServicePrincipalName};

/// The challenge of MS-NLMP, section 4.2.4.2.
pub const CHALLENGE: &[u8] = b"NTLMSSP\0\x02\0\0\0\x0c\0\x0c\08\0\0\0\x33\x82\x8a\xe2\
    \x01\x23\x45\x67\x89\xab\xcd\xef\0\0\0\0\0\0\0\0$\0$\0D\0\0\0\x06\0p\x17\0\0\0\x0f\
    S\0e\0r\0v\0e\0r\0\x02\0\x0c\0D\0o\0m\0a\0i\0n\0\x01\0\x0c\0S\0e\0r\0v\0e\0r\0\0\0\0\0";

const PASSWORD: &str = "Password";

/// A clock that stands still and a random source that always begins anew.
#[derive(Debug)]
struct Fixed(AtomicU64);

impl TimeProvider for Fixed {
    fn since_unix_epoch(&self) -> Duration {
        Duration::from_secs(1_700_000_000)
    }
}

impl Random for Fixed {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        for byte in buffer {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *byte = (state ^ state >> 31).to_be_bytes()[0];
        }
        Ok(())
    }
}

/// Fixed time and randomness; `seed` tells the ends apart.
pub fn environment(seed: u64) -> Environment {
    let fixed = |seed| Arc::new(Fixed(AtomicU64::new(seed)));
    Environment::new(fixed(0), fixed(seed))
}

/// An acceptor without channel bindings.
pub fn acceptor_request(environment: &Environment) -> AcceptorRequest<'_> {
    AcceptorRequest::new(environment)
}

/// Calls `f` with an initiator of `provider`.
pub fn with_initiator(provider: &dyn MechanismProvider, f: impl FnOnce(Box<dyn Initiator>)) {
    let environment = environment(2);
    let (target, credentials) = (target(), credentials());
    let request = InitiatorRequest::new(&target, &credentials, &environment);
    f(provider.initiator(request).expect("the credentials fit"));
}

fn target() -> ServicePrincipalName {
    ServicePrincipalName::termsrv("host.example.com").expect("a good name")
}

fn credentials() -> Credentials {
    Credentials::password(AccountName::new("Domain", "User"), PASSWORD)
}

fn public_key() -> ServerPublicKey {
    ServerPublicKey::from_subject_public_key(&[0x30; 64])
}

/// One of the two machines, waiting for its peer.
enum End {
    Client(client::NeedsInput),
    Server(server::NeedsInput),
}

/// How far a machine has come.
enum Progress {
    Waits(End),
    ClientDone,
    ServerDone(TsCredentials),
    Failed,
}

/// The configuration of both ends that an octet chooses.
#[derive(Clone, Copy)]
struct Setup(u8);

impl Setup {
    fn negotiation(self) -> Negotiation {
        if self.0 & 1 == 0 {
            Negotiation::Bare
        } else {
            Negotiation::Spnego
        }
    }

    fn version(self, shift: u32) -> u32 {
        2 + u32::from(self.0 >> shift & 7) % 5
    }

    /// The client, and its first message.
    fn client(self) -> (Progress, BytesMut) {
        let mut config = ClientConfig::new(DelegationPolicy::permit_everything());
        config.negotiation = self.negotiation();
        config.own_version = self.version(1);
        config.min_version = 2;
        config.environment = environment(3);
        let mut out = BytesMut::new();
        let client = Client::new(config, target(), credentials(), public_key());
        match client.start(&mut out).expect("it starts") {
            client::Handshake::NeedsInput(state) => (Progress::Waits(End::Client(state)), out),
            _ => panic!("a client needs an answer"),
        }
    }

    fn server(self) -> Progress {
        let mut config = ServerConfig::default();
        config.own_version = self.version(4);
        config.min_version = 2;
        config.environment = environment(4);
        let server = Server::new(config, public_key());
        Progress::Waits(End::Server(server.start().expect("it starts")))
    }
}

/// Takes messages from `input` until there is no whole one, and says what was answered.
fn drive(mut progress: Progress, input: &mut BytesMut) -> (Progress, BytesMut) {
    let mut out = BytesMut::new();
    loop {
        let Progress::Waits(end) = progress else {
            return (progress, out);
        };
        let before = input.len();
        let answered = out.len();
        progress = match process(end, input, &mut out) {
            Ok(progress) => progress,
            Err(error) => {
                check_report(&error, &out[answered..]);
                Progress::Failed
            }
        };
        if input.len() == before {
            return (progress, out);
        }
    }
}

fn process(end: End, input: &mut BytesMut, out: &mut BytesMut) -> Result<Progress, HandshakeError> {
    let state = match end {
        End::Client(state) => {
            return Ok(match state.process(input, out)? {
                client::Handshake::NeedsInput(state) => Progress::Waits(End::Client(state)),
                _ => Progress::ClientDone,
            });
        }
        End::Server(state) => state,
    };
    let mut handshake = state.process(input, out)?;
    if let server::Handshake::NeedsAccount(state) = handshake {
        let known = state.request().account.user().eq_ignore_ascii_case("user");
        handshake = state.continue_with(known.then(|| Account::password(PASSWORD)), out)?;
    }
    Ok(match handshake {
        server::Handshake::NeedsInput(state) => Progress::Waits(End::Server(state)),
        server::Handshake::Complete(complete) => Progress::ServerDone(complete.credentials),
        _ => panic!("an account has been looked up"),
    })
}

/// What is sent after an error is one whole message with an error code, or nothing.
fn check_report(error: &HandshakeError, out: &[u8]) {
    let _ = error.to_string();
    if !out.is_empty() {
        let request = TsRequest::decode(out).expect("what is sent decodes");
        assert!(request.error_code.is_some() || request.nego_token.is_some());
        assert_ne!(request.error_code, Some(NtStatus::from_u32(0)));
    }
}

/// The client, against the input. Whether it came to its end.
pub fn client(data: &[u8]) -> bool {
    let Some((setup, rest)) = split(data) else {
        return false;
    };
    match rest {
        Ok(stream) => {
            let (client, _) = setup.client();
            let (client, _) = drive(client, &mut BytesMut::from(stream));
            matches!(client, Progress::ClientDone)
        }
        Err(damage) => {
            let run = exchange(setup, Damage::none(), damage);
            let done = matches!(run.client, Progress::ClientDone);
            if done {
                // The client hands its credentials to nobody but a server that has proved its key, and whose proof has
                // come as it was sent.
                let proof = run.proof.expect("the server's pubKeyAuth");
                let mut received = run.received_by_client.windows(proof.len());
                assert!(received.any(|part| part == proof));
            }
            done
        }
    }
}

/// The server, against the input. Whether it came to its end.
pub fn server(data: &[u8]) -> bool {
    let Some((setup, rest)) = split(data) else {
        return false;
    };
    match rest {
        Ok(stream) => {
            let (server, _) = drive(setup.server(), &mut BytesMut::from(stream));
            matches!(server, Progress::ServerDone(_))
        }
        Err(damage) => {
            let run = exchange(setup, damage, Damage::none());
            let Progress::ServerDone(credentials) = run.server else {
                return false;
            };
            // What the server takes for credentials is what the client has sent.
            assert!(matches!(run.client, Progress::ClientDone));
            let mut received = BytesMut::new();
            credentials.encode(&mut received);
            let mut sent = BytesMut::new();
            self::credentials().delegated().encode(&mut sent);
            assert_eq!(received, sent);
            true
        }
    }
}

/// The configuration, and either all that the peer sends or how it is damaged.
fn split(data: &[u8]) -> Option<(Setup, Result<&[u8], Damage<'_>>)> {
    let [setup, mode, rest @ ..] = data else {
        return None;
    };
    let rest = match mode {
        0 => Ok(rest),
        _ => Err(Damage(rest)),
    };
    Some((Setup(*setup), rest))
}

/// How both ends fared.
struct Exchange {
    client: Progress,
    server: Progress,
    /// The server's `pubKeyAuth`, as it was sent.
    proof: Option<Vec<u8>>,
    received_by_client: BytesMut,
}

/// Runs both ends against each other.
fn exchange(setup: Setup, mut to_server: Damage<'_>, mut to_client: Damage<'_>) -> Exchange {
    let (mut client, mut message) = setup.client();
    let mut server = setup.server();
    let mut proof = None;
    let mut received_by_client = BytesMut::new();
    let (mut server_input, mut client_input) = (BytesMut::new(), BytesMut::new());
    // No exchange has more messages, however they are damaged.
    for _ in 0..40 {
        to_server.deliver(&message, &mut server_input);
        let answer;
        (server, answer) = drive(server, &mut server_input);
        if let Ok(answer) = TsRequest::decode(&answer) {
            proof = proof.or(answer.pub_key_auth.map(<[u8]>::to_vec));
        }
        let mut delivered = BytesMut::new();
        to_client.deliver(&answer, &mut delivered);
        received_by_client.extend_from_slice(&delivered);
        client_input.extend_from_slice(&delivered);
        (client, message) = drive(client, &mut client_input);
        if message.is_empty() && answer.is_empty() {
            break;
        }
    }
    Exchange {
        client,
        server,
        proof,
        received_by_client,
    }
}

/// All that each end sends in an exchange without damage: the client, the server.
pub fn recorded(setup: u8) -> [BytesMut; 2] {
    let setup = Setup(setup);
    let (mut client, mut message) = setup.client();
    let mut server = setup.server();
    let mut sent = [message.clone(), BytesMut::new()];
    while !message.is_empty() {
        (server, message) = drive(server, &mut message);
        sent[1].extend_from_slice(&message);
        (client, message) = drive(client, &mut message);
        sent[0].extend_from_slice(&message);
    }
    assert!(matches!(client, Progress::ClientDone));
    assert!(matches!(server, Progress::ServerDone(_)));
    sent
}

/// What happens to each message, from the octets of an input.
struct Damage<'a>(&'a [u8]);

impl<'a> Damage<'a> {
    fn none() -> Self {
        Self(&[])
    }

    fn next(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn deliver(&mut self, message: &[u8], input: &mut BytesMut) {
        if message.is_empty() {
            return;
        }
        match self.next() {
            0 => input.extend_from_slice(message),
            1 => {
                let field = self.field();
                input.extend_from_slice(field);
            }
            2 => {
                input.extend_from_slice(message);
                input.extend_from_slice(message);
            }
            3 => {
                // Some octets change.
                let mut message = message.to_vec();
                for _ in 0..=self.next() % 4 {
                    let at = usize::from(self.next()) << 8 | usize::from(self.next());
                    let length = message.len();
                    message[at % length] ^= self.next();
                }
                input.extend_from_slice(&message);
            }
            4 => {
                let length = usize::from(self.next()) << 8 | usize::from(self.next());
                input.extend_from_slice(&message[..length % message.len()]);
            }
            _ => match TsRequest::decode(message) {
                Ok(request) => self.rewrite(request, input),
                // Several messages in one go.
                Err(_) => input.extend_from_slice(message),
            },
        }
    }

    /// Changes whole fields.
    fn rewrite<'m>(&mut self, mut request: TsRequest<'m>, input: &mut BytesMut)
    where
        'a: 'm,
    {
        for _ in 0..=self.next() % 3 {
            match self.next() % 8 {
                0 => request.version = self.next().into(),
                1 => request.nego_token = None,
                2 => request.nego_token = Some(self.field()),
                3 => request.pub_key_auth = None,
                4 => request.pub_key_auth = Some(self.field()),
                5 => request.auth_info = Some(self.field()),
                6 => request.error_code = Some(NtStatus::from_u32(u32::from(self.next()) << 24)),
                _ => request.client_nonce = (self.next() & 1 == 0).then_some([0x5a; 32]),
            }
        }
        request.encode(input);
    }

    fn field(&mut self) -> &'a [u8] {
        let length = self.next().into();
        self.take(length)
    }
}
