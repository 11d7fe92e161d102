//! The TLS channel below CredSSP, by rustls: what a client trusts, what a server presents, and the key that both ends
//! bind to.
//!
//! TLS 1.2 and 1.3, no resumption, no client certificates. A certificate that chains to no trusted root is no failure
//! by itself, for most Remote Desktop and WinRM servers present a self-signed one: it proves nothing, so that only the
//! policies `…WhenNTLMOnly` apply. Its key is bound all the same, and the handshake's signature is always verified:
//! whoever presents a certificate has to hold its key.
//!
//! rustls speaks neither TLS 1.1 nor CBC cipher suites, and verifies no RSA key below 2048 bits: Windows Server 2012 R2
//! and older are mostly out of its reach.

mod acceptor;
mod connector;
mod identity;
mod public_key;
#[cfg(feature = "self-signed")]
mod self_signed;
mod trust;
mod verifier;

use std::time::Duration;

use rustls::SupportedProtocolVersion;

pub use acceptor::Acceptor;
pub use connector::Connector;
pub use identity::Identity;
pub use public_key::server_public_key;
/// The TLS library, whose types stand in this module's interface and in that of the drivers.
pub use rustls;
#[cfg(feature = "native-roots")]
pub use trust::NativeRoots;
pub use trust::Trust;

/// How long a handshake may take, unless told otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The versions of TLS to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsVersions {
    /// TLS 1.2 and 1.3.
    #[default]
    All,
    /// TLS 1.2 only.
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

impl TlsVersions {
    fn supported(self) -> &'static [&'static SupportedProtocolVersion] {
        static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
        static TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
        match self {
            Self::All => rustls::ALL_VERSIONS,
            Self::Tls12 => TLS12,
            Self::Tls13 => TLS13,
        }
    }
}
