//! Our Kerberos acceptor against MIT's initiator, with tickets of MIT's krb5kdc.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod peer;

use std::fs;
use std::sync::Arc;

use bytes::BytesMut;
use credssp::environment::Environment;
use credssp::error::AuthenticationFailure;
use credssp::gss::{
    Acceptor, AcceptorRequest, AcceptorStep, ChannelBindings, Initiator, InitiatorRequest,
    MechanismProvider, SecurityContext,
};
use credssp::kerberos::acceptor::{KerberosAcceptor, ServiceCredentials};
#[cfg(feature = "rc4-hmac")]
use credssp::kerberos::crypto::EncryptionType;
use credssp::kerberos::keytab::Keytab;
use credssp::mechanism::{Mechanism, Oid};
use credssp::{AccountName, Error, spnego};
use peer::{GssMechanism, GssPeer, GssRole, Krb5User, MitKdc, Peer};

const FRAMINGS: [GssMechanism; 3] = [
    GssMechanism::Kerberos,
    GssMechanism::SpnegoKerberos,
    GssMechanism::SpnegoKerberosNtlm,
];

const SERVICES: [&str; 6] = [
    "TERMSRV/server.test.example",
    "HTTP/server.test.example",
    "TERMSRV/aes256-sha2.test.example",
    "TERMSRV/aes128-sha2.test.example",
    "TERMSRV/aes256-sha1.test.example",
    "TERMSRV/aes128-sha1.test.example",
];

const BINDINGS: &[u8] = b"tls-server-end-point:one certificate";
const OTHER_BINDINGS: &[u8] = b"tls-server-end-point:another certificate";

/// A KDC, and alice with her ticket.
struct Realm {
    kdc: MitKdc,
    user: Krb5User,
}

impl Realm {
    /// `None` where a peer is missing.
    fn start() -> Option<Self> {
        let here = peer::available(Peer::MitKdc) && peer::available(Peer::Gss);
        here.then(|| {
            let kdc = MitKdc::start();
            let user = kdc.user();
            user.kinit("alice", MitKdc::PASSWORD).unwrap();
            Self { kdc, user }
        })
    }

    fn initiator(&self, framing: GssMechanism, service: &str, options: &[&str]) -> GssPeer {
        let krb5_conf = format!("krb5_conf={}", self.kdc.krb5_conf().display());
        let ccache = format!("ccache={}", self.user.ccache().display());
        let target = format!("target={}@{}", service, MitKdc::REALM);
        let options = [&[&*target, &krb5_conf, &ccache], options].concat();
        GssPeer::start(GssRole::Initiate, framing, &options)
    }

    fn credentials(&self) -> ServiceCredentials {
        let file = fs::read(self.kdc.path("service.keytab")).unwrap();
        ServiceCredentials::new(Keytab::parse(&file).unwrap())
    }
}

/// What registers the acceptor with SPNEGO.
#[derive(Debug)]
struct Provider(Arc<ServiceCredentials>);

impl MechanismProvider for Provider {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn oids(&self) -> &'static [Oid] {
        &[Oid::MS_KERBEROS, Oid::KERBEROS]
    }

    fn initiator(&self, _: InitiatorRequest<'_>) -> Option<Box<dyn Initiator>> {
        None
    }

    fn acceptor(&self, request: AcceptorRequest<'_>) -> Box<dyn Acceptor> {
        Box::new(KerberosAcceptor::new(Some(Arc::clone(&self.0)), request))
    }
}

/// What our side ended with: the account and the context, or the reason and what the peer is told.
type Outcome = Result<(AccountName, Box<dyn SecurityContext>), (Error, Option<Vec<u8>>)>;

/// Passes tokens until one side is done or refuses.
fn meet(
    credentials: &Arc<ServiceCredentials>,
    bindings: Option<&[u8]>,
    first: &[u8],
    peer: &mut GssPeer,
) -> Outcome {
    let environment = Environment::default();
    let bindings = bindings.map(ChannelBindings::from_application_data);
    let mut request = AcceptorRequest::new(&environment);
    if let Some(bindings) = &bindings {
        request = request.with_channel_bindings(bindings);
    }
    let provider: Arc<dyn MechanismProvider> = Arc::new(Provider(Arc::clone(credentials)));
    let mut acceptor = spnego::acceptor(&[provider], request, first).unwrap();
    let mut token = first.to_vec();
    loop {
        match acceptor.step(&token).map_err(|error| (error, None))? {
            AcceptorStep::NeedsToken { token: reply, next } => {
                token = peer.step(Some(&reply)).unwrap().token;
                acceptor = next;
            }
            AcceptorStep::Established {
                account,
                token,
                mut context,
                logon_info,
                ..
            } => {
                // MIT's KDC signs a PAC, which names nobody's SID.
                assert!(logon_info.is_some_and(|info| info.sid.is_none()));
                let last = peer.step(token.as_deref()).unwrap();
                assert!(last.complete);
                let last = Some(&*last.token).filter(|token| !token.is_empty());
                context.finish(last).unwrap();
                return Ok((account, context));
            }
            AcceptorStep::Refused { token, error } => return Err((error, Some(token))),
            _ => panic!("another step"),
        }
    }
}

fn established(outcome: Outcome) -> Box<dyn SecurityContext> {
    match outcome {
        Ok((account, context)) => {
            assert_eq!(account, AccountName::new(MitKdc::REALM, "alice"));
            context
        }
        Err((error, _)) => panic!("{error}"),
    }
}

fn refused(outcome: Outcome) -> (AuthenticationFailure, Vec<u8>) {
    match outcome {
        Err((Error::AuthenticationFailed { reason, .. }, Some(token))) => (reason, token),
        Err((error, _)) => panic!("{error}"),
        Ok(_) => panic!("not refused"),
    }
}

/// Sealed and signed messages both ways, in each layout that MIT writes.
fn talk(ours: &mut dyn SecurityContext, peer: &mut GssPeer) {
    for message in [&b"first message"[..], b"2", &[0x5a; 20_000]] {
        let mut sealed = BytesMut::from(message);
        ours.wrap_in_place(&mut sealed).unwrap();
        let opened = peer.unwrap(&sealed).unwrap();
        assert_eq!((&*opened.message, opened.encrypted), (message, true));

        // gss_wrap's tokens have an RRC of 0.
        let mut sealed = peer.wrap(message).unwrap();
        assert_eq!(ours.unwrap_in_place(&mut sealed).unwrap(), message);

        let (header, rest) = peer.wrap_iov(message).unwrap();
        let mut sealed = [header, rest].concat();
        assert_eq!(ours.unwrap_in_place(&mut sealed).unwrap(), message);

        let mut sealed = BytesMut::from(message);
        ours.wrap_in_place(&mut sealed).unwrap();
        let (header, rest) = sealed.split_at(sealed.len() - message.len());
        let opened = peer.unwrap_iov(header, rest).unwrap();
        assert_eq!((&*opened.message, opened.encrypted), (message, true));

        let mut mic = Vec::new();
        ours.get_mic(message, &mut mic).unwrap();
        peer.verify(message, &mic).unwrap();
        let mic = peer.mic(message).unwrap();
        ours.verify_mic(message, &mic).unwrap();
    }
}

#[test]
fn mit_logs_on_to_each_service_and_is_understood() {
    let Some(realm) = Realm::start() else {
        return;
    };
    let credentials = Arc::new(realm.credentials());
    for framing in FRAMINGS {
        for service in SERVICES {
            let mut peer = realm.initiator(framing, service, &[]);
            let first = peer.step(None).unwrap().token;
            let mut context = established(meet(&credentials, None, &first, &mut peer));
            assert_eq!(context.mechanism(), Mechanism::Kerberos);
            talk(&mut *context, &mut peer);
        }
    }
}

#[cfg(feature = "rc4-hmac")]
#[test]
fn rc4_hmac_is_refused_until_it_is_permitted() {
    let Some(realm) = Realm::start() else {
        return;
    };
    for framing in FRAMINGS {
        let start = || {
            let mut peer = realm.initiator(framing, "TERMSRV/rc4.test.example", &[]);
            let first = peer.step(None).unwrap().token;
            (first, peer)
        };
        let (first, mut peer) = start();
        let credentials = Arc::new(realm.credentials());
        let (reason, _) = refused(meet(&credentials, None, &first, &mut peer));
        assert_eq!(reason, AuthenticationFailure::EncryptionTypeNotPermitted);

        let (first, mut peer) = start();
        let permitted = [EncryptionType::Rc4Hmac];
        let credentials = Arc::new(realm.credentials().encryption_types(&permitted));
        let mut context = established(meet(&credentials, None, &first, &mut peer));
        let mut sealed = peer.wrap(b"to us").unwrap();
        assert_eq!(context.unwrap_in_place(&mut sealed).unwrap(), b"to us");
        let mut sealed = BytesMut::from(&b"to MIT"[..]);
        context.wrap_in_place(&mut sealed).unwrap();
        assert_eq!(peer.unwrap(&sealed).unwrap().message, b"to MIT");
    }
}

#[test]
fn mit_is_bound_to_our_channel() {
    let Some(realm) = Realm::start() else {
        return;
    };
    let strict = Arc::new(realm.credentials());
    let lenient = Arc::new(realm.credentials().require_channel_bindings(false));
    for framing in FRAMINGS {
        for (credentials, ours, theirs, accepted) in [
            (&strict, Some(BINDINGS), Some(BINDINGS), true),
            (&strict, Some(BINDINGS), Some(OTHER_BINDINGS), false),
            (&strict, Some(BINDINGS), None, false),
            (&lenient, Some(BINDINGS), Some(OTHER_BINDINGS), false),
            (&lenient, Some(BINDINGS), None, true),
            // Who has no bindings does not look at those of the other.
            (&strict, None, Some(BINDINGS), true),
        ] {
            let theirs = theirs.map(|bindings| {
                let digits = bindings.iter().map(|octet| format!("{octet:02x}"));
                format!("cb={}", digits.collect::<String>())
            });
            let options: Vec<_> = theirs.iter().map(String::as_str).collect();
            let mut peer = realm.initiator(framing, SERVICES[0], &options);
            let first = peer.step(None).unwrap().token;
            let outcome = meet(credentials, ours, &first, &mut peer);
            if accepted {
                talk(&mut *established(outcome), &mut peer);
            } else {
                let (reason, _) = refused(outcome);
                assert_eq!(reason, AuthenticationFailure::WrongChannelBindings);
            }
        }
    }
}

#[test]
fn what_mit_said_before_is_refused_on_another_connection() {
    let Some(realm) = Realm::start() else {
        return;
    };
    let credentials = Arc::new(realm.credentials());
    for framing in FRAMINGS {
        let mut peer = realm.initiator(framing, SERVICES[0], &[]);
        let first = peer.step(None).unwrap().token;
        established(meet(&credentials, None, &first, &mut peer));
        let (reason, _) = refused(meet(&credentials, None, &first, &mut peer));
        assert_eq!(reason, AuthenticationFailure::ReplayedAuthenticator);
        // Who remembers elsewhere has not seen it.
        let others = Arc::new(realm.credentials());
        let environment = Environment::default();
        let provider: Arc<dyn MechanismProvider> = Arc::new(Provider(others));
        let acceptor =
            spnego::acceptor(&[provider], AcceptorRequest::new(&environment), &first).unwrap();
        let step = acceptor.step(&first).unwrap();
        assert!(matches!(step, AcceptorStep::Established { .. }));
    }
}

#[test]
fn mit_may_leave_out_sequence_and_replay_but_nothing_else() {
    let Some(realm) = Realm::start() else {
        return;
    };
    let credentials = Arc::new(realm.credentials());
    for framing in FRAMINGS {
        let mut peer = realm.initiator(framing, SERVICES[0], &["flags=mutual,integ,conf"]);
        let first = peer.step(None).unwrap().token;
        talk(
            &mut *established(meet(&credentials, None, &first, &mut peer)),
            &mut peer,
        );
        let mut peer = realm.initiator(framing, SERVICES[0], &["flags=integ,conf"]);
        let first = peer.step(None).unwrap().token;
        let (reason, _) = refused(meet(&credentials, None, &first, &mut peer));
        assert_eq!(reason, AuthenticationFailure::MissingMutual);
    }
}

#[test]
fn mit_understands_why_it_is_refused() {
    let Some(realm) = Realm::start() else {
        return;
    };
    let other_key = fs::read(realm.kdc.path("user.keytab")).unwrap();
    let with = |keytab: &[u8]| ServiceCredentials::new(Keytab::parse(keytab).unwrap());
    for (credentials, expected, said) in [
        (
            with(&[5, 2]),
            AuthenticationFailure::NoServiceKey,
            "Service key not available",
        ),
        (
            with(&other_key),
            AuthenticationFailure::NoServiceKey,
            "The ticket isn't for us",
        ),
        (
            realm.credentials().accept_principals(&["WSMAN/other"]),
            AuthenticationFailure::ServiceNotAccepted,
            "The ticket isn't for us",
        ),
    ] {
        let credentials = Arc::new(credentials);
        for framing in [GssMechanism::Kerberos, GssMechanism::SpnegoKerberos] {
            let mut peer = realm.initiator(framing, SERVICES[0], &[]);
            let first = peer.step(None).unwrap().token;
            let (reason, token) = refused(meet(&credentials, None, &first, &mut peer));
            assert_eq!(reason, expected);
            let error = peer.step(Some(&token)).unwrap_err();
            assert!(error.message.contains(said), "{framing:?} {error}");
        }
    }
}

#[test]
fn a_client_of_another_realm_keeps_its_realm() {
    let Some(realm) = Realm::start() else {
        return;
    };
    let bob = realm.kdc.user();
    bob.kinit("bob@OTHER.EXAMPLE", MitKdc::PASSWORD).unwrap();
    let realm = Realm { user: bob, ..realm };
    let mut peer = realm.initiator(GssMechanism::SpnegoKerberos, SERVICES[0], &[]);
    let first = peer.step(None).unwrap().token;
    let (account, _) = meet(&Arc::new(realm.credentials()), None, &first, &mut peer)
        .map_err(|(error, _)| error)
        .unwrap();
    assert_eq!(account, AccountName::new(MitKdc::OTHER_REALM, "bob"));
}
