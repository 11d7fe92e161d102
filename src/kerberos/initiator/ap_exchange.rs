//! The AP exchange (RFC 4120, section 3.2) as it establishes a GSS context (RFC 4121, section 4.1).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{IssuedTicket, clock};
use crate::environment::{Environment, GetRandomFailed};
use crate::error::{AuthenticationFailure, Error, InvalidMessage, InvalidMessageKind, OtherError};
use crate::kerberos::asn1::{
    ApRep, ApReq, Authenticator, AuthenticatorChecksum, AuthorizationDataElement, ContextFlags,
    EncApRepPart, EncryptedData, Exactly, Flags, InitialToken, KerberosTime, KeyValue,
    Microseconds, TokenId,
};
use crate::kerberos::crypto::{EncryptionKey, EncryptionType, KeyUsage};
use crate::kerberos::{ContextParameters, End, KerberosContext};
use crate::mechanism::{Mechanism, Oid};

/// What CredSSP needs, and what all that know sequence numbers enforce; never GSS_C_DELEG_FLAG: credentials travel in
/// TSCredentials.
const FLAGS: ContextFlags = ContextFlags::MUTUAL
    .with(ContextFlags::REPLAY)
    .with(ContextFlags::SEQUENCE)
    .with(ContextFlags::CONF)
    .with(ContextFlags::INTEG);

/// An AP exchange that waits for the AP-REP.
#[derive(Debug)]
pub(super) struct ApExchange {
    environment: Environment,
    pub(super) ticket: Arc<IssuedTicket>,
    subkey: EncryptionKey,
    ctime: KerberosTime,
    cusec: Microseconds,
    sequence: u32,
}

impl ApExchange {
    /// Gives the token with the AP-REQ; `offset` is what our clock lacks to say the server's time.
    pub(super) fn start(
        ticket: Arc<IssuedTicket>,
        user_to_user: bool,
        channel_bindings: Option<[u8; 16]>,
        offset: i64,
        environment: &Environment,
    ) -> Result<(Vec<u8>, Self), Error> {
        let random = &*environment.random;
        let key = &ticket.session_key;
        let subkey = EncryptionKey::random(key.encryption_type(), random)?;
        let (ctime, cusec) = clock::now(environment, offset);
        let sequence = sequence(environment)?;
        let authorization_data = match channel_bindings {
            Some(_) => Some(vec![AuthorizationDataElement::channel_bindings_sent()?]),
            None => None,
        };
        let authenticator = Authenticator {
            authenticator_vno: Exactly,
            crealm: ticket.crealm.clone(),
            cname: ticket.cname.clone(),
            cksum: Some(AuthenticatorChecksum::new(FLAGS, channel_bindings).encode()),
            cusec,
            ctime,
            subkey: Some(KeyValue::from(&subkey)),
            seq_number: Some(sequence.into()),
            authorization_data,
        };
        let authenticator = Zeroizing::new(authenticator.encode()?);
        let usage = KeyUsage::AP_REQ_AUTHENTICATOR;
        let authenticator =
            EncryptedData::seal(key, usage, &authenticator, random).map_err(OtherError::new)?;
        let (oid, ap_options) = if user_to_user {
            let options = Flags::MUTUAL_REQUIRED.with(Flags::USE_SESSION_KEY);
            (Oid::KERBEROS_USER_TO_USER, options)
        } else {
            (Oid::KERBEROS, Flags::MUTUAL_REQUIRED)
        };
        let message = ApReq {
            pvno: Exactly,
            msg_type: Exactly,
            ap_options,
            ticket: ticket.ticket.clone(),
            authenticator,
        };
        let mut token = Vec::new();
        InitialToken::new(oid, TokenId::ApReq, &message.encode()?).encode(&mut token);
        let exchange = Self {
            environment: environment.clone(),
            ticket,
            subkey,
            ctime,
            cusec,
            sequence,
        };
        Ok((token, exchange))
    }

    /// Takes the AP-REP, by which the server proves that it has opened the ticket and the authenticator.
    pub(super) fn finish(
        self,
        message: &[u8],
        encryption_types: &[EncryptionType],
    ) -> Result<KerberosContext, Error> {
        let part = ApRep::decode(message)?
            .enc_part
            .open(&self.ticket.session_key, KeyUsage::AP_REP)
            .map_err(|_| unproved())?;
        let part = EncApRepPart::decode(&part)?;
        // RFC 4120, section 3.2.5: the client "verifies that they match those in the Authenticator it sent to the server".
        if (part.ctime, part.cusec) != (self.ctime, self.cusec) {
            return Err(unproved());
        }
        let acceptor_subkey = match &part.subkey {
            None => None,
            Some(value) => {
                let key = value
                    .to_key()
                    .filter(|key| encryption_types.contains(&key.encryption_type()));
                let bad =
                    || InvalidMessage::new("EncAPRepPart.subkey", 0, InvalidMessageKind::BadValue);
                Some(key.ok_or_else(bad)?)
            }
        };
        let key = acceptor_subkey.as_ref().unwrap_or(&self.subkey);
        let received = part.seq_number.unwrap_or_default().get();
        let parameters = ContextParameters::new(End::Initiator, key)
            .with_acceptor_subkey(acceptor_subkey.is_some())
            .with_sequences(self.sequence, received)
            .with_random(self.environment.random);
        Ok(KerberosContext::new(&parameters))
    }
}

/// From 1 to 2³⁰ - 1: some peers take those from 2³¹ on for numbers with a sign, and some add to them without a care.
fn sequence(environment: &Environment) -> Result<u32, GetRandomFailed> {
    let mut octets = [0; 4];
    environment.random.fill(&mut octets)?;
    Ok((u32::from_be_bytes(octets) & 0x3fff_ffff).max(1))
}

fn unproved() -> Error {
    Error::AuthenticationFailed {
        mechanism: Mechanism::Kerberos,
        reason: AuthenticationFailure::WrongServerProof,
    }
}
