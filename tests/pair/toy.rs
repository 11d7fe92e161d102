//! A mechanism without cryptography, for exchanges that NTLM does not have.

use std::sync::Arc;

use bytes::BytesMut;
use credssp::account::{AccountKey, AccountRequest, Candidate};
use credssp::credentials::LogonSecret;
use credssp::error::{AuthenticationFailure, Error, NtStatus, PeerMisbehaved};
use credssp::gss::{
    Acceptor, AcceptorRequest, AcceptorStep, AwaitsAccount, Initiator, InitiatorRequest,
    InitiatorStep, MechanismProvider, SecurityContext,
};
use credssp::mechanism::{Mechanism, Oid};
use credssp::{Account, AccountName};

use super::Side;

/// Exchanges as many tokens as it is told, the client's first.
#[derive(Clone, Copy, Debug)]
pub struct Toy {
    pub mechanism: Mechanism,
    /// How many tokens there are in all.
    pub tokens: usize,
    /// Whether SPNEGO's `mechListMIC` is insisted on.
    pub mic: bool,
}

impl Toy {
    pub fn kerberos(tokens: usize) -> Arc<dyn MechanismProvider> {
        Arc::new(Self {
            mechanism: Mechanism::Kerberos,
            tokens,
            mic: false,
        })
    }

    /// A token: what tells the mechanism, its number, the account, and in place of a proof the password.
    fn token(&self, number: usize, account: &AccountName, password: &str) -> Vec<u8> {
        let mut token = match self.mechanism {
            Mechanism::Kerberos => b"\x60\x7f\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02".to_vec(),
            _ => b"NTLMSSP\0".to_vec(),
        };
        token.extend_from_slice(format!("|{number}|{account}|{password}").as_bytes());
        token
    }
}

impl MechanismProvider for Toy {
    fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    fn oids(&self) -> &'static [Oid] {
        match self.mechanism {
            Mechanism::Kerberos => &[Oid::KERBEROS, Oid::MS_KERBEROS],
            _ => &[Oid::NTLMSSP],
        }
    }

    fn initiator(&self, request: InitiatorRequest<'_>) -> Option<Box<dyn Initiator>> {
        let LogonSecret::Password(password) = request.credentials.logon() else {
            return None;
        };
        Some(Box::new(Exchange {
            toy: *self,
            number: 0,
            account: request.credentials.account().clone(),
            password: password.expose().into(),
        }))
    }

    fn acceptor(&self, _: AcceptorRequest<'_>) -> Box<dyn Acceptor> {
        Box::new(Exchange {
            toy: *self,
            number: 0,
            account: AccountName::new("", ""),
            password: String::new(),
        })
    }
}

struct Exchange {
    toy: Toy,
    /// How many tokens have been exchanged.
    number: usize,
    account: AccountName,
    password: String,
}

impl Exchange {
    /// Takes a token, if one is due.
    fn receive(&mut self, token: &[u8]) -> Result<(), Error> {
        let text = String::from_utf8_lossy(token);
        let parts: Vec<_> = text.split('|').collect();
        match parts[..] {
            [_, number, account, password] if number == self.number.to_string() => {
                if let Ok(account) = account.parse() {
                    self.account = account;
                }
                self.password = password.into();
                self.number += 1;
                Ok(())
            }
            _ => Err(PeerMisbehaved::UnexpectedTokenType.into()),
        }
    }

    /// The next token, if one is left.
    fn send(&mut self) -> Option<Vec<u8>> {
        (self.number < self.toy.tokens).then(|| {
            let token = self.toy.token(self.number, &self.account, &self.password);
            self.number += 1;
            token
        })
    }

    fn context(&self, side: Side) -> Box<dyn SecurityContext> {
        Box::new(ToyContext {
            toy: self.toy,
            side,
            sent: 0,
            received: 0,
        })
    }
}

impl Initiator for Exchange {
    fn mechanism(&self) -> Mechanism {
        self.toy.mechanism
    }

    fn step(mut self: Box<Self>, token: Option<&[u8]>) -> Result<InitiatorStep, Error> {
        if let Some(token) = token {
            self.receive(token)?;
        }
        let token = self.send();
        if self.number == self.toy.tokens {
            return Ok(InitiatorStep::Established {
                token,
                context: self.context(Side::Client),
            });
        }
        Ok(InitiatorStep::NeedsToken {
            token: token.unwrap(),
            next: self,
        })
    }
}

impl Acceptor for Exchange {
    fn mechanism(&self) -> Mechanism {
        self.toy.mechanism
    }

    fn step(mut self: Box<Self>, token: &[u8]) -> Result<AcceptorStep, Error> {
        self.receive(token)?;
        if self.number + 1 >= self.toy.tokens {
            return Ok(AcceptorStep::NeedsAccount {
                request: AccountRequest::new(self.account.clone(), None),
                next: self,
            });
        }
        Ok(AcceptorStep::NeedsToken {
            token: self.send().unwrap(),
            next: self,
        })
    }
}

impl AwaitsAccount for Exchange {
    fn step(mut self: Box<Self>, account: Option<Account>) -> Result<AcceptorStep, Error> {
        let fits = account
            .as_ref()
            .is_some_and(|account| match account.key() {
                AccountKey::Candidates(candidates) => candidates.iter().any(|candidate| {
                    matches!(candidate, Candidate::Password(password) if password.expose() == self.password)
                }),
                _ => false,
            });
        if !fits {
            return Err(Error::AuthenticationFailed {
                mechanism: self.toy.mechanism,
                reason: AuthenticationFailure::WrongResponse,
            });
        }
        let status: Option<NtStatus> = account.as_ref().and_then(Account::status);
        Ok(AcceptorStep::Established {
            token: self.send(),
            context: self.context(Side::Server),
            account: self.account,
            status,
            logon_info: None,
        })
    }
}

/// Puts direction and number before a message, and keeps it readable.
struct ToyContext {
    toy: Toy,
    side: Side,
    sent: u8,
    received: u8,
}

impl ToyContext {
    fn header(side: Side, number: u8) -> [u8; 4] {
        let side = match side {
            Side::Client => 0,
            Side::Server => 1,
        };
        [b'T', b'0', side, number]
    }

    fn outgoing(&mut self) -> [u8; 4] {
        self.sent += 1;
        Self::header(self.side, self.sent)
    }

    fn incoming(&mut self) -> [u8; 4] {
        let other = match self.side {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        };
        self.received += 1;
        Self::header(other, self.received)
    }

    fn failed(&self) -> Error {
        Error::AuthenticationFailed {
            mechanism: self.toy.mechanism,
            reason: AuthenticationFailure::WrongSignature,
        }
    }
}

impl SecurityContext for ToyContext {
    fn mechanism(&self) -> Mechanism {
        self.toy.mechanism
    }

    fn wrap_overhead(&self) -> usize {
        4
    }

    fn wrap_in_place(&mut self, message: &mut BytesMut) -> Result<(), Error> {
        let plaintext = message.split();
        message.extend_from_slice(&self.outgoing());
        message.extend_from_slice(&plaintext);
        Ok(())
    }

    fn unwrap_in_place<'a>(&mut self, token: &'a mut [u8]) -> Result<&'a mut [u8], Error> {
        let expected = self.incoming();
        match token.split_first_chunk_mut() {
            Some((header, message)) if *header == expected => Ok(message),
            _ => Err(self.failed()),
        }
    }

    fn get_mic(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend_from_slice(&self.outgoing());
        out.extend_from_slice(message);
        Ok(())
    }

    fn verify_mic(&mut self, message: &[u8], mic: &[u8]) -> Result<(), Error> {
        let expected = self.incoming();
        match mic.split_first_chunk() {
            Some((header, signed)) if *header == expected && signed == message => Ok(()),
            _ => Err(self.failed()),
        }
    }

    fn requires_mech_list_mic(&self) -> bool {
        self.toy.mic
    }
}
