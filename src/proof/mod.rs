//! How the server has proved who it is.

use std::fmt;

mod certificate;
mod thumbprint;

pub use certificate::{CertificateProblem, CertificateProof, CertificateVerdict, ChainProblem};
pub use thumbprint::{InvalidThumbprint, Thumbprint};

/// What proves the server to the client before credentials are sent.
///
/// Delegation policy depends on it: without a proof only the policies `…WhenNTLMOnly` apply. NTLM shows that the
/// server (or somebody behind it) knows the account, which says nothing about the server's own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerProof {
    /// Mutual authentication by Kerberos for the target's service principal name.
    Kerberos,
    /// The TLS certificate is pinned, or chains to a trusted root and names the host: [`CertificateProof`] says which.
    Certificate,
    /// Nothing but NTLM.
    None,
}

impl fmt::Display for ServerProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kerberos => "Kerberos",
            Self::Certificate => "the TLS certificate",
            Self::None => "nothing but NTLM",
        })
    }
}
