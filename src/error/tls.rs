use std::fmt;

use rustls::{AlertDescription, CertificateError};

use super::Error;
use super::codes::{Entry, TLS_ALERT};

/// A failure of TLS, with what its reader can do about it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}{}{advice}", RustlsText(error), if advice.is_empty() { "" } else { ": " })]
#[non_exhaustive]
pub struct TlsError {
    /// What rustls says.
    #[source]
    pub error: rustls::Error,
    /// What the reader can do about it: empty, or a clause that begins with a small letter and has no full stop.
    pub advice: &'static str,
}

impl TlsError {
    /// Adds the advice.
    pub fn new(error: rustls::Error) -> Self {
        let advice = advice(&error);
        Self { error, advice }
    }
}

/// What rustls says; where it wraps another's error, that one's text in place of its `Debug`, and of an alert what the table has.
struct RustlsText<'a>(&'a rustls::Error);

impl fmt::Display for RustlsText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
                fmt::Display::fmt(&other.0, f)
            }
            rustls::Error::AlertReceived(alert) => match of_alert(*alert) {
                Some(entry) => write!(
                    f,
                    "the peer sent the TLS alert {} ({}): {}",
                    entry.name, entry.code, entry.meaning
                ),
                None => write!(f, "the peer sent the TLS alert {}", u8::from(*alert)),
            },
            error => fmt::Display::fmt(error, f),
        }
    }
}

impl From<rustls::Error> for Error {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(TlsError::new(error))
    }
}

fn of_alert(alert: AlertDescription) -> Option<&'static Entry> {
    TLS_ALERT.find(u8::from(alert).into())
}

fn advice(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::AlertReceived(alert) => match of_alert(*alert) {
            Some(entry) => entry.remedy,
            None => "not known to this crate, so look it up in RFC 8446 and in the other end's log",
        },
        rustls::Error::PeerIncompatible(_) => {
            "the two ends share no TLS version or cipher suite; this TLS library speaks TLS 1.2 and 1.3 with ECDHE and \
             AEAD cipher suites only, which Windows Server 2012 R2 and older mostly do not offer"
        }
        rustls::Error::InvalidCertificate(CertificateError::BadSignature) => {
            "the server presents a certificate whose key it does not hold"
        }
        rustls::Error::InvalidMessage(_) => {
            "the peer does not speak TLS here; a Remote Desktop server wants its own negotiation first"
        }
        _ => "",
    }
}
