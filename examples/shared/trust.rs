//! Which certificates prove a server, as the command lines of the example programs say.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::Args;
use credssp::proof::Thumbprint;
use credssp::tls::Trust;

#[derive(Args)]
pub(crate) struct TrustOptions {
    /// Certificates, in PEM, of authorities that prove a server whose certificate names its host
    #[arg(long, value_name = "PEM")]
    trust_roots: Vec<PathBuf>,
    /// Trust the authorities that this computer trusts, too
    #[cfg(feature = "native-roots")]
    #[arg(long)]
    native_roots: bool,
    /// The thumbprint of a certificate that proves the server: 64 hexadecimal digits of SHA-256, or 40 of SHA-1 as WinRM's
    /// CertificateThumbprint has them; colons and spaces allowed
    #[arg(long, value_name = "THUMBPRINT")]
    pin: Vec<Thumbprint>,
}

impl TrustOptions {
    pub(crate) fn read(&self) -> Result<Trust, Box<dyn Error>> {
        let mut trust = Trust::default();
        trust.pins.clone_from(&self.pin);
        for path in &self.trust_roots {
            let pem = fs::read(path);
            let pem = pem.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            trust.add_pem_roots(&pem)?;
        }
        #[cfg(feature = "native-roots")]
        if self.native_roots {
            for problem in trust.add_native_roots()?.problems {
                eprintln!(
                    "a root of this computer's cannot be read, and is not trusted: {problem}"
                );
            }
        }
        Ok(trust)
    }
}
