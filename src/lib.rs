//! CredSSP, the Credential Security Support Provider protocol (MS-CSSP), for clients and servers.
//!
//! A client proves itself to a server inside TLS, binds that proof to the server's key, and hands its user's credential
//! over: the whole of it, for the server to use as it likes. Which servers may receive it is up to a
//! [`DelegationPolicy`], which permits none until told so.
//!
//! Three ways in, from the top down:
//! - [`tls::Connector`] and [`tls::Acceptor`] do everything over a connection, blocking ([`stream::blocking`]) or, with the
//!   feature `tokio`, asynchronous (`stream::tokio`).
//! - [`stream::blocking::authenticate()`] and [`stream::blocking::accept()`], and their twins for tokio, run over a TLS
//!   stream of any other library.
//! - [`Client`] and [`Server`] are the engine, without I/O: they take plaintext, and say what to do next.
//!
//! Around the engine: [`credentials`] and [`account`] are what a client and a server know of a user, [`policy`] and
//! [`proof`] decide who receives credentials, [`error`] says what went wrong, whose fault it is and what to do.
//! Below it: [`ts_request`] is the one message of the protocol; [`spnego`], `kerberos` and `ntlm` are mechanisms behind
//! the traits of [`gss`], among which a mechanism of one's own can stand. Beside it: [`rdp`] is what Remote Desktop
//! says before TLS and behind CredSSP, [`winrm`] is CredSSP in HTTP's headers and its sealed bodies, both without I/O.
//!
//! # Rules
//! - *Send what the output holds, then read, after an error too*: it may hold what the peer is told of the error.
//! - Whatever a peer sends leads to an [`Error`] at worst: never to a panic, nor to memory or time without bound.
//! - Nothing from a peer and nothing secret is in a `Debug` or a log but names, numbers and lengths. Secrets are
//!   [`Secret`]s, erased after use.
//!
//! # Features
//! - `kerberos` (default): the module `kerberos`, Kerberos 5, with its KDCs in `stream::kdc` and its files in `stream::files`. A
//!   configuration has to name it: it needs KDCs, or keys.
//! - `ntlm` (default): the module `ntlm`, NTLM version 2; the mechanism of a configuration that names none.
//! - `kdc-proxy`: KDCs behind a proxy over HTTPS. `dns`: KDCs found in DNS.
//! - `rc4-hmac`: an encryption type of Kerberos that is broken.
//! - `tokio`: the module `stream::tokio`.
//! - `self-signed`: `tls::Identity::self_signed()` and `self_signed_rsa()`.
//! - `serde`: `policy` from and to TOML.
//! - `sspi`: the module `sspi`, contexts of the `sspi` crate as mechanisms; needs Rust 1.93.

#![forbid(unsafe_code)]

pub mod account;
pub mod client;
mod codec;
pub mod credentials;
mod defaults;
pub mod environment;
pub mod error;
mod group_policy;
pub mod gss;
pub mod kdc;
#[cfg(feature = "kerberos")]
pub mod kerberos;
pub mod mechanism;
pub mod name;
#[cfg(feature = "ntlm")]
pub mod ntlm;
pub mod policy;
pub mod proof;
pub mod rdp;
pub mod secret;
pub mod server;
pub mod spnego;
#[cfg(feature = "sspi")]
pub mod sspi;
pub mod stream;
pub mod tls;
pub mod ts_request;
pub mod winrm;

pub use account::Account;
pub use client::{Client, ClientConfig};
pub use credentials::Credentials;
pub use error::Error;
pub use name::{AccountName, ServicePrincipalName};
pub use policy::DelegationPolicy;
pub use secret::Secret;
pub use server::{Server, ServerConfig};

/// The README's examples, tested.
#[cfg(all(doctest, feature = "kerberos", feature = "ntlm", feature = "tokio"))]
#[doc = include_str!("../README.md")]
mod readme {}
