use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A connection whose reads and writes can be given a time limit, so that a handshake has a deadline.
pub trait Transport: Read + Write {
    /// Lets each later read or write fail with [`io::ErrorKind::TimedOut`] or [`io::ErrorKind::WouldBlock`] after
    /// `timeout`, or wait for ever.
    ///
    /// # Errors
    /// Where the limit cannot be set.
    fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Lets small writes go out at once. A handshake answers each message with one write, so that waiting for more to
    /// send would only cost time: tens of milliseconds over TCP.
    ///
    /// # Errors
    /// Where it cannot be set.
    fn set_no_delay(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for TcpStream {
    fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)?;
        self.set_write_timeout(timeout)
    }

    fn set_no_delay(&mut self) -> io::Result<()> {
        self.set_nodelay(true)
    }
}

#[cfg(unix)]
impl Transport for std::os::unix::net::UnixStream {
    fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)?;
        self.set_write_timeout(timeout)
    }
}

/// A connection that knows no time limits: the deadline is looked at between its reads and writes only.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a wrapper, to be made by its literal"
)]
pub struct Untimed<IO>(pub IO);

impl<IO: Read> Read for Untimed<IO> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<IO: Write> Write for Untimed<IO> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<IO: Read + Write> Transport for Untimed<IO> {
    fn set_timeout(&mut self, _timeout: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}

/// Holds a whole handshake to one deadline, however slowly the peer drips.
pub(in crate::stream) struct Timed<IO> {
    io: IO,
    deadline: Option<Instant>,
}

impl<IO: Transport> Timed<IO> {
    /// A timeout beyond what the clock can tell is none.
    pub(in crate::stream) fn new(mut io: IO, timeout: Duration) -> io::Result<Self> {
        io.set_no_delay()?;
        Ok(Self {
            io,
            deadline: Instant::now().checked_add(timeout),
        })
    }

    /// When everything has to be over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The connection, without a limit.
    pub(super) fn into_inner(mut self) -> io::Result<IO> {
        self.io.set_timeout(None)?;
        Ok(self.io)
    }

    /// Does `work` before the deadline, again where a signal has interrupted it: TLS would take that for a failure, and the
    /// system restarts nothing that has a time limit.
    fn work(&mut self, mut work: impl FnMut(&mut IO) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            self.arm()?;
            match work(&mut self.io) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn arm(&mut self) -> io::Result<()> {
        let Some(deadline) = self.deadline else {
            return Ok(());
        };
        match deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => self.io.set_timeout(Some(left)),
        }
    }
}

impl<IO: Transport> Read for Timed<IO> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.work(|io| io.read(buffer))
    }
}

impl<IO: Transport> Write for Timed<IO> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.work(|io| io.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.io.flush()
    }
}
