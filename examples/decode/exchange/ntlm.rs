//! An exchange by NTLM, from its password.

use credssp::Secret;
use credssp::account::Candidate;
use credssp::error::Error;
use credssp::gss::SecurityContext;
use credssp::ntlm::{AuthenticateMessage, ChallengeMessage, ExchangeKeys, Ntlmv2Response};

use super::{Check, Context, Established, Message, Outcome, key};
use crate::input::Sender;
use crate::token::View;

/// The bit of `MsvAvFlags` that announces a MIC.
const HAS_MIC: u32 = 2;

const SIGNATURE_LEN: usize = 16;

pub(super) fn message_type(token: &[u8]) -> Option<u8> {
    let rest = token.strip_prefix(b"NTLMSSP\0")?;
    rest.first().copied()
}

pub(super) fn establish(
    messages: &[Message<'_>],
    password: &Secret<str>,
    view: &View,
) -> Established {
    let find = |number| {
        let mut tokens = messages.iter().map(|message| message.mechanism);
        tokens.rfind(|token| message_type(token) == Some(number))
    };
    let mut checks = Vec::new();
    let [negotiate, challenge, authenticate] = [1, 2, 3].map(find);
    let (Some(challenge), Some(authenticate)) = (challenge, authenticate) else {
        let detail = "the CHALLENGE_MESSAGE is not among the tokens";
        checks.push(Check::new("NTLMv2 response", Outcome::Unknown, detail));
        return Established {
            checks,
            context: None,
        };
    };
    let context = match derive(challenge, authenticate, password) {
        Err(error) => {
            let outcome = match error {
                // What is not opened here.
                Error::PeerIncompatible(_) => Outcome::Unknown,
                _ => Outcome::Fails,
            };
            checks.push(Check::new("NTLMv2 response", outcome, error.to_string()));
            None
        }
        Ok(keys) => {
            let detail = "NTProofStr is that of the password";
            checks.push(Check::new("NTLMv2 response", Outcome::Holds, detail));
            let secret = |name, secret: &Secret<[u8; 16]>| key(view, name, secret.expose());
            checks.push(secret("SessionBaseKey", &keys.session_base_key));
            checks.push(secret("ExportedSessionKey", &keys.exported_session_key));
            checks.push(mic(&keys, negotiate, challenge, authenticate));
            NtlmContext::new(keys)
                .inspect_err(|error| {
                    let error = error.to_string();
                    checks.push(Check::new("session security", Outcome::Unknown, error));
                })
                .ok()
        }
    };
    Established {
        checks,
        context: context.map(|context| -> Box<dyn Context> { Box::new(context) }),
    }
}

fn derive(
    challenge: &[u8],
    authenticate: &[u8],
    password: &Secret<str>,
) -> Result<ExchangeKeys, Error> {
    let challenge = ChallengeMessage::decode(challenge)?;
    let message = AuthenticateMessage::decode(authenticate)?;
    let candidate = Candidate::Password(password.expose().into());
    ExchangeKeys::derive(&challenge, &message, &candidate)
}

fn mic(
    keys: &ExchangeKeys,
    negotiate: Option<&[u8]>,
    challenge: &[u8],
    authenticate: &[u8],
) -> Check {
    let check = |outcome, detail: &str| Check::new("MIC", outcome, detail);
    let announced = || {
        let message = AuthenticateMessage::decode(authenticate).ok()?;
        let response = Ntlmv2Response::decode(message.nt_challenge_response).ok()?;
        Some((response.av_pairs.flags() & HAS_MIC != 0, message.mic))
    };
    let Some(negotiate) = negotiate else {
        return check(
            Outcome::Unknown,
            "the NEGOTIATE_MESSAGE is not among the tokens",
        );
    };
    match (announced(), keys.mic(negotiate, challenge, authenticate)) {
        (Some((true, Some(mic))), Ok(Some(expected))) if mic == expected => {
            check(Outcome::Holds, "over the three messages")
        }
        (Some((true, Some(_))), Ok(Some(_))) => {
            let detail = "it is of other messages: one of the three has been changed";
            check(Outcome::Fails, detail)
        }
        (Some((true, _)), _) => check(Outcome::Fails, "MsvAvFlags announces one that is not there"),
        (Some((false, _)), _) => check(Outcome::Unknown, "MsvAvFlags announces none"),
        (None, _) => check(Outcome::Fails, "the AUTHENTICATE_MESSAGE is malformed"),
    }
}

/// Both ends of one direction.
struct Direction {
    sender: Box<dyn SecurityContext>,
    receiver: Box<dyn SecurityContext>,
    /// The number of its next message.
    sequence: u32,
}

struct NtlmContext {
    keys: ExchangeKeys,
    from_client: Direction,
    from_server: Direction,
}

impl Direction {
    fn new(keys: &ExchangeKeys, sender: Sender) -> Result<Self, Error> {
        let [client, server] = keys.contexts()?;
        let (sender, receiver) = match sender {
            Sender::Client => (client, server),
            Sender::Server => (server, client),
        };
        Ok(Self {
            sender,
            receiver,
            sequence: 0,
        })
    }

    fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let mut token = sealed.to_vec();
        let opened = self.receiver.unwrap_in_place(&mut token);
        let opened = opened.map(|message| message.to_vec());
        opened.map_err(|error| error.to_string())
    }
}

impl NtlmContext {
    fn new(keys: ExchangeKeys) -> Result<Self, Error> {
        Ok(Self {
            from_client: Direction::new(&keys, Sender::Client)?,
            from_server: Direction::new(&keys, Sender::Server)?,
            keys,
        })
    }

    fn direction(&mut self, sender: Sender) -> &mut Direction {
        match sender {
            Sender::Client => &mut self.from_client,
            Sender::Server => &mut self.from_server,
        }
    }
}

impl Context for NtlmContext {
    fn verify_mic(&mut self, sender: Sender, list: &[u8], mic: &[u8]) -> Result<String, String> {
        let direction = self.direction(sender);
        let result = direction.receiver.verify_mech_list_mic(list, mic);
        if let Err(error) = result {
            // What follows is to be judged by itself: as if the right one had come.
            if direction.sequence == 0
                && let Ok(mut again) = Direction::new(&self.keys, sender)
            {
                let mut right = Vec::new();
                let made = again.sender.get_mech_list_mic(list, &mut right);
                let taken = again.receiver.verify_mech_list_mic(list, &right);
                if made.is_ok() && taken.is_ok() {
                    again.sequence = 1;
                    *self.direction(sender) = again;
                }
            }
            return Err(error.to_string());
        }
        direction.sequence += 1;
        Ok("over the client's mechTypes".into())
    }

    fn unwrap(&mut self, sender: Sender, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let direction = self.direction(sender);
        let number = |direction: &Direction| direction.sequence.to_le_bytes();
        let in_token = sealed.get(12..SIGNATURE_LEN).map(<[u8]>::to_vec);
        if direction.sequence == 0 && in_token.as_deref() == Some(&1_u32.to_le_bytes()) {
            // Some servers compute a mechListMIC, and do not send it.
            if direction.receiver.skip_mech_list_mic().is_ok() {
                direction.sequence = 1;
            }
        }
        let mut result = direction.open(sealed);
        if result.is_err()
            && let Some((signature, data)) = sealed.split_first_chunk::<SIGNATURE_LEN>()
        {
            let mut right = *signature;
            right[..4].copy_from_slice(&[1, 0, 0, 0]);
            right[12..].copy_from_slice(&number(direction));
            if right != *signature {
                // A wrong header has not moved the keystream, which the next message counts on.
                let _ = direction.open(&[&right, data].concat());
                result =
                    result.map_err(|error| format!("{error} (its number or version is wrong)"));
            }
        }
        direction.sequence = direction.sequence.wrapping_add(1);
        result
    }
}
