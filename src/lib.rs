//! CredSSP, the Credential Security Support Provider protocol (MS-CSSP), for clients and servers.

#![forbid(unsafe_code)]

pub mod account;
mod codec;
pub mod credentials;
pub mod environment;
pub mod error;
pub mod gss;
pub mod mechanism;
pub mod name;
pub mod policy;
#[cfg(feature = "ntlm")]
pub mod ntlm;
pub mod proof;
pub mod secret;
pub mod spnego;
pub mod ts_request;

pub use account::Account;
pub use credentials::Credentials;
pub use error::Error;
pub use name::{AccountName, ServicePrincipalName};
pub use policy::DelegationPolicy;
pub use secret::Secret;
