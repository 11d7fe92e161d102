//! Kerberos 5 (RFC 4120) as a GSS-API mechanism (RFC 4121): its encryption types, its own messages, and how it protects those of others.

pub mod asn1;
pub mod crypto;
mod per_message;

#[cfg(test)]
mod tests;

pub use per_message::{ContextParameters, End, KerberosContext, Unwrapped};
