//! What a server says of accounts, and to whom.

#![cfg(feature = "ntlm")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod pair;

use credssp::account::Candidate;
use credssp::error::{AuthenticationFailure, Error, NtStatus, OtherError, Step};
use credssp::ts_request::ServerPublicKey;
use credssp::{Account, Credentials, Secret};

use pair::message::Fields;
use pair::{Outcome, PASSWORD, Pair, Side, State, alice};

fn both() -> [Pair; 2] {
    [Pair::bare(), Pair::spnego()]
}

/// The server has told its client this status, and nothing else.
#[track_caller]
fn assert_told(outcome: &Outcome, status: NtStatus) {
    let last = outcome.from(Side::Server).last().unwrap().decode();
    let expected = Fields {
        error_code: Some(status),
        ..Fields::new(6)
    };
    assert_eq!(last, expected);
    match outcome.client_error() {
        Error::Rejected(told) => assert_eq!(*told, status),
        other => panic!("{other}"),
    }
}

#[track_caller]
fn assert_reason(outcome: &Outcome, expected: AuthenticationFailure) {
    match outcome.server_error() {
        Error::AuthenticationFailed { reason, .. } => assert_eq!(*reason, expected),
        other => panic!("{other}"),
    }
}

#[test]
fn refuses_a_wrong_password() {
    for mut pair in both() {
        pair.accounts = |_| Some(Account::password("another"));
        let outcome = pair.run();
        assert_reason(&outcome, AuthenticationFailure::WrongResponse);
        assert_told(&outcome, NtStatus::LOGON_FAILURE);
        let error = outcome.server.error();
        assert_eq!(error.progress.account, Some(alice()));
        assert!(error.to_string().contains("the password is wrong"));
        let text = outcome.client.error().to_string();
        assert!(
            text.contains("STATUS_LOGON_FAILURE") && text.contains("user name or password"),
            "{text}"
        );
    }
}

#[test]
fn refuses_an_unknown_account() {
    for mut pair in both() {
        pair.accounts = |_| None;
        let outcome = pair.run();
        assert_reason(&outcome, AuthenticationFailure::UnknownAccount);
        assert_told(&outcome, NtStatus::LOGON_FAILURE);
        assert_eq!(outcome.server.error().progress.account, Some(alice()));
    }
}

/// Nobody who has not proved an account learns whether there is one, nor what is the matter with it.
#[test]
fn every_unproved_account_gets_the_same_octets() {
    for version in [6, 5] {
        for pair in both() {
            let mut pair = pair.versions(version, version, version);
            let mut transcripts = Vec::new();
            let cases: [fn(&_) -> Option<Account>; 6] = [
                |_| None,
                |_| Some(Account::password("another")),
                |_| Some(Account::nt_hash(Secret::new([7; 16]))),
                |_| Some(Account::candidates([])),
                |_| {
                    let many = ["a", "b", "c"].map(|text| Candidate::Password(text.into()));
                    Some(Account::candidates(many))
                },
                |_| {
                    let account = Account::password("another");
                    Some(account.with_status(NtStatus::ACCOUNT_LOCKED_OUT))
                },
            ];
            for accounts in cases {
                pair.accounts = accounts;
                let outcome = pair.run();
                assert_eq!(outcome.server_error().kind(), "AuthenticationFailed");
                transcripts.push(outcome.sent);
            }
            assert!(transcripts.iter().all(|sent| *sent == transcripts[0]));
            // The control: the right password gives other octets.
            pair.accounts = |_| Some(Account::password(PASSWORD));
            assert_ne!(pair.run().sent, transcripts[0]);
        }
    }
}

#[test]
fn a_status_is_told_after_the_proof() {
    for mut pair in both() {
        pair.accounts = |_| {
            let account = Account::password(PASSWORD);
            Some(account.with_status(NtStatus::PASSWORD_MUST_CHANGE))
        };
        let outcome = pair.run();
        assert_told(&outcome, NtStatus::PASSWORD_MUST_CHANGE);
        let refused = Error::AccountRefused(NtStatus::PASSWORD_MUST_CHANGE).to_string();
        assert_eq!(outcome.server_error().to_string(), refused);
        assert_eq!(outcome.server.error().progress.step, Step::PublicKey);
        assert!(outcome.from(Side::Client).len() == 2, "no credentials came");
    }
}

/// Who stands between the two ends could relay a genuine response, and is told nothing.
#[test]
fn a_status_is_told_after_the_proof_of_the_key() {
    for mut pair in both() {
        pair.accounts = |_| {
            let account = Account::password(PASSWORD);
            Some(account.with_status(NtStatus::ACCOUNT_DISABLED))
        };
        pair.client_key = ServerPublicKey::from_subject_public_key(&[4; 65]);
        let outcome = pair.run();
        assert_told(&outcome, NtStatus::LOGON_FAILURE);
        assert!(matches!(outcome.server_error(), Error::PublicKeyMismatch));
    }
}

#[test]
fn a_status_is_not_told_before_a_late_proof_of_the_key() {
    let mut pair = Pair::spnego();
    pair.accounts = |_| {
        let account = Account::password(PASSWORD);
        Some(account.with_status(NtStatus::ACCOUNT_DISABLED))
    };
    let mut client = pair.started_client();
    let mut server = pair.started_server();
    server.feed(&client.next_message().unwrap().bytes);
    client.feed(&server.next_message().unwrap().bytes);
    let last = client.next_message().unwrap();
    server.feed(&last.change(|fields| fields.pub_key_auth = None));
    assert_eq!(server.next_message().unwrap().decode().shape(), "t");
    server.feed(&last.change(|fields| fields.nego_token = None));
    let told = server.next_message().unwrap().decode();
    assert_eq!(told.error_code, Some(NtStatus::ACCOUNT_DISABLED));
    assert_eq!(told.shape(), "e");
}

/// MS-CSSP, section 2.2.1: `errorCode` exists in versions 3, 4 and 6.
#[test]
fn an_error_code_is_told_to_versions_3_4_and_6_only() {
    for version in 2..=6 {
        for pair in both() {
            let mut pair = pair.versions(version, 6, 2);
            pair.accounts = |_| Some(Account::password("another"));
            let outcome = pair.run();
            assert_eq!(outcome.server_error().kind(), "AuthenticationFailed");
            let told = outcome.from(Side::Server).len() == 2;
            assert_eq!(told, matches!(version, 3 | 4 | 6), "version {version}");
            assert_eq!(outcome.client.is_waiting(), !told);
        }
    }
    // The lower version of the two decides, not the client's.
    let mut pair = Pair::bare().versions(6, 5, 5);
    pair.accounts = |_| None;
    assert_eq!(pair.run().from(Side::Server).len(), 1);
}

#[test]
fn a_failed_look_up_is_not_the_clients_fault() {
    for pair in both() {
        let mut client = pair.started_client();
        let mut out = bytes::BytesMut::new();
        let mut server = pair.started_server();
        server.feed(&client.next_message().unwrap().bytes);
        client.feed(&server.next_message().unwrap().bytes);
        let mut input = bytes::BytesMut::from(&client.next_message().unwrap().bytes[..]);
        let State::Server(state) = server.state else {
            panic!("{:?}", server.state);
        };
        let Ok(credssp::server::Handshake::NeedsAccount(state)) =
            state.process(&mut input, &mut out)
        else {
            panic!("no look-up");
        };
        assert!(out.is_empty());
        assert_eq!(state.progress().account, Some(alice()));
        assert!(!format!("{state:?}").contains(PASSWORD));
        let error = state.fail(OtherError::new("the directory is down"), &mut out);
        assert!(error.to_string().contains("the directory is down"));
        let told = Fields::decode(&out);
        assert_eq!(told.shape(), "e");
        assert_eq!(told.error_code, Some(NtStatus::NO_LOGON_SERVERS));
    }
}

/// A domain controller's verdict carries the session base key, without which no verdict counts.
#[test]
fn a_verdict_with_another_key_proves_nothing() {
    for mut pair in both() {
        pair.accounts = |_| Some(Account::verified(Secret::new([7; 16])));
        let outcome = pair.run();
        assert_reason(&outcome, AuthenticationFailure::WrongMic);
        assert_told(&outcome, NtStatus::LOGON_FAILURE);
    }
}

#[test]
fn an_account_without_a_name_never_gets_as_far_as_a_message() {
    for mut pair in both() {
        pair.credentials = Credentials::password(credssp::AccountName::new("CORP", ""), PASSWORD);
        let outcome = pair.run();
        assert_eq!(outcome.client_error().kind(), "ApiMisuse");
        assert!(outcome.sent.is_empty());
    }
}
