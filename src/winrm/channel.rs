use std::io::{BufRead, Write};

use bytes::{Buf, BufMut, BytesMut};
use rustls::pki_types::CertificateDer;
use rustls::{
    AlertDescription, ClientConnection, Connection, Error as TlsError, ProtocolVersion,
    ServerConnection,
};

use super::MAX_PART_LEN;
use crate::error::{ApiMisuse, Error, OtherError};

/// The type of a TLS record that holds application data (RFC 8446, section 5.1).
pub(super) const APPLICATION_DATA: u8 = 23;

/// The length of a TLS record's header (RFC 8446, section 5.1).
pub(super) const RECORD_HEADER_LEN: usize = 5;

/// One end of a TLS channel whose records the caller carries.
#[derive(Debug)]
pub(super) struct Channel(Box<Connection>);

impl From<ClientConnection> for Channel {
    fn from(connection: ClientConnection) -> Self {
        Self(Box::new(connection.into()))
    }
}

impl From<ServerConnection> for Channel {
    fn from(connection: ServerConnection) -> Self {
        Self(Box::new(connection.into()))
    }
}

impl Channel {
    pub(super) fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    pub(super) fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.0.peer_certificates()
    }

    pub(super) fn tls_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    /// Takes records, whole or not, of the handshake and of the application, and appends the plaintext.
    pub(super) fn receive(
        &mut self,
        mut records: &[u8],
        plaintext: &mut BytesMut,
    ) -> Result<(), Error> {
        // rustls takes a read of nothing for the end.
        while !records.is_empty() {
            let taken = self.0.read_tls(&mut records).map_err(OtherError::new)?;
            let state = self.0.process_new_packets()?;
            let mut left = state.plaintext_bytes_to_read();
            while left > 0 {
                let mut reader = self.0.reader();
                let chunk = reader.fill_buf().map_err(OtherError::new)?;
                let length = chunk.len();
                plaintext.extend_from_slice(chunk);
                reader.consume(length);
                left = left.saturating_sub(length.max(1));
            }
            if state.peer_has_closed() || taken == 0 {
                return Err(TlsError::AlertReceived(AlertDescription::CloseNotify).into());
            }
        }
        Ok(())
    }

    /// Encrypts `plaintext` and appends the records, with whatever else TLS has to say.
    pub(super) fn send(&mut self, plaintext: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        // rustls holds back no more than 64 KiB.
        for piece in plaintext.chunks(MAX_PART_LEN) {
            self.0.writer().write_all(piece).map_err(OtherError::new)?;
            self.flush(out)?;
        }
        self.flush(out)
    }

    /// Appends what TLS has to say by itself.
    pub(super) fn flush(&mut self, out: &mut BytesMut) -> Result<(), Error> {
        while self.0.wants_write() {
            self.0
                .write_tls(&mut (&mut *out).writer())
                .map_err(OtherError::new)?;
        }
        Ok(())
    }

    /// Encrypts `plaintext`, which fits a record, into one record.
    ///
    /// TLS 1.3 may put a change of its keys before it.
    pub(super) fn seal(&mut self, plaintext: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        let start = out.len();
        self.send(plaintext, out)?;
        let length = plaintext.len().saturating_add(self.overhead()?);
        let expected_header = u16::try_from(length.saturating_sub(RECORD_HEADER_LEN))
            .map_err(|_| ApiMisuse::TooLong("a TLS record"))?
            .to_be_bytes();
        let mut record = out
            .len()
            .checked_sub(length)
            .and_then(|at| out.get(at.max(start)..));
        let sealed = record.as_mut().is_some_and(|record| {
            record.len() == length
                && record.get_u8() == APPLICATION_DATA
                && record.get(2..4) == Some(&expected_header)
        });
        // rustls closes the channel by itself before its keys are used up.
        if sealed {
            Ok(())
        } else {
            Err(ApiMisuse::ContextExhausted.into())
        }
    }

    /// What a record has behind its ciphertext: SChannel's `cbTrailer`.
    pub(super) fn trailer_len(&self) -> Result<usize, Error> {
        Ok(match self.version()? {
            // The type of the contents, and the tag.
            ProtocolVersion::TLSv1_3 => 17,
            _ => 16,
        })
    }

    /// How much longer a record is than its plaintext.
    fn overhead(&self) -> Result<usize, Error> {
        let nonce = match (self.version()?, self.0.negotiated_cipher_suite()) {
            (ProtocolVersion::TLSv1_3, _) => 0,
            // RFC 7905, section 2: no nonce is sent; RFC 5288, section 3: eight octets of it are.
            (_, Some(suite)) if is_chacha20(suite) => 0,
            _ => 8,
        };
        Ok(self
            .trailer_len()?
            .saturating_add(RECORD_HEADER_LEN)
            .saturating_add(nonce))
    }

    fn version(&self) -> Result<ProtocolVersion, Error> {
        Ok(self
            .0
            .protocol_version()
            .ok_or(TlsError::HandshakeNotComplete)?)
    }
}

fn is_chacha20(suite: rustls::SupportedCipherSuite) -> bool {
    use rustls::CipherSuite as Suite;
    matches!(
        suite.suite(),
        Suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
            | Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::crypto::{CipherSuiteCommon, CryptoProvider, ring};
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ServerConfig, SupportedCipherSuite, Tls12CipherSuite};

    use super::*;
    use crate::tls::{Connector, TlsVersions, Trust};
    use crate::{ClientConfig, DelegationPolicy};

    const PEM: &[u8] = include_bytes!("../../tests/data/test-only-rsa2048.pem");

    /// Keys that are good for so many records.
    fn provider(confidentiality_limit: u64) -> CryptoProvider {
        let limited = |suite: &SupportedCipherSuite| {
            let SupportedCipherSuite::Tls12(suite) = suite else {
                return None;
            };
            let limited: &'static _ = Box::leak(Box::new(Tls12CipherSuite {
                common: CipherSuiteCommon {
                    suite: suite.common.suite,
                    hash_provider: suite.common.hash_provider,
                    confidentiality_limit,
                },
                prf_provider: suite.prf_provider,
                kx: suite.kx,
                sign: suite.sign,
                aead_alg: suite.aead_alg,
            }));
            Some(SupportedCipherSuite::Tls12(limited))
        };
        let mut provider = ring::default_provider();
        provider.cipher_suites = provider.cipher_suites.iter().filter_map(limited).collect();
        provider
    }

    #[test]
    fn used_up_keys_seal_nothing() {
        let chain = vec![CertificateDer::from_pem_slice(PEM).unwrap()];
        let server = ServerConfig::builder_with_provider(Arc::new(provider(8)))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_slice(PEM).unwrap())
            .unwrap();
        let config = ClientConfig::new(DelegationPolicy::default());
        let client = Connector::with_trust(config, Trust::default(), TlsVersions::Tls12).unwrap();
        let host = "web.corp.example".try_into().unwrap();
        let mut client = Channel::from(ClientConnection::new(client.tls(), host).unwrap());
        let mut server = Channel::from(ServerConnection::new(Arc::new(server)).unwrap());
        let (mut records, mut opened) = (BytesMut::new(), BytesMut::new());
        while client.is_handshaking() || server.is_handshaking() {
            client.flush(&mut records).unwrap();
            server.receive(&records.split(), &mut opened).unwrap();
            server.flush(&mut records).unwrap();
            client.receive(&records.split(), &mut opened).unwrap();
        }
        let mut sealed: usize = 0;
        let error = loop {
            match server.seal(b"ping", &mut records) {
                Ok(()) if sealed < 8 => sealed += 1,
                Ok(()) => panic!("sealed by keys that are used up"),
                Err(error) => break error,
            }
        };
        assert!((1..8).contains(&sealed), "{sealed}");
        let exhausted = matches!(error, Error::ApiMisuse(ApiMisuse::ContextExhausted));
        assert!(exhausted, "{error:?}");
        // What comes instead is TLS's goodbye.
        assert!(client.receive(&records, &mut opened).is_err());
        assert_eq!(opened.len(), 4 * sealed);
    }
}
