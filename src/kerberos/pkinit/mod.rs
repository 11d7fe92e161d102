//! Logon by certificate: PKINIT (RFC 4556, with RFC 8070 and RFC 8636; MS-PKCA).
//!
//! [`PkinitOptions`] says whom the client takes for a KDC, and how it signs. The key that signs is a
//! [`CertificateSigner`](crate::credentials::CertificateSigner).
//!
//! The client signs its request together with a public value for Diffie-Hellman; the KDC signs its own; what both agree on is
//! the key of the reply. Encryption to the client's key, PKINIT's other way, is not offered.
//!
//! ```
//! # use std::error::Error;
//! use std::sync::Arc;
//!
//! use credssp::credentials::{SoftwareSigner, TsPasswordCreds};
//! use credssp::kerberos::Kerberos;
//! use credssp::kerberos::pkinit::PkinitOptions;
//! use credssp::{AccountName, ClientConfig, Credentials, DelegationPolicy};
//! use rustls::pki_types::CertificateDer;
//! use rustls::pki_types::pem::PemObject;
//!
//! # fn configure(user: &[u8], key: &[u8], authority: &[u8]) -> Result<(ClientConfig, Credentials), Box<dyn Error>> {
//! let mut options = PkinitOptions::default();
//! options.anchors.push(CertificateDer::from_pem_slice(authority)?);
//! let mut kerberos = Kerberos::default();
//! kerberos.initiator.pkinit = Arc::new(options);
//! let policy = DelegationPolicy::default().allow_fresh("TERMSRV/*.example.com".parse()?);
//! let config = ClientConfig::with_mechanisms(policy, vec![Arc::new(kerberos)]);
//!
//! let signer = Arc::new(SoftwareSigner::from_pem(user, key)?);
//! let account = AccountName::new("", "alice@corp.example.com");
//! // What the server receives is another matter: here the account's password.
//! let delegated = TsPasswordCreds::new("CORP", "alice", "correct horse");
//! let credentials = Credentials::certificate(account, signer, delegated.into());
//! # Ok((config, credentials))
//! # }
//! ```

mod certificate;
mod client_certificate;
mod cms;
mod diffie_hellman;
mod encoding;
mod exchange;
mod kdc_certificate;
mod key_derivation;
mod message;
mod oid;
mod options;

#[cfg(test)]
mod tests;

pub use client_certificate::{KeyKind, chain_of, is_for_logons, key_kind, principal_name};
pub use diffie_hellman::DhGroup;
pub(super) use exchange::{Agreement, Request, offered_group};
pub use options::{KdcPurpose, PkinitOptions};
