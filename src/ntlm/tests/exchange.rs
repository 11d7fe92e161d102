//! Logons that succeed, and logons that must not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::BytesMut;

use super::handmade::{self, Handmade};
use super::*;
use crate::account::Candidate;
use crate::error::{PeerIncompatible, PeerMisbehaved};
use crate::ntlm::NegotiateFlags;
use crate::ntlm::key::{self, ResponseKey};
use crate::ntlm::{AuthenticateMessage, AvId, ChallengeMessage, Ntlmv2Response};
use crate::secret::Secret;

fn talk(established: &mut Established) {
    let Established { client, server, .. } = established;
    let mut message = BytesMut::from(&b"to the server"[..]);
    client.wrap_in_place(&mut message).unwrap();
    assert_eq!(
        server.unwrap_in_place(&mut message).unwrap(),
        b"to the server"
    );
    let mut message = BytesMut::from(&b"to the client"[..]);
    server.wrap_in_place(&mut message).unwrap();
    assert_eq!(
        client.unwrap_in_place(&mut message).unwrap(),
        b"to the client"
    );
}

fn nt_hash(password: &str) -> Secret<[u8; 16]> {
    Secret::new(*key::nt_hash(password))
}

#[test]
fn a_password_proves_the_account_and_protects_messages() {
    let mut established = Exchange::new()
        .run(Some(Account::password("Password")))
        .unwrap();
    assert_eq!(established.account, AccountName::new("Domain", "User"));
    assert_eq!(established.status, None);
    assert!(established.client.requires_mech_list_mic());
    assert!(established.server.requires_mech_list_mic());
    talk(&mut established);
}

#[test]
fn an_nt_hash_does_on_either_side() {
    let mut exchange = Exchange::new();
    let delegated = crate::credentials::TsPasswordCreds::new("", "", "").into();
    let account = AccountName::new("Domain", "User");
    exchange.credentials = Credentials::nt_hash(account, nt_hash("Password"), delegated);
    talk(
        &mut exchange
            .run(Some(Account::nt_hash(nt_hash("Password"))))
            .unwrap(),
    );
}

#[test]
fn names_outside_of_ascii_and_user_principal_names_are_fine() {
    for account in [
        AccountName::new("Domäne", "jürgen.groß"),
        AccountName::new("", "alice@corp.example"),
        AccountName::new("", "𝄞"),
    ] {
        let mut exchange = Exchange::new();
        exchange.credentials = Credentials::password(account.clone(), "Pässwörd");
        let established = exchange.run(Some(Account::password("Pässwörd"))).unwrap();
        assert_eq!(established.account, account);
    }
}

#[test]
fn a_wrong_password_and_an_unknown_account_look_alike_to_the_client() {
    let wrong = Exchange::new().run(Some(Account::password("password")));
    let unknown = Exchange::new().run(None);
    let (wrong, unknown) = (wrong.err().unwrap(), unknown.err().unwrap());
    assert_eq!(wrong.nt_status(), Some(NtStatus::LOGON_FAILURE));
    assert_eq!(unknown.nt_status(), wrong.nt_status());
    assert!(wrong.to_string().contains("password is wrong"));
    assert!(unknown.to_string().contains("no such account"));
}

/// The least of many times has no noise in it: the same work takes the same time, whatever else the machine does.
#[test]
fn an_unknown_account_costs_the_work_of_a_wrong_password() {
    let accounts: [fn() -> Option<Account>; 3] = [
        || None,
        || Some(Account::password("wrong horses!")),
        || Some(Account::nt_hash(Secret::new([7; 16]))),
    ];
    let mut least = [Duration::MAX; 3];
    for _ in 0..500 {
        for (account, least) in accounts.iter().zip(&mut least) {
            let (_, _, server) = Exchange::new().ask().unwrap();
            let account = account();
            let start = Instant::now();
            assert!(server.step(account).is_err());
            *least = start.elapsed().min(*least);
        }
    }
    let [shortest, .., longest] = {
        least.sort_unstable();
        least
    };
    assert!(longest < shortest.mul_f64(1.2), "{least:?}");
}

#[test]
fn no_candidate_is_no_account() {
    assert_eq!(
        failure(Exchange::new().run(Some(Account::candidates([])))),
        AuthenticationFailure::UnknownAccount
    );
}

#[test]
fn one_of_several_candidates_suffices() {
    let wrong = || Candidate::Password("wrong".into());
    let right = || Candidate::NtHash(nt_hash("Password"));
    for candidates in [
        vec![right(), wrong(), wrong()],
        vec![wrong(), right(), wrong()],
        vec![wrong(), wrong(), right()],
    ] {
        talk(
            &mut Exchange::new()
                .run(Some(Account::candidates(candidates)))
                .unwrap(),
        );
    }
    assert_eq!(
        failure(Exchange::new().run(Some(Account::candidates([wrong(), wrong()])))),
        AuthenticationFailure::WrongResponse
    );
}

#[test]
fn the_status_of_an_account_is_handed_on() {
    let account = Account::password("Password").with_status(NtStatus::ACCOUNT_DISABLED);
    let established = Exchange::new().run(Some(account)).unwrap();
    assert_eq!(established.status, Some(NtStatus::ACCOUNT_DISABLED));
}

#[test]
fn a_domain_controllers_verdict_replaces_the_proof_but_not_the_mic() {
    let ask = || {
        let (client, request, server) = Exchange::new().ask().unwrap();
        let logon = request.ntlm.unwrap();
        // What a domain controller computes from what it is shown.
        let response = Ntlmv2Response::decode(&logon.nt_challenge_response).unwrap();
        let domain = handmade::utf16(request.account.domain());
        let user = key::upper_case_utf16(request.account.user());
        let key = ResponseKey::new(&key::nt_hash("Password"), &user, &domain);
        let proof = key.nt_proof_str(&logon.server_challenge, response.temp);
        assert_eq!(proof, response.nt_proof_str);
        (client, server, key.session_base_key(&proof))
    };

    let (client, server, key) = ask();
    let account = Account::verified(Secret::new(*key));
    let AcceptorStep::Established { context, .. } = server.step(Some(account)).unwrap() else {
        panic!("not established");
    };
    talk(&mut Established {
        client,
        server: context,
        account: AccountName::new("", ""),
        status: None,
    });

    let (_, server, mut key) = ask();
    key[0] ^= 1;
    let result = server.step(Some(Account::verified(Secret::new(*key))));
    assert!(matches!(
        result,
        Err(Error::AuthenticationFailed {
            reason: AuthenticationFailure::WrongMic,
            ..
        })
    ));
}

#[test]
fn channel_bindings_have_to_agree_where_the_server_has_some() {
    let bindings = |data: &str| Some(ChannelBindings::from_application_data(data.as_bytes()));
    let run = |client, server| {
        let mut exchange = Exchange::new();
        (exchange.client_bindings, exchange.server_bindings) = (client, server);
        exchange.run(Some(Account::password("Password")))
    };
    assert!(run(bindings("a"), bindings("a")).is_ok());
    assert!(run(bindings("a"), None).is_ok());
    for client in [None, bindings("b"), bindings("")] {
        assert_eq!(
            failure(run(client, bindings("a"))),
            AuthenticationFailure::WrongChannelBindings
        );
    }
}

#[test]
fn all_zero_channel_bindings_are_none() {
    let mut handmade = Handmade::new();
    handmade
        .av_pairs
        .push((AvId::CHANNEL_BINDINGS, vec![0; 16]));
    let bindings = ChannelBindings::from_application_data(b"a");
    assert!(handmade.log_on(&Ntlm::default(), None).is_ok());
    assert_eq!(
        handmade::failure(handmade.log_on(&Ntlm::default(), Some(&bindings))),
        AuthenticationFailure::WrongChannelBindings
    );
}

#[test]
fn a_client_may_compute_with_an_empty_domain() {
    let mut handmade = Handmade::new();
    handmade.proven_domain = "";
    assert!(handmade.log_on(&Ntlm::default(), None).is_ok());
    handmade.proven_domain = "Another";
    assert_eq!(
        handmade::failure(handmade.log_on(&Ntlm::default(), None)),
        AuthenticationFailure::WrongResponse
    );
}

#[test]
fn a_missing_mic_is_refused_unless_allowed() {
    let mut handmade = Handmade::new();
    handmade.av_flags = None;
    assert_eq!(
        handmade::failure(handmade.log_on(&Ntlm::default(), None)),
        AuthenticationFailure::MissingMic
    );
    let allowing = Ntlm::default().allow_missing_mic(true);
    assert!(handmade.log_on(&allowing, None).is_ok());
    // What stands in the field is then garbage, and means nothing.
    handmade.mic = Some([0xee; 16]);
    assert!(handmade.log_on(&allowing, None).is_ok());
}

#[test]
fn a_mic_that_is_announced_must_verify_even_where_it_may_be_missing() {
    let allowing = Ntlm::default().allow_missing_mic(true);
    let mut handmade = Handmade::new();
    handmade.mic = Some([0; 16]);
    assert_eq!(
        handmade::failure(handmade.log_on(&allowing, None)),
        AuthenticationFailure::WrongMic
    );
    for header_len in [64, 72] {
        let mut handmade = Handmade::new();
        handmade.header_len = header_len;
        assert_eq!(
            handmade::failure(handmade.log_on(&allowing, None)),
            AuthenticationFailure::WrongMic
        );
    }
}

#[test]
fn a_mic_stands_in_the_place_of_a_version_that_was_not_negotiated() {
    let mut handmade = Handmade::new();
    handmade.header_len = 80;
    assert_eq!(
        handmade::failure(handmade.log_on(&Ntlm::default(), None)),
        AuthenticationFailure::WrongMic
    );
    let flags = handmade.flags.bits() & !NegotiateFlags::VERSION.bits();
    handmade.flags = NegotiateFlags::from_bits(flags);
    assert!(handmade.log_on(&Ntlm::default(), None).is_ok());
    handmade.mic = Some([0; 16]);
    assert_eq!(
        handmade::failure(handmade.log_on(&Ntlm::default(), None)),
        AuthenticationFailure::WrongMic
    );
}

#[test]
fn old_clients_leave_out_the_mic_and_the_version() {
    let allowing = Ntlm::default().allow_missing_mic(true);
    for header_len in [64, 72, 88] {
        let mut handmade = Handmade::new();
        handmade.av_flags = None;
        handmade.header_len = header_len;
        assert!(
            handmade.log_on(&allowing, None).is_ok(),
            "{header_len} octets of header"
        );
    }
}

#[test]
fn padding_behind_the_pairs_is_covered_by_the_proof_and_otherwise_ignored() {
    for padding in [0, 1, 4, 32] {
        let mut handmade = Handmade::new();
        handmade.padding = vec![0; padding];
        assert!(handmade.log_on(&Ntlm::default(), None).is_ok());
    }
}

#[test]
fn single_host_data_of_any_size_is_ignored() {
    for size in [0, 7, 8, 48, 80, 4096] {
        let mut handmade = Handmade::new();
        handmade.av_pairs.push((AvId::SINGLE_HOST, vec![7; size]));
        assert!(handmade.log_on(&Ntlm::default(), None).is_ok(), "{size}");
    }
}

#[test]
fn the_age_of_a_response_is_bounded_on_request() {
    let limited = Ntlm::default().max_time_skew(Some(Duration::from_secs(60)));
    for (seconds, fine) in [(-61, false), (-60, true), (60, true), (61, false)] {
        let mut handmade = Handmade::new();
        handmade.time_offset_seconds = seconds;
        assert!(handmade.log_on(&Ntlm::default(), None).is_ok());
        let result = handmade.log_on(&limited, None);
        if fine {
            assert!(result.is_ok(), "{seconds}");
        } else {
            assert_eq!(handmade::failure(result), AuthenticationFailure::TimeSkew);
        }
    }
}

#[test]
fn anonymous_logons_are_refused() {
    let mut handmade = Handmade::new();
    handmade.user = "";
    assert!(matches!(
        handmade.log_on(&Ntlm::default(), None),
        Err(Error::PeerIncompatible(PeerIncompatible::Anonymous))
    ));
    let mut handmade = Handmade::new();
    handmade.flags = handmade.flags | NegotiateFlags::ANONYMOUS;
    assert!(matches!(
        handmade.log_on(&Ntlm::default(), None),
        Err(Error::PeerIncompatible(PeerIncompatible::Anonymous))
    ));
}

#[test]
fn an_initiator_without_a_user_does_not_start() {
    let environment = environment();
    let target = ServicePrincipalName::termsrv("server").unwrap();
    let credentials = Credentials::password(AccountName::new("", ""), "");
    let request = InitiatorRequest::new(&target, &credentials, &environment);
    assert!(Ntlm::default().initiator(request).is_none());
}

#[test]
fn a_session_key_of_another_size_is_refused() {
    for size in [0, 15, 17] {
        let mut handmade = Handmade::new();
        handmade.session_key_len = size;
        assert!(
            matches!(
                handmade.log_on(&Ntlm::default(), None),
                Err(Error::InvalidMessage(error))
                    if error.structure == "AUTHENTICATE_MESSAGE.EncryptedRandomSessionKey"
            ),
            "{size}"
        );
    }
}

#[test]
fn the_answer_names_the_target_and_the_server_and_announces_its_mic() {
    let mut exchange = Exchange::tampering(|number, message| {
        if number != 2 {
            return;
        }
        let message = AuthenticateMessage::decode(message).unwrap();
        assert_eq!(message.flags.bits(), 0xe288_8235);
        assert_eq!(message.lm_challenge_response, [0; 24]);
        assert_eq!(message.workstation_text().unwrap(), "CLIENT01");
        let response = Ntlmv2Response::decode(message.nt_challenge_response).unwrap();
        let pairs = response.av_pairs;
        assert_eq!(
            pairs.text(AvId::TARGET_NAME).unwrap(),
            "TERMSRV/server.example.com"
        );
        assert_eq!(pairs.text(AvId::NB_COMPUTER_NAME).unwrap(), "SRV");
        assert_eq!(pairs.text(AvId::NB_DOMAIN_NAME).unwrap(), "CORP");
        assert_eq!(pairs.text(AvId::DNS_COMPUTER_NAME).unwrap(), "srv.corp");
        assert_eq!(pairs.text(AvId::DNS_DOMAIN_NAME).unwrap(), "corp");
        assert_eq!(pairs.text(AvId::DNS_TREE_NAME).unwrap(), "tree");
        assert_eq!(pairs.flags(), 2);
        assert_eq!(pairs.timestamp(), Some(response.timestamp));
        // 2023-11-14 22:13:20 UTC.
        assert_eq!(response.timestamp, 133_444_736_000_000_000);
        assert_eq!(pairs.channel_bindings(), None);
        assert_eq!(pairs.get(AvId::SINGLE_HOST), None);
    });
    exchange.client = Ntlm::default().workstation("CLIENT01");
    exchange.server = Ntlm::default()
        .nb_computer_name("SRV")
        .nb_domain_name("CORP")
        .dns_computer_name("srv.corp")
        .dns_domain_name("corp")
        .dns_tree_name("tree");
    exchange.run(Some(Account::password("Password"))).unwrap();
}

#[test]
fn the_challenge_agrees_to_what_was_asked_and_no_more() {
    for (asked, agreed) in [
        (0xe208_8235, 0xe28a_8235),
        // Without VERSION and 56, and with OEM, LM_KEY and IDENTIFY.
        (0x6018_82b7, 0x608a_8235),
    ] {
        let environment = environment();
        let acceptor = Ntlm::default().acceptor(AcceptorRequest::new(&environment));
        let mut offer = b"NTLMSSP\0\x01\0\0\0".to_vec();
        offer.extend(u32::to_le_bytes(asked));
        let AcceptorStep::NeedsToken { token, .. } = acceptor.step(&offer).unwrap() else {
            panic!("no challenge");
        };
        let challenge = ChallengeMessage::decode(&token).unwrap();
        assert_eq!(challenge.flags.bits(), agreed);
        assert_eq!(challenge.target_name, handmade::utf16("SERVER"));
        // Room for the version, filled or not.
        assert_eq!(token[16], 56);
        assert_eq!(token[48..56] != [0; 8], challenge.version.is_some());
        assert_eq!(challenge.version.is_some(), asked & 0x0200_0000 != 0);
    }
}

#[test]
fn ends_refuse_tokens_out_of_turn() {
    let environment = environment();
    let target = ServicePrincipalName::termsrv("server").unwrap();
    let credentials = Credentials::password(AccountName::new("", "alice"), "secret");
    let initiator = || {
        let request = InitiatorRequest::new(&target, &credentials, &environment);
        Ntlm::default().initiator(request).unwrap()
    };
    assert!(matches!(
        initiator().step(Some(b"NTLMSSP")),
        Err(Error::PeerMisbehaved(PeerMisbehaved::UnexpectedNegoToken))
    ));
    let (offer, next) = needs_token(initiator().step(None).unwrap());
    assert!(matches!(
        next.step(None),
        Err(Error::PeerMisbehaved(PeerMisbehaved::MissingNegoToken))
    ));
    let (_, next) = needs_token(initiator().step(None).unwrap());
    assert!(matches!(
        next.step(Some(&offer)),
        Err(Error::InvalidMessage(_))
    ));

    let acceptor = Ntlm::default().acceptor(AcceptorRequest::new(&environment));
    let AcceptorStep::NeedsToken { token, next } = acceptor.step(&offer).unwrap() else {
        panic!("no challenge");
    };
    assert!(matches!(next.step(&token), Err(Error::InvalidMessage(_))));
}

/// A clock that goes on by an hour whenever it is read.
#[derive(Debug)]
struct Hourly(AtomicU64);

impl TimeProvider for Hourly {
    fn since_unix_epoch(&self) -> Duration {
        Duration::from_secs(3600 * self.0.fetch_add(1, Ordering::Relaxed))
    }
}

#[test]
fn a_slow_client_is_too_old_for_a_bounded_age() {
    let mut exchange = Exchange::new();
    exchange.server = Ntlm::default().max_time_skew(Some(Duration::from_secs(3599)));
    exchange.server_environment.time = Arc::new(Hourly(AtomicU64::new(500_000)));
    assert_eq!(exchange.failure(), AuthenticationFailure::TimeSkew);
    exchange.server = Ntlm::default().max_time_skew(Some(Duration::from_secs(3600)));
    assert!(exchange.run(Some(Account::password("Password"))).is_ok());
}
