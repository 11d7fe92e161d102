use std::future::Future;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::{farewell, flush, within};
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
    /// As [`Self::connect_async()`], to a server of Remote Desktop, with what [`Self::connect_rdp()`] adds.
    ///
    /// # Errors
    /// As [`Self::connect_rdp()`].
    pub async fn connect_rdp_async<IO>(
        &self,
        mut io: IO,
        target: ServicePrincipalName,
        credentials: Credentials,
        negotiation: &NegotiationConfig<'_>,
    ) -> Result<
        (
            tokio_rustls::client::TlsStream<IO>,
            client::Complete,
            Selected,
        ),
        Error,
    >
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut progress = rdp_progress(Some(credentials.account().clone()));
        let connection = async {
            let credentials = rdp_credentials(credentials, negotiation.flags)?;
            let name = self.permitted_name(&target, &credentials)?;
            let selected = request(&mut io, negotiation).await?;
            progress.step = Step::Tls;
            let (mut stream, complete) = self
                .delegate_async(name, io, target, credentials, &mut progress)
                .await?;
            let mut authorization = Ok(());
            if selected.protocol == Protocol::HybridEx {
                progress.step = Step::EarlyAuthorization;
                authorization = read_authorization(&mut stream).await;
            }
            let (stream, ()) = farewell(stream, authorization).await?;
            Ok((stream, complete, selected))
        };
        let result = within(self.timeout(), connection).await;
        result.map_err(|failure| failure.into_error(Some(self.timeout()), &progress))
    }
}

impl Acceptor {
    /// As [`Self::accept_async()`], for clients of Remote Desktop, with what [`Self::accept_rdp()`] adds.
    ///
    /// # Errors
    /// As [`Self::accept_rdp()`].
    pub async fn accept_rdp_async<IO, F>(
        &self,
        mut io: IO,
        negotiation: rdp::server::NegotiationConfig,
        lookup: impl FnMut(AccountRequest) -> F,
        authorize: impl FnOnce(&server::Complete) -> EarlyUserAuthorization,
    ) -> Result<
        (
            tokio_rustls::server::TlsStream<IO>,
            server::Complete,
            Accepted,
        ),
        Error,
    >
    where
        IO: AsyncRead + AsyncWrite + Unpin,
        F: Future<Output = Result<Option<Account>, OtherError>>,
    {
        let mut progress = rdp_progress(None);
        let connection = async {
            let accepted = answer(&mut io, negotiation).await?;
            progress.step = Step::Tls;
            let (mut stream, complete) = self.receive_async(io, lookup, &mut progress).await?;
            progress.step = Step::EarlyAuthorization;
            let result = authorize(&complete);
            if accepted.selected == Protocol::HybridEx {
                let mut out = BytesMut::new();
                result.encode(&mut out);
                flush(&mut stream, &mut out).await?;
            }
            let result = result.into_result().map_err(Failure::from);
            let (stream, ()) = farewell(stream, result).await?;
            Ok((stream, complete, accepted))
        };
        let result = within(self.timeout(), connection).await;
        result.map_err(|failure| failure.into_error(Some(self.timeout()), &progress))
    }
}

/// The client's part of the negotiation.
async fn request(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    config: &NegotiationConfig<'_>,
) -> Result<Selected, Failure> {
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut state = rdp::client::start(config, &mut out)?;
    flush(io, &mut out).await?;
    loop {
        fill(io, &mut input).await?;
        state = match state.process(&mut input)? {
            rdp::client::Negotiation::NeedsInput(state) => state,
            rdp::client::Negotiation::Complete(selected) => return Ok(selected),
        };
    }
}

/// The server's part of the negotiation.
async fn answer(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    config: rdp::server::NegotiationConfig,
) -> Result<Accepted, Failure> {
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut state = rdp::server::start(config);
    loop {
        fill(io, &mut input).await?;
        let next = state.process(&mut input, &mut out);
        let sent = flush(io, &mut out).await;
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
async fn fill(io: &mut (impl AsyncRead + Unpin), input: &mut BytesMut) -> Result<(), Failure> {
    let mut rest = BytesMut::zeroed(rdp_missing(input)?);
    io.read_exact(&mut rest).await?;
    input.unsplit(rest);
    Ok(())
}

async fn read_authorization(io: &mut (impl AsyncRead + Unpin)) -> Result<(), Failure> {
    let mut result = [0; EarlyUserAuthorization::LEN];
    io.read_exact(&mut result).await?;
    let result = EarlyUserAuthorization::decode(result).map_err(crate::Error::from)?;
    Ok(result.into_result()?)
}
