use std::fmt::{self, Write};

use bytes::{BufMut, BytesMut};
use zeroize::Zeroizing;

use super::MAX_PART_LEN;
use super::content_type::{BOUNDARY, MULTIPLE, OriginalType, PROTOCOL, SINGLE};
use super::session::Session;
use crate::error::{ApiMisuse, Error, WinRmError};

/// More than a part has around its plaintext, but for the type.
const PART_OVERHEAD: usize = 384;

/// Seals a body that comes in pieces; begun by [`Session::sealer()`].
///
/// No more than one part is held back. A body that is not finished closes the session.
pub struct Sealer<'s> {
    session: &'s mut Session,
    original: OriginalType,
    content_type: &'static str,
    /// How many octets are still to come.
    left: u64,
    /// The beginning of a part.
    pending: Zeroizing<Vec<u8>>,
    failed: bool,
}

impl<'s> Sealer<'s> {
    pub(super) fn new(
        session: &'s mut Session,
        original: OriginalType,
        length: u64,
    ) -> Result<Self, Error> {
        if length == 0 {
            return Err(ApiMisuse::WrongBodyLength.into());
        }
        session.begin()?;
        let single = usize::try_from(length).is_ok_and(|length| length <= MAX_PART_LEN);
        Ok(Self {
            session,
            original,
            content_type: if single { SINGLE } else { MULTIPLE },
            left: length,
            pending: Zeroizing::default(),
            failed: false,
        })
    }

    /// The `Content-Type` of the HTTP message.
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// Seals the next piece of the body, of any length, and appends to `out` what is ready of it.
    ///
    /// # Errors
    /// - [`ApiMisuse::WrongBodyLength`] where it is more than was announced.
    /// - [`ApiMisuse::ContextExhausted`] where TLS's keys are used up.
    pub fn seal(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        if self.failed {
            return Err(WinRmError::SessionClosed.into());
        }
        let sealed = self.seal_parts(piece, out);
        self.failed = sealed.is_err();
        sealed
    }

    fn seal_parts(&mut self, mut piece: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        self.left = u64::try_from(piece.len())
            .ok()
            .and_then(|length| self.left.checked_sub(length))
            .ok_or(ApiMisuse::WrongBodyLength)?;
        while !piece.is_empty() {
            let room = MAX_PART_LEN.saturating_sub(self.pending.len());
            let (part, rest) = piece.split_at(room.min(piece.len()));
            piece = rest;
            let last = self.left == 0 && rest.is_empty();
            if !last && part.len() < room {
                // The room of a whole part at once: a buffer that grows leaves plaintext behind.
                self.pending.reserve_exact(room);
                self.pending.extend_from_slice(part);
            } else if self.pending.is_empty() {
                self.part(part, out)?;
            } else {
                let mut whole = std::mem::take(&mut self.pending);
                whole.extend_from_slice(part);
                self.part(&whole, out)?;
                whole.clear();
                self.pending = whole;
            }
        }
        Ok(())
    }

    fn part(&mut self, plaintext: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        let (original, length) = (&self.original, plaintext.len());
        out.reserve(
            length
                .saturating_add(original.as_str().len())
                .saturating_add(PART_OVERHEAD),
        );
        write!(
            out,
            "--{BOUNDARY}\r\n\
             \tContent-Type: {PROTOCOL}\r\n\
             \tOriginalContent: type={original};Length={length}\r\n\
             --{BOUNDARY}\r\n\
             \tContent-Type: application/octet-stream\r\n"
        )
        .map_err(|_| ApiMisuse::TooLong("a part"))?;
        let channel = self.session.channel();
        let trailer = u32::try_from(channel.trailer_len()?).unwrap_or_default();
        out.put_u32_le(trailer);
        channel.seal(plaintext, out)
    }

    /// Ends the body; gives the `Content-Type` of the HTTP message.
    ///
    /// # Errors
    /// - [`ApiMisuse::WrongBodyLength`] where it is less than was announced.
    /// - [`WinRmError::SessionClosed`] after an error.
    pub fn finish(self, out: &mut BytesMut) -> Result<&'static str, Error> {
        if self.failed {
            return Err(WinRmError::SessionClosed.into());
        }
        if self.left > 0 {
            return Err(ApiMisuse::WrongBodyLength.into());
        }
        write!(out, "--{BOUNDARY}--\r\n").map_err(|_| ApiMisuse::TooLong("a part"))?;
        self.session.end();
        Ok(self.content_type)
    }
}

impl fmt::Debug for Sealer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("original", &self.original)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
