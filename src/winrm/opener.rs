use bytes::BytesMut;

use super::content_type::OriginalType;
use super::parts::{Parts, Piece};
use super::session::Session;
use crate::error::{Error, InvalidMessage, InvalidMessageKind, WinRmError};

/// Opens a body that comes in pieces; begun by [`Session::opener()`].
///
/// No more than one record is held back. A body that is not finished closes the session.
#[derive(Debug)]
pub struct Opener<'s> {
    session: &'s mut Session,
    parts: Parts,
    failed: bool,
}

impl<'s> Opener<'s> {
    pub(super) fn new(session: &'s mut Session, parts: Parts) -> Self {
        Self {
            session,
            parts,
            failed: false,
        }
    }

    /// The type of the plaintext, once the first part's headers have come.
    pub fn original_type(&self) -> Option<&OriginalType> {
        self.parts.original()
    }

    /// Opens the next piece of the body, cut anywhere, and appends to `out` what is whole.
    ///
    /// # Errors
    /// As [`Session::open()`]. What was appended is not all of the body.
    pub fn open(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        if self.failed {
            return Err(WinRmError::SessionClosed.into());
        }
        let opened = self.open_records(piece, out);
        self.failed = opened.is_err();
        opened
    }

    fn open_records(&mut self, mut piece: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        loop {
            let before = out.len();
            let channel = self.session.channel();
            match self.parts.next(&mut piece)? {
                Piece::RecordHeader(header) => channel.receive(&header, out)?,
                Piece::Record(contents) => channel.receive(contents, out)?,
                Piece::NeedsInput => return Ok(()),
            }
            let opened = self.parts.opened(out.len().saturating_sub(before));
            if opened.is_err() {
                // More than was announced is nothing that the caller expects there.
                out.truncate(before);
            }
            opened?;
        }
    }

    /// Takes note that the body ends here; gives the plaintext's type.
    ///
    /// # Errors
    /// - [`Error::InvalidMessage`] where the body is not whole.
    /// - [`WinRmError::SessionClosed`] after an error.
    pub fn finish(mut self) -> Result<OriginalType, Error> {
        if self.failed {
            return Err(WinRmError::SessionClosed.into());
        }
        self.parts.finish()?;
        let original = self.parts.original().cloned().ok_or_else(|| {
            InvalidMessage::new("OriginalContent", 0, InvalidMessageKind::MissingField)
        })?;
        self.session.end();
        Ok(original)
    }
}
