use std::fmt;

use rustls::{AlertDescription, CertificateError};

use super::Error;

/// A failure of TLS, with what its reader can do about it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}{advice}", RustlsText(error))]
#[non_exhaustive]
pub struct TlsError {
    /// What rustls says.
    #[source]
    pub error: rustls::Error,
    /// What the reader can do about it: empty, or a clause that begins with `: `.
    pub advice: &'static str,
}

impl TlsError {
    /// Adds the advice.
    pub fn new(error: rustls::Error) -> Self {
        let advice = advice(&error);
        Self { error, advice }
    }
}

/// What rustls says; where it wraps another's error, that one's text in place of its `Debug`.
struct RustlsText<'a>(&'a rustls::Error);

impl fmt::Display for RustlsText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
                fmt::Display::fmt(&other.0, f)
            }
            error => fmt::Display::fmt(error, f),
        }
    }
}

impl From<rustls::Error> for Error {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(TlsError::new(error))
    }
}

fn advice(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::AlertReceived(AlertDescription::AccessDenied) => {
            ": the peer refused the logon: the user name or password is wrong, or the account may not log on there"
        }
        rustls::Error::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity,
        )
        | rustls::Error::PeerIncompatible(_) => {
            ": the two ends share no TLS version or cipher suite; this TLS library speaks TLS 1.2 and 1.3 with ECDHE and \
             AEAD cipher suites only, which Windows Server 2012 R2 and older mostly do not offer"
        }
        rustls::Error::AlertReceived(AlertDescription::InternalError) => {
            ": Windows servers send this alert for any failure, a wrong pubKeyAuth or refused credentials among them"
        }
        rustls::Error::InvalidCertificate(CertificateError::BadSignature) => {
            ": the server presents a certificate whose key it does not hold"
        }
        rustls::Error::InvalidMessage(_) => {
            ": the peer does not speak TLS here; a Remote Desktop server wants its own negotiation first"
        }
        _ => "",
    }
}
