//! One connection: its authentication, then its sealed requests.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use credssp::AccountName;
use credssp::error::HandshakeError;
use credssp::winrm::server::{Complete, Handshake, NeedsRequest, Reply};
use credssp::winrm::{OriginalType, Session, is_sealed};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderValue, InvalidHeaderValue, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time;

use super::shell::Shells;
use super::soap;
use super::{Service, print_json};
use crate::command_line::tls_name;
use crate::{delegated, service};

/// The longest body to read.
const MAX_BODY: u64 = 512 * 1024;

/// The longest body to read before the client is authenticated.
const MAX_EARLY_BODY: usize = 64 * 1024;

/// How long a request's body may take.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// How far one connection is.
pub(crate) enum Connection {
    Authenticating(NeedsRequest),
    Authenticated {
        session: Session,
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
            Self::Authenticating(state) => self.authenticate(service, state, request).await,
            Self::Authenticated {
                mut session,
                mut shells,
            } => {
                let answered = serve(service, &mut session, &mut shells, request).await;
                match answered {
                    Ok(answer) => {
                        *self = Self::Authenticated { session, shells };
                        answer
                    }
                    Err(reason) => {
                        eprintln!("winrm_server: {reason}");
                        plain(StatusCode::BAD_REQUEST, true)
                    }
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
        // What comes before the authentication is nobody's yet: it is read, lest it be taken for the next request, and forgotten.
        let body = Limited::new(request.into_body(), MAX_EARLY_BODY).collect();
        if !matches!(time::timeout(BODY_DEADLINE, body).await, Ok(Ok(_))) {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, true);
        }
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
            Ok(Handshake::Complete(complete)) => *self = Self::authenticated(service, complete),
            Ok(other) => eprintln!("winrm_server: cannot go on with {other:?}"),
            Err(error) => tell(&error),
        }
        let mut answer = plain(
            StatusCode::from_u16(reply.status).unwrap_or_default(),
            failed,
        )?;
        if let Some(value) = reply.www_authenticate {
            answer
                .headers_mut()
                .insert(WWW_AUTHENTICATE, value.try_into()?);
        }
        Ok(answer)
    }

    fn authenticated(shared: &Arc<Service>, complete: Complete) -> Self {
        let credssp = complete.credssp;
        let mut line = json!({
            "ok": true,
            "account": credssp.account.to_string(),
            "mechanism": credssp.mechanism.to_string().to_lowercase(),
            "version": credssp.version,
            "tls": tls_name(complete.session.tls_version()),
            "credentials": delegated::to_json(&credssp.credentials, shared.show_secrets),
        });
        if let (Value::Object(line), Some(info)) = (&mut line, &credssp.logon_info) {
            line.insert("logon_info".into(), service::to_json(info));
        }
        print(&line);
        Self::Authenticated {
            session: complete.session,
            shells: Shells::new(shared.programs.clone()),
        }
    }
}

/// Answers one request of a client that is authenticated.
async fn serve(
    service: &Arc<Service>,
    session: &mut Session,
    shells: &mut Shells,
    request: Request<Incoming>,
) -> Result<Answer, String> {
    let content_type = request.headers().get(CONTENT_TYPE).cloned();
    let content_type = content_type
        .as_ref()
        .map_or(&b""[..], HeaderValue::as_bytes);
    let sealed = is_sealed(content_type);
    // What TLS protects already need not be sealed.
    if !sealed && !service.https {
        return Err("a request was not sealed".into());
    }
    let body = async {
        let mut body = request.into_body();
        let mut plaintext = BytesMut::new();
        if !sealed {
            let body = Limited::new(body, MAX_BODY.try_into().unwrap_or_default());
            let body = body.collect().await.map_err(|error| error.to_string())?;
            return Ok((OriginalType::SOAP_UTF_8, BytesMut::from(body.to_bytes())));
        }
        let mut opener = session
            .opener(content_type, MAX_BODY)
            .map_err(|error| error.to_string())?;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| error.to_string())?;
            if let Some(piece) = frame.data_ref() {
                opener
                    .open(piece, &mut plaintext)
                    .map_err(|error| error.to_string())?;
            }
        }
        let original = opener.finish().map_err(|error| error.to_string())?;
        Ok::<_, String>((original, plaintext))
    };
    let (original, plaintext) = time::timeout(BODY_DEADLINE, body)
        .await
        .map_err(|_| "a request's body takes too long")??;
    let text = decode(&original, &plaintext).ok_or("a request's characters are none")?;
    let request = soap::Request::parse(&text)?;
    let answer = shells.answer(&request).await;

    let mut out = BytesMut::new();
    let content_type = if sealed {
        session
            .seal(&OriginalType::SOAP_UTF_8, answer.body.as_bytes(), &mut out)
            .map_err(|error| error.to_string())?
    } else {
        out.extend_from_slice(answer.body.as_bytes());
        "application/soap+xml;charset=UTF-8"
    };
    let mut response = Response::new(Full::new(out.freeze()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(Ok(response))
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
