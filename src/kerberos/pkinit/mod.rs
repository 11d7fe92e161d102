//! Logon by certificate: PKINIT (RFC 4556, with RFC 8070 and RFC 8636; MS-PKCA).
//!
//! [`PkinitOptions`] says whom the client takes for a KDC, and how it signs. The key that signs is a
//! [`CertificateSigner`](crate::credentials::CertificateSigner).
//!
//! The client signs its request together with a public value for Diffie-Hellman; the KDC signs its own; what both agree on is
//! the key of the reply. Encryption to the client's key, PKINIT's other way, is not offered.

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
