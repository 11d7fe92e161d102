//! `docs/troubleshooting.md`: that the tables know its codes, and that no failure of WinRM or Remote Desktop is left out.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use credssp::error::codes::{self, Entry, Family};

const DOCUMENT: &str = include_str!("../docs/troubleshooting.md");

/// How the symbols of the families begin.
const SYMBOLS: &[&str] = &[
    "AUTHZ_",
    "disconnectReason",
    "ERROR_",
    "E_",
    "KDC_ERR_",
    "KRB_",
    "SCARD_",
    "SEC_E_",
    "SSL_",
    "STATUS_",
];

/// What stands between backticks on one line.
fn code_spans(text: &str) -> Vec<&str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

fn entries() -> impl Iterator<Item = (&'static Family, &'static Entry)> {
    codes::FAMILIES
        .iter()
        .flat_map(|family| family.entries.iter().map(move |entry| (*family, entry)))
}

/// A code as this document writes it, `CODE` or `CODE SYMBOL`, by which a code and its symbol are known to belong together.
fn written(family: &Family, entry: &Entry) -> String {
    let number = match family.notation.of(entry.code).to_string().split_once(", ") {
        Some((decimal, hexadecimal)) => format!("{decimal} ({hexadecimal})"),
        None => family.notation.of(entry.code).to_string(),
    };
    if entry.name.starts_with('(') {
        return number;
    }
    format!("{number} {}", entry.name)
}

#[test]
fn each_code_of_the_document_is_known_by_its_symbol() {
    let known: BTreeSet<_> = entries()
        .map(|(family, entry)| written(family, entry))
        .collect();
    let mut seen = 0;
    for span in code_spans(DOCUMENT) {
        let mut parts = span.split(' ');
        let coded = parts
            .next()
            .is_some_and(|code| code.starts_with(|c: char| c.is_ascii_digit()))
            && parts.next().is_some_and(|symbol| symbol.contains('_'));
        if coded || span.contains(" (0x") {
            assert!(known.contains(span), "{span}");
            seen += 1;
        }
    }
    assert!(seen > 80, "{seen}");

    let names: BTreeSet<_> = entries().map(|(_, entry)| entry.name).collect();
    let numbers: BTreeSet<_> = entries().map(|(_, entry)| entry.code).collect();
    for word in words(DOCUMENT) {
        if SYMBOLS.iter().any(|start| word.starts_with(start)) || word.ends_with("_BY_SERVER") {
            assert!(names.contains(word), "{word}");
        }
        if let Some(digits) = word.strip_prefix("0x") {
            let number = u32::from_str_radix(digits, 16).unwrap();
            assert!(numbers.contains(&number), "{word}");
        }
    }
}

#[test]
fn each_failure_of_winrm_and_of_remote_desktop_has_its_entry() {
    let spans: BTreeSet<_> = code_spans(DOCUMENT).into_iter().collect();
    for family in [
        &codes::WSMAN,
        &codes::MSTSC,
        &codes::RDP_NEGOTIATION,
        &codes::EARLY_USER_AUTHORIZATION,
    ] {
        for entry in family.entries {
            let text = written(family, entry);
            let told = spans.contains(text.as_str());
            assert!(told, "docs/troubleshooting.md lacks `{text}`");
        }
    }
}

#[test]
fn each_entry_says_what_it_means_and_what_to_do() {
    let (entries, remedies) = DOCUMENT.split_once("\n## Remedies").unwrap();
    let entries: Vec<_> = entries.split("\n### ").skip(1).collect();
    assert!(entries.len() > 20);
    for entry in entries {
        for part in ["Means", "Here", "Doctor", "Do"] {
            let count = entry.matches(&format!("\n- *{part}:* ")).count();
            assert_eq!(count, 1, "{part}: {entry}");
        }
    }
    assert_eq!(remedies.matches("\n### ").count(), 10);
}

#[test]
fn the_doctor_has_the_steps_that_are_named() {
    const REPORT: &str = include_str!("../examples/doctor/report.rs");
    let mut named = 0;
    for line in DOCUMENT
        .lines()
        .filter(|line| line.starts_with("- *Doctor:*"))
    {
        for step in line.split('*').skip(3).step_by(2) {
            assert!(REPORT.contains(&format!("\"{step}\"")), "{step}: {line}");
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}

#[test]
fn links_within_the_document_lead_somewhere() {
    let mut anchors = BTreeSet::new();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for heading in DOCUMENT.lines().filter(|line| line.starts_with('#')) {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let anchor: String = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let before = times.entry(anchor.clone()).or_default();
        anchors.insert(match before {
            0 => anchor,
            _ => format!("{anchor}-{before}"),
        });
        *before += 1;
    }
    let links: Vec<_> = DOCUMENT
        .split("](#")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| link)
        .collect();
    assert!(links.len() > 15, "{}", links.len());
    for link in links {
        assert!(anchors.contains(link), "#{link}");
    }
}
