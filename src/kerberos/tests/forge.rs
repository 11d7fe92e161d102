//! Tickets and AP-REQs of a KDC and a client that say whatever a test wants.

use std::time::Duration;

use super::*;
use crate::environment::{Environment, SystemRandom, TimeProvider};
use crate::error::{AuthenticationFailure, Error};
use crate::gss::{Acceptor, AcceptorRequest, AcceptorStep, ChannelBindings};
use crate::kerberos::acceptor::{KerberosAcceptor, ServiceCredentials};
use crate::kerberos::asn1::*;
use crate::kerberos::crypto::KeyUsage;
use crate::kerberos::keytab::{Keytab, KeytabEntry};
use crate::mechanism::{Mechanism, Oid};

pub(super) const REALM: &str = "TEST.EXAMPLE";
pub(super) const SERVICE: &[&str] = &["TERMSRV", "host.test.example"];
pub(super) const KIND: EncryptionType = EncryptionType::Aes256Sha1;
pub(super) const NOW: u64 = 1_700_000_000;

#[derive(Debug)]
struct Clock(u64);

impl TimeProvider for Clock {
    fn since_unix_epoch(&self) -> Duration {
        Duration::from_secs(self.0)
    }
}

pub(super) fn environment_at(now: u64) -> Environment {
    Environment::new(Arc::new(Clock(now)), Arc::new(SystemRandom::default()))
}

pub(super) fn time(seconds: i64) -> KerberosTime {
    KerberosTime::from_unix(NOW.saturating_add_signed(seconds))
}

pub(super) fn key_of(octet: u8) -> EncryptionKey {
    EncryptionKey::new(KIND, &[octet; 32]).unwrap()
}

pub(super) fn entry(principal: &[&str], kvno: u32, octet: u8) -> KeytabEntry {
    KeytabEntry {
        realm: REALM.into(),
        principal: PrincipalName::new(PrincipalName::PRINCIPAL, principal),
        kvno,
        key: key_of(octet),
    }
}

/// With a key of version 3 for the service.
pub(super) fn credentials() -> ServiceCredentials {
    credentials_of(vec![entry(SERVICE, 3, 1)])
}

pub(super) fn credentials_of(entries: Vec<KeytabEntry>) -> ServiceCredentials {
    ServiceCredentials::new(Keytab { entries })
}

/// An AP-REQ of alice's, honest until it is changed.
pub(super) struct Forge {
    pub(super) oid: Oid,
    pub(super) ticket_key: EncryptionKey,
    pub(super) ticket_usage: KeyUsage,
    pub(super) kvno: Option<u32>,
    pub(super) sname: PrincipalName,
    pub(super) ticket: EncTicketPart,
    pub(super) session_key: EncryptionKey,
    pub(super) authenticator_usage: KeyUsage,
    pub(super) authenticator: Authenticator,
    pub(super) options: Flags,
}

impl Forge {
    pub(super) fn new() -> Self {
        let session_key = key_of(2);
        let alice = PrincipalName::new(PrincipalName::PRINCIPAL, &["alice"]);
        let flags = ContextFlags::from_bits(0x3e);
        Self {
            oid: Oid::KERBEROS,
            ticket_key: key_of(1),
            ticket_usage: KeyUsage::TICKET,
            kvno: Some(3),
            sname: PrincipalName::new(PrincipalName::SRV_INST, SERVICE),
            ticket: EncTicketPart {
                flags: Flags::PRE_AUTHENT,
                key: (&session_key).into(),
                crealm: REALM.into(),
                cname: alice.clone(),
                transited: TransitedEncoding {
                    tr_type: 1,
                    contents: Octets::default(),
                },
                authtime: time(-60),
                starttime: None,
                endtime: time(3600),
                renew_till: None,
                caddr: None,
                authorization_data: None,
            },
            session_key,
            authenticator_usage: KeyUsage::AP_REQ_AUTHENTICATOR,
            authenticator: Authenticator {
                authenticator_vno: Exactly,
                crealm: REALM.into(),
                cname: alice,
                cksum: Some(AuthenticatorChecksum::new(flags, None).encode()),
                cusec: Microseconds::new(123_456).unwrap(),
                ctime: time(0),
                subkey: Some((&key_of(4)).into()),
                seq_number: Some(1000.into()),
                authorization_data: None,
            },
            options: Flags::MUTUAL_REQUIRED,
        }
    }

    pub(super) fn changed(change: impl FnOnce(&mut Self)) -> Self {
        let mut forge = Self::new();
        change(&mut forge);
        forge
    }

    /// Asks for these flags, and is bound to this channel.
    pub(super) fn asks_for(&mut self, flags: u32, bindings: Option<&ChannelBindings>) {
        let flags = ContextFlags::from_bits(flags);
        let checksum = AuthenticatorChecksum::new(flags, bindings.map(ChannelBindings::hash));
        self.authenticator.cksum = Some(checksum.encode());
    }

    pub(super) fn request(&self) -> ApReq {
        let random = SystemRandom::default();
        let seal = |key, usage, part: Vec<u8>| EncryptedData::seal(key, usage, &part, &random);
        let part = self.ticket.encode().unwrap();
        let mut enc_part = seal(&self.ticket_key, self.ticket_usage, part).unwrap();
        enc_part.kvno = self.kvno.map(Unsigned32::from);
        let ticket = Ticket {
            tkt_vno: Exactly,
            realm: REALM.into(),
            sname: self.sname.clone(),
            enc_part,
        };
        let part = self.authenticator.encode().unwrap();
        ApReq {
            pvno: Exactly,
            msg_type: Exactly,
            ap_options: self.options,
            ticket: Encoded::encode(ticket, "Ticket").unwrap(),
            authenticator: seal(&self.session_key, self.authenticator_usage, part).unwrap(),
        }
    }

    pub(super) fn token(&self) -> Vec<u8> {
        framed(self.oid, TokenId::ApReq, &self.request().encode().unwrap())
    }

    /// The client's context, and the AP-REP's own check of what it answers to.
    pub(super) fn finish(&self, reply: &[u8]) -> KerberosContext {
        let reply = InitialToken::decode(reply).unwrap();
        assert_eq!((reply.oid, reply.id), (self.oid, TokenId::ApRep));
        let reply = ApRep::decode(reply.message).unwrap();
        let part = reply.enc_part.open(&self.session_key, KeyUsage::AP_REP);
        let part = EncApRepPart::decode(&part.unwrap()).unwrap();
        let sent = &self.authenticator;
        assert_eq!((part.ctime, part.cusec), (sent.ctime, sent.cusec));
        let subkey = part.subkey.unwrap().to_key().unwrap();
        let parameters = ContextParameters::new(End::Initiator, &subkey)
            .with_acceptor_subkey(true)
            .with_sequences(
                sent.seq_number.unwrap_or_default().get(),
                part.seq_number.unwrap().get(),
            );
        KerberosContext::new(&parameters)
    }
}

pub(super) fn framed(oid: Oid, id: TokenId, message: &[u8]) -> Vec<u8> {
    let mut token = Vec::new();
    InitialToken::new(oid, id, message).encode(&mut token);
    token
}

pub(super) fn acceptor(credentials: &Arc<ServiceCredentials>) -> Box<KerberosAcceptor> {
    acceptor_bound_to(credentials, None)
}

pub(super) fn acceptor_bound_to(
    credentials: &Arc<ServiceCredentials>,
    bindings: Option<&ChannelBindings>,
) -> Box<KerberosAcceptor> {
    let environment = environment_at(NOW);
    let mut request = AcceptorRequest::new(&environment);
    request.channel_bindings = bindings;
    let acceptor = KerberosAcceptor::new(Some(Arc::clone(credentials)), request);
    Box::new(acceptor)
}

/// What one acceptor says to one token.
pub(super) fn accept(credentials: ServiceCredentials, token: &[u8]) -> Result<AcceptorStep, Error> {
    acceptor(&Arc::new(credentials)).step(token)
}

/// The number in the KRB-ERROR, and the reason.
pub(super) fn refused(step: Result<AcceptorStep, Error>) -> (i32, AuthenticationFailure) {
    let (token, error) = match step {
        Ok(AcceptorStep::Refused { token, error }) => (token, error),
        Ok(_) => panic!("not refused"),
        Err(error) => panic!("{error}"),
    };
    let Error::AuthenticationFailed {
        mechanism: Mechanism::Kerberos,
        reason,
    } = error
    else {
        panic!("{error}");
    };
    (code(&token), reason)
}

pub(super) fn code(token: &[u8]) -> i32 {
    let token = InitialToken::decode(token).unwrap();
    assert_eq!(token.id, TokenId::Error);
    let error = KrbError::decode(token.message).unwrap();
    assert_eq!((error.stime, error.e_text), (time(0), None));
    error.error_code
}

pub(super) fn is_established(step: &Result<AcceptorStep, Error>) -> bool {
    matches!(step, Ok(AcceptorStep::Established { .. }))
}
