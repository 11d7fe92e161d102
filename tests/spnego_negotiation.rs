//! SPNEGO's two sides, with each other and with other peers that keep to the rules.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // in what the tests share

use credssp::error::{ApiMisuse, Error, PeerIncompatible};
use credssp::gss::AcceptorStep;
use credssp::mechanism::{Mechanism, Oid};
use credssp::spnego::{MechTypeList, NegState, NegTokenResp};

use crate::toy::negotiation::*;
use crate::toy::{KERBEROS, NTLM, STATUS, Toy, acceptor, initiator, mic, token};

mod toy;

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
fn answers_a_request_for_mics_beside_an_accepted_token() {
    let list = MechTypeList::encode([Oid::MS_KERBEROS, Oid::KERBEROS]);
    let [ours, theirs] = [true, false].map(|initiator| mic(Mechanism::Kerberos, initiator, &list));
    let last = token(Mechanism::Kerberos, 2);
    let reply = |state, mic| resp(state, Some(Oid::MS_KERBEROS), Some(&last), mic);

    // With the acceptor's, ours is the end of it.
    let waiting = [Some(NegState::RequestMic), Some(NegState::AcceptIncomplete)];
    for state in waiting.into_iter().chain([None]) {
        let (client, _) = started(&[KERBEROS]);
        let (mut client, sent) = established(client.step(Some(&reply(state, Some(&theirs)))));
        let completed = resp(Some(NegState::AcceptCompleted), None, None, Some(&ours));
        assert_eq!(sent, Some(completed));
        client.finish(None).unwrap();
    }
    // Without, it has to come.
    for state in waiting {
        let (client, _) = started(&[KERBEROS]);
        let (mut client, sent) = established(client.step(Some(&reply(state, None))));
        let incomplete = resp(Some(NegState::AcceptIncomplete), None, None, Some(&ours));
        assert_eq!(sent, Some(incomplete));
        assert_err!(client.finish(None), misbehaved!(MissingMechListMic));
    }
    // And a wrong one is fatal.
    let (client, _) = started(&[KERBEROS]);
    let wrong = reply(waiting[0], Some(&ours));
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
        initiator(&[unfit]),
        Error::ApiMisuse(ApiMisuse::CredentialsFitNoMechanism)
    );
    assert_err!(initiator(&[]), Error::ApiMisuse(ApiMisuse::NoMechanisms));
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
