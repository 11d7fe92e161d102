//! Opens a whole exchange: which proofs hold, and what was sealed.

use std::fmt::Write as _;

use credssp::spnego::{MechTypeList, NegotiationToken};
use credssp::ts_request::{ServerPublicKey, TsRequest, uses_nonce};
use credssp::{Secret, kerberos::keytab::Keytab};
use serde_json::json;

use crate::input::{Sender, Token};
use crate::shown::shown;
use crate::token::{Kind, View};
use crate::tree::{At, Node, hex};

mod binding;
mod kerberos;
mod ntlm;

use binding::Binding;

/// What the command line knows beyond the tokens.
pub(crate) struct Knowledge {
    pub(crate) password: Option<Secret<str>>,
    pub(crate) keytab: Option<Keytab>,
    pub(crate) public_key: Option<ServerPublicKey>,
}

impl Knowledge {
    /// What is said where the wrong secret is given; nothing where none is, for then only the tokens are asked about.
    fn missing(&self, name: &str, detail: &str) -> Vec<Check> {
        if self.password.is_none() && self.keytab.is_none() {
            return Vec::new();
        }
        vec![Check::new(name, Outcome::Unknown, detail)]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Holds,
    Fails,
    Unknown,
    /// A key that was computed.
    Derived,
}

/// Something that was checked or opened.
pub(crate) struct Check {
    name: String,
    pub(crate) outcome: Outcome,
    detail: String,
    /// What was opened.
    tree: Option<Node>,
}

impl Check {
    fn new(name: impl Into<String>, outcome: Outcome, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            outcome,
            detail: detail.into(),
            tree: None,
        }
    }

    fn of(name: impl Into<String>, result: Result<String, String>) -> Self {
        match result {
            Ok(detail) => Self::new(name, Outcome::Holds, detail),
            Err(detail) => Self::new(name, Outcome::Fails, detail),
        }
    }

    fn tree(mut self, tree: Node) -> Self {
        self.tree = Some(tree);
        self
    }

    pub(crate) fn is_wrong(&self) -> bool {
        self.outcome == Outcome::Fails || self.tree.as_ref().is_some_and(Node::is_wrong)
    }

    /// Appends it as JSON.
    pub(crate) fn write_json(&self, out: &mut String) {
        let (name, outcome, detail) = (&self.name, self.outcome.name(), &self.detail);
        let [name, outcome, detail] = [json!(name), json!(outcome), json!(detail)];
        let _ = write!(
            out,
            r#"{{"name":{name},"outcome":{outcome},"detail":{detail},"tree":"#
        );
        match &self.tree {
            Some(tree) => tree.write_json(out),
            None => out.push_str("null"),
        }
        out.push('}');
    }

    pub(crate) fn to_lines(&self, out: &mut String) {
        let outcome = self.outcome.name();
        let _ = writeln!(out, "{outcome:>13}  {}: {}", self.name, shown(&self.detail));
        if let Some(tree) = &self.tree {
            tree.to_lines(1, out);
        }
    }
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Unknown => "unknown",
            Self::Derived => "derived",
        }
    }
}

/// A token, and what an exchange takes from it.
struct Message<'a> {
    sender: Sender,
    request: Option<TsRequest<'a>>,
    /// The mechanism's own token.
    mechanism: &'a [u8],
    mech_types: Option<MechTypeList<'a>>,
    mech_list_mic: Option<&'a [u8]>,
    response_token: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    fn of(octets: &'a [u8]) -> Self {
        let request = match Kind::of(octets) {
            Some(Kind::TsRequest) => TsRequest::decode(octets).ok(),
            _ => None,
        };
        let token = match request {
            Some(request) => request.nego_token.unwrap_or_default(),
            None => octets,
        };
        let mut message = Self {
            sender: Sender::Client,
            request,
            mechanism: token,
            mech_types: None,
            mech_list_mic: None,
            response_token: None,
        };
        match NegotiationToken::decode(token) {
            Ok(NegotiationToken::Init(init)) => {
                message.mechanism = init.mech_token.unwrap_or_default();
                message.mech_types = Some(init.mech_types);
                message.mech_list_mic = init.mech_list_mic;
            }
            Ok(NegotiationToken::Resp(resp)) => {
                message.mechanism = resp.response_token.unwrap_or_default();
                message.mech_list_mic = resp.mech_list_mic;
                message.response_token = resp.response_token;
            }
            _ => {}
        }
        message
    }

    /// Who sends it, as far as its kind tells.
    fn natural_sender(&self, octets: &[u8]) -> Option<Sender> {
        let request = self.request.as_ref();
        if request
            .is_some_and(|request| request.auth_info.is_some() || request.client_nonce.is_some())
        {
            return Some(Sender::Client);
        }
        if request.is_some_and(|request| request.error_code.is_some()) {
            return Some(Sender::Server);
        }
        if let Some(number) = ntlm::message_type(self.mechanism) {
            return Some(match number {
                2 => Sender::Server,
                _ => Sender::Client,
            });
        }
        if let Some(sender) = kerberos::sender(self.mechanism) {
            return Some(sender);
        }
        let sealed = request.and_then(|request| request.pub_key_auth);
        if let Some([4 | 5, 4, flags, ..]) = sealed.or(self.mech_list_mic) {
            // SentByAcceptor (RFC 4121, section 4.2.2).
            return Some(match flags & 1 {
                0 => Sender::Client,
                _ => Sender::Server,
            });
        }
        match Kind::of(octets)? {
            Kind::X224 if crate::x224::is_request(octets) => Some(Sender::Client),
            Kind::X224 | Kind::EarlyUserAuthorization => Some(Sender::Server),
            _ => None,
        }
    }

    /// The `mechListMIC`, unless it only repeats the token, as very old servers do.
    fn mic(&self) -> Option<&'a [u8]> {
        let mic = self.mech_list_mic?;
        (!mic.is_empty() && self.response_token != Some(mic)).then_some(mic)
    }
}

/// Who sends each token: as its prefix says, or as its kind tells, or whoever did not send the one before.
pub(crate) fn senders(tokens: &[Token]) -> Vec<Sender> {
    let mut last = Sender::Server;
    let sender = |token: &Token| {
        let natural = || Message::of(&token.octets).natural_sender(&token.octets);
        last = token.sender.or_else(natural).unwrap_or(match last {
            Sender::Client => Sender::Server,
            Sender::Server => Sender::Client,
        });
        last
    };
    tokens.iter().map(sender).collect()
}

/// What an exchange's mechanism has established.
trait Context {
    /// Verifies the `mechListMIC` that `sender` sent.
    fn verify_mic(&mut self, sender: Sender, list: &[u8], mic: &[u8]) -> Result<String, String>;

    /// Opens what `sender` sealed.
    fn unwrap(&mut self, sender: Sender, sealed: &[u8]) -> Result<Vec<u8>, String>;
}

/// What became of the mechanism: what was checked, and its context where there is one.
struct Established {
    checks: Vec<Check>,
    context: Option<Box<dyn Context>>,
}

/// Opens the exchange, if the tokens have one and enough is known for it.
pub(crate) fn open(
    tokens: &[Token],
    senders: &[Sender],
    knowledge: &Knowledge,
    view: &View,
) -> Vec<Check> {
    let messages: Vec<_> = tokens
        .iter()
        .zip(senders)
        .map(|(token, sender)| Message {
            sender: *sender,
            ..Message::of(&token.octets)
        })
        .collect();
    let is_ntlm = |message: &Message<'_>| ntlm::message_type(message.mechanism) == Some(3);
    let established = if messages.iter().any(is_ntlm) {
        let Some(password) = &knowledge.password else {
            let detail = "the exchange is by NTLM: give its password";
            return knowledge.missing("NTLMv2 response", detail);
        };
        ntlm::establish(&messages, password, view)
    } else {
        let by_kerberos = |message: &Message<'_>| kerberos::sender(message.mechanism).is_some();
        if !messages.iter().any(by_kerberos) {
            return Vec::new();
        }
        let Some(keytab) = &knowledge.keytab else {
            let detail = "the exchange is by Kerberos: give the service's --keytab";
            return knowledge.missing("ticket", detail);
        };
        kerberos::establish(&messages, keytab, view)
    };
    let Established {
        mut checks,
        context,
    } = established;
    if let Some(mut context) = context {
        sealed(&messages, &mut *context, knowledge, view, &mut checks);
    }
    checks
}

fn name_of(sender: Sender) -> &'static str {
    match sender {
        Sender::Client => "the client's",
        Sender::Server => "the server's",
    }
}

/// Goes through all that the context protects, in order.
fn sealed(
    messages: &[Message<'_>],
    context: &mut dyn Context,
    knowledge: &Knowledge,
    view: &View,
    checks: &mut Vec<Check>,
) {
    let mut lists = messages
        .iter()
        .filter(|message| message.sender == Sender::Client);
    let list = lists.find_map(|message| message.mech_types);
    let mut binding = Binding::of(messages, knowledge.public_key.as_ref());
    for message in messages {
        let name = |what: &str| format!("{} {what}", name_of(message.sender));
        match (message.mic(), list) {
            (Some(mic), Some(list)) => {
                let result = context.verify_mic(message.sender, list.as_der(), mic);
                checks.push(Check::of(name("mechListMIC"), result));
            }
            (Some(_), None) => checks.push(Check::new(
                name("mechListMIC"),
                Outcome::Unknown,
                "the token with the client's mechTypes is missing",
            )),
            _ => {}
        }
        let Some(request) = &message.request else {
            continue;
        };
        if let Some(sealed) = request.pub_key_auth {
            match context.unwrap(message.sender, sealed) {
                Ok(opened) => {
                    checks.push(Check::new(
                        name("pubKeyAuth"),
                        Outcome::Holds,
                        "its seal opens",
                    ));
                    checks.push(binding.check(message.sender, &opened));
                }
                Err(error) => checks.push(Check::new(name("pubKeyAuth"), Outcome::Fails, error)),
            }
        }
        if let Some(sealed) = request.auth_info {
            checks.push(match context.unwrap(message.sender, sealed) {
                Ok(opened) => {
                    let tree = Kind::TsCredentials.node(view, At::new(&opened));
                    let detail = "its seal opens; places are counted in what it sealed";
                    Check::new(name("authInfo"), Outcome::Holds, detail).tree(tree)
                }
                Err(error) => Check::new(name("authInfo"), Outcome::Fails, error),
            });
        }
    }
    if !binding.seen && messages.iter().any(|message| message.request.is_some()) {
        let detail = "no pubKeyAuth that opens is among the tokens";
        checks.push(Check::new("binding", Outcome::Unknown, detail));
    }
}

/// A key, which is shown if secrets are.
fn key(view: &View, name: &str, key: &[u8]) -> Check {
    let detail = match view.show_secrets {
        true => hex(key),
        false => "(a secret: --show-secrets shows it)".into(),
    };
    Check::new(name, Outcome::Derived, detail)
}

/// The version in use: the lower of the two.
fn version(messages: &[Message<'_>]) -> Option<u32> {
    let first = |sender| {
        let mut own = messages.iter().filter(|message| message.sender == sender);
        own.find_map(|message| Some(message.request?.version))
    };
    Some(first(Sender::Client)?.min(first(Sender::Server)?))
}

/// Whether a version binds by hash and nonce.
fn hashes(version: Option<u32>) -> bool {
    version.is_none_or(uses_nonce)
}
