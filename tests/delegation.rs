//! When a client delegates, and what it says when it does not.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod pair;

use std::sync::Arc;

use credssp::credentials::{
    TsCredentials, TsCspDataDetail, TsPasswordCreds, TsRemoteGuardCreds, TsRemoteGuardPackageCred,
    TsSmartCardCreds,
};
use credssp::error::{DelegationDeniedReason, Error, NtStatus};
use credssp::gss::{Acceptor, AcceptorRequest, Initiator, InitiatorRequest, MechanismProvider};
use credssp::mechanism::{Mechanism, Negotiation, Oid};
use credssp::policy::{
    CredentialClass, EncryptionOracleRemediation, PolicyList, RestrictedDelegation,
};
use credssp::proof::ServerProof;
use credssp::{Credentials, DelegationPolicy};

use pair::toy::Toy;
use pair::{Outcome, PASSWORD, Pair, Side, alice, ntlm};

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

/// Of several mechanisms, the refusal tells what stands against the best proof, which is what an administrator should mend.
#[test]
fn a_refusal_is_about_the_best_proof_that_is_left() {
    for mechanisms in [
        vec![Toy::kerberos(2), ntlm()],
        vec![ntlm(), Toy::kerberos(2)],
    ] {
        let mut pair = Pair::with_mechanisms(mechanisms, vec![ntlm()]);
        pair.client.policy = DelegationPolicy::default();
        let outcome = pair.run();
        let words = ["proved by Kerberos", "AllowFreshCredentials (\""];
        assert_denied(&outcome, DelegationDeniedReason::NotAllowed, &words);
        assert!(outcome.sent.is_empty());
    }
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

/// A Kerberos whose answers nobody here can check proves nothing; nor does one beside it, for a context does not say which of
/// the two it is of.
#[test]
fn a_mechanism_that_does_not_prove_the_server_counts_as_no_proof() {
    #[derive(Debug)]
    struct Unproving(Arc<dyn MechanismProvider>);

    impl MechanismProvider for Unproving {
        fn mechanism(&self) -> Mechanism {
            self.0.mechanism()
        }

        fn oids(&self) -> &'static [Oid] {
            self.0.oids()
        }

        fn proves_server(&self) -> bool {
            false
        }

        fn initiator(&self, request: InitiatorRequest<'_>) -> Option<Box<dyn Initiator>> {
            self.0.initiator(request)
        }

        fn acceptor(&self, request: AcceptorRequest<'_>) -> Box<dyn Acceptor> {
            self.0.acceptor(request)
        }
    }

    let unproving = || -> Arc<dyn MechanismProvider> { Arc::new(Unproving(Toy::kerberos(2))) };
    for mechanisms in [
        vec![unproving()],
        vec![unproving(), Toy::kerberos(2)],
        vec![Toy::kerberos(2), unproving()],
    ] {
        let mut pair = Pair::with_mechanisms(mechanisms, vec![Toy::kerberos(2)]);
        pair.client.policy = DelegationPolicy::default().allow_fresh("TERMSRV/*".parse().unwrap());
        let outcome = pair.run();
        assert_denied(&outcome, DelegationDeniedReason::NtlmOnly, &[]);
        assert!(outcome.sent.is_empty());
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
        for class in CredentialClass::ALL {
            pair.credentials = Credentials::password(alice(), PASSWORD).of_class(class);
            let list = PolicyList::allowing(class, false);
            pair.client.policy = DelegationPolicy::default().with(list, "*".parse().unwrap());
            let outcome = pair.run();
            let words = [list.registry_name(), &class.to_string()];
            assert_denied(&outcome, DelegationDeniedReason::NtlmOnly, &words);
            let credentials = outcome
                .sent
                .iter()
                .any(|message| message.decode().auth_info.is_some());
            assert!(!credentials && outcome.server.is_waiting());
        }
    }
}

/// The texts of a refusal are what an administrator has: each names the policy by both of its names and what to write
/// into it.
#[test]
fn a_refusal_names_the_policy_the_pattern_and_the_proof() {
    let mut pair = Pair::spnego();
    for (policy, proof, status, words) in [
        (
            DelegationPolicy::default(),
            ServerProof::Certificate,
            NtStatus::SEC_E_DELEGATION_POLICY,
            &[
                "AllowFreshCredentials (\"Allow delegating fresh credentials\") is not configured",
                "enable it with the pattern TERMSRV/web.corp.example or TERMSRV/*.corp.example",
                "(with the server proved by the TLS certificate)",
            ][..],
        ),
        (
            DelegationPolicy::default().allow_fresh_when_ntlm_only("WSMAN/*".parse().unwrap()),
            ServerProof::None,
            NtStatus::SEC_E_DELEGATION_POLICY,
            &[
                "AllowFreshCredentialsWhenNTLMOnly (\"Allow delegating fresh credentials with NTLM-only server \
                 authentication\") is enabled, but no pattern in it fits; add the pattern TERMSRV/web.corp.example; better",
                "(with the server proved by nothing but NTLM)",
            ],
        ),
        (
            DelegationPolicy::default().allow_fresh("termsrv/*".parse().unwrap()),
            ServerProof::None,
            NtStatus::SEC_E_POLICY_NLTM_ONLY,
            &[
                "AllowFreshCredentials (\"Allow delegating fresh credentials\") covers TERMSRV/web.corp.example by its \
                 pattern termsrv/*",
                "not trusted",
                "certificate",
                "setspn -S TERMSRV/web.corp.example",
                "add the pattern TERMSRV/web.corp.example to AllowFreshCredentialsWhenNTLMOnly",
            ],
        ),
        (
            DelegationPolicy::permit_everything().deny_fresh("*.corp.example".parse().unwrap()),
            ServerProof::Certificate,
            NtStatus::SEC_E_DELEGATION_POLICY,
            &[
                "DenyFreshCredentials (\"Deny delegating fresh credentials\") forbids",
                "its pattern *.corp.example fits",
            ],
        ),
    ] {
        pair.client.policy = policy;
        pair.proof = proof;
        let outcome = pair.run();
        let Error::DelegationDenied(denied) = outcome.client_error() else {
            panic!("{}", outcome.client_error());
        };
        assert_eq!((denied.status(), denied.proof), (status, proof));
        let text = denied.to_string();
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}

/// What allows one class says nothing of the others.
#[test]
fn each_class_of_credentials_has_lists_of_its_own() {
    for mut pair in both() {
        for (proof, ntlm_only) in [(ServerProof::Certificate, false), (ServerProof::None, true)] {
            pair.proof = proof;
            for class in CredentialClass::ALL {
                pair.credentials = Credentials::password(alice(), PASSWORD).of_class(class);
                for allowed in CredentialClass::ALL {
                    let list = PolicyList::allowing(allowed, ntlm_only);
                    let pattern = || "TERMSRV/*".parse().unwrap();
                    pair.client.policy = DelegationPolicy::default().with(list, pattern());
                    if class == allowed {
                        pair.run().complete();
                        let deny = PolicyList::denying(class);
                        pair.client.policy.push(deny, pattern());
                        let outcome = pair.run();
                        let words = [deny.registry_name(), deny.title()];
                        assert_denied(&outcome, DelegationDeniedReason::Denied, &words);
                        assert!(outcome.sent.is_empty());
                        continue;
                    }
                    let outcome = pair.run();
                    let needed = PolicyList::allowing(class, ntlm_only);
                    let words = [needed.registry_name(), needed.title(), &class.to_string()];
                    assert_denied(&outcome, DelegationDeniedReason::NotAllowed, &words);
                    assert!(outcome.sent.is_empty());
                }
            }
        }
    }
}

fn smart_card() -> TsCredentials {
    TsSmartCardCreds::new("0000", TsCspDataDetail::new(1)).into()
}

fn remote_guard() -> TsCredentials {
    TsRemoteGuardCreds::new(TsRemoteGuardPackageCred::new("Kerberos", &b"\x01"[..])).into()
}

fn nothing() -> TsCredentials {
    TsPasswordCreds::new("", "", "").into()
}

/// Under a restriction no credential goes out that the server could use again, whatever the lists allow.
#[test]
fn a_restriction_lets_only_what_it_names_go() {
    use RestrictedDelegation::{
        Disabled, NotConfigured, RequireEither, RequireRemoteCredentialGuard,
        RequireRestrictedAdmin,
    };
    let password = || TsPasswordCreds::new("CORP", "alice", PASSWORD).into();
    let empty_password = || TsPasswordCreds::new("CORP", "alice", "").into();
    type Kind = (&'static str, fn() -> TsCredentials);
    let kinds: [Kind; 5] = [
        ("password", password),
        ("a password that is empty", empty_password),
        ("card", smart_card),
        ("guard", remote_guard),
        ("nothing", nothing),
    ];
    for mut pair in both() {
        for (restriction, permitted, remedies) in [
            (NotConfigured, [true; 5], &[][..]),
            (Disabled, [true; 5], &[]),
            (
                RequireRestrictedAdmin,
                [false, false, false, false, true],
                &["RESTRICTED_ADMIN", "Require Restricted Admin"],
            ),
            (
                RequireRemoteCredentialGuard,
                [false, false, false, true, false],
                &["TSRemoteGuardCreds", "Require Remote Credential Guard"],
            ),
            (
                RequireEither,
                [false, false, false, true, true],
                &["RESTRICTED_ADMIN", "TSRemoteGuardCreds"],
            ),
        ] {
            pair.client.policy = DelegationPolicy::permit_everything().restricted(restriction);
            for ((name, delegated), permitted) in kinds.iter().zip(permitted) {
                pair.credentials = Credentials::password(alice(), PASSWORD).delegating(delegated());
                let outcome = pair.run();
                if permitted {
                    let (_, server) = outcome.complete();
                    assert_eq!(server.credentials.kind(), delegated().kind());
                    continue;
                }
                assert_denied(
                    &outcome,
                    DelegationDeniedReason::Restricted(restriction),
                    remedies,
                );
                assert!(outcome.sent.is_empty(), "{restriction}: {name}");
            }
        }
    }
}

/// A restriction widens nothing: what it permits still needs a list that allows the target.
#[test]
fn the_lists_count_under_a_restriction() {
    for mut pair in both() {
        pair.credentials = Credentials::password(alice(), PASSWORD).delegating(nothing());
        pair.client.policy =
            DelegationPolicy::default().restricted(RestrictedDelegation::RequireRestrictedAdmin);
        let outcome = pair.run();
        assert_denied(&outcome, DelegationDeniedReason::NotAllowed, &[]);
        assert!(outcome.sent.is_empty());
    }
}

/// The pairs that Windows' own setting blocks, and no others: the floors of both ends against a peer of before the
/// remedy, which speaks version 4 and takes any.
#[test]
fn the_encryption_oracle_setting_is_the_floor_of_each_end() {
    use EncryptionOracleRemediation::{ForceUpdatedClients, Mitigated, Vulnerable};

    for pair in both() {
        for (setting, client_accepts, server_accepts) in [
            (ForceUpdatedClients, false, false),
            (Mitigated, false, true),
            (Vulnerable, true, true),
        ] {
            let old = || {
                Pair {
                    client: pair.client.clone(),
                    server: pair.server.clone(),
                    ..Pair::bare()
                }
                .versions(4, 4, 2)
            };

            let mut one = old();
            one.client = pair.client.clone().with_encryption_oracle(setting);
            let outcome = one.run();
            if client_accepts {
                let (client, _) = outcome.complete();
                assert_eq!(client.version, 4);
            } else {
                assert_eq!(outcome.client_error().kind(), "PeerIncompatible");
                let credentials = outcome
                    .sent
                    .iter()
                    .any(|one| one.decode().auth_info.is_some());
                assert!(!credentials, "{setting}");
            }

            let mut one = old();
            one.server = pair.server.clone().with_encryption_oracle(setting);
            let outcome = one.run();
            if server_accepts {
                let (_, server) = outcome.complete();
                assert_eq!(server.version, 4);
            } else {
                assert_eq!(outcome.server_error().kind(), "PeerIncompatible");
            }

            let mut updated = old();
            updated.client = pair.client.clone().with_encryption_oracle(setting);
            updated.server = pair.server.clone().with_encryption_oracle(setting);
            let (client, _) = updated.run().complete();
            assert_eq!(client.version, 6);
        }
    }
}
