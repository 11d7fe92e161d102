//! The CredSSP client, without I/O.
//!
//! Give a [`Client`] the key of the server at the other end of a TLS channel, [`start()`](Client::start) it, and
//! follow what each [`Handshake`] asks for. The rule of the house: *send what `out` holds, then read, after an error
//! too*. Everything in `out` goes into the TLS channel in one write: some servers expect a message to begin in one
//! TLS record and to end there.
//!
//! ```
//! use std::io::{Read, Write};
//!
//! use bytes::BytesMut;
//! use credssp::client::{Client, ClientConfig, Complete, Handshake};
//! use credssp::kdc::KdcTransport;
//!
//! /// Delegates credentials over `channel`, a TLS channel that has been set up by any TLS library.
//! fn delegate(
//!     client: Client,
//!     channel: &mut (impl Read + Write),
//!     kdc: &dyn KdcTransport,
//! ) -> Result<Complete, Box<dyn std::error::Error>> {
//!     let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
//!     let mut handshake = client.start(&mut out)?;
//!     loop {
//!         channel.write_all(&out.split())?;
//!         match handshake {
//!             Handshake::NeedsInput(state) => {
//!                 let mut chunk = [0; 4096];
//!                 let length = channel.read(&mut chunk)?;
//!                 if length == 0 {
//!                     return Err("the server closed the connection".into());
//!                 }
//!                 input.extend_from_slice(&chunk[..length]);
//!                 handshake = state.process(&mut input, &mut out)?;
//!             }
//!             // What `input` still holds belongs to the application.
//!             Handshake::Complete(complete) => return Ok(complete),
//!             Handshake::NeedsKdc(state) => {
//!                 // With Kerberos: a transport to its KDCs, such as those in `credssp::stream::kdc`.
//!                 let reply = kdc.ask(state.request(), None);
//!                 handshake = state.continue_with(reply, &mut out)?;
//!             }
//!             _ => unreachable!("there is nothing else"),
//!         }
//!     }
//! }
//! ```

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;

use crate::credentials::Credentials;
use crate::defaults::{self, Versions};
use crate::environment::Environment;
use crate::error::{DelegationDenied, HandshakeError};
use crate::gss::MechanismProvider;
use crate::mechanism::{Mechanism, Negotiation};
use crate::name::ServicePrincipalName;
use crate::policy::{DelegationPolicy, EncryptionOracleRemediation};
use crate::proof::{CertificateVerdict, ServerProof};
use crate::ts_request::{MAX_MESSAGE_LEN, ServerPublicKey};

mod handshake;
mod negotiation;

pub use handshake::{Complete, Handshake, NeedsInput, NeedsKdc};

/// Configuration shared by the connections of a client.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use credssp::{ClientConfig, DelegationPolicy};
///
/// let mut config = ClientConfig::new(DelegationPolicy::default().allow_fresh("TERMSRV/*.example.com".parse()?));
/// config.min_version = 6;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Mechanisms, in order of preference.
    pub mechanisms: Vec<Arc<dyn MechanismProvider>>,
    /// How the mechanisms' tokens travel. [`Negotiation::Bare`] uses the first mechanism that fits.
    pub negotiation: Negotiation,
    /// Which targets may receive credentials.
    pub policy: DelegationPolicy,
    /// The version to claim, 2 to 6; by default 6.
    pub own_version: u32,
    /// The lowest version to accept from the server; by default 5. Lower ones are open to CVE-2018-0886.
    pub min_version: u32,
    /// The longest `TSRequest` to accept, in octets; by default 65 536.
    pub max_message_len: usize,
    /// Time and randomness.
    pub environment: Environment,
}

impl ClientConfig {
    /// The defaults, with `policy`.
    pub fn new(policy: DelegationPolicy) -> Self {
        Self::with_mechanisms(policy, defaults::mechanisms())
    }

    /// The defaults, with `policy` and only `mechanisms`; the linker drops the others.
    pub fn with_mechanisms(
        policy: DelegationPolicy,
        mechanisms: Vec<Arc<dyn MechanismProvider>>,
    ) -> Self {
        Self {
            mechanisms,
            negotiation: Negotiation::default(),
            policy,
            own_version: defaults::OWN_VERSION,
            min_version: defaults::MIN_VERSION,
            max_message_len: MAX_MESSAGE_LEN,
            environment: Environment::default(),
        }
    }

    /// With the lowest version that this setting of Windows permits to clients, as [`Self::min_version`].
    #[must_use]
    pub fn with_encryption_oracle(mut self, setting: EncryptionOracleRemediation) -> Self {
        self.min_version = setting.client_min_version();
        self
    }

    /// Whether policy lets `credentials` go to `target` by any of the mechanisms, where `tls` are the proofs that TLS may
    /// still give.
    pub(crate) fn check_policy(
        &self,
        target: &ServicePrincipalName,
        credentials: &Credentials,
        tls: &[ServerProof],
    ) -> Result<(), DelegationDenied> {
        self.check_delegated(target, credentials)?;
        let possible: Vec<_> = self
            .mechanisms
            .iter()
            .flat_map(|provider| {
                tls.iter()
                    .map(|tls| self.proof_by(provider.mechanism(), *tls))
            })
            .collect();
        if possible.is_empty() {
            // Nothing can come of it anyhow, for another reason.
            return Ok(());
        }
        self.policy
            .check_possible(target, credentials.class(), &possible)
    }

    /// Whether policy lets anybody have what `credentials` delegate.
    fn check_delegated(
        &self,
        target: &ServicePrincipalName,
        credentials: &Credentials,
    ) -> Result<(), DelegationDenied> {
        let delegated = credentials.delegated().delegated_kind();
        self.policy
            .check_delegated(target, credentials.class(), delegated)
    }

    /// What will have proved the server once `mechanism` is through, where TLS has given `tls`.
    fn proof_by(&self, mechanism: Mechanism, tls: ServerProof) -> ServerProof {
        // Of several for one mechanism, a context does not say whose it is.
        let proves = self
            .mechanisms
            .iter()
            .filter(|provider| provider.mechanism() == mechanism)
            .map(|provider| provider.proves_server())
            .reduce(|one, other| one && other);
        match mechanism {
            Mechanism::Kerberos if proves == Some(true) => ServerProof::Kerberos,
            Mechanism::Kerberos | Mechanism::Ntlm => tls,
        }
    }
}

/// A client that is about to authenticate to one server over one TLS channel.
pub struct Client {
    config: Arc<ClientConfig>,
    target: ServicePrincipalName,
    credentials: Credentials,
    server_key: ServerPublicKey,
    proof: ServerProof,
    certificate: Option<CertificateVerdict>,
}

impl Client {
    /// Authenticates to `target` with `credentials`; `server_key` is the key in the certificate with which the server
    /// at the other end of the TLS channel has proved itself.
    pub fn new(
        config: impl Into<Arc<ClientConfig>>,
        target: ServicePrincipalName,
        credentials: Credentials,
        server_key: ServerPublicKey,
    ) -> Self {
        Self {
            config: config.into(),
            target,
            credentials,
            server_key,
            proof: ServerProof::None,
            certificate: None,
        }
    }

    /// Says how far TLS has proved the server: [`ServerProof::Certificate`] only where the certificate is pinned, or
    /// chains to a trusted root and names the target's host. Without this call, it has proved nothing.
    ///
    /// [`ServerProof::Kerberos`] is nothing that TLS can give: it comes from the mechanism, and counts as
    /// [`ServerProof::None`] here.
    #[must_use]
    pub fn with_proof(mut self, proof: ServerProof) -> Self {
        self.proof = match proof {
            ServerProof::Certificate => ServerProof::Certificate,
            ServerProof::Kerberos | ServerProof::None => ServerProof::None,
        };
        self
    }

    /// As [`Self::with_proof()`], with how the certificate proves the server or why it does not, which then stands in the outcome and
    /// in a refusal by policy.
    #[must_use]
    pub fn with_certificate(mut self, verdict: CertificateVerdict) -> Self {
        let proof = match verdict {
            Ok(_) => ServerProof::Certificate,
            Err(_) => ServerProof::None,
        };
        self.certificate = Some(verdict);
        self.with_proof(proof)
    }

    /// Starts. The first message is appended to `out`.
    ///
    /// # Errors
    /// Where the configuration is unfit, or policy forbids delegating to the target whatever the server proves.
    pub fn start(self, out: &mut BytesMut) -> Result<Handshake, HandshakeError> {
        handshake::start(self, out)
    }

    fn versions(&self) -> Result<Versions, crate::Error> {
        Ok(Versions::new(
            self.config.own_version,
            self.config.min_version,
        )?)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("target", &self.target)
            .field("account", self.credentials.account())
            .field("proof", &self.proof)
            .finish_non_exhaustive()
    }
}
