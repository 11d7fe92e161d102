//! What the blocking and the asynchronous driver have in common.

use std::io;
use std::time::Duration;

use bytes::BytesMut;

use super::Error;
use crate::credentials::{Credentials, TsCredentials, TsPasswordCreds};
use crate::error::{ApiMisuse, HandshakeError, Progress, Step};
use crate::kdc::{KdcReply, KdcRequest, KdcUnreachable};
use crate::name::AccountName;
use crate::rdp::{self, RequestFlags};
use crate::{client, server};

/// TPKT's header, which tells how long a message is (RFC 1006, section 6).
const TPKT_HEADER_LEN: usize = 4;

/// What was read from the stream and is not processed yet.
///
/// The stream is told that bytes are consumed only once they are known to be CredSSP's: those behind the last message
/// stay in the stream for the application.
#[derive(Default)]
pub(super) struct Input {
    pub(super) bytes: BytesMut,
    /// How many octets were copied from the stream without its knowing it.
    borrowed: usize,
    /// How many octets were there when they were last found to be too few.
    seen: usize,
}

impl Input {
    /// Whether there is something that was not looked at yet.
    pub(super) fn has_news(&mut self) -> bool {
        let length = self.bytes.len();
        length != 0 && std::mem::replace(&mut self.seen, length) != length
    }

    /// How many octets the stream has to consume before it is read again.
    pub(super) fn release(&mut self) -> usize {
        std::mem::take(&mut self.borrowed)
    }

    /// Takes what the stream has; nothing means that the peer has closed it.
    pub(super) fn take(&mut self, chunk: &[u8]) -> io::Result<()> {
        if chunk.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.bytes.extend_from_slice(chunk);
        self.borrowed = chunk.len();
        self.seen = self.bytes.len();
        Ok(())
    }

    /// How many octets the stream has to consume at the end: those behind the last message are the application's.
    pub(super) fn finish(self) -> usize {
        self.borrowed.saturating_sub(self.bytes.len())
    }
}

/// Keeps how far a client has come, in case that the transport fails.
pub(super) fn note_client(handshake: &client::Handshake, progress: &mut Progress) {
    match handshake {
        client::Handshake::NeedsInput(state) => progress.clone_from(state.progress()),
        client::Handshake::NeedsKdc(state) => progress.clone_from(state.progress()),
        client::Handshake::Complete(_) => progress.step = Step::Credentials,
    }
}

/// What is said to a mechanism that asks for a KDC where there is no way to one.
pub(super) fn no_kdc(request: &KdcRequest) -> KdcReply {
    Err(KdcUnreachable::new(
        &request.realm,
        "the connection was given no transport to KDCs: see Connector::with_kdc and with_async_kdc",
    ))
}

/// Keeps how far a server has come, in case that the transport fails.
pub(super) fn note_server(handshake: &server::Handshake, progress: &mut Progress) {
    match handshake {
        server::Handshake::NeedsInput(state) => progress.clone_from(state.progress()),
        server::Handshake::NeedsAccount(state) => progress.clone_from(state.progress()),
        server::Handshake::Complete(_) => progress.step = Step::Credentials,
    }
}

/// Where a connection of Remote Desktop starts.
pub(super) fn rdp_progress(account: Option<AccountName>) -> Progress {
    Progress {
        step: Step::SecurityProtocol,
        account,
        ..Progress::default()
    }
}

/// How many octets the message of Remote Desktop's negotiation at the front of `input` still lacks, as far as can be told:
/// those behind it are TLS's, and are to stay in the connection.
pub(super) fn rdp_missing(input: &[u8]) -> Result<usize, crate::Error> {
    let length = rdp::frame_length(input)?.unwrap_or(TPKT_HEADER_LEN);
    Ok(length.saturating_sub(input.len()))
}

/// What a client delegates in the modes that it requests; looked at before anything goes out.
pub(super) fn rdp_credentials(
    credentials: Credentials,
    flags: RequestFlags,
) -> Result<Credentials, crate::Error> {
    if flags.contains(RequestFlags::RESTRICTED_ADMIN) {
        // MS-CSSP, section 2.2.1.2.1: in Restricted Admin mode, all three texts are empty.
        return Ok(credentials.delegating(TsPasswordCreds::new("", "", "").into()));
    }
    let remote_guard = matches!(credentials.delegated(), TsCredentials::RemoteGuard(_));
    if flags.contains(RequestFlags::REDIRECTED_AUTHENTICATION) && !remote_guard {
        return Err(ApiMisuse::CredentialsFitNoRemoteGuard.into());
    }
    Ok(credentials)
}

/// An error whose progress may still have to be added.
pub(super) enum Failure {
    Io(io::Error),
    Local(crate::Error),
    Protocol(HandshakeError),
}

impl Failure {
    pub(super) fn into_error(self, timeout: Option<Duration>, progress: &Progress) -> Error {
        match self {
            Self::Io(error) => Error::from_io(error, timeout, progress),
            Self::Local(error) => HandshakeError::new(error, progress.clone()).into(),
            Self::Protocol(error) => error.into(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        Self::Local(error)
    }
}

impl From<HandshakeError> for Failure {
    fn from(error: HandshakeError) -> Self {
        Self::Protocol(error)
    }
}
