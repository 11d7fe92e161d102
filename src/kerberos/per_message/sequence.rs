use super::failed;
use crate::error::{ApiMisuse, AuthenticationFailure, Error};

/// The sequence numbers of one direction.
#[derive(Debug)]
pub(super) struct Sequence {
    /// The next message's number; `None` when all have been used.
    next: Option<u64>,
    /// The last one that there is.
    limit: u64,
    /// Whether what is received must have the next number.
    enforced: bool,
}

impl Sequence {
    pub(super) fn new(first: u32, limit: u64, enforced: bool) -> Self {
        Self {
            next: Some(first.into()),
            limit,
            enforced,
        }
    }

    /// The number of a message to be sent, which uses it up.
    pub(super) fn send(&mut self) -> Result<u64, Error> {
        let sequence = self.next.ok_or(ApiMisuse::ContextExhausted)?;
        self.advance(sequence);
        Ok(sequence)
    }

    /// Takes a message that has verified: it must be the next one.
    pub(super) fn receive(&mut self, sequence: u64) -> Result<(), Error> {
        if !self.enforced {
            return Ok(());
        }
        let expected = self.next.ok_or(ApiMisuse::ContextExhausted)?;
        if sequence != expected {
            return Err(failed(AuthenticationFailure::WrongSignature));
        }
        self.advance(expected);
        Ok(())
    }

    /// Takes a message that has verified, whatever its number.
    pub(super) fn skip(&mut self) {
        if let Some(next) = self.next {
            self.advance(next);
        }
    }

    fn advance(&mut self, used: u64) {
        self.next = (used < self.limit).then(|| used.wrapping_add(1));
    }
}
