//! The protection of messages in an established context (RFC 4121, section 4.2; RFC 4757, section 7).

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;

use super::crypto::{CryptoError, EncryptionKey};
use crate::environment::{Random, SystemRandom};
use crate::error::{
    AuthenticationFailure, Error, InvalidMessage, InvalidMessageKind, PeerMisbehaved,
};
use crate::gss::SecurityContext;
use crate::mechanism::Mechanism;

mod cfx;
#[cfg(feature = "rc4-hmac")]
mod rc4;
mod sequence;

use cfx::CfxTokens;
use sequence::Sequence;

/// Which end of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The client.
    Initiator,
    /// The server.
    Acceptor,
}

/// What an AP exchange has settled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ContextParameters<'a> {
    /// Which end this is.
    pub end: End,
    /// The context's key: the acceptor's subkey if it sent one, else the initiator's if it sent one, else the session
    /// key of the ticket (RFC 4121, section 2).
    pub key: &'a EncryptionKey,
    /// Whether that is the acceptor's subkey.
    pub acceptor_subkey: bool,
    /// The number of the first message to be sent, from this end's AP-REQ or AP-REP.
    pub send_sequence: u32,
    /// The number of the first message to be received, from the other end's.
    pub receive_sequence: u32,
    /// Whether the messages must come in sequence. Ends that negotiated neither GSS_C_SEQUENCE_FLAG nor
    /// GSS_C_REPLAY_FLAG owe each other no sequence (RFC 2743, section 1.2.3), and some then number at their will.
    pub sequence_detection: bool,
    /// Whether SPNEGO has to exchange `mechListMIC`s in any case, as clients expect of a server with user-to-user.
    pub requires_mech_list_mic: bool,
    /// Where confounders come from.
    pub random: Arc<dyn Random>,
}

impl<'a> ContextParameters<'a> {
    /// With a key that is not the acceptor's subkey, sequences that start at 0 and are enforced, and the system's
    /// random source.
    pub fn new(end: End, key: &'a EncryptionKey) -> Self {
        Self {
            end,
            key,
            acceptor_subkey: false,
            send_sequence: 0,
            receive_sequence: 0,
            sequence_detection: true,
            requires_mech_list_mic: false,
            random: Arc::new(SystemRandom::default()),
        }
    }

    /// Whether the key is the acceptor's subkey.
    #[must_use]
    pub fn with_acceptor_subkey(mut self, acceptor_subkey: bool) -> Self {
        self.acceptor_subkey = acceptor_subkey;
        self
    }

    /// The numbers of the first messages to be sent and to be received.
    #[must_use]
    pub fn with_sequences(mut self, send: u32, receive: u32) -> Self {
        self.send_sequence = send;
        self.receive_sequence = receive;
        self
    }

    /// Whether the messages must come in sequence.
    #[must_use]
    pub fn with_sequence_detection(mut self, detection: bool) -> Self {
        self.sequence_detection = detection;
        self
    }

    /// Whether SPNEGO has to exchange `mechListMIC`s in any case.
    #[must_use]
    pub fn with_mech_list_mic(mut self, required: bool) -> Self {
        self.requires_mech_list_mic = required;
        self
    }

    /// Where confounders come from.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }
}

/// An established Kerberos context.
///
/// It sends Wrap tokens as SSPI lays them out, with an EC of 0 and everything but the message before the message, because
/// some peers take nothing else; it takes every layout that RFC 4121 allows. Its keys are derived once, and no message
/// allocates.
///
/// ```
/// use bytes::BytesMut;
/// use credssp::gss::SecurityContext;
/// use credssp::kerberos::crypto::{EncryptionKey, EncryptionType};
/// use credssp::kerberos::{ContextParameters, End, KerberosContext};
///
/// let key = EncryptionKey::new(EncryptionType::Aes256Sha1, &[7; 32]).unwrap();
/// let mut client = KerberosContext::new(&ContextParameters::new(End::Initiator, &key));
/// let mut server = KerberosContext::new(&ContextParameters::new(End::Acceptor, &key));
///
/// let mut message = BytesMut::from("secret");
/// client.wrap_in_place(&mut message).unwrap();
/// assert_eq!(server.unwrap_in_place(&mut message).unwrap(), b"secret");
/// ```
pub struct KerberosContext {
    tokens: Tokens,
    outgoing: Sequence,
    incoming: Sequence,
    requires_mech_list_mic: bool,
    random: Arc<dyn Random>,
}

enum Tokens {
    Cfx(Box<CfxTokens>),
    #[cfg(feature = "rc4-hmac")]
    Rc4(Box<rc4::Rc4Tokens>),
}

/// A message that was unwrapped, and how it was protected.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unwrapped<'a> {
    /// The message.
    pub message: &'a mut [u8],
    /// GSS_Unwrap's `conf_state`: whether it was encrypted, and not only signed.
    pub conf_state: bool,
}

impl KerberosContext {
    /// After an AP exchange.
    pub fn new(parameters: &ContextParameters<'_>) -> Self {
        let detection = parameters.sequence_detection;
        let tokens = Tokens::new(parameters);
        let limit = tokens.sequence_limit();
        Self {
            tokens,
            outgoing: Sequence::new(parameters.send_sequence, limit, detection),
            incoming: Sequence::new(parameters.receive_sequence, limit, detection),
            requires_mech_list_mic: parameters.requires_mech_list_mic,
            random: parameters.random.clone(),
        }
    }

    /// As [`SecurityContext::unwrap_in_place()`], but takes messages too that are signed only.
    ///
    /// # Errors
    /// As there.
    pub fn unwrap_with_conf_state<'a>(
        &mut self,
        token: &'a mut [u8],
    ) -> Result<Unwrapped<'a>, Error> {
        let (unwrapped, sequence) = match &self.tokens {
            Tokens::Cfx(cfx) => cfx.unwrap(token)?,
            #[cfg(feature = "rc4-hmac")]
            Tokens::Rc4(rc4) => rc4.unwrap(token)?,
        };
        self.incoming.receive(sequence)?;
        Ok(unwrapped)
    }

    /// The sequence number of a MIC token that verifies.
    fn verify(&self, message: &[u8], mic: &[u8]) -> Result<u64, Error> {
        match &self.tokens {
            Tokens::Cfx(cfx) => cfx.verify_mic(message, mic),
            #[cfg(feature = "rc4-hmac")]
            Tokens::Rc4(rc4) => rc4.verify_mic(message, mic),
        }
    }
}

impl SecurityContext for KerberosContext {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn wrap_overhead(&self) -> usize {
        match &self.tokens {
            Tokens::Cfx(cfx) => cfx.wrap_overhead(),
            #[cfg(feature = "rc4-hmac")]
            Tokens::Rc4(_) => rc4::WRAP_OVERHEAD,
        }
    }

    fn wrap_in_place(&mut self, message: &mut BytesMut) -> Result<(), Error> {
        let sequence = self.outgoing.send()?;
        match &self.tokens {
            Tokens::Cfx(cfx) => cfx.wrap(sequence, &*self.random, message),
            #[cfg(feature = "rc4-hmac")]
            Tokens::Rc4(rc4) => rc4.wrap(sequence, &*self.random, message),
        }
    }

    fn unwrap_in_place<'a>(&mut self, token: &'a mut [u8]) -> Result<&'a mut [u8], Error> {
        let unwrapped = self.unwrap_with_conf_state(token)?;
        if unwrapped.conf_state {
            Ok(unwrapped.message)
        } else {
            Err(PeerMisbehaved::UnsealedMessage.into())
        }
    }

    fn get_mic(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let sequence = self.outgoing.send()?;
        match &self.tokens {
            Tokens::Cfx(cfx) => cfx.get_mic(sequence, message, out),
            #[cfg(feature = "rc4-hmac")]
            Tokens::Rc4(rc4) => rc4.get_mic(sequence, message, out),
        }
        Ok(())
    }

    fn verify_mic(&mut self, message: &[u8], mic: &[u8]) -> Result<(), Error> {
        let sequence = self.verify(message, mic)?;
        self.incoming.receive(sequence)
    }

    fn verify_mech_list_mic(&mut self, mech_types: &[u8], mic: &[u8]) -> Result<(), Error> {
        self.verify(mech_types, mic).map_err(|error| match error {
            Error::AuthenticationFailed { .. } => failed(AuthenticationFailure::WrongMechListMic),
            other => other,
        })?;
        // Some acceptors number this one token 0 and go on as if it had had its turn.
        self.incoming.skip();
        Ok(())
    }

    fn requires_mech_list_mic(&self) -> bool {
        self.requires_mech_list_mic
    }
}

impl fmt::Debug for KerberosContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KerberosContext")
            .field("outgoing", &self.outgoing)
            .field("incoming", &self.incoming)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    fn new(parameters: &ContextParameters<'_>) -> Self {
        #[cfg(feature = "rc4-hmac")]
        if let Some(tokens) = rc4::Rc4Tokens::new(parameters) {
            return Self::Rc4(Box::new(tokens));
        }
        Self::Cfx(Box::new(CfxTokens::new(parameters)))
    }

    /// The highest sequence number that the tokens have room for.
    fn sequence_limit(&self) -> u64 {
        match self {
            Self::Cfx(_) => u64::MAX,
            #[cfg(feature = "rc4-hmac")]
            Self::Rc4(_) => u32::MAX.into(),
        }
    }
}

fn invalid(structure: &'static str, offset: usize, kind: InvalidMessageKind) -> Error {
    InvalidMessage::new(structure, offset, kind).into()
}

fn failed(reason: AuthenticationFailure) -> Error {
    Error::AuthenticationFailed {
        mechanism: Mechanism::Kerberos,
        reason,
    }
}

/// What a failure of the cryptography says about the token at hand.
fn of_token(error: CryptoError, structure: &'static str, offset: usize) -> Error {
    match error {
        CryptoError::Truncated => invalid(structure, offset, InvalidMessageKind::Truncated),
        CryptoError::GetRandomFailed(error) => error.into(),
        _ => failed(AuthenticationFailure::WrongSignature),
    }
}
