//! Whole exchanges: which of their proofs hold, and what is said where one has been changed.

use serde_json::Value;

use super::recorded::{Recorded, delegated, failing, outcomes};
use super::{decode, hex, json as run, own_file, token_file, unhex, vectors};
use crate::programs::Run;

#[test]
fn every_exchange_by_ntlm_opens_and_all_its_proofs_hold() {
    let all = Recorded::all("pyspnego-exchanges.json", "ntlm");
    assert!(all.len() >= 14);
    for recorded in all {
        let name = recorded.name();
        let output = recorded.run(0, &["--show-secrets"]);
        let version = recorded.entry["negotiated"].as_u64().unwrap();
        let client = format!("the client's binding (version {version})");
        let server = format!("the server's binding (version {version})");
        let mut expected = vec!["NTLMv2 response", "MIC"];
        let spnego = recorded.entry["spnego"] == true;
        expected.extend(spnego.then_some("the client's mechListMIC"));
        expected.extend(["the client's pubKeyAuth", &client]);
        expected.extend(spnego.then_some("the server's mechListMIC"));
        expected.extend(["the server's pubKeyAuth", &server, "the client's authInfo"]);
        let expected: Vec<_> = expected.iter().map(|name| (*name, "holds")).collect();
        assert_eq!(outcomes(&output), expected, "{name}");

        let checks = output["checks"].as_array().unwrap();
        let named = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap();
        let key = &named("ExportedSessionKey")["detail"];
        assert_eq!(*key, recorded.entry["session_key"], "{name}");
        let senders: Vec<_> = output["tokens"].as_array().unwrap().iter().collect();
        for (token, (sender, _)) in senders.iter().zip(&recorded.messages) {
            let long = if sender == "C" { "client" } else { "server" };
            assert_eq!(token["sender"], long);
        }
        let tree = &named("the client's authInfo")["tree"];
        assert_eq!(delegated(tree), recorded.entry["delegated"], "{name}");
    }
}

#[test]
fn a_flipped_bit_is_told_and_the_rest_is_judged_by_itself() {
    for (name, message, part, expected) in [
        (
            "ntlm_raw_v2",
            2,
            &["pubKeyAuth"][..],
            "the client's pubKeyAuth",
        ),
        ("ntlm_raw_v6", 2, &["pubKeyAuth"], "the client's pubKeyAuth"),
        (
            "ntlm_raw_v6",
            2,
            &["pubKeyAuth", "SeqNum"],
            "the client's pubKeyAuth",
        ),
        (
            "ntlm_raw_v6",
            2,
            &["pubKeyAuth", "Checksum"],
            "the client's pubKeyAuth",
        ),
        ("ntlm_raw_v6", 3, &["pubKeyAuth"], "the server's pubKeyAuth"),
        ("ntlm_raw_v6", 4, &["authInfo"], "the client's authInfo"),
        ("ntlm_raw_v6", 2, &["MIC"], "MIC"),
        (
            "spnego_ntlm_v6",
            2,
            &["mechListMIC"],
            "the client's mechListMIC",
        ),
        (
            "spnego_ntlm_v6",
            2,
            &["mechListMIC", "Checksum"],
            "the client's mechListMIC",
        ),
        (
            "spnego_ntlm_v6",
            3,
            &["mechListMIC"],
            "the server's mechListMIC",
        ),
        (
            "spnego_ntlm_v6",
            3,
            &["pubKeyAuth", "SeqNum"],
            "the server's pubKeyAuth",
        ),
        ("spnego_ntlm_v6", 2, &["NTProofStr"], "NTLMv2 response"),
    ] {
        let mut recorded = Recorded::named(name);
        let whole = outcomes(&recorded.run(0, &[])).len();
        recorded.flip(message, part);
        let output = recorded.run(1, &[]);
        assert_eq!(failing(&output), [expected], "{name} {part:?}");
        // The binding is not judged where the seal does not open, and nothing without keys.
        let found = outcomes(&output);
        let missing = match expected {
            "NTLMv2 response" => whole - 1,
            _ if expected.ends_with("pubKeyAuth") => 1,
            _ => 0,
        };
        assert_eq!(found.len(), whole - missing, "{name} {part:?} {found:?}");
    }
}

#[test]
fn another_key_another_nonce_and_another_password_are_told() {
    let both = |version: u32| {
        ["client", "server"].map(|end| format!("the {end}'s binding (version {version})"))
    };
    for (name, version) in [("ntlm_raw_v6", 6), ("ntlm_raw_v2", 2)] {
        let recorded = Recorded::named(name);
        let tokens = recorded.tokens();
        let password = recorded.entry["password"].as_str().unwrap();
        let with = |key: &str| run(1, &[&tokens, "--password", password, "--public-key", key]);
        assert_eq!(failing(&with("3006020103020103")), both(version));

        let wrong = run(1, &[&tokens, "--password", "wrong"]);
        assert_eq!(failing(&wrong), ["NTLMv2 response"]);
        // Without a key, nothing is said of the binding but that it opens.
        let without = run(0, &[&tokens, "--password", password]);
        let unknown = outcomes(&without).into_iter();
        let unknown: Vec<_> = unknown
            .filter(|(_, outcome)| *outcome == "unknown")
            .collect();
        assert_eq!(unknown.len(), 2, "{unknown:?}");
    }
    let mut recorded = Recorded::named("spnego_ntlm_v6");
    recorded.flip(2, &["clientNonce"]);
    assert_eq!(failing(&recorded.run(1, &[])), both(6));
}

#[test]
fn what_is_weaker_than_ntlm_v2_is_not_opened_and_not_refused() {
    let file: Value = serde_json::from_str(&vectors("published.json")).unwrap();
    for (version, status, outcome) in [
        ("v1", 0, "unknown"),
        ("v1_ess", 0, "unknown"),
        ("v2", 0, "holds"),
    ] {
        let example = &file["nlmp_4_2"][version];
        let tokens = ["challenge", "authenticate"].map(|token| example[token].as_str().unwrap());
        let output = run(status, &[tokens[0], tokens[1], "--password", "Password"]);
        assert_eq!(
            outcomes(&output)[0],
            ("NTLMv2 response", outcome),
            "{version}"
        );
        // Without the first message.
        if version == "v2" {
            assert_eq!(outcomes(&output)[1], ("MIC", "unknown"));
        }
    }
}

#[test]
fn secrets_are_shown_on_demand_only() {
    for name in ["ntlm_raw_v6", "ntlm_smartcard", "ntlm_remoteguard"] {
        let recorded = Recorded::named(name);
        let tokens = recorded.messages.iter().map(|(_, token)| hex(token));
        let credentials = recorded.entry["ts_credentials"].as_str().unwrap();
        let exchange = token_file("decode-secrets", tokens.chain([credentials.to_owned()]));
        let password = recorded.entry["password"].as_str().unwrap();
        let delegated = &recorded.entry["delegated"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut secrets: Vec<_> = ["password", "pin"].map(|secret| &delegated[secret]).into();
        secrets.push(&delegated["logon"]["buffer"]);
        secrets.push(&recorded.entry["session_key"]);
        let mut secrets: Vec<_> = secrets.into_iter().filter_map(text).collect();
        let in_utf16 = |secret: &String| {
            let units = secret.encode_utf16().flat_map(u16::to_le_bytes);
            hex(&units.collect::<Vec<_>>())
        };
        secrets.extend(secrets.iter().map(in_utf16).collect::<Vec<_>>());
        for json in [&[][..], &["--json"]] {
            let command = [&[&*exchange, "--password", password], json].concat();
            let hidden = Run::of(&mut decode(&command));
            let shown = Run::of(decode(&command).arg("--show-secrets"));
            assert_eq!((hidden.status, shown.status), (0, 0), "{hidden:?}");
            for secret in &secrets {
                assert!(!hidden.stdout.contains(secret), "{name}: {secret}");
            }
            // Of long ones a line shows the start.
            let start = |secret: &String| secret.chars().take(60).collect::<String>();
            let seen = secrets
                .iter()
                .filter(|secret| shown.stdout.contains(&start(secret)));
            assert_eq!(seen.count(), 2, "{name}: {secrets:?} {}", shown.stdout);
        }
    }
}

#[test]
fn the_certificate_may_be_in_pem_or_der() {
    let recorded = Recorded::named("ntlm_raw_v6");
    let tokens = recorded.tokens();
    let der = unhex(recorded.entry["cert_der"].as_str().unwrap());
    let path = own_file("certificate.der", &der);
    let pem = own_file("certificate.pem", pem(&der).as_bytes());
    for path in [path, pem] {
        let mut command = decode(&[&tokens, "--json", "--certificate", path.to_str().unwrap()]);
        let run = Run::of(command.env("CREDSSP_PASSWORD", "Passw0rd!"));
        let output: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!((run.status, failing(&output)), (0, vec![]));
        let bindings = outcomes(&output).into_iter();
        let bindings =
            bindings.filter(|(name, outcome)| name.contains("binding") && *outcome == "holds");
        assert_eq!(bindings.count(), 2);
    }
}

fn pem(der: &[u8]) -> String {
    let lines = super::input::base64(der);
    let lines: Vec<_> = lines
        .as_bytes()
        .chunks(64)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}
