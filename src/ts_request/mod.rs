//! `TSRequest`, the one message of CredSSP (MS-CSSP, section 2.2.1), and what its `pubKeyAuth` proves.
//!
//! ```text
//! TSRequest ::= SEQUENCE {
//!     version     [0] INTEGER,
//!     negoTokens  [1] SEQUENCE OF SEQUENCE { negoToken [0] OCTET STRING } OPTIONAL,
//!     authInfo    [2] OCTET STRING OPTIONAL,
//!     pubKeyAuth  [3] OCTET STRING OPTIONAL,
//!     errorCode   [4] INTEGER OPTIONAL,
//!     clientNonce [5] OCTET STRING OPTIONAL
//! }
//! ```
//!
//! The codec is strict: DER, fields in their order, nothing unknown, nothing twice and nothing behind. Decoding borrows
//! and does not allocate.

use std::fmt;

use bytes::BytesMut;
use tracing::debug;

use crate::error::{InvalidMessage, NtStatus};

mod pub_key_auth;
mod version;
mod wire;

pub(crate) use pub_key_auth::BindingProof;
pub use pub_key_auth::{Direction, ServerPublicKey, binding_hash, echo};
pub use version::{carries_error_code, uses_nonce};

/// The longest message that this crate reads, in octets: 64 KiB.
///
/// There is no lower limit for the time before authentication: the first message of all may carry a Kerberos ticket,
/// which Windows lets grow to 65535 octets, and some servers put more than 12000 octets beside an error code.
pub const MAX_MESSAGE_LEN: usize = 65_536;

/// The most elements of `negoTokens` that are read. Every known peer sends one.
const MAX_NEGO_TOKENS: usize = 16;

/// A `TSRequest`, borrowed from the buffer that it was decoded from or is made of.
///
/// `Debug` shows lengths in place of contents.
///
/// ```
/// use bytes::BytesMut;
/// use credssp::ts_request::TsRequest;
///
/// let mut request = TsRequest::new(6);
/// request.nego_token = Some(b"NTLMSSP\0");
/// let mut message = BytesMut::new();
/// request.encode(&mut message);
/// assert_eq!(TsRequest::decode(&message)?, request);
/// # Ok::<(), credssp::error::InvalidMessage>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TsRequest<'a> {
    /// `version`, the sender's highest: 1 to 2³¹ - 1 on the wire.
    pub version: u32,
    /// The first `negoToken` of `negoTokens`, which may be empty.
    pub nego_token: Option<&'a [u8]>,
    /// `authInfo`: `TSCredentials`, sealed by the mechanism's context.
    pub auth_info: Option<&'a [u8]>,
    /// `pubKeyAuth`: [`binding_hash()`] or [`echo()`], sealed by the mechanism's context.
    pub pub_key_auth: Option<&'a [u8]>,
    /// `errorCode`; MS-CSSP has it in versions 3, 4, 6 and later only, which is the sender's business.
    pub error_code: Option<NtStatus>,
    /// `clientNonce`, of versions 5 and later.
    pub client_nonce: Option<[u8; 32]>,
}

impl<'a> TsRequest<'a> {
    /// A request with nothing but a version.
    pub fn new(version: u32) -> Self {
        Self {
            version,
            nego_token: None,
            auth_info: None,
            pub_key_auth: None,
            error_code: None,
            client_nonce: None,
        }
    }

    /// Decodes exactly one message.
    ///
    /// `errorCode` is read both as a number with a sign (4 octets for a failure) and as a positive one (5 octets).
    ///
    /// # Errors
    /// Where the message breaks DER or the grammar above, its version is not between 1 and 2³¹ - 1, `negoTokens` has no
    /// element or more than 16, `errorCode` does not fit 32 bits, or `clientNonce` has not 32 octets.
    pub fn decode(message: &'a [u8]) -> Result<Self, InvalidMessage> {
        wire::decode(message)
    }

    /// Appends the message to `out`, which grows once at most.
    pub fn encode(&self, out: &mut BytesMut) {
        wire::encode(self, out);
    }

    /// The length of the message in octets.
    pub fn encoded_len(&self) -> usize {
        wire::Lengths::of(self).message()
    }
}

impl fmt::Debug for TsRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Some contents, of which the length alone is shown.
        struct Octets(usize);

        impl fmt::Debug for Octets {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} bytes", self.0)
            }
        }

        let octets = |contents: &[u8]| Octets(contents.len());
        f.debug_struct("TsRequest")
            .field("version", &self.version)
            .field("nego_token", &self.nego_token.map(octets))
            .field("auth_info", &self.auth_info.map(octets))
            .field("pub_key_auth", &self.pub_key_auth.map(octets))
            .field("error_code", &self.error_code)
            .field(
                "client_nonce",
                &self.client_nonce.map(|nonce| octets(&nonce)),
            )
            .finish()
    }
}

/// How long the message at the front of `input` is, in octets, or `None` while its header is not whole.
///
/// A `TSRequest` has no frame but its own DER header. Whoever reads from a peer asks this before buffering more, and
/// decodes once that many octets are there; what stands behind them is the next message, or the application's.
///
/// # Errors
/// Where no SEQUENCE begins there, or one that is longer than `limit`, e.g. [`MAX_MESSAGE_LEN`].
pub fn frame_length(input: &[u8], limit: usize) -> Result<Option<usize>, InvalidMessage> {
    wire::frame_length(input, limit)
}

/// Appends a message to what is about to be sent.
pub(crate) fn send(request: &TsRequest<'_>, out: &mut BytesMut) {
    debug!(
        bytes = request.encoded_len(),
        ?request,
        "sending a TSRequest"
    );
    request.encode(out);
}

/// Takes the message at the front of `input`, if all of it is there.
pub(crate) fn take_frame(
    input: &mut BytesMut,
    limit: usize,
) -> Result<Option<BytesMut>, InvalidMessage> {
    match frame_length(input, limit)? {
        Some(length) if length <= input.len() => Ok(Some(input.split_to(length))),
        _ => Ok(None),
    }
}
