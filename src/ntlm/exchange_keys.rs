//! The keys of an exchange, for who looks into one from outside.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::context::NtlmContext;
use super::failed;
use super::flags::NegotiateFlags;
use super::key::{self, Key, ResponseKey, Sender};
use super::message::{AuthenticateMessage, ChallengeMessage, Ntlmv2Response, authenticate};
use crate::account::Candidate;
use crate::error::{
    AuthenticationFailure, Error, InvalidMessage, InvalidMessageKind, PeerIncompatible,
};
use crate::gss::SecurityContext;
use crate::secret::Secret;

/// The keys that an NTLMv2 exchange comes to (MS-NLMP, sections 3.3.2 and 3.4.5).
///
/// [`Ntlm`](super::Ntlm)'s own acceptor and initiator need none of this: it is for tools that open an exchange which has
/// been recorded, one part of it at a time, and want to know which of its proofs hold.
///
/// ```
/// use credssp::account::Candidate;
/// use credssp::error::Error;
/// use credssp::ntlm::{AuthenticateMessage, ChallengeMessage, ExchangeKeys};
///
/// fn opens(challenge: &[u8], authenticate: &[u8], password: &str) -> Result<bool, Error> {
///     let challenge = ChallengeMessage::decode(challenge)?;
///     let message = AuthenticateMessage::decode(authenticate)?;
///     let candidate = Candidate::Password(password.into());
///     Ok(ExchangeKeys::derive(&challenge, &message, &candidate).is_ok())
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct ExchangeKeys {
    /// `SessionBaseKey`, which for NTLMv2 is the `KeyExchangeKey` too.
    pub session_base_key: Secret<[u8; 16]>,
    /// `ExportedSessionKey`, from which the keys that sign and seal are derived.
    pub exported_session_key: Secret<[u8; 16]>,
    flags: NegotiateFlags,
}

impl ExchangeKeys {
    /// Verifies the response to `challenge`, and derives the keys.
    ///
    /// As a server does, it tries an empty domain besides the one that the client names (MS-NLMP, section 3.2.5.1.2).
    ///
    /// # Errors
    /// Where the response is none of NTLMv2, malformed, or not that of the `candidate`.
    pub fn derive(
        challenge: &ChallengeMessage<'_>,
        authenticate: &AuthenticateMessage<'_>,
        candidate: &Candidate,
    ) -> Result<Self, Error> {
        // 24 octets are an NTLM_RESPONSE.
        if authenticate.nt_challenge_response.len() <= 24 {
            return Err(PeerIncompatible::NtlmV1.into());
        }
        let response = Ntlmv2Response::decode(authenticate.nt_challenge_response)?;
        let nt_hash = match candidate {
            Candidate::Password(password) => key::nt_hash(password.expose()),
            Candidate::NtHash(hash) => Zeroizing::new(*hash.expose()),
        };
        let user = key::upper_case_utf16(&authenticate.user_name_text()?);
        let session_base_key = [authenticate.domain_name, &[]]
            .into_iter()
            .find_map(|domain| {
                let key = ResponseKey::new(&nt_hash, &user, domain);
                let proof = key.nt_proof_str(&challenge.server_challenge, response.temp);
                bool::from(proof.ct_eq(&response.nt_proof_str))
                    .then(|| key.session_base_key(&proof))
            })
            .ok_or_else(|| failed(AuthenticationFailure::WrongResponse))?;
        let exported_session_key = if authenticate.flags.contains(NegotiateFlags::KEY_EXCH) {
            let encrypted = authenticate.encrypted_random_session_key;
            let encrypted = encrypted.try_into().map_err(|_| {
                let field = "AUTHENTICATE_MESSAGE.EncryptedRandomSessionKey";
                InvalidMessage::new(field, 52, InvalidMessageKind::BadValue)
            })?;
            key::rc4_key(&session_base_key, encrypted)
        } else {
            session_base_key.clone()
        };
        let secret = |key: &Key| Secret::new(**key);
        Ok(Self {
            session_base_key: secret(&session_base_key),
            exported_session_key: secret(&exported_session_key),
            flags: authenticate.flags,
        })
    }

    /// The MIC over the three messages (MS-NLMP, section 3.1.5.1.2), as it belongs into `authenticate`, whose own MIC does not
    /// count; `None` where there is no room for one.
    ///
    /// # Errors
    /// Where `authenticate` is malformed.
    pub fn mic(
        &self,
        negotiate: &[u8],
        challenge: &[u8],
        authenticate: &[u8],
    ) -> Result<Option<[u8; 16]>, InvalidMessage> {
        AuthenticateMessage::decode(authenticate)?;
        let mut without = authenticate.to_vec();
        let Some(field) = authenticate::mic_mut(&mut without) else {
            return Ok(None);
        };
        *field = [0; 16];
        let messages = [negotiate, challenge, &without];
        Ok(Some(key::mic(
            self.exported_session_key.expose(),
            &messages,
        )))
    }

    /// The contexts of the client and of the server, before their first message.
    ///
    /// # Errors
    /// Where the exchange agreed upon less than this crate seals with: extended session security, keys of 128 bits, key
    /// exchange.
    pub fn contexts(&self) -> Result<[Box<dyn SecurityContext>; 2], Error> {
        if let Some(feature) = self.flags.missing_feature() {
            return Err(PeerIncompatible::WeakNtlm(feature).into());
        }
        let key = self.exported_session_key.expose();
        let context =
            |end| -> Box<dyn SecurityContext> { Box::new(NtlmContext::new(end, key, false)) };
        Ok([context(Sender::Client), context(Sender::Server)])
    }
}
