//! Writes the seeds into `corpus/`, or with `--check` says whether they are what it would write, and whether the live
//! targets come to their end from those that are meant to.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use credssp::spnego::{NegotiationToken, TokenKind};
use credssp::ts_request::TsRequest;
use credssp_fuzz::{live, per_message};
use serde_json::Value;

/// The folder of a target, and names of files with their contents.
type Seeds = BTreeMap<(&'static str, String), Vec<u8>>;

/// Both negotiations, and pairs of versions with each kind of binding.
const SETUPS: [u8; 5] = [0x48, 0x49, 0x01, 0x09, 0x37];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Seeds::new();
    published(
        &read(&root.join("../tests/vectors/published.json"))?,
        &mut seeds,
    );
    exchanges(
        &read(&root.join("../tests/vectors/pyspnego-exchanges.json"))?,
        &mut seeds,
    );
    live_targets(&mut seeds);
    per_message_tokens(&mut seeds);

    let corpus = root.join("corpus");
    if std::env::args().any(|argument| argument == "--check") {
        for ((target, name), contents) in &seeds {
            let path = corpus.join(target).join(name);
            if fs::read(&path).ok().as_ref() != Some(contents) {
                return Err(format!("{} is stale: run fuzz/run --seeds", path.display()).into());
            }
        }
        println!("{} seeds are as they should be", seeds.len());
    } else {
        let _ = fs::remove_dir_all(&corpus);
        for ((target, name), contents) in &seeds {
            fs::create_dir_all(corpus.join(target))?;
            fs::write(corpus.join(target).join(name), contents)?;
        }
        println!("{} seeds written", seeds.len());
    }
    Ok(())
}

fn read(path: &Path) -> Result<Value, Box<dyn Error>> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

fn unhex(value: &Value) -> Vec<u8> {
    let hex = value.as_str().expect("hexadecimal").as_bytes();
    hex.chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16).expect("hex"))
        .collect()
}

fn file_name(id: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    id.chars().map(plain).collect()
}

fn published(vectors: &Value, seeds: &mut Seeds) {
    for (section, target) in [
        ("tsrequest", "ts_request"),
        ("tscredentials", "ts_credentials"),
        ("spnego", "spnego_tokens"),
    ] {
        for entry in vectors[section].as_array().expect("entries") {
            let name = file_name(entry["id"].as_str().expect("an id"));
            seeds.insert((target, name), unhex(&entry["hex"]));
        }
    }
    for example in ["v1", "v1_ess", "v2"] {
        for message in ["challenge", "authenticate"] {
            let contents = unhex(&vectors["nlmp_4_2"][example][message]);
            seeds.insert(
                ("ntlm_messages", file_name(&format!("{example}-{message}"))),
                contents,
            );
        }
    }
}

/// Of each kind of exchange one, and of each message its parts.
fn exchanges(entries: &Value, seeds: &mut Seeds) {
    for entry in entries.as_array().expect("entries") {
        let name = entry["name"].as_str().expect("a name");
        if ![
            "ntlm_raw_v2",
            "spnego_ntlm_v6",
            "ntlm_smartcard",
            "ntlm_remoteguard",
        ]
        .contains(&name)
        {
            continue;
        }
        seeds.insert(
            ("ts_credentials", file_name(name)),
            unhex(&entry["ts_credentials"]),
        );
        if !name.contains("_v") {
            continue;
        }
        for (number, message) in entry["ts_requests"]
            .as_array()
            .expect("messages")
            .iter()
            .enumerate()
        {
            let name = file_name(&format!("{name}-{number}"));
            let message = unhex(&message[1]);
            let request = TsRequest::decode(&message).expect("a TSRequest");
            if let Some(token) = request.nego_token {
                if TokenKind::of(token) == Some(TokenKind::Spnego) {
                    seeds.insert(("spnego_tokens", name.clone()), token.to_vec());
                }
                let inner = match NegotiationToken::decode(token) {
                    Ok(NegotiationToken::Init(init)) => init.mech_token,
                    Ok(NegotiationToken::Resp(resp)) => resp.response_token,
                    _ => Some(token),
                };
                if let Some(token) = inner {
                    seeds.insert(("ntlm_messages", name.clone()), token.to_vec());
                }
            }
            seeds.insert(("ts_request", name), message);
        }
    }
}

fn per_message_tokens(seeds: &mut Seeds) {
    for kind in 0..8_u8 {
        let token = per_message::sealed(kind, b"message");
        for (name, contents) in [
            ("foreign", [&[kind][..], &token].concat()),
            ("rotated", [&[kind | 8, 0, 5][..], b"message"].concat()),
            ("changed", vec![kind | 16, 20, 1]),
        ] {
            seeds.insert(("per_message", format!("{name}-{kind}")), contents);
        }
    }
}

fn live_targets(seeds: &mut Seeds) {
    for setup in SETUPS {
        let [by_client, by_server] = live::recorded(setup);
        let recorded = |stream: &[u8]| [&[setup, 0], stream].concat();
        for (target, run, contents) in [
            (
                "live_client",
                live::client as fn(&[u8]) -> bool,
                recorded(&by_server),
            ),
            ("live_server", live::server, recorded(&by_client)),
            ("live_client", live::client, vec![setup, 1]),
            ("live_server", live::server, vec![setup, 1]),
        ] {
            assert!(
                run(&contents),
                "{target} does not come to its end in the setup {setup:#04x}"
            );
            let kind = if contents[1] == 0 {
                "recorded"
            } else {
                "answered"
            };
            seeds.insert((target, format!("{kind}-{setup:02x}")), contents);
        }
    }
    // Each kind of damage once.
    for kind in 1..=5_u8 {
        let contents = vec![0x49, 1, 0, kind, 3, 0, 40, 1, 0, 50, 1, 0, 60, 1];
        seeds.insert(("live_client", format!("damaged-{kind}")), contents.clone());
        seeds.insert(("live_server", format!("damaged-{kind}")), contents);
    }
}
