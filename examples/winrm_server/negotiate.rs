//! Logons by `Negotiate` (RFC 4559): they prove an account, and delegate nothing.

use std::error::Error;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine};
use credssp::AccountName;
use credssp::environment::Environment;
use credssp::gss::{Acceptor, AcceptorRequest, AcceptorStep, ChannelBindings, MechanismProvider};
use credssp::mechanism::Mechanism;
use credssp::spnego;
use hyper::header::HeaderValue;
use ring::digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer;

use crate::directory::Directory;

/// The scheme's name, which stands before each token.
pub(crate) const SCHEME: &str = "Negotiate";

/// What an acceptor is made of.
pub(crate) struct Negotiate {
    mechanisms: Vec<Arc<dyn MechanismProvider>>,
    bindings: ChannelBindings,
    environment: Environment,
}

/// How a token is answered, and what comes next.
pub(crate) enum Turn {
    Wait {
        value: String,
        next: Box<dyn Acceptor>,
    },
    LoggedOn {
        account: AccountName,
        mechanism: Mechanism,
        value: Option<String>,
    },
}

impl Negotiate {
    /// For an HTTPS listener, to whose certificate, the first in `pem`, clients have to bind their logons.
    pub(crate) fn new(
        mechanisms: Vec<Arc<dyn MechanismProvider>>,
        pem: &[u8],
    ) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            mechanisms,
            bindings: end_point(&CertificateDer::from_pem_slice(pem)?)?,
            environment: Environment::default(),
        })
    }

    pub(crate) fn step(
        &self,
        acceptor: Option<Box<dyn Acceptor>>,
        token: &[u8],
        directory: &Directory,
    ) -> Result<Turn, credssp::Error> {
        let acceptor = match acceptor {
            Some(acceptor) => acceptor,
            None => {
                let request = AcceptorRequest::new(&self.environment);
                let request = request.with_channel_bindings(&self.bindings);
                spnego::acceptor(&self.mechanisms, request, token)?
            }
        };
        let mut step = acceptor.step(token)?;
        if let AcceptorStep::NeedsAccount { request, next } = step {
            step = next.step(directory.look_up(&request.account))?;
        }
        let value = |token: Vec<u8>| format!("{SCHEME} {}", BASE64_STANDARD.encode(token));
        match step {
            AcceptorStep::NeedsToken { token, next } => Ok(Turn::Wait {
                value: value(token),
                next,
            }),
            AcceptorStep::Established {
                status: Some(status),
                ..
            } => Err(credssp::Error::AccountRefused(status)),
            AcceptorStep::Established {
                account,
                token,
                mut context,
                ..
            } => {
                // The negotiation is over, and nothing is protected by it.
                context.finish(None)?;
                Ok(Turn::LoggedOn {
                    account,
                    mechanism: context.mechanism(),
                    value: token.map(value),
                })
            }
            AcceptorStep::Refused { error, .. } => Err(error),
            _ => Err(credssp::error::PeerIncompatible::NoCommonMechanism.into()),
        }
    }
}

/// The token of a request's `Authorization`, where it is of this scheme and well-formed.
pub(crate) fn token(authorization: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
    let decoded = BASE64_STANDARD.decode(token.trim());
    decoded.ok().filter(|_| scheme.eq_ignore_ascii_case(SCHEME))
}

/// `tls-server-end-point` (RFC 5929, section 4.1): the hash is that of the certificate's signature, but SHA-256 for the broken ones.
fn end_point(certificate: &[u8]) -> Result<ChannelBindings, Box<dyn Error>> {
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|error| format!("the certificate cannot be read: {error}"))?;
    let signature = parsed.signature_algorithm.oid();
    let sha_384 = [oid::OID_PKCS1_SHA384WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA384];
    let sha_512 = [oid::OID_PKCS1_SHA512WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA512];
    let algorithm = if sha_384.contains(signature) {
        &digest::SHA384
    } else if sha_512.contains(signature) {
        &digest::SHA512
    } else {
        &digest::SHA256
    };
    let mut data = b"tls-server-end-point:".to_vec();
    data.extend_from_slice(digest::digest(algorithm, certificate).as_ref());
    Ok(ChannelBindings::from_application_data(&data))
}
