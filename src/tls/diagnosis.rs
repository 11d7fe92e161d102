use rustls::{AlertDescription, CertificateError, Error};

use crate::error::TlsError;

/// Adds to a failure of TLS what its reader can do about it.
pub(crate) fn diagnose(error: Error) -> TlsError {
    let advice = match &error {
        Error::AlertReceived(AlertDescription::AccessDenied) => {
            ": the peer refused the logon: the user name or password is wrong, or the account may not log on there"
        }
        Error::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity,
        )
        | Error::PeerIncompatible(_) => {
            ": the two ends share no TLS version or cipher suite; this TLS library speaks TLS 1.2 and 1.3 with ECDHE and \
             AEAD cipher suites only, which Windows Server 2012 R2 and older mostly do not offer"
        }
        Error::AlertReceived(AlertDescription::InternalError) => {
            ": Windows servers send this alert for any failure, a wrong pubKeyAuth or refused credentials among them"
        }
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            ": the server presents a certificate whose key it does not hold"
        }
        Error::InvalidMessage(_) => {
            ": the peer does not speak TLS here; a Remote Desktop server wants its own negotiation first"
        }
        _ => "",
    };
    TlsError { error, advice }
}
