//! Damaged tokens: shown up to the place, with what is wrong there; and never a panic.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::recorded::Recorded;
use super::{decode, errors, find, hex, json, own_file, token_file, unhex, vectors};
use crate::programs::Run;

#[test]
fn what_is_malformed_is_shown_up_to_the_place() {
    let message = |name: &str, number: usize| {
        let entries: Value = serde_json::from_str(&vectors("pyspnego-exchanges.json")).unwrap();
        let mut entries = entries.as_array().unwrap().iter();
        let entry = entries.find(|entry| entry["name"] == name).unwrap();
        unhex(entry["ts_requests"][number][1].as_str().unwrap())
    };
    let authenticate = message("spnego_ntlm_v6", 2);
    let mut short = authenticate.clone();
    short.truncate(330);
    let mut user = authenticate.clone();
    // The offset of UserName, which stands 50 octets into the message.
    user[50 + 40..50 + 42].copy_from_slice(&[0xff, 0xff]);
    let mut nonce = authenticate;
    let at = nonce.len() - 34 - 2;
    nonce[at] = 0xa6;
    for (token, seen, unseen, text) in [
        (
            unhex("3005a003020106ffff"),
            &["version"][..],
            &[][..],
            "nothing belongs here",
        ),
        (
            unhex("3007a003020100a400"),
            &["version", "errorCode"],
            &[],
            "ends within a header",
        ),
        (
            unhex("3005a003020100"),
            &["version"],
            &[],
            "TSRequest.version at byte",
        ),
        (
            short,
            &["negState", "UserName"],
            &["pubKeyAuth"],
            "4 octets at +278 lie beyond the message's 280",
        ),
        (
            user,
            &["DomainName", "Workstation", "pubKeyAuth"],
            &[],
            "8 octets at +65535 lie beyond the message's 298",
        ),
        (
            nonce,
            &["pubKeyAuth"],
            &["clientNonce"],
            "no field that is known here",
        ),
    ] {
        let output = json(1, &[&hex(&token)]);
        let tree = &output["tokens"][0]["tree"];
        for name in seen {
            assert!(find(tree, name).is_some(), "{name} in {tree:#}");
        }
        for name in unseen {
            assert!(find(tree, name).is_none(), "{name} in {tree:#}");
        }
        let errors = errors(tree).join("\n");
        assert!(errors.contains(text), "{text:?} in {errors}");
    }
}

/// A generator of numbers that look random (Marsaglia's xorshift), the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % limit
    }

    /// Damages a token in one of several ways, again and again.
    fn damage(&mut self, token: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self
                .below(token.len().max(1))
                .min(token.len().saturating_sub(1));
            let octet = [0, 1, 0x7f, 0x80, 0x84, 0xff, 0x30, 0xa0][self.below(8)];
            match self.below(6) {
                0 => token.truncate(at),
                1 => token.insert(at, octet),
                2 if !token.is_empty() => drop(token.remove(at)),
                3 if !token.is_empty() => token[at] ^= 1 << self.below(8),
                4 => {
                    let copy: Vec<_> = token[at..].iter().copied().take(64).collect();
                    token.extend(copy);
                }
                _ if !token.is_empty() => token[at] = octet,
                _ => {}
            }
        }
    }
}

/// All hexadecimal texts of at least 8 octets in a file.
fn tokens(value: &Value, out: &mut Vec<Vec<u8>>) {
    match value {
        Value::String(text)
            if text.len() >= 16
                && text.len() % 2 == 0
                && text.len() < 6000
                && text.chars().all(|c| c.is_ascii_hexdigit()) =>
        {
            out.push(unhex(text));
        }
        Value::Array(values) => values.iter().for_each(|value| tokens(value, out)),
        Value::Object(members) => members.values().for_each(|value| tokens(value, out)),
        _ => {}
    }
}

#[test]
fn no_damage_makes_it_panic() {
    let mut seeds = Vec::new();
    for file in [
        "published.json",
        "pyspnego-exchanges.json",
        "mit-kdc-exchanges.json",
    ] {
        let value: Value = serde_json::from_str(&vectors(file)).unwrap();
        match &value {
            Value::Array(entries) => {
                for entry in entries {
                    tokens(&entry["ts_requests"], &mut seeds);
                    tokens(&entry["ts_credentials"], &mut seeds);
                }
            }
            value => tokens(value, &mut seeds),
        }
    }
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for round in 0..8 {
        let mut lines = Vec::new();
        for seed in &seeds {
            for _ in 0..5 {
                let mut token = seed.clone();
                numbers.damage(&mut token);
                if !token.is_empty() {
                    lines.push(format!("C:{}", hex(&token)));
                }
            }
        }
        let count = lines.len();
        let argument = token_file("decode-damaged", lines);
        let options: &[&str] = if round % 2 == 0 { &["--json"] } else { &[] };
        let run = Run::of(decode(&[&*argument, "--show-secrets"]).args(options));
        let told = &run.stderr;
        assert!(
            run.status == 1 && told.is_empty(),
            "{argument}: {} {told}",
            run.status
        );
        if round == 0 {
            let output: Value = serde_json::from_str(&run.stdout).unwrap();
            assert_eq!(output["tokens"].as_array().unwrap().len(), count);
        }
    }
}

#[test]
fn no_damage_to_an_exchange_makes_it_panic() {
    let mut all = Recorded::all("pyspnego-exchanges.json", "ntlm");
    all.extend(Recorded::all("mit-kerberos-exchanges.json", "kerberos"));
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for recorded in all {
        let whole = recorded.messages.clone();
        let mut recorded = recorded;
        for _ in 0..8 {
            recorded.messages.clone_from(&whole);
            let which = numbers.below(whole.len());
            match numbers.below(8) {
                0 => drop(recorded.messages.remove(which)),
                1 => recorded.messages.swap(0, which),
                _ => numbers.damage(&mut recorded.messages[which].1),
            }
            recorded.messages.retain(|(_, token)| !token.is_empty());
            let run = recorded.output(&[]);
            assert!(matches!(run.status, 0 | 1), "{} {run:?}", recorded.tokens());
        }
    }
}

#[test]
fn no_text_makes_it_panic() {
    let pieces = [
        "C:",
        "S: ",
        "0x",
        "\\x",
        "b'",
        "\"",
        "Authorization: ",
        "CredSSP ",
        "negotiate\t",
        "\u{130}",
        "\u{1d11e}",
        "\n",
        "\r\n",
        "#",
        "=",
        "==",
        "3005a003020106",
        "TlRMTVNTUAAB",
        "4e544c4d53535000",
        "6e",
        "30",
        " ",
        "\0",
        "0500",
        ":",
        "-",
        "_",
        "f",
    ];
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    let mut known = 0;
    for _ in 0..300 {
        let text: String = (0..=numbers.below(8))
            .map(|_| pieces[numbers.below(pieces.len())])
            .collect();
        let path = own_file("text", text.as_bytes());
        let run = Run::of(&mut decode(&[&format!("@{}", path.display())]));
        assert!(matches!(run.status, 0 | 1 | 64), "{text:?} {run:?}");
        known += usize::from(run.status == 0);
    }
    assert!(known >= 5, "{known}");
}

#[test]
fn deep_and_long_input_takes_bounded_time_and_memory() {
    // SPNEGO in SPNEGO in SPNEGO, and a SEQUENCE of very many elements.
    let mut nested = unhex("3005a003020106");
    for _ in 0..400 {
        let length = u32::try_from(nested.len()).unwrap().to_be_bytes();
        let inner = u32::try_from(nested.len() + 6).unwrap().to_be_bytes();
        let field = u32::try_from(nested.len() + 12).unwrap().to_be_bytes();
        let outer = u32::try_from(nested.len() + 18).unwrap().to_be_bytes();
        let headers = [
            [&[0xa1, 0x84], &outer[..]].concat(),
            [&[0x30, 0x84], &field[..]].concat(),
            [&[0xa2, 0x84], &inner[..]].concat(),
            [&[0x04, 0x84], &length[..]].concat(),
        ];
        nested = [headers.concat(), nested].concat();
    }
    let mut long = vec![0x30, 0x83, 0x0f, 0, 0];
    long.resize(5 + 0x0f_0000, 6);
    for token in [nested, long] {
        let path = own_file("large", &token);
        let start = Instant::now();
        let run = Run::of(&mut decode(&[&format!("@{}", path.display())]));
        assert_eq!(run.status, 1, "{}", run.stderr);
        assert!(start.elapsed() < Duration::from_secs(30));
        assert!(run.stdout.len() < 200_000_000);
    }
    let path = own_file("too-large", &vec![b'0'; (1 << 20) + 1]);
    let run = Run::of(&mut decode(&[&format!("@{}", path.display())]));
    assert_eq!(run.status, 64);
    assert!(run.stderr.contains("longer than"), "{run:?}");
}

#[test]
fn nothing_in_a_token_reaches_the_terminal_as_a_command() {
    // A realm and a target name with an escape sequence, and a text that is no UTF-8.
    for token in [
        "7e3c303aa003020105a10302011ea411180f32303236313132313134323531385aa505020307a93da6030201\
         19a9061b041b5b326aaa0e300ca003020102a10530031b0161",
        "4e544c4d535350000200000006000600300000000500000001020304050607080000000000000000000000000000\
         00001b005b004a00",
    ] {
        let run = Run::of(&mut decode(&[token]));
        assert!(run.stdout.contains("\\u{1b}"), "{run:?}");
        assert!(!run.stdout.contains('\u{1b}'), "{run:?}");
    }
}
