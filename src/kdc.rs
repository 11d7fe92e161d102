//! What the engine asks of a KDC, and leaves to others to carry.

use std::fmt;

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
