//! The forms in which tokens are pasted.

use std::io::Write as _;
use std::process::Stdio;

use super::{decode, errors, json, own_file};
use crate::programs::Run;

/// A NEGOTIATE_MESSAGE.
const NEGOTIATE: &str =
    "4e544c4d53535000010000009782 08e2000000000000000000000000000000000a00614a0000000f";

pub(super) fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits = (0..3).fold(0, |bits, i| {
            bits << 8 | usize::from(*group.get(i).unwrap_or(&0))
        });
        let digit = |i: usize| match i <= group.len() {
            true => char::from(DIGITS[bits >> (18 - 6 * i) & 63]),
            false => '=',
        };
        [0, 1, 2, 3].map(digit)
    };
    octets.chunks(3).flat_map(group).collect()
}

#[test]
fn a_token_is_known_in_whatever_form_it_is_pasted() {
    let hex = NEGOTIATE.replace(' ', "");
    let octets = super::unhex(&hex);
    let pairs = |between: &str| {
        let pairs = octets.iter().map(|octet| format!("{octet:02X}"));
        pairs.collect::<Vec<_>>().join(between)
    };
    let base64 = base64(&octets);
    assert!(base64.ends_with('='), "padding is among the forms");
    let (head, tail) = base64.split_at(20);
    let (start, rest) = hex.split_at(30);
    for text in [
        hex.clone(),
        format!("  \"{hex}\"\n"),
        format!("0x{hex}"),
        pairs(" "),
        pairs(":"),
        format!("0x{}", pairs(", 0x")),
        format!("\\x{}", pairs("\\x")),
        format!("b'{hex}'"),
        format!("{}\n{}", start, rest),
        base64.clone(),
        base64.trim_end_matches('=').to_owned(),
        format!("{head}\r\n{tail}\r\n"),
        format!("Authorization: CredSSP {base64}"),
        format!("www-authenticate: Negotiate {base64}"),
        format!("< WWW-Authenticate: NTLM {base64}"),
        format!("Negotiate {base64}"),
        format!("C: {hex}"),
        format!("# a comment\nS: {base64}\n\n"),
    ] {
        let path = own_file("form", text.as_bytes());
        let from_file = format!("@{}", path.display());
        for argument in [&*text, &*from_file] {
            if argument.starts_with('#') {
                continue;
            }
            let output = json(0, &[argument]);
            let tokens = output["tokens"].as_array().unwrap();
            assert_eq!(tokens.len(), 1, "{text:?}");
            assert_eq!(tokens[0]["tree"]["name"], "NEGOTIATE_MESSAGE", "{text:?}");
            assert_eq!(tokens[0]["tree"]["length"], octets.len(), "{text:?}");
        }
    }
    let path = own_file("binary", &octets);
    let output = json(0, &[&format!("@{}", path.display())]);
    assert_eq!(output["tokens"][0]["tree"]["name"], "NEGOTIATE_MESSAGE");
}

#[test]
fn standard_input_is_read_and_lines_are_tokens() {
    let hex = NEGOTIATE.replace(' ', "");
    let mut child = decode(&["-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = format!("{hex}\n3005a003020106\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let output: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let tokens = output["tokens"].as_array().unwrap().iter();
    let names: Vec<_> = tokens
        .map(|token| token["tree"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["NEGOTIATE_MESSAGE", "TSRequest"]);
}

#[test]
fn what_is_no_token_is_told() {
    for text in ["0102030405060708", "aGVsbG8gd29ybGQ="] {
        let output = json(1, &[text]);
        let errors = errors(&output["tokens"][0]["tree"]);
        assert!(errors[0].contains("no token"), "{errors:?}");
    }
    for (argument, text) in [
        ("hello, world!", "neither hexadecimal nor base64"),
        ("@/does/not/exist", "cannot read /does/not/exist"),
        ("", "neither hexadecimal nor base64"),
    ] {
        let run = Run::of(&mut decode(&[argument]));
        assert_eq!((run.status, &*run.stdout), (64, ""), "{run:?}");
        assert!(run.stderr.contains(text), "{run:?}");
    }
}
