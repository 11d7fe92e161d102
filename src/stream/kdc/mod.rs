//! Ways to KDCs (RFC 4120, section 7.2): TCP, UDP and, with the feature `kdc-proxy`, proxies over HTTPS (MS-KKDCP); blocking
//! and, with the feature `tokio`, asynchronous.
//!
//! A [`KdcClient`] is told where the KDCs are, or whom to ask: with the feature `dns`, the `DnsLocator` asks DNS. A
//! [`Connector`](crate::tls::Connector) takes it for its handshakes.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use credssp::stream::kdc::KdcClient;
//! use credssp::tls::Connector;
//! use credssp::{ClientConfig, DelegationPolicy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = DelegationPolicy::default().allow_fresh("TERMSRV/*.corp.example.com".parse()?);
//! let kdcs = ["dc1.corp.example.com".parse()?, "dc2.corp.example.com".parse()?];
//! let connector =
//!     Connector::new(ClientConfig::new(policy))?.with_kdc(Arc::new(KdcClient::default().with_realm("CORP.EXAMPLE.COM", kdcs)));
//! # drop(connector);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing of a reply is trusted but that it came: TCP, UDP and DNS authenticate nobody, and Kerberos protects its messages itself.

mod blocking;
mod client;
#[cfg(feature = "dns")]
mod dns;
mod framing;
mod logon;
#[cfg(feature = "kdc-proxy")]
mod proxy;
mod search;
#[cfg(feature = "tokio")]
mod tokio;

pub use client::KdcClient;
#[cfg(feature = "dns")]
pub use dns::DnsLocator;
pub use logon::log_on;
#[cfg(feature = "tokio")]
pub use logon::log_on_async;
