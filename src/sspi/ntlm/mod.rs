//! The crate's NTLM (MS-NLMP), client and server.

use ::sspi::ntlm::{NtlmConfig, NtlmHash};
use ::sspi::{
    AuthIdentityBuffers, ClientRequestFlags, DataRepresentation, ErrorKind, NTLM_HASH_PREFIX,
    ServerRequestFlags, Sspi, SspiImpl,
};

use self::context::NtlmContext;
use self::message::Authenticate;
use super::{failed, token_buffer};
use crate::account::{Account, AccountKey, AccountRequest, Candidate};
use crate::credentials::LogonSecret;
use crate::error::{AuthenticationFailure, Error, OtherError, PeerMisbehaved};
use crate::gss::{
    Acceptor, AcceptorRequest, AcceptorStep, AwaitsAccount, Initiator, InitiatorRequest,
    InitiatorStep, MechanismProvider,
};
use crate::mechanism::{Mechanism, Oid};
use crate::name::AccountName;
use crate::secret::Secret;

mod context;
mod message;

/// Makes initiators and acceptors of the `sspi` crate's NTLM.
///
/// Both insist on a MIC over the exchange. The acceptor cannot take a logon that was verified elsewhere
/// ([`Account::verified()`]), and a password that begins with `$NTLM$:`, which the crate takes for a hash, fits neither.
#[derive(Clone, Debug, Default)]
pub struct Ntlm {
    config: NtlmConfig,
}

impl Ntlm {
    /// The client's own name, `NEGOTIATE_MESSAGE.WorkstationName`; not sent unless given.
    #[must_use]
    pub fn workstation(self, name: &str) -> Self {
        Self {
            config: NtlmConfig::new(name.into()),
        }
    }
}

impl MechanismProvider for Ntlm {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Ntlm
    }

    fn oids(&self) -> &'static [Oid] {
        &[Oid::NTLMSSP]
    }

    fn initiator(&self, request: InitiatorRequest<'_>) -> Option<Box<dyn Initiator>> {
        let account = request.credentials.account();
        let identity = match request.credentials.logon() {
            LogonSecret::Password(password) => with_password(account, password)?,
            LogonSecret::NtHash(hash) => with_nt_hash(account, hash),
            #[cfg(feature = "pkinit")]
            LogonSecret::Certificate(_) => return None,
        };
        if account.user().is_empty() {
            return None;
        }
        let mut ntlm = ::sspi::Ntlm::with_config(self.config.clone());
        if let Some(bindings) = request.channel_bindings {
            ntlm.set_channel_bindings(bindings.application_data());
        }
        Some(Box::new(SendsNegotiate(Client {
            ntlm,
            identity: Some(identity),
        })))
    }

    fn acceptor(&self, request: AcceptorRequest<'_>) -> Box<dyn Acceptor> {
        let mut ntlm = ::sspi::Ntlm::with_config(self.config.clone());
        if let Some(bindings) = request.channel_bindings {
            ntlm.set_channel_bindings(bindings.application_data());
        }
        Box::new(ExpectsNegotiate {
            ntlm,
            is_bound: request.channel_bindings.is_some(),
        })
    }
}

struct Client {
    ntlm: ::sspi::Ntlm,
    identity: Option<AuthIdentityBuffers>,
}

impl Client {
    /// One step of the crate's, from the server's token to the client's.
    fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, Error> {
        let mut input = [token_buffer(token)];
        let mut output = [token_buffer(&[])];
        let mut builder = self
            .ntlm
            .initialize_security_context()
            .with_credentials_handle(&mut self.identity)
            .with_context_requirements(
                ClientRequestFlags::CONFIDENTIALITY | ClientRequestFlags::INTEGRITY,
            )
            .with_target_data_representation(DataRepresentation::Native)
            .with_input(&mut input)
            .with_output(&mut output);
        SspiImpl::initialize_security_context_impl(&mut self.ntlm, &mut builder)
            .and_then(|mut generator| generator.resolve_to_result())
            .map_err(|error| failed(&error))?;
        let [output] = output;
        Ok(output.buffer)
    }
}

struct SendsNegotiate(Client);

impl Initiator for SendsNegotiate {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Ntlm
    }

    fn step(self: Box<Self>, token: Option<&[u8]>) -> Result<InitiatorStep, Error> {
        if token.is_some() {
            return Err(PeerMisbehaved::UnexpectedNegoToken.into());
        }
        let Self(mut client) = *self;
        Ok(InitiatorStep::NeedsToken {
            token: client.step(&[])?,
            next: Box::new(ExpectsChallenge(client)),
        })
    }
}

struct ExpectsChallenge(Client);

impl Initiator for ExpectsChallenge {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Ntlm
    }

    fn step(self: Box<Self>, token: Option<&[u8]>) -> Result<InitiatorStep, Error> {
        let token = token.ok_or(PeerMisbehaved::MissingNegoToken)?;
        message::check_challenge(token)?;
        let Self(mut client) = *self;
        let token = client.step(token)?;
        Ok(InitiatorStep::Established {
            token: Some(token),
            context: Box::new(NtlmContext::new(client.ntlm)),
        })
    }
}

struct ExpectsNegotiate {
    ntlm: ::sspi::Ntlm,
    /// Whether the client has to be bound to a channel.
    is_bound: bool,
}

impl Acceptor for ExpectsNegotiate {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Ntlm
    }

    fn step(self: Box<Self>, token: &[u8]) -> Result<AcceptorStep, Error> {
        message::check_negotiate(token)?;
        let Self { mut ntlm, is_bound } = *self;
        Ok(AcceptorStep::NeedsToken {
            token: accept(&mut ntlm, None, token)?,
            next: Box::new(ExpectsAuthenticate { ntlm, is_bound }),
        })
    }
}

struct ExpectsAuthenticate {
    ntlm: ::sspi::Ntlm,
    is_bound: bool,
}

impl Acceptor for ExpectsAuthenticate {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Ntlm
    }

    fn step(self: Box<Self>, token: &[u8]) -> Result<AcceptorStep, Error> {
        let Authenticate {
            account,
            has_channel_bindings,
        } = Authenticate::check(token)?;
        // The crate compares them.
        if self.is_bound && !has_channel_bindings {
            return Err(refused(AuthenticationFailure::WrongChannelBindings));
        }
        Ok(AcceptorStep::NeedsAccount {
            request: AccountRequest::new(account.clone(), None),
            next: Box::new(ExpectsAccount {
                ntlm: self.ntlm,
                authenticate: token.into(),
                account,
            }),
        })
    }
}

struct ExpectsAccount {
    ntlm: ::sspi::Ntlm,
    /// AUTHENTICATE_MESSAGE, which has been checked.
    authenticate: Box<[u8]>,
    account: AccountName,
}

impl ExpectsAccount {
    /// Verifies the client by one candidate, which may be one that nobody has.
    fn verify(&self, identity: Option<AuthIdentityBuffers>) -> Result<::sspi::Ntlm, Error> {
        let mut ntlm = self.ntlm.clone();
        accept(&mut ntlm, identity, &self.authenticate)?;
        ntlm.complete_auth_token(&mut [])
            .map_err(|error| denied(&error))?;
        Ok(ntlm)
    }
}

impl AwaitsAccount for ExpectsAccount {
    fn step(self: Box<Self>, account: Option<Account>) -> Result<AcceptorStep, Error> {
        let candidates = match account.as_ref().map(Account::key) {
            Some(AccountKey::Candidates(candidates)) => candidates.as_slice(),
            Some(AccountKey::Verified { .. }) => {
                let text = "the sspi crate cannot go on with a logon that was verified elsewhere";
                return Err(OtherError::new(text).into());
            }
            None => &[],
        };
        // As much work as with an account that has one candidate.
        if candidates.is_empty() {
            let nobody = with_nt_hash(&self.account, &Secret::new([0; 16]));
            let _refused = self.verify(Some(nobody));
            return Err(refused(AuthenticationFailure::UnknownAccount));
        }
        let mut outcome = Err(refused(AuthenticationFailure::WrongResponse));
        for candidate in candidates {
            let identity = match candidate {
                Candidate::Password(password) => with_password(&self.account, password),
                Candidate::NtHash(hash) => Some(with_nt_hash(&self.account, hash)),
            };
            outcome = self.verify(identity);
            if outcome.is_ok() {
                break;
            }
        }
        Ok(AcceptorStep::Established {
            context: Box::new(NtlmContext::new(outcome?)),
            account: self.account,
            status: account.as_ref().and_then(Account::status),
            logon_info: None,
            token: None,
        })
    }
}

/// One step of the crate's, from the client's token to the server's.
fn accept(
    ntlm: &mut ::sspi::Ntlm,
    mut identity: Option<AuthIdentityBuffers>,
    token: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut input = [token_buffer(token)];
    let mut output = [token_buffer(&[])];
    let builder = ntlm
        .accept_security_context()
        .with_credentials_handle(&mut identity)
        .with_context_requirements(
            ServerRequestFlags::CONFIDENTIALITY | ServerRequestFlags::INTEGRITY,
        )
        .with_target_data_representation(DataRepresentation::Native)
        .with_input(&mut input)
        .with_output(&mut output);
    SspiImpl::accept_security_context_impl(ntlm, builder)
        .and_then(|mut generator| generator.resolve_to_result())
        .map_err(|error| denied(&error))?;
    let [output] = output;
    Ok(output.buffer)
}

fn with_password(account: &AccountName, password: &Secret<str>) -> Option<AuthIdentityBuffers> {
    let password = password.expose();
    (!password.starts_with(NTLM_HASH_PREFIX))
        .then(|| AuthIdentityBuffers::from_utf8(account.user(), account.domain(), password))
}

fn with_nt_hash(account: &AccountName, hash: &Secret<[u8; 16]>) -> AuthIdentityBuffers {
    let hash = NtlmHash::from_bytes(*hash.expose());
    AuthIdentityBuffers::from_utf8_with_hash(account.user(), account.domain(), &hash)
}

/// What the crate says of a client's message.
fn denied(error: &::sspi::Error) -> Error {
    match error.error_type {
        ErrorKind::LogonDenied => refused(AuthenticationFailure::WrongResponse),
        ErrorKind::BadBindings => refused(AuthenticationFailure::WrongChannelBindings),
        _ => failed(error),
    }
}

fn refused(reason: AuthenticationFailure) -> Error {
    Error::AuthenticationFailed {
        mechanism: Mechanism::Ntlm,
        reason,
    }
}
