//! SPNEGO's two sides, with each other and with peers that misbehave.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // in what the tests share

use std::sync::{Arc, Mutex};

use credssp::Account;
use credssp::error::{
    ApiMisuse, AuthenticationFailure, Error, NtStatus, PeerIncompatible, PeerMisbehaved,
};
use credssp::gss::{Acceptor, AcceptorStep, Initiator, InitiatorStep, SecurityContext};
use credssp::mechanism::{Mechanism, Oid};
use credssp::spnego::{MechTypeList, NegState, NegTokenInit, NegTokenResp};
use proptest::prelude::*;

use crate::toy::{KERBEROS, NTLM, STATUS, Toy, acceptor, initiator, mic, permit_all, token};

mod toy;

/// How a negotiation ended for both.
struct Outcome {
    client: Box<dyn SecurityContext>,
    server: Box<dyn SecurityContext>,
    status: Option<NtStatus>,
    tokens: Vec<Vec<u8>>,
}

/// Runs both sides, as CredSSP does, with each token put through `tamper`; the first error ends it.
fn negotiate(
    client: &[Toy],
    server: &[Toy],
    mut tamper: impl FnMut(usize, &mut Vec<u8>),
) -> Result<Outcome, Error> {
    let mut tokens = Vec::new();
    let mut pass = |mut token: Vec<u8>| {
        tamper(tokens.len(), &mut token);
        tokens.push(token.clone());
        token
    };
    let mut step = initiator(client, permit_all())?.step(None)?;
    let mut acceptor_state: Option<Box<dyn Acceptor>> = None;
    let mut logon = None;
    let mut client = loop {
        let (sent, next) = match step {
            InitiatorStep::NeedsToken { token, next } => (Some(token), Ok(next)),
            InitiatorStep::Established { token, context } => (token, Err(context)),
            _ => unreachable!(),
        };
        let Some(sent) = sent.map(&mut pass) else {
            break next.err().unwrap();
        };
        let state = match acceptor_state.take() {
            Some(state) => state,
            None => acceptor(server, &sent)?,
        };
        let mut answer = state.step(&sent)?;
        if let AcceptorStep::NeedsAccount { next, .. } = answer {
            answer = next.step(Some(Account::password("secret").with_status(STATUS)))?;
        }
        let reply = match answer {
            AcceptorStep::NeedsToken { token, next } => {
                acceptor_state = Some(next);
                Some(token)
            }
            AcceptorStep::Established {
                account,
                status,
                token,
                context,
            } => {
                assert_eq!(account.user(), "alice");
                logon = Some((context, status));
                token
            }
            _ => unreachable!(),
        }
        .map(&mut pass);
        match next {
            Ok(next) => step = next.step(reply.as_deref())?,
            Err(mut context) => {
                context.finish(reply.as_deref())?;
                break context;
            }
        }
    };
    let (mut server, status) = logon.expect("the client is done, and the server is not");
    server.finish(None)?;
    client.finish(None)?;
    Ok(Outcome {
        client,
        server,
        status,
        tokens,
    })
}

fn untouched(_: usize, _: &mut Vec<u8>) {}

/// Changes the `number`th token, a NegTokenResp.
fn edit(number: usize, change: impl Fn(&mut NegTokenResp<'_>)) -> impl FnMut(usize, &mut Vec<u8>) {
    move |index, token| {
        if index == number {
            let copy = token.clone();
            let mut resp = NegTokenResp::decode(&copy).unwrap();
            change(&mut resp);
            *token = resp.encode();
        }
    }
}

fn resp(
    neg_state: Option<NegState>,
    supported_mech: Option<Oid>,
    response_token: Option<&[u8]>,
    mech_list_mic: Option<&[u8]>,
) -> Vec<u8> {
    let mut resp = NegTokenResp::default();
    resp.neg_state = neg_state;
    resp.supported_mech = supported_mech.map(Into::into);
    resp.response_token = response_token;
    resp.mech_list_mic = mech_list_mic;
    resp.encode()
}

fn init(mech_types: &[Oid], mech_token: Option<&[u8]>) -> Vec<u8> {
    let list = MechTypeList::encode(mech_types.iter().copied());
    let mut init = NegTokenInit::new(MechTypeList::decode(&list).unwrap());
    init.mech_token = mech_token;
    init.encode()
}

/// An initiator that has sent its first token.
fn started(toys: &[Toy]) -> (Box<dyn Initiator>, Vec<u8>) {
    match initiator(toys, permit_all()).unwrap().step(None).unwrap() {
        InitiatorStep::NeedsToken { token, next } => (next, token),
        _ => panic!("SPNEGO always waits for a reply"),
    }
}

fn established(step: Result<InitiatorStep, Error>) -> (Box<dyn SecurityContext>, Option<Vec<u8>>) {
    match step.unwrap() {
        InitiatorStep::Established { token, context } => (context, token),
        _ => panic!("not established"),
    }
}

fn needs_token(step: Result<InitiatorStep, Error>) -> (Box<dyn Initiator>, Vec<u8>) {
    match step.unwrap() {
        InitiatorStep::NeedsToken { token, next } => (next, token),
        _ => panic!("established"),
    }
}

fn awaits_token(step: Result<AcceptorStep, Error>) -> (Box<dyn Acceptor>, Vec<u8>) {
    match step.unwrap() {
        AcceptorStep::NeedsToken { token, next } => (next, token),
        _ => panic!("established"),
    }
}

/// An NTLM client whose AUTHENTICATE and MIC have gone out.
fn ntlm_client() -> (Box<dyn SecurityContext>, Vec<u8>) {
    let (client, _) = started(&[NTLM]);
    let challenge = resp(
        Some(NegState::AcceptIncomplete),
        Some(Oid::NTLMSSP),
        Some(&token(Mechanism::Ntlm, 2)),
        None,
    );
    let (context, last) = established(client.step(Some(&challenge)));
    let last = last.unwrap();
    let list = MechTypeList::encode([Oid::NTLMSSP]);
    let last = NegTokenResp::decode(&last).unwrap();
    assert_eq!(last.response_token, Some(&*token(Mechanism::Ntlm, 3)));
    assert_eq!(
        last.mech_list_mic,
        Some(&*mic(Mechanism::Ntlm, true, &list))
    );
    (context, challenge)
}

macro_rules! assert_err {
    ($result:expr, $pattern:pat) => {
        match $result {
            Err($pattern) => {}
            Err(error) => panic!("another error: {error:?}"),
            Ok(_) => panic!("no error"),
        }
    };
}

macro_rules! misbehaved {
    ($name:ident) => {
        Error::PeerMisbehaved(PeerMisbehaved::$name)
    };
}

macro_rules! wrong_mic {
    () => {
        Error::AuthenticationFailed {
            reason: AuthenticationFailure::WrongMechListMic,
            ..
        }
    };
}

#[test]
fn an_optimistic_kerberos_token_needs_no_mic() {
    let outcome = negotiate(&[KERBEROS, NTLM], &[NTLM, KERBEROS], untouched).unwrap();
    assert_eq!(outcome.client.mechanism(), Mechanism::Kerberos);
    assert_eq!(outcome.server.mechanism(), Mechanism::Kerberos);
    let [first, reply] = &outcome.tokens[..] else {
        panic!("{} tokens", outcome.tokens.len());
    };
    let oids = [Oid::MS_KERBEROS, Oid::KERBEROS, Oid::NTLMSSP];
    assert_eq!(*first, init(&oids, Some(&token(Mechanism::Kerberos, 1))));
    let completed = Some(NegState::AcceptCompleted);
    let last = token(Mechanism::Kerberos, 2);
    assert_eq!(
        *reply,
        resp(completed, Some(Oid::MS_KERBEROS), Some(&last), None)
    );
}

#[test]
fn ntlm_asks_for_mics_where_it_is_the_first_choice() {
    let outcome = negotiate(&[NTLM], &[KERBEROS, NTLM], untouched).unwrap();
    assert_eq!(outcome.client.mechanism(), Mechanism::Ntlm);
    let ntlm = |number| token(Mechanism::Ntlm, number);
    let list = MechTypeList::encode([Oid::NTLMSSP]);
    let sign = |by_initiator| mic(Mechanism::Ntlm, by_initiator, &list);
    let incomplete = Some(NegState::AcceptIncomplete);
    assert_eq!(
        outcome.tokens,
        [
            init(&[Oid::NTLMSSP], Some(&ntlm(1))),
            resp(incomplete, Some(Oid::NTLMSSP), Some(&ntlm(2)), None),
            resp(incomplete, None, Some(&ntlm(3)), Some(&sign(true))),
            resp(
                Some(NegState::AcceptCompleted),
                None,
                None,
                Some(&sign(false))
            ),
        ]
    );
}

#[test]
fn another_selection_starts_again_and_signs_the_whole_list() {
    let outcome = negotiate(&[KERBEROS, NTLM], &[NTLM], untouched).unwrap();
    assert_eq!(outcome.client.mechanism(), Mechanism::Ntlm);
    let ntlm = |number| token(Mechanism::Ntlm, number);
    let list = MechTypeList::encode([Oid::MS_KERBEROS, Oid::KERBEROS, Oid::NTLMSSP]);
    let sign = |by_initiator| mic(Mechanism::Ntlm, by_initiator, &list);
    let incomplete = Some(NegState::AcceptIncomplete);
    assert_eq!(
        outcome.tokens[1..],
        [
            resp(Some(NegState::RequestMic), Some(Oid::NTLMSSP), None, None),
            resp(incomplete, None, Some(&ntlm(1)), None),
            resp(incomplete, None, Some(&ntlm(2)), None),
            resp(incomplete, None, Some(&ntlm(3)), Some(&sign(true))),
            resp(
                Some(NegState::AcceptCompleted),
                None,
                None,
                Some(&sign(false))
            ),
        ]
    );
}

#[test]
fn another_selection_signs_after_a_last_token_of_the_acceptor() {
    let list = MechTypeList::encode([Oid::NTLMSSP, Oid::MS_KERBEROS, Oid::KERBEROS]);
    let sign = |by_initiator| mic(Mechanism::Kerberos, by_initiator, &list);
    let outcome = negotiate(&[NTLM, KERBEROS], &[KERBEROS], untouched).unwrap();
    assert_eq!(outcome.client.mechanism(), Mechanism::Kerberos);
    let last = token(Mechanism::Kerberos, 2);
    assert_eq!(
        outcome.tokens[3..],
        [
            resp(
                Some(NegState::AcceptIncomplete),
                None,
                Some(&last),
                Some(&sign(false))
            ),
            resp(
                Some(NegState::AcceptCompleted),
                None,
                None,
                Some(&sign(true))
            ),
        ]
    );

    // Neither side does without the other's.
    for number in [3, 4] {
        let stripped = edit(number, |resp| resp.mech_list_mic = None);
        let result = negotiate(&[NTLM, KERBEROS], &[KERBEROS], stripped);
        assert_err!(result, misbehaved!(MissingMechListMic));
        let changed = edit(number, |resp| resp.mech_list_mic = Some(b"other"));
        assert_err!(
            negotiate(&[NTLM, KERBEROS], &[KERBEROS], changed),
            wrong_mic!()
        );
    }
}

#[test]
fn exchanges_of_one_token_work_with_and_without_mics() {
    let silent = Toy {
        tokens: 1,
        ..KERBEROS
    };
    assert_eq!(
        negotiate(&[silent], &[silent], untouched)
            .unwrap()
            .tokens
            .len(),
        2
    );
    let signing = Toy {
        requires_mic: true,
        ..silent
    };
    let outcome = negotiate(&[signing], &[signing], untouched).unwrap();
    let reply = NegTokenResp::decode(&outcome.tokens[1]).unwrap();
    assert_eq!(reply.neg_state, Some(NegState::RequestMic));
    assert!(reply.mech_list_mic.is_some());
    assert_eq!(outcome.tokens.len(), 3);
}

#[test]
fn exchanges_of_four_and_five_tokens_work() {
    for tokens in [4, 5] {
        for requires_mic in [false, true] {
            let long = Toy {
                tokens,
                requires_mic,
                ..KERBEROS
            };
            negotiate(&[long], &[long], untouched).unwrap();
            negotiate(&[NTLM, long], &[long], untouched).unwrap();
        }
    }
}

#[test]
fn the_account_status_passes_through() {
    let outcome = negotiate(&[NTLM], &[NTLM], untouched).unwrap();
    assert_eq!(outcome.status, Some(STATUS));
}

#[test]
fn the_caller_may_forbid_another_mechanism() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    let permit = Arc::new(move |mechanism| {
        record.lock().unwrap().push(mechanism);
        Err(PeerIncompatible::NoCommonMechanism.into())
    });
    let client = initiator(&[KERBEROS, NTLM], permit).unwrap();
    let (client, _) = needs_token(client.step(None));
    assert!(asked.lock().unwrap().is_empty());
    let reply = resp(Some(NegState::RequestMic), Some(Oid::NTLMSSP), None, None);
    assert_err!(
        client.step(Some(&reply)),
        Error::PeerIncompatible(PeerIncompatible::NoCommonMechanism)
    );
    assert_eq!(*asked.lock().unwrap(), [Mechanism::Ntlm]);
}

#[test]
fn kerberos_comes_back_under_the_identifier_that_was_offered() {
    for oid in [Oid::KERBEROS, Oid::MS_KERBEROS] {
        let first = init(&[oid], Some(&token(Mechanism::Kerberos, 1)));
        let server = acceptor(&[KERBEROS], &first).unwrap();
        let Ok(AcceptorStep::Established {
            token: Some(reply), ..
        }) = server.step(&first)
        else {
            panic!("not established");
        };
        assert!(
            NegTokenResp::decode(&reply)
                .unwrap()
                .supported_mech
                .unwrap()
                == oid
        );
    }
}

#[test]
fn never_selects_negoex_or_user_to_user() {
    const ODD: Toy = Toy {
        oids: &[Oid::NEGOEX, Oid::KERBEROS_USER_TO_USER],
        ..KERBEROS
    };
    let first = init(
        &[Oid::NEGOEX, Oid::KERBEROS_USER_TO_USER],
        Some(b"NEGOEXTS"),
    );
    assert_err!(
        acceptor(&[ODD], &first).unwrap().step(&first),
        Error::PeerIncompatible(PeerIncompatible::NoCommonMechanism)
    );
    let first = init(&[Oid::NEGOEX, Oid::NTLMSSP], Some(b"NEGOEXTS"));
    let (_, reply) = awaits_token(acceptor(&[ODD, NTLM], &first).unwrap().step(&first));
    assert_eq!(
        reply,
        resp(Some(NegState::RequestMic), Some(Oid::NTLMSSP), None, None)
    );
}

#[test]
fn takes_an_empty_or_absent_first_mech_token() {
    for mech_token in [None, Some(&b""[..])] {
        let first = init(&[Oid::NTLMSSP], mech_token);
        let (server, reply) = awaits_token(acceptor(&[NTLM], &first).unwrap().step(&first));
        let incomplete = Some(NegState::AcceptIncomplete);
        assert_eq!(reply, resp(incomplete, Some(Oid::NTLMSSP), None, None));
        let next = resp(incomplete, None, Some(&token(Mechanism::Ntlm, 1)), None);
        let (_, reply) = awaits_token(server.step(&next));
        // The selection is said once.
        assert_eq!(
            reply,
            resp(incomplete, None, Some(&token(Mechanism::Ntlm, 2)), None)
        );
    }
}

#[test]
fn notices_a_list_that_was_changed() {
    // Somebody takes Kerberos out, so that NTLM is what both sides have.
    let result = negotiate(&[KERBEROS, NTLM], &[KERBEROS, NTLM], |index, token| {
        if index == 0 {
            *token = init(&[Oid::NTLMSSP], None);
        }
    });
    assert_err!(result, wrong_mic!());
    // Even where it changes nothing.
    let result = negotiate(&[NTLM], &[NTLM], |index, token| {
        if index == 0 {
            *token = init(
                &[Oid::NTLMSSP, Oid::NEGOEX],
                Some(&toy::token(Mechanism::Ntlm, 1)),
            );
        }
    });
    assert_err!(result, wrong_mic!());
}

#[test]
fn refuses_changed_and_missing_mics() {
    for number in [2, 3] {
        let changed = edit(number, |resp| resp.mech_list_mic = Some(b"other"));
        assert_err!(negotiate(&[NTLM], &[NTLM], changed), wrong_mic!());
        for missing in [None, Some(&b""[..])] {
            let stripped = edit(number, move |resp| resp.mech_list_mic = missing);
            let result = negotiate(&[NTLM], &[NTLM], stripped);
            assert_err!(result, misbehaved!(MissingMechListMic));
        }
    }
    // The initiator's own signature does not do for the acceptor's.
    let (mut client, _) = ntlm_client();
    let list = MechTypeList::encode([Oid::NTLMSSP]);
    let reflected = mic(Mechanism::Ntlm, true, &list);
    let last = resp(
        Some(NegState::AcceptCompleted),
        None,
        None,
        Some(&reflected),
    );
    assert_err!(client.finish(Some(&last)), wrong_mic!());
}

#[test]
fn believes_nothing_before_a_mic_that_is_due() {
    let (mut client, challenge) = ntlm_client();
    let mut message = *b"pubKeyAuth";
    assert_err!(
        client.unwrap_in_place(&mut message),
        misbehaved!(MissingMechListMic)
    );
    assert_err!(client.verify_mic(b"", b""), misbehaved!(MissingMechListMic));
    for none in [None, Some(&b""[..]), Some(&*challenge)] {
        assert_err!(client.finish(none), misbehaved!(MissingMechListMic));
    }
    let list = MechTypeList::encode([Oid::NTLMSSP]);
    let theirs = mic(Mechanism::Ntlm, false, &list);
    let last = resp(None, None, None, Some(&theirs));
    client.finish(Some(&last)).unwrap();
    client.unwrap_in_place(&mut message).unwrap();
    // The same token again is ignored, any other is refused.
    for again in [None, Some(&b""[..]), Some(&*last)] {
        client.finish(again).unwrap();
    }
    assert_err!(
        client.finish(Some(&challenge)),
        misbehaved!(UnexpectedNegoToken)
    );
}

#[test]
fn a_client_that_is_done_ignores_a_token_sent_again() {
    let (client, _) = started(&[KERBEROS]);
    let last = token(Mechanism::Kerberos, 2);
    let reply = resp(
        Some(NegState::AcceptCompleted),
        Some(Oid::KERBEROS),
        Some(&last),
        None,
    );
    let (mut client, sent) = established(client.step(Some(&reply)));
    assert_eq!(sent, None);
    client.finish(Some(&reply)).unwrap();
    let other = resp(Some(NegState::AcceptCompleted), None, None, None);
    assert_err!(
        client.finish(Some(&other)),
        misbehaved!(UnexpectedNegoToken)
    );
}

#[test]
fn a_reply_without_a_state_continues() {
    for number in 1..4 {
        let stateless = edit(number, |resp| resp.neg_state = None);
        negotiate(&[NTLM], &[NTLM], stateless).unwrap();
    }
    for number in 1..6 {
        let stateless = edit(number, |resp| resp.neg_state = None);
        negotiate(&[KERBEROS, NTLM], &[NTLM], stateless).unwrap();
    }
    let stateless = edit(1, |resp| resp.neg_state = None);
    negotiate(&[KERBEROS], &[KERBEROS], stateless).unwrap();
}

#[test]
fn a_reply_that_names_no_mechanism_takes_the_first() {
    negotiate(&[NTLM], &[NTLM], edit(1, |resp| resp.supported_mech = None)).unwrap();
}

#[test]
fn tells_a_refusal_of_mechanisms_from_that_of_a_logon() {
    let reject = |resp: &mut NegTokenResp<'_>| resp.neg_state = Some(NegState::Reject);
    assert_err!(
        negotiate(&[NTLM], &[NTLM], edit(1, reject)),
        Error::PeerIncompatible(PeerIncompatible::MechanismsRejected)
    );
    for number in [3, 5] {
        assert_err!(
            negotiate(&[KERBEROS, NTLM], &[NTLM], edit(number, reject)),
            Error::Rejected(NtStatus::LOGON_FAILURE)
        );
    }
    assert_err!(
        negotiate(&[NTLM], &[NTLM], edit(2, reject)),
        Error::PeerIncompatible(PeerIncompatible::MechanismsRejected)
    );
}

#[test]
fn answers_a_request_for_mics_beside_an_accepted_token() {
    let list = MechTypeList::encode([Oid::MS_KERBEROS, Oid::KERBEROS]);
    let [ours, theirs] = [true, false].map(|initiator| mic(Mechanism::Kerberos, initiator, &list));
    let last = token(Mechanism::Kerberos, 2);
    let reply = |state, mic| resp(Some(state), Some(Oid::MS_KERBEROS), Some(&last), mic);

    // With the acceptor's, ours is the end of it.
    for state in [NegState::RequestMic, NegState::AcceptIncomplete] {
        let (client, _) = started(&[KERBEROS]);
        let (mut client, sent) = established(client.step(Some(&reply(state, Some(&theirs)))));
        let completed = resp(Some(NegState::AcceptCompleted), None, None, Some(&ours));
        assert_eq!(sent, Some(completed));
        client.finish(None).unwrap();
    }
    // Without, it has to come.
    for state in [NegState::RequestMic, NegState::AcceptIncomplete] {
        let (client, _) = started(&[KERBEROS]);
        let (mut client, sent) = established(client.step(Some(&reply(state, None))));
        let incomplete = resp(Some(NegState::AcceptIncomplete), None, None, Some(&ours));
        assert_eq!(sent, Some(incomplete));
        assert_err!(client.finish(None), misbehaved!(MissingMechListMic));
    }
    // And a wrong one is fatal.
    let (client, _) = started(&[KERBEROS]);
    let wrong = reply(NegState::RequestMic, Some(&ours));
    assert_err!(client.step(Some(&wrong)), wrong_mic!());
}

#[test]
fn a_server_takes_an_unasked_mic_of_kerberos() {
    let list = MechTypeList::encode([Oid::KERBEROS]);
    for (signer, good) in [(true, true), (false, false)] {
        let first = init(&[Oid::KERBEROS], Some(&token(Mechanism::Kerberos, 1)));
        let server = acceptor(&[KERBEROS], &first).unwrap();
        let Ok(AcceptorStep::Established { mut context, .. }) = server.step(&first) else {
            panic!("not established");
        };
        let mic = mic(Mechanism::Kerberos, signer, &list);
        let last = resp(Some(NegState::AcceptIncomplete), None, None, Some(&mic));
        assert_eq!(context.finish(Some(&last)).is_ok(), good);
    }
}

#[test]
fn ignores_a_mic_that_repeats_the_token() {
    let (client, _) = started(&[KERBEROS]);
    let last = token(Mechanism::Kerberos, 2);
    let completed = Some(NegState::AcceptCompleted);
    let reply = resp(completed, Some(Oid::KERBEROS), Some(&last), Some(&last));
    let (mut client, sent) = established(client.step(Some(&reply)));
    assert_eq!(sent, None);
    client.finish(None).unwrap();
    // It is no MIC where one is due.
    let (mut client, _) = ntlm_client();
    let last = resp(completed, None, Some(b"same"), Some(b"same"));
    assert_err!(client.finish(Some(&last)), misbehaved!(MissingMechListMic));
}

#[test]
fn refuses_a_mechanism_that_was_not_offered() {
    let unoffered = |resp: &mut NegTokenResp<'_>| resp.supported_mech = Some(Oid::KERBEROS.into());
    assert_err!(
        negotiate(&[NTLM], &[NTLM], edit(1, unoffered)),
        misbehaved!(SelectedUnofferedMechanism)
    );
    // Nor may a later reply change the selection to what was offered.
    assert_err!(
        negotiate(&[KERBEROS, NTLM], &[NTLM], edit(3, unoffered)),
        misbehaved!(SelectedUnofferedMechanism)
    );
    // That it is said again is no harm.
    let again = |resp: &mut NegTokenResp<'_>| resp.supported_mech = Some(Oid::NTLMSSP.into());
    negotiate(&[KERBEROS, NTLM], &[NTLM], edit(3, again)).unwrap();
}

#[test]
fn refuses_states_out_of_place() {
    let state = |state| move |resp: &mut NegTokenResp<'_>| resp.neg_state = Some(state);
    let run = |number, new| negotiate(&[NTLM], &[NTLM], edit(number, state(new)));
    // Completed while a token of the mechanism is still to come.
    assert_err!(
        run(1, NegState::AcceptCompleted),
        misbehaved!(UnexpectedTokenType)
    );
    // request-mic from the initiator, and after the first reply.
    assert_err!(
        run(2, NegState::RequestMic),
        misbehaved!(UnexpectedTokenType)
    );
    assert_err!(
        run(3, NegState::RequestMic),
        misbehaved!(UnexpectedTokenType)
    );
    // A MIC before there is a context, from either side.
    let early = |resp: &mut NegTokenResp<'_>| resp.mech_list_mic = Some(b"early");
    for number in [1, 2, 3] {
        let result = negotiate(&[KERBEROS, NTLM], &[NTLM], edit(number, early));
        assert_err!(result, misbehaved!(UnexpectedTokenType) | wrong_mic!());
    }
    // Completed without the MIC that another selection demands.
    let (client, _) = started(&[NTLM, KERBEROS]);
    let request = resp(Some(NegState::RequestMic), Some(Oid::KERBEROS), None, None);
    let (client, _) = needs_token(client.step(Some(&request)));
    let last = token(Mechanism::Kerberos, 2);
    let completed = resp(Some(NegState::AcceptCompleted), None, Some(&last), None);
    assert_err!(
        client.step(Some(&completed)),
        misbehaved!(MissingMechListMic)
    );
}

#[test]
fn refuses_missing_and_superfluous_tokens() {
    for empty in [None, Some(&b""[..])] {
        let missing = move |resp: &mut NegTokenResp<'_>| resp.response_token = empty;
        for number in [1, 2] {
            let result = negotiate(&[NTLM], &[NTLM], edit(number, missing));
            assert_err!(result, misbehaved!(MissingNegoToken));
        }
        let (client, _) = started(&[NTLM]);
        assert_err!(client.step(empty), misbehaved!(MissingNegoToken));
    }
    let superfluous = edit(3, |resp| resp.response_token = Some(b"more"));
    assert_err!(
        negotiate(&[NTLM], &[NTLM], superfluous),
        misbehaved!(UnexpectedNegoToken)
    );
    let first = resp(None, None, None, None);
    let server = acceptor(&[NTLM], &first).unwrap();
    assert_err!(server.step(&first), misbehaved!(UnexpectedTokenType));
}

#[test]
fn offers_only_what_fits_the_credentials() {
    let unfit = Toy {
        fits: false,
        ..KERBEROS
    };
    let (_, first) = started(&[unfit, NTLM]);
    assert_eq!(
        first,
        init(&[Oid::NTLMSSP], Some(&token(Mechanism::Ntlm, 1)))
    );
    assert_err!(
        initiator(&[unfit], permit_all()),
        Error::ApiMisuse(ApiMisuse::CredentialsFitNoMechanism)
    );
    assert_err!(
        initiator(&[], permit_all()),
        Error::ApiMisuse(ApiMisuse::NoMechanisms)
    );
}

#[test]
fn answers_in_kind() {
    let bare = b"NTLMSSP\0\x01\0\0\0";
    let server = acceptor(&[KERBEROS, NTLM], bare).unwrap();
    assert_eq!(server.mechanism(), Mechanism::Ntlm);
    let Ok(AcceptorStep::NeedsToken { token: reply, .. }) = server.step(&token(Mechanism::Ntlm, 1))
    else {
        panic!("established");
    };
    assert_eq!(reply, token(Mechanism::Ntlm, 2), "not wrapped");
    let kerberos = b"\x60\x20\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00";
    assert_eq!(
        acceptor(&[NTLM, KERBEROS], kerberos).unwrap().mechanism(),
        Mechanism::Kerberos
    );
    assert_err!(
        acceptor(&[NTLM], kerberos),
        Error::PeerIncompatible(PeerIncompatible::NoCommonMechanism)
    );
    for unknown in [&b""[..], b"GET / HTTP/1.1", b"\x30\x00"] {
        assert_err!(acceptor(&[NTLM], unknown), Error::InvalidMessage(_));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a single change to a token does, nobody is led from Kerberos to NTLM.
    #[test]
    fn no_changed_octet_leads_to_another_mechanism(
        number in 0_usize..2,
        index in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let both = [KERBEROS, NTLM];
        let result = negotiate(&both, &both, |at, token| {
            if at == number {
                let index = index.index(token.len());
                token[index] = value;
            }
        });
        if let Ok(outcome) = result {
            prop_assert_eq!(outcome.client.mechanism(), Mechanism::Kerberos);
            prop_assert_eq!(outcome.server.mechanism(), Mechanism::Kerberos);
        }
    }
}
