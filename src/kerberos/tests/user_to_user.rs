//! User-to-user (RFC 4120, section 3.7): the server gives its ticket-granting ticket, and takes one in its session key.

use super::forge::*;
use super::*;
use crate::error::{AuthenticationFailure, Error, PeerMisbehaved};
use crate::gss::{Acceptor, AcceptorStep};
use crate::kerberos::acceptor::{ServiceCredentials, ServiceTgt};
use crate::kerberos::asn1::*;
use crate::kerberos::initiator::IssuedTicket;
use crate::mechanism::Oid;

const U2U: Oid = Oid::KERBEROS_USER_TO_USER;

/// The server's, whose session key is `octet`s.
fn ticket(octet: u8) -> IssuedTicket {
    let sealed = Forge::changed(|forge| forge.sname = PrincipalName::krbtgt(&REALM.into()));
    IssuedTicket {
        ticket: sealed.request().ticket,
        session_key: key_of(octet),
        flags: Flags::INITIAL,
        crealm: REALM.into(),
        cname: PrincipalName::new(1, &["host$"]),
        authtime: time(-400),
        starttime: None,
        endtime: time(400),
        renew_till: None,
        clock_offset: 0,
    }
}

fn with_tgt(ticket: IssuedTicket) -> (Arc<ServiceTgt>, Arc<ServiceCredentials>) {
    let tgt = Arc::new(ServiceTgt::new());
    tgt.set(ticket);
    let credentials = credentials_of(Vec::new()).service_tgt_of(Arc::clone(&tgt));
    (tgt, Arc::new(credentials))
}

fn tgt_request() -> Vec<u8> {
    let request = TgtRequest {
        server_name: Some(PrincipalName::new(2, SERVICE)),
        realm: Some(REALM.into()),
        ..TgtRequest::default()
    };
    framed(U2U, TokenId::TgtRequest, &request.encode().unwrap())
}

/// What a client makes of the ticket-granting ticket with this session key.
fn user_to_user(octet: u8) -> Forge {
    Forge::changed(|forge| {
        forge.oid = U2U;
        forge.ticket_key = key_of(octet);
        forge.kvno = None;
        forge.options = forge.options.with(Flags::USE_SESSION_KEY);
    })
}

/// The acceptor once it has given its ticket, and that.
fn asked(credentials: &Arc<ServiceCredentials>) -> (Vec<u8>, Box<dyn Acceptor>) {
    match acceptor(credentials).step(&tgt_request()) {
        Ok(AcceptorStep::NeedsToken { token, next }) => (token, next),
        Ok(_) => panic!("another step"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_session_key_of_the_ticket_that_was_given_opens_the_client_s() {
    let (tgt, credentials) = with_tgt(ticket(7));
    let (token, next) = asked(&credentials);
    let reply = InitialToken::decode(&token).unwrap();
    assert_eq!((reply.oid, reply.id), (U2U, TokenId::TgtReply));
    let reply = TgtReply::decode(reply.message).unwrap();
    let current = tgt.current(time(0)).unwrap();
    assert_eq!(reply.ticket.as_bytes(), current.ticket.as_bytes());

    // Renewed in the meantime: the client knows the old one.
    tgt.set(ticket(8));
    let forge = user_to_user(7);
    let Ok(AcceptorStep::Established {
        token: Some(token),
        context,
        ..
    }) = next.step(&forge.token())
    else {
        panic!("not established");
    };
    forge.finish(&token);
    // Remote Desktop clients wait for the server's, and send theirs.
    assert!(context.requires_mech_list_mic());

    let (_, next) = asked(&credentials);
    let reason = AuthenticationFailure::WrongTicketKey;
    assert_eq!(refused(next.step(&user_to_user(7).token())), (31, reason));
}

#[test]
fn user_to_user_without_our_ticket_is_refused() {
    let (_, credentials) = with_tgt(ticket(7));
    let reason = AuthenticationFailure::NoServiceTgt;
    let step = acceptor(&credentials).step(&user_to_user(7).token());
    assert_eq!(refused(step), (67, reason));
    // The ticket of another connection does not help.
    let _ = asked(&credentials);
    let step = acceptor(&credentials).step(&user_to_user(7).token());
    assert_eq!(refused(step), (67, reason));

    let none = Arc::new(credentials_of(Vec::new()));
    let mut expired = ticket(7);
    expired.endtime = time(0);
    let (_, expired) = with_tgt(expired);
    for credentials in [none, expired] {
        let step = acceptor(&credentials).step(&tgt_request());
        assert_eq!(refused(step), (67, reason));
    }
}

#[test]
fn a_session_key_of_a_type_that_is_not_permitted_opens_nothing() {
    let weak = EncryptionType::Aes128Sha1;
    let token = {
        let mut forge = user_to_user(7);
        forge.session_key = key(weak);
        forge.ticket.key = (&forge.session_key).into();
        forge.authenticator.subkey = Some((&key(weak)).into());
        forge.token()
    };
    for (permitted, accepted) in [(&[weak, KIND][..], true), (&[weak], false)] {
        let tgt = Arc::new(ServiceTgt::new());
        tgt.set(ticket(7));
        let credentials = credentials_of(Vec::new()).service_tgt_of(tgt);
        let (_, next) = asked(&Arc::new(credentials.encryption_types(permitted)));
        let step = next.step(&token);
        if accepted {
            assert!(is_established(&step));
        } else {
            let reason = AuthenticationFailure::EncryptionTypeNotPermitted;
            assert_eq!(refused(step), (14, reason));
        }
    }
}

#[test]
fn the_ticket_is_given_once() {
    let (_, credentials) = with_tgt(ticket(7));
    let (_, next) = asked(&credentials);
    let Ok(AcceptorStep::Refused { token, error }) = next.step(&tgt_request()) else {
        panic!("given again");
    };
    assert_eq!(code(&token), 40);
    let unexpected = PeerMisbehaved::UnexpectedTokenType;
    assert!(matches!(error, Error::PeerMisbehaved(found) if found == unexpected));
}

#[test]
fn a_client_that_has_our_ticket_may_use_a_key_of_the_keytab_all_the_same() {
    let tgt = Arc::new(ServiceTgt::new());
    tgt.set(ticket(7));
    let credentials = Arc::new(credentials().service_tgt_of(tgt));
    let (_, next) = asked(&credentials);
    assert!(is_established(&next.step(&Forge::new().token())));
}

#[test]
fn the_ticket_is_renewed_before_it_ends_by_the_kdc_s_clock() {
    let tgt = ServiceTgt::new();
    assert!(tgt.needs_refresh(time(0)));
    assert!(tgt.current(time(0)).is_none());
    for offset in [0, 50, -50] {
        let mut ticket = ticket(7);
        ticket.clock_offset = offset;
        tgt.set(ticket);
        for (now, due, current) in [
            (-400, false, true),
            (199, false, true),
            (200, true, true),
            (399, true, true),
            (400, true, false),
        ] {
            let now = time(now - offset);
            assert_eq!(tgt.needs_refresh(now), due, "{offset} {now}");
            assert_eq!(tgt.current(now).is_some(), current, "{offset} {now}");
        }
    }
}
