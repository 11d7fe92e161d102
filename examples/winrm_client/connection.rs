//! One connection to a service: the authentication, then sealed requests.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use credssp::client;
use credssp::kdc::KdcTransport;
use credssp::winrm::client::{Complete, Handshake, Renewal};
use credssp::winrm::{OriginalType, Session, is_sealed};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::{task, time};

use super::{Failure, Setup};

/// How long connecting, and each answer, may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// The longest answer to read.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;

/// A connection whose service has taken the credentials.
pub(crate) struct Connection {
    http: Http,
    pub(crate) session: Session,
    pub(crate) credssp: client::Complete,
    renewal: Option<Renewal>,
    kdc: Arc<dyn KdcTransport>,
}

impl Connection {
    pub(crate) async fn open(setup: Setup) -> Result<Self, Failure> {
        let credentials = setup.credentials.clone();
        let state = setup.connector.start(&setup.host, credentials)?;
        let mut http = Http::connect(&setup).await?;
        let complete =
            authenticate(&mut http, &*setup.kdc, Handshake::NeedsResponse(state)).await?;
        Ok(Self {
            http,
            session: complete.session,
            credssp: complete.credssp,
            renewal: complete.renewal,
            kdc: setup.kdc,
        })
    }

    /// Posts an envelope, and gives the status and the answer's text.
    pub(crate) async fn post(&mut self, envelope: &str) -> Result<(StatusCode, String), Failure> {
        let response = self.post_sealed(envelope).await?;
        let response = match (response.status(), self.renewal.take()) {
            // The service has forgotten the session, and done nothing of what it was asked.
            (StatusCode::UNAUTHORIZED, Some(renewal)) => {
                let handshake = renewal.start(401, challenges(&response))?;
                let complete = authenticate(&mut self.http, &*self.kdc, handshake).await?;
                self.session = complete.session;
                self.post_sealed(envelope).await?
            }
            (_, renewal) => {
                self.renewal = renewal;
                response
            }
        };
        let status = response.status();
        let content_type = response.headers().get(CONTENT_TYPE).cloned();
        let content_type = content_type
            .as_ref()
            .map_or(&b""[..], HeaderValue::as_bytes);
        // What is not sealed may be anybody's.
        if !is_sealed(content_type) {
            return Err(Failure::Answer(format!(
                "status {status}, and nothing sealed"
            )));
        }
        let mut text = BytesMut::new();
        let mut opener = self.session.opener(content_type, MAX_ANSWER)?;
        let mut body = response.into_body();
        while let Some(frame) = time::timeout(DEADLINE, body.frame()).await.map_err(late)? {
            if let Some(piece) = frame.map_err(transport)?.data_ref() {
                opener.open(piece, &mut text)?;
            }
        }
        opener.finish()?;
        let text =
            String::from_utf8(text.to_vec()).map_err(|error| Failure::Answer(error.to_string()))?;
        Ok((status, text))
    }

    async fn post_sealed(&mut self, envelope: &str) -> Result<Response<Incoming>, Failure> {
        let mut body = BytesMut::new();
        let content_type =
            self.session
                .seal(&OriginalType::SOAP_UTF_8, envelope.as_bytes(), &mut body)?;
        self.http
            .post(None, Some(content_type), body.freeze())
            .await
    }
}

async fn authenticate(
    http: &mut Http,
    kdc: &dyn KdcTransport,
    mut handshake: Handshake,
) -> Result<Complete, Failure> {
    loop {
        handshake = match handshake {
            Handshake::NeedsResponse(state) => {
                let response = http.post(state.authorization(), None, Bytes::new()).await?;
                let (status, challenges) = (response.status().as_u16(), challenges(&response));
                // To the end of the body, for the connection to be free for the next request.
                let body = http_body_util::Limited::new(response.into_body(), 65_536).collect();
                time::timeout(DEADLINE, body)
                    .await
                    .map_err(late)?
                    .map_err(transport)?;
                state.process(status, challenges)?
            }
            Handshake::NeedsKdc(state) => {
                let reply = task::block_in_place(|| kdc.ask(state.request(), Some(DEADLINE)));
                state.continue_with(reply)?
            }
            Handshake::Complete(complete) => return Ok(complete),
            other => return Err(Failure::Answer(format!("cannot go on with {other:?}"))),
        };
    }
}

fn challenges(response: &Response<Incoming>) -> Vec<HeaderValue> {
    let values = response.headers().get_all(WWW_AUTHENTICATE);
    values.iter().cloned().collect()
}

/// HTTP over the one connection to which the session belongs.
struct Http {
    sender: SendRequest<Full<Bytes>>,
    path: Uri,
    host: String,
}

impl Http {
    async fn connect(setup: &Setup) -> Result<Self, Failure> {
        let host = setup
            .url
            .host()
            .unwrap_or_default()
            .trim_matches(['[', ']']);
        let default_port = if setup.https.is_some() { 5986 } else { 5985 };
        let port = setup.url.port_u16().unwrap_or(default_port);
        let tcp = TcpStream::connect((host, port));
        let tcp = time::timeout(DEADLINE, tcp)
            .await
            .map_err(late)?
            .map_err(transport)?;
        // Each request is one write: nothing is won by waiting for more. It works without, too.
        let _ = tcp.set_nodelay(true);
        let sender = match &setup.https {
            None => handshake(tcp).await?,
            Some(tls) => {
                let name = setup.host.trim_matches(['[', ']']).to_owned();
                let name = ServerName::try_from(name).map_err(transport)?;
                let stream = time::timeout(DEADLINE, tls.connect(name, tcp));
                handshake(stream.await.map_err(late)?.map_err(transport)?).await?
            }
        };
        let path = match setup.url.path_and_query() {
            Some(path) if path.as_str() != "/" => path.as_str(),
            _ => "/wsman",
        };
        Ok(Self {
            sender,
            path: path.parse().map_err(transport)?,
            host: setup
                .url
                .authority()
                .map(ToString::to_string)
                .unwrap_or_default(),
        })
    }

    async fn post(
        &mut self,
        authorization: Option<&str>,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::post(self.path.clone()).header(HOST, &self.host);
        for (name, value) in [(AUTHORIZATION, authorization), (CONTENT_TYPE, content_type)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let request = request.body(Full::new(body)).map_err(transport)?;
        self.sender.ready().await.map_err(transport)?;
        let response = time::timeout(DEADLINE, self.sender.send_request(request));
        response.await.map_err(late)?.map_err(transport)
    }
}

async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(transport)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection failed");
        }
    });
    Ok(sender)
}

fn transport(error: impl ToString) -> Failure {
    Failure::Transport(error.to_string())
}

fn late(_: time::error::Elapsed) -> Failure {
    Failure::Transport(format!("no answer within {} s", DEADLINE.as_secs()))
}
