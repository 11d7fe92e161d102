//! CredSSP in WinRM, without I/O (MS-WSMV, section 2.2.9.1.3): tokens in HTTP's headers, then sealed bodies.
//!
//! ```text
//! client                                            server
//!   | -- POST ------------------------------------->  |
//!   | <------ 401, WWW-Authenticate: CredSSP -------- |
//!   | -- POST, Authorization: CredSSP <TLS> --------> |   TLS's handshake, then TSRequests in TLS,
//!   | <------ 401, WWW-Authenticate: CredSSP <TLS> -- |   as many times as it takes
//!   | -- POST, Authorization: CredSSP <TLS> --------> |   the credentials
//!   | <------ 200 ----------------------------------- |
//!   | <------------ sealed bodies ------------------> |
//! ```
//!
//! All of it goes over one connection, to which the session belongs: whoever uses an HTTP library has to take care that it
//! does not use another one. [`client`] and [`server`] take and give values of headers, and know nothing else of HTTP; a
//! [`Session`] comes out of them.
//!
//! The TLS inside the headers has its own certificate, whether HTTP itself runs over TLS or not. A service makes one for
//! itself unless it is configured with one of a [`CertificateStore`]; it proves the service only if the client trusts it and
//! it names the host. Otherwise the client's policy has to allow `WSMAN/host` among the hosts that NTLM alone is enough for,
//! or Kerberos proves the service.
//!
//! Both ends have CredSSP switched off unless told otherwise. There is no implicit credential: what is delegated is the
//! name and the password that the caller gives.
//!
//! ```
//! use credssp::client::ClientConfig;
//! use credssp::tls::Trust;
//! use credssp::winrm::client::{Complete, Connector, Handshake};
//! use credssp::{Credentials, DelegationPolicy};
//!
//! /// Authenticates; `post` sends a request with this `Authorization`, and gives status and `WWW-Authenticate`s.
//! fn log_on(
//!     host: &str,
//!     credentials: Credentials,
//!     mut post: impl FnMut(Option<&str>) -> (u16, Vec<String>),
//! ) -> Result<Complete, Box<dyn std::error::Error>> {
//!     let policy = DelegationPolicy::default().allow_fresh_when_ntlm_only("WSMAN/*.example.com".parse()?);
//!     let connector = Connector::new(ClientConfig::new(policy), Trust::default())?.enable_credssp();
//!     let mut state = connector.start(host, credentials)?;
//!     loop {
//!         let (status, www_authenticate) = post(state.authorization());
//!         state = match state.process(status, www_authenticate)? {
//!             Handshake::NeedsResponse(state) => state,
//!             Handshake::Complete(complete) => return Ok(complete),
//!             other => return Err(format!("no way to a KDC: {other:?}").into()),
//!         };
//!     }
//! }
//! ```

mod certificate;
mod channel;
pub mod client;
mod content_type;
mod failure;
pub mod header;
mod opener;
mod parts;
mod sealer;
pub mod server;
mod session;

pub use certificate::CertificateStore;
pub use content_type::{OriginalType, is_sealed};
pub use opener::Opener;
pub use sealer::Sealer;
pub use session::Session;

/// The most octets of plaintext in a part that is sealed (MS-WSMV, section 2.2.9.1.3).
pub const MAX_PART_LEN: usize = 16_384;

/// The most requests that one authentication may take: more than any real one does.
const MAX_REQUESTS: u32 = 64;
