//! A client that does what ours never would: each part of its answer can be bent, and the rest still verifies.

use super::*;
use crate::ntlm::key::{self, ResponseKey};
use crate::ntlm::message::authenticate::{self, Parts};
use crate::ntlm::message::{av_pair, negotiate};
use crate::ntlm::{AvId, ChallengeMessage, NegotiateFlags};

const EXPORTED_SESSION_KEY: [u8; 16] = *b"a session's key!";

/// What its answer is made of.
pub(super) struct Handmade {
    pub(super) flags: NegotiateFlags,
    pub(super) user: &'static str,
    /// The domain under which the proof is computed; the message always says `Domain`.
    pub(super) proven_domain: &'static str,
    pub(super) av_flags: Option<u32>,
    pub(super) av_pairs: Vec<(AvId, Vec<u8>)>,
    /// What stands behind the AV_PAIRs.
    pub(super) padding: Vec<u8>,
    pub(super) time_offset_seconds: i64,
    pub(super) header_len: usize,
    /// Instead of the right MIC.
    pub(super) mic: Option<[u8; 16]>,
    pub(super) session_key_len: usize,
}

impl Handmade {
    /// A right answer.
    pub(super) fn new() -> Self {
        Self {
            flags: NegotiateFlags::SUPPORTED,
            user: "User",
            proven_domain: "Domain",
            av_flags: Some(2),
            av_pairs: Vec::new(),
            padding: vec![0; 4],
            time_offset_seconds: 0,
            header_len: 88,
            mic: None,
            session_key_len: 16,
        }
    }

    /// Logs on to `server`, where the account has the right password.
    pub(super) fn log_on(
        &self,
        server: &Ntlm,
        bindings: Option<&ChannelBindings>,
    ) -> Result<(), Error> {
        let environment = environment();
        let mut request = AcceptorRequest::new(&environment);
        request.channel_bindings = bindings;
        let offer = negotiate::encode(NegotiateFlags::SUPPORTED);
        let AcceptorStep::NeedsToken { token, next } = server.acceptor(request).step(&offer)?
        else {
            panic!("no challenge");
        };
        let answer = self.answer(&offer, &token);
        let AcceptorStep::NeedsAccount { next, .. } = next.step(&answer)? else {
            panic!("no question");
        };
        next.step(Some(Account::password("Password"))).map(drop)
    }

    fn answer(&self, offer: &[u8], challenge_bytes: &[u8]) -> Vec<u8> {
        let challenge = ChallengeMessage::decode(challenge_bytes).unwrap();
        let time = challenge.target_info.unwrap().timestamp().unwrap();
        let time = time
            .checked_add_signed(self.time_offset_seconds * 10_000_000)
            .unwrap();

        let mut temp = vec![1, 1, 0, 0, 0, 0, 0, 0];
        temp.extend(time.to_le_bytes());
        temp.extend([0x33; 12]);
        for (id, value) in &self.av_pairs {
            av_pair::put(&mut temp, *id, value).unwrap();
        }
        if let Some(flags) = self.av_flags {
            av_pair::put(&mut temp, AvId::FLAGS, &flags.to_le_bytes()).unwrap();
        }
        av_pair::put_eol(&mut temp);
        temp.extend(&self.padding);

        let key = ResponseKey::new(
            &key::nt_hash("Password"),
            &key::upper_case_utf16(self.user),
            &utf16(self.proven_domain),
        );
        let proof = key.nt_proof_str(&challenge.server_challenge, &temp);
        let sealed_key = key::rc4_key(&key.session_base_key(&proof), &EXPORTED_SESSION_KEY);
        let mut sealed_key = sealed_key.to_vec();
        sealed_key.resize(self.session_key_len, 0);
        let mut message = Parts {
            flags: self.flags,
            lm_challenge_response: &[0; 24],
            nt_challenge_response: &[&proof[..], &temp].concat(),
            domain_name: "Domain",
            user_name: self.user,
            workstation: "",
            encrypted_random_session_key: &sealed_key,
        }
        .encode()
        .unwrap();
        shorten_header(&mut message, 88 - self.header_len);
        if self.header_len >= 80 {
            let right = key::mic(&EXPORTED_SESSION_KEY, &[offer, challenge_bytes, &message]);
            if let Some(field) = authenticate::mic_mut(&mut message) {
                *field = self.mic.unwrap_or(right);
            }
        }
        message
    }
}

/// Takes out the end of the header, and lets the fields point to where their contents have gone.
fn shorten_header(message: &mut Vec<u8>, by: usize) {
    message.drain(88 - by..88);
    for field in (12..60).step_by(8) {
        let offset: &mut [u8; 4] = message[field + 4..].first_chunk_mut().unwrap();
        *offset = (u32::from_le_bytes(*offset) - u32::try_from(by).unwrap()).to_le_bytes();
    }
}

/// UTF-16LE.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Which proof failed.
pub(super) fn failure(result: Result<(), Error>) -> AuthenticationFailure {
    match result {
        Err(Error::AuthenticationFailed { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}
