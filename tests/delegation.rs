//! When a client delegates, and what it says when it does not.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod pair;

use std::sync::Arc;

use credssp::DelegationPolicy;
use credssp::error::{DelegationDeniedReason, Error};
use credssp::gss::{Acceptor, AcceptorRequest, Initiator, InitiatorRequest, MechanismProvider};
use credssp::mechanism::{Mechanism, Negotiation, Oid};
use credssp::proof::ServerProof;

use pair::toy::Toy;
use pair::{Outcome, Pair, Side, ntlm};

fn both() -> [Pair; 2] {
    [Pair::bare(), Pair::spnego()]
}

/// The client has refused by policy; these words say why.
#[track_caller]
fn assert_denied(outcome: &Outcome, reason: DelegationDeniedReason, words: &[&str]) {
    match outcome.client_error() {
        Error::DelegationDenied(denied) => {
            assert_eq!(denied.reason, reason);
            assert_eq!(denied.target, pair::target());
        }
        other => panic!("{other}"),
    }
    let text = outcome.client.error().to_string();
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn nothing_is_delegated_unless_policy_says_so() {
    for mut pair in both() {
        for proof in [ServerProof::None, ServerProof::Certificate] {
            pair.proof = proof;
            pair.client.policy = DelegationPolicy::default();
            let outcome = pair.run();
            let words = [
                "TERMSRV/web.corp.example",
                "AllowFreshCredentials",
                &proof.to_string(),
            ];
            assert_denied(&outcome, DelegationDeniedReason::NotAllowed, &words);
            assert!(outcome.sent.is_empty(), "not even a first token goes out");
        }
    }
}

#[test]
fn ntlm_never_counts_as_kerberos() {
    for mut pair in both() {
        pair.proof = ServerProof::Kerberos;
        pair.client.policy =
            DelegationPolicy::default().allow_fresh(pair::target().to_string().parse().unwrap());
        let outcome = pair.run();
        assert_denied(
            &outcome,
            DelegationDeniedReason::NtlmOnly,
            &["nothing but NTLM"],
        );
        assert!(outcome.sent.is_empty());
    }
}

#[test]
fn a_deny_pattern_wins_at_the_start() {
    for mut pair in both() {
        pair.client.policy =
            DelegationPolicy::permit_everything().deny_fresh("*.corp.example".parse().unwrap());
        let outcome = pair.run();
        let words = ["DenyFreshCredentials", "TERMSRV/web.corp.example"];
        assert_denied(&outcome, DelegationDeniedReason::Denied, &words);
        assert!(outcome.sent.is_empty());
    }
}

#[test]
fn each_list_counts_for_its_own_proofs() {
    let everywhere = || "TERMSRV/*".parse().unwrap();
    for mut pair in both() {
        pair.client.policy = DelegationPolicy::default().allow_fresh(everywhere());
        pair.proof = ServerProof::Certificate;
        let (client, _) = pair.run().complete();
        assert_eq!(client.proof, ServerProof::Certificate);

        pair.proof = ServerProof::None;
        let outcome = pair.run();
        let words = [
            "AllowFreshCredentialsWhenNTLMOnly",
            "TERMSRV/web.corp.example",
            "NTLM",
        ];
        assert_denied(&outcome, DelegationDeniedReason::NtlmOnly, &words);
        assert!(outcome.sent.is_empty());

        pair.client.policy = DelegationPolicy::default().allow_fresh_when_ntlm_only(everywhere());
        pair.run().complete();
        pair.proof = ServerProof::Certificate;
        assert_denied(&pair.run(), DelegationDeniedReason::NotAllowed, &[]);
    }
}

/// A server that turns Kerberos down must not draw an NTLM response that policy makes useless.
#[test]
fn ntlm_is_not_offered_where_only_kerberos_would_do() {
    let mut pair = Pair::with_mechanisms(vec![Toy::kerberos(2), ntlm()], vec![ntlm()]);
    pair.client.policy = DelegationPolicy::default().allow_fresh("TERMSRV/*".parse().unwrap());
    let outcome = pair.run();
    let offer = outcome.sent[0].decode().nego_token.unwrap();
    let offers = |oid: Oid| {
        offer
            .windows(oid.contents().len())
            .any(|window| window == oid.contents())
    };
    assert!(offers(Oid::KERBEROS) && !offers(Oid::NTLMSSP));
    assert_eq!(outcome.server_error().kind(), "PeerIncompatible");
    assert_eq!(outcome.client_error().kind(), "Rejected");
    assert_eq!(outcome.from(Side::Client).len(), 1);

    // The control: with a certificate NTLM would do, is offered, and taken.
    pair.proof = ServerProof::Certificate;
    let (client, _) = pair.run().complete();
    assert_eq!(client.mechanism, Mechanism::Ntlm);
}

#[test]
fn kerberos_proves_the_server_by_itself() {
    let mut pair = Pair::with_mechanisms(vec![Toy::kerberos(2)], vec![Toy::kerberos(2)]);
    pair.client.policy = DelegationPolicy::default().allow_fresh("TERMSRV/*".parse().unwrap());
    for negotiation in [Negotiation::Bare, Negotiation::Spnego] {
        pair.client.negotiation = negotiation;
        let (client, _) = pair.run().complete();
        assert_eq!(client.proof, ServerProof::Kerberos);
    }
}

/// What counts in the end is the context that was established, not what was hoped for.
#[test]
fn policy_is_asked_again_before_the_credentials_go() {
    /// Says that it is Kerberos, and speaks NTLM.
    #[derive(Debug)]
    struct Pretender(Arc<dyn MechanismProvider>);

    impl MechanismProvider for Pretender {
        fn mechanism(&self) -> Mechanism {
            Mechanism::Kerberos
        }

        fn oids(&self) -> &'static [Oid] {
            self.0.oids()
        }

        fn initiator(&self, request: InitiatorRequest<'_>) -> Option<Box<dyn Initiator>> {
            self.0.initiator(request)
        }

        fn acceptor(&self, request: AcceptorRequest<'_>) -> Box<dyn Acceptor> {
            self.0.acceptor(request)
        }
    }

    for negotiation in [Negotiation::Bare, Negotiation::Spnego] {
        let mut pair = Pair::with_mechanisms(vec![Arc::new(Pretender(ntlm()))], vec![ntlm()]);
        pair.client.negotiation = negotiation;
        pair.client.policy = DelegationPolicy::default().allow_fresh("TERMSRV/*".parse().unwrap());
        let outcome = pair.run();
        assert_denied(&outcome, DelegationDeniedReason::NtlmOnly, &[]);
        let credentials = outcome
            .sent
            .iter()
            .any(|message| message.decode().auth_info.is_some());
        assert!(!credentials && outcome.server.is_waiting());
    }
}
