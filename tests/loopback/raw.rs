//! TLS by rustls alone, for peers that do with it what the library would not.

use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use bytes::BytesMut;
use credssp::error::NtStatus;
use credssp::tls::Identity;
use credssp::ts_request::TsRequest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, ServerConfig, ServerConnection,
    SignatureScheme, StreamOwned, SupportedProtocolVersion,
};

use super::{ClientStream, ServerStream};

pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(default_provider())
}

/// A client that believes everything.
pub fn client_config(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Believer))
        .with_no_client_auth()
}

pub fn client(config: impl Into<Arc<ClientConfig>>, tcp: TcpStream) -> ClientStream {
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(config.into(), name).unwrap(), tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream
}

pub fn server_config(
    versions: &[&'static SupportedProtocolVersion],
    certified_key: CertifiedKey,
) -> ServerConfig {
    let resolver: Arc<dyn ResolvesServerCert> =
        Arc::new(SingleCertAndKey::from(Arc::new(certified_key)));
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(resolver)
}

/// Until the handshake is done, or has failed.
pub fn server(config: impl Into<Arc<ServerConfig>>, tcp: TcpStream) -> io::Result<ServerStream> {
    let mut stream = StreamOwned::new(ServerConnection::new(config.into()).unwrap(), tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// The chain of one identity, whose key is another's.
pub fn certified_key(chain: &Identity, key: &rcgen::KeyPair) -> CertifiedKey {
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = provider().key_provider.load_private_key(key).unwrap();
    CertifiedKey::new(chain.chain().to_vec(), key)
}

#[derive(Debug)]
struct Believer;

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Puts more behind one of its writes, so that both are one TLS record.
pub struct Appending<S> {
    pub stream: S,
    /// How many writes go before it.
    pub after: usize,
    pub data: &'static [u8],
}

impl<S: Write> Write for Appending<S> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.after == 0 {
            self.after = usize::MAX;
            self.stream.write_all(&[buffer, self.data].concat())?;
            return Ok(buffer.len());
        }
        self.after -= 1;
        self.stream.write_all(buffer)?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl<S: Read> Read for Appending<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl<S: BufRead> BufRead for Appending<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.stream.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.stream.consume(amount);
    }
}

/// Sends credentials before anything has been proved.
pub fn send_early_auth_info(stream: &mut impl Write) {
    let mut request = TsRequest::new(6);
    request.auth_info = Some(b"early");
    let mut message = BytesMut::new();
    request.encode(&mut message);
    stream.write_all(&message).unwrap();
    stream.flush().unwrap();
}

/// The server has said this and no more.
#[track_caller]
pub fn assert_told(told: &[u8], status: NtStatus) {
    let request = TsRequest::decode(told).unwrap();
    let mut expected = TsRequest::new(6);
    expected.error_code = Some(status);
    assert_eq!(request, expected);
}
