use crate::environment::Environment;
use crate::error::{Error, KdcError};
#[cfg(feature = "tokio")]
use crate::kdc::AsyncKdcTransport;
use crate::kdc::KdcTransport;
use crate::kerberos::initiator::{
    AsExchange, AsStep, ClientName, ClientSecret, InitiatorOptions, IssuedTicket,
};

/// Logs on at a KDC, for a ticket-granting ticket: a server's own, for
/// [`ServiceTgt`](crate::kerberos::acceptor::ServiceTgt), or a client's, for a
/// [`CredentialCache`](crate::kerberos::ccache::CredentialCache).
///
/// Of `options`, the encryption types and `canonicalize` count. A handshake with a password needs no such thing: it logs on
/// by itself.
///
/// # Errors
/// Where no KDC can be reached, or it refuses.
pub fn log_on(
    kdc: &dyn KdcTransport,
    client: ClientName,
    secret: ClientSecret,
    options: &InitiatorOptions,
    environment: &Environment,
) -> Result<IssuedTicket, Error> {
    let mut step = start(client, secret, options, environment)?;
    loop {
        step = match step {
            AsStep::NeedsKdc { request, next } => {
                next.step(&kdc.ask(&request, None).map_err(KdcError::from)?)?
            }
            AsStep::Complete(ticket) => return Ok(*ticket),
        };
    }
}

/// As [`log_on()`], without blocking.
///
/// # Errors
/// Where no KDC can be reached, or it refuses.
#[cfg(feature = "tokio")]
pub async fn log_on_async(
    kdc: &dyn AsyncKdcTransport,
    client: ClientName,
    secret: ClientSecret,
    options: &InitiatorOptions,
    environment: &Environment,
) -> Result<IssuedTicket, Error> {
    let mut step = start(client, secret, options, environment)?;
    loop {
        step = match step {
            AsStep::NeedsKdc { request, next } => {
                next.step(&kdc.ask(&request).await.map_err(KdcError::from)?)?
            }
            AsStep::Complete(ticket) => return Ok(*ticket),
        };
    }
}

fn start(
    client: ClientName,
    secret: ClientSecret,
    options: &InitiatorOptions,
    environment: &Environment,
) -> Result<AsStep, Error> {
    AsExchange::start(
        client,
        secret,
        &options.encryption_types,
        options.canonicalize,
        environment,
    )
}
