use std::io;
use std::time::Duration;

use crate::error::{HandshakeError, Progress, Step};

/// Why a connection did not come about: the transport's fault, or the protocol's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing failed.
    #[error("{}: the connection failed: {source}", progress.step)]
    Io {
        /// What the transport said.
        source: io::Error,
        /// How far the handshake had come.
        progress: Box<Progress>,
    },
    /// The peer closed the connection where an answer was due.
    ///
    /// In the TLS handshake, this is how some servers refuse a client with which they share no version or cipher suite.
    /// After a client has sent its proof, this is how many servers refuse it: versions 2 and 5 of the protocol have no
    /// error code, and some servers send none in any version.
    #[error(
        "{}: the peer closed the connection instead of answering{}",
        progress.step,
        refusal(progress)
    )]
    Closed {
        /// How far the handshake had come.
        progress: Box<Progress>,
    },
    /// The handshake took too long.
    #[error("{}: {}: the peer is slow, or waits for something else", progress.step, limit(*timeout))]
    TimedOut {
        /// How long the handshake was allowed to take; `None` where the limit was that of the caller's own stream.
        timeout: Option<Duration>,
        /// How far the handshake had come.
        progress: Box<Progress>,
    },
    /// TLS or CredSSP failed.
    #[error(transparent)]
    Protocol(#[from] HandshakeError),
}

impl Error {
    /// How far the handshake had come.
    pub fn progress(&self) -> &Progress {
        match self {
            Self::Io { progress, .. }
            | Self::Closed { progress }
            | Self::TimedOut { progress, .. } => progress,
            Self::Protocol(error) => &error.progress,
        }
    }

    /// The variant's name, e.g. `Closed` or, for the protocol's errors, [`crate::Error::kind()`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Io { .. } => "Io",
            Self::Closed { .. } => "Closed",
            Self::TimedOut { .. } => "TimedOut",
            Self::Protocol(error) => error.error.kind(),
        }
    }

    /// Tells a transport's errors apart: rustls reports its own through them.
    pub(crate) fn from_io(
        error: io::Error,
        timeout: Option<Duration>,
        progress: &Progress,
    ) -> Self {
        let progress = Box::new(progress.clone());
        if let Some(tls) = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            return HandshakeError::new(tls.clone(), *progress).into();
        }
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                Self::TimedOut { timeout, progress }
            }
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Closed { progress },
            _ => Self::Io {
                source: error,
                progress,
            },
        }
    }
}

fn limit(timeout: Option<Duration>) -> String {
    match timeout {
        Some(timeout) => format!("no end after {} s", timeout.as_secs_f32()),
        None => "the stream's own time limit has passed".into(),
    }
}

fn refusal(progress: &Progress) -> &'static str {
    match progress.step {
        // Only a client knows its account that early.
        Step::Tls if progress.account.is_some() => {
            ", which is how some hosts refuse TLS: those that share no version or cipher suite with this TLS library, such \
             as Windows Server 2012 R2 and older, and Remote Desktop servers that want their own negotiation first"
        }
        Step::PublicKey if progress.proof.is_some() => {
            ", which is how some servers refuse a logon: most often the user name or password is wrong"
        }
        _ => "",
    }
}
