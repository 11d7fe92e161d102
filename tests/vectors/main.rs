//! Runs every file of vectors: those beside this file, and those of the folder that `CREDSSP_EXTRA_VECTORS` names.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

use std::collections::BTreeMap;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use serde_json::Value;

mod credssp_messages;
mod exchange;
#[cfg(feature = "kerberos")]
mod kerberos;
#[cfg(feature = "kerberos")]
mod kerberos_exchange;
#[cfg(feature = "kerberos")]
mod kerberos_messages;
#[cfg(feature = "kerberos")]
mod kerberos_pac;
mod ntlm;
mod peer_files;
mod rdp;
mod spnego;

#[test]
fn every_committed_vector_holds() {
    run_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"));
}

#[test]
fn every_extra_vector_holds() {
    match std::env::var_os("CREDSSP_EXTRA_VECTORS") {
        Some(folder) => run_folder(Path::new(&folder)),
        None => println!("CREDSSP_EXTRA_VECTORS is not set: no extra vectors"),
    }
}

#[test]
fn what_the_runner_does_not_know_fails() {
    for (name, text) in [
        ("a.json", r#"{"_about": "nothing"}"#),
        ("a.json", r#"{"new_section": []}"#),
        (
            "a.json",
            r#"{"tsrequest": [{"kind": "rumour", "id": "x", "hex": "3005a003020106"}]}"#,
        ),
        (
            "a.json",
            r#"{"tsrequest": [{"kind": "spec", "id": "x", "hex": "3005a003020100"}]}"#,
        ),
        ("a.json", r#"{"tsrequest": []}"#),
        ("a.json", "[{}]"),
        ("a.txt", "no heading"),
        ("a.bin", ""),
    ] {
        let failures = run_file(name, text).failures();
        assert!(!failures.is_empty(), "{name} {text}");
    }
    let good = r#"{"tsrequest": [{"kind": "spec", "id": "x", "hex": "3005a003020106"}]}"#;
    assert_eq!(run_file("a.json", good).failures(), [""; 0]);
}

fn run_folder(folder: &Path) {
    let mut failures = Vec::new();
    let mut files = 0;
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".md") || name.ends_with(".rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let report = run_file(name, &text);
        println!("{report}");
        let found = report.failures();
        failures.extend(
            found
                .into_iter()
                .map(|failure| format!("{name}: {failure}")),
        );
        files += 1;
    }
    assert!(files > 0, "{} holds no vectors", folder.display());
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn run_file(name: &str, text: &str) -> Report {
    let mut report = Report::new(name);
    if name.ends_with(".json") {
        match serde_json::from_str(text) {
            Ok(Value::Object(sections)) => {
                let sections: BTreeMap<_, _> = sections.into_iter().collect();
                for (section, value) in &sections {
                    run_section(section, value, &sections, &mut report);
                }
            }
            Ok(Value::Array(entries)) => {
                for entry in &entries {
                    run_exchange(entry, &mut report);
                }
            }
            Ok(_) => report.fail("neither an object nor an array"),
            Err(error) => report.fail(&error.to_string()),
        }
    } else if name.ends_with(".txt") {
        #[cfg(feature = "kerberos")]
        kerberos::gss_tokens(text, &mut report);
        #[cfg(not(feature = "kerberos"))]
        for heading in text.lines().filter(|line| line.starts_with("# ")) {
            let encryption_type = heading.split(' ').nth(1).unwrap_or_default();
            report.not_yet(&format!("GSS tokens of {encryption_type}"), 1);
        }
    } else {
        report.fail("a file of an unknown kind");
    }
    report
}

/// A section of a file whose outermost value is an object.
fn run_section(section: &str, value: &Value, file: &BTreeMap<String, Value>, report: &mut Report) {
    match section {
        "_about" => {}
        "tsrequest" => report.each(section, value, credssp_messages::ts_request),
        "tscredentials" => report.each(section, value, credssp_messages::ts_credentials),
        "pubkey_hash" => credssp_messages::pubkey_hash(value, report),
        "nlmp_4_2" => ntlm::specification(value, report),
        "seal_ntlm" => ntlm::sealing(value, report),
        "channel_bindings" => report.check(section, "", || ntlm::channel_bindings(value)),
        "ntlm_captures" => {
            for capture in value.as_array().expect("a list") {
                report.check(section, text(capture, "id"), || ntlm::capture(capture));
            }
        }
        "sspi_ts_exchange_unsealed" => report.check(section, "", || {
            exchange::with_plaintexts(value, &file["tsrequest"]);
        }),
        "spnego" => report.each(section, value, spnego::entry),
        "mech_type_lists" => spnego::mech_type_lists(value, report),
        "tests_data" => peer_files::files(value, report),
        "docs_scenarios" => peer_files::scenarios(value, report),
        _ if section.ends_with("_tests_expectations") => peer_files::expectations(value, report),
        #[cfg(feature = "kerberos")]
        "seal_krb_aes256" => kerberos::sealing(value, report),
        #[cfg(feature = "kerberos")]
        "krb_wrap_windows" => report.check(section, "", || kerberos::windows_wrap(value)),
        #[cfg(feature = "kerberos")]
        "kerberos_keys_for_kerberos_data_md" => {
            report.check(section, "", || kerberos::user_key(value));
        }
        #[cfg(feature = "kerberos")]
        "kerberos_kdc_exchanges" => kerberos_messages::logons(value, report),
        #[cfg(feature = "kerberos")]
        "kerberos_pacs" => kerberos_pac::pacs(value, report),
        #[cfg(not(feature = "kerberos"))]
        "kerberos_kdc_exchanges" => {
            report.not_yet(section, value["logons"].as_array().map_or(0, Vec::len));
        }
        #[cfg(not(feature = "kerberos"))]
        "kerberos_pacs" => report.not_yet(section, value.as_array().map_or(0, Vec::len)),
        #[cfg(not(feature = "kerberos"))]
        "seal_krb_aes256" | "krb_wrap_windows" | "kerberos_keys_for_kerberos_data_md" => {
            report.not_yet(section, 1);
        }
        "x224" => report.each(section, value, rdp::x224),
        "early_user_authorization" => {
            report.each(section, value, rdp::early_user_authorization);
        }
        _ => report.fail(&format!("{section}: an unknown section")),
    }
}

/// A recorded CredSSP exchange, an entry of a file whose outermost value is an array.
fn run_exchange(entry: &Value, report: &mut Report) {
    let Some(name) = entry["name"].as_str() else {
        report.fail("an entry that is no exchange");
        return;
    };
    report.check("exchanges: messages", name, || {
        credssp_messages::exchange(entry);
    });
    match entry["mech"].as_str() {
        Some("ntlm") => report.check("exchanges: by NTLM", name, || exchange::recorded(entry)),
        #[cfg(feature = "kerberos")]
        Some("kerberos") => report.check("exchanges: by Kerberos", name, || {
            kerberos_exchange::recorded(entry);
        }),
        #[cfg(not(feature = "kerberos"))]
        Some("kerberos") => report.not_yet("exchanges by Kerberos", 1),
        _ => report.fail(&format!("{name}: an unknown mechanism")),
    }
}

/// How a file fared.
#[derive(Debug)]
struct Report {
    name: String,
    checked: BTreeMap<String, usize>,
    not_yet: BTreeMap<String, usize>,
    failures: Vec<String>,
}

impl Report {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            checked: BTreeMap::new(),
            not_yet: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    /// Counts entries that are not checked.
    fn not_yet(&mut self, section: &str, count: usize) {
        *self.not_yet.entry(section.into()).or_default() += count;
    }

    fn fail(&mut self, failure: &str) {
        self.failures.push(failure.into());
    }

    /// Runs a check that panics where it fails.
    fn check(&mut self, section: &str, id: &str, check: impl FnOnce()) {
        *self.checked.entry(section.into()).or_default() += 1;
        if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(check)) {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()))
                .unwrap_or_default();
            self.fail(&format!("{section}: {id}: {text}"));
        }
    }

    /// Checks each entry of a list.
    fn each(&mut self, section: &str, entries: &Value, check: fn(&Entry<'_>)) {
        let Some(entries) = entries.as_array().filter(|entries| !entries.is_empty()) else {
            self.fail(&format!("{section}: not a list with entries"));
            return;
        };
        for value in entries {
            let id = value["id"].as_str().unwrap_or_default();
            self.check(section, id, || check(&Entry::new(value)));
        }
    }

    /// The failures, of which having checked nothing is one.
    fn failures(mut self) -> Vec<String> {
        if self.checked.is_empty() && self.not_yet.is_empty() {
            self.fail("no vectors");
        }
        self.failures
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |counts: &BTreeMap<String, usize>| {
            let list: Vec<_> = counts
                .iter()
                .map(|(name, n)| format!("{name} {n}"))
                .collect();
            list.join(", ")
        };
        let sum = |counts: &BTreeMap<String, usize>| counts.values().sum::<usize>();
        write!(f, "{}: {} checked", self.name, sum(&self.checked))?;
        if !self.checked.is_empty() {
            write!(f, " ({})", list(&self.checked))?;
        }
        if !self.not_yet.is_empty() {
            let not_yet = &self.not_yet;
            write!(f, ", {} not yet covered ({})", sum(not_yet), list(not_yet))?;
        }
        Ok(())
    }
}

/// An entry of a list: a name, some bytes, and where they come from.
struct Entry<'a> {
    id: &'a str,
    note: &'a str,
    bytes: Vec<u8>,
}

impl<'a> Entry<'a> {
    fn new(value: &'a Value) -> Self {
        for key in value.as_object().expect("an object").keys() {
            let known = ["kind", "id", "note", "source", "hex"].contains(&key.as_str());
            assert!(known, "an unknown member {key}");
        }
        let kind = text(value, "kind");
        let known = ["spec", "derived", "peer", "windows"].contains(&kind);
        assert!(known, "an entry of an unknown kind {kind}");
        Self {
            id: text(value, "id"),
            note: value["note"].as_str().unwrap_or_default(),
            bytes: bytes(value, "hex"),
        }
    }
}

/// A member that is a text.
fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member]
        .as_str()
        .unwrap_or_else(|| panic!("no text {member}"))
}

/// A member that is hexadecimal.
fn bytes(value: &Value, member: &str) -> Vec<u8> {
    unhex(text(value, member))
}

fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "half an octet");
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).expect("hexadecimal"))
        .collect()
}
