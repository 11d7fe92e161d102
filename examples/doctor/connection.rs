//! The ways to the server: TCP, Remote Desktop's negotiation, TLS, and CredSSP's first answer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use credssp::error::InvalidMessage;
use credssp::rdp::client::{Negotiation, NegotiationConfig, Selected, start};
use credssp::tls::TlsVersions;
use credssp::ts_request::{MAX_MESSAGE_LEN, TsRequest, frame_length};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned, SupportedProtocolVersion,
};

use crate::examination::Patient;
use crate::winrm::Headers;

pub(crate) type TlsStream = StreamOwned<ClientConnection, Way>;

/// What TLS goes through.
pub(crate) enum Way {
    Direct(Limited),
    Headers(Box<Headers>),
}

impl Way {
    /// Waits no longer than that from now on.
    pub(crate) fn limit(&mut self, timeout: Duration) {
        let end = Instant::now() + timeout;
        match self {
            Self::Direct(stream) => stream.end = stream.end.min(end),
            Self::Headers(headers) => headers.limit(end),
        }
    }
}

impl Read for Way {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Direct(stream) => stream.read(buffer),
            Self::Headers(headers) => headers.read(buffer),
        }
    }
}

impl Write for Way {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Direct(stream) => stream.write(buffer),
            Self::Headers(headers) => headers.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Direct(stream) => stream.flush(),
            Self::Headers(headers) => headers.flush(),
        }
    }
}

/// A connection whose every read and write ends at one point in time.
pub(crate) struct Limited {
    tcp: TcpStream,
    end: Instant,
}

impl Limited {
    pub(crate) fn connect(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let end = Instant::now() + timeout;
        let tcp = TcpStream::connect_timeout(&address, timeout)?;
        tcp.set_nodelay(true)?;
        Ok(Self { tcp, end })
    }

    /// The connection, and when it has to end.
    pub(crate) fn into_parts(self) -> (TcpStream, Instant) {
        (self.tcp, self.end)
    }

    fn rest(&self) -> io::Result<Option<Duration>> {
        let rest = self.end.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(Some(rest))
    }
}

/// In one word on every system.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(self.rest()?)?;
        self.tcp.read(buffer).map_err(timed_out)
    }
}

impl Write for Limited {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(self.rest()?)?;
        self.tcp.write(buffer).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

/// What went wrong: with the connection, or with what the server said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("the server does not answer in time")]
    Slow,
    #[error("the server closed the connection in place of an answer")]
    Closed,
    #[error("the connection failed: {0}")]
    Io(io::Error),
    #[error("{0}")]
    Protocol(credssp::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(tls) = tls {
            return Self::Protocol(tls.clone().into());
        }
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Slow,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl From<credssp::Error> for Trouble {
    fn from(error: credssp::Error) -> Self {
        Self::Protocol(error)
    }
}

impl From<InvalidMessage> for Trouble {
    fn from(error: InvalidMessage) -> Self {
        Self::Protocol(error.into())
    }
}

impl From<rustls::Error> for Trouble {
    fn from(error: rustls::Error) -> Self {
        Self::Protocol(error.into())
    }
}

/// Remote Desktop's negotiation.
pub(crate) fn negotiate(stream: &mut Limited) -> Result<Selected, Trouble> {
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut state = start(&NegotiationConfig::default(), &mut out)?;
    stream.write_all(&out)?;
    loop {
        // Octet by octet, so that none of TLS's is taken.
        let mut octet = [0];
        stream.read_exact(&mut octet)?;
        input.extend_from_slice(&octet);
        state = match state.process(&mut input)? {
            Negotiation::NeedsInput(state) => state,
            Negotiation::Complete(selected) => return Ok(selected),
            _ => return Err(Trouble::Closed),
        };
    }
}

/// The certificates of a TLS handshake, which are there even where that fails behind them.
pub(crate) type Chain = Vec<CertificateDer<'static>>;

/// TLS as the library does it: any certificate will do, but the server has to have its key.
pub(crate) fn tls(stream: Way, patient: &Patient) -> (Result<TlsStream, Trouble>, Chain) {
    let witness = Arc::new(Witness::new());
    let result = handshake(stream, patient, witness.clone());
    let chain = witness.chain.lock().map(|chain| chain.clone());
    (result, chain.unwrap_or_default())
}

fn handshake(stream: Way, patient: &Patient, witness: Arc<Witness>) -> Result<TlsStream, Trouble> {
    let versions: &[&'static SupportedProtocolVersion] = match (patient.tls, &patient.winrm) {
        // As clients of WinRM do by default: not every service speaks TLS 1.3 there.
        (TlsVersions::Tls12, _) | (TlsVersions::All, Some(_)) => &[&TLS12],
        (TlsVersions::Tls13, _) => &[&TLS13],
        _ => rustls::ALL_VERSIONS,
    };
    let config = config(witness, versions)?;
    let connection = ClientConnection::new(Arc::new(config), patient.name.clone())?;
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// TLS for a channel whose certificate proves nothing and need not.
pub(crate) fn any_certificate() -> Result<ClientConfig, rustls::Error> {
    config(Arc::new(Witness::new()), rustls::ALL_VERSIONS)
}

fn config(
    witness: Arc<Witness>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(witness.provider.clone())
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(witness)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Sends one message, and reads one, which is handed to `look` whole.
pub(crate) fn ask<T>(
    stream: &mut TlsStream,
    message: &[u8],
    look: impl FnOnce(TsRequest<'_>) -> T,
) -> Result<T, Trouble> {
    stream.write_all(message)?;
    stream.flush()?;
    hear(stream, look)
}

/// Reads one message, which is handed to `look` whole.
pub(crate) fn hear<T>(
    stream: &mut TlsStream,
    look: impl FnOnce(TsRequest<'_>) -> T,
) -> Result<T, Trouble> {
    let mut answer = Vec::new();
    loop {
        let length = frame_length(&answer, MAX_MESSAGE_LEN)?;
        let missing = match length {
            Some(length) if length <= answer.len() => break,
            Some(length) => length - answer.len(),
            None => 1,
        };
        let mut more = vec![0; missing];
        stream.read_exact(&mut more)?;
        answer.append(&mut more);
    }
    Ok(look(TsRequest::decode(&answer)?))
}

/// Accepts any certificate and remembers it, yet verifies that the server holds its key.
#[derive(Debug)]
struct Witness {
    provider: Arc<CryptoProvider>,
    chain: Mutex<Chain>,
}

impl Witness {
    fn new() -> Self {
        Self {
            provider: Arc::new(crypto::ring::default_provider()),
            chain: Mutex::default(),
        }
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Ok(mut chain) = self.chain.lock() {
            let all = std::iter::once(end_entity).chain(intermediates);
            *chain = all
                .map(|certificate| certificate.clone().into_owned())
                .collect();
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
