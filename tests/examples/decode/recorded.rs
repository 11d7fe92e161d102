//! Exchanges as the vectors have them, and what is said of them.

use serde_json::{Value, json};

use super::{decode, find, hex, json as run, own_file, token_file, unhex, vectors};
use crate::programs::Run;

/// An exchange as it was recorded.
pub(super) struct Recorded {
    pub(super) entry: Value,
    pub(super) messages: Vec<(String, Vec<u8>)>,
}

impl Recorded {
    pub(super) fn all(file: &str, mechanism: &str) -> Vec<Self> {
        let entries: Vec<Value> = serde_json::from_str(&vectors(file)).unwrap();
        let ours = entries
            .into_iter()
            .filter(|entry| entry["mech"] == mechanism);
        let recorded = |entry: Value| {
            let messages = entry["ts_requests"].as_array().unwrap().iter();
            let message = |message: &Value| {
                let token = unhex(message[1].as_str().unwrap());
                (message[0].as_str().unwrap().to_owned(), token)
            };
            let messages = messages.map(message).collect();
            Self { entry, messages }
        };
        ours.map(recorded).collect()
    }

    pub(super) fn named(name: &str) -> Self {
        let by_ntlm = Self::all("pyspnego-exchanges.json", "ntlm");
        let by_kerberos = Self::all("mit-kerberos-exchanges.json", "kerberos");
        let mut all = by_ntlm.into_iter().chain(by_kerberos);
        all.find(|recorded| recorded.name() == name).unwrap()
    }

    pub(super) fn name(&self) -> &str {
        self.entry["name"].as_str().unwrap()
    }

    /// A file with its tokens, as an argument. Without prefixes, for they tell who sends them.
    pub(super) fn tokens(&self) -> String {
        let tokens = self.messages.iter().map(|(_, token)| hex(token));
        token_file("exchange", tokens)
    }

    /// With the password or the keytab, the public key, and other options.
    pub(super) fn run(&self, status: i32, options: &[&str]) -> Value {
        let output = self.output(&[&["--json"], options].concat());
        assert_eq!(
            (output.status, &*output.stderr),
            (status, ""),
            "{}",
            output.stdout
        );
        serde_json::from_str(&output.stdout).unwrap()
    }

    pub(super) fn output(&self, options: &[&str]) -> Run {
        let tokens = self.tokens();
        let key = self.entry["public_key"].as_str().unwrap();
        let keytab = self.keytab();
        let secret = match &keytab {
            Some(keytab) => ["--keytab", keytab],
            None => ["--password", self.entry["password"].as_str().unwrap()],
        };
        let known = [&[&*tokens, "--public-key", key], &secret[..]].concat();
        Run::of(&mut decode(&[&known[..], options].concat()))
    }

    /// The path of a file with its keytab.
    pub(super) fn keytab(&self) -> Option<String> {
        let keytab = unhex(self.entry["keytab"].as_str()?);
        Some(own_file("keytab", &keytab).to_str().unwrap().to_owned())
    }

    /// Flips the lowest bit of the last octet of a part.
    pub(super) fn flip(&mut self, message: usize, part: &[&str]) {
        let tokens = token_file("flip", [hex(&self.messages[message].1)]);
        let output = run(0, &[&tokens]);
        let tree = part
            .iter()
            .fold(&output["tokens"][0]["tree"], |tree, name| {
                find(tree, name).unwrap_or_else(|| panic!("no {name}"))
            });
        let at = tree["offset"].as_u64().unwrap() + tree["length"].as_u64().unwrap() - 1;
        self.messages[message].1[usize::try_from(at).unwrap()] ^= 1;
    }
}

/// The outcomes but those of keys, by name.
pub(super) fn outcomes(output: &Value) -> Vec<(&str, &str)> {
    let checks = output["checks"].as_array().unwrap().iter();
    let all = checks.map(|check| {
        let (name, outcome) = (&check["name"], &check["outcome"]);
        (name.as_str().unwrap(), outcome.as_str().unwrap())
    });
    all.filter(|(_, outcome)| *outcome != "derived").collect()
}

/// The names of those that fail.
pub(super) fn failing(output: &Value) -> Vec<&str> {
    let outcomes = outcomes(output).into_iter();
    let failing = outcomes.filter(|(_, outcome)| *outcome == "fails");
    failing.map(|(name, _)| name).collect()
}

/// What was delegated, as the file of vectors says it.
pub(super) fn delegated(tree: &Value) -> Value {
    let value = |name: &str| find(tree, name).map_or(Value::Null, |node| node["value"].clone());
    let package = |node: &Value| {
        let value = |name: &str| find(node, name).unwrap()["value"].clone();
        json!({"package": value("packageName"), "buffer": value("credBuffer")})
    };
    match value("credType").as_u64() {
        Some(1) => json!({
            "type": "password",
            "domain": value("domainName"),
            "user": value("userName"),
            "password": value("password"),
        }),
        Some(2) => json!({
            "type": "smartcard",
            "pin": value("pin"),
            "user_hint": value("userHint"),
            "domain_hint": value("domainHint"),
            "key_spec": value("keySpec"),
            "card": value("cardName"),
            "reader": value("readerName"),
            "container": value("containerName"),
            "csp": value("cspName"),
        }),
        _ => {
            let supplemental = find(tree, "supplementalCreds");
            let supplemental = supplemental.map_or(Vec::new(), |list| {
                let list = list["children"].as_array().into_iter().flatten();
                list.map(package).collect()
            });
            json!({
                "type": "remoteguard",
                "logon": package(find(tree, "logonCred").unwrap()),
                "supplemental": supplemental,
            })
        }
    }
}
