//! The TGS exchange against KDCs that lie: each check of a reply (RFC 4120, section 3.3.4), and where referrals lead.

use super::*;
use crate::environment::SystemRandom;
use crate::error::{Error, InvalidMessageKind, KdcError};
use crate::kdc::KdcRequest;
use crate::kerberos::asn1::*;
use crate::kerberos::crypto::KeyUsage;
use crate::kerberos::initiator::{IssuedTicket, TgsExchange, TgsRequest, TgsStep};
use crate::kerberos::tests::as_exchange::{NOW, environment};

const REALM: &str = "TEST.EXAMPLE";
const KIND: EncryptionType = EncryptionType::Aes128Sha1;

fn service() -> PrincipalName {
    PrincipalName::new(2, &["TERMSRV", "host.other.example"])
}

fn session_key() -> EncryptionKey {
    EncryptionKey::new(KIND, &[5; 16]).unwrap()
}

fn ticket(sname: PrincipalName, realm: &str) -> Encoded<Ticket> {
    let ticket = Ticket {
        tkt_vno: Exactly,
        realm: realm.into(),
        sname,
        enc_part: EncryptedData {
            etype: 18,
            kvno: None,
            cipher: vec![3; 60].into(),
        },
    };
    Encoded::encode(ticket, "Ticket").unwrap()
}

/// A ticket-granting ticket of our own realm.
pub(super) fn tgt() -> Arc<IssuedTicket> {
    Arc::new(IssuedTicket {
        ticket: ticket(PrincipalName::krbtgt(&REALM.into()), REALM),
        session_key: session_key(),
        flags: Flags::INITIAL
            .with(Flags::FORWARDABLE)
            .with(Flags::RENEWABLE),
        crealm: REALM.into(),
        cname: PrincipalName::new(1, &["alice"]),
        authtime: KerberosTime::from_unix(NOW - 100),
        starttime: None,
        endtime: KerberosTime::from_unix(NOW + 36_000),
        renew_till: None,
        clock_offset: 7,
    })
}

fn start(request: TgsRequest) -> (KdcRequest, Box<TgsExchange>) {
    waiting(TgsExchange::start(tgt(), request, &environment()))
}

fn waiting(step: Result<TgsStep, Error>) -> (KdcRequest, Box<TgsExchange>) {
    match step.unwrap() {
        TgsStep::NeedsKdc { request, next } => (request, next),
        step => panic!("{step:?}"),
    }
}

fn refused(step: Result<TgsStep, Error>) -> KdcError {
    match step {
        Err(Error::Kdc(error)) => error,
        step => panic!("{step:?}"),
    }
}

fn issued(step: Result<TgsStep, Error>) -> IssuedTicket {
    match step.unwrap() {
        TgsStep::Complete(ticket) => *ticket,
        step => panic!("{step:?}"),
    }
}

/// What an honest KDC says, for `change` to spoil.
pub(super) struct Reply {
    pub(super) part: EncKdcRepPart,
    pub(super) cname: PrincipalName,
    crealm: KerberosString,
    ticket_sname: PrincipalName,
    ticket_realm: KerberosString,
    /// In place of the subkey.
    key: Option<EncryptionKey>,
    usage: KeyUsage,
}

type Change = fn(&mut Reply);

impl Reply {
    /// Names another service, in the ticket and beside it.
    pub(super) fn name(&mut self, sname: PrincipalName) {
        self.ticket_sname = sname.clone();
        self.part.sname = sname;
    }
}

/// The body of a request, whose authenticator holds, and its subkey.
fn opened(request: &[u8]) -> (KdcReqBody, EncryptionKey) {
    let (kind, request) = KdcReq::decode(request).unwrap();
    assert_eq!(kind, MessageType::Tgs);
    let padata = request.padata.unwrap();
    assert_eq!(padata[0].padata_type, PaData::TGS_REQ);
    let ap_req = ApReq::decode(padata[0].padata_value.as_bytes()).unwrap();
    let usage = KeyUsage::TGS_REQ_AUTHENTICATOR;
    let octets = ap_req.authenticator.open(&session_key(), usage).unwrap();
    let authenticator = Authenticator::decode(&octets).unwrap();
    assert_eq!(authenticator.ctime, KerberosTime::from_unix(NOW + 7));
    assert_eq!(authenticator.cname, PrincipalName::new(1, &["alice"]));
    let checksum = authenticator.cksum.unwrap();
    session_key()
        .checksum_key(KeyUsage::TGS_REQ_CHECKSUM)
        .verify(&[request.req_body.as_bytes()], checksum.checksum.as_bytes())
        .unwrap();
    let body = request.req_body.value().clone();
    assert!(body.cname.is_none());
    (body, authenticator.subkey.unwrap().to_key().unwrap())
}

/// The session keys of all tickets are the same, so that one KDC can stand for those of all realms.
pub(super) fn answer(request: &[u8], change: impl FnOnce(&mut Reply)) -> Vec<u8> {
    let (asked, subkey) = opened(request);
    let sname = asked.sname.unwrap();
    let mut reply = Reply {
        part: EncKdcRepPart {
            key: KeyValue::from(&session_key()),
            last_req: Vec::new(),
            nonce: asked.nonce,
            key_expiration: None,
            flags: Flags::PRE_AUTHENT.with(Flags::OK_AS_DELEGATE),
            authtime: KerberosTime::from_unix(NOW - 100),
            starttime: Some(KerberosTime::from_unix(NOW)),
            endtime: KerberosTime::from_unix(NOW + 36_000),
            renew_till: None,
            srealm: asked.realm.clone(),
            sname: sname.clone(),
            caddr: None,
            encrypted_pa_data: None,
        },
        cname: PrincipalName::new(0, &["alice"]),
        crealm: REALM.into(),
        ticket_sname: sname,
        ticket_realm: asked.realm,
        key: None,
        usage: KeyUsage::TGS_REP_SUBKEY,
    };
    change(&mut reply);
    let part = reply.part.encode(MessageType::Tgs).unwrap();
    let key = reply.key.as_ref().unwrap_or(&subkey);
    let random = SystemRandom::default();
    KdcRep {
        pvno: Exactly,
        msg_type: 13,
        padata: None,
        crealm: reply.crealm,
        cname: reply.cname,
        ticket: ticket(reply.ticket_sname, &reply.ticket_realm.to_str_lossy()),
        enc_part: EncryptedData::seal(key, reply.usage, &part, &random).unwrap(),
    }
    .encode()
    .unwrap()
}

fn exchange(change: impl FnOnce(&mut Reply)) -> Result<TgsStep, Error> {
    let (request, next) = start(TgsRequest::new(service()));
    next.step(&answer(&request.message, change))
}

fn referral(request: &KdcRequest, realm: &str) -> Vec<u8> {
    answer(&request.message, |reply| {
        reply.name(PrincipalName::krbtgt(&realm.into()));
    })
}

#[test]
fn an_honest_reply_gives_a_ticket_under_either_key() {
    let (request, next) = start(TgsRequest::new(service()));
    assert_eq!(&*request.realm, REALM);
    let (body, _) = opened(&request.message);
    assert_eq!(body.kdc_options.bits(), 0x4081_0000);
    let ticket = issued(next.step(&answer(&request.message, |_| ())));
    assert_eq!(ticket.ticket.value().sname, service());
    assert!(ticket.flags.contains(Flags::OK_AS_DELEGATE));
    assert_eq!(ticket.clock_offset, 7);

    issued(exchange(|reply| {
        reply.key = Some(session_key());
        reply.usage = KeyUsage::TGS_REP_SESSION_KEY;
    }));
}

#[test]
fn a_ticket_is_not_asked_to_be_more_than_the_ticket_granting_ticket() {
    for (flags, expected) in [
        (Flags::INITIAL, 0x0001_0000),
        (Flags::RENEWABLE, 0x0081_0000),
        (Flags::FORWARDABLE, 0x4001_0000),
    ] {
        let mut ticket = Arc::into_inner(tgt()).unwrap();
        ticket.flags = flags;
        let request = TgsRequest::new(service());
        let step = TgsExchange::start(Arc::new(ticket), request, &environment());
        let (body, _) = opened(&waiting(step).0.message);
        assert_eq!(body.kdc_options.bits(), expected);
    }
}

#[test]
fn a_reply_that_does_not_fit_the_request_is_refused() {
    let unfit: &[(&str, Change)] = &[
        ("nonce", |reply| {
            reply.part.nonce = (reply.part.nonce.get() ^ 1).into()
        }),
        ("sname", |reply| {
            reply.ticket_sname = PrincipalName::new(2, &["TERMSRV", "other"])
        }),
        ("srealm", |reply| reply.ticket_realm = "B".into()),
        ("cname", |reply| {
            reply.cname = PrincipalName::new(1, &["root"])
        }),
        ("crealm", |reply| reply.crealm = "B".into()),
        ("endtime", |reply| {
            reply.part.endtime = KerberosTime::from_unix(u64::MAX)
        }),
        ("endtime", |reply| {
            reply.part.endtime = KerberosTime::from_unix(NOW)
        }),
        ("starttime", |reply| {
            reply.part.starttime = Some(KerberosTime::from_unix(NOW + 400))
        }),
        ("renew-till", |reply| {
            reply.part.renew_till = Some(KerberosTime::from_unix(u64::MAX))
        }),
        ("flags", |reply| {
            reply.part.flags = reply.part.flags.with(Flags::INVALID)
        }),
        // Of an encryption type that this crate does not speak, and of one that was not offered.
        ("key", |reply| reply.part.key.keytype = 99),
        // Under another key, and for another usage.
        ("enc-part", |reply| {
            reply.key = Some(EncryptionKey::new(KIND, &[6; 16]).unwrap())
        }),
        ("enc-part", |reply| reply.usage = KeyUsage::AP_REP),
    ];
    for (field, change) in unfit {
        assert_eq!(refused(exchange(change)), KdcError::UnfitReply(field));
    }
    let request = TgsRequest {
        encryption_types: vec![EncryptionType::Aes256Sha1],
        ..TgsRequest::new(service())
    };
    let (request, next) = start(request);
    let reply = answer(&request.message, |_| ());
    assert_eq!(refused(next.step(&reply)), KdcError::UnfitReply("key"));
}

#[test]
fn a_ticket_that_is_too_long_to_be_sent_back_is_refused() {
    let (request, next) = start(TgsRequest::new(service()));
    let long = "R".repeat(400_000);
    match next.step(&referral(&request, &long)) {
        Err(Error::InvalidMessage(error)) => assert_eq!(error.kind, InvalidMessageKind::TooLarge),
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_name_of_the_service_is_asked_again_without_canonicalization() {
    let alias = |request: &KdcRequest| {
        answer(&request.message, |reply| {
            reply.name(PrincipalName::new(2, &["HOST", "host.other.example"]));
        })
    };
    let (request, next) = start(TgsRequest::new(service()));
    let (request, next) = waiting(next.step(&alias(&request)));
    let (body, _) = opened(&request.message);
    assert!(!body.kdc_options.contains(Flags::CANONICALIZE));
    issued(next.step(&answer(&request.message, |_| ())));

    let (request, next) = start(TgsRequest::new(service()));
    let (request, next) = waiting(next.step(&alias(&request)));
    let refused = refused(next.step(&alias(&request)));
    assert_eq!(refused, KdcError::UnfitReply("sname"));
}

#[test]
fn referrals_are_followed_to_the_realm_of_the_service() {
    let (request, next) = start(TgsRequest::new(service()));
    let (request, next) = waiting(next.step(&referral(&request, "B")));
    assert_eq!(&*request.realm, "B");
    let (request, next) = waiting(next.step(&referral(&request, "OTHER.EXAMPLE")));
    assert_eq!(&*request.realm, "OTHER.EXAMPLE");
    let (body, _) = opened(&request.message);
    assert_eq!(
        (body.realm, body.sname),
        ("OTHER.EXAMPLE".into(), Some(service()))
    );
    let ticket = issued(next.step(&answer(&request.message, |_| ())));
    assert_eq!(ticket.ticket.value().realm, "OTHER.EXAMPLE".into());
    // The realm before it was trusted to say whom to trust.
    assert!(ticket.flags.contains(Flags::OK_AS_DELEGATE));

    let (request, next) = start(TgsRequest::new(service()));
    let untrusted = answer(&request.message, |reply| {
        reply.name(PrincipalName::krbtgt(&"B".into()));
        reply.part.flags = Flags::PRE_AUTHENT;
    });
    let (request, next) = waiting(next.step(&untrusted));
    let ticket = issued(next.step(&answer(&request.message, |_| ())));
    assert!(!ticket.flags.contains(Flags::OK_AS_DELEGATE));
}

#[test]
fn referrals_end() {
    // In a circle.
    let (request, next) = start(TgsRequest::new(service()));
    let (request, next) = waiting(next.step(&referral(&request, "B")));
    let (request, next) = waiting(next.step(&referral(&request, "C")));
    assert_eq!(
        refused(next.step(&referral(&request, "B"))),
        KdcError::ReferralLoop
    );

    // To where the client comes from.
    let (request, next) = start(TgsRequest::new(service()));
    let (request, next) = waiting(next.step(&referral(&request, REALM)));
    let (body, _) = opened(&request.message);
    assert!(!body.kdc_options.contains(Flags::CANONICALIZE));
    let error = refused(next.step(&referral(&request, REALM)));
    assert_eq!(error, KdcError::UnfitReply("sname"));

    // To one realm after another.
    let (mut request, mut next) = start(TgsRequest::new(service()));
    for hop in 0..10 {
        let reply = referral(&request, &format!("R{hop}"));
        (request, next) = waiting(next.step(&reply));
    }
    assert_eq!(
        refused(next.step(&referral(&request, "R10"))),
        KdcError::ReferralLoop
    );

    // Where they were not asked for.
    let request = TgsRequest {
        canonicalize: false,
        ..TgsRequest::new(service())
    };
    let (request, next) = start(request);
    let error = refused(next.step(&referral(&request, "B")));
    assert_eq!(error, KdcError::UnfitReply("sname"));
}

fn error(code: i32) -> Vec<u8> {
    as_exchange::error(code, |_| ())
}

#[test]
fn a_service_that_is_not_known_is_looked_for_in_the_likely_realm_once() {
    let request = TgsRequest {
        likely_realm: Some("OTHER.EXAMPLE".into()),
        ..TgsRequest::new(service())
    };
    let (_, next) = start(request);
    let (request, next) = waiting(next.step(&error(7)));
    assert_eq!(&*request.realm, REALM);
    let krbtgt = PrincipalName::krbtgt(&"OTHER.EXAMPLE".into());
    assert_eq!(opened(&request.message).0.sname.unwrap(), krbtgt);
    let (request, next) = waiting(next.step(&answer(&request.message, |_| ())));
    assert_eq!(&*request.realm, "OTHER.EXAMPLE");
    assert_eq!(opened(&request.message).0.sname.unwrap(), service());
    assert_eq!(refused(next.step(&error(7))), KdcError::ServiceUnknown);

    for likely_realm in [None, Some(REALM.into())] {
        let request = TgsRequest {
            likely_realm,
            ..TgsRequest::new(service())
        };
        let (_, next) = start(request);
        assert_eq!(refused(next.step(&error(7))), KdcError::ServiceUnknown);
    }
}

#[test]
fn a_realm_that_is_known_is_gone_to_first() {
    let request = TgsRequest {
        realm: Some("OTHER.EXAMPLE".into()),
        ..TgsRequest::new(service())
    };
    let (request, next) = start(request);
    let krbtgt = PrincipalName::krbtgt(&"OTHER.EXAMPLE".into());
    assert_eq!(opened(&request.message).0.sname.unwrap(), krbtgt);
    // There is a realm between.
    let (request, next) = waiting(next.step(&referral(&request, "B")));
    assert_eq!(opened(&request.message).0.sname.unwrap(), krbtgt);
    let (request, next) = waiting(next.step(&answer(&request.message, |_| ())));
    issued(next.step(&answer(&request.message, |_| ())));
}

#[test]
fn errors_are_told_apart_and_nothing_is_asked_again() {
    for (code, expected) in [
        (6, KdcError::ClientUnknown),
        (14, KdcError::NoCommonEncryptionType),
        (26, KdcError::Other(26)),
        (27, KdcError::UserToUserRequired),
        (37, KdcError::ClockSkew),
        (52, KdcError::ResponseTooBig),
        (68, KdcError::WrongRealm),
        (60, KdcError::Other(60)),
    ] {
        let (_, next) = start(TgsRequest::new(service()));
        assert_eq!(refused(next.step(&error(code))), expected);
    }
}

#[test]
fn for_user_to_user_the_other_ticket_goes_to_its_own_kdc_only() {
    let with = |realm: &str| TgsRequest {
        user_to_user: Some(ticket(PrincipalName::krbtgt(&realm.into()), realm)),
        user_to_user_owner: Some(PrincipalName::new(1, &["host$"])),
        ..TgsRequest::new(service())
    };
    let sends = |request: &KdcRequest| {
        let (body, _) = opened(&request.message);
        let sent = body.additional_tickets.is_some();
        assert_eq!(body.kdc_options.contains(Flags::ENC_TKT_IN_SKEY), sent);
        sent
    };
    let (request, next) = start(with(REALM));
    assert!(sends(&request));
    issued(next.step(&answer(&request.message, |_| ())));

    let (request, next) = start(with("B"));
    assert!(!sends(&request));
    let (request, next) = waiting(next.step(&referral(&request, "B")));
    assert!(sends(&request));
    issued(next.step(&answer(&request.message, |_| ())));

    // A server whose ticket is of a realm that the service does not belong to.
    let (request, next) = start(with("B"));
    let error = refused(next.step(&answer(&request.message, |_| ())));
    assert_eq!(error, KdcError::WrongRealm);
}

#[test]
fn for_user_to_user_the_name_of_the_other_tickets_owner_is_tried_once() {
    let owner = PrincipalName::new(1, &["host$"]);
    let request = TgsRequest {
        user_to_user: Some(ticket(PrincipalName::krbtgt(&REALM.into()), REALM)),
        user_to_user_owner: Some(owner.clone()),
        ..TgsRequest::new(service())
    };
    let (_, next) = start(request);
    let (request, next) = waiting(next.step(&error(26)));
    let (body, _) = opened(&request.message);
    assert_eq!(body.sname.unwrap(), owner);
    assert!(body.additional_tickets.is_some());
    let reply = answer(&request.message, |_| ());
    assert_eq!(issued(next.step(&reply)).ticket.value().sname, owner);
}
