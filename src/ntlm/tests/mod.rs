//! Whole exchanges between the two ends, in memory and with a fixed environment.

use std::sync::Arc;
use std::time::Duration;

use crate::Credentials;
use crate::account::{Account, AccountRequest};
use crate::codec::hex::hex;
use crate::environment::{Environment, GetRandomFailed, Random, TimeProvider};
use crate::error::{AuthenticationFailure, Error, NtStatus};
use crate::gss::{
    AcceptorRequest, AcceptorStep, AwaitsAccount, ChannelBindings, Initiator, InitiatorRequest,
    InitiatorStep, MechanismProvider, SecurityContext,
};
use crate::name::{AccountName, ServicePrincipalName};
use crate::ntlm::Ntlm;

mod exchange;
mod handmade;
mod sealing;
mod tampering;
mod vectors;

/// An array from hexadecimal digits.
pub(crate) fn hex_array<const N: usize>(digits: &str) -> [u8; N] {
    hex(digits).try_into().unwrap()
}

/// A clock that stands still.
#[derive(Debug)]
struct Fixed(Duration);

impl TimeProvider for Fixed {
    fn since_unix_epoch(&self) -> Duration {
        self.0
    }
}

impl Random for Fixed {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        for (i, byte) in (0..).zip(buffer) {
            *byte = 0x10 + i;
        }
        Ok(())
    }
}

fn environment() -> Environment {
    environment_at(Duration::from_secs(1_700_000_000))
}

fn environment_at(now: Duration) -> Environment {
    Environment::new(Arc::new(Fixed(now)), Arc::new(Fixed(now)))
}

/// Changes the message of this number (0 NEGOTIATE, 1 CHALLENGE, 2 AUTHENTICATE) on its way.
type Tamper = Box<dyn Fn(usize, &mut Vec<u8>)>;

/// The client's context, what the server asks, and the server.
type Asked = (
    Box<dyn SecurityContext>,
    AccountRequest,
    Box<dyn AwaitsAccount>,
);

/// Two ends, and who stands between them.
struct Exchange {
    client: Ntlm,
    server: Ntlm,
    credentials: Credentials,
    client_bindings: Option<ChannelBindings>,
    server_bindings: Option<ChannelBindings>,
    server_environment: Environment,
    tamper: Tamper,
}

/// The two contexts, and what the server learnt.
struct Established {
    client: Box<dyn SecurityContext>,
    server: Box<dyn SecurityContext>,
    account: AccountName,
    status: Option<NtStatus>,
}

impl Exchange {
    fn new() -> Self {
        let account = AccountName::new("Domain", "User");
        Self {
            client: Ntlm::default(),
            server: Ntlm::default(),
            credentials: Credentials::password(account, "Password"),
            client_bindings: None,
            server_bindings: None,
            server_environment: environment(),
            tamper: Box::new(|_, _| {}),
        }
    }

    /// With somebody in between.
    fn tampering(tamper: impl Fn(usize, &mut Vec<u8>) + 'static) -> Self {
        Self {
            tamper: Box::new(tamper),
            ..Self::new()
        }
    }

    /// Up to the look-up of the account.
    fn ask(&self) -> Result<Asked, Error> {
        let environment = environment();
        let target = ServicePrincipalName::termsrv("server.example.com").unwrap();
        let mut request = InitiatorRequest::new(&target, &self.credentials, &environment);
        request.channel_bindings = self.client_bindings.as_ref();
        let initiator = self.client.initiator(request).unwrap();
        let mut request = AcceptorRequest::new(&self.server_environment);
        request.channel_bindings = self.server_bindings.as_ref();
        let acceptor = self.server.acceptor(request);

        let (mut token, initiator) = needs_token(initiator.step(None)?);
        (self.tamper)(0, &mut token);
        let AcceptorStep::NeedsToken {
            mut token,
            next: acceptor,
        } = acceptor.step(&token)?
        else {
            panic!("no challenge");
        };
        (self.tamper)(1, &mut token);
        let InitiatorStep::Established {
            token: Some(mut token),
            context,
        } = initiator.step(Some(&token))?
        else {
            panic!("no answer");
        };
        (self.tamper)(2, &mut token);
        let AcceptorStep::NeedsAccount { request, next } = acceptor.step(&token)? else {
            panic!("no question");
        };
        Ok((context, request, next))
    }

    /// To the end.
    fn run(&self, account: Option<Account>) -> Result<Established, Error> {
        let (client, _, server) = self.ask()?;
        let AcceptorStep::Established {
            account,
            status,
            token: None,
            context,
            ..
        } = server.step(account)?
        else {
            panic!("no end");
        };
        Ok(Established {
            client,
            server: context,
            account,
            status,
        })
    }

    /// Which proof failed, with an account that has the right password.
    fn failure(&self) -> AuthenticationFailure {
        failure(self.run(Some(Account::password("Password"))))
    }
}

fn needs_token(step: InitiatorStep) -> (Vec<u8>, Box<dyn Initiator>) {
    match step {
        InitiatorStep::NeedsToken { token, next } => (token, next),
        _ => panic!("not a token"),
    }
}

fn failure(result: Result<Established, Error>) -> AuthenticationFailure {
    match result.map(|_| ()) {
        Err(Error::AuthenticationFailed { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}
