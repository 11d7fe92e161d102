//! Input and output: CredSSP over TLS over a connection, [`blocking`] or, with the feature `tokio`, asynchronous; and, with the
//! feature `kerberos`, the ways to KDCs (`kdc`) and the files of Kerberos (`files`), with the feature `pkcs11` smart cards (`pkcs11`).
//!
//! A driver reads from the TLS stream no more than CredSSP's messages. What the peer has sent behind them, however it
//! was cut into packets, is the first thing that the application reads from the stream it is handed.

pub mod blocking;
mod error;
mod exchange;
#[cfg(feature = "kerberos")]
pub mod files;
#[cfg(feature = "kerberos")]
pub mod kdc;
#[cfg(feature = "pkcs11")]
pub mod pkcs11;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use error::Error;
