//! CredSSP, the Credential Security Support Provider protocol (MS-CSSP), for clients and servers.

#![forbid(unsafe_code)]

pub mod account;
pub mod client;
mod codec;
pub mod credentials;
mod defaults;
pub mod environment;
pub mod error;
pub mod gss;
pub mod mechanism;
pub mod name;
#[cfg(feature = "ntlm")]
pub mod ntlm;
pub mod policy;
pub mod proof;
pub mod secret;
pub mod server;
pub mod spnego;
pub mod stream;
pub mod tls;
pub mod ts_request;

pub use account::Account;
pub use client::{Client, ClientConfig};
pub use credentials::Credentials;
pub use error::Error;
pub use name::{AccountName, ServicePrincipalName};
pub use policy::DelegationPolicy;
pub use secret::Secret;
pub use server::{Server, ServerConfig};
