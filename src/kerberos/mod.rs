//! Kerberos 5 (RFC 4120) as a GSS-API mechanism (RFC 4121), without I/O.
//!
//! [`Kerberos`] is the mechanism: a configuration of a client gives it [`InitiatorOptions`](initiator::InitiatorOptions), one of a
//! server [`ServiceCredentials`](acceptor::ServiceCredentials). What it has to ask of KDCs comes back as a state,
//! [`client::Handshake::NeedsKdc`](crate::client::Handshake::NeedsKdc); the transports in [`stream::kdc`](crate::stream::kdc) answer it.
//!
//! Below it: [`initiator`] has the exchanges with KDCs, [`acceptor`] what a server checks, [`pac`] what a ticket says of an account;
//! [`keytab`], [`ccache`] and [`krb5_conf`] are files' formats, which [`stream::files`](crate::stream::files) reads and writes;
//! [`KerberosContext`] protects messages, [`crypto`] and [`asn1`] are the ground.

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
#[cfg(feature = "pkinit")]
pub mod pkinit;
mod provider;

#[cfg(test)]
mod tests;

pub use domain_realm::DomainRealms;
pub use per_message::{ContextParameters, End, KerberosContext, Unwrapped};
pub use provider::Kerberos;
