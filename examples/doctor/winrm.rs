//! WinRM's HTTP, whose headers carry what goes through a stream elsewhere (MS-WSMV, section 2.2.9.1.3).

use std::future::Future;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use credssp::winrm::header::{self, Challenge};
use http_body_util::{BodyExt, Full, Limited as LimitedBody};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time;
use tokio_rustls::TlsConnector;

use crate::connection::{self, Limited, Trouble};
use crate::report::shortened;

/// The longest body of an answer that is read to its end, for the connection to be free again.
const MAX_BODY: usize = 65_536;

/// Where a service is.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) https: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    authority: String,
    path: String,
}

impl Service {
    /// From `http://HOST[:PORT][/PATH]`, or `https`.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let error = || format!("{url} is no URL such as http://host.example.com:5985/wsman");
        let uri: Uri = url.parse().map_err(|_| error())?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(error()),
        };
        // What stands before an `@` would go to the service as it is.
        let authority = uri.authority().filter(|name| !name.as_str().contains('@'));
        let authority = authority.ok_or_else(error)?;
        Ok(Self {
            https,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if https { 5986 } else { 5985 }),
            authority: authority.to_string(),
            path: match uri.path() {
                "" | "/" => "/wsman".into(),
                path => path.into(),
            },
        })
    }
}

/// What a service says to a request without credentials.
pub(crate) struct Offer {
    pub(crate) status: u16,
    /// The values of its `WWW-Authenticate`.
    pub(crate) schemes: Vec<String>,
    pub(crate) credssp: bool,
}

/// A stream in headers: what is written goes out with the next flush as one request, whose answer is what is read then.
pub(crate) struct Headers {
    runtime: Runtime,
    http: SendRequest<Full<Bytes>>,
    service: Service,
    end: Instant,
    written: Vec<u8>,
    heard: BytesMut,
    status: u16,
}

impl Headers {
    /// Asks what the service offers.
    pub(crate) fn open(tcp: Limited, service: &Service) -> Result<(Self, Offer), Trouble> {
        let (tcp, end) = tcp.into_parts();
        tcp.set_nonblocking(true)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let http = runtime.block_on(within(end, connect(tcp, service)))?;
        let mut headers = Self {
            runtime,
            http,
            service: service.clone(),
            end,
            written: Vec::new(),
            heard: BytesMut::new(),
            status: 0,
        };
        let (status, values) = headers.post(None)?;
        let offer = Offer {
            status,
            credssp: !matches!(header::challenge(&values)?, Challenge::Absent),
            schemes: values
                .iter()
                .map(|value| shortened(&String::from_utf8_lossy(value)))
                .collect(),
        };
        Ok((headers, offer))
    }

    /// Waits no longer than that.
    pub(crate) fn limit(&mut self, end: Instant) {
        self.end = self.end.min(end);
    }

    /// That of the last answer.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    fn post(&mut self, authorization: Option<String>) -> io::Result<(u16, Vec<Vec<u8>>)> {
        let mut request = Request::post(&self.service.path).header(HOST, &self.service.authority);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request
            .body(Full::new(Bytes::new()))
            .map_err(io::Error::other)?;
        let http = &mut self.http;
        let exchange = async {
            http.ready().await.map_err(closed)?;
            let response = http.send_request(request).await.map_err(closed)?;
            let (head, body) = response.into_parts();
            let _ = LimitedBody::new(body, MAX_BODY).collect().await;
            let values = head.headers.get_all(WWW_AUTHENTICATE);
            let values = values.iter().map(|value| value.as_bytes().to_vec());
            Ok((head.status.as_u16(), values.collect()))
        };
        let answer: (u16, Vec<Vec<u8>>) = self.runtime.block_on(within(self.end, exchange))?;
        self.status = answer.0;
        Ok(answer)
    }
}

impl Write for Headers {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.written.extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.written.is_empty() {
            return Ok(());
        }
        let value = header::value(&std::mem::take(&mut self.written));
        let (_, values) = self.post(Some(value))?;
        if let Challenge::Token(token) = header::challenge(&values).map_err(io::Error::other)? {
            self.heard.extend_from_slice(&token);
        }
        Ok(())
    }
}

impl Read for Headers {
    /// An answer without a token is the end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.heard.len());
        self.heard
            .copy_to_slice(buffer.get_mut(..length).unwrap_or_default());
        Ok(length)
    }
}

async fn connect(
    tcp: std::net::TcpStream,
    service: &Service,
) -> io::Result<SendRequest<Full<Bytes>>> {
    let tcp = TcpStream::from_std(tcp)?;
    if !service.https {
        return handshake(tcp).await;
    }
    let name = ServerName::try_from(service.host.clone()).map_err(io::Error::other)?;
    let config = connection::any_certificate().map_err(io::Error::other)?;
    handshake(
        TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await?,
    )
    .await
}

async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> io::Result<SendRequest<Full<Bytes>>> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(closed)?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn within<T>(end: Instant, future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match time::timeout_at(end.into(), future).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// What hyper says, as a connection would.
fn closed(error: hyper::Error) -> io::Error {
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return io::ErrorKind::UnexpectedEof.into();
    }
    io::Error::other(error)
}
