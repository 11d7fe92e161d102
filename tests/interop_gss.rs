//! gss-ntlmssp below MIT's libgssapi, by tokens alone: bare NTLM and SPNEGO, both roles, without CredSSP or TLS.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod peer;
mod toy;

use std::sync::Arc;

use bytes::BytesMut;
use credssp::environment::Environment;
use credssp::error::{AuthenticationFailure, PeerIncompatible};
use credssp::gss::{
    Acceptor, AcceptorRequest, AcceptorStep, ChannelBindings, Initiator, InitiatorRequest,
    InitiatorStep, MechanismProvider, SecurityContext,
};
use credssp::mechanism::{Mechanism, Oid};
use credssp::ntlm::Ntlm;
use credssp::spnego::{self, NegState, NegTokenInit, NegTokenResp, TokenKind};
use credssp::{Account, AccountName, Credentials, Error, ServicePrincipalName};
use peer::{GssError, GssMechanism, GssPeer, GssRole, Peer};

const PASSWORD: &str = "pass-canary";

const BINDINGS: &[u8] = b"tls-server-end-point:one certificate";
const OTHER_BINDINGS: &[u8] = b"tls-server-end-point:another certificate";

const FRAMINGS: [GssMechanism; 2] = [GssMechanism::Ntlm, GssMechanism::SpnegoNtlm];

/// With an initiator that prefers Kerberos, and an acceptor that does not have it.
const RESELECTING: [GssMechanism; 3] = [
    GssMechanism::Ntlm,
    GssMechanism::SpnegoNtlm,
    GssMechanism::SpnegoKerberosNtlm,
];

/// What our side of an exchange ended with.
type Established = Result<Box<dyn SecurityContext>, Refusal>;

/// Which of the two refused, and how.
#[derive(Debug)]
enum Refusal {
    Ours(Error),
    Peer(GssError),
}

#[test]
fn our_initiator_and_gss_ntlmssp_seal_and_sign_for_each_other() {
    if !peer::available(Peer::Gss) {
        return;
    }
    for framing in RESELECTING {
        let (established, mut peer) = OurInitiator::new(framing).meet(None);
        let mut context = established.unwrap();
        assert_eq!(context.mechanism(), Mechanism::Ntlm);
        let info = peer.info().unwrap();
        let initiator = r"initiator=CORP\alice".to_owned();
        assert!(info.contains(&initiator), "{framing:?} {info:?}");
        talk(&mut *context, &mut peer);
    }
}

#[test]
fn our_acceptor_and_gss_ntlmssp_seal_and_sign_for_each_other() {
    if !peer::available(Peer::Gss) {
        return;
    }
    for framing in RESELECTING {
        let (established, mut peer) = OurAcceptor::new(framing).meet(&[]);
        let mut context = established.unwrap();
        assert_eq!(context.mechanism(), Mechanism::Ntlm);
        talk(&mut *context, &mut peer);
    }
}

/// Sealed and signed messages in both directions, in turn: keystreams and sequence numbers of the two ends go together,
/// also from where SPNEGO's MICs have left them.
fn talk(ours: &mut dyn SecurityContext, peer: &mut GssPeer) {
    for message in [&b"first message"[..], b"2", &[0x5a; 20_000]] {
        let sealed = wrap(ours, message);
        assert_eq!(sealed.len(), message.len() + ours.wrap_overhead());
        let opened = peer.unwrap(&sealed).unwrap();
        assert_eq!((&*opened.message, opened.encrypted), (message, true));

        let mut sealed = peer.wrap(message).unwrap();
        assert_eq!(ours.unwrap_in_place(&mut sealed).unwrap(), message);

        let mut mic = Vec::new();
        ours.get_mic(message, &mut mic).unwrap();
        peer.verify(message, &mic).unwrap();

        let mic = peer.mic(message).unwrap();
        ours.verify_mic(message, &mic).unwrap();
    }
    // Nothing is a message too; libgssapi does not seal it, but opens it.
    assert!(peer.unwrap(&wrap(ours, b"")).unwrap().message.is_empty());
    // The signatures are over the message, and those who verify them look.
    let mut mic = Vec::new();
    ours.get_mic(b"signed", &mut mic).unwrap();
    assert_eq!(
        peer.verify(b"Signed", &mic).unwrap_err().kind,
        "BadMICError"
    );
    let mic = peer.mic(b"signed").unwrap();
    let error = ours.verify_mic(b"Signed", &mic).unwrap_err();
    assert_eq!(failure(error), AuthenticationFailure::WrongSignature);
}

#[test]
fn a_changed_message_does_not_open() {
    if !peer::available(Peer::Gss) {
        return;
    }
    for framing in FRAMINGS {
        let (established, mut peer) = OurInitiator::new(framing).meet(None);
        let mut context = established.unwrap();
        let mut sealed = wrap(&mut *context, b"to the acceptor");
        *sealed.last_mut().unwrap() ^= 1;
        assert_eq!(peer.unwrap(&sealed).unwrap_err().kind, "BadMICError");

        let mut sealed = peer.wrap(b"to the initiator").unwrap();
        *sealed.last_mut().unwrap() ^= 1;
        let error = context.unwrap_in_place(&mut sealed).unwrap_err();
        assert_eq!(failure(error), AuthenticationFailure::WrongSignature);
    }
}

#[test]
fn gss_ntlmssp_refuses_our_initiator_with_a_wrong_password_or_an_unknown_account() {
    if !peer::available(Peer::Gss) {
        return;
    }
    for framing in RESELECTING {
        for (user, password) in [("alice", "another"), ("mallory", PASSWORD)] {
            let ours = OurInitiator {
                user,
                password,
                ..OurInitiator::new(framing)
            };
            let Err(Refusal::Peer(error)) = ours.meet(None).0 else {
                panic!("{framing:?} {user}");
            };
            assert_eq!(error.kind, "GSSError", "{error}");
        }
    }
}

#[test]
fn our_acceptor_refuses_gss_ntlmssp_with_a_wrong_password_or_an_unknown_account() {
    if !peer::available(Peer::Gss) {
        return;
    }
    for framing in RESELECTING {
        for (options, expected) in [
            (["password=another"], AuthenticationFailure::WrongResponse),
            (
                [r"user=CORP\mallory"],
                AuthenticationFailure::UnknownAccount,
            ),
        ] {
            let (established, _) = OurAcceptor::new(framing).meet(&options);
            assert_eq!(refused_by_us(established), expected);
        }
    }
}

#[test]
fn our_initiator_binds_to_the_channel_of_gss_ntlmssp() {
    if !peer::available(Peer::Gss) {
        return;
    }
    for framing in FRAMINGS {
        for (ours, theirs, accepted) in [
            (Some(BINDINGS), Some(BINDINGS), true),
            (Some(BINDINGS), Some(OTHER_BINDINGS), false),
            // Who has no bindings does not look at those of the other.
            (Some(BINDINGS), None, true),
        ] {
            let initiator = OurInitiator {
                bindings: ours,
                ..OurInitiator::new(framing)
            };
            let (established, mut peer) = initiator.meet(theirs);
            match established {
                Ok(mut context) => {
                    assert!(accepted, "{framing:?} {ours:?} {theirs:?}");
                    let opened = peer.unwrap(&wrap(&mut *context, b"bound")).unwrap();
                    assert_eq!(opened.message, b"bound");
                }
                Err(Refusal::Peer(_)) => assert!(!accepted, "{framing:?} {ours:?} {theirs:?}"),
                Err(Refusal::Ours(error)) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn our_acceptor_wants_gss_ntlmssp_bound_to_its_own_channel() {
    if !peer::available(Peer::Gss) {
        return;
    }
    for framing in FRAMINGS {
        for (ours, theirs, accepted) in [
            (Some(BINDINGS), Some(BINDINGS), true),
            (Some(BINDINGS), Some(OTHER_BINDINGS), false),
            (Some(BINDINGS), None, false),
            (None, Some(BINDINGS), true),
        ] {
            let acceptor = OurAcceptor {
                bindings: ours,
                ..OurAcceptor::new(framing)
            };
            let theirs = theirs.map(bindings_option);
            let options: Vec<_> = theirs.iter().map(String::as_str).collect();
            let (established, mut peer) = acceptor.meet(&options);
            if accepted {
                let mut context = established.unwrap();
                let mut sealed = peer.wrap(b"bound").unwrap();
                assert_eq!(context.unwrap_in_place(&mut sealed).unwrap(), b"bound");
            } else {
                assert_eq!(
                    refused_by_us(established),
                    AuthenticationFailure::WrongChannelBindings
                );
            }
        }
    }
}

/// Bare, gss-ntlmssp's initiator sends no MIC. It sends one where MIT's SPNEGO, which can protect the list of mechanisms by
/// one more, stands above it.
#[test]
fn a_missing_mic_is_refused_unless_it_is_allowed() {
    if !peer::available(Peer::Gss) {
        return;
    }
    for (framing, allow_missing_mic, accepted) in [
        (GssMechanism::Ntlm, false, false),
        (GssMechanism::Ntlm, true, true),
        (GssMechanism::SpnegoNtlm, false, true),
    ] {
        let acceptor = OurAcceptor {
            allow_missing_mic,
            ..OurAcceptor::new(framing)
        };
        let (established, mut peer) = acceptor.meet(&[]);
        if accepted {
            let mut sealed = peer.wrap(b"accepted").unwrap();
            let mut context = established.unwrap();
            assert_eq!(context.unwrap_in_place(&mut sealed).unwrap(), b"accepted");
        } else {
            assert_eq!(
                refused_by_us(established),
                AuthenticationFailure::MissingMic
            );
        }
    }
}

#[test]
fn gss_ntlmssp_refuses_a_changed_mech_list_mic_of_our_acceptor() {
    if !peer::available(Peer::Gss) {
        return;
    }
    let ours = OurAcceptor {
        tampers: true,
        ..OurAcceptor::new(GssMechanism::SpnegoNtlm)
    };
    let Err(Refusal::Peer(error)) = ours.meet(&[]).0 else {
        panic!("not refused");
    };
    assert_eq!(error.kind, "BadMICError", "{error}");
}

/// The initiator's first choice, and its optimistic token, are Kerberos' here.
#[test]
fn our_acceptor_selects_ntlm_where_kerberos_is_preferred() {
    if !peer::available(Peer::Gss) {
        return;
    }
    let ours = OurAcceptor::new(GssMechanism::SpnegoKerberosNtlm);
    let mut peer = ours.start_peer(&[]);
    let first = peer.step(None).unwrap().token;
    let init = NegTokenInit::decode(&first).unwrap();
    assert!(init.mech_types.iter().next().unwrap() == Oid::KERBEROS);
    assert_eq!(
        TokenKind::of(init.mech_token.unwrap()),
        Some(TokenKind::Kerberos)
    );

    let Ok(AcceptorStep::NeedsToken { token, next }) = accept(ours.start(&first), &first) else {
        panic!("no answer to the first token");
    };
    let reply = NegTokenResp::decode(&token).unwrap();
    // RFC 4178, 4.2.2: to be asked for where another mechanism than the initiator's first choice is selected.
    assert_eq!(reply.neg_state, Some(NegState::RequestMic));
    assert!(reply.supported_mech.unwrap() == Oid::NTLMSSP);
    assert_eq!(reply.response_token, None);

    let negotiate = peer.step(Some(&token)).unwrap().token;
    let mut context = ours.go_on(next, negotiate, &mut peer).unwrap();
    assert_eq!(context.mechanism(), Mechanism::Ntlm);
    talk(&mut *context, &mut peer);
}

#[test]
fn our_acceptor_refuses_gss_ntlmssp_without_confidentiality() {
    if !peer::available(Peer::Gss) {
        return;
    }
    for framing in FRAMINGS {
        let (established, _) =
            OurAcceptor::new(framing).meet(&["flags=mutual,replay,sequence,integ"]);
        let Err(Refusal::Ours(Error::PeerIncompatible(PeerIncompatible::WeakNtlm(feature)))) =
            established
        else {
            panic!("{framing:?}");
        };
        assert_eq!(feature, "sealing");
    }
}

/// Our side as the initiator.
struct OurInitiator {
    framing: GssMechanism,
    user: &'static str,
    password: &'static str,
    bindings: Option<&'static [u8]>,
}

impl OurInitiator {
    fn new(framing: GssMechanism) -> Self {
        Self {
            framing,
            user: "alice",
            password: PASSWORD,
            bindings: None,
        }
    }

    /// Runs the exchange with an acceptor of the peer's that knows one account.
    fn meet(&self, bindings: Option<&[u8]>) -> (Established, GssPeer) {
        let account = format!(r"account=CORP\alice:{PASSWORD}");
        let bindings = bindings.map(bindings_option);
        let options: Vec<_> = [account.as_str()]
            .into_iter()
            .chain(bindings.as_deref())
            .collect();
        let mechanism = match self.framing {
            GssMechanism::Ntlm => GssMechanism::Ntlm,
            _ => GssMechanism::SpnegoNtlm,
        };
        let mut peer = GssPeer::start(GssRole::Accept, mechanism, &options);
        (self.exchange(&mut peer), peer)
    }

    fn exchange(&self, peer: &mut GssPeer) -> Established {
        let mut state = self.start();
        let mut reply = None;
        for _ in 0..8 {
            match state.step(reply.as_deref()).map_err(Refusal::Ours)? {
                InitiatorStep::NeedsToken { token, next } => {
                    state = next;
                    reply = Some(peer.step(Some(&token)).map_err(Refusal::Peer)?.token);
                }
                InitiatorStep::Established { token, mut context } => {
                    let step = peer.step(token.as_deref()).map_err(Refusal::Peer)?;
                    assert!(step.complete);
                    let last = Some(step.token).filter(|token| !token.is_empty());
                    if let Some(last) = &last {
                        let last = NegTokenResp::decode(last).unwrap();
                        assert!(last.mech_list_mic.is_some(), "both sign the list");
                    }
                    context.finish(last.as_deref()).map_err(Refusal::Ours)?;
                    return Ok(context);
                }
                _ => unreachable!(),
            }
        }
        panic!("eight tokens and no end");
    }

    fn start(&self) -> Box<dyn Initiator> {
        let target = ServicePrincipalName::termsrv("localhost").unwrap();
        let credentials = Credentials::password(AccountName::new("CORP", self.user), self.password);
        let environment = Environment::default();
        let bindings = self.bindings.map(ChannelBindings::from_application_data);
        let mut request = InitiatorRequest::new(&target, &credentials, &environment);
        if let Some(bindings) = &bindings {
            request = request.with_channel_bindings(bindings);
        }
        let ntlm: Arc<dyn MechanismProvider> = Arc::new(Ntlm::default());
        match self.framing {
            GssMechanism::Ntlm => ntlm.initiator(request).unwrap(),
            GssMechanism::SpnegoNtlm => spnego::initiator(&[ntlm], request).unwrap(),
            // A stand-in, whose tokens are texts.
            _ => {
                let mut mechanisms = toy::providers(&[toy::KERBEROS]);
                mechanisms.push(ntlm);
                spnego::initiator(&mechanisms, request).unwrap()
            }
        }
    }
}

/// Our side as the acceptor.
struct OurAcceptor {
    framing: GssMechanism,
    allow_missing_mic: bool,
    bindings: Option<&'static [u8]>,
    /// Whether the last octet of the last token, which is in the `mechListMIC`, arrives changed.
    tampers: bool,
}

impl OurAcceptor {
    /// Takes what the peer's initiator has: no MIC without SPNEGO.
    fn new(framing: GssMechanism) -> Self {
        Self {
            framing,
            allow_missing_mic: matches!(framing, GssMechanism::Ntlm),
            bindings: None,
            tampers: false,
        }
    }

    /// Runs the exchange with an initiator of the peer's.
    fn meet(&self, options: &[&str]) -> (Established, GssPeer) {
        let mut peer = self.start_peer(options);
        let token = peer.step(None).unwrap().token;
        (self.go_on(self.start(&token), token, &mut peer), peer)
    }

    /// An initiator of the peer's, with `options` in place of the usual ones.
    fn start_peer(&self, options: &[&str]) -> GssPeer {
        let password = format!("password={PASSWORD}");
        let defaults = [r"user=CORP\alice", &password, "target=TERMSRV@localhost"];
        let named = |option: &str| option.split_once('=').map(|(name, _)| name.to_owned());
        let defaults = defaults.into_iter().filter(|default| {
            let given = options.iter().any(|option| named(option) == named(default));
            !given
        });
        let options: Vec<_> = defaults.chain(options.iter().copied()).collect();
        GssPeer::start(GssRole::Initiate, self.framing, &options)
    }

    /// Runs the exchange from a token of the peer's on.
    fn go_on(
        &self,
        mut state: Box<dyn Acceptor>,
        mut token: Vec<u8>,
        peer: &mut GssPeer,
    ) -> Established {
        for _ in 0..8 {
            match accept(state, &token).map_err(Refusal::Ours)? {
                AcceptorStep::NeedsToken { token: reply, next } => {
                    state = next;
                    token = peer.step(Some(&reply)).map_err(Refusal::Peer)?.token;
                }
                AcceptorStep::Established {
                    account,
                    token,
                    context,
                    ..
                } => {
                    assert_eq!(account, AccountName::new("CORP", "alice"));
                    if let Some(mut last) = token {
                        if self.tampers {
                            *last.last_mut().unwrap() ^= 1;
                        }
                        let step = peer.step(Some(&last)).map_err(Refusal::Peer)?;
                        assert!(step.complete && step.token.is_empty(), "{step:?}");
                    }
                    return Ok(context);
                }
                _ => unreachable!(),
            }
        }
        panic!("eight tokens and no end");
    }

    fn start(&self, first_token: &[u8]) -> Box<dyn Acceptor> {
        let ntlm = Ntlm::default().allow_missing_mic(self.allow_missing_mic);
        let environment = Environment::default();
        let bindings = self.bindings.map(ChannelBindings::from_application_data);
        let mut request = AcceptorRequest::new(&environment);
        if let Some(bindings) = &bindings {
            request = request.with_channel_bindings(bindings);
        }
        spnego::acceptor(&[Arc::new(ntlm)], request, first_token).unwrap()
    }
}

/// A step of an acceptor that knows one account.
fn accept(acceptor: Box<dyn Acceptor>, token: &[u8]) -> Result<AcceptorStep, Error> {
    match acceptor.step(token)? {
        AcceptorStep::NeedsAccount { request, next } => {
            let known = request.account == AccountName::new("CORP", "alice");
            next.step(known.then(|| Account::password(PASSWORD)))
        }
        step => Ok(step),
    }
}

fn wrap(context: &mut dyn SecurityContext, message: &[u8]) -> Vec<u8> {
    let mut buffer = BytesMut::from(message);
    context.wrap_in_place(&mut buffer).unwrap();
    buffer.to_vec()
}

fn bindings_option(data: &[u8]) -> String {
    let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("cb={hex}")
}

fn refused_by_us(established: Established) -> AuthenticationFailure {
    match established {
        Err(Refusal::Ours(error)) => failure(error),
        Err(Refusal::Peer(error)) => panic!("the peer refused: {error}"),
        Ok(_) => panic!("nobody refused"),
    }
}

fn failure(error: Error) -> AuthenticationFailure {
    match error {
        Error::AuthenticationFailed { mechanism, reason } => {
            assert_eq!(mechanism, Mechanism::Ntlm);
            reason
        }
        _ => panic!("{error}"),
    }
}
