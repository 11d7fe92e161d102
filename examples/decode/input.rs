//! What people paste: hexadecimal or base64 with this and that around it, one token or one a line, or a binary file.

use std::fs;
use std::io::{self, Read};

use crate::der;
use crate::token::{self, Kind};
use crate::tree::At;

/// The longest input that is read.
const MAX_LEN: u64 = 1 << 20;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    Server,
}

pub(crate) struct Token {
    pub(crate) octets: Vec<u8>,
    /// Who sends it, where a prefix says so.
    pub(crate) sender: Option<Sender>,
}

/// The tokens of one argument: the token itself, `@FILE`, or `-` for standard input.
pub(crate) fn tokens(argument: &str) -> Result<Vec<Token>, String> {
    let read = |mut from: Box<dyn Read>, name: &str| {
        let mut octets = Vec::new();
        let read = from.by_ref().take(MAX_LEN + 1).read_to_end(&mut octets);
        read.map_err(|error| format!("cannot read {name}: {error}"))?;
        if u64::try_from(octets.len()).is_ok_and(|length| length <= MAX_LEN) {
            Ok(octets)
        } else {
            Err(format!("{name} is longer than {MAX_LEN} octets"))
        }
    };
    let octets = match argument.strip_prefix('@') {
        Some(path) => {
            let file = fs::File::open(path);
            let file = file.map_err(|error| format!("cannot read {path}: {error}"))?;
            read(Box::new(file), path)?
        }
        None if argument == "-" => read(Box::new(io::stdin()), "standard input")?,
        None => argument.as_bytes().to_vec(),
    };
    let kind = Kind::of(&octets);
    // A body begins with text.
    let binary = octets.len() == 4 || kind == Some(Kind::SealedBody) || !is_text(&octets);
    if kind.is_some() && binary {
        let sender = None;
        return Ok(vec![Token { octets, sender }]);
    }
    let Ok(text) = String::from_utf8(octets) else {
        return Err("neither text nor a token that is known".into());
    };
    of_text(&text)
}

fn is_text(octets: &[u8]) -> bool {
    str::from_utf8(octets).is_ok_and(|text| {
        text.chars()
            .all(|c| !c.is_control() || c.is_ascii_whitespace())
    })
}

/// One token, whatever its lines, or one in each line.
fn of_text(text: &str) -> Result<Vec<Token>, String> {
    let lines = || {
        let lines = text.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
    };
    let whole = lines().collect::<Vec<_>>().join("\n");
    let parts: Vec<_> = lines().collect();
    let each = || parts.iter().map(|line| one(line)).collect();
    let [_, _, ..] = *parts else {
        return one(&whole).map(|token| vec![token]);
    };
    if parts.iter().any(|line| prefix(line).0.is_some()) {
        return each();
    }
    let lines: Result<Vec<_>, _> = each();
    match (one(&whole), lines) {
        (_, Ok(lines)) if lines.iter().all(|token| is_whole(&token.octets)) => Ok(lines),
        (Ok(token), _) if is_whole(&token.octets) => Ok(vec![token]),
        (_, Ok(lines)) if lines.iter().all(is_known) => Ok(lines),
        (Ok(token), _) => Ok(vec![token]),
        (Err(error), lines) => lines.map_err(|_| error),
    }
}

fn is_known(token: &Token) -> bool {
    Kind::of(&token.octets).is_some()
}

/// Whether it is one token, which ends where it says.
fn is_whole(octets: &[u8]) -> bool {
    match Kind::of(octets) {
        None => false,
        Some(Kind::Ntlm) => {
            token::ntlm(octets).is_ok() && {
                let signatures = octets.windows(8).filter(|part| part == b"NTLMSSP\0");
                signatures.count() == 1
            }
        }
        Some(Kind::X224 | Kind::PerMessage(_) | Kind::NtlmSignature) => true,
        Some(Kind::EarlyUserAuthorization | Kind::LengthAndMessage) => true,
        Some(Kind::SealedBody | Kind::TlsRecords) => true,
        Some(_) => {
            let mut rest = At::new(octets);
            der::element(&mut rest).is_ok_and(|element| element.is_whole()) && rest.is_empty()
        }
    }
}

/// Takes the sender off the front.
fn prefix(text: &str) -> (Option<Sender>, &str) {
    for (prefix, sender) in [
        ("C:", Sender::Client),
        ("S:", Sender::Server),
        ("c:", Sender::Client),
        ("s:", Sender::Server),
    ] {
        if let Some(rest) = text.strip_prefix(prefix) {
            return (Some(sender), rest.trim_start());
        }
    }
    (None, text)
}

fn one(text: &str) -> Result<Token, String> {
    let (mut sender, text) = prefix(text.trim());
    let (header, text) = without_header(text);
    // As Python writes bytes.
    let python = ["b'", "b\""].iter().any(|start| text.starts_with(start));
    let text = text.get(usize::from(python)..).unwrap_or_default();
    sender = sender.or(header);
    let readings = [hexadecimal(text), base64(text)];
    let mut readings: Vec<_> = readings.into_iter().flatten().collect();
    // `cafe` is both; what is a token is meant.
    let known = readings
        .iter()
        .position(|octets| Kind::of(octets).is_some())
        .unwrap_or_default();
    if readings.is_empty() {
        return Err(
            "neither hexadecimal nor base64, nor a binary token: give a binary file as @FILE"
                .into(),
        );
    }
    let octets = readings.swap_remove(known);
    Ok(Token { octets, sender })
}

/// Takes an HTTP header's name and scheme off the front, which may tell the sender.
fn without_header(text: &str) -> (Option<Sender>, &str) {
    let lower = text.to_ascii_lowercase();
    let mut sender = None;
    let mut start = 0;
    for (name, by) in [
        ("proxy-authorization:", Sender::Client),
        ("authorization:", Sender::Client),
        ("www-authenticate:", Sender::Server),
        ("proxy-authenticate:", Sender::Server),
    ] {
        if let Some(at) = lower.find(name) {
            start = at + name.len();
            sender = Some(by);
            break;
        }
    }
    let rest = text.get(start..).unwrap_or_default().trim_start();
    for scheme in ["credssp", "negotiate", "ntlm", "kerberos"] {
        if let Some((head, tail)) = rest.split_at_checked(scheme.len())
            && head.eq_ignore_ascii_case(scheme)
            && tail.starts_with([' ', '\t', '\n'])
        {
            return (sender, tail.trim_start());
        }
    }
    (sender, rest)
}

/// Hexadecimal digits, with what people put between and around them.
pub(crate) fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let text = text
        .replace("0x", " ")
        .replace("0X", " ")
        .replace("\\x", " ");
    let mut digits = Vec::new();
    for c in text.chars() {
        match c.to_digit(16) {
            Some(digit) => digits.push(u8::try_from(digit).ok()?),
            None if c.is_whitespace() || "\"'`:,;-[]{}()<>|".contains(c) => {}
            None => return None,
        }
    }
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let octets: Vec<_> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    (!octets.is_empty()).then_some(octets)
}

/// Base64 in either alphabet (RFC 4648), with or without its padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for c in text.chars() {
        let value = match c {
            'A'..='Z' => u32::from(c) - u32::from('A'),
            'a'..='z' => u32::from(c) - u32::from('a') + 26,
            '0'..='9' => u32::from(c) - u32::from('0') + 52,
            '+' | '-' => 62,
            '/' | '_' => 63,
            '=' | '"' | '\'' | '`' | ',' | ';' => continue,
            c if c.is_whitespace() => continue,
            _ => return None,
        };
        bits = bits << 6 | value;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    (!octets.is_empty() && count < 6).then_some(octets)
}
