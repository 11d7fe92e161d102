use bytes::BytesMut;
use rustls::ProtocolVersion;

use super::channel::Channel;
use super::content_type::{self, OriginalType};
use super::opener::Opener;
use super::parts::Parts;
use super::sealer::Sealer;
use crate::error::{Error, WinRmError};

/// What a client and a server have established: seals and opens the bodies of the connection's HTTP messages.
///
/// The bodies are sealed and opened in the order in which they are sent, each of them whole: TLS counts its records. An
/// error, and a body that was begun and not finished, close the session.
///
/// TLS authenticates what the parts of a body hold, and their order, but not where the body ends: whoever stands between the
/// two ends can take whole parts away from the end. Then no later body opens; the one at hand has to show by itself that it
/// is whole, as XML does.
#[derive(Debug)]
pub struct Session {
    channel: Channel,
    open: bool,
}

impl Session {
    pub(super) fn new(channel: Channel) -> Self {
        Self {
            channel,
            open: true,
        }
    }

    /// Seals a whole body, appends it to `out`, and gives the `Content-Type` of the HTTP message.
    ///
    /// # Errors
    /// - [`WinRmError::SessionClosed`] after an earlier error.
    /// - [`ApiMisuse::WrongBodyLength`](crate::error::ApiMisuse::WrongBodyLength) where the body is empty: such a one is
    ///   sent as it is.
    /// - [`ApiMisuse::ContextExhausted`](crate::error::ApiMisuse::ContextExhausted) where TLS's keys are used up.
    pub fn seal(
        &mut self,
        original: &OriginalType,
        body: &[u8],
        out: &mut BytesMut,
    ) -> Result<&'static str, Error> {
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let mut sealer = self.sealer(original.clone(), length)?;
        sealer.seal(body, out)?;
        sealer.finish(out)
    }

    /// Begins to seal a body of `length` octets, which comes in pieces.
    ///
    /// # Errors
    /// As [`Self::seal()`].
    pub fn sealer(&mut self, original: OriginalType, length: u64) -> Result<Sealer<'_>, Error> {
        self.check_open()?;
        Sealer::new(self, original, length)
    }

    /// Opens a whole body, appends the plaintext to `out`, and gives its type.
    ///
    /// The plaintext has `limit` octets at most.
    ///
    /// # Errors
    /// - [`WinRmError::SessionClosed`] after an earlier error.
    /// - [`Error::InvalidMessage`] where the body is not sealed by CredSSP, does not parse, is not as long as it says, or is
    ///   longer than `limit`.
    /// - [`Error::Tls`] where a record does not open: it was changed, replayed or left out, or belongs to another session.
    pub fn open(
        &mut self,
        content_type: &[u8],
        body: &[u8],
        limit: u64,
        out: &mut BytesMut,
    ) -> Result<OriginalType, Error> {
        let mut opener = self.opener(content_type, limit)?;
        opener.open(body, out)?;
        opener.finish()
    }

    /// Begins to open a body that comes in pieces, from the `Content-Type` of the HTTP message.
    ///
    /// # Errors
    /// As [`Self::open()`].
    pub fn opener(&mut self, content_type: &[u8], limit: u64) -> Result<Opener<'_>, Error> {
        self.begin()?;
        let boundary = content_type::boundary(content_type)?;
        Ok(Opener::new(self, Parts::new(boundary, limit)))
    }

    /// Whether a body can be sealed or opened.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The version of the TLS inside HTTP.
    pub fn tls_version(&self) -> Option<ProtocolVersion> {
        self.channel.tls_version()
    }

    fn check_open(&self) -> Result<(), WinRmError> {
        if self.open {
            Ok(())
        } else {
            Err(WinRmError::SessionClosed)
        }
    }

    /// Closes the session until [`Self::end()`].
    pub(super) fn begin(&mut self) -> Result<(), WinRmError> {
        self.check_open()?;
        self.open = false;
        Ok(())
    }

    pub(super) fn end(&mut self) {
        self.open = true;
    }

    pub(super) fn channel(&mut self) -> &mut Channel {
        &mut self.channel
    }
}
