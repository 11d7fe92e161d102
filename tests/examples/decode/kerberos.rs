//! Whole exchanges by Kerberos, opened by a keytab.

use super::recorded::{Recorded, delegated, failing, outcomes};
use super::{json as run, own_file};

const FILE: &str = "mit-kerberos-exchanges.json";

#[test]
fn every_exchange_opens_by_its_keytab_and_all_its_proofs_hold() {
    let all = Recorded::all(FILE, "kerberos");
    assert_eq!(all.len(), 4);
    for recorded in all {
        let name = recorded.name();
        let output = recorded.run(0, &["--show-secrets"]);
        let version = recorded.entry["negotiated"].as_u64().unwrap();
        let bindings =
            ["client", "server"].map(|end| format!("the {end}'s binding (version {version})"));
        let [client, server] = bindings.each_ref().map(|name| &**name);
        let mut expected = vec![
            "ticket",
            "authenticator",
            "client",
            "AP-REP",
            "the server's proof",
        ];
        if name.contains("user_to_user") {
            expected.extend(["the server's mechListMIC", "the client's mechListMIC"]);
        }
        expected.extend([
            "the client's pubKeyAuth",
            client,
            "the server's pubKeyAuth",
            server,
        ]);
        expected.push("the client's authInfo");
        let expected: Vec<_> = expected.iter().map(|name| (*name, "holds")).collect();
        assert_eq!(outcomes(&output), expected, "{name}");

        let checks = output["checks"].as_array().unwrap().iter();
        let named = |start: &str| {
            let mut checks = checks.clone();
            checks
                .find(|check| check["name"].as_str().unwrap().starts_with(start))
                .unwrap()
        };
        let key = &named("the server's subkey")["detail"];
        assert_eq!(*key, recorded.entry["session_key"], "{name}");
        let tree = &named("the client's authInfo")["tree"];
        assert_eq!(delegated(tree), recorded.entry["delegated"], "{name}");
    }
}

#[test]
fn a_flipped_bit_is_told() {
    let user_to_user = "mit_krb_user_to_user_v6";
    for (name, message, part, expected) in [
        (
            "mit_krb_raw_v6",
            0,
            &["ticket", "cipher"][..],
            &["ticket"][..],
        ),
        (
            "mit_krb_raw_v6",
            0,
            &["authenticator", "cipher"],
            &["authenticator"],
        ),
        ("mit_spnego_krb_v6", 1, &["cipher"], &["AP-REP"]),
        (
            "mit_spnego_krb_v6",
            2,
            &["pubKeyAuth"],
            &["the client's pubKeyAuth"],
        ),
        (
            "mit_krb_raw_v6",
            2,
            &["SND_SEQ"],
            &["the client's pubKeyAuth"],
        ),
        (
            "mit_krb_raw_v2",
            3,
            &["pubKeyAuth"],
            &["the server's pubKeyAuth"],
        ),
        (
            "mit_krb_raw_v2",
            4,
            &["authInfo"],
            &["the client's authInfo"],
        ),
        (
            user_to_user,
            3,
            &["mechListMIC"],
            &["the server's mechListMIC"],
        ),
        (
            user_to_user,
            4,
            &["mechListMIC"],
            &["the client's mechListMIC"],
        ),
        (
            user_to_user,
            4,
            &["pubKeyAuth"],
            &["the client's pubKeyAuth"],
        ),
    ] {
        let mut recorded = Recorded::named(name);
        recorded.flip(message, part);
        let output = recorded.run(1, &[]);
        assert_eq!(failing(&output), expected, "{name} {part:?}");
    }
    // A message that is missing shows by the next one's number.
    let mut recorded = Recorded::named("mit_krb_raw_v6");
    recorded.messages.remove(2);
    let failing_ones = ["the server's binding (version 6)", "the client's authInfo"];
    assert_eq!(failing(&recorded.run(1, &[])), failing_ones);

    let mut recorded = Recorded::named("mit_krb_raw_v6");
    recorded.flip(2, &["clientNonce"]);
    let expected = ["client", "server"].map(|end| format!("the {end}'s binding (version 6)"));
    assert_eq!(failing(&recorded.run(1, &[])), expected);
}

#[test]
fn a_keytab_without_the_key_is_told() {
    let recorded = Recorded::named("mit_krb_raw_v6");
    let tokens = recorded.tokens();
    let empty = own_file("empty.keytab", &[5, 2]);
    let output = run(1, &[&tokens, "--keytab", empty.to_str().unwrap()]);
    assert_eq!(failing(&output), ["ticket"]);

    // Of user-to-user, a keytab cannot be expected to have it.
    let recorded = Recorded::named("mit_krb_user_to_user_v6");
    let tokens = recorded.tokens();
    let output = run(0, &[&tokens, "--keytab", empty.to_str().unwrap()]);
    assert_eq!(outcomes(&output), [("ticket", "unknown")]);

    // Where only the password is given, what is missing is said.
    let output = run(0, &[&tokens, "--password", "x"]);
    assert_eq!(outcomes(&output), [("ticket", "unknown")]);
}
