//! `decode`: what it says of recorded tokens, of changed ones, and of whole exchanges.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::programs::{Run, example};

mod damage;
mod exchange;
mod input;
mod kerberos;
mod recognition;
mod recorded;
mod tshark;
mod winrm;

/// A file of `tests/vectors`.
fn vectors(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn decode(options: &[&str]) -> Command {
    let mut command = example("decode");
    command.args(options);
    command
}

/// Runs it with `--json`, for a program that ends with `status`.
#[track_caller]
fn json(status: i32, options: &[&str]) -> Value {
    let run = Run::of(decode(options).arg("--json"));
    assert_eq!((run.status, &*run.stderr), (status, ""), "{}", run.stdout);
    let value: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(value["ok"], status == 0);
    value
}

/// A file of this test's own, of which there is one of each name at a time.
fn own_file(name: &str, contents: &[u8]) -> PathBuf {
    let test = thread::current().name().unwrap().replace("::", "-");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{name}"));
    fs::write(&path, contents).unwrap();
    path
}

/// A file with one token a line, as an argument.
fn token_file(name: &str, tokens: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<_> = tokens.into_iter().collect();
    let path = own_file(name, lines.join("\n").as_bytes());
    format!("@{}", path.display())
}

/// The first node of this name in a tree, the root included.
fn find<'a>(tree: &'a Value, name: &str) -> Option<&'a Value> {
    if tree["name"] == name {
        return Some(tree);
    }
    let children = tree["children"].as_array().into_iter().flatten();
    children.into_iter().find_map(|child| find(child, name))
}

/// The errors in a tree, from its first octet to its last.
fn errors(tree: &Value) -> Vec<String> {
    let children = tree["children"].as_array().into_iter().flatten();
    let mut found: Vec<_> = children.flat_map(errors).collect();
    found.extend(tree["error"].as_str().map(str::to_owned));
    found
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|c| c.to_digit(16).unwrap()).collect();
    let octets = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]);
    octets.map(|octet| u8::try_from(octet).unwrap()).collect()
}
