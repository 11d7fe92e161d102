use std::error::Error as StdError;
use std::fmt;

use super::Error;
use crate::mechanism::Mechanism;
use crate::name::AccountName;
use crate::proof::{CertificateVerdict, ServerProof};

/// An error of a handshake, with how far the handshake had come.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HandshakeError {
    /// What went wrong.
    pub error: Error,
    /// How far the handshake had come.
    pub progress: Box<Progress>,
}

impl HandshakeError {
    /// From parts.
    pub fn new(error: impl Into<Error>, progress: Progress) -> Self {
        Self {
            error: error.into(),
            progress: Box::new(progress),
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.progress.step, self.error)
    }
}

impl StdError for HandshakeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.error)
    }
}

/// How far a handshake has come: for audit lines and diagnosis. Never holds a secret.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Progress {
    /// The step that was under way.
    pub step: Step,
    /// The mechanism, once it is settled.
    pub mechanism: Option<Mechanism>,
    /// The account: as a client, our own; as a server, the one that the client claims or has proved.
    pub account: Option<AccountName>,
    /// The version in the peer's messages, once one has come.
    pub peer_version: Option<u32>,
    /// What has proved the server so far (client only; a server does not know).
    pub proof: Option<ServerProof>,
    /// How the certificate proves the server or why it does not, once that is known (client only).
    pub certificate: Option<CertificateVerdict>,
    /// Why a mechanism that was preferred could not be used, where another one took its place (client only).
    pub fallback: Option<Error>,
}

/// A step of the handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// The negotiation of Remote Desktop's security protocol, before TLS.
    SecurityProtocol,
    /// The TLS handshake.
    #[default]
    Tls,
    /// The exchange of `negoTokens`.
    Negotiation,
    /// The exchange of `pubKeyAuth`.
    PublicKey,
    /// The exchange of `authInfo`.
    Credentials,
    /// Remote Desktop's Early User Authorization Result, behind CredSSP.
    EarlyAuthorization,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecurityProtocol => "security protocol negotiation",
            Self::Tls => "TLS handshake",
            Self::Negotiation => "negotiation",
            Self::PublicKey => "public key exchange",
            Self::Credentials => "credential exchange",
            Self::EarlyAuthorization => "early user authorization",
        })
    }
}
