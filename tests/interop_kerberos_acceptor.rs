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
