//! Kerberos: tokens that protect messages, in established contexts.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use credssp::environment::{GetRandomFailed, Random};
use credssp::gss::SecurityContext;
use credssp::kerberos::crypto::{CryptoError, EncryptionKey, EncryptionType, KeyUsage};
use credssp::kerberos::{ContextParameters, End, KerberosContext};
use credssp::ts_request::{self, Direction, ServerPublicKey};
use serde_json::Value;

use super::{Report, bytes, text, unhex};

/// What every token of the file of GSS tokens protects.
const MESSAGE: &[u8] = b"CredSSP test message, 31 bytes.";

/// Gives one confounder.
#[derive(Debug)]
struct Fixed(Vec<u8>);

impl Random for Fixed {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        buffer.copy_from_slice(&self.0);
        Ok(())
    }
}

/// Tokens that libgssapi emitted, in blocks of `name=value` under headings `# ENCRYPTION-TYPE SHAPE`.
pub(super) fn gss_tokens(file: &str, report: &mut Report) {
    for block in file.split("# ").skip(1) {
        let (heading, body) = block.split_once('\n').expect("a heading");
        let section = format!("GSS tokens of {}", heading.split(' ').next().unwrap());
        match GssBlock::parse(heading, body) {
            // Without padding it is a token that CredSSP never has.
            Some(block) if block.is_rc4() && block.shape == "dce" => {
                report.not_yet(&format!("{section} in DCE's layout"), 1);
            }
            Some(block) => report.check(&section, heading, || block.check()),
            None => report.not_yet(&section, 1),
        }
    }
}

/// A context of the file: what its two ends emitted.
struct GssBlock<'a> {
    shape: &'a str,
    key: EncryptionKey,
    acceptor_subkey: bool,
    /// The numbers of each end's first message.
    sequences: BTreeMap<&'a str, u32>,
    tokens: BTreeMap<&'a str, Vec<u8>>,
}

impl<'a> GssBlock<'a> {
    /// `None` where the crate was compiled without the encryption type.
    fn parse(heading: &'a str, body: &'a str) -> Option<Self> {
        let (encryption_type, shape) = heading.split_once(' ').expect("two words");
        let encryption_type: EncryptionType = encryption_type.parse().ok()?;
        let mut values = BTreeMap::new();
        let mut sequences = BTreeMap::new();
        let mut end = "";
        for word in body.split_whitespace() {
            let Some((name, value)) = word.split_once('=') else {
                assert_eq!(word, "flags");
                continue;
            };
            match name {
                "i.proto" => end = "i",
                "a.proto" => end = "a",
                // Of the end whose lines these are, after it had emitted its tokens.
                "send_seq" => drop(sequences.insert(end, value.parse().unwrap())),
                _ => drop(values.insert(name, value)),
            }
        }
        let tokens: BTreeMap<_, _> = values
            .iter()
            .filter(|(name, _)| {
                ["i.wrap", "i.iov", "i.mic", "a.wrap", "a.mic"]
                    .iter()
                    .any(|start| name.starts_with(start))
            })
            .map(|(name, value)| (*name, unhex(value)))
            .collect();
        for (end, sequence) in &mut sequences {
            let emitted = tokens.keys().filter(|name| {
                name.starts_with(end) && !name.ends_with("data") && !name.ends_with("pad")
            });
            *sequence -= u32::try_from(emitted.count()).unwrap();
        }
        let acceptor_subkey = values.get("i.have_acceptor_subkey") == Some(&"1");
        let key = if acceptor_subkey {
            values["acceptor_subkey"]
        } else {
            values["ctx_key"]
        };
        Some(Self {
            shape,
            key: EncryptionKey::new(encryption_type, &unhex(key)).unwrap(),
            acceptor_subkey,
            sequences,
            tokens,
        })
    }

    fn confounder_len(&self) -> usize {
        if self.is_rc4() { 8 } else { 16 }
    }

    fn is_rc4(&self) -> bool {
        self.key.encryption_type().number() == 23
    }

    fn check(&self) {
        let mut checked = Vec::new();
        match self.shape {
            "std" | "nomutual" => {
                let mut acceptor = self.context(End::Acceptor, Vec::new());
                let mut initiator = self.context(End::Initiator, Vec::new());
                self.unwrap(&mut acceptor, "i.wrap.conf", true);
                self.unwrap(&mut acceptor, "i.wrap.int", false);
                acceptor.verify_mic(MESSAGE, &self.tokens["i.mic"]).unwrap();
                self.unwrap(&mut initiator, "a.wrap.conf", true);
                initiator
                    .verify_mic(MESSAGE, &self.tokens["a.mic"])
                    .unwrap();
                self.same_mics();
                checked.extend(["i.wrap.conf", "i.wrap.int", "i.mic", "a.wrap.conf", "a.mic"]);
            }
            "iov" => {
                let [header, data, padding] = self.iov();
                self.same_token(&[header, data, padding].concat());
                checked.extend(["i.iov.header", "i.iov.data", "i.iov.pad"]);
            }
            "dce" => {
                let mut token = self.iov().concat();
                out_of_dce(&mut token);
                let mut acceptor = self.context(End::Acceptor, Vec::new());
                assert_eq!(acceptor.unwrap_in_place(&mut token).unwrap(), MESSAGE);
                checked.extend(["i.iov.header", "i.iov.data", "i.iov.pad"]);
            }
            other => panic!("an unknown shape {other}"),
        }
        checked.sort_unstable();
        assert!(self.tokens.keys().eq(&checked), "tokens of an unknown kind");
    }

    fn context(&self, end: End, confounder: Vec<u8>) -> KerberosContext {
        let [initiator, acceptor] = ["i", "a"].map(|end| self.sequences[end]);
        let (send, receive) = match end {
            End::Initiator => (initiator, acceptor),
            _ => (acceptor, initiator),
        };
        let parameters = ContextParameters::new(end, &self.key)
            .with_acceptor_subkey(self.acceptor_subkey)
            .with_sequences(send, receive)
            .with_random(Arc::new(Fixed(confounder)));
        KerberosContext::new(&parameters)
    }

    fn unwrap(&self, context: &mut KerberosContext, token: &str, conf_state: bool) {
        let mut token = self.tokens[token].clone();
        let unwrapped = context.unwrap_with_conf_state(&mut token).unwrap();
        assert_eq!(unwrapped.message, MESSAGE);
        assert_eq!(unwrapped.conf_state, conf_state);
    }

    /// Our own MICs are the same as these.
    fn same_mics(&self) {
        for (end, token, before) in [(End::Initiator, "i.mic", 2), (End::Acceptor, "a.mic", 1)] {
            let mut context = self.context(end, vec![0; self.confounder_len()]);
            for _ in 0..before {
                context.wrap_in_place(&mut BytesMut::from("any")).unwrap();
            }
            let mut mic = Vec::new();
            context.get_mic(MESSAGE, &mut mic).unwrap();
            assert_eq!(mic, self.tokens[token]);
        }
    }

    fn iov(&self) -> [&[u8]; 3] {
        ["i.iov.header", "i.iov.data", "i.iov.pad"].map(|name| self.tokens[name].as_slice())
    }

    /// The token unwraps, and is the same that we make with its confounder.
    fn same_token(&self, token: &[u8]) {
        let mut acceptor = self.context(End::Acceptor, Vec::new());
        let mut opened = token.to_vec();
        let message = acceptor.unwrap_in_place(&mut opened).unwrap();
        assert_eq!(message, MESSAGE);
        // Which stands before the message once it is open.
        let length = self.confounder_len();
        let at = opened
            .windows(MESSAGE.len())
            .position(|part| part == MESSAGE)
            .unwrap();
        let confounder = opened[at - length..at].to_vec();

        let mut initiator = self.context(End::Initiator, confounder);
        let mut ours = BytesMut::from(MESSAGE);
        initiator.wrap_in_place(&mut ours).unwrap();
        assert_eq!(ours, token);
        assert!(ours.len() <= MESSAGE.len() + initiator.wrap_overhead());
    }
}

/// Puts the 16 octets that EC counts, which in DCE's layout stand first, back behind the message, where RRC says that they
/// are. CredSSP never asks for this layout.
fn out_of_dce(token: &mut [u8]) {
    assert_eq!(token[4..6], [0, 16]);
    token[16..].rotate_left(16);
}

/// What CredSSP seals, under a known key.
pub(super) fn sealing(section: &Value, report: &mut Report) {
    const SECTION: &str = "seal_krb_aes256";
    let key = EncryptionKey::new(EncryptionType::Aes256Sha1, &bytes(section, "subkey")).unwrap();
    let confounder = bytes(section, "confounder");
    let nonce = bytes(section, "nonce").try_into().unwrap();
    let public_key = ServerPublicKey::from_subject_public_key(&bytes(section, "public_key"));
    let hash = |direction| ts_request::binding_hash(direction, &nonce, &public_key).to_vec();
    let echo = |direction| ts_request::echo(direction, &public_key);

    let known = [
        "kind",
        "note",
        "subkey",
        "confounder",
        "nonce",
        "public_key",
    ];
    for member in section.as_object().expect("an object").keys() {
        if known.contains(&member.as_str()) {
            continue;
        }
        report.check(SECTION, member, || {
            let mut token = bytes(section, member);
            let (sender, message) = match member.as_str() {
                "v6_pub_c2s_usage24" | "ec16_dce_variant_c2s" => {
                    (End::Initiator, hash(Direction::ClientToServer))
                }
                "v6_pub_s2c_usage22" => (End::Acceptor, hash(Direction::ServerToClient)),
                "v2_pub_c2s" => (End::Initiator, echo(Direction::ClientToServer)),
                "v2_pub_s2c" => (End::Acceptor, echo(Direction::ServerToClient)),
                "authinfo_usage24" => (
                    End::Initiator,
                    unhex("301ba003020101a11404123010a0020400a10404026100a20404023100"),
                ),
                _ => panic!("an unknown token"),
            };
            let sequence = u32::from_be_bytes(*token[..16].last_chunk().unwrap());
            let context = |end| {
                let parameters = ContextParameters::new(end, &key)
                    .with_acceptor_subkey(true)
                    .with_sequences(sequence, sequence)
                    .with_random(Arc::new(Fixed(confounder.clone())));
                KerberosContext::new(&parameters)
            };
            let receiver = match sender {
                End::Initiator => End::Acceptor,
                _ => End::Initiator,
            };
            let dce = member == "ec16_dce_variant_c2s";
            if dce {
                out_of_dce(&mut token);
            }
            let mut opened = token.clone();
            let found = context(receiver).unwrap_in_place(&mut opened);
            assert_eq!(found.unwrap(), message);
            // Which nobody sends through CredSSP.
            if !dce {
                let mut ours = BytesMut::from(message.as_slice());
                context(sender).wrap_in_place(&mut ours).unwrap();
                assert_eq!(ours, token);
            }
        });
    }
}

/// A remote procedure call of Windows, in DCE's layout.
///
/// Its checksum covers parts of the call that stand outside of the token, so it is no GSS token, and what is checked here is
/// the encryption: decrypted and encrypted again it is the same.
pub(super) fn windows_wrap(section: &Value) {
    let known = [
        "kind",
        "source",
        "usage",
        "key_used",
        "session_key",
        "sub_session_key",
        "header",
        "trailer",
        "enc_data",
        "plaintext",
        "security_trailer_data",
    ];
    let members = section.as_object().expect("an object");
    assert!(members.keys().all(|key| known.contains(&key.as_str())));
    assert_eq!(text(section, "key_used"), "sub_session_key");
    let key = bytes(section, "sub_session_key");
    let key = EncryptionKey::new(EncryptionType::Aes256Sha1, &key).unwrap();
    let usage = u32::try_from(section["usage"].as_u64().unwrap()).unwrap();
    let key = key.protection_key(KeyUsage::from_number(usage));

    let token = bytes(section, "security_trailer_data");
    let (header, rest) = token.split_at(16);
    let mut ciphertext = [rest, &bytes(section, "enc_data")].concat();
    // RRC and EC of its header.
    assert_eq!(header[4..8], [0, 16, 0, 28]);
    ciphertext.rotate_left(28 + 16);

    let mut opened = ciphertext.clone();
    assert_eq!(
        key.decrypt_in_place(&mut opened),
        Err(CryptoError::Integrity)
    );
    let plaintext = bytes(section, "plaintext");
    let inner_header = [&header[..6], &[0, 0], &header[8..]].concat();
    let expected = [&plaintext[..], &[0; 16], &inner_header].concat();
    let (confounder, rest) = opened.split_at(16);
    assert_eq!(rest[..expected.len()], expected);

    let again = key.encrypt(&Fixed(confounder.to_vec()), &expected).unwrap();
    let encrypted = ciphertext.len() - 12;
    assert_eq!(again[..encrypted], ciphertext[..encrypted]);
}

/// Keys of a recorded logon, of which the user's comes from the password.
pub(super) fn user_key(section: &Value) {
    let number = i32::try_from(section["etype"].as_i64().unwrap()).unwrap();
    let key = EncryptionKey::string_to_key(
        EncryptionType::from_number(number).unwrap(),
        text(section, "password"),
        text(section, "salt").as_bytes(),
        None,
    );
    assert_eq!(key.unwrap().expose(), bytes(section, "client_key"));
}
