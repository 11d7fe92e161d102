//! The crate's Kerberos as a client.

use ::sspi::generator::{Generator, GeneratorState};
use ::sspi::{
    AuthIdentityBuffers, BufferType, ClientRequestFlags, CredentialsBuffers, DataRepresentation,
    ErrorKind, KerberosConfig, NetworkProtocol, NetworkRequest, SecurityBuffer, SecurityStatus,
    Sspi,
};

use self::context::KerberosContext;
use super::{failed, token_buffer};
use crate::credentials::LogonSecret;
use crate::error::{Error, KdcError, OtherError, PeerMisbehaved};
use crate::gss::{
    Acceptor, AcceptorRequest, AcceptorStep, AwaitsKdc, ChannelBindings, Initiator,
    InitiatorRequest, InitiatorStep, MechanismProvider,
};
use crate::kdc::{KdcReply, KdcRequest};
use crate::mechanism::{Mechanism, Oid};

mod context;
mod message;

/// Any KDC: the messages leave as a [`KdcRequest`], and the caller knows where to. Were there no address, the crate would
/// look for one.
const KDC_URL: &str = "tcp://kdc.invalid:88";

/// Makes initiators of the `sspi` crate's Kerberos, for a password.
///
/// The account's domain is the realm, in capitals; where there is none, the suffix of the user principal name is. The crate
/// maps it by the section `domain_realm` of krb5.conf, where there is one.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Kerberos {
    workstation: String,
    user_to_user: bool,
}

impl Kerberos {
    /// The client's own name, which goes to the KDC as its address; empty unless given.
    #[must_use]
    pub fn workstation(mut self, name: &str) -> Self {
        self.workstation = name.into();
        self
    }

    /// Begins with a request for the server's ticket-granting ticket (user-to-user), as Remote Desktop clients do; `false`
    /// unless told otherwise.
    #[must_use]
    pub fn user_to_user(mut self, user_to_user: bool) -> Self {
        self.user_to_user = user_to_user;
        self
    }
}

impl MechanismProvider for Kerberos {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn oids(&self) -> &'static [Oid] {
        &[Oid::MS_KERBEROS, Oid::KERBEROS]
    }

    /// No: what KDCs answer is for the crate to check, which cannot be seen from here.
    fn proves_server(&self) -> bool {
        false
    }

    fn initiator(&self, request: InitiatorRequest<'_>) -> Option<Box<dyn Initiator>> {
        let LogonSecret::Password(password) = request.credentials.logon() else {
            return None;
        };
        let account = request.credentials.account();
        if account.user().is_empty() {
            return None;
        }
        let identity =
            AuthIdentityBuffers::from_utf8(account.user(), account.domain(), password.expose());
        let mut requirements = ClientRequestFlags::MUTUAL_AUTH
            | ClientRequestFlags::REPLAY_DETECT
            | ClientRequestFlags::SEQUENCE_DETECT
            | ClientRequestFlags::CONFIDENTIALITY
            | ClientRequestFlags::INTEGRITY;
        requirements.set(ClientRequestFlags::USE_SESSION_KEY, self.user_to_user);
        let config = KerberosConfig::new_with_kdc_url(KDC_URL, self.workstation.clone());
        Some(Box::new(KerberosInitiator {
            // Its random source may fail, which is told when it is needed.
            kerberos: ::sspi::Kerberos::new_client_from_config(config)
                .map_err(|error| failed(&error)),
            begun: false,
            exchange: Exchange {
                credentials: Some(CredentialsBuffers::AuthIdentity(identity)),
                target: request.target.as_str().into(),
                channel_bindings: request.channel_bindings.map(sec_channel_bindings),
                requirements,
            },
        }))
    }

    fn acceptor(&self, _request: AcceptorRequest<'_>) -> Box<dyn Acceptor> {
        Box::new(NoAcceptor)
    }
}

/// What stays the same from step to step.
struct Exchange {
    credentials: Option<CredentialsBuffers>,
    target: String,
    channel_bindings: Option<Vec<u8>>,
    requirements: ClientRequestFlags,
}

/// What a step of the crate's ends with: itself, and a token for the server.
struct Progress {
    kerberos: ::sspi::Kerberos,
    exchange: Exchange,
    status: SecurityStatus,
    token: Vec<u8>,
}

/// A step that stops for each message to a KDC. It owns all that it works with, so that it can be kept until the answer is
/// there.
type Steps = Generator<'static, NetworkRequest, ::sspi::Result<Vec<u8>>, ::sspi::Result<Progress>>;

impl Exchange {
    /// Begins a step with the server's token.
    fn steps(mut self, mut kerberos: ::sspi::Kerberos, token: &[u8]) -> Steps {
        let mut input = vec![token_buffer(token)];
        input.extend(
            self.channel_bindings
                .clone()
                .map(|bindings| SecurityBuffer::new(bindings, BufferType::ChannelBindings)),
        );
        Generator::new(move |mut yield_point| async move {
            let mut output = [token_buffer(&[])];
            let mut builder = kerberos
                .initialize_security_context()
                .with_credentials_handle(&mut self.credentials)
                .with_context_requirements(self.requirements)
                .with_target_data_representation(DataRepresentation::Native)
                .with_target_name(&self.target)
                .with_input(&mut input)
                .with_output(&mut output);
            let status = ::sspi::kerberos::initialize_security_context(
                &mut kerberos,
                &mut yield_point,
                &mut builder,
            )
            .await?
            .status;
            let [output] = output;
            Ok(Progress {
                kerberos,
                exchange: self,
                status,
                token: output.buffer,
            })
        })
    }
}

struct KerberosInitiator {
    kerberos: Result<::sspi::Kerberos, Error>,
    /// Whether a token has been sent.
    begun: bool,
    exchange: Exchange,
}

impl Initiator for KerberosInitiator {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn step(self: Box<Self>, token: Option<&[u8]>) -> Result<InitiatorStep, Error> {
        let token = match token {
            Some(token) if self.begun => {
                message::check_token(token)?;
                token
            }
            None if !self.begun => &[],
            Some(_) => return Err(PeerMisbehaved::UnexpectedNegoToken.into()),
            None => return Err(PeerMisbehaved::MissingNegoToken.into()),
        };
        let mut steps = self.exchange.steps(self.kerberos?, token);
        let state = steps.start();
        next(steps, state)
    }
}

/// Waits for a KDC in the midst of a step.
struct Suspended {
    steps: Steps,
}

impl AwaitsKdc for Suspended {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn step(self: Box<Self>, reply: KdcReply) -> Result<InitiatorStep, Error> {
        let reply = reply.map_err(KdcError::Unreachable)?;
        message::check_reply(&reply)?;
        // The crate passes over the length that TCP puts before it (RFC 4120, section 7.2.2).
        let length = u32::try_from(reply.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut steps = self.steps;
        let state = steps.resume(Ok([&length, &*reply].concat()));
        next(steps, state)
    }
}

fn next(
    steps: Steps,
    state: GeneratorState<NetworkRequest, ::sspi::Result<Progress>>,
) -> Result<InitiatorStep, Error> {
    let progress = match state {
        GeneratorState::Suspended(request) => {
            return Ok(InitiatorStep::NeedsKdc {
                request: kdc_request(&request)?,
                next: Box::new(Suspended { steps }),
            });
        }
        GeneratorState::Completed(progress) => {
            progress.map_err(|error| match error.error_type {
                ErrorKind::TimeSkew => KdcError::ClockSkew.into(),
                _ => failed(&error),
            })?
        }
    };
    let Progress {
        kerberos,
        exchange,
        status,
        token,
    } = progress;
    match status {
        SecurityStatus::Ok => Ok(InitiatorStep::Established {
            token: (!token.is_empty()).then_some(token),
            context: Box::new(KerberosContext::new(kerberos)),
        }),
        SecurityStatus::ContinueNeeded if !token.is_empty() => Ok(InitiatorStep::NeedsToken {
            token,
            next: Box::new(KerberosInitiator {
                kerberos: Ok(kerberos),
                begun: true,
                exchange,
            }),
        }),
        status => {
            Err(OtherError::new(format!("the sspi crate ended a step with {status:?}")).into())
        }
    }
}

/// The request, without the length that TCP puts before it.
fn kdc_request(request: &NetworkRequest) -> Result<KdcRequest, Error> {
    let message = match request.protocol {
        NetworkProtocol::Tcp => request.data.get(4..).unwrap_or_default(),
        NetworkProtocol::Udp => &request.data,
        // Of another realm, by the process's environment.
        protocol => {
            let text = format!("the sspi crate would ask a KDC by {protocol:?}");
            return Err(OtherError::new(text).into());
        }
    };
    let realm = message::realm(message).map_err(OtherError::new)?;
    Ok(KdcRequest::new(realm, message.to_vec()))
}

/// SEC_CHANNEL_BINDINGS without addresses, as the crate wants it: the application data behind eight numbers, of which the
/// last two are its length and offset.
fn sec_channel_bindings(bindings: &ChannelBindings) -> Vec<u8> {
    let data = bindings.application_data();
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    [
        &[0; 24],
        &length.to_le_bytes()[..],
        &32_u32.to_le_bytes(),
        data,
    ]
    .concat()
}

/// Stands where the crate's server would.
struct NoAcceptor;

impl Acceptor for NoAcceptor {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn step(self: Box<Self>, _token: &[u8]) -> Result<AcceptorStep, Error> {
        Err(OtherError::new("the sspi crate's Kerberos does not accept here").into())
    }
}
