//! Our Kerberos acceptor against MIT's initiator, with tickets of MIT's krb5kdc.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // in what the tests share

mod peer;

use std::fs;
use std::sync::Arc;

use bytes::BytesMut;
use credssp::account::LogonInfo;
use credssp::environment::Environment;
use credssp::error::AuthenticationFailure;
use credssp::gss::{
    Acceptor, AcceptorRequest, AcceptorStep, ChannelBindings, InitiatorRequest, InitiatorStep,
    MechanismProvider, SecurityContext,
};
use credssp::kerberos::Kerberos;
use credssp::kerberos::acceptor::{ServiceCredentials, ServiceTgt};
use credssp::kerberos::asn1::PrincipalName;
use credssp::kerberos::crypto::EncryptionType;
use credssp::kerberos::initiator::{AsExchange, AsStep, ClientName, ClientSecret};
use credssp::kerberos::keytab::Keytab;
use credssp::mechanism::Mechanism;
use credssp::{AccountName, Credentials, Error, ServicePrincipalName, spnego};
use peer::{GssMechanism, GssPeer, GssRole, Krb5User, MitKdc, Peer, SambaAd};

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

fn provider(credentials: &Arc<ServiceCredentials>) -> Arc<dyn MechanismProvider> {
    let mut kerberos = Kerberos::default();
    kerberos.acceptor = Some(Arc::clone(credentials));
    Arc::new(kerberos)
}

/// What our side ended with: the account and the context, or the reason and what the peer is told.
type Outcome = Result<Logon, (Error, Option<Vec<u8>>)>;

struct Logon {
    account: AccountName,
    info: LogonInfo,
    context: Box<dyn SecurityContext>,
}

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
    let mut acceptor = spnego::acceptor(&[provider(credentials)], request, first).unwrap();
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
                let last = peer.step(token.as_deref()).unwrap();
                assert!(last.complete);
                let last = Some(&*last.token).filter(|token| !token.is_empty());
                context.finish(last).unwrap();
                return Ok(Logon {
                    account,
                    info: *logon_info.expect("every KDC here signs a PAC"),
                    context,
                });
            }
            AcceptorStep::Refused { token, error } => return Err((error, Some(token))),
            _ => panic!("another step"),
        }
    }
}

fn established(outcome: Outcome) -> Box<dyn SecurityContext> {
    match outcome {
        Ok(logon) => {
            assert_eq!(logon.account, AccountName::new(MitKdc::REALM, "alice"));
            // MIT's KDC knows nothing of Windows' domains.
            assert_eq!(logon.info, LogonInfo::default());
            logon.context
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
        let request = AcceptorRequest::new(&environment);
        let acceptor = spnego::acceptor(&[provider(&others)], request, &first).unwrap();
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
    let logon = meet(&Arc::new(realm.credentials()), None, &first, &mut peer);
    let account = logon.map_err(|(error, _)| error).unwrap().account;
    assert_eq!(account, AccountName::new(MitKdc::OTHER_REALM, "bob"));
}

/// The groups and names that a domain controller knows.
#[test]
fn samba_says_who_alice_is() {
    if !(peer::available(Peer::SambaAd) && peer::available(Peer::Gss)) {
        return;
    }
    let domain = SambaAd::start();
    let user = domain.user();
    user.kinit("alice", SambaAd::PASSWORD).unwrap();
    let file = fs::read(domain.path("service.keytab")).unwrap();
    for service in [SambaAd::WINRM_SERVICE, SambaAd::RDP_SERVICE] {
        let credentials = ServiceCredentials::new(Keytab::parse(&file).unwrap());
        let krb5_conf = format!("krb5_conf={}", domain.krb5_conf().display());
        let ccache = format!("ccache={}", user.ccache().display());
        let target = format!("target={}@{}", service, SambaAd::REALM);
        let mut peer = GssPeer::start(
            GssRole::Initiate,
            GssMechanism::SpnegoKerberos,
            &[&target, &krb5_conf, &ccache],
        );
        let first = peer.step(None).unwrap().token;
        let logon = meet(&Arc::new(credentials), None, &first, &mut peer)
            .map_err(|(error, _)| error)
            .unwrap();
        assert_eq!(logon.account, AccountName::new(SambaAd::REALM, "alice"));
        check_alice(&logon.info);
    }
}

fn check_alice(info: &LogonInfo) {
    assert_eq!(info.upn.as_deref(), Some(SambaAd::ALICE_UPN));
    assert_eq!(info.dns_domain.as_deref(), Some(SambaAd::REALM));
    let sid = info.sid.as_deref().unwrap();
    let (domain, relative) = sid.rsplit_once('-').unwrap();
    assert!(domain.starts_with("S-1-5-21-"), "{sid}");
    assert!(relative.parse::<u32>().unwrap() >= 1000, "{sid}");
    let domain_users = format!("{domain}-513");
    let groups: Vec<_> = info.group_sids.iter().map(|sid| &**sid).collect();
    assert!(groups.contains(&&*domain_users), "{groups:?}");
    // Authentication authority asserted identity.
    assert!(groups.contains(&"S-1-18-1"), "{groups:?}");
}

/// What a server runs under, and who logs on to it, by user-to-user.
struct UserToUser<'a> {
    ask: &'a dyn Fn(&[u8]) -> Vec<u8>,
    realm: &'a str,
    owner: &'a str,
    password: &'a str,
    service: ServicePrincipalName,
}

impl UserToUser<'_> {
    /// The server's ticket-granting ticket, by its password.
    fn service_tgt(&self) -> ServiceTgt {
        let mut step = AsExchange::start(
            ClientName::new(self.realm, PrincipalName::new(1, &[self.owner])),
            ClientSecret::Password(self.password.into()),
            EncryptionType::DEFAULT,
            true,
            &Environment::default(),
        );
        let tgt = ServiceTgt::new();
        loop {
            match step.unwrap() {
                AsStep::NeedsKdc { request, next } => {
                    step = next.step(&(self.ask)(&request.message));
                }
                AsStep::Complete(ticket) => {
                    tgt.set(*ticket);
                    return tgt;
                }
                _ => panic!("another step"),
            }
        }
    }

    /// Our initiator and our acceptor, which has no keys but that ticket's.
    fn meet(&self) -> (AccountName, LogonInfo) {
        let tgt = Arc::new(self.service_tgt());
        let keyless = ServiceCredentials::new(Keytab::parse(&[5, 2]).unwrap());
        let server = provider(&Arc::new(keyless.service_tgt_of(tgt)));
        let mut client = Kerberos::default();
        client.initiator.user_to_user = true;
        client.initiator.user_to_user_owner = Some(PrincipalName::new(1, &[self.owner]));
        let client: Arc<dyn MechanismProvider> = Arc::new(client);

        let environment = Environment::default();
        let alice = AccountName::new(self.realm, "alice");
        let credentials = Credentials::password(alice, self.password);
        let request = InitiatorRequest::new(&self.service, &credentials, &environment);
        let mut step = spnego::initiator(&[client], request).unwrap().step(None);
        let mut acceptor: Option<Box<dyn Acceptor>> = None;
        let mut accept = |token: &[u8]| {
            let current = acceptor.take().unwrap_or_else(|| {
                let request = AcceptorRequest::new(&environment);
                spnego::acceptor(&[Arc::clone(&server)], request, token).unwrap()
            });
            match current.step(token).unwrap() {
                AcceptorStep::NeedsToken { token, next } => {
                    acceptor = Some(next);
                    Ok(token)
                }
                AcceptorStep::Refused { error, .. } => panic!("{error}"),
                step => Err(step),
            }
        };
        loop {
            match step.unwrap() {
                InitiatorStep::NeedsKdc { request, next } => {
                    step = next.step(Ok((self.ask)(&request.message)));
                }
                InitiatorStep::NeedsToken { token, next } => {
                    let Ok(reply) = accept(&token) else {
                        panic!("the server is done first");
                    };
                    step = next.step(Some(&reply));
                }
                // The server signs the list with user-to-user, and then the client does.
                InitiatorStep::Established {
                    token: Some(token),
                    context: mut ours,
                } => {
                    let Err(AcceptorStep::Established {
                        account,
                        logon_info: Some(info),
                        token: None,
                        context: mut theirs,
                        ..
                    }) = accept(&token)
                    else {
                        panic!("the server is not done");
                    };
                    ours.finish(None).unwrap();
                    theirs.finish(None).unwrap();
                    let mut sealed = BytesMut::from(&b"user to user"[..]);
                    ours.wrap_in_place(&mut sealed).unwrap();
                    let opened = theirs.unwrap_in_place(&mut sealed).unwrap();
                    assert_eq!(opened, b"user to user");
                    return (account, *info);
                }
                _ => panic!("another step"),
            }
        }
    }
}

#[test]
fn a_server_without_a_keytab_is_served_by_its_ticket_granting_ticket() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    let pair = UserToUser {
        ask: &|message| kdc.ask(message),
        realm: MitKdc::REALM,
        owner: "svcuser",
        password: MitKdc::PASSWORD,
        service: "TERMSRV/server.test.example".parse().unwrap(),
    };
    let (account, _) = pair.meet();
    assert_eq!(account, AccountName::new(MitKdc::REALM, "alice"));
}

#[test]
fn a_member_of_a_domain_needs_no_keytab_either() {
    if !peer::available(Peer::SambaAd) {
        return;
    }
    let domain = SambaAd::start();
    let pair = UserToUser {
        ask: &|message| domain.ask(message),
        realm: SambaAd::REALM,
        owner: SambaAd::RDP_ACCOUNT,
        password: SambaAd::PASSWORD,
        service: SambaAd::RDP_SERVICE.parse().unwrap(),
    };
    let (account, info) = pair.meet();
    assert_eq!(account, AccountName::new(SambaAd::REALM, "alice"));
    check_alice(&info);
}
