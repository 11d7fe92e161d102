//! What the engine asks of a KDC, and who carries it there.

use std::fmt;
#[cfg(feature = "tokio")]
use std::pin::Pin;
use std::sync::Arc;

/// A message for a KDC of a realm; its reply goes back into the state that gave it.
///
/// `Debug` shows the message's length only.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KdcRequest {
    /// The realm, whose KDCs are to be asked.
    pub realm: Box<str>,
    /// The message, without the length that TCP puts before it (RFC 4120, section 7.2.2).
    pub message: Vec<u8>,
}

impl KdcRequest {
    /// From parts.
    pub fn new(realm: &str, message: Vec<u8>) -> Self {
        Self {
            realm: realm.into(),
            message,
        }
    }
}

impl fmt::Debug for KdcRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KdcRequest")
            .field("realm", &self.realm)
            .field("message", &format_args!("{} octets", self.message.len()))
            .finish()
    }
}

/// What a KDC answered, or that none could be reached.
pub type KdcReply = Result<Vec<u8>, KdcUnreachable>;

/// Carries messages to KDCs, and blocks until the answer is there.
pub trait KdcTransport: fmt::Debug + Send + Sync {
    /// Asks a KDC of the request's realm, bounded in time and in the length of the answer.
    ///
    /// # Errors
    /// Where no KDC of the realm is known, or none answers.
    fn ask(&self, request: &KdcRequest) -> KdcReply;
}

/// Carries messages to KDCs without blocking.
#[cfg(feature = "tokio")]
pub trait AsyncKdcTransport: fmt::Debug + Send + Sync {
    /// As [`KdcTransport::ask()`].
    fn ask<'a>(
        &'a self,
        request: &'a KdcRequest,
    ) -> Pin<Box<dyn Future<Output = KdcReply> + Send + 'a>>;
}

/// No KDC of a realm answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no KDC of the realm {realm} can be reached: {reason}")]
#[non_exhaustive]
pub struct KdcUnreachable {
    /// The realm.
    pub realm: Arc<str>,
    /// What was tried, what came of it, and what would help.
    pub reason: Arc<str>,
}

impl KdcUnreachable {
    /// From parts.
    pub fn new(realm: &str, reason: &str) -> Self {
        Self {
            realm: realm.into(),
            reason: reason.into(),
        }
    }
}
