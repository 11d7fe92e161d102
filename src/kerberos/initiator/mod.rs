//! The client, without I/O.
//!
//! [`AsExchange`] and [`TgsExchange`] get tickets: each state says which KDC to ask, and takes its answer. [`KerberosInitiator`]
//! is the mechanism, which goes through them as far as it needs to, and on to a context with the server.

mod ap_exchange;
mod as_exchange;
mod as_reply;
#[cfg(feature = "pkinit")]
mod certificate;
mod client;
mod clock;
mod mechanism;
mod options;
mod refusal;
mod reply;
mod tgs_exchange;
mod tgs_reply;

pub use as_exchange::{AsExchange, AsStep};
pub use client::{ClientName, ClientSecret};
pub use mechanism::KerberosInitiator;
pub use options::InitiatorOptions;
pub use tgs_exchange::{TgsExchange, TgsRequest, TgsStep};

use super::asn1::{Encoded, Flags, KerberosString, KerberosTime, PrincipalName, Ticket};
use super::crypto::EncryptionKey;

/// A ticket that a KDC issued to us, with its session key.
#[derive(Debug)]
#[non_exhaustive]
pub struct IssuedTicket {
    /// The ticket, as it came.
    pub ticket: Encoded<Ticket>,
    /// The key that it holds for the service.
    pub session_key: EncryptionKey,
    /// Its flags.
    pub flags: Flags,
    /// The client's realm, as the KDC spells it.
    pub crealm: KerberosString,
    /// The client, as the KDC spells it.
    pub cname: PrincipalName,
    /// When the client authenticated.
    pub authtime: KerberosTime,
    /// When it begins to be valid, where that is not `authtime`.
    pub starttime: Option<KerberosTime>,
    /// When it ceases to be valid.
    pub endtime: KerberosTime,
    /// Until when it can be renewed.
    pub renew_till: Option<KerberosTime>,
    /// What to add to our clock to have the KDC's, in seconds. The KDC has proved it.
    pub clock_offset: i64,
}
