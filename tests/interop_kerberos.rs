//! Kerberos from credentials to protected messages: MIT's krb5kdc issues the tickets, and MIT's libgssapi is the server.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod peer;

use std::fs;
use std::sync::Arc;

use bytes::BytesMut;
use credssp::environment::{Environment, SystemRandom};
use credssp::error::{KdcError, TicketRefusal};
use credssp::gss::{
    Acceptor, AcceptorRequest, AcceptorStep, ChannelBindings, Initiator, InitiatorRequest,
    InitiatorStep, MechanismProvider, SecurityContext,
};
use credssp::kerberos::acceptor::{ServiceCredentials, ServiceTgt};
use credssp::kerberos::asn1::PrincipalName;
use credssp::kerberos::ccache::CredentialCache;
use credssp::kerberos::crypto::EncryptionType;
use credssp::kerberos::initiator::{AsExchange, AsStep, ClientName, ClientSecret, IssuedTicket};
use credssp::kerberos::keytab::Keytab;
use credssp::kerberos::{DomainRealms, Kerberos};
use credssp::mechanism::Mechanism;
use credssp::spnego;
use credssp::{AccountName, Credentials, Error, ServicePrincipalName};
use peer::{GssError, GssMechanism, GssPeer, GssRole, MitKdc, Peer, Wrong};

const FRAMINGS: [GssMechanism; 2] = [GssMechanism::Kerberos, GssMechanism::SpnegoKerberos];

/// Which of the two refused, and how.
#[derive(Debug)]
enum Refusal {
    Ours(Error),
    Peer(GssError),
}

impl Refusal {
    fn ours(self) -> Error {
        match self {
            Self::Ours(error) => error,
            Self::Peer(error) => panic!("{error}"),
        }
    }

    fn peers(self) -> GssError {
        match self {
            Self::Ours(error) => panic!("{error}"),
            Self::Peer(error) => error,
        }
    }
}

/// A logon and its server.
struct Meeting<'a> {
    kdc: &'a MitKdc,
    framing: GssMechanism,
    kerberos: Kerberos,
    account: &'a str,
    password: &'a str,
    host: &'a str,
    bindings: Option<&'a [u8]>,
    environment: Environment,
    /// The server's keys.
    keytab: &'a str,
    /// Options of the server.
    server: Vec<String>,
    /// The realms whose KDCs were asked.
    asked: Vec<String>,
}

impl<'a> Meeting<'a> {
    fn new(kdc: &'a MitKdc, framing: GssMechanism) -> Self {
        let mut kerberos = Kerberos::default();
        kerberos.initiator.default_realm = Some(MitKdc::REALM.into());
        Self {
            kdc,
            framing,
            kerberos,
            account: "alice",
            password: MitKdc::PASSWORD,
            host: "server.test.example",
            bindings: None,
            environment: Environment::default(),
            keytab: "service.keytab",
            server: Vec::new(),
            asked: Vec::new(),
        }
    }

    fn initiator(&self) -> Box<dyn Initiator> {
        let account: AccountName = self.account.parse().unwrap();
        let credentials = Credentials::password(account, self.password);
        let target = ServicePrincipalName::termsrv(self.host).unwrap();
        let bindings = self.bindings.map(ChannelBindings::from_application_data);
        let mut request = InitiatorRequest::new(&target, &credentials, &self.environment);
        if let Some(bindings) = &bindings {
            request = request.with_channel_bindings(bindings);
        }
        if matches!(self.framing, GssMechanism::Kerberos) {
            return self.kerberos.initiator(request).unwrap();
        }
        let mut mechanisms: Vec<Arc<dyn MechanismProvider>> = vec![Arc::new(self.kerberos.clone())];
        #[cfg(feature = "ntlm")]
        if matches!(self.framing, GssMechanism::SpnegoNtlm) {
            mechanisms.push(Arc::new(credssp::ntlm::Ntlm::default()));
        }
        Box::new(spnego::Initiator::new(&mechanisms, request).unwrap())
    }

    fn acceptor(&self) -> GssPeer {
        let krb5_conf = format!("krb5_conf={}", self.kdc.krb5_conf().display());
        let keytab = format!("keytab={}", self.kdc.path(self.keytab).display());
        let mut options = vec![krb5_conf.as_str(), &keytab];
        options.extend(self.server.iter().map(String::as_str));
        GssPeer::start(GssRole::Accept, self.framing, &options)
    }

    /// Until both sides are done or either refuses.
    fn meet(&mut self) -> Result<(Box<dyn SecurityContext>, GssPeer), Refusal> {
        let initiator = self.initiator();
        let mut server = self.acceptor();
        let mut step = initiator.step(None);
        loop {
            match step.map_err(Refusal::Ours)? {
                InitiatorStep::NeedsKdc { request, next } => {
                    self.asked.push(request.realm.clone().into());
                    step = next.step(Ok(self.kdc.ask(&request.message)));
                }
                InitiatorStep::NeedsToken { token, next } => {
                    let answer = server.step(Some(&token)).map_err(Refusal::Peer)?;
                    step = next.step(Some(&answer.token));
                }
                InitiatorStep::Established { token, mut context } => {
                    let mut last = Vec::new();
                    if let Some(token) = token {
                        let answer = server.step(Some(&token)).map_err(Refusal::Peer)?;
                        assert!(answer.complete);
                        last = answer.token;
                    }
                    let last = (!last.is_empty()).then_some(&*last);
                    context.finish(last).map_err(Refusal::Ours)?;
                    return Ok((context, server));
                }
                _ => unreachable!(),
            }
        }
    }

    /// With a server of this library, which has a key or a ticket for user-to-user.
    fn meet_our_own(&mut self) -> (Box<dyn SecurityContext>, Box<dyn SecurityContext>) {
        let request = AcceptorRequest::new(&self.environment);
        let kerberos: Arc<dyn MechanismProvider> = Arc::new(self.kerberos.clone());
        let mut acceptor: Option<Box<dyn Acceptor>> = Some(match self.framing {
            GssMechanism::Kerberos => self.kerberos.acceptor(request),
            _ => Box::new(spnego::Acceptor::new(&[kerberos], request).unwrap()),
        });
        let mut server = None;
        let mut accept = |token: &[u8]| match acceptor.take().unwrap().step(token).unwrap() {
            AcceptorStep::NeedsToken { token, next } => {
                acceptor = Some(next);
                Some(token)
            }
            AcceptorStep::Established { token, context, .. } => {
                server = Some(context);
                token
            }
            _ => panic!("the server refuses"),
        };
        let mut step = self.initiator().step(None);
        let client = loop {
            match step.unwrap() {
                InitiatorStep::NeedsKdc { request, next } => {
                    self.asked.push(request.realm.clone().into());
                    step = next.step(Ok(self.kdc.ask(&request.message)));
                }
                InitiatorStep::NeedsToken { token, next } => {
                    step = next.step(accept(&token).as_deref());
                }
                InitiatorStep::Established { token, mut context } => {
                    let last = token.and_then(|token| accept(&token));
                    context.finish(last.as_deref()).unwrap();
                    break context;
                }
                _ => unreachable!(),
            }
        };
        let mut server = server.unwrap();
        server.finish(None).unwrap();
        (client, server)
    }

    fn refused(&mut self) -> Refusal {
        self.meet().err().unwrap()
    }
}

fn wrap(context: &mut dyn SecurityContext, message: &[u8]) -> Vec<u8> {
    let mut sealed = BytesMut::from(message);
    context.wrap_in_place(&mut sealed).unwrap();
    sealed.to_vec()
}

/// Sealed and signed messages in both directions, in each layout that the server has.
fn talk(ours: &mut dyn SecurityContext, server: &mut GssPeer) {
    talk_without_iov(ours, server);
    for message in [&b"first message"[..], b"2", &[0x5a; 20_000]] {
        let (header, sealed) = server.wrap_iov(message).unwrap();
        let mut token = [header, sealed].concat();
        assert_eq!(ours.unwrap_in_place(&mut token).unwrap(), message);

        let sealed = wrap(ours, message);
        let (header, sealed) = sealed.split_at(sealed.len() - message.len());
        let opened = server.unwrap_iov(header, sealed).unwrap();
        assert_eq!((&*opened.message, opened.encrypted), (message, true));
    }
}

/// RC4's tokens have a padding behind the message, for which the peer's calls have no place.
fn talk_without_iov(ours: &mut dyn SecurityContext, server: &mut GssPeer) {
    assert_eq!(ours.mechanism(), Mechanism::Kerberos);
    for message in [&b"first message"[..], b"2", &[0x5a; 20_000]] {
        let sealed = wrap(ours, message);
        let opened = server.unwrap(&sealed).unwrap();
        assert_eq!((&*opened.message, opened.encrypted), (message, true));

        let mut sealed = server.wrap(message).unwrap();
        assert_eq!(ours.unwrap_in_place(&mut sealed).unwrap(), message);

        let mut mic = Vec::new();
        ours.get_mic(message, &mut mic).unwrap();
        server.verify(message, &mic).unwrap();

        let mic = server.mic(message).unwrap();
        ours.verify_mic(message, &mic).unwrap();
    }
}

fn peers_are_available() -> bool {
    peer::available(Peer::MitKdc) && peer::available(Peer::Gss)
}

#[test]
fn seals_and_signs_for_a_server_that_proves_itself() {
    if !peers_are_available() {
        return;
    }
    let kdc = MitKdc::start();
    for framing in FRAMINGS {
        let mut meeting = Meeting::new(&kdc, framing);
        let (mut context, mut server) = meeting.meet().unwrap();
        // Without and with the timestamp, and for the service.
        assert_eq!(meeting.asked, [MitKdc::REALM; 3]);
        let info = server.info().unwrap();
        for expected in [
            "initiator=alice@TEST.EXAMPLE",
            "target=TERMSRV/server.test.example@TEST.EXAMPLE",
            "mechanism=1.2.840.113554.1.2.2",
        ] {
            assert!(info.iter().any(|word| word == expected), "{info:?}");
        }
        talk(&mut *context, &mut server);
    }
}

/// A token of Kerberos goes first, with a ticket of the KDC's; the server has NTLM alone.
#[cfg(feature = "ntlm")]
#[test]
fn a_server_that_refuses_the_first_token_gets_ntlm() {
    if !peers_are_available() {
        return;
    }
    let kdc = MitKdc::start();
    let mut meeting = Meeting::new(&kdc, GssMechanism::SpnegoNtlm);
    meeting.account = r"TEST.EXAMPLE\alice";
    let account = format!(r"account=TEST.EXAMPLE\alice:{}", MitKdc::PASSWORD);
    meeting.server = vec![account];
    let (mut context, mut server) = meeting.meet().unwrap();
    assert_eq!(meeting.asked, [MitKdc::REALM; 3]);
    assert_eq!(context.mechanism(), Mechanism::Ntlm);
    let sealed = wrap(&mut *context, b"message");
    assert_eq!(server.unwrap(&sealed).unwrap().message, b"message");
}

#[test]
fn speaks_each_encryption_type() {
    if !peers_are_available() {
        return;
    }
    let kdc = MitKdc::start();
    for (name, encryption_type) in [
        ("aes256-sha2", EncryptionType::Aes256Sha2),
        ("aes128-sha2", EncryptionType::Aes128Sha2),
        ("aes256-sha1", EncryptionType::Aes256Sha1),
        ("aes128-sha1", EncryptionType::Aes128Sha1),
        #[cfg(feature = "rc4-hmac")]
        ("rc4", EncryptionType::Rc4Hmac),
    ] {
        let host = format!("{name}.test.example");
        // The user, the session and the service of this type; and the type alone.
        for alone in [false, true] {
            let [bare, spnego] = FRAMINGS;
            let mut meeting = Meeting::new(&kdc, if alone { spnego } else { bare });
            (meeting.account, meeting.host) = (name, &host);
            let types = &mut meeting.kerberos.initiator.encryption_types;
            if alone {
                types.clear();
            }
            types.push(encryption_type);
            let (mut context, mut server) = meeting.meet().unwrap();
            if name == "rc4" {
                talk_without_iov(&mut *context, &mut server);
            } else {
                talk(&mut *context, &mut server);
            }
        }
    }
}

#[test]
fn logs_on_by_names_that_say_their_realm() {
    if !peers_are_available() {
        return;
    }
    let kdc = MitKdc::start();
    for (account, default_realm, client) in [
        (r"TEST.EXAMPLE\alice", None, "alice@TEST.EXAMPLE"),
        ("alice@test.example", None, "alice@TEST.EXAMPLE"),
        // This one exists as it is written.
        (
            "alice@TEST.EXAMPLE",
            None,
            r"alice\@TEST.EXAMPLE@TEST.EXAMPLE",
        ),
        (
            "bob@other.example",
            Some(MitKdc::REALM),
            "bob@OTHER.EXAMPLE",
        ),
    ] {
        let mut meeting = Meeting::new(&kdc, GssMechanism::Kerberos);
        meeting.account = account;
        meeting.kerberos.initiator.default_realm = default_realm.map(Into::into);
        meeting.host = "SERVER.test.EXAMPLE";
        let mut configured = DomainRealms::default();
        configured.insert("test.example", MitKdc::REALM);
        meeting.kerberos.initiator.domain_realms = configured.into();
        let (mut context, mut server) = meeting.meet().unwrap();
        let info = server.info().unwrap();
        assert!(info.contains(&format!("initiator={client}")), "{info:?}");
        talk(&mut *context, &mut server);
    }
}

#[test]
fn follows_referrals_to_another_realm_and_goes_there_by_configuration() {
    if !peers_are_available() {
        return;
    }
    let kdc = MitKdc::start();
    let realms = [
        MitKdc::REALM,
        MitKdc::REALM,
        MitKdc::REALM,
        MitKdc::OTHER_REALM,
    ];
    let mut configured = DomainRealms::default();
    configured.insert(".other.example", MitKdc::OTHER_REALM);
    for (configured, canonicalize) in [
        (DomainRealms::default(), true),
        (configured.clone(), true),
        (configured, false),
    ] {
        let mut meeting = Meeting::new(&kdc, GssMechanism::SpnegoKerberos);
        meeting.kerberos.initiator.domain_realms = configured.into();
        meeting.kerberos.initiator.canonicalize = canonicalize;
        meeting.host = "server.other.example";
        let (mut context, mut server) = meeting.meet().unwrap();
        assert_eq!(meeting.asked, realms);
        let info = server.info().unwrap();
        let target = "target=TERMSRV/server.other.example@OTHER.EXAMPLE".to_owned();
        assert!(info.contains(&target), "{info:?}");
        talk(&mut *context, &mut server);
    }
    // Nobody refers the client, who guesses.
    let mut meeting = Meeting::new(&kdc, GssMechanism::Kerberos);
    meeting.kerberos.initiator.canonicalize = false;
    meeting.host = "server.other.example";
    meeting.meet().unwrap();
    let [.., before, last] = &*meeting.asked else {
        panic!("{:?}", meeting.asked);
    };
    assert_eq!((&**before, &**last), (MitKdc::REALM, MitKdc::OTHER_REALM));
    assert_eq!(meeting.asked.len(), 5);
}

#[test]
fn logs_on_by_a_keytab_and_by_tickets_that_are_there() {
    if !peers_are_available() {
        return;
    }
    let kdc = MitKdc::start();
    let keytab = Keytab::parse(&fs::read(kdc.path("user.keytab")).unwrap()).unwrap();
    let alice = ClientName::of(&"alice@test.example".parse().unwrap(), "");
    let mut meeting = Meeting::new(&kdc, GssMechanism::Kerberos);
    meeting.password = "wrong";
    meeting.kerberos.initiator.keys = keytab.client_keys(&alice);
    let (mut context, mut server) = meeting.meet().unwrap();
    talk(&mut *context, &mut server);

    let user = kdc.user();
    user.kinit("alice", MitKdc::PASSWORD).unwrap();
    for (service, asked) in [(None, 1), (Some("TERMSRV/server.test.example"), 0)] {
        if let Some(service) = service {
            user.run("kvno", &[service], "").unwrap();
        }
        let cache = CredentialCache::parse(&fs::read(user.ccache()).unwrap()).unwrap();
        let mut meeting = Meeting::new(&kdc, GssMechanism::SpnegoKerberos);
        meeting.account = "whoever";
        meeting.password = "wrong";
        meeting.kerberos.initiator.tickets = Some(cache.into());
        let (mut context, mut server) = meeting.meet().unwrap();
        assert_eq!(meeting.asked.len(), asked);
        talk(&mut *context, &mut server);
    }
}

#[test]
fn binds_to_the_channel() {
    if !peers_are_available() {
        return;
    }
    let kdc = MitKdc::start();
    let bindings: [Option<&[u8]>; 3] = [None, Some(b"one channel"), Some(b"another")];
    for framing in FRAMINGS {
        for bound in bindings {
            let mut meeting = Meeting::new(&kdc, framing);
            meeting.bindings = bound;
            meeting.server.push("cb=6f6e65206368616e6e656c".into());
            match bound {
                Some(b"another") => {
                    let kind = meeting.refused().peers().kind;
                    assert_eq!(kind, "BadChannelBindingsError");
                }
                _ => {
                    meeting.meet().unwrap();
                }
            }
        }
    }
}

#[test]
fn a_clock_that_is_wrong_takes_the_kdcs_time_or_the_servers() {
    if !peers_are_available() {
        return;
    }
    let kdc = MitKdc::start();
    for wrong in [-3600, 3600] {
        let random = Arc::new(SystemRandom::default());
        let environment = Environment::new(Arc::new(Wrong(wrong)), random);
        let mut meeting = Meeting::new(&kdc, GssMechanism::SpnegoKerberos);
        meeting.environment = environment.clone();
        let (mut context, mut server) = meeting.meet().unwrap();
        talk(&mut *context, &mut server);

        // Tickets from a cache, which knows nothing of our clock.
        let user = kdc.user();
        user.kinit("alice", MitKdc::PASSWORD).unwrap();
        user.run("kvno", &["TERMSRV/server.test.example"], "")
            .unwrap();
        let cache = CredentialCache::parse(&fs::read(user.ccache()).unwrap()).unwrap();
        let mut meeting = Meeting::new(&kdc, GssMechanism::Kerberos);
        meeting.environment = environment;
        meeting.kerberos.initiator.tickets = Some(cache.into());
        let Ok(InitiatorStep::NeedsToken { token, next }) = meeting.initiator().step(None) else {
            panic!("no token");
        };
        let refusal = meeting.acceptor().step(Some(&token)).unwrap_err();
        assert!(refusal.message.contains("skew"), "{refusal}");
        let Ok(InitiatorStep::NeedsToken { token, next }) = next.step(Some(&refusal.token)) else {
            panic!("no other token");
        };
        let mut server = meeting.acceptor();
        let answer = server.step(Some(&token)).unwrap();
        let Ok(InitiatorStep::Established { mut context, .. }) = next.step(Some(&answer.token))
        else {
            panic!("no context");
        };
        talk(&mut *context, &mut server);
    }
}

#[test]
fn a_server_without_the_services_key_says_so() {
    if !peers_are_available() {
        return;
    }
    let kdc = MitKdc::start();
    let mut meeting = Meeting::new(&kdc, GssMechanism::Kerberos);
    meeting.keytab = "user.keytab";
    let (token, next) = first_token(&meeting);
    let refusal = meeting.acceptor().step(Some(&token)).unwrap_err();
    let error = next.step(Some(&refusal.token)).err().unwrap();
    assert!(
        matches!(error, Error::TicketRefused(TicketRefusal::NoKey)),
        "{error}"
    );
}

fn first_token(meeting: &Meeting<'_>) -> (Vec<u8>, Box<dyn Initiator>) {
    let mut step = meeting.initiator().step(None);
    loop {
        match step.unwrap() {
            InitiatorStep::NeedsKdc { request, next } => {
                step = next.step(Ok(meeting.kdc.ask(&request.message)));
            }
            InitiatorStep::NeedsToken { token, next } => return (token, next),
            _ => panic!("no token"),
        }
    }
}

/// The ticket-granting ticket of a service or a user, by its keys.
fn tgt_of(kdc: &MitKdc, keytab: &str, name: PrincipalName) -> IssuedTicket {
    let keytab = Keytab::parse(&fs::read(kdc.path(keytab)).unwrap()).unwrap();
    let client = ClientName::new(MitKdc::REALM, name);
    let keys = keytab.client_keys(&client).unwrap();
    let mut step = AsExchange::start(
        client,
        ClientSecret::Keys(keys),
        EncryptionType::DEFAULT,
        true,
        &Environment::default(),
    );
    loop {
        match step.unwrap() {
            AsStep::NeedsKdc { request, next } => step = next.step(&kdc.ask(&request.message)),
            AsStep::Complete(ticket) => return *ticket,
            _ => unreachable!(),
        }
    }
}

#[test]
fn does_user_to_user_with_tickets_of_mits() {
    if !peers_are_available() {
        return;
    }
    let kdc = MitKdc::start();
    let service = PrincipalName::new(PrincipalName::SRV_INST, &["TERMSRV", "server.test.example"]);
    let user = PrincipalName::new(PrincipalName::PRINCIPAL, &["svcuser"]);
    // This KDC gives tickets under the name of the other ticket's owner only.
    for (keytab, owner) in [("service.keytab", &service), ("user.keytab", &user)] {
        for framing in FRAMINGS {
            let tgt = ServiceTgt::new();
            tgt.set(tgt_of(&kdc, keytab, owner.clone()));
            let credentials = ServiceCredentials::new(Keytab::default()).service_tgt_of(tgt.into());
            let mut meeting = Meeting::new(&kdc, framing);
            meeting.kerberos.acceptor = Some(credentials.into());
            meeting.kerberos.initiator.user_to_user = true;
            meeting.kerberos.initiator.user_to_user_owner = Some(user.clone());
            let (mut client, mut server) = meeting.meet_our_own();
            let asked = if keytab == "user.keytab" { 4 } else { 3 };
            assert_eq!(meeting.asked.len(), asked);
            for message in [&b"first message"[..], b""] {
                let mut sealed = wrap(&mut *client, message);
                assert_eq!(server.unwrap_in_place(&mut sealed).unwrap(), message);
                let mut sealed = wrap(&mut *server, message);
                assert_eq!(client.unwrap_in_place(&mut sealed).unwrap(), message);
            }
        }
    }
}

#[test]
fn tells_apart_why_there_is_no_context() {
    if !peers_are_available() {
        return;
    }
    let kdc = MitKdc::start();
    let mut meeting = Meeting::new(&kdc, GssMechanism::SpnegoKerberos);
    meeting.password = "wrong";
    let error = meeting.refused().ours();
    assert!(
        matches!(error, Error::Kdc(KdcError::WrongPassword)),
        "{error}"
    );
    // The password went out once.
    assert_eq!(meeting.asked.len(), 2);

    let mut meeting = Meeting::new(&kdc, GssMechanism::SpnegoKerberos);
    meeting.host = "unknown.test.example";
    let error = meeting.refused().ours();
    assert!(
        matches!(error, Error::Kdc(KdcError::ServiceUnknown)),
        "{error}"
    );

    let mut meeting = Meeting::new(&kdc, GssMechanism::Kerberos);
    meeting.host = "aes256-sha2.test.example";
    meeting.kerberos.initiator.encryption_types = vec![EncryptionType::Aes128Sha1];
    let error = meeting.refused().ours();
    assert!(
        matches!(error, Error::Kdc(KdcError::NoCommonEncryptionType)),
        "{error}"
    );
}
