//! Handshakes that succeed, and what they deliver.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod pair;

use credssp::credentials::{
    TsCredentials, TsCspDataDetail, TsPasswordCreds, TsRemoteGuardCreds, TsRemoteGuardPackageCred,
    TsSmartCardCreds,
};
use credssp::error::{ApiMisuse, Error, Step};
use credssp::mechanism::{Mechanism, Negotiation};
use credssp::proof::ServerProof;
use credssp::{AccountName, Credentials, Secret};

use pair::toy::Toy;
use pair::{PASSWORD, Pair, Side, alice, ntlm};

/// Both ways in which NTLM travels.
fn both() -> [Pair; 2] {
    [Pair::bare(), Pair::spnego()]
}

#[track_caller]
fn password(credentials: TsCredentials) -> (String, String, String) {
    match credentials {
        TsCredentials::Password(credentials) => (
            credentials.domain_name.into(),
            credentials.user_name.into(),
            credentials.password.expose().to_owned(),
        ),
        other => panic!("{other:?}"),
    }
}

fn shapes(outcome: &pair::Outcome) -> Vec<(Side, String)> {
    outcome
        .sent
        .iter()
        .map(|message| (message.from, message.decode().shape()))
        .collect()
}

#[test]
fn delegates_a_password() {
    for pair in both() {
        let (client, server) = pair.run().complete();
        assert_eq!(
            password(server.credentials),
            ("CORP".into(), "alice".into(), PASSWORD.into())
        );
        assert_eq!(server.account, alice());
        assert_eq!((client.version, server.version), (6, 6));
        assert_eq!(
            (client.mechanism, server.mechanism),
            (Mechanism::Ntlm, Mechanism::Ntlm)
        );
        assert_eq!(client.proof, ServerProof::None);
    }
}

#[test]
fn delegates_with_the_default_configuration() {
    let mut pair = Pair::spnego();
    pair.server = credssp::ServerConfig::default();
    pair.client = credssp::ClientConfig::new(credssp::DelegationPolicy::windows_defaults());
    pair.run().complete();
}

/// MS-CSSP, section 3.1.5: the client's last token and `pubKeyAuth` are one message, and `authInfo` comes alone.
#[test]
fn sends_each_field_in_its_place() {
    use Side::{Client, Server};
    let shape = |side, text: &str| (side, text.to_owned());
    let outcome = Pair::bare().run();
    assert_eq!(
        shapes(&outcome),
        [
            shape(Client, "t"),
            shape(Server, "t"),
            shape(Client, "tkn"),
            shape(Server, "k"),
            shape(Client, "i"),
        ]
    );
    // The server's last token holds its mechListMIC.
    let outcome = Pair::spnego().run();
    assert_eq!(
        shapes(&outcome),
        [
            shape(Client, "t"),
            shape(Server, "t"),
            shape(Client, "tkn"),
            shape(Server, "tk"),
            shape(Client, "i"),
        ]
    );
    for message in &outcome.sent {
        assert_eq!(message.decode().version, 6);
    }
}

#[test]
fn bare_tokens_are_bare_and_others_are_not() {
    let outcome = Pair::bare().run();
    for message in &outcome.sent[..3] {
        let token = message.decode().nego_token.unwrap();
        assert!(token.starts_with(b"NTLMSSP\0"));
    }
    let outcome = Pair::spnego().run();
    let token = |index: usize| outcome.sent[index].decode().nego_token.unwrap();
    assert!(token(0).starts_with(b"\x60"));
    assert!(token(1).starts_with(b"\xa1") && token(2).starts_with(b"\xa1"));
}

#[test]
fn the_password_travels_sealed_only() {
    let utf16: Vec<u8> = PASSWORD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for pair in both() {
        let outcome = pair.run();
        for message in &outcome.sent {
            for secret in [&utf16[..], PASSWORD.as_bytes()] {
                let shown = message.bytes.windows(secret.len()).any(|w| w == secret);
                assert!(!shown, "{:?} {}", message.from, message.index);
            }
        }
    }
}

#[test]
fn the_same_randomness_gives_the_same_bytes_and_other_gives_others() {
    for pair in both() {
        let (first, second) = (pair.run(), pair.run());
        assert_eq!(first.sent, second.sent);
    }
    let pair = Pair::bare();
    let nonce = |seed| {
        let (client, server) = (pair.started_client_with(seed), pair.started_server());
        let outcome = pair.talk(client, server, |message| message.bytes);
        outcome.sent[2].decode().client_nonce
    };
    assert_ne!(nonce(1), nonce(3));
}

#[test]
fn delegates_a_smart_card() {
    let mut csp_data = TsCspDataDetail::new(1);
    csp_data.card_name = Some("card".into());
    csp_data.reader_name = Some("reader".into());
    csp_data.container_name = Some("container".into());
    csp_data.csp_name = Some("Microsoft Base Smart Card Crypto Provider".into());
    for mut pair in both() {
        let mut card = TsSmartCardCreds::new("123456", csp_data.clone());
        card.user_hint = Some("alice".into());
        pair.credentials = Credentials::password(alice(), PASSWORD).delegating(card.into());
        let (_, server) = pair.run().complete();
        let TsCredentials::SmartCard(card) = server.credentials else {
            panic!("{:?}", server.credentials);
        };
        assert_eq!(card.pin.expose(), "123456");
        assert_eq!(card.csp_data, csp_data);
        assert_eq!(card.user_hint.as_deref(), Some("alice"));
        assert_eq!(card.domain_hint, None);
    }
}

#[test]
fn delegates_remote_guard_credentials() {
    for mut pair in both() {
        let ticket = vec![0xa5; 20_000];
        let mut guard =
            TsRemoteGuardCreds::new(TsRemoteGuardPackageCred::new("Kerberos", ticket.clone()));
        guard.supplemental_creds = Some(vec![TsRemoteGuardPackageCred::new(
            "NTLM",
            &b"supplement"[..],
        )]);
        pair.credentials = Credentials::password(alice(), PASSWORD).delegating(guard.into());
        let (_, server) = pair.run().complete();
        let TsCredentials::RemoteGuard(guard) = server.credentials else {
            panic!("{:?}", server.credentials);
        };
        assert_eq!(&*guard.logon_cred.package_name, "Kerberos");
        assert_eq!(guard.logon_cred.cred_buffer.expose(), ticket);
        let supplemental = guard.supplemental_creds.unwrap();
        assert_eq!(supplemental.len(), 1);
        assert_eq!(supplemental[0].cred_buffer.expose(), b"supplement");
    }
}

#[test]
fn delegates_nothing_in_restricted_admin_mode() {
    for mut pair in both() {
        let nothing = TsPasswordCreds::new("", "", "");
        pair.credentials = Credentials::password(alice(), PASSWORD).delegating(nothing.into());
        let (_, server) = pair.run().complete();
        assert_eq!(password(server.credentials), Default::default());
        assert_eq!(server.account, alice());
    }
}

#[test]
fn logs_on_by_nt_hash_on_either_side() {
    // MD4 of "Password" in UTF-16 (MS-NLMP, section 4.2.2.1.2).
    const HASH: [u8; 16] = *b"\xa4\xf4\x9c\x40\x65\x10\xbd\xca\xb6\x82\x4e\xe7\xc3\x0f\xd8\x52";
    for mut pair in both() {
        let delegated = TsPasswordCreds::new("D", "u", "other").into();
        pair.credentials = Credentials::nt_hash(alice(), Secret::new(HASH), delegated);
        pair.accounts = |_| Some(credssp::Account::password("Password"));
        let (_, server) = pair.run().complete();
        assert_eq!(
            password(server.credentials),
            ("D".into(), "u".into(), "other".into())
        );

        pair.credentials = Credentials::password(alice(), "Password");
        pair.accounts = |_| Some(credssp::Account::nt_hash(Secret::new(HASH)));
        pair.run().complete();
    }
}

#[test]
fn any_of_several_candidates_will_do() {
    use credssp::account::Candidate;
    for mut pair in both() {
        pair.accounts = |_| {
            Some(credssp::Account::candidates([
                Candidate::Password("an older one".into()),
                Candidate::Password(PASSWORD.into()),
            ]))
        };
        pair.run().complete();
    }
}

#[test]
fn the_look_up_sees_the_account_as_the_client_spelled_it() {
    for (spelled, domain, user) in [
        (r"CORP\alice", "CORP", "alice"),
        (r"corp\ALICE", "corp", "ALICE"),
        ("alice@corp.example", "", "alice@corp.example"),
        ("alice", "", "alice"),
        ("DÖMÄIN\\jürgen\u{1f600}", "DÖMÄIN", "jürgen\u{1f600}"),
    ] {
        for mut pair in both() {
            let account: AccountName = spelled.parse().unwrap();
            pair.credentials = Credentials::password(account.clone(), PASSWORD);
            pair.accounts = |request| {
                let ntlm = request.ntlm.as_ref().unwrap();
                assert!(ntlm.nt_challenge_response.len() > 24);
                Some(credssp::Account::password(PASSWORD))
            };
            let (_, server) = pair.run().complete();
            assert_eq!(server.account, AccountName::new(domain, user));
            assert_eq!(
                password(server.credentials),
                (domain.into(), user.into(), PASSWORD.into())
            );
        }
    }
}

#[test]
fn a_server_answers_bare_tokens_in_kind() {
    let mut pair = Pair::bare();
    pair.server.negotiation = Negotiation::Spnego;
    pair.run().complete();
}

#[test]
fn a_bare_server_refuses_spnego() {
    let mut pair = Pair::spnego();
    pair.server.negotiation = Negotiation::Bare;
    let outcome = pair.run();
    assert_eq!(outcome.server_error().kind(), "PeerIncompatible");
    assert_eq!(outcome.client_error().kind(), "Rejected");

    let mut pair = Pair::bare();
    pair.server.negotiation = Negotiation::Bare;
    pair.run().complete();
}

/// Kerberos is through with a single token, or ends by the server's.
#[test]
fn mechanisms_of_any_number_of_tokens_reach_completion() {
    for tokens in 1..=12 {
        for negotiation in [Negotiation::Bare, Negotiation::Spnego] {
            let mut pair =
                Pair::with_mechanisms(vec![Toy::kerberos(tokens)], vec![Toy::kerberos(tokens)]);
            pair.client.negotiation = negotiation;
            let outcome = pair.run();
            let (client, server) = outcome.complete();
            assert_eq!(client.mechanism, Mechanism::Kerberos, "{tokens}");
            assert_eq!(client.proof, ServerProof::Kerberos);
            assert_eq!(server.account, alice());
        }
    }
}

#[test]
fn follows_the_server_to_another_mechanism() {
    let pair = Pair::with_mechanisms(vec![Toy::kerberos(2), ntlm()], vec![ntlm()]);
    let (client, server) = pair.run().complete();
    assert_eq!(
        (client.mechanism, server.mechanism),
        (Mechanism::Ntlm, Mechanism::Ntlm)
    );
    assert_eq!(client.proof, ServerProof::None);
}

#[test]
fn the_clients_first_choice_wins() {
    let pair = Pair::with_mechanisms(
        vec![Toy::kerberos(2), ntlm()],
        vec![ntlm(), Toy::kerberos(2)],
    );
    let (client, _) = pair.run().complete();
    assert_eq!(client.mechanism, Mechanism::Kerberos);
}

#[test]
fn refuses_to_start_without_mechanisms() {
    let outcome = Pair::with_mechanisms(Vec::new(), Vec::new()).run();
    for error in [outcome.client_error(), outcome.server_error()] {
        let misuse = matches!(error, Error::ApiMisuse(ApiMisuse::NoMechanisms));
        assert!(misuse, "{error}");
        assert!(error.to_string().contains("enable the feature `ntlm`"));
    }
}

#[test]
fn progress_tells_how_far_it_has_come() {
    let pair = Pair::bare();
    let mut client = pair.started_client();
    let mut server = pair.started_server();
    let facts = |peer: &pair::Peer| {
        let progress = peer.progress();
        (
            progress.step,
            progress.mechanism,
            progress.account.clone(),
            progress.peer_version,
            progress.proof,
        )
    };
    let ntlm = Some(Mechanism::Ntlm);
    let (account, proof) = (Some(alice()), Some(ServerProof::None));
    assert_eq!(
        facts(&client),
        (Step::Negotiation, ntlm, account.clone(), None, proof)
    );
    assert_eq!(facts(&server), (Step::Negotiation, None, None, None, None));
    server.feed(&client.next_message().unwrap().bytes);
    assert_eq!(
        facts(&server),
        (Step::Negotiation, ntlm, None, Some(6), None)
    );
    client.feed(&server.next_message().unwrap().bytes);
    assert_eq!(
        facts(&client),
        (Step::PublicKey, ntlm, account.clone(), Some(6), proof)
    );
    server.feed(&client.next_message().unwrap().bytes);
    assert_eq!(
        facts(&server),
        (Step::Credentials, ntlm, account, Some(6), None)
    );
}
