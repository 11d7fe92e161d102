use std::sync::Arc;

use zeroize::Zeroizing;

use super::refusal::{Refusal, Service};
use super::{ServiceCredentials, framed, identity};
use crate::environment::Environment;
use crate::error::{AuthenticationFailure, Error, OtherError};
use crate::gss::AcceptorStep;
use crate::kerberos::asn1::{
    ApRep, ApReq, Authenticator, ContextFlags, EncApRepPart, EncTicketPart, EncryptedData,
    ErrorCode, Exactly, Flags, InitialToken, KerberosTime, KeyValue, TokenId,
};
use crate::kerberos::crypto::{EncryptionKey, EncryptionType, KeyUsage};
use crate::kerberos::initiator::IssuedTicket;
use crate::kerberos::{ContextParameters, End, KerberosContext};

/// What an AP-REQ is held against.
pub(super) struct ApExchange<'a> {
    pub(super) credentials: &'a ServiceCredentials,
    pub(super) environment: &'a Environment,
    pub(super) channel_bindings: Option<[u8; 16]>,
    /// What the client was sent for user-to-user.
    pub(super) tgt: Option<&'a IssuedTicket>,
}

impl ApExchange<'_> {
    /// Takes an AP-REQ (RFC 4120, section 3.2.3), and answers it by an AP-REP.
    pub(super) fn accept(
        &self,
        token: InitialToken<'_>,
        service: &mut Service,
    ) -> Result<AcceptorStep, Refusal> {
        let request = ApReq::decode(token.message)?;
        *service = Service::of(request.ticket.value());
        let now = self.environment.time.since_unix_epoch();

        let (ticket, service_key) = self.open_ticket(&request)?;
        let session_key = self
            .credentials
            .check_ticket(&ticket, KerberosTime::from_unix(now.as_secs()))?;
        let authenticator =
            self.credentials
                .open_authenticator(&request, &ticket, &session_key, now)?;
        let flags =
            self.credentials
                .check_context(&request, &authenticator, self.channel_bindings)?;
        let account = identity::account(&ticket)?;
        let logon_info = identity::logon_info(&ticket, service_key)?;

        let (reply, context) = self.reply(&request, &authenticator, &session_key, flags)?;
        Ok(AcceptorStep::Established {
            account,
            status: None,
            logon_info,
            token: Some(framed(token, TokenId::ApRep, &reply)),
            context: Box::new(context),
        })
    }

    /// Opens the ticket, and gives the key that did it.
    fn open_ticket(&self, request: &ApReq) -> Result<(EncTicketPart, &EncryptionKey), Refusal> {
        let ticket = request.ticket.value();
        let (part, key) = if request.ap_options.contains(Flags::USE_SESSION_KEY) {
            // RFC 4120, section 3.2.3: the ticket is then "encrypted in the session key from the server's TGT". Which TGT that
            // is, the client can only know from us.
            let tgt = self.tgt.ok_or_else(|| {
                Refusal::new(ErrorCode::NO_TGT, AuthenticationFailure::NoServiceTgt)
            })?;
            let key = &tgt.session_key;
            if !self.credentials.permits(key.encryption_type()) {
                return Err(Refusal::new(
                    ErrorCode::ETYPE_NOSUPP,
                    AuthenticationFailure::EncryptionTypeNotPermitted,
                ));
            }
            let part = ticket.enc_part.open(key, KeyUsage::TICKET).map_err(|_| {
                Refusal::new(
                    ErrorCode::BAD_INTEGRITY,
                    AuthenticationFailure::WrongTicketKey,
                )
            })?;
            (part, key)
        } else {
            self.credentials.open_ticket(ticket)?
        };
        Ok((EncTicketPart::decode(&part)?, key))
    }

    /// The AP-REP (RFC 4120, section 3.2.4), and the context that it settles.
    fn reply(
        &self,
        request: &ApReq,
        authenticator: &Authenticator,
        session_key: &EncryptionKey,
        flags: ContextFlags,
    ) -> Result<(Vec<u8>, KerberosContext), Refusal> {
        let random = &*self.environment.random;
        let theirs = authenticator
            .subkey
            .as_ref()
            .map(|key| self.credentials.permitted_key(key))
            .transpose()?;
        let theirs = theirs.as_ref().unwrap_or(session_key);
        let encryption_type = theirs.encryption_type();
        let ours = has_acceptor_subkey(encryption_type)
            .then(|| EncryptionKey::random(encryption_type, random))
            .transpose()?;
        let mut number = [0; 4];
        random.fill(&mut number)?;
        // Below 2³⁰, and not 0: some peers count with signs, and 0 is what stands for none.
        let sequence = (u32::from_be_bytes(number) & 0x3fff_ffff).max(1);

        let part = EncApRepPart {
            ctime: authenticator.ctime,
            cusec: authenticator.cusec,
            subkey: ours.as_ref().map(KeyValue::from),
            seq_number: Some(sequence.into()),
        };
        let part = Zeroizing::new(part.encode()?);
        let enc_part = EncryptedData::seal(session_key, KeyUsage::AP_REP, &part, random)
            .map_err(|error| Error::from(OtherError::new(error)))?;
        let reply = ApRep {
            pvno: Exactly,
            msg_type: Exactly,
            enc_part,
        };

        let receive = authenticator.seq_number.unwrap_or_default().get();
        // A client that asks for neither owes us no sequence (RFC 2743, section 1.2.3), and CredSSP does not need it. TLS
        // carries its messages in order and once. Who could change that would gain nothing: no two messages of the client
        // can stand for each other (the MIC is not encrypted, pubKeyAuth is about this channel's key, authInfo is not), the
        // keys of the two directions differ, and messages of other contexts are worthless under our subkey, which is new.
        // Rc4-hmac has none; there it is the replay cache that lets nobody set up the same context again.
        let ordered = [ContextFlags::REPLAY, ContextFlags::SEQUENCE]
            .into_iter()
            .any(|flag| flags.contains(flag));
        let parameters = ContextParameters::new(End::Acceptor, ours.as_ref().unwrap_or(theirs))
            .with_acceptor_subkey(ours.is_some())
            .with_sequences(sequence, receive)
            .with_sequence_detection(ordered)
            // Windows' servers sign the list with user-to-user, and some clients wait for it.
            .with_mech_list_mic(request.ap_options.contains(Flags::USE_SESSION_KEY))
            .with_random(Arc::clone(&self.environment.random));
        Ok((reply.encode()?, KerberosContext::new(&parameters)))
    }
}

/// RFC 4121 wants a subkey of the acceptor's. The older tokens of rc4-hmac know nothing of it, and some peers change to the
/// newer ones where they are given one.
fn has_acceptor_subkey(encryption_type: EncryptionType) -> bool {
    match encryption_type {
        #[cfg(feature = "rc4-hmac")]
        EncryptionType::Rc4Hmac => false,
        _ => true,
    }
}
