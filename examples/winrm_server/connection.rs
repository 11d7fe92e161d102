//! One connection: its authentication, then its sealed requests.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use credssp::AccountName;
use credssp::error::HandshakeError;
use credssp::gss::Acceptor;
use credssp::server;
use credssp::winrm::server::{Complete, Handshake, NeedsRequest, Reply};
use credssp::winrm::{OriginalType, Session, is_sealed};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderValue, InvalidHeaderValue, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};
use rustls::ProtocolVersion;
use serde_json::{Value, json};
use tokio::time;

use super::hand_over::Delegated;
use super::negotiate::{self, Negotiate, SCHEME, Turn};
use super::shell::Shells;
use super::soap;
use super::{Service, print_json};
use crate::command_line::tls_name;
use crate::{delegated, service};

/// The longest body to read.
const MAX_BODY: u64 = 512 * 1024;

/// The longest body to read that is not sealed, or comes before the client is authenticated.
const MAX_EARLY_BODY: usize = 64 * 1024;

/// How long a request's body may take.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// How far one connection is.
pub(crate) enum Connection {
    Authenticating(NeedsRequest),
    /// As long as nobody has logged on, where CredSSP is switched off.
    WithoutCredSsp,
    /// By `Negotiate`, in place of CredSSP.
    Negotiating(Box<dyn Acceptor>),
    Authenticated {
        /// What seals bodies: of CredSSP only.
        session: Option<Session>,
        shells: Shells,
    },
    /// After a failure, nothing more is answered.
    Ended,
}

type Answer = Result<Response<Full<Bytes>>, InvalidHeaderValue>;

impl Connection {
    pub(crate) async fn answer(
        &mut self,
        service: &Arc<Service>,
        request: Request<Incoming>,
    ) -> Answer {
        if request.uri().path() != "/wsman" {
            return plain(StatusCode::NOT_FOUND, false);
        }
        if request.method() != Method::POST {
            return plain(StatusCode::METHOD_NOT_ALLOWED, false);
        }
        match std::mem::replace(self, Self::Ended) {
            Self::Authenticating(state) => {
                let offered = service.negotiate.as_ref();
                let Some((negotiate, token)) = offered.zip(negotiate_token(&request)) else {
                    return self.authenticate(service, state, request).await;
                };
                self.negotiate(service, negotiate, None, &token, request)
                    .await
            }
            Self::WithoutCredSsp => {
                let offered = service.negotiate.as_ref();
                let Some((negotiate, token)) = offered.zip(negotiate_token(&request)) else {
                    *self = Self::WithoutCredSsp;
                    let mut answer = plain(StatusCode::UNAUTHORIZED, false)?;
                    let scheme = HeaderValue::from_static(SCHEME);
                    answer.headers_mut().insert(WWW_AUTHENTICATE, scheme);
                    return Ok(answer);
                };
                self.negotiate(service, negotiate, None, &token, request)
                    .await
            }
            Self::Negotiating(acceptor) => {
                let offered = service.negotiate.as_ref();
                let Some((negotiate, token)) = offered.zip(negotiate_token(&request)) else {
                    return plain(StatusCode::UNAUTHORIZED, true);
                };
                self.negotiate(service, negotiate, Some(acceptor), &token, request)
                    .await
            }
            Self::Authenticated {
                mut session,
                mut shells,
            } => {
                let answered = serve(service, session.as_mut(), &mut shells, request).await;
                match answered {
                    Ok(answer) => {
                        *self = Self::Authenticated { session, shells };
                        Ok(answer)
                    }
                    Err(reason) => Self::refuse(&reason),
                }
            }
            Self::Ended => plain(StatusCode::UNAUTHORIZED, true),
        }
    }

    async fn authenticate(
        &mut self,
        service: &Arc<Service>,
        state: NeedsRequest,
        request: Request<Incoming>,
    ) -> Answer {
        let authorization = request.headers().get(AUTHORIZATION).cloned();
        let Some(body) = early_body(request).await else {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, true);
        };
        let mut reply = Reply::default();
        let mut next = state.process(
            authorization.as_ref().map(HeaderValue::as_bytes),
            &mut reply,
        );
        if let Ok(Handshake::NeedsAccount(state)) = next {
            let account = service.directory.look_up(&state.request().account);
            next = state.continue_with(account, &mut reply);
        }
        let failed = next.is_err();
        match next {
            Ok(Handshake::NeedsRequest(state)) => *self = Self::Authenticating(state),
            Ok(Handshake::Complete(complete)) => {
                let Complete {
                    session, credssp, ..
                } = complete;
                let shells = log_on(service, credssp, session.tls_version());
                if let Some(answer) = self.begin(service, Some(session), shells, &body).await {
                    return answer;
                }
            }
            Ok(other) => eprintln!("winrm_server: cannot go on with {other:?}"),
            Err(error) => tell(&error),
        }
        let mut answer = plain(
            StatusCode::from_u16(reply.status).unwrap_or(StatusCode::UNAUTHORIZED),
            failed,
        )?;
        if let Some(mut value) = reply.www_authenticate {
            if service.negotiate.is_some() && authorization.is_none() {
                value = format!("{SCHEME}, {value}");
            }
            answer
                .headers_mut()
                .insert(WWW_AUTHENTICATE, value.try_into()?);
        }
        Ok(answer)
    }

    async fn negotiate(
        &mut self,
        service: &Arc<Service>,
        negotiate: &Negotiate,
        acceptor: Option<Box<dyn Acceptor>>,
        token: &[u8],
        request: Request<Incoming>,
    ) -> Answer {
        let Some(body) = early_body(request).await else {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, true);
        };
        let (mut answer, value) = match negotiate.step(acceptor, token, &service.directory) {
            Ok(Turn::Wait { value, next }) => {
                *self = Self::Negotiating(next);
                (plain(StatusCode::UNAUTHORIZED, false)?, Some(value))
            }
            Ok(Turn::LoggedOn {
                account,
                mechanism,
                value,
            }) => {
                print(&json!({
                    "ok": true,
                    "account": account.to_string(),
                    "mechanism": mechanism.to_string().to_lowercase(),
                    "credentials": null,
                }));
                let shells = Shells::new(service.programs.clone(), None);
                let answer = self.begin(service, None, shells, &body).await;
                (
                    answer.unwrap_or_else(|| plain(StatusCode::OK, false))?,
                    value,
                )
            }
            Err(error) => {
                eprintln!("winrm_server: {error}");
                print(&json!({ "ok": false, "kind": error.kind(), "error": error.to_string() }));
                (plain(StatusCode::UNAUTHORIZED, true)?, None)
            }
        };
        if let Some(value) = value {
            answer
                .headers_mut()
                .insert(WWW_AUTHENTICATE, value.try_into()?);
        }
        Ok(answer)
    }

    /// Goes on with the shells of a client that is authenticated, whose last token came with `body`; that may be a request.
    async fn begin(
        &mut self,
        service: &Arc<Service>,
        session: Option<Session>,
        mut shells: Shells,
        body: &[u8],
    ) -> Option<Answer> {
        let mut answer = None;
        if !body.is_empty() {
            answer = match serve_plain(service, &mut shells, body).await {
                Ok(answer) => Some(Ok(answer)),
                Err(reason) => return Some(Self::refuse(&reason)),
            };
        }
        *self = Self::Authenticated { session, shells };
        answer
    }

    fn refuse(reason: &str) -> Answer {
        eprintln!("winrm_server: {reason}");
        plain(StatusCode::BAD_REQUEST, true)
    }
}

/// The token of `Authorization: Negotiate`.
fn negotiate_token(request: &Request<Incoming>) -> Option<Vec<u8>> {
    negotiate::token(request.headers().get(AUTHORIZATION)?)
}

/// What comes along with a token: over HTTPS, some clients send their first request along with each, and it counts with the last one.
async fn early_body(request: Request<Incoming>) -> Option<Bytes> {
    let announced = usize::try_from(request.body().size_hint().lower());
    if announced.is_ok_and(|announced| announced > MAX_EARLY_BODY) {
        return None;
    }
    let body = Limited::new(request.into_body(), MAX_EARLY_BODY).collect();
    let body = time::timeout(BODY_DEADLINE, body).await;
    Some(body.ok()?.ok()?.to_bytes())
}

/// Tells of a client that has delegated its credentials, and prepares its shells.
fn log_on(
    service: &Arc<Service>,
    credssp: server::Complete,
    tls: Option<ProtocolVersion>,
) -> Shells {
    let mut line = json!({
        "ok": true,
        "account": credssp.account.to_string(),
        "mechanism": credssp.mechanism.to_string().to_lowercase(),
        "version": credssp.version,
        "tls": tls_name(tls),
        "credentials": delegated::to_json(&credssp.credentials, service.show_secrets),
    });
    if let (Value::Object(line), Some(info)) = (&mut line, &credssp.logon_info) {
        line.insert("logon_info".into(), service::to_json(info));
    }
    print(&line);
    let hand_over = service.hand_over.clone();
    let delegated = hand_over.and_then(|hand_over| Delegated::new(hand_over, credssp.credentials));
    Shells::new(service.programs.clone(), delegated.map(Box::new))
}

/// Answers one request of a client that is authenticated.
async fn serve(
    service: &Arc<Service>,
    session: Option<&mut Session>,
    shells: &mut Shells,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, String> {
    let content_type = request.headers().get(CONTENT_TYPE).cloned();
    let content_type = content_type
        .as_ref()
        .map_or(&b""[..], HeaderValue::as_bytes);
    let mut body = request.into_body();
    if !is_sealed(content_type) {
        let body = Limited::new(body, MAX_EARLY_BODY).collect();
        let body = time::timeout(BODY_DEADLINE, body).await.map_err(text)?;
        return serve_plain(service, shells, &body.map_err(text)?.to_bytes()).await;
    }
    let session = session.ok_or("a request was sealed, without CredSSP")?;
    let opened = async {
        let mut plaintext = BytesMut::new();
        let mut opener = session.opener(content_type, MAX_BODY).map_err(text)?;
        while let Some(frame) = body.frame().await {
            if let Some(piece) = frame.map_err(text)?.data_ref() {
                opener.open(piece, &mut plaintext).map_err(text)?;
            }
        }
        Ok::<_, String>((opener.finish().map_err(text)?, plaintext))
    };
    let (original, plaintext) = time::timeout(BODY_DEADLINE, opened).await.map_err(text)??;
    let envelope = decode(&original, &plaintext).ok_or("a request's characters are none")?;
    let answer = shells.answer(&soap::Request::parse(&envelope)?).await;

    let mut sealed = BytesMut::new();
    let content_type = session
        .seal(
            &OriginalType::SOAP_UTF_8,
            answer.body.as_bytes(),
            &mut sealed,
        )
        .map_err(text)?;
    Ok(soap_response(answer.status, content_type, sealed.freeze()))
}

/// Answers a request that is not sealed: what TLS protects already need not be, where the client has verified the
/// certificate. From one that has not, it may be anybody's.
async fn serve_plain(
    service: &Arc<Service>,
    shells: &mut Shells,
    body: &[u8],
) -> Result<Response<Full<Bytes>>, String> {
    if !service.https {
        return Err("a request was not sealed".into());
    }
    let envelope = decode(&OriginalType::SOAP_UTF_8, body).ok_or("a request is not UTF-8")?;
    let answer = shells.answer(&soap::Request::parse(&envelope)?).await;
    let content_type = "application/soap+xml;charset=UTF-8";
    Ok(soap_response(
        answer.status,
        content_type,
        answer.body.into(),
    ))
}

fn soap_response(status: u16, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// By the type's charset.
fn decode(original: &OriginalType, text: &[u8]) -> Option<String> {
    let utf_16 = original
        .charset()
        .is_some_and(|charset| charset.to_ascii_lowercase().starts_with("utf-16"));
    if !utf_16 {
        let text = str::from_utf8(text).ok()?;
        return Some(text.trim_start_matches('\u{feff}').to_owned());
    }
    let units = text
        .chunks_exact(2)
        .filter_map(|unit| unit.first_chunk().copied());
    let units: Vec<_> = units.map(u16::from_le_bytes).collect();
    let text = String::from_utf16(&units).ok()?;
    Some(text.trim_start_matches('\u{feff}').to_owned())
}

fn plain(status: StatusCode, last: bool) -> Answer {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    if last {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

fn tell(error: &HandshakeError) {
    eprintln!("winrm_server: {error}");
    let progress = &error.progress;
    print(&json!({
        "ok": false,
        "kind": error.error.kind(),
        "error": error.to_string(),
        "account": progress.account.as_ref().map(AccountName::to_string),
        "step": progress.step.to_string(),
    }));
}

fn print(line: &Value) {
    if let Err(error) = print_json(line) {
        eprintln!("winrm_server: cannot print the result: {error}");
    }
}
