use std::error::Error as StdError;
use std::fmt;

/// Where and how a message failed to parse; never holds any of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidMessage {
    /// The structure or field, by its name in the specification, e.g. `TSRequest.negoTokens`.
    pub structure: &'static str,
    /// The offset in octets at which decoding stopped, from the start of what was decoded: of the whole `TSRequest`,
    /// `TSCredentials` or mechanism's token; in an NTLMv2_RESPONSE, from its own start.
    pub offset: usize,
    /// What was wrong.
    pub kind: InvalidMessageKind,
}

impl InvalidMessage {
    /// From parts.
    pub fn new(structure: &'static str, offset: usize, kind: InvalidMessageKind) -> Self {
        Self {
            structure,
            offset,
            kind,
        }
    }
}

impl fmt::Display for InvalidMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at byte {}: {}",
            self.structure, self.offset, self.kind
        )
    }
}

impl StdError for InvalidMessage {}

/// What was wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMessageKind {
    /// The encoding breaks DER, or the layout of the structure.
    #[error("the encoding breaks the rules of its structure")]
    BadEncoding,
    /// A value lies outside of what its field allows.
    #[error("the value is not allowed here")]
    BadValue,
    /// A field that must be there is missing.
    #[error("the field is missing")]
    MissingField,
    /// A length exceeds our limit for the message.
    #[error("the message is longer than the limit")]
    TooLarge,
    /// Bytes remain behind the structure.
    #[error("bytes remain behind the structure")]
    TrailingData,
    /// The message ends early, or a length in it points beyond its end.
    #[error("the message ends early, or a length in it points beyond its end")]
    Truncated,
    /// A file of a version that this crate does not read.
    #[error("the version is none that is supported")]
    UnsupportedVersion,
}
