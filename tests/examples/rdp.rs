//! Remote Desktop's part: `--rdp`.

use crate::programs::{ACCOUNT, NTLM_ONLY, PASSWORD, PUBLIC_KEY, Run, Server, example};

const SECURITY_PROTOCOL: &str = "security protocol negotiation";
const EARLY_AUTHORIZATION: &str = "early user authorization";

fn rdp(options: &[&'static str]) -> Vec<&'static str> {
    [&NTLM_ONLY[..], &["--rdp"], options].concat()
}

#[test]
fn both_ends_tell_what_was_selected() {
    for (options, selected) in [
        (&["--rdp"][..], "PROTOCOL_HYBRID"),
        (&["--rdp", "--hybrid-ex"], "PROTOCOL_HYBRID_EX"),
    ] {
        let server = Server::start(options);
        let line = server.client(&rdp(&[])).line(0);
        assert_eq!(line["selected"], selected);
        let line = server.line();
        assert_eq!(
            (&line["ok"], &line["selected"], &line["account"]),
            (&true.into(), &selected.into(), &ACCOUNT.into())
        );
        assert_eq!(line["restricted_admin"], false);
    }
}

#[test]
fn a_user_who_is_denied_is_told_so() {
    let server = Server::start(&["--rdp", "--hybrid-ex", "--deny"]);
    server.client(&rdp(&[])).failure(
        1,
        "EarlyAuthorizationDenied",
        EARLY_AUTHORIZATION,
        "may not log on there",
    );
    server.failure(
        "EarlyAuthorizationDenied",
        EARLY_AUTHORIZATION,
        Some(ACCOUNT),
    );
}

#[test]
fn a_wrong_password_is_refused_before_that() {
    let server = Server::start(&["--rdp", "--hybrid-ex", "--deny"]);
    let mut command = example("client");
    command.args([&*server.address, "--user", ACCOUNT, "--password", "wrong"]);
    Run::of(command.args(rdp(&[]))).failure(1, "Rejected", PUBLIC_KEY, "STATUS_LOGON_FAILURE");
}

#[test]
fn restricted_admin_delegates_nothing_or_ends() {
    let server = Server::start(&["--rdp", "--show-secrets", "--restricted-admin"]);
    server.client(&rdp(&["--restricted-admin"])).line(0);
    let line = server.line();
    assert_eq!(line["restricted_admin"], true);
    assert_eq!(line["credentials"]["user"], "");
    assert!(!line.to_string().contains(PASSWORD), "{line}");

    let server = Server::start(&["--rdp", "--show-secrets"]);
    server.client(&rdp(&["--restricted-admin"])).failure(
        2,
        "PeerIncompatible",
        SECURITY_PROTOCOL,
        "does not support Restricted Admin mode",
    );
    assert_eq!(server.line()["ok"], false);
}

/// Either end alone finds out at once.
#[test]
fn both_ends_have_to_negotiate() {
    let server = Server::start(&["--rdp"]);
    server.client(&NTLM_ONLY).line(3);
    server.failure("InvalidMessage", SECURITY_PROTOCOL, None);
}
