//! The boundary between CredSSP and the GSS-API mechanisms below it.
//!
//! Mechanisms are trait objects: a handshake makes a handful of calls into them, a connection should not carry their
//! types, and a program that registers one should not link the others. Each state of a mechanism is a value that its
//! step consumes, so that a failed negotiation cannot be continued.

use std::fmt;

use bytes::BytesMut;
#[cfg(any(feature = "kerberos", feature = "ntlm"))]
use md5::{Digest, Md5};

use crate::account::{Account, AccountRequest, LogonInfo};
use crate::credentials::Credentials;
use crate::environment::Environment;
use crate::error::{Error, NtStatus, PeerMisbehaved};
use crate::kdc::{KdcReply, KdcRequest};
use crate::mechanism::{Mechanism, Oid};
use crate::name::{AccountName, ServicePrincipalName};

/// Makes initiators and acceptors of one mechanism.
pub trait MechanismProvider: fmt::Debug + Send + Sync {
    /// Which mechanism this is.
    fn mechanism(&self) -> Mechanism;

    /// The identifiers under which SPNEGO offers and accepts it, the preferred one first.
    fn oids(&self) -> &'static [Oid];

    /// Whether an exchange proves that the server is the one whose name the client asked for; of Kerberos only, unless
    /// it says otherwise. Delegation policy depends on it.
    fn proves_server(&self) -> bool {
        self.mechanism() == Mechanism::Kerberos
    }

    /// Starts as the client, or `None` where the credentials do not fit the mechanism.
    fn initiator(&self, request: InitiatorRequest<'_>) -> Option<Box<dyn Initiator>>;

    /// Starts as the server.
    fn acceptor(&self, request: AcceptorRequest<'_>) -> Box<dyn Acceptor>;
}

/// What an initiator is made for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct InitiatorRequest<'a> {
    /// The service.
    pub target: &'a ServicePrincipalName,
    /// Whom to log on.
    pub credentials: &'a Credentials,
    /// The channel to bind to, if any.
    pub channel_bindings: Option<&'a ChannelBindings>,
    /// Time and randomness.
    pub environment: &'a Environment,
}

impl<'a> InitiatorRequest<'a> {
    /// Without channel bindings, as CredSSP wants it: it binds by `pubKeyAuth`.
    pub fn new(
        target: &'a ServicePrincipalName,
        credentials: &'a Credentials,
        environment: &'a Environment,
    ) -> Self {
        Self {
            target,
            credentials,
            channel_bindings: None,
            environment,
        }
    }

    /// With channel bindings.
    #[must_use]
    pub fn with_channel_bindings(mut self, bindings: &'a ChannelBindings) -> Self {
        self.channel_bindings = Some(bindings);
        self
    }
}

/// What an acceptor is made for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AcceptorRequest<'a> {
    /// The channel to which the client has to be bound; `None` ignores what it says.
    pub channel_bindings: Option<&'a ChannelBindings>,
    /// Time and randomness.
    pub environment: &'a Environment,
}

impl<'a> AcceptorRequest<'a> {
    /// Without channel bindings, as CredSSP wants it: it binds by `pubKeyAuth`.
    pub fn new(environment: &'a Environment) -> Self {
        Self {
            channel_bindings: None,
            environment,
        }
    }

    /// With channel bindings, which the client must present.
    #[must_use]
    pub fn with_channel_bindings(mut self, bindings: &'a ChannelBindings) -> Self {
        self.channel_bindings = Some(bindings);
        self
    }
}

/// Channel bindings (RFC 2743, section 1.1.6) without addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelBindings(Box<[u8]>);

impl ChannelBindings {
    /// From application data, e.g. `tls-server-end-point:` and the certificate's hash (RFC 5929, section 4).
    pub fn from_application_data(data: &[u8]) -> Self {
        Self(data.into())
    }

    /// The application data.
    pub fn application_data(&self) -> &[u8] {
        &self.0
    }

    /// What messages hold of them: the MD5 of a gss_channel_bindings_struct without addresses (RFC 4121, section 4.1.1.2;
    /// MS-NLMP, section 2.2.2.1).
    #[cfg(any(feature = "kerberos", feature = "ntlm"))]
    pub(crate) fn hash(&self) -> [u8; 16] {
        let data = self.application_data();
        // Application data of 4 GiB and more does not exist; were there any, the two ends would disagree and fail.
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        Md5::new()
            .chain_update([0; 16])
            .chain_update(length.to_le_bytes())
            .chain_update(data)
            .finalize()
            .into()
    }
}

/// The client side of a mechanism, before its context is established.
pub trait Initiator: Send {
    /// Which mechanism this is.
    fn mechanism(&self) -> Mechanism;

    /// Advances. The first call has no token; later ones have the peer's.
    ///
    /// # Errors
    /// Where the token is malformed, out of place, or proves nothing.
    fn step(self: Box<Self>, token: Option<&[u8]>) -> Result<InitiatorStep, Error>;

    /// Why a mechanism that was preferred to this one could not even start, where that is so.
    fn fallback(&self) -> Option<&Error> {
        None
    }
}

/// An initiator that waits for a KDC.
pub trait AwaitsKdc: Send {
    /// Which mechanism this is.
    fn mechanism(&self) -> Mechanism;

    /// Advances with what the KDC has answered, or with the fact that none did.
    ///
    /// # Errors
    /// Where the KDC refuses, its answer does not hold, or the mechanism cannot do without it.
    fn step(self: Box<Self>, reply: KdcReply) -> Result<InitiatorStep, Error>;
}

/// What an initiator needs next.
#[non_exhaustive]
pub enum InitiatorStep {
    /// Send `token` and wait for the peer's.
    NeedsToken {
        /// Send this.
        token: Vec<u8>,
        /// The next state.
        next: Box<dyn Initiator>,
    },
    /// Ask a KDC.
    NeedsKdc {
        /// What to ask.
        request: KdcRequest,
        /// The next state.
        next: Box<dyn AwaitsKdc>,
    },
    /// Done, with a last token to send if any.
    Established {
        /// Send this.
        token: Option<Vec<u8>>,
        /// Protects messages from now on.
        context: Box<dyn SecurityContext>,
    },
}

/// The server side of a mechanism.
pub trait Acceptor: Send {
    /// Which mechanism this is.
    fn mechanism(&self) -> Mechanism;

    /// Advances with a token from the peer.
    ///
    /// # Errors
    /// Where the token is malformed, out of place, or proves nothing.
    fn step(self: Box<Self>, token: &[u8]) -> Result<AcceptorStep, Error>;
}

/// An acceptor that has to know an account before it can go on.
pub trait AwaitsAccount: Send {
    /// Advances with what is known of the account; `None` where there is none, which fails exactly as a wrong
    /// password does, in what the peer sees and in the work done.
    ///
    /// # Errors
    /// Where the client has not proved the account.
    fn step(self: Box<Self>, account: Option<Account>) -> Result<AcceptorStep, Error>;
}

/// What an acceptor needs next.
#[non_exhaustive]
pub enum AcceptorStep {
    /// Send `token` and wait for the peer's.
    NeedsToken {
        /// Send this.
        token: Vec<u8>,
        /// The next state.
        next: Box<dyn Acceptor>,
    },
    /// Look up an account.
    NeedsAccount {
        /// What is to be looked up.
        request: AccountRequest,
        /// The next state.
        next: Box<dyn AwaitsAccount>,
    },
    /// The client has proved an account.
    Established {
        /// The account.
        account: AccountName,
        /// Why the account may not log on all the same, as its look-up said.
        status: Option<NtStatus>,
        /// What the account's own authority says of it, where the mechanism carries that.
        logon_info: Option<Box<LogonInfo>>,
        /// Send this, if any.
        token: Option<Vec<u8>>,
        /// Protects messages from now on.
        context: Box<dyn SecurityContext>,
    },
    /// The client is refused, and the mechanism has a token that tells it why.
    Refused {
        /// Send this.
        token: Vec<u8>,
        /// Why.
        error: Error,
    },
}

/// An established context: protects messages, strictly in sequence in each direction.
pub trait SecurityContext: Send {
    /// Which mechanism this is.
    fn mechanism(&self) -> Mechanism;

    /// By how many octets [`Self::wrap_in_place()`] lengthens a message, at most.
    fn wrap_overhead(&self) -> usize;

    /// Encrypts and signs `message` in place: it holds the plaintext before, and the token after.
    ///
    /// Does not allocate where the message's capacity suffices for the overhead: a caller who seals a secret reserves
    /// it first, so that no copy of the plaintext stays behind.
    ///
    /// # Errors
    /// Where the sequence numbers are used up.
    fn wrap_in_place(&mut self, message: &mut BytesMut) -> Result<(), Error>;

    /// Verifies and decrypts `token` in place, and returns the part of it that is the plaintext.
    ///
    /// # Errors
    /// Where the token is malformed, does not verify, or is not the next in sequence. The contents of `token` are
    /// then unspecified and must not be used.
    fn unwrap_in_place<'a>(&mut self, token: &'a mut [u8]) -> Result<&'a mut [u8], Error>;

    /// Appends a signature over `message` to `out`.
    ///
    /// # Errors
    /// Where the sequence numbers are used up.
    fn get_mic(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error>;

    /// Verifies a signature over `message`.
    ///
    /// # Errors
    /// Where `mic` does not verify, or is not the next in sequence.
    fn verify_mic(&mut self, message: &[u8], mic: &[u8]) -> Result<(), Error>;

    /// As [`Self::get_mic()`], for SPNEGO's `mechListMIC`, after which some mechanisms rewind their state.
    ///
    /// # Errors
    /// As [`Self::get_mic()`].
    fn get_mech_list_mic(&mut self, mech_types: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.get_mic(mech_types, out)
    }

    /// As [`Self::verify_mic()`], for SPNEGO's `mechListMIC`.
    ///
    /// # Errors
    /// As [`Self::verify_mic()`].
    fn verify_mech_list_mic(&mut self, mech_types: &[u8], mic: &[u8]) -> Result<(), Error> {
        self.verify_mic(mech_types, mic)
    }

    /// Whether SPNEGO has to exchange `mechListMIC`s even where the preferred mechanism was taken at once
    /// (MS-SPNG, section 3.1.5.1, for NTLM with a MIC of its own).
    fn requires_mech_list_mic(&self) -> bool {
        false
    }

    /// Goes on without the peer's `mechListMIC`, which it has computed and numbered but not sent.
    ///
    /// # Errors
    /// Where the mechanism cannot.
    fn skip_mech_list_mic(&mut self) -> Result<(), Error> {
        Err(PeerMisbehaved::MissingMechListMic.into())
    }

    /// Takes the token that came beside the peer's first protected message, or after the last token was sent;
    /// `None` where there was none. Called before the context verifies the peer's message.
    ///
    /// # Errors
    /// Where the negotiation still needs a token, or where one came that must not.
    fn finish(&mut self, token: Option<&[u8]>) -> Result<(), Error> {
        match token {
            None => Ok(()),
            Some(_) => Err(PeerMisbehaved::UnexpectedNegoToken.into()),
        }
    }

    /// As [`Self::finish()`], where the peer's first protected message proves that both ends see the same channel, as
    /// CredSSP's `pubKeyAuth` does.
    ///
    /// Nobody between the two ends can then have changed what they negotiate, which is all that a `mechListMIC` says:
    /// the peer's may be missing. Some servers compute theirs, and leave out the token that holds it where the client
    /// has sent `pubKeyAuth` beside its own.
    ///
    /// # Errors
    /// As [`Self::finish()`].
    fn finish_bound(&mut self, token: Option<&[u8]>) -> Result<(), Error> {
        self.finish(token)
    }
}
