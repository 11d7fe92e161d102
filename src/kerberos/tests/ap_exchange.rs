//! The client's mechanism against servers that lie, and all the ways from credentials to an AP-REQ.

use super::as_exchange::{NOW, environment, error};
use super::tgs_exchange::{self, tgt};
use super::*;
use crate::credentials::{Credentials, TsPasswordCreds};
use crate::environment::SystemRandom;
use crate::error::{AuthenticationFailure, Error, KdcError, PeerMisbehaved, TicketRefusal};
use crate::gss::{
    AwaitsKdc, ChannelBindings, Initiator, InitiatorRequest, InitiatorStep, MechanismProvider,
    SecurityContext,
};
use crate::kdc::{KdcRequest, KdcUnreachable};
use crate::kerberos::asn1::*;
use crate::kerberos::ccache::CredentialCache;
use crate::kerberos::crypto::KeyUsage;
use crate::kerberos::initiator::{ClientName, InitiatorOptions, IssuedTicket};
use crate::kerberos::{DomainRealms, Kerberos};
use crate::mechanism::Oid;
use crate::name::ServicePrincipalName;
use crate::{AccountName, Secret};

const KIND: EncryptionType = EncryptionType::Aes128Sha1;

fn session_key() -> EncryptionKey {
    EncryptionKey::new(KIND, &[5; 16]).unwrap()
}

/// A ticket that is not for the service of the tests' initiators, but has the right session key.
fn service_ticket() -> IssuedTicket {
    let ticket = Ticket {
        tkt_vno: Exactly,
        realm: "TEST.EXAMPLE".into(),
        sname: PrincipalName::new(1, &["TERMSRV", "host.test.example"]),
        enc_part: EncryptedData {
            etype: 18,
            kvno: None,
            cipher: vec![3; 60].into(),
        },
    };
    IssuedTicket {
        ticket: Encoded::encode(ticket, "Ticket").unwrap(),
        session_key: session_key(),
        flags: Flags::PRE_AUTHENT,
        crealm: "TEST.EXAMPLE".into(),
        cname: PrincipalName::new(1, &["alice"]),
        authtime: KerberosTime::from_unix(NOW - 100),
        starttime: None,
        endtime: KerberosTime::from_unix(NOW + 36_000),
        renew_till: None,
        clock_offset: 7,
    }
}

fn with_tickets(tickets: &[&IssuedTicket]) -> InitiatorOptions {
    let client = ClientName::new("TEST.EXAMPLE", PrincipalName::new(1, &["alice"]));
    let mut cache = CredentialCache::new(client);
    for ticket in tickets {
        cache.push(ticket);
    }
    InitiatorOptions {
        tickets: Some(Arc::new(cache)),
        ..InitiatorOptions::default()
    }
}

fn initiator(options: InitiatorOptions) -> Box<dyn Initiator> {
    let credentials = Credentials::password(AccountName::new("", "alice"), "pass-canary");
    start(options, &credentials, "Host.test.example:3389", None).unwrap()
}

fn start(
    options: InitiatorOptions,
    credentials: &Credentials,
    host: &str,
    bindings: Option<&ChannelBindings>,
) -> Option<Box<dyn Initiator>> {
    let target = ServicePrincipalName::termsrv(host).unwrap();
    let environment = environment();
    let mut request = InitiatorRequest::new(&target, credentials, &environment);
    request.channel_bindings = bindings;
    let kerberos = Kerberos {
        initiator: options,
        ..Kerberos::default()
    };
    kerberos.initiator(request)
}

fn sent(step: Result<InitiatorStep, Error>) -> (Vec<u8>, Box<dyn Initiator>) {
    match step.unwrap() {
        InitiatorStep::NeedsToken { token, next } => (token, next),
        InitiatorStep::NeedsKdc { .. } => panic!("it asks a KDC"),
        InitiatorStep::Established { .. } => panic!("it is done"),
    }
}

fn asked(step: Result<InitiatorStep, Error>) -> (KdcRequest, Box<dyn AwaitsKdc>) {
    match step.unwrap() {
        InitiatorStep::NeedsKdc { request, next } => (request, next),
        _ => panic!("it does not ask a KDC"),
    }
}

fn established(step: Result<InitiatorStep, Error>) -> Box<dyn SecurityContext> {
    match step.unwrap() {
        InitiatorStep::Established {
            token: None,
            context,
        } => context,
        _ => panic!("it is not done"),
    }
}

fn refused(step: Result<InitiatorStep, Error>) -> Error {
    step.err().unwrap()
}

/// What an AP-REQ holds.
struct Opened {
    oid: Oid,
    options: Flags,
    authenticator: Authenticator,
}

impl Opened {
    fn new(token: &[u8]) -> Self {
        let token = InitialToken::decode(token).unwrap();
        assert_eq!(token.id, TokenId::ApReq);
        let request = ApReq::decode(token.message).unwrap();
        let usage = KeyUsage::AP_REQ_AUTHENTICATOR;
        let octets = request.authenticator.open(&session_key(), usage).unwrap();
        Self {
            oid: token.oid,
            options: request.ap_options,
            authenticator: Authenticator::decode(&octets).unwrap(),
        }
    }

    fn subkey(&self) -> EncryptionKey {
        let subkey = self.authenticator.subkey.as_ref().unwrap();
        subkey.to_key().unwrap()
    }

    /// The server's context.
    fn context(&self, acceptor_subkey: Option<&EncryptionKey>) -> KerberosContext {
        let subkey = self.subkey();
        let sequence = self.authenticator.seq_number.unwrap().get();
        KerberosContext::new(
            &ContextParameters::new(End::Acceptor, acceptor_subkey.unwrap_or(&subkey))
                .with_acceptor_subkey(acceptor_subkey.is_some())
                .with_sequences(77, sequence),
        )
    }

    fn answer(&self, subkey: Option<&EncryptionKey>) -> EncApRepPart {
        EncApRepPart {
            ctime: self.authenticator.ctime,
            cusec: self.authenticator.cusec,
            subkey: subkey.map(KeyValue::from),
            seq_number: Some(77.into()),
        }
    }
}

fn ap_rep(part: &EncApRepPart, key: &EncryptionKey, usage: KeyUsage) -> Vec<u8> {
    let random = SystemRandom::default();
    let message = ApRep {
        pvno: Exactly,
        msg_type: Exactly,
        enc_part: EncryptedData::seal(key, usage, &part.encode().unwrap(), &random).unwrap(),
    };
    framed(TokenId::ApRep, &message.encode().unwrap())
}

fn framed(id: TokenId, message: &[u8]) -> Vec<u8> {
    let mut token = Vec::new();
    InitialToken::new(Oid::KERBEROS, id, message).encode(&mut token);
    token
}

/// An AP-REQ for a ticket at hand, and who waits for the answer.
fn ap_req() -> (Opened, Box<dyn Initiator>) {
    let (token, next) = sent(initiator(with_tickets(&[&service_ticket()])).step(None));
    (Opened::new(&token), next)
}

/// A message and its answer, between two contexts.
fn talk(ours: &mut dyn SecurityContext, server: &mut dyn SecurityContext) {
    let mut message = bytes::BytesMut::from("message");
    ours.wrap_in_place(&mut message).unwrap();
    assert_eq!(server.unwrap_in_place(&mut message).unwrap(), b"message");
    let mut message = bytes::BytesMut::from("answer");
    server.wrap_in_place(&mut message).unwrap();
    assert_eq!(ours.unwrap_in_place(&mut message).unwrap(), b"answer");
}

#[test]
fn an_honest_server_gives_a_context_with_and_without_a_subkey_of_its_own() {
    let other = EncryptionKey::new(EncryptionType::Aes256Sha2, &[9; 32]).unwrap();
    for subkey in [None, Some(&other)] {
        let (request, next) = ap_req();
        assert_eq!(request.oid, Oid::KERBEROS);
        assert_eq!(request.options, Flags::MUTUAL_REQUIRED);
        let token = ap_rep(&request.answer(subkey), &session_key(), KeyUsage::AP_REP);
        let mut context = established(next.step(Some(&token)));
        talk(&mut *context, &mut request.context(subkey));
    }
}

#[test]
fn the_authenticator_says_what_the_client_wants_and_on_which_channel() {
    let credentials = Credentials::password(AccountName::new("", "alice"), "pass-canary");
    let bindings = ChannelBindings::from_application_data(b"tls-server-end-point:x");
    for bindings in [None, Some(&bindings)] {
        let options = with_tickets(&[&service_ticket()]);
        let begun = start(options, &credentials, "host.test.example", bindings).unwrap();
        let (token, _) = sent(begun.step(None));
        let authenticator = Opened::new(&token).authenticator;
        let checksum = AuthenticatorChecksum::decode(&authenticator.cksum.unwrap()).unwrap();
        assert_eq!(checksum.flags.bits(), 0x3e);
        assert_eq!(
            checksum.channel_bindings,
            bindings.map(ChannelBindings::hash)
        );
        let data = authenticator.authorization_data.unwrap_or_default();
        let said = data.iter().any(|one| one.says_channel_bindings_sent());
        assert_eq!(said, bindings.is_some());
        // By the KDC's clock.
        assert_eq!(authenticator.ctime, KerberosTime::from_unix(NOW + 7));
        assert_eq!(authenticator.cname, PrincipalName::new(1, &["alice"]));
        assert_eq!(authenticator.crealm, "TEST.EXAMPLE".into());
        let sequence = authenticator.seq_number.unwrap().get();
        assert!((1..1 << 30).contains(&sequence));
    }
}

#[test]
fn a_server_that_proves_nothing_is_refused() {
    let wrong = EncryptionKey::new(KIND, &[6; 16]).unwrap();
    let answers: &[fn(&Opened, &EncryptionKey) -> Vec<u8>] = &[
        |request, _| {
            let mut part = request.answer(None);
            part.ctime = KerberosTime::from_unix(part.ctime.to_unix() + 1);
            ap_rep(&part, &session_key(), KeyUsage::AP_REP)
        },
        |request, _| {
            let mut part = request.answer(None);
            part.cusec = Microseconds::new(part.cusec.get() ^ 1).unwrap();
            ap_rep(&part, &session_key(), KeyUsage::AP_REP)
        },
        |request, wrong| ap_rep(&request.answer(None), wrong, KeyUsage::AP_REP),
        // Whoever has seen the authenticator only.
        |request, _| ap_rep(&request.answer(None), &request.subkey(), KeyUsage::AP_REP),
        |request, _| {
            let usage = KeyUsage::AP_REQ_AUTHENTICATOR;
            ap_rep(&request.answer(None), &session_key(), usage)
        },
    ];
    for answer in answers {
        let (request, next) = ap_req();
        match refused(next.step(Some(&answer(&request, &wrong)))) {
            Error::AuthenticationFailed { reason, .. } => {
                assert_eq!(reason, AuthenticationFailure::WrongServerProof);
            }
            error => panic!("{error}"),
        }
    }
}

#[test]
fn every_changed_bit_of_the_answer_is_noticed() {
    let (request, _) = ap_req();
    let length = ap_rep(&request.answer(None), &session_key(), KeyUsage::AP_REP).len();
    for bit in 0..length * 8 {
        let (request, next) = ap_req();
        let mut token = ap_rep(&request.answer(None), &session_key(), KeyUsage::AP_REP);
        token[bit / 8] ^= 1 << (bit % 8);
        assert!(next.step(Some(&token)).is_err(), "{bit}");
    }
}

#[test]
fn a_subkey_that_was_not_offered_is_refused() {
    let options = InitiatorOptions {
        encryption_types: vec![KIND],
        ..with_tickets(&[&service_ticket()])
    };
    let (token, next) = sent(initiator(options).step(None));
    let request = Opened::new(&token);
    let subkey = EncryptionKey::new(EncryptionType::Aes256Sha2, &[9; 32]).unwrap();
    let part = request.answer(Some(&subkey));
    let token = ap_rep(&part, &session_key(), KeyUsage::AP_REP);
    let error = refused(next.step(Some(&token)));
    assert!(matches!(error, Error::InvalidMessage(_)), "{error}");
}

#[test]
fn tokens_out_of_place_are_refused() {
    let credentials = Credentials::password(AccountName::new("", "alice"), "pass-canary");
    let first = || start(InitiatorOptions::default(), &credentials, "host", None).unwrap();
    let error = refused(first().step(Some(b"token")));
    let early = PeerMisbehaved::UnexpectedNegoToken;
    assert!(matches!(error, Error::PeerMisbehaved(found) if found == early));

    let (_, next) = ap_req();
    let missing = PeerMisbehaved::MissingNegoToken;
    assert!(matches!(refused(next.step(None)), Error::PeerMisbehaved(found) if found == missing));
    for id in [TokenId::ApReq, TokenId::TgtRequest, TokenId::TgtReply] {
        let (_, next) = ap_req();
        let error = refused(next.step(Some(&framed(id, b""))));
        let other = PeerMisbehaved::UnexpectedTokenType;
        assert!(matches!(error, Error::PeerMisbehaved(found) if found == other));
    }
}

fn krb_error(code: i32) -> Vec<u8> {
    framed(TokenId::Error, &error(code, |_| ()))
}

#[test]
fn a_server_with_another_clock_gets_its_own_time_once() {
    let (first, next) = ap_req();
    let (token, next) = sent(next.step(Some(&krb_error(37))));
    let second = Opened::new(&token);
    assert_eq!(
        second.authenticator.ctime,
        KerberosTime::from_unix(NOW + 1000)
    );
    assert_ne!(first.subkey().expose(), second.subkey().expose());
    // The first one's answer is none to the second.
    let stale = ap_rep(&first.answer(None), &session_key(), KeyUsage::AP_REP);
    assert!(next.step(Some(&stale)).is_err());

    let (_, next) = ap_req();
    let (_, next) = sent(next.step(Some(&krb_error(37))));
    let error = refused(next.step(Some(&krb_error(37))));
    assert!(matches!(
        error,
        Error::TicketRefused(TicketRefusal::ClockSkew)
    ));
}

#[test]
fn what_a_server_refuses_is_told_apart() {
    for (code, expected) in [
        (31, TicketRefusal::WrongKey),
        (32, TicketRefusal::NotValidNow),
        (33, TicketRefusal::NotValidNow),
        (34, TicketRefusal::Replayed),
        (35, TicketRefusal::NoKey),
        (41, TicketRefusal::WrongKey),
        (44, TicketRefusal::NoKey),
        (45, TicketRefusal::NoKey),
        (60, TicketRefusal::Other(60)),
        (67, TicketRefusal::NoTicketGrantingTicket),
        // There is no ticket-granting ticket to go on with.
        (69, TicketRefusal::UserToUserRequired),
    ] {
        let (_, next) = ap_req();
        let error = refused(next.step(Some(&krb_error(code))));
        assert!(
            matches!(error, Error::TicketRefused(found) if found == expected),
            "{code}"
        );
        assert!(!error.permits_fallback());
    }
}

/// The server's answer to a KERB-TGT-REQUEST.
fn tgt_reply() -> TgtReply {
    TgtReply::new(tgt().ticket.clone())
}

/// Takes a KERB-TGT-REQUEST, and gives the reply and the KDC's.
fn user_to_user(step: Result<InitiatorStep, Error>) {
    let (token, next) = sent(step);
    let token = InitialToken::decode(&token).unwrap();
    assert_eq!(token.oid, Oid::KERBEROS_USER_TO_USER);
    assert_eq!(token.id, TokenId::TgtRequest);
    let request = TgtRequest::decode(token.message).unwrap();
    let service = PrincipalName::new(2, &["TERMSRV", "host.test.example"]);
    assert_eq!(request.server_name, Some(service));
    let reply = framed(TokenId::TgtReply, &tgt_reply().encode().unwrap());
    user_to_user_ticket(next.step(Some(&reply)));
}

fn user_to_user_ticket(step: Result<InitiatorStep, Error>) {
    let (request, next) = asked(step);
    let (_, decoded) = KdcReq::decode(&request.message).unwrap();
    assert!(decoded.req_body.value().additional_tickets.is_some());
    let reply = tgs_exchange::answer(&request.message, |_| ());
    let (token, next) = sent(next.step(Ok(reply)));
    let request = Opened::new(&token);
    assert_eq!(request.oid, Oid::KERBEROS_USER_TO_USER);
    assert_eq!(request.options.bits(), 0x6000_0000);
    let token = ap_rep(&request.answer(None), &session_key(), KeyUsage::AP_REP);
    let mut context = established(next.step(Some(&token)));
    talk(&mut *context, &mut request.context(None));
}

#[test]
fn user_to_user_is_done_where_asked_for_or_insisted_on() {
    let options = InitiatorOptions {
        user_to_user: true,
        // The service's own ticket is of no use then.
        ..with_tickets(&[&tgt(), &service_ticket()])
    };
    user_to_user(initiator(options).step(None));

    // The KDC insists.
    let (_, next) = asked(initiator(with_tickets(&[&tgt()])).step(None));
    user_to_user(next.step(Ok(error(27, |_| ()))));

    // The server insists, with and without its ticket.
    for with in [false, true] {
        let options = with_tickets(&[&tgt(), &service_ticket()]);
        let (_, next) = sent(initiator(options).step(None));
        let data = tgt_reply().encode().unwrap();
        let message = error(69, |error| error.e_data = with.then(|| data.into()));
        let step = next.step(Some(&framed(TokenId::Error, &message)));
        if with {
            user_to_user_ticket(step);
        } else {
            user_to_user(step);
        }
    }
}

#[test]
fn user_to_user_is_not_insisted_on_for_ever() {
    let options = InitiatorOptions {
        user_to_user: true,
        ..with_tickets(&[&tgt()])
    };
    let (_, next) = sent(initiator(options).step(None));
    let error = refused(next.step(Some(&krb_error(69))));
    assert!(matches!(
        error,
        Error::TicketRefused(TicketRefusal::UserToUserRequired)
    ));

    let (_, next) = asked(initiator(with_tickets(&[&tgt()])).step(None));
    let refusal = as_exchange::error(27, |_| ());
    let (_, next) = sent(next.step(Ok(refusal.clone())));
    let reply = framed(TokenId::TgtReply, &tgt_reply().encode().unwrap());
    let (_, next) = asked(next.step(Some(&reply)));
    let error = refused(next.step(Ok(refusal)));
    assert!(matches!(error, Error::Kdc(KdcError::UserToUserRequired)));
}

#[test]
fn tickets_that_are_of_no_use_are_not_used() {
    let expired = IssuedTicket {
        endtime: KerberosTime::from_unix(NOW + 7),
        ..service_ticket()
    };
    let unwanted = IssuedTicket {
        session_key: EncryptionKey::new(EncryptionType::Aes256Sha2, &[5; 32]).unwrap(),
        ..service_ticket()
    };
    let mut elsewhere = DomainRealms::default();
    elsewhere.insert(".test.example", "OTHER.EXAMPLE");
    for (ticket, realms) in [
        (expired, DomainRealms::default()),
        (unwanted, DomainRealms::default()),
        (service_ticket(), elsewhere),
    ] {
        let options = InitiatorOptions {
            encryption_types: vec![KIND],
            domain_realms: Arc::new(realms),
            ..with_tickets(&[&tgt(), &ticket])
        };
        let (request, _) = asked(initiator(options).step(None));
        let (kind, _) = KdcReq::decode(&request.message).unwrap();
        assert_eq!(kind, MessageType::Tgs);
    }
}

#[test]
fn what_makes_kerberos_impossible_lets_another_mechanism_take_its_place() {
    let credentials = Credentials::password(AccountName::new("R", "alice"), "pass-canary");
    for host in ["192.0.2.1", "[2001:db8::1]:3389", "[fe80::1%eth0]:3389"] {
        let begun = start(InitiatorOptions::default(), &credentials, host, None).unwrap();
        let error = refused(begun.step(None));
        assert!(matches!(error, Error::Kdc(KdcError::HostIsAddress)));
        assert!(error.permits_fallback());
    }
    let error = refused(initiator(InitiatorOptions::default()).step(None));
    assert!(
        matches!(error, Error::Kdc(KdcError::Unreachable(_))),
        "no realm"
    );
    assert!(error.permits_fallback());

    let begun = start(InitiatorOptions::default(), &credentials, "host", None).unwrap();
    let (request, next) = asked(begun.step(None));
    assert_eq!(&*request.realm, "R");
    let nobody = KdcUnreachable::new("R", "no answer");
    let error = refused(next.step(Err(nobody.clone())));
    assert!(matches!(&error, Error::Kdc(KdcError::Unreachable(found)) if *found == nobody));
    assert!(error.permits_fallback());
}

#[test]
fn credentials_that_do_not_fit_are_left_to_other_mechanisms() {
    let nobody = Credentials::password(AccountName::new("", ""), "pass-canary");
    let options = InitiatorOptions::default;
    assert!(start(options(), &nobody, "host", None).is_none());

    let hash = Secret::new([7; 16]);
    let delegated = TsPasswordCreds::new("", "", "").into();
    let by_hash = Credentials::nt_hash(AccountName::new("R", "alice"), hash, delegated);
    assert!(start(options(), &by_hash, "host", None).is_none());
    // Tickets do without either.
    let with_ticket = with_tickets(&[&service_ticket()]);
    let begun = start(with_ticket, &by_hash, "host.test.example", None).unwrap();
    sent(begun.step(None));
    let begun = start(with_tickets(&[]), &by_hash, "host.test.example", None).unwrap();
    let error = refused(begun.step(None));
    assert!(matches!(error, Error::Kdc(KdcError::NoTicket)));

    #[cfg(feature = "rc4-hmac")]
    {
        let options = InitiatorOptions {
            encryption_types: vec![EncryptionType::Aes256Sha1, EncryptionType::Rc4Hmac],
            ..InitiatorOptions::default()
        };
        let begun = start(options, &by_hash, "host", None).unwrap();
        let (request, _) = asked(begun.step(None));
        let (_, request) = KdcReq::decode(&request.message).unwrap();
        assert_eq!(request.req_body.value().etype, [23]);
    }
}

#[test]
fn keys_take_the_place_of_the_password_and_go_with_the_logon() {
    let keys: Arc<[EncryptionKey]> = [EncryptionKey::new(KIND, &[1; 16]).unwrap()].into();
    let options = InitiatorOptions {
        keys: Some(Arc::clone(&keys)),
        default_realm: Some("TEST.EXAMPLE".into()),
        ..InitiatorOptions::default()
    };
    let begun = initiator(options);
    assert_eq!(Arc::strong_count(&keys), 2);
    let (request, next) = asked(begun.step(None));
    let reply = as_exchange::answer(&request.message, &keys[0], |_| ());
    let (request, _next) = asked(next.step(Ok(reply)));
    assert_eq!(
        KdcReq::decode(&request.message).unwrap().0,
        MessageType::Tgs
    );
    assert_eq!(Arc::strong_count(&keys), 1);
}
