/// A breach of the protocol by the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// `TSRequest.version` changed between two messages (MS-CSSP, section 3.1.5).
    #[error("its version changed from {from} to {to} during the exchange")]
    ChangedVersion {
        /// The version of its first message.
        from: u32,
        /// The version of the message at hand.
        to: u32,
    },
    /// `clientNonce` changed between two messages.
    #[error("its clientNonce changed during the exchange")]
    ChangedClientNonce,
    /// `authInfo` came before `pubKeyAuth` had verified, or beside another field.
    #[error("authInfo came before pubKeyAuth was exchanged")]
    EarlyAuthInfo,
    /// `pubKeyAuth` came before the mechanism had finished.
    #[error("pubKeyAuth came before authentication had finished")]
    EarlyPubKeyAuth,
    /// Version 5 or later needs `clientNonce` beside `pubKeyAuth` (MS-CSSP, section 3.1.5).
    #[error("clientNonce is missing, which version 5 and later need beside pubKeyAuth")]
    MissingClientNonce,
    /// `authInfo` was due.
    #[error("authInfo is missing")]
    MissingAuthInfo,
    /// `negoTokens` was due.
    #[error("negoTokens is missing")]
    MissingNegoToken,
    /// `pubKeyAuth` was due.
    #[error("pubKeyAuth is missing")]
    MissingPubKeyAuth,
    /// The initiator or acceptor owes a `mechListMIC` (RFC 4178, section 5).
    #[error("its mechListMIC is missing")]
    MissingMechListMic,
    /// A client sent an `errorCode`, which only a server has.
    #[error("a client sent an errorCode")]
    ErrorCodeFromClient,
    /// A mechanism was selected that was not offered.
    #[error("it selected a mechanism that was not offered")]
    SelectedUnofferedMechanism,
    /// A security protocol of Remote Desktop was selected that was not requested (MS-RDPBCGR, section 2.2.1.2.1).
    #[error("it selected a security protocol that was not requested")]
    SelectedUnrequestedProtocol,
    /// The negotiation takes more rounds than any real one.
    #[error("the negotiation takes too many rounds")]
    TooManyRounds,
    /// A second `pubKeyAuth`.
    #[error("pubKeyAuth came a second time")]
    UnexpectedPubKeyAuth,
    /// A token came after the mechanism had finished.
    #[error("a token came after authentication had finished")]
    UnexpectedNegoToken,
    /// A token of another type than the one that is due.
    #[error("a token of another type than the one that is due")]
    UnexpectedTokenType,
    /// A message that is signed only, where it should be encrypted too.
    #[error("it sent a message that is signed only, where it has to be encrypted too")]
    UnsealedMessage,
    /// `pubKeyAuth` came back as it was sent.
    #[error("pubKeyAuth came back as it was sent")]
    ReflectedPubKeyAuth,
}

/// No common ground with the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerIncompatible {
    /// No mechanism in common.
    #[error("no mechanism in common: compare both ends' lists (NTLM, Kerberos)")]
    NoCommonMechanism,
    /// The peer refused every mechanism that we offered.
    #[error("it refused every mechanism that we offered")]
    MechanismsRejected,
    /// The peer's version is below our minimum.
    #[error(
        "it speaks CredSSP version {peer}, and at least {minimum} is wanted: versions below 5 are open to \
         CVE-2018-0886; update the peer, or lower min_version by name"
    )]
    VersionTooOld {
        /// The peer's version.
        peer: u32,
        /// Our minimum.
        minimum: u32,
    },
    /// NTLM without a feature that we insist on.
    #[error("it does not offer {0} in NTLM, without which this crate does not use it")]
    WeakNtlm(&'static str),
    /// NTLM version 1 or LM responses.
    #[error(
        "it answered with NTLMv1 or LM, which are refused: set LmCompatibilityLevel to 3 or higher there"
    )]
    NtlmV1,
    /// An anonymous logon.
    #[error("it logs on as anonymous, who has no credentials to delegate")]
    Anonymous,
    /// The other end of a connection of Remote Desktop does without CredSSP.
    #[error("it does not use CredSSP here: switch Network Level Authentication on there")]
    NoCredSsp,
    /// The server lacks RESTRICTED_ADMIN_MODE_SUPPORTED (MS-RDPBCGR, section 2.2.1.2.1).
    #[error(
        "it does not support Restricted Admin mode, and would have to be given the password instead: allow the mode there"
    )]
    NoRestrictedAdmin,
    /// The server lacks REDIRECTED_AUTHENTICATION_MODE_SUPPORTED (MS-RDPBCGR, section 2.2.1.2.1).
    #[error(
        "it does not support Remote Credential Guard, and would have to be given the credentials instead: allow it there"
    )]
    NoRedirectedAuthentication,
}
