//! CredSSP over `tokio::io::{AsyncRead, AsyncWrite}`; the futures are `Send` where the connection is.
//!
//! ```no_run
//! use credssp::tls::Connector;
//! use credssp::{ClientConfig, Credentials, DelegationPolicy, ServicePrincipalName};
//! use tokio::net::TcpStream;
//!
//! # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = DelegationPolicy::default().allow_fresh_when_ntlm_only("TERMSRV/web.example.com".parse()?);
//! let connector = Connector::new(ClientConfig::new(policy))?;
//! let credentials = Credentials::password(r"CORP\alice".parse()?, "correct horse");
//! let target = ServicePrincipalName::termsrv("web.example.com")?;
//!
//! let tcp = TcpStream::connect("web.example.com:5000").await?;
//! let (stream, complete) = connector.connect_async(tcp, target, credentials).await?;
//! println!("delegated over {}; the server is proved by {}", complete.mechanism, complete.proof);
//! # drop(stream);
//! # Ok(())
//! # }
//! ```

use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::Error;
use super::exchange::{Failure, Input, no_kdc, note_client, note_server};
use crate::account::{Account, AccountRequest};
use crate::client::{self, Client};
use crate::credentials::Credentials;
use crate::error::{HandshakeError, OtherError, Progress};
use crate::kdc::AsyncKdcTransport;
use crate::name::ServicePrincipalName;
use crate::server::{self, Server};
use crate::tls::{Acceptor, Connector};

mod rdp;

impl Connector {
    /// Opens TLS over `io`, authenticates to `target`, and delegates `credentials` to it.
    ///
    /// Returns the TLS stream for the application. Needs a runtime whose timers are enabled. Set `TCP_NODELAY` on a TCP
    /// connection before: each message is one write, and waiting for more costs tens of milliseconds.
    ///
    /// # Errors
    /// Where policy forbids it, the connection fails or is too slow, or TLS or CredSSP fail.
    pub async fn connect_async<IO>(
        &self,
        io: IO,
        target: ServicePrincipalName,
        credentials: Credentials,
    ) -> Result<(tokio_rustls::client::TlsStream<IO>, client::Complete), Error>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut progress = Progress {
            account: Some(credentials.account().clone()),
            ..Progress::default()
        };
        let connection = async {
            let name = self.permitted_name(&target, &credentials)?;
            self.delegate_async(name, io, target, credentials, &mut progress)
                .await
        };
        let result = within(self.timeout(), connection).await;
        result.map_err(|failure| failure.into_error(Some(self.timeout()), &progress))
    }

    /// The name to ask for in TLS, if policy lets `credentials` go to `target`.
    fn permitted_name(
        &self,
        target: &ServicePrincipalName,
        credentials: &Credentials,
    ) -> Result<ServerName<'static>, crate::Error> {
        self.check_policy(target, credentials)?;
        Self::server_name(target)
    }

    /// TLS and CredSSP.
    async fn delegate_async<IO>(
        &self,
        name: ServerName<'static>,
        io: IO,
        target: ServicePrincipalName,
        credentials: Credentials,
        progress: &mut Progress,
    ) -> Result<(tokio_rustls::client::TlsStream<IO>, client::Complete), Failure>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut stream = TlsConnector::from(self.tls()).connect(name, io).await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let client = self.client(certificates, target, credentials)?;
        let result = drive_client(&mut stream, client, self.async_kdc(), progress).await;
        farewell(stream, result).await
    }
}

impl Acceptor {
    /// Accepts TLS over `io`, authenticates the client, and receives its credentials; `lookup` says what is known of
    /// an account, `None` where there is none, and takes its time over it, within the acceptor's timeout.
    ///
    /// Returns the TLS stream for the application. Needs a runtime whose timers are enabled. Set `TCP_NODELAY` on a TCP
    /// connection before: each message is one write, and waiting for more costs tens of milliseconds.
    ///
    /// # Errors
    /// Where the connection fails or is too slow, TLS or CredSSP fail, or the look-up does.
    pub async fn accept_async<IO, F>(
        &self,
        io: IO,
        lookup: impl FnMut(AccountRequest) -> F,
    ) -> Result<(tokio_rustls::server::TlsStream<IO>, server::Complete), Error>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
        F: Future<Output = Result<Option<Account>, OtherError>>,
    {
        let mut progress = Progress::default();
        let connection = self.receive_async(io, lookup, &mut progress);
        let result = within(self.timeout(), connection).await;
        result.map_err(|failure| failure.into_error(Some(self.timeout()), &progress))
    }

    /// TLS and CredSSP.
    async fn receive_async<IO, F>(
        &self,
        io: IO,
        lookup: impl FnMut(AccountRequest) -> F,
        progress: &mut Progress,
    ) -> Result<(tokio_rustls::server::TlsStream<IO>, server::Complete), Failure>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
        F: Future<Output = Result<Option<Account>, OtherError>>,
    {
        let mut stream = TlsAcceptor::from(self.tls()).accept(io).await?;
        let result = drive_server(&mut stream, self.server(), lookup, progress).await;
        farewell(stream, result).await
    }
}

/// Runs `client` over `io`, a stream of any TLS library whose handshake is done. Wrap this in a timeout.
///
/// Consumes no more of `io` than CredSSP's own messages.
///
/// # Errors
/// Where the stream or CredSSP fail.
pub async fn authenticate<IO>(io: &mut IO, client: Client) -> Result<client::Complete, Error>
where
    IO: AsyncBufRead + AsyncWrite + Unpin,
{
    authenticate_with(io, client, None).await
}

/// As [`authenticate()`], with a way to the KDCs that Kerberos asks for.
///
/// # Errors
/// Where the stream or CredSSP fail.
pub async fn authenticate_with_kdc<IO>(
    io: &mut IO,
    client: Client,
    kdc: &dyn AsyncKdcTransport,
) -> Result<client::Complete, Error>
where
    IO: AsyncBufRead + AsyncWrite + Unpin,
{
    authenticate_with(io, client, Some(kdc)).await
}

/// Runs `server` over `io`, a stream of any TLS library whose handshake is done; `lookup` says what is known of an
/// account, `None` where there is none. Wrap this in a timeout.
///
/// Consumes no more of `io` than CredSSP's own messages.
///
/// # Errors
/// Where the stream, CredSSP or the look-up fail.
pub async fn accept<IO, F>(
    io: &mut IO,
    server: Server,
    lookup: impl FnMut(AccountRequest) -> F,
) -> Result<server::Complete, Error>
where
    IO: AsyncBufRead + AsyncWrite + Unpin,
    F: Future<Output = Result<Option<Account>, OtherError>>,
{
    let mut progress = Progress::default();
    let result = drive_server(io, server, lookup, &mut progress).await;
    result.map_err(|failure| failure.into_error(None, &progress))
}

async fn authenticate_with<IO>(
    io: &mut IO,
    client: Client,
    kdc: Option<&dyn AsyncKdcTransport>,
) -> Result<client::Complete, Error>
where
    IO: AsyncBufRead + AsyncWrite + Unpin,
{
    let mut progress = Progress::default();
    let result = drive_client(io, client, kdc, &mut progress).await;
    result.map_err(|failure| failure.into_error(None, &progress))
}

async fn drive_client<IO>(
    io: &mut IO,
    client: Client,
    kdc: Option<&dyn AsyncKdcTransport>,
    progress: &mut Progress,
) -> Result<client::Complete, Failure>
where
    IO: AsyncBufRead + AsyncWrite + Unpin,
{
    let (mut input, mut out) = (Input::default(), BytesMut::new());
    let mut handshake = client.start(&mut out)?;
    loop {
        note_client(&handshake, progress);
        flush(io, &mut out).await?;
        handshake = match handshake {
            client::Handshake::NeedsInput(state) => {
                fill(&mut input, io).await?;
                let next = state.process(&mut input.bytes, &mut out);
                last_words(io, &mut out, next).await?
            }
            client::Handshake::NeedsKdc(state) => {
                let request = state.request();
                let reply = match kdc {
                    Some(kdc) => kdc.ask(request).await,
                    None => no_kdc(request),
                };
                state.continue_with(reply, &mut out)?
            }
            client::Handshake::Complete(complete) => {
                io.consume(input.finish());
                return Ok(complete);
            }
        };
    }
}

async fn drive_server<IO, F>(
    io: &mut IO,
    server: Server,
    mut lookup: impl FnMut(AccountRequest) -> F,
    progress: &mut Progress,
) -> Result<server::Complete, Failure>
where
    IO: AsyncBufRead + AsyncWrite + Unpin,
    F: Future<Output = Result<Option<Account>, OtherError>>,
{
    let (mut input, mut out) = (Input::default(), BytesMut::new());
    let mut handshake = server::Handshake::NeedsInput(server.start()?);
    loop {
        note_server(&handshake, progress);
        flush(io, &mut out).await?;
        handshake = match handshake {
            server::Handshake::NeedsInput(state) => {
                fill(&mut input, io).await?;
                let next = state.process(&mut input.bytes, &mut out);
                last_words(io, &mut out, next).await?
            }
            server::Handshake::NeedsAccount(state) => {
                let next = match lookup(state.request().clone()).await {
                    Ok(account) => state.continue_with(account, &mut out),
                    Err(error) => Err(state.fail(error, &mut out)),
                };
                last_words(io, &mut out, next).await?
            }
            server::Handshake::Complete(complete) => {
                io.consume(input.finish());
                return Ok(complete);
            }
        };
    }
}

/// Holds the whole of `handshake` to one deadline.
async fn within<T>(
    timeout: Duration,
    handshake: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match time::timeout(timeout, handshake).await {
        Ok(result) => result,
        Err(_) => Err(Failure::Io(io::ErrorKind::TimedOut.into())),
    }
}

/// Closes TLS in due form after an error: the peer can then tell the end from an attack. Whether it still listens is its
/// own affair.
async fn farewell<S, T>(mut stream: S, result: Result<T, Failure>) -> Result<(S, T), Failure>
where
    S: AsyncWrite + Unpin,
{
    match result {
        Ok(complete) => Ok((stream, complete)),
        Err(failure) => {
            let _ = stream.shutdown().await;
            Err(failure)
        }
    }
}

/// Reads more, unless there is something that was not looked at yet.
async fn fill(input: &mut Input, io: &mut (impl AsyncBufRead + Unpin)) -> io::Result<()> {
    if input.has_news() {
        return Ok(());
    }
    io.consume(input.release());
    input.take(io.fill_buf().await?)
}

/// The one write of a message.
async fn flush(io: &mut (impl AsyncWrite + Unpin), out: &mut BytesMut) -> io::Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    io.write_all(&out.split()).await?;
    io.flush().await
}

/// On an error, tells the peer before giving up, without hiding the error itself.
async fn last_words<T>(
    io: &mut (impl AsyncWrite + Unpin),
    out: &mut BytesMut,
    next: Result<T, HandshakeError>,
) -> Result<T, HandshakeError> {
    if next.is_err() {
        let _ = flush(io, out).await;
    }
    next
}
