//! Kerberos 5 (RFC 4120) as a GSS-API mechanism (RFC 4121): its encryption types, its messages, a client's logon at a KDC,
//! and the protection of messages in a context.

pub mod acceptor;
pub mod asn1;
mod big_endian;
pub mod ccache;
pub mod crypto;
mod domain_realm;
pub mod initiator;
pub mod keytab;
pub mod krb5_conf;
pub mod pac;
mod per_message;
mod provider;

#[cfg(test)]
mod tests;

pub use domain_realm::DomainRealms;
pub use per_message::{ContextParameters, End, KerberosContext, Unwrapped};
pub use provider::Kerberos;
