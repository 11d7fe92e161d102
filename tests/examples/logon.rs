//! Who may log on, and what the two ends say of it.

use serde_json::json;

use crate::programs::{
    ACCOUNT, NEGOTIATION, NTLM_ONLY, PASSWORD, PUBLIC_KEY, Run, Server, example,
};

#[test]
fn delegates_by_either_mechanism_over_either_tls() {
    let server = Server::start(&["--show-secrets"]);
    for mechanism in ["ntlm", "negotiate"] {
        for tls in ["1.2", "1.3"] {
            let options = ["--mechanism", mechanism, "--tls", tls];
            let run = server.client(&[&NTLM_ONLY[..], &options].concat());
            let expected = json!({
                "ok": true, "account": ACCOUNT, "mechanism": "ntlm", "version": 6, "tls": tls, "proof": "none",
                "target": "TERMSRV/127.0.0.1",
            });
            assert_eq!(run.line(0), expected);
            let expected = json!({
                "ok": true, "account": ACCOUNT, "mechanism": "ntlm", "version": 6, "tls": tls,
                "credentials": { "type": "password", "domain": "CORP", "user": "alice", "password": PASSWORD },
            });
            assert_eq!(server.line(), expected);
        }
    }
}

#[test]
fn a_bare_server_refuses_spnego() {
    let server = Server::start(&["--mechanism", "ntlm"]);
    server
        .client(&[&NTLM_ONLY[..], &["--mechanism", "ntlm"]].concat())
        .line(0);
    assert_eq!(server.line()["ok"], true);
    let run = server.client(&NTLM_ONLY);
    run.failure(1, "Rejected", NEGOTIATION, "the peer refused");
}

#[test]
fn the_server_refuses_wrong_passwords_and_unknown_accounts_alike() {
    let server = Server::start(&[]);
    let log_on = |account: &str, password: &str, options: &[&str]| {
        let mut command = example("client");
        command.args([&*server.address, "--user", account, "--password", password]);
        Run::of(command.args(NTLM_ONLY).args(options))
    };
    for (account, password) in [
        (ACCOUNT, "wrong"),
        (r"CORP\mallory", PASSWORD),
        (r"OTHER\alice", PASSWORD),
    ] {
        let run = log_on(account, password, &[]);
        run.failure(
            1,
            "Rejected",
            PUBLIC_KEY,
            "STATUS_LOGON_FAILURE (0xC000006D)",
        );
        server.failure("AuthenticationFailed", NEGOTIATION, Some(account));

        // Version 5 has no errorCode: the server only hangs up.
        let run = log_on(account, password, &["--own-version", "5"]);
        run.failure(
            1,
            "Closed",
            PUBLIC_KEY,
            "the user name or password is wrong",
        );
        server.failure("AuthenticationFailed", NEGOTIATION, Some(account));
    }
}

#[test]
fn accounts_match_without_regard_to_case_and_to_a_domain_that_is_not_given() {
    let server = Server::start(&["--account", "Bärbel:b", "--account", r"corp\ALICE:second"]);
    for (account, password, status) in [
        (r"corp\ALICE", PASSWORD, 0),
        (r"Corp\Alice", "second", 0),
        ("alice", PASSWORD, 1),
        (r"ANY\BÄRBEL", "b", 0),
        ("bärbel", "b", 0),
        (r"ANY\BARBEL", "b", 1),
    ] {
        let mut command = example("client");
        command.args([&*server.address, "--user", account, "--password", password]);
        Run::of(command.args(NTLM_ONLY)).line(status);
        let line = server.line();
        assert_eq!(
            (&line["ok"], &line["account"]),
            (&(status == 0).into(), &account.into())
        );
    }
}

#[test]
fn an_account_status_is_told_after_the_proof_only() {
    let server = Server::start(&[
        "--account",
        r"CORP\bob:b",
        "--account-status",
        r"corp\BOB=C0000072",
    ]);
    for (password, status) in [
        ("b", "STATUS_ACCOUNT_DISABLED (0xC0000072)"),
        ("wrong", "STATUS_LOGON_FAILURE"),
    ] {
        let mut command = example("client");
        command.args([
            &*server.address,
            "--user",
            r"CORP\bob",
            "--password",
            password,
        ]);
        Run::of(command.args(NTLM_ONLY)).failure(1, "Rejected", PUBLIC_KEY, status);
    }
    server.failure("AccountRefused", PUBLIC_KEY, Some(r"CORP\bob"));
    server.failure("AuthenticationFailed", NEGOTIATION, Some(r"CORP\bob"));
}
