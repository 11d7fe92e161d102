//! Mechanisms without cryptography: their tokens are texts, and their signatures name the signer and the message.

// Each test binary compiles this module and uses its own part of it.
#![allow(dead_code)]
#![allow(unused_imports, unused_macros)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

pub(crate) mod negotiation;

use std::sync::Arc;

use bytes::BytesMut;
use credssp::account::{Account, AccountRequest};
use credssp::environment::Environment;
use credssp::error::{AuthenticationFailure, Error, NtStatus};
use credssp::gss::{
    Acceptor, AcceptorRequest, AcceptorStep, AwaitsAccount, Initiator, InitiatorRequest,
    InitiatorStep, MechanismProvider, SecurityContext,
};
use credssp::mechanism::{Mechanism, Oid};
use credssp::spnego;
use credssp::{AccountName, Credentials, ServicePrincipalName};

/// A mechanism whose exchange takes a number of tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Toy {
    pub(crate) mechanism: Mechanism,
    pub(crate) oids: &'static [Oid],
    pub(crate) tokens: usize,
    pub(crate) requires_mic: bool,
    pub(crate) fits: bool,
}

/// Two tokens, as AP-REQ and AP-REP.
pub(crate) const KERBEROS: Toy = Toy {
    mechanism: Mechanism::Kerberos,
    oids: &[Oid::MS_KERBEROS, Oid::KERBEROS],
    tokens: 2,
    requires_mic: false,
    fits: true,
};

/// Three tokens, and a look-up of the account.
pub(crate) const NTLM: Toy = Toy {
    mechanism: Mechanism::Ntlm,
    oids: &[Oid::NTLMSSP],
    tokens: 3,
    requires_mic: true,
    fits: true,
};

pub(crate) fn providers(toys: &[Toy]) -> Vec<Arc<dyn MechanismProvider>> {
    toys.iter()
        .map(|toy| -> Arc<dyn MechanismProvider> { Arc::new(*toy) })
        .collect()
}

pub(crate) fn initiator(toys: &[Toy]) -> Result<Box<dyn Initiator>, Error> {
    let target = ServicePrincipalName::termsrv("host.example").unwrap();
    let credentials = Credentials::password(AccountName::new("CORP", "alice"), "secret");
    let environment = Environment::default();
    let request = InitiatorRequest::new(&target, &credentials, &environment);
    spnego::initiator(&providers(toys), request)
}

pub(crate) fn acceptor(toys: &[Toy], first_token: &[u8]) -> Result<Box<dyn Acceptor>, Error> {
    let environment = Environment::default();
    let request = AcceptorRequest::new(&environment);
    spnego::acceptor(&providers(toys), request, first_token)
}

/// The `number`th token of a mechanism, from 1.
pub(crate) fn token(mechanism: Mechanism, number: usize) -> Vec<u8> {
    format!("{mechanism} token {number}").into_bytes()
}

/// The signature of a side over a message.
pub(crate) fn mic(mechanism: Mechanism, by_initiator: bool, message: &[u8]) -> Vec<u8> {
    format!("{mechanism} {by_initiator} {message:02x?}").into_bytes()
}

impl MechanismProvider for Toy {
    fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    fn oids(&self) -> &'static [Oid] {
        self.oids
    }

    fn initiator(&self, _: InitiatorRequest<'_>) -> Option<Box<dyn Initiator>> {
        self.fits
            .then(|| -> Box<dyn Initiator> { Box::new(Side::new(*self, 0)) })
    }

    fn acceptor(&self, _: AcceptorRequest<'_>) -> Box<dyn Acceptor> {
        Box::new(Side::new(*self, 1))
    }
}

/// Either side, before its context is established; `number` is that of the token which is due.
struct Side {
    toy: Toy,
    number: usize,
}

impl Side {
    fn new(toy: Toy, number: usize) -> Self {
        Self { toy, number }
    }

    fn expect(&self, found: &[u8]) -> Result<(), Error> {
        if found == token(self.toy.mechanism, self.number) {
            return Ok(());
        }
        Err(failure(
            self.toy.mechanism,
            AuthenticationFailure::WrongResponse,
        ))
    }

    fn context(&self, initiator: bool) -> Box<dyn SecurityContext> {
        Box::new(Context {
            toy: self.toy,
            initiator,
        })
    }
}

impl Initiator for Side {
    fn mechanism(&self) -> Mechanism {
        self.toy.mechanism
    }

    fn step(mut self: Box<Self>, received: Option<&[u8]>) -> Result<InitiatorStep, Error> {
        assert_eq!(
            received.is_none(),
            self.number == 0,
            "first and later calls differ"
        );
        if let Some(received) = received {
            self.expect(received)?;
        }
        let next = self.number + 1;
        let token = (next <= self.toy.tokens).then(|| token(self.toy.mechanism, next));
        self.number += 2;
        Ok(match token {
            Some(token) if self.toy.tokens > next => {
                InitiatorStep::NeedsToken { token, next: self }
            }
            token => InitiatorStep::Established {
                token,
                context: self.context(true),
            },
        })
    }
}

impl Acceptor for Side {
    fn mechanism(&self) -> Mechanism {
        self.toy.mechanism
    }

    fn step(mut self: Box<Self>, received: &[u8]) -> Result<AcceptorStep, Error> {
        self.expect(received)?;
        let next = self.number + 1;
        if next < self.toy.tokens {
            let token = token(self.toy.mechanism, next);
            self.number += 2;
            return Ok(AcceptorStep::NeedsToken { token, next: self });
        }
        if self.toy.mechanism == Mechanism::Ntlm {
            let request = AccountRequest::new(AccountName::new("CORP", "alice"), None);
            return Ok(AcceptorStep::NeedsAccount {
                request,
                next: self,
            });
        }
        AwaitsAccount::step(self, None)
    }
}

impl AwaitsAccount for Side {
    fn step(self: Box<Self>, account: Option<Account>) -> Result<AcceptorStep, Error> {
        let next = self.number + 1;
        Ok(AcceptorStep::Established {
            account: AccountName::new("CORP", "alice"),
            status: account.and_then(|account| account.status()),
            logon_info: None,
            token: (next <= self.toy.tokens).then(|| token(self.toy.mechanism, next)),
            context: self.context(false),
        })
    }
}

struct Context {
    toy: Toy,
    initiator: bool,
}

impl SecurityContext for Context {
    fn mechanism(&self) -> Mechanism {
        self.toy.mechanism
    }

    fn wrap_overhead(&self) -> usize {
        0
    }

    fn wrap_in_place(&mut self, _: &mut BytesMut) -> Result<(), Error> {
        Ok(())
    }

    fn unwrap_in_place<'a>(&mut self, token: &'a mut [u8]) -> Result<&'a mut [u8], Error> {
        Ok(token)
    }

    fn get_mic(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend(mic(self.toy.mechanism, self.initiator, message));
        Ok(())
    }

    fn verify_mic(&mut self, message: &[u8], found: &[u8]) -> Result<(), Error> {
        if found == mic(self.toy.mechanism, !self.initiator, message) {
            return Ok(());
        }
        Err(failure(
            self.toy.mechanism,
            AuthenticationFailure::WrongSignature,
        ))
    }

    fn requires_mech_list_mic(&self) -> bool {
        self.toy.requires_mic
    }
}

fn failure(mechanism: Mechanism, reason: AuthenticationFailure) -> Error {
    Error::AuthenticationFailed { mechanism, reason }
}

/// What the look-up says of every account.
pub(crate) const STATUS: NtStatus = NtStatus::ACCOUNT_DISABLED;
