//! The CredSSP server, without I/O.
//!
//! Give a [`Server`] the key of its own TLS certificate, [`start()`](Server::start) it, and follow what each
//! [`Handshake`] asks for: read from the client, or look an account up, for as long as that takes. The rule of the
//! house: *send what `out` holds, then read, after an error too*: it may hold what the client is told of the error.

use std::fmt;
use std::sync::Arc;

use crate::defaults;
use crate::environment::Environment;
use crate::error::HandshakeError;
use crate::gss::MechanismProvider;
use crate::mechanism::Negotiation;
use crate::policy::EncryptionOracleRemediation;
use crate::ts_request::{MAX_MESSAGE_LEN, ServerPublicKey};

mod handshake;

pub use handshake::{Complete, Handshake, NeedsAccount, NeedsInput};

/// Configuration shared by the connections of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Mechanisms to accept; among those, SPNEGO follows the client's order.
    pub mechanisms: Vec<Arc<dyn MechanismProvider>>,
    /// Whether to accept SPNEGO beside bare tokens.
    pub negotiation: Negotiation,
    /// The version to claim, 2 to 6; by default 6.
    pub own_version: u32,
    /// The lowest version to accept from the client; by default 5. Lower ones are open to CVE-2018-0886.
    pub min_version: u32,
    /// The longest `TSRequest` to accept, in octets; by default 65 536.
    pub max_message_len: usize,
    /// Time and randomness.
    pub environment: Environment,
}

impl ServerConfig {
    /// The defaults, with only `mechanisms`; the linker drops the others.
    pub fn with_mechanisms(mechanisms: Vec<Arc<dyn MechanismProvider>>) -> Self {
        Self {
            mechanisms,
            negotiation: Negotiation::default(),
            own_version: defaults::OWN_VERSION,
            min_version: defaults::MIN_VERSION,
            max_message_len: MAX_MESSAGE_LEN,
            environment: Environment::default(),
        }
    }

    /// With the lowest version that this setting of Windows permits to servers, as [`Self::min_version`].
    #[must_use]
    pub fn with_encryption_oracle(mut self, setting: EncryptionOracleRemediation) -> Self {
        self.min_version = setting.server_min_version();
        self
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self::with_mechanisms(defaults::mechanisms())
    }
}

/// A server that is about to authenticate one client over one TLS channel.
pub struct Server {
    config: Arc<ServerConfig>,
    own_key: ServerPublicKey,
}

impl Server {
    /// Authenticates the client at the other end of a TLS channel in which we have presented a certificate with
    /// `own_key`.
    pub fn new(config: impl Into<Arc<ServerConfig>>, own_key: ServerPublicKey) -> Self {
        Self {
            config: config.into(),
            own_key,
        }
    }

    /// Starts. A server reads first.
    ///
    /// # Errors
    /// Where the configuration is unfit.
    pub fn start(self) -> Result<NeedsInput, HandshakeError> {
        NeedsInput::new(self)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}
