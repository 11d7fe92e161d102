use std::io;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::http::StatusCode;
use ureq::http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::framing::{bad_reply, reply_len, with_length};
use crate::codec::der::{self, GENERAL_STRING, INTEGER, OCTET_STRING, Reader, SEQUENCE, context};
use crate::error::{Error, InvalidMessage};
use crate::kdc::KdcRequest;
use crate::kerberos::asn1::MAX_LEN;
use crate::tls::Trust;

/// MS-KKDCP, section 2.1.
const KERBEROS: &str = "application/kerberos";

/// How much longer than a message a KDC-PROXY-MESSAGE may be.
const MAX_FRAME: usize = 1024;

const MAX_HEADERS: usize = 16 * 1024;

/// What asks KDC proxies (MS-KKDCP).
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    agent: Agent,
}

impl Proxy {
    pub(super) fn new(roots: &[u8]) -> Result<Self, Error> {
        let mut trust = Trust::default();
        trust.add_pem_roots(roots)?;
        let roots: Vec<_> = trust
            .roots
            .iter()
            .map(|root| Certificate::from_der(root).to_owned())
            .collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            // Nobody but the proxy that was named: no redirects, and nothing from the environment's variables.
            .max_redirects(0)
            .proxy(None)
            .user_agent("kerberos/1.0")
            .max_response_header_size(MAX_HEADERS)
            // A connection that has been left lying may be dead.
            .max_idle_connections(0)
            .build();
        Ok(Self {
            agent: config.new_agent(),
        })
    }

    pub(super) fn ask(
        &self,
        url: &str,
        request: &KdcRequest,
        timeout: Duration,
    ) -> io::Result<Vec<u8>> {
        let body = encode(&with_length(&request.message)?, &request.realm);
        let response = self
            .agent
            .post(url)
            .header(CONTENT_TYPE, KERBEROS)
            .header(CACHE_CONTROL, "no-cache")
            .header(PRAGMA, "no-cache")
            .config()
            .timeout_global(Some(timeout))
            .build()
            .send(&body)
            .map_err(failure)?;
        if response.status() != StatusCode::OK {
            return Err(refused(response.status().as_u16()));
        }
        let content_type = response.body().mime_type().unwrap_or_default();
        if !content_type.eq_ignore_ascii_case(KERBEROS) {
            return Err(bad_reply(format!("its content type is not {KERBEROS}")));
        }
        let limit = u64::try_from(MAX_LEN.saturating_add(MAX_FRAME)).unwrap_or(u64::MAX);
        let body = response
            .into_body()
            .into_with_config()
            .limit(limit)
            .read_to_vec()
            .map_err(failure)?;
        let framed = decode(&body).map_err(|error| bad_reply(error.to_string()))?;
        let (prefix, reply) = framed
            .split_first_chunk()
            .ok_or_else(|| bad_reply("it is shorter than its length".into()))?;
        if reply_len(*prefix)? == reply.len() {
            Ok(reply.to_vec())
        } else {
            Err(bad_reply("its length is not that of the message".into()))
        }
    }
}

/// ureq's errors as those of sockets.
fn failure(error: ureq::Error) -> io::Error {
    match error {
        ureq::Error::Io(error) => match error.downcast::<rustls::Error>() {
            Ok(error) => untrusted(&error),
            Err(error) => error,
        },
        ureq::Error::Rustls(error) => untrusted(&error),
        ureq::Error::Timeout(_) => io::ErrorKind::TimedOut.into(),
        ureq::Error::StatusCode(status) => refused(status),
        error => io::Error::other(error),
    }
}

fn refused(status: u16) -> io::Error {
    io::Error::other(format!("the proxy answers with HTTP status {status}"))
}

fn untrusted(error: &rustls::Error) -> io::Error {
    io::Error::other(format!(
        "TLS failed: {error} (its certificate has to name its host and to chain to a root of KdcClient::with_proxy_roots)"
    ))
}

/// KDC-PROXY-MESSAGE (MS-KKDCP, section 2.2.2): `kerb-message`, with its length before it, and `target-domain`.
fn encode(framed: &[u8], realm: &str) -> Vec<u8> {
    let contents = der::explicit_len(framed.len()).saturating_add(der::explicit_len(realm.len()));
    let mut out = Vec::with_capacity(der::value_len(contents));
    der::put_header(&mut out, SEQUENCE, contents);
    der::put_explicit(&mut out, context(0), OCTET_STRING, framed);
    der::put_explicit(&mut out, context(1), GENERAL_STRING, realm.as_bytes());
    out
}

/// The `kerb-message` of a KDC-PROXY-MESSAGE.
fn decode(message: &[u8]) -> Result<&[u8], InvalidMessage> {
    const NAME: &str = "KDC-PROXY-MESSAGE";

    let mut reader = Reader::new(message);
    let mut fields = reader.read(SEQUENCE, NAME)?;
    reader.finish(NAME)?;
    let framed = fields.explicit(context(0), OCTET_STRING, "KDC-PROXY-MESSAGE.kerb-message")?;
    fields.optional_explicit(
        context(1),
        GENERAL_STRING,
        "KDC-PROXY-MESSAGE.target-domain",
    )?;
    fields.optional_explicit(context(2), INTEGER, "KDC-PROXY-MESSAGE.dclocator-hint")?;
    fields.finish(NAME)?;
    Ok(framed.rest())
}
