use std::io::{Read, Write};

use bytes::BytesMut;
use rustls::{ClientConnection, ServerConnection, StreamOwned};

use super::{Timed, Transport, farewell, flush, untimed};
use crate::account::{Account, AccountRequest};
use crate::credentials::Credentials;
use crate::error::{OtherError, Step};
use crate::name::ServicePrincipalName;
use crate::rdp::client::{NegotiationConfig, Selected};
use crate::rdp::server::Accepted;
use crate::rdp::{self, EarlyUserAuthorization, Protocol};
use crate::stream::Error;
use crate::stream::exchange::{Failure, rdp_credentials, rdp_missing, rdp_progress};
use crate::tls::{Acceptor, Connector};
use crate::{client, server};

impl Connector {
    /// As [`Self::connect()`], to a server of Remote Desktop: negotiates CredSSP before TLS, and with PROTOCOL_HYBRID_EX
    /// awaits behind CredSSP whether the user may log on. All of it is held to the one timeout.
    ///
    /// With [`RequestFlags::RESTRICTED_ADMIN`](rdp::RequestFlags::RESTRICTED_ADMIN), empty credentials take the place of
    /// those that `credentials` would delegate; with
    /// [`RequestFlags::REDIRECTED_AUTHENTICATION`](rdp::RequestFlags::REDIRECTED_AUTHENTICATION), they have to delegate
    /// [`TsRemoteGuardCreds`](crate::credentials::TsRemoteGuardCreds).
    ///
    /// # Errors
    /// As [`Self::connect()`], as [`rdp::client::start()`] and [`rdp::client::NeedsInput::process()`], and
    /// [`EarlyAuthorizationDenied`](crate::Error::EarlyAuthorizationDenied).
    pub fn connect_rdp<IO: Transport>(
        &self,
        io: IO,
        target: ServicePrincipalName,
        credentials: Credentials,
        negotiation: &NegotiationConfig<'_>,
    ) -> Result<
        (
            StreamOwned<ClientConnection, IO>,
            client::Complete,
            Selected,
        ),
        Error,
    > {
        let mut progress = rdp_progress(Some(credentials.account().clone()));
        let connect = || {
            let credentials = rdp_credentials(credentials, negotiation.flags)?;
            let connection = self.connection(&target, &credentials)?;
            let mut io = Timed::new(io, self.timeout())?;
            let selected = request(&mut io, negotiation)?;
            progress.step = Step::Tls;
            let (mut stream, complete) =
                self.delegate(connection, io, target, credentials, &mut progress)?;
            if selected.protocol == Protocol::HybridEx {
                progress.step = Step::EarlyAuthorization;
                read_authorization(&mut stream).inspect_err(|_| farewell(&mut stream))?;
            }
            Ok((untimed(stream)?, complete, selected))
        };
        connect().map_err(|failure: Failure| failure.into_error(Some(self.timeout()), &progress))
    }
}

impl Acceptor {
    /// As [`Self::accept()`], for clients of Remote Desktop: negotiates CredSSP before TLS, and asks `authorize` at the end
    /// whether the user may log on. A client is told that where PROTOCOL_HYBRID_EX was selected; else a refusal only closes
    /// the connection. All of it is held to the one timeout.
    ///
    /// # Errors
    /// As [`Self::accept()`], as [`rdp::server::NeedsInput::process()`], and
    /// [`EarlyAuthorizationDenied`](crate::Error::EarlyAuthorizationDenied) where `authorize` denies access.
    pub fn accept_rdp<IO: Transport>(
        &self,
        io: IO,
        negotiation: rdp::server::NegotiationConfig,
        lookup: impl FnMut(&AccountRequest) -> Result<Option<Account>, OtherError>,
        authorize: impl FnOnce(&server::Complete) -> EarlyUserAuthorization,
    ) -> Result<
        (
            StreamOwned<ServerConnection, IO>,
            server::Complete,
            Accepted,
        ),
        Error,
    > {
        let mut progress = rdp_progress(None);
        let accept = || {
            let mut io = Timed::new(io, self.timeout())?;
            let accepted = answer(&mut io, negotiation)?;
            progress.step = Step::Tls;
            let (mut stream, complete) = self.receive(io, lookup, &mut progress)?;
            progress.step = Step::EarlyAuthorization;
            let result = authorize(&complete);
            if accepted.selected == Protocol::HybridEx {
                let mut out = BytesMut::new();
                result.encode(&mut out);
                flush(&mut stream, &mut out)?;
            }
            result
                .into_result()
                .inspect_err(|_| farewell(&mut stream))?;
            Ok((untimed(stream)?, complete, accepted))
        };
        accept().map_err(|failure: Failure| failure.into_error(Some(self.timeout()), &progress))
    }
}

/// The client's part of the negotiation.
fn request(
    io: &mut (impl Read + Write),
    config: &NegotiationConfig<'_>,
) -> Result<Selected, Failure> {
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut state = rdp::client::start(config, &mut out)?;
    flush(io, &mut out)?;
    loop {
        fill(io, &mut input)?;
        state = match state.process(&mut input)? {
            rdp::client::Negotiation::NeedsInput(state) => state,
            rdp::client::Negotiation::Complete(selected) => return Ok(selected),
        };
    }
}

/// The server's part of the negotiation.
fn answer(
    io: &mut (impl Read + Write),
    config: rdp::server::NegotiationConfig,
) -> Result<Accepted, Failure> {
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut state = rdp::server::start(config);
    loop {
        fill(io, &mut input)?;
        let next = state.process(&mut input, &mut out);
        let sent = flush(io, &mut out);
        state = match next? {
            rdp::server::Negotiation::NeedsInput(state) => state,
            rdp::server::Negotiation::Complete(accepted) => {
                sent?;
                return Ok(accepted);
            }
        };
    }
}

/// Reads what `input` is known to lack.
fn fill(io: &mut impl Read, input: &mut BytesMut) -> Result<(), Failure> {
    let mut rest = BytesMut::zeroed(rdp_missing(input)?);
    io.read_exact(&mut rest)?;
    input.unsplit(rest);
    Ok(())
}

fn read_authorization(io: &mut impl Read) -> Result<(), Failure> {
    let mut result = [0; EarlyUserAuthorization::LEN];
    io.read_exact(&mut result)?;
    let result = EarlyUserAuthorization::decode(result).map_err(crate::Error::from)?;
    Ok(result.into_result()?)
}
