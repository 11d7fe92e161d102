use std::fmt;

use super::Thumbprint;

/// What a TLS certificate says of the server: how it proves it, or why it does not.
pub type CertificateVerdict = Result<CertificateProof, CertificateProblem>;

/// How a certificate proves the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateProof {
    /// It chains to a trusted root, is valid now, is meant for servers, and names the host.
    Chain,
    /// It is the one that is pinned by its SHA-256 thumbprint.
    Sha256Pin,
    /// It is the one that is pinned by its SHA-1 thumbprint.
    Sha1Pin,
}

impl fmt::Display for CertificateProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "a chain to a trusted root",
            Self::Sha256Pin => "its pinned SHA-256 thumbprint",
            Self::Sha1Pin => "its pinned SHA-1 thumbprint",
        })
    }
}

/// Why a certificate does not prove the server, which an administrator has to mend, on the server or in what the client trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateProblem {
    /// What stands against its chain.
    pub chain: ChainProblem,
    /// How many pins there are, none of which is this certificate's.
    pub pins: usize,
    /// The thumbprint by SHA-256 of the certificate that the server presents, to compare or to pin; none before TLS.
    pub presented: Option<Thumbprint>,
}

impl CertificateProblem {
    /// From parts.
    pub fn new(chain: ChainProblem, pins: usize, presented: Option<Thumbprint>) -> Self {
        Self {
            chain,
            pins,
            presented,
        }
    }

    /// No certificate could prove anything, for none is trusted.
    pub fn nothing_trusted() -> Self {
        Self::new(ChainProblem::NoRoots, 0, None)
    }
}

impl fmt::Display for CertificateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.chain, self.pins) {
            (ChainProblem::NoRoots, 0) => {
                f.write_str("there are neither trusted roots nor pins to judge it by: give some")?;
            }
            (ChainProblem::NoRoots, _) => {
                f.write_str("it is not the one that is pinned, and there are no trusted roots: pin the new one if it was changed")?;
            }
            (chain, 0) => write!(f, "{chain}")?,
            (chain, _) => write!(f, "it is not the one that is pinned, and {chain}")?,
        }
        match &self.presented {
            Some(presented) => write!(f, " ({} thumbprint {presented})", presented.algorithm()),
            None => Ok(()),
        }
    }
}

/// What stands against a certificate's chain to the trusted roots: what was found first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainProblem {
    /// There are no roots.
    NoRoots,
    /// It is issued by itself, and no root.
    SelfSigned,
    /// It leads to no trusted root.
    UnknownIssuer,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It names other hosts.
    OtherName {
        /// The host that was wanted.
        host: Box<str>,
        /// What it names, as far as it is told here.
        names: Vec<Box<str>>,
    },
    /// Its extended key usage lacks servers.
    NotForServers,
    /// Anything else, in the TLS library's words.
    Other(Box<str>),
}

impl fmt::Display for ChainProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoots => f.write_str("there are no trusted roots to judge it by: give some"),
            Self::SelfSigned => f.write_str(
                "it is self-signed: pin it, or give the server one of an authority that is trusted here",
            ),
            Self::UnknownIssuer => f.write_str(
                "it leads to no root that is trusted here: trust its authority's root, and see that the server sends the \
                 certificates in between",
            ),
            Self::Expired => f.write_str("it has expired: renew it, or set this client's clock"),
            Self::NotYetValid => {
                f.write_str("it is not valid yet: set this client's clock, or wait")
            }
            Self::OtherName { host, names } if names.is_empty() => write!(
                f,
                "it names no host in its subjectAltName: give the server one that names {host}"
            ),
            Self::OtherName { host, names } => write!(
                f,
                "it names {}, and not {host}: connect by a name that it has, or give the server one that names {host}",
                names.join(", ")
            ),
            Self::NotForServers => f.write_str(
                "it is not meant for servers: give the server one whose extended key usage has serverAuth",
            ),
            Self::Other(text) => write!(
                f,
                "its chain does not verify ({text}): give the server another one"
            ),
        }
    }
}
