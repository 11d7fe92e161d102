//! CredSSP over `std::io::{Read, Write}`.
//!
//! ```no_run
//! use std::net::TcpStream;
//!
//! use credssp::tls::Connector;
//! use credssp::{ClientConfig, Credentials, DelegationPolicy, ServicePrincipalName};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = DelegationPolicy::default().allow_fresh_when_ntlm_only("TERMSRV/web.example.com".parse()?);
//! let connector = Connector::new(ClientConfig::new(policy))?;
//! let credentials = Credentials::password(r"CORP\alice".parse()?, "correct horse");
//! let target = ServicePrincipalName::termsrv("web.example.com")?;
//!
//! let tcp = TcpStream::connect("web.example.com:5000")?;
//! let (stream, complete) = connector.connect(tcp, target, credentials)?;
//! println!("delegated over {}; the server is proved by {}", complete.mechanism, complete.proof);
//! # drop(stream);
//! # Ok(())
//! # }
//! ```

use std::io::{self, BufRead, Read, Write};
use std::ops::DerefMut;
use std::time::Instant;

use bytes::BytesMut;
use rustls::{ClientConnection, ConnectionCommon, ServerConnection, SideData, StreamOwned};

use super::Error;
use super::exchange::{Failure, Input, no_kdc, note_client, note_server};
use crate::account::{Account, AccountRequest};
use crate::client::{self, Client};
use crate::credentials::Credentials;
use crate::error::{HandshakeError, OtherError, Progress};
use crate::kdc::{KdcReply, KdcRequest, KdcTransport};
use crate::name::ServicePrincipalName;
use crate::server::{self, Server};
use crate::tls::{Acceptor, Connector};

mod rdp;
mod transport;

pub(in crate::stream) use transport::Timed;
pub use transport::{Transport, Untimed};

impl Connector {
    /// Opens TLS over `io`, authenticates to `target`, and delegates `credentials` to it.
    ///
    /// Returns the TLS stream for the application. The connection's own timeouts are set for the handshake, and
    /// cleared after it; that small writes go out at once (`TCP_NODELAY`) stays so.
    ///
    /// # Errors
    /// Where policy forbids it, the connection fails or is too slow, or TLS or CredSSP fail.
    pub fn connect<IO: Transport>(
        &self,
        io: IO,
        target: ServicePrincipalName,
        credentials: Credentials,
    ) -> Result<(StreamOwned<ClientConnection, IO>, client::Complete), Error> {
        let mut progress = Progress {
            account: Some(credentials.account().clone()),
            ..Progress::default()
        };
        let connect = || {
            let connection = self.connection(&target, &credentials)?;
            let io = Timed::new(io, self.timeout())?;
            let (stream, complete) =
                self.delegate(connection, io, target, credentials, &mut progress)?;
            Ok((untimed(stream)?, complete))
        };
        connect().map_err(|failure: Failure| failure.into_error(Some(self.timeout()), &progress))
    }

    /// TLS before its first message, if policy lets `credentials` go to `target`.
    fn connection(
        &self,
        target: &ServicePrincipalName,
        credentials: &Credentials,
    ) -> Result<ClientConnection, crate::Error> {
        self.check_policy(target, credentials)?;
        let name = Self::server_name(target)?;
        Ok(ClientConnection::new(self.tls(), name)?)
    }

    /// TLS and CredSSP.
    fn delegate<IO: Transport>(
        &self,
        connection: ClientConnection,
        io: Timed<IO>,
        target: ServicePrincipalName,
        credentials: Credentials,
        progress: &mut Progress,
    ) -> Result<(StreamOwned<ClientConnection, Timed<IO>>, client::Complete), Failure> {
        let kdcs = Kdcs {
            transport: self.kdc(),
            deadline: io.deadline(),
        };
        let mut stream = StreamOwned::new(connection, io);
        handshake_tls(&mut stream)?;
        let client = self.client(stream.conn.peer_certificates(), target, credentials)?;
        let complete = drive_client(&mut stream, client, kdcs, progress)
            .inspect_err(|_| farewell(&mut stream))?;
        Ok((stream, complete))
    }
}

impl Acceptor {
    /// Accepts TLS over `io`, authenticates the client, and receives its credentials; `lookup` says what is known of
    /// an account, `None` where there is none.
    ///
    /// Returns the TLS stream for the application. The connection's own timeouts are set for the handshake, and
    /// cleared after it; that small writes go out at once (`TCP_NODELAY`) stays so.
    ///
    /// # Errors
    /// Where the connection fails or is too slow, TLS or CredSSP fail, or the look-up does.
    pub fn accept<IO: Transport>(
        &self,
        io: IO,
        lookup: impl FnMut(&AccountRequest) -> Result<Option<Account>, OtherError>,
    ) -> Result<(StreamOwned<ServerConnection, IO>, server::Complete), Error> {
        let mut progress = Progress::default();
        let accept = || {
            let io = Timed::new(io, self.timeout())?;
            let (stream, complete) = self.receive(io, lookup, &mut progress)?;
            Ok((untimed(stream)?, complete))
        };
        accept().map_err(|failure: Failure| failure.into_error(Some(self.timeout()), &progress))
    }

    /// TLS and CredSSP.
    fn receive<IO: Transport>(
        &self,
        io: Timed<IO>,
        lookup: impl FnMut(&AccountRequest) -> Result<Option<Account>, OtherError>,
        progress: &mut Progress,
    ) -> Result<(StreamOwned<ServerConnection, Timed<IO>>, server::Complete), Failure> {
        let connection = ServerConnection::new(self.tls()).map_err(crate::Error::from)?;
        let mut stream = StreamOwned::new(connection, io);
        handshake_tls(&mut stream)?;
        let complete = drive_server(&mut stream, self.server(), lookup, progress)
            .inspect_err(|_| farewell(&mut stream))?;
        Ok((stream, complete))
    }
}

/// Runs `client` over `io`, a stream of any TLS library whose handshake is done.
///
/// Consumes no more of `io` than CredSSP's own messages.
///
/// # Errors
/// Where the stream or CredSSP fail.
pub fn authenticate(
    io: &mut (impl BufRead + Write),
    client: Client,
) -> Result<client::Complete, Error> {
    authenticate_with(io, client, None)
}

/// As [`authenticate()`], with a way to the KDCs that Kerberos asks for.
///
/// # Errors
/// Where the stream or CredSSP fail.
pub fn authenticate_with_kdc(
    io: &mut (impl BufRead + Write),
    client: Client,
    kdc: &dyn KdcTransport,
) -> Result<client::Complete, Error> {
    authenticate_with(io, client, Some(kdc))
}

/// Runs `server` over `io`, a stream of any TLS library whose handshake is done; `lookup` says what is known of an
/// account, `None` where there is none.
///
/// Consumes no more of `io` than CredSSP's own messages.
///
/// # Errors
/// Where the stream, CredSSP or the look-up fail.
pub fn accept(
    io: &mut (impl BufRead + Write),
    server: Server,
    lookup: impl FnMut(&AccountRequest) -> Result<Option<Account>, OtherError>,
) -> Result<server::Complete, Error> {
    let mut progress = Progress::default();
    drive_server(io, server, lookup, &mut progress)
        .map_err(|failure| failure.into_error(None, &progress))
}

fn authenticate_with(
    io: &mut (impl BufRead + Write),
    client: Client,
    kdc: Option<&dyn KdcTransport>,
) -> Result<client::Complete, Error> {
    let mut progress = Progress::default();
    let kdcs = Kdcs {
        transport: kdc,
        deadline: None,
    };
    drive_client(io, client, kdcs, &mut progress)
        .map_err(|failure| failure.into_error(None, &progress))
}

/// The way to KDCs, and until when it may be used.
#[derive(Clone, Copy)]
struct Kdcs<'a> {
    transport: Option<&'a dyn KdcTransport>,
    deadline: Option<Instant>,
}

impl Kdcs<'_> {
    fn ask(self, request: &KdcRequest) -> KdcReply {
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        match self.transport {
            Some(transport) => transport.ask(request, self.deadline.map(left)),
            None => no_kdc(request),
        }
    }
}

fn drive_client(
    io: &mut (impl BufRead + Write),
    client: Client,
    kdcs: Kdcs<'_>,
    progress: &mut Progress,
) -> Result<client::Complete, Failure> {
    let (mut input, mut out) = (Input::default(), BytesMut::new());
    let mut handshake = client.start(&mut out)?;
    loop {
        note_client(&handshake, progress);
        flush(io, &mut out)?;
        handshake = match handshake {
            client::Handshake::NeedsInput(state) => {
                fill(&mut input, io)?;
                let next = state.process(&mut input.bytes, &mut out);
                last_words(io, &mut out, next)?
            }
            client::Handshake::NeedsKdc(state) => {
                let reply = kdcs.ask(state.request());
                state.continue_with(reply, &mut out)?
            }
            client::Handshake::Complete(complete) => {
                io.consume(input.finish());
                return Ok(complete);
            }
        };
    }
}

fn drive_server(
    io: &mut (impl BufRead + Write),
    server: Server,
    mut lookup: impl FnMut(&AccountRequest) -> Result<Option<Account>, OtherError>,
    progress: &mut Progress,
) -> Result<server::Complete, Failure> {
    let (mut input, mut out) = (Input::default(), BytesMut::new());
    let mut handshake = server::Handshake::NeedsInput(server.start()?);
    loop {
        note_server(&handshake, progress);
        flush(io, &mut out)?;
        handshake = match handshake {
            server::Handshake::NeedsInput(state) => {
                fill(&mut input, io)?;
                let next = state.process(&mut input.bytes, &mut out);
                last_words(io, &mut out, next)?
            }
            server::Handshake::NeedsAccount(state) => {
                let next = match lookup(state.request()) {
                    Ok(account) => state.continue_with(account, &mut out),
                    Err(error) => Err(state.fail(error, &mut out)),
                };
                last_words(io, &mut out, next)?
            }
            server::Handshake::Complete(complete) => {
                io.consume(input.finish());
                return Ok(complete);
            }
        };
    }
}

/// Reads more, unless there is something that was not looked at yet.
fn fill(input: &mut Input, io: &mut impl BufRead) -> io::Result<()> {
    if input.has_news() {
        return Ok(());
    }
    io.consume(input.release());
    loop {
        match io.fill_buf() {
            // By a signal, which is no failure: a read with a time limit is never restarted by the system.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            chunk => return input.take(chunk?),
        }
    }
}

/// The one write of a message.
fn flush(io: &mut impl Write, out: &mut BytesMut) -> io::Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    io.write_all(&out.split())?;
    io.flush()
}

/// On an error, tells the peer before giving up, without hiding the error itself.
fn last_words<T>(
    io: &mut impl Write,
    out: &mut BytesMut,
    next: Result<T, HandshakeError>,
) -> Result<T, HandshakeError> {
    if next.is_err() {
        let _ = flush(io, out);
    }
    next
}

fn handshake_tls<C, S, IO>(stream: &mut StreamOwned<C, IO>) -> io::Result<()>
where
    C: DerefMut<Target = ConnectionCommon<S>>,
    S: SideData,
    IO: Read + Write,
{
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    write_records(stream)
}

/// Closes TLS in due form after an error: the peer can then tell the end from an attack. Whether it still listens is its
/// own affair.
fn farewell<C, S, IO>(stream: &mut StreamOwned<C, IO>)
where
    C: DerefMut<Target = ConnectionCommon<S>>,
    S: SideData,
    IO: Read + Write,
{
    stream.conn.send_close_notify();
    let _ = write_records(stream);
}

/// Writes what TLS has left to say, such as the last flight of its handshake.
fn write_records<C, S, IO>(stream: &mut StreamOwned<C, IO>) -> io::Result<()>
where
    C: DerefMut<Target = ConnectionCommon<S>>,
    S: SideData,
    IO: Read + Write,
{
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut stream.sock)?;
    }
    stream.sock.flush()
}

/// The stream without its deadline.
fn untimed<C, S, IO: Transport>(stream: StreamOwned<C, Timed<IO>>) -> io::Result<StreamOwned<C, IO>>
where
    C: DerefMut<Target = ConnectionCommon<S>>,
    S: SideData,
{
    let (connection, timed) = stream.into_parts();
    let io = timed.into_inner()?;
    Ok(StreamOwned::new(connection, io))
}
