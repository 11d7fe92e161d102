//! A certificate for a server that has none.

use std::error::Error;

use credssp::tls::Identity;
use rustls::pki_types::PrivateKeyDer;

/// A self-signed P-256 certificate for `names`, and its key, made in memory.
pub(crate) fn self_signed(names: &[&str]) -> Result<Identity, Box<dyn Error>> {
    let names = names.iter().copied().map(String::from).collect::<Vec<_>>();
    let made = rcgen::generate_simple_self_signed(names)?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    Ok(Identity::new(vec![made.cert.der().clone()], key)?)
}
