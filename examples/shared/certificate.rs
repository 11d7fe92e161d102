//! The certificate that a server shows.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use credssp::tls::Identity;
use rustls::pki_types::PrivateKeyDer;

#[derive(Args)]
pub(crate) struct CertificateOptions {
    /// The certificate, then those above it, in PEM [default: self-signed, made in memory]
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl CertificateOptions {
    /// What they name, or else something for this computer's own names.
    pub(crate) fn identity(&self) -> Result<Identity, Box<dyn Error>> {
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Ok(Identity::from_pem(&read(cert)?, &read(key)?)?),
            _ => self_signed(&["localhost", "127.0.0.1", "::1"]),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// A self-signed P-256 certificate for `names`, and its key, made in memory.
fn self_signed(names: &[&str]) -> Result<Identity, Box<dyn Error>> {
    let names = names.iter().copied().map(String::from).collect::<Vec<_>>();
    let made = rcgen::generate_simple_self_signed(names)?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    Ok(Identity::new(vec![made.cert.der().clone()], key)?)
}
