//! SPNEGO's two sides, with peers and with men in the middle that break the rules.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // in what the tests share

use std::sync::Arc;

use credssp::environment::Environment;
use credssp::error::{Error, NtStatus, PeerIncompatible, TicketRefusal};
use credssp::gss::{
    Acceptor, AcceptorRequest, Initiator, InitiatorRequest, InitiatorStep, MechanismProvider,
};
use credssp::mechanism::{Mechanism, Oid};
use credssp::spnego::{self, MechTypeList, NegState, NegTokenResp};
use credssp::{AccountName, Credentials, ServicePrincipalName};
use proptest::prelude::*;

use crate::toy::negotiation::*;
use crate::toy::{KERBEROS, NTLM, acceptor, mic, token};

mod toy;

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

/// Sends a token, and another one where that is refused, as Kerberos does with the server's time.
#[derive(Clone, Copy, Debug)]
struct Stubborn {
    refusals: usize,
}

impl MechanismProvider for Stubborn {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn oids(&self) -> &'static [Oid] {
        &[Oid::KERBEROS]
    }

    fn initiator(&self, _: InitiatorRequest<'_>) -> Option<Box<dyn Initiator>> {
        Some(Box::new(*self))
    }

    fn acceptor(&self, _: AcceptorRequest<'_>) -> Box<dyn Acceptor> {
        panic!("it is a client")
    }
}

impl Initiator for Stubborn {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn step(mut self: Box<Self>, token: Option<&[u8]>) -> Result<InitiatorStep, Error> {
        self.refusals += usize::from(token == Some(b"refused"));
        if self.refusals > 1 {
            return Err(TicketRefusal::ClockSkew.into());
        }
        let token = b"token".to_vec();
        Ok(InitiatorStep::NeedsToken { token, next: self })
    }
}

#[test]
fn a_mechanism_that_would_try_again_says_why_it_was_refused() {
    let target = ServicePrincipalName::termsrv("host.example").unwrap();
    let credentials = Credentials::password(AccountName::new("CORP", "alice"), "secret");
    let environment = Environment::default();
    let request = InitiatorRequest::new(&target, &credentials, &environment);
    let begin = || {
        let stubborn: [Arc<dyn MechanismProvider>; 1] = [Arc::new(Stubborn { refusals: 0 })];
        needs_token(spnego::initiator(&stubborn, request).unwrap().step(None)).0
    };
    let reply = |state| resp(Some(state), Some(Oid::KERBEROS), Some(b"refused"), None);
    assert_err!(
        begin().step(Some(&reply(NegState::Reject))),
        Error::TicketRefused(TicketRefusal::ClockSkew)
    );
    // A server that goes on gets the other token.
    needs_token(begin().step(Some(&reply(NegState::AcceptIncomplete))));
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
    // Completed without the MIC that another selection demands, whether the acceptor said so or not.
    for selects in [NegState::RequestMic, NegState::AcceptIncomplete] {
        let (client, _) = started(&[NTLM, KERBEROS]);
        let selection = resp(Some(selects), Some(Oid::KERBEROS), None, None);
        let (client, _) = needs_token(client.step(Some(&selection)));
        let last = token(Mechanism::Kerberos, 2);
        let completed = resp(Some(NegState::AcceptCompleted), None, Some(&last), None);
        assert_err!(
            client.step(Some(&completed)),
            misbehaved!(MissingMechListMic)
        );
    }
    // Completed beside the selection of another mechanism, and request-mic once that has begun.
    for (number, new) in [(1, NegState::AcceptCompleted), (3, NegState::RequestMic)] {
        let result = negotiate(&[KERBEROS, NTLM], &[NTLM], edit(number, state(new)));
        assert_err!(result, misbehaved!(UnexpectedTokenType));
    }
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
    let superfluous = edit(4, |resp| resp.response_token = Some(b"more"));
    assert_err!(
        negotiate(&[NTLM, KERBEROS], &[KERBEROS], superfluous),
        misbehaved!(UnexpectedNegoToken)
    );
    let first = resp(None, None, None, None);
    let server = acceptor(&[NTLM], &first).unwrap();
    assert_err!(server.step(&first), misbehaved!(UnexpectedTokenType));
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
