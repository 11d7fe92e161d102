//! Every token of every file of vectors is what the file says it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::recorded::Recorded;
use super::{errors, find, hex, json, token_file, unhex, vectors};

/// A token, the names that its tree must have, and whether it is malformed.
struct Expected {
    id: String,
    token: String,
    names: Vec<&'static str>,
    wrong: bool,
}

impl Expected {
    fn new(id: &str, token: &Value, names: &[&'static str]) -> Self {
        Self {
            id: id.into(),
            token: token.as_str().unwrap_or_else(|| panic!("{id}")).into(),
            names: names.into(),
            wrong: false,
        }
    }
}

#[test]
fn every_token_of_the_vectors_is_recognised() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".rs") || name.ends_with(".md") {
            continue;
        }
        let expected = expected(&name);
        if name == "samba-pac.json" {
            // PACs are no tokens.
            assert!(expected.is_empty());
            continue;
        }
        assert!(expected.len() >= 18, "{name}: {}", expected.len());
        check(&name, &expected);
    }
}

#[track_caller]
fn check(file: &str, expected: &[Expected]) {
    let lines = expected.iter().map(|token| format!("C:{}", token.token));
    let argument = token_file(&format!("decode-{file}"), lines);
    let wrong = expected.iter().any(|token| token.wrong);
    let output = json(i32::from(wrong), &[&argument]);
    let tokens = output["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), expected.len());
    for (token, expected) in tokens.iter().zip(expected) {
        let (tree, id) = (&token["tree"], &expected.id);
        for name in &expected.names {
            assert!(find(tree, name).is_some(), "{id}: no {name} in {tree:#}");
        }
        assert_eq!(errors(tree).is_empty(), !expected.wrong, "{id}: {tree:#}");
        let length = expected.token.len() / 2;
        assert!(tree["length"] == length || expected.wrong, "{id}: {tree:#}");
    }
}

fn expected(file: &str) -> Vec<Expected> {
    let text = vectors(file);
    if file.ends_with(".txt") {
        return gss_tokens(&text);
    }
    match serde_json::from_str(&text).unwrap() {
        Value::Array(entries) => entries.iter().flat_map(exchange).collect(),
        value => {
            let sections = value.as_object().unwrap();
            let each = sections
                .iter()
                .flat_map(|(name, value)| section(name, value));
            each.collect()
        }
    }
}

fn exchange(entry: &Value) -> Vec<Expected> {
    let (id, by_ntlm) = (entry["name"].as_str().unwrap(), entry["mech"] == "ntlm");
    let spnego = entry["spnego"] == true;
    let mut tokens = Vec::new();
    for (number, message) in entry["ts_requests"].as_array().unwrap().iter().enumerate() {
        let mut names = vec!["TSRequest", "version"];
        let user_to_user = id.contains("user_to_user");
        if user_to_user {
            names.push(match number {
                0 => "KERB-TGT-REQUEST",
                1 => "KERB-TGT-REPLY",
                2 => "AP-REQ",
                3 => "AP-REP",
                4 => "MIC token",
                5 => "pubKeyAuth",
                _ => "authInfo",
            });
        }
        names.extend(match (number, by_ntlm) {
            _ if user_to_user => vec![],
            (0, true) => vec!["negoToken", "NEGOTIATE_MESSAGE"],
            (1, true) => vec!["negoToken", "CHALLENGE_MESSAGE", "TargetInfo"],
            (2, true) => vec!["AUTHENTICATE_MESSAGE", "NTProofStr", "pubKeyAuth"],
            (0, false) => vec!["negoToken", "AP-REQ", "ticket"],
            (1, false) => vec!["negoToken", "AP-REP", "enc-part"],
            (2, false) => vec!["pubKeyAuth", "Wrap token"],
            (3, _) => vec!["pubKeyAuth"],
            _ => vec!["authInfo"],
        });
        match number {
            0 if spnego => names.extend(["NegTokenInit", "mechTypes"]),
            1 if spnego => names.extend(["NegTokenResp", "negState"]),
            _ => {}
        }
        tokens.push(Expected::new(id, &message[1], &names));
    }
    let inner = match &entry["delegated"]["type"] {
        kind if kind == "password" => "TSPasswordCreds",
        kind if kind == "smartcard" => "TSSmartCardCreds",
        _ => "TSRemoteGuardCreds",
    };
    let names = ["TSCredentials", "credType", inner];
    tokens.push(Expected::new(id, &entry["ts_credentials"], &names));
    tokens
}

/// A section of a file whose outermost value is an object.
fn section(name: &str, value: &Value) -> Vec<Expected> {
    let entries = || value.as_array().unwrap().iter();
    let listed = |names: fn(&str) -> &'static [&'static str]| {
        let token = |entry: &Value| {
            let id = entry["id"].as_str().unwrap();
            let note = entry["note"].as_str().unwrap_or_default();
            let mut token = Expected::new(id, &entry["hex"], names(id));
            token.wrong = note.contains("must be rejected");
            token
        };
        entries().map(token).collect()
    };
    match name {
        // Neither tokens nor parts of them.
        "_about" | "pubkey_hash" | "channel_bindings" | "kerberos_pacs" => Vec::new(),
        "tsrequest" => listed(|_| &["TSRequest", "version"]),
        "tscredentials" => listed(|id| match id {
            "ms_remote_guard_example" => &["TSRemoteGuardCreds", "logonCred"],
            _ => &["TSCredentials", "TSSmartCardCreds", "pin"],
        }),
        "spnego" => listed(|id| match id {
            "NegTokenInit2 with NEGOEX" => &["InitialContextToken", "NegTokenInit2", "negHints"],
            "NegTokenInit NTLM NEGOTIATE" => &["NegTokenInit", "NEGOTIATE_MESSAGE"],
            _ => &["NegTokenResp"],
        }),
        "x224" => listed(|id| match id {
            "CR spec" => &["X.224 Connection Request", "cookie", "requestedProtocols"],
            _ => &["X.224 Connection Confirm", "selectedProtocol"],
        }),
        "early_user_authorization" => listed(|_| &["Early User Authorization Result"]),
        "nlmp_4_2" => {
            let examples = ["v1", "v1_ess", "v2"].map(|version| (version, &value[version]));
            let both = examples.iter().flat_map(|(version, example)| {
                let response: &[_] = match *version {
                    "v2" => &["AUTHENTICATE_MESSAGE", "NTProofStr", "AvPairs"],
                    _ => &["AUTHENTICATE_MESSAGE", "NtChallengeResponse"],
                };
                [
                    Expected::new(version, &example["challenge"], &["CHALLENGE_MESSAGE"]),
                    Expected::new(version, &example["authenticate"], response),
                ]
            });
            both.collect()
        }
        "seal_ntlm" => {
            let parts = ["A_raw_v6", "B_raw_v2", "C_spnego_mic_v6"];
            let tokens = parts
                .iter()
                .flat_map(|part| value[part].as_object().unwrap());
            let token = |(id, token): (&String, &Value)| match &**id {
                "mech_types" => Expected::new(id, token, &["MechTypeList"]),
                _ => Expected::new(id, token, &["NTLMSSP_MESSAGE_SIGNATURE"]),
            };
            tokens.map(token).collect()
        }
        "seal_krb_aes256" => {
            let sealed = value.as_object().unwrap().iter().filter(|(id, _)| {
                ["v6_", "v2_", "authinfo", "ec16"]
                    .iter()
                    .any(|start| id.starts_with(start))
            });
            let tokens = sealed.map(|(id, token)| Expected::new(id, token, &["Wrap token"]));
            tokens.collect()
        }
        "mech_type_lists" => {
            let lists = value.as_object().unwrap().iter();
            let list = |(id, token): (&String, &Value)| Expected::new(id, token, &["MechType"]);
            lists.map(list).collect()
        }
        "kerberos_kdc_exchanges" => {
            let logons = value["logons"].as_array().unwrap().iter();
            let messages = logons.flat_map(|logon| logon["messages"].as_array().unwrap());
            messages.flat_map(kdc_exchange).collect()
        }
        _ => panic!("an unknown section {name}"),
    }
}

fn kdc_exchange(pair: &Value) -> Vec<Expected> {
    let kind = |token: &Value| match token.as_str().unwrap().split_at(2).0 {
        "6a" => vec!["AS-REQ", "req-body", "kdc-options"],
        "6b" => vec!["AS-REP", "Ticket", "enc-part"],
        "6c" => vec!["TGS-REQ", "PA-DATA", "AP-REQ"],
        "6d" => vec!["TGS-REP", "ticket", "enc-part"],
        "7e" => vec!["KRB-ERROR", "error-code"],
        tag => panic!("{tag}"),
    };
    let message = |id: &str| {
        let token = &pair[id];
        let names: Vec<_> = kind(token)
            .into_iter()
            // Tickets are called by their field.
            .map(|name| if name == "Ticket" { "ticket" } else { name })
            .collect();
        Expected::new(id, token, &names)
    };
    vec![message("request"), message("reply")]
}

/// The tokens of each block, of which those in three parts make one.
fn gss_tokens(text: &str) -> Vec<Expected> {
    let mut tokens = Vec::new();
    for block in text.split("# ").skip(1) {
        let (heading, body) = block.split_once('\n').unwrap();
        let values: BTreeMap<_, _> = body
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .collect();
        let rc4 = heading.starts_with("arcfour");
        let mut expect = |id: &str, token: String, names: &[&'static str]| {
            let id = format!("{heading} {id}");
            tokens.push(Expected::new(&id, &token.into(), names));
        };
        for (id, token) in &values {
            let wrap = id.contains(".wrap");
            let names: &[_] = match (wrap, rc4) {
                (true, false) => &["Wrap token", "SND_SEQ"],
                (true, true) => &["InitialContextToken", "SEAL_ALG, Filler"],
                (false, false) => &["MIC token", "SGN_CKSUM"],
                (false, true) => &["InitialContextToken", "SGN_CKSUM"],
            };
            if wrap || id.ends_with(".mic") {
                expect(id, (*token).into(), names);
            }
        }
        if let Some(header) = values.get("i.iov.header") {
            // In DCE's layout, the message stands outside of the framing that RFC 4757's tokens have.
            let parts = match rc4 && heading.ends_with("dce") {
                true => vec![*header],
                false => vec![*header, values["i.iov.data"], values["i.iov.pad"]],
            };
            let names: &[_] = match rc4 {
                true => &["SGN_CKSUM"],
                false => &["Wrap token", "RRC"],
            };
            expect("i.iov", parts.concat(), names);
        }
    }
    tokens
}

#[test]
fn what_stands_in_a_token_is_recognised_alone() {
    let tokens = [
        ("NEGOTIATE_MESSAGE", "spnego_ntlm_v6", 0),
        ("NegTokenInit", "spnego_ntlm_v6", 0),
        ("NegTokenResp", "spnego_ntlm_v6", 1),
        ("CHALLENGE_MESSAGE", "spnego_ntlm_v6", 1),
        ("AUTHENTICATE_MESSAGE", "spnego_ntlm_v6", 2),
        ("NTLMSSP_MESSAGE_SIGNATURE", "spnego_ntlm_v6", 2),
        ("AP-REQ", "mit_spnego_krb_v6", 0),
        ("AP-REP", "mit_spnego_krb_v6", 1),
        ("Wrap token", "mit_spnego_krb_v6", 2),
        ("KERB-TGT-REQUEST", "mit_krb_user_to_user_v6", 0),
        ("KERB-TGT-REPLY", "mit_krb_user_to_user_v6", 1),
        ("MIC token", "mit_krb_user_to_user_v6", 4),
    ];
    for (name, exchange, number) in tokens {
        let message = &Recorded::named(exchange).messages[number].1;
        let output = json(0, &[&hex(message)]);
        let node = find(&output["tokens"][0]["tree"], name).unwrap();
        let at = |member: &str| usize::try_from(node[member].as_u64().unwrap()).unwrap();
        let part = &message[at("offset")..at("offset") + at("length")];
        let alone = json(0, &[&hex(part)]);
        assert_eq!(alone["tokens"][0]["tree"]["name"], name);
        // The same, but for its place.
        let children = |tree: &Value| tree["children"].as_array().map_or(0, Vec::len);
        assert_eq!(children(&alone["tokens"][0]["tree"]), children(node));
    }
}

#[test]
fn kdc_messages_are_recognised_without_their_tag_and_behind_their_length() {
    let file: Value = serde_json::from_str(&vectors("mit-kdc-exchanges.json")).unwrap();
    let logons = file["kerberos_kdc_exchanges"]["logons"].as_array().unwrap();
    for logon in logons {
        for message in logon["messages"].as_array().unwrap() {
            for half in ["request", "reply"] {
                let token = message[half].as_str().unwrap();
                let whole = json(0, &[token]);
                let name = whole["tokens"][0]["tree"]["name"].as_str().unwrap();
                let length = format!("{:08x}", token.len() / 2);
                let over_tcp = json(0, &[&format!("{length}{token}")]);
                assert!(find(&over_tcp["tokens"][0]["tree"], name).is_some());
                let octets = unhex(token);
                let header = match octets[1] {
                    0x82 => 4,
                    0x81 => 3,
                    _ => 2,
                };
                let untagged = json(0, &[&hex(&octets[header..])]);
                let expected = format!("{name}, without its tag");
                assert_eq!(untagged["tokens"][0]["tree"]["name"], expected);
            }
        }
    }
}
