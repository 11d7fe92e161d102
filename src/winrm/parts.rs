//! The parts of a sealed body (MS-WSMV, section 2.2.9.1.3), taken apart without opening them.
//!
//! ```text
//! --Encrypted Boundary
//!     Content-Type: application/HTTP-CredSSP-session-encrypted
//!     OriginalContent: type=application/soap+xml;charset=UTF-8;Length=198
//! --Encrypted Boundary
//!     Content-Type: application/octet-stream
//! <length of the trailer: 4 octets><TLS record>--Encrypted Boundary--
//! ```
//!
//! Nothing of it is authentic but the records. They are walked by their own lengths, so that a boundary within one is no
//! boundary, and what they open to has to be as long as was said.

use super::channel::{APPLICATION_DATA, RECORD_HEADER_LEN};
use super::content_type::{self, OriginalType, PROTOCOL};
use crate::error::{InvalidMessage, InvalidMessageKind};

/// The longest line to look at, in octets.
const MAX_LINE_LEN: usize = 1024;

/// The most headers of a part.
const MAX_HEADERS: u8 = 8;

/// Takes a body apart, piece by piece.
#[derive(Debug)]
pub(super) struct Parts {
    boundary: Box<[u8]>,
    state: State,
    /// The beginning of what is not whole yet.
    pending: Vec<u8>,
    /// How many octets have been looked at.
    offset: usize,
    original: Option<OriginalType>,
    /// How many octets of plaintext may still be announced.
    limit: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The first delimiter is due.
    Start,
    /// Headers that describe the plaintext.
    Description {
        headers: u8,
        sealed: bool,
        length: Option<u64>,
    },
    /// Headers of the records.
    DataHeaders { length: u64 },
    /// The length of the trailer.
    Trailer { length: u64 },
    /// A record's header, or a delimiter once `left` octets of plaintext have come.
    Records { left: u64 },
    /// Within a record.
    Record { missing: usize, left: u64 },
    /// A delimiter behind the records.
    Between,
    /// Nothing.
    End,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A record's header; its contents follow.
    RecordHeader([u8; RECORD_HEADER_LEN]),
    /// Contents of a record.
    Record(&'a [u8]),
    /// The input is used up.
    NeedsInput,
}

impl Parts {
    /// Of a body with this boundary, whose plaintext has `limit` octets at most.
    pub(super) fn new(boundary: Box<[u8]>, limit: u64) -> Self {
        Self {
            boundary,
            state: State::Start,
            pending: Vec::new(),
            offset: 0,
            original: None,
            limit,
        }
    }

    /// The type of the plaintext, once it has come.
    pub(super) fn original(&self) -> Option<&OriginalType> {
        self.original.as_ref()
    }

    /// Takes the next piece from the front of `input`.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Piece<'a>, InvalidMessage> {
        loop {
            match self.state {
                State::Trailer { length } => {
                    // It is what the sender's TLS library has behind the ciphertext. Some peers write nonsense there, and
                    // nobody needs it.
                    if self.take::<4>(input).is_none() {
                        return Ok(Piece::NeedsInput);
                    }
                    self.state = State::Records { left: length };
                }
                State::Records { left } => {
                    let Some(first) = self.pending.first().or_else(|| input.first()) else {
                        return Ok(Piece::NeedsInput);
                    };
                    if *first != APPLICATION_DATA {
                        if left > 0 {
                            return Err(
                                self.error("OriginalContent.Length", InvalidMessageKind::BadValue)
                            );
                        }
                        self.state = State::Between;
                        continue;
                    }
                    let Some(header) = self.take::<RECORD_HEADER_LEN>(input) else {
                        return Ok(Piece::NeedsInput);
                    };
                    // The version is that of TLS 1.2 in TLS 1.3, too (RFC 8446, section 5.2).
                    let [_, 3, 3, high, low] = header else {
                        return Err(self.error("TLS record", InvalidMessageKind::BadValue));
                    };
                    let missing = usize::from(u16::from_be_bytes([high, low]));
                    self.state = State::Record { missing, left };
                    return Ok(Piece::RecordHeader(header));
                }
                State::Record { missing: 0, left } => self.state = State::Records { left },
                State::Record { missing, left } => {
                    let (record, rest) = input.split_at(missing.min(input.len()));
                    if record.is_empty() {
                        return Ok(Piece::NeedsInput);
                    }
                    *input = rest;
                    self.offset = self.offset.saturating_add(record.len());
                    let missing = missing.saturating_sub(record.len());
                    self.state = State::Record { missing, left };
                    return Ok(Piece::Record(record));
                }
                _ => {
                    let Some(line) = self.take_line(input)? else {
                        return Ok(Piece::NeedsInput);
                    };
                    self.line(line.trim_ascii())?;
                }
            }
        }
    }

    /// Takes note that the records so far have given `length` more octets of plaintext.
    pub(super) fn opened(&mut self, length: usize) -> Result<(), InvalidMessage> {
        if let State::Record { left, .. } | State::Records { left } = &mut self.state
            && let Some(rest) = u64::try_from(length)
                .ok()
                .and_then(|length| left.checked_sub(length))
        {
            *left = rest;
            return Ok(());
        }
        Err(self.error("OriginalContent.Length", InvalidMessageKind::BadValue))
    }

    /// Takes note that the body ends here.
    pub(super) fn finish(&mut self) -> Result<(), InvalidMessage> {
        // The end of the last line may be missing.
        if matches!(self.state, State::Between) && !self.pending.is_empty() {
            let line = std::mem::take(&mut self.pending);
            self.line(line.trim_ascii())?;
        }
        match self.state {
            State::End => Ok(()),
            _ => Err(self.error("multipart body", InvalidMessageKind::Truncated)),
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), InvalidMessage> {
        let delimiter = self.delimiter(line);
        self.state = match (self.state, delimiter) {
            (State::Start | State::Between, Some(Delimiter::Part)) => State::Description {
                headers: 0,
                sealed: false,
                length: None,
            },
            (State::Between, Some(Delimiter::End)) => State::End,
            (State::Between | State::End, None) if line.is_empty() => self.state,
            (State::End, _) => {
                return Err(self.error("multipart body", InvalidMessageKind::TrailingData));
            }
            (State::Description { sealed, length, .. }, Some(Delimiter::Part)) => {
                let missing = |field| self.error(field, InvalidMessageKind::MissingField);
                if !sealed {
                    return Err(missing("Content-Type"));
                }
                let length = length.ok_or_else(|| missing("OriginalContent"))?;
                State::DataHeaders { length }
            }
            (
                State::Description {
                    headers,
                    sealed,
                    length,
                },
                None,
            ) if headers < MAX_HEADERS => self.describe(line, headers, sealed, length)?,
            (State::DataHeaders { length }, None) => match header(line) {
                Some((name, value))
                    if name.eq_ignore_ascii_case(b"Content-Type")
                        && value.eq_ignore_ascii_case(b"application/octet-stream") =>
                {
                    State::Trailer { length }
                }
                _ => return Err(self.error("Content-Type", InvalidMessageKind::BadValue)),
            },
            _ => return Err(self.error("multipart body", InvalidMessageKind::BadEncoding)),
        };
        Ok(())
    }

    /// Reads a header that describes the plaintext.
    fn describe(
        &mut self,
        line: &[u8],
        headers: u8,
        mut sealed: bool,
        mut length: Option<u64>,
    ) -> Result<State, InvalidMessage> {
        let (name, value) = header(line)
            .ok_or_else(|| self.error("multipart body", InvalidMessageKind::BadEncoding))?;
        if name.eq_ignore_ascii_case(b"Content-Type") {
            if sealed || !value.eq_ignore_ascii_case(PROTOCOL.as_bytes()) {
                return Err(self.error("Content-Type", InvalidMessageKind::BadValue));
            }
            sealed = true;
        } else if name.eq_ignore_ascii_case(b"OriginalContent") {
            let (original, announced) = content_type::original_content(value)
                .map_err(|kind| self.error("OriginalContent", kind))?;
            // An empty body is not sealed, and the parts are those of one body.
            let changed = self
                .original
                .as_ref()
                .is_some_and(|first| *first != original);
            if length.is_some() || changed || announced == 0 {
                return Err(self.error("OriginalContent", InvalidMessageKind::BadValue));
            }
            self.limit = self.limit.checked_sub(announced).ok_or_else(|| {
                self.error("OriginalContent.Length", InvalidMessageKind::TooLarge)
            })?;
            self.original = Some(original);
            length = Some(announced);
        }
        Ok(State::Description {
            headers: headers.saturating_add(1),
            sealed,
            length,
        })
    }

    /// Some peers write a space behind the hyphens.
    fn delimiter(&self, line: &[u8]) -> Option<Delimiter> {
        let rest = line.strip_prefix(b"--")?.trim_ascii_start();
        match rest.strip_prefix(&*self.boundary)?.trim_ascii_end() {
            b"" => Some(Delimiter::Part),
            b"--" => Some(Delimiter::End),
            _ => None,
        }
    }

    /// The next line without its end, once that is there.
    fn take_line(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, InvalidMessage> {
        let end = input.iter().position(|octet| *octet == b'\n');
        let length = end.map_or(input.len(), |end| end.saturating_add(1));
        if self.pending.len().saturating_add(length) > MAX_LINE_LEN {
            return Err(self.error("multipart body", InvalidMessageKind::TooLarge));
        }
        self.take_up(length, input);
        Ok(end.map(|_| std::mem::take(&mut self.pending)))
    }

    /// The next `N` octets, once they are there.
    fn take<const N: usize>(&mut self, input: &mut &[u8]) -> Option<[u8; N]> {
        let missing = N.saturating_sub(self.pending.len());
        self.take_up(missing.min(input.len()), input);
        let taken = self.pending.as_slice().try_into().ok()?;
        self.pending.clear();
        Some(taken)
    }

    fn take_up(&mut self, length: usize, input: &mut &[u8]) {
        let (taken, rest) = input.split_at(length);
        self.pending.extend_from_slice(taken);
        self.offset = self.offset.saturating_add(length);
        *input = rest;
    }

    fn error(&self, field: &'static str, kind: InvalidMessageKind) -> InvalidMessage {
        InvalidMessage::new(field, self.offset, kind)
    }
}

enum Delimiter {
    Part,
    End,
}

/// Name and value of a part's header.
fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|octet| *octet == b':')?;
    let (name, value) = line.split_at_checked(at)?;
    Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
}
