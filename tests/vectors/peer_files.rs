//! Other projects' test data: tokens of many kinds, known by their names.

use credssp::ntlm::AuthenticateMessage;
use credssp::ts_request::TsRequest;
use serde_json::Value;

use super::{Report, bytes, credssp_messages, exchange, ntlm, spnego, text, unhex};

/// A list of files, each with one message.
pub(super) fn files(section: &Value, report: &mut Report) {
    const SECTION: &str = "tests_data";
    for file in section.as_array().expect("a list") {
        let path = text(file, "file");
        let name = path.rsplit('/').next().unwrap_or_default();
        let message = bytes(file, "hex");
        if name.starts_with("krb_") || name.starts_with("initial_context_token_krb_") {
            kerberos_message(name, &message, report);
        } else if name.starts_with("tls") {
            report.not_yet("TLS flights", 1);
        } else {
            report.check(SECTION, name, || {
                if name == "credssp_ts_remote_guard_ms_example" {
                    credssp_messages::bare_remote_guard(&message);
                } else if name.starts_with("credssp_ts_credential_") {
                    credssp_messages::ts_credentials_round_trip(&message);
                } else if name == "credssp_ts_request" {
                    // Its nonce has 12 octets.
                    TsRequest::decode(&message).expect_err("was not rejected");
                } else if name.starts_with("ntlm_") {
                    ntlm::decode(&message);
                } else if name.starts_with("neg_token") || name.starts_with("initial_context") {
                    assert!(spnego::token(&message));
                } else {
                    panic!("a file of an unknown kind");
                }
            });
        }
    }
}

#[cfg(feature = "kerberos")]
fn kerberos_message(name: &str, message: &[u8], report: &mut Report) {
    report.check("Kerberos messages", name, || {
        super::kerberos_messages::alone(message);
    });
}

#[cfg(not(feature = "kerberos"))]
fn kerberos_message(_: &str, _: &[u8], report: &mut Report) {
    report.not_yet("Kerberos messages", 1);
}

/// Recorded exchanges of tokens.
pub(super) fn scenarios(section: &Value, report: &mut Report) {
    const SECTION: &str = "docs_scenarios";
    let scenarios = section.as_array().expect("a list");
    // All were recorded in one lab, and most do not repeat its password.
    let password = scenarios
        .iter()
        .find_map(|scenario| scenario["password"][0].as_str())
        .unwrap_or_default();
    for scenario in scenarios {
        let file = text(scenario, "file");
        let tokens = scenario["tokens"].as_array().expect("tokens");
        let messages: Vec<_> = tokens.iter().map(|token| bytes(token, "hex")).collect();
        for (token, message) in tokens.iter().zip(&messages) {
            let kind = text(token, "type");
            if kind.starts_with("KRB-") || kind.starts_with("AS-") || kind.starts_with("TGS-") {
                kerberos_message(file, message, report);
            } else if kind.ends_with("_MESSAGE (1)")
                || kind.ends_with("_MESSAGE (2)")
                || kind.ends_with("_MESSAGE (3)")
            {
                report.check(SECTION, file, || ntlm::decode(message));
            } else if kind.starts_with("SPNEGO ") {
                report.check(SECTION, file, || {
                    spnego::token(message);
                });
            } else {
                report.fail(&format!(
                    "{SECTION}: {file}: a token of an unknown kind {kind}"
                ));
            }
        }
        if messages.iter().any(|message| spnego::carries_ntlm(message)) {
            report.check(SECTION, &format!("{file}: the exchange"), || {
                exchange::negotiated(&messages, password);
            });
        }
        if let (Some(password), Some(key)) = (
            scenario["password"][0].as_str(),
            scenario["session_key_b64"][0].as_str(),
        ) {
            report.check(SECTION, &format!("{file}: the exchange"), || {
                let [negotiate, challenge, authenticate] = &*messages else {
                    panic!("{} messages", messages.len());
                };
                let key = base64(key);
                ntlm::scenario([negotiate, challenge, authenticate], password, Some(&key));
            });
        }
    }
}

/// What a client's tests expect of one exchange, by names.
pub(super) fn expectations(section: &Value, report: &mut Report) {
    const SECTION: &str = "expectations";
    for (name, value) in section.as_object().expect("an object") {
        let message = unhex(value.as_str().expect("bytes"));
        if name.ends_with("_ts_request") {
            report.check(SECTION, name, || {
                let request = TsRequest::decode(&message).unwrap();
                assert_eq!(credssp_messages::encoded(&request), message);
            });
        } else if name.ends_with("_ts_credentials") {
            report.check(SECTION, name, || {
                credssp_messages::ts_credentials_round_trip(&message);
            });
        } else if message.starts_with(b"NTLMSSP\0") {
            report.check(SECTION, name, || ntlm::decode(&message));
        } else {
            // A part of one of these, or a text.
            let part = [
                "_nego_data",
                "_password_creds",
                "pub_key_token",
                "domain",
                "password",
                "user",
            ];
            if !part.iter().any(|end| name.ends_with(end)) {
                report.fail(&format!("{SECTION}: {name}: an unknown member"));
            }
        }
    }
    report.check(SECTION, "the NTLM exchange", || {
        let message = bytes(section, "auth_token");
        let message = AuthenticateMessage::decode(&message).unwrap();
        assert_eq!(message.user_name.len() * 2, bytes(section, "user").len());
    });
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=').bytes().map(|digit| {
        let value = DIGITS.iter().position(|known| *known == digit);
        u32::try_from(value.expect("a digit of base64")).unwrap()
    });
    let digits: Vec<_> = digits.collect();
    let mut out = Vec::new();
    for group in digits.chunks(4) {
        let bits = (0..4).fold(0, |bits, i| bits << 6 | group.get(i).unwrap_or(&0));
        out.extend_from_slice(&u32::to_be_bytes(bits)[1..group.len()]);
    }
    out
}
