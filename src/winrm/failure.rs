use crate::error::{Error, HandshakeError, Progress};

/// An error whose progress may still have to be added.
pub(super) enum Failure {
    Local(Error),
    Protocol(HandshakeError),
}

impl Failure {
    pub(super) fn into_error(self, progress: Progress) -> HandshakeError {
        match self {
            Self::Local(error) => HandshakeError::new(error, progress),
            Self::Protocol(error) => error,
        }
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Local(error.into())
    }
}
