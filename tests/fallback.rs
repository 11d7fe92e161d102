//! A mechanism that asks a KDC, and what takes its place where no KDC helps.

#![cfg(feature = "ntlm")]
#![allow(clippy::panic, clippy::unwrap_used)]

mod pair;

use std::sync::Arc;

use bytes::BytesMut;
use credssp::client::{self, Client};
use credssp::error::{
    DelegationDeniedReason, Error, HandshakeError, KdcError, PeerIncompatible, PeerMisbehaved,
};
use credssp::gss::{
    Acceptor, AcceptorRequest, AcceptorStep, AwaitsKdc, Initiator, InitiatorRequest, InitiatorStep,
    MechanismProvider,
};
use credssp::kdc::{KdcReply, KdcRequest, KdcUnreachable};
use credssp::mechanism::{Mechanism, Negotiation, Oid};
use credssp::ntlm::Ntlm;
use credssp::proof::ServerProof;
use credssp::server::{self, Server};
use credssp::{Credentials, DelegationPolicy, ServicePrincipalName};
use pair::toy::Toy;
use pair::{Pair, alice, key, target};

/// Kerberos in name, which asks a KDC twice before its first token, and once before its second.
#[derive(Debug)]
struct Asking(Arc<dyn MechanismProvider>);

impl Asking {
    fn provider() -> Arc<dyn MechanismProvider> {
        Arc::new(Self(Toy::kerberos(3)))
    }
}

impl MechanismProvider for Asking {
    fn mechanism(&self) -> Mechanism {
        self.0.mechanism()
    }

    fn oids(&self) -> &'static [Oid] {
        self.0.oids()
    }

    fn initiator(&self, request: InitiatorRequest<'_>) -> Option<Box<dyn Initiator>> {
        let initiator = self.0.initiator(request)?;
        Some(Box::new(Question {
            initiator,
            token: None,
            left: 2,
        }))
    }

    fn acceptor(&self, request: AcceptorRequest<'_>) -> Box<dyn Acceptor> {
        self.0.acceptor(request)
    }
}

struct Question {
    initiator: Box<dyn Initiator>,
    token: Option<Vec<u8>>,
    left: usize,
}

impl Question {
    fn ask(self: Box<Self>) -> InitiatorStep {
        let message = b"question".to_vec();
        InitiatorStep::NeedsKdc {
            request: KdcRequest::new("CORP", message),
            next: self,
        }
    }
}

impl Initiator for Question {
    fn mechanism(&self) -> Mechanism {
        self.initiator.mechanism()
    }

    fn step(mut self: Box<Self>, token: Option<&[u8]>) -> Result<InitiatorStep, Error> {
        self.token = token.map(Into::into);
        Ok(self.ask())
    }
}

impl AwaitsKdc for Question {
    fn mechanism(&self) -> Mechanism {
        self.initiator.mechanism()
    }

    fn step(mut self: Box<Self>, reply: KdcReply) -> Result<InitiatorStep, Error> {
        let reply = reply.map_err(KdcError::from)?;
        match &*reply {
            b"unknown service" => return Err(KdcError::ServiceUnknown.into()),
            b"skew" => return Err(KdcError::ClockSkew.into()),
            b"wrong realm" => return Err(KdcError::WrongRealm.into()),
            b"wrong password" => return Err(KdcError::WrongPassword.into()),
            b"unknown client" => return Err(KdcError::ClientUnknown.into()),
            _ => {}
        }
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            return Ok(self.ask());
        }
        match self.initiator.step(self.token.as_deref())? {
            InitiatorStep::NeedsToken { token, next } => {
                let next = Box::new(Self {
                    initiator: next,
                    token: None,
                    left: 1,
                });
                Ok(InitiatorStep::NeedsToken { token, next })
            }
            step => Ok(step),
        }
    }
}

/// Whether it is the error that the KDC's answer stands for.
type IsExpected = fn(&KdcError) -> bool;

struct Run {
    result: Result<client::Complete, HandshakeError>,
    /// How many messages the client sent.
    sent: usize,
    /// How many questions it had for a KDC.
    asked: usize,
}

fn run(pair: &Pair, answer: fn() -> KdcReply) -> Run {
    let mut run = Run {
        result: Err(HandshakeError::new(
            PeerMisbehaved::TooManyRounds,
            Default::default(),
        )),
        sent: 0,
        asked: 0,
    };
    run.result = drive(pair, answer, &mut run.sent, &mut run.asked);
    run
}

fn drive(
    pair: &Pair,
    answer: fn() -> KdcReply,
    sent: &mut usize,
    asked: &mut usize,
) -> Result<client::Complete, HandshakeError> {
    let credentials = Credentials::password(alice(), pair::PASSWORD);
    let client = Client::new(pair.client.clone(), target(), credentials, key());
    let mut server = Some(Server::new(pair.server.clone(), key()).start()?);
    let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
    let mut handshake = client.start(&mut to_server)?;
    loop {
        if !to_server.is_empty() {
            *sent += 1;
        }
        handshake = match handshake {
            client::Handshake::NeedsKdc(state) => {
                assert!(to_server.is_empty(), "the peer hears of no question");
                assert_eq!(&*state.request().realm, "CORP");
                *asked += 1;
                state.continue_with(answer(), &mut to_server)?
            }
            client::Handshake::NeedsInput(state) => {
                let mut next = server
                    .take()
                    .unwrap()
                    .process(&mut to_server, &mut to_client)?;
                while let server::Handshake::NeedsAccount(waiting) = next {
                    let account = (pair.accounts)(waiting.request());
                    next = waiting.continue_with(account, &mut to_client)?;
                }
                if let server::Handshake::NeedsInput(waiting) = next {
                    server = Some(waiting);
                }
                state.process(&mut to_client, &mut to_server)?
            }
            client::Handshake::Complete(complete) => return Ok(complete),
            other => panic!("{other:?}"),
        };
    }
}

fn ntlm() -> Arc<dyn MechanismProvider> {
    Arc::new(Ntlm::default())
}

fn pair() -> Pair {
    Pair::with_mechanisms(
        vec![Asking::provider(), ntlm()],
        vec![Toy::kerberos(3), ntlm()],
    )
}

fn answers() -> KdcReply {
    Ok(b"answer".to_vec())
}

fn unreachable() -> KdcReply {
    Err(KdcUnreachable::new("CORP", "it is only a test"))
}

#[test]
fn a_mechanism_asks_kdcs_before_and_between_its_tokens() {
    let mut pair = pair();
    for negotiation in [Negotiation::Spnego, Negotiation::Bare] {
        pair.client.negotiation = negotiation;
        let run = run(&pair, answers);
        let complete = run.result.unwrap();
        assert_eq!(complete.mechanism, Mechanism::Kerberos);
        assert_eq!(complete.proof, ServerProof::Kerberos);
        assert!(complete.fallback.is_none());
        assert_eq!(run.asked, 3);
    }
    // One that the acceptor selects in place of the first.
    let mut pair = Pair::with_mechanisms(vec![ntlm(), Asking::provider()], vec![Toy::kerberos(3)]);
    pair.client.negotiation = Negotiation::Spnego;
    let complete = run(&pair, answers).result.unwrap();
    assert_eq!(complete.mechanism, Mechanism::Kerberos);
}

#[test]
fn ntlm_takes_the_place_of_kerberos_where_no_kdc_helps_and_the_reason_is_kept() {
    let answers: [(fn() -> KdcReply, IsExpected); 4] = [
        (unreachable, |error| {
            matches!(error, KdcError::Unreachable(_))
        }),
        (
            || Ok(b"unknown service".to_vec()),
            |error| *error == KdcError::ServiceUnknown,
        ),
        (
            || Ok(b"skew".to_vec()),
            |error| *error == KdcError::ClockSkew,
        ),
        (
            || Ok(b"wrong realm".to_vec()),
            |error| *error == KdcError::WrongRealm,
        ),
    ];
    for (answer, expected) in answers {
        let run = run(&pair(), answer);
        let complete = run.result.unwrap();
        assert_eq!(complete.mechanism, Mechanism::Ntlm);
        assert_eq!(complete.proof, ServerProof::None);
        match complete.fallback {
            Some(Error::Kdc(error)) => assert!(expected(&error), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn nothing_takes_the_place_of_kerberos_after_a_refused_proof() {
    let answers: [fn() -> KdcReply; 2] = [
        || Ok(b"wrong password".to_vec()),
        || Ok(b"unknown client".to_vec()),
    ];
    for answer in answers {
        let run = run(&pair(), answer);
        assert!(matches!(run.result.unwrap_err().error, Error::Kdc(_)));
        assert_eq!((run.sent, run.asked), (0, 1));
    }
}

#[test]
fn a_vanished_kdc_draws_no_ntlm_response_where_policy_forbids_ntlm() {
    let mut pair = pair();
    pair.client.policy = DelegationPolicy::default().allow_fresh("TERMSRV/*".parse().unwrap());
    let run = run(&pair, unreachable);
    let error = run.result.unwrap_err().error;
    assert!(
        matches!(error, Error::Kdc(KdcError::Unreachable(_))),
        "{error}"
    );
    assert_eq!((run.sent, run.asked), (0, 1));
    // And no KDC is asked where policy forbids Kerberos too.
    pair.client.policy = DelegationPolicy::default();
    let run = self::run(&pair, unreachable);
    match run.result.unwrap_err().error {
        Error::DelegationDenied(denied) => {
            assert_eq!(denied.reason, DelegationDeniedReason::NotAllowed);
        }
        other => panic!("{other}"),
    }
    assert_eq!((run.sent, run.asked), (0, 0));
}

#[test]
fn nothing_takes_the_place_of_a_mechanism_that_has_spoken() {
    // The question between the tokens stays without an answer.
    fn answers_twice() -> KdcReply {
        use std::cell::Cell;
        thread_local!(static LEFT: Cell<u32> = const { Cell::new(2) });
        match LEFT.get() {
            0 => unreachable(),
            left => {
                LEFT.set(left - 1);
                answers()
            }
        }
    }
    let run = run(&pair(), answers_twice);
    let error = run.result.unwrap_err().error;
    assert!(
        matches!(error, Error::Kdc(KdcError::Unreachable(_))),
        "{error}"
    );
    assert_eq!(run.asked, 3);
}

/// Refuses every client, with a token that says why.
#[derive(Debug)]
struct Refusing;

impl MechanismProvider for Refusing {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn oids(&self) -> &'static [Oid] {
        &[Oid::KERBEROS]
    }

    fn initiator(&self, _: InitiatorRequest<'_>) -> Option<Box<dyn Initiator>> {
        None
    }

    fn acceptor(&self, _: AcceptorRequest<'_>) -> Box<dyn Acceptor> {
        Box::new(Self)
    }
}

impl Acceptor for Refusing {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn step(self: Box<Self>, _: &[u8]) -> Result<AcceptorStep, Error> {
        Ok(AcceptorStep::Refused {
            token: b"because".to_vec(),
            error: PeerIncompatible::Anonymous.into(),
        })
    }
}

#[test]
fn a_refusal_comes_with_the_mechanisms_own_token() {
    use credssp::spnego::{NegState, NegTokenResp};
    use credssp::ts_request::TsRequest;

    for (negotiation, version) in [
        (Negotiation::Bare, 6),
        (Negotiation::Spnego, 6),
        (Negotiation::Spnego, 5),
    ] {
        let mut pair = Pair::with_mechanisms(vec![Toy::kerberos(2)], vec![Arc::new(Refusing)]);
        pair.client.negotiation = negotiation;
        pair.client.own_version = version;
        let credentials = Credentials::password(alice(), pair::PASSWORD);
        let service = ServicePrincipalName::termsrv("web.corp.example").unwrap();
        let client = Client::new(pair.client.clone(), service, credentials, key());
        let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
        client.start(&mut to_server).unwrap();
        let server = Server::new(pair.server.clone(), key()).start().unwrap();
        let error = server.process(&mut to_server, &mut to_client).unwrap_err();
        assert!(matches!(
            error.error,
            Error::PeerIncompatible(PeerIncompatible::Anonymous)
        ));
        let reply = TsRequest::decode(&to_client).unwrap();
        assert_eq!(reply.error_code.is_some(), version == 6);
        let token = reply.nego_token.unwrap();
        if negotiation == Negotiation::Bare {
            assert_eq!(token, b"because");
            continue;
        }
        let token = NegTokenResp::decode(token).unwrap();
        assert_eq!(token.neg_state, Some(NegState::Reject));
        assert_eq!(token.response_token, Some(&b"because"[..]));
    }
}
