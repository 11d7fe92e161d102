//! The server against clients that lie: each check of an AP-REQ (RFC 4120, section 3.2.3; RFC 4121, section 4.1.1).

use super::exchange::{reason, wrap};
use super::forge::*;
use super::*;
use crate::environment::Environment;
use crate::error::{ApiMisuse, AuthenticationFailure, Error, PeerIncompatible, PeerMisbehaved};
use crate::gss::{Acceptor, AcceptorRequest, AcceptorStep, ChannelBindings, SecurityContext};
use crate::kerberos::acceptor::{
    KerberosAcceptor, ReplayCache, ReplayError, ReplayId, ReplayStore,
};
use crate::kerberos::asn1::*;
use crate::kerberos::crypto::KeyUsage;
use crate::mechanism::Oid;
use crate::name::AccountName;

type Change = fn(&mut Forge);

fn element(ad_type: i32, ad_data: &[u8]) -> AuthorizationDataElement {
    AuthorizationDataElement {
        ad_type,
        ad_data: ad_data.into(),
    }
}

#[test]
fn an_honest_client_is_accepted_and_both_ends_share_a_context() {
    for oid in [Oid::KERBEROS, Oid::KERBEROS_USER_TO_USER] {
        let forge = Forge::changed(|forge| forge.oid = oid);
        let step = accept(credentials(), &forge.token()).unwrap();
        let AcceptorStep::Established {
            account,
            status: None,
            logon_info: None,
            token: Some(token),
            context: mut server,
        } = step
        else {
            panic!("not established");
        };
        assert_eq!(account, AccountName::new(REALM, "alice"));
        let mut client = forge.finish(&token);
        let mut sealed = wrap(&mut client, b"to the server");
        assert_eq!(
            server.unwrap_in_place(&mut sealed).unwrap(),
            b"to the server"
        );
        let mut signature = Vec::new();
        server.get_mic(b"to the client", &mut signature).unwrap();
        client.verify_mic(b"to the client", &signature).unwrap();
    }
}

#[test]
fn clients_do_without_what_is_optional() {
    let fine: &[Change] = &[
        |forge| forge.authenticator.subkey = None,
        |forge| forge.authenticator.seq_number = None,
        |forge| forge.kvno = None,
        |forge| forge.ticket.caddr = Some(Vec::new()),
        |forge| forge.ticket.starttime = Some(time(299)),
        |forge| forge.ticket.endtime = time(-299),
        |forge| forge.authenticator.ctime = time(-299),
        |forge| forge.authenticator.ctime = time(299),
        // With delegated credentials, which are passed over.
        |forge| {
            let checksum = [
                &[16, 0, 0, 0][..],
                &[0; 16],
                &[0x3f, 0, 0, 0],
                &[1, 0, 1, 0, 9],
            ];
            forge.authenticator.cksum = Some(ChecksumValue {
                cksumtype: 0x8003,
                checksum: checksum.concat().into(),
            });
        },
        |forge| {
            let ignored = encode(&vec![element(129, b"?"), element(-7, b"")], "").unwrap();
            forge.authenticator.authorization_data = Some(vec![element(1, &ignored)]);
        },
    ];
    for (index, change) in fine.iter().enumerate() {
        let forge = Forge::changed(change);
        let step = accept(credentials(), &forge.token());
        let Ok(AcceptorStep::Established {
            token: Some(token), ..
        }) = step
        else {
            panic!("{index}");
        };
        forge.finish(&token);
    }
}

#[test]
fn each_check_refuses_with_its_code() {
    use AuthenticationFailure as Reason;

    let bad: &[(i32, Reason, Change)] = &[
        (33, Reason::TicketNotYetValid, |forge| {
            forge.ticket.flags = Flags::INVALID
        }),
        (33, Reason::TicketNotYetValid, |forge| {
            forge.ticket.starttime = Some(time(301))
        }),
        (33, Reason::TicketNotYetValid, |forge| {
            forge.ticket.authtime = time(301)
        }),
        (32, Reason::TicketExpired, |forge| {
            forge.ticket.endtime = time(-301)
        }),
        (31, Reason::WrongTicketKey, |forge| {
            forge.ticket_usage = KeyUsage::AS_REP
        }),
        (31, Reason::WrongTicketKey, |forge| {
            forge.ticket_key = key_of(9)
        }),
        (31, Reason::WrongAuthenticator, |forge| {
            forge.authenticator_usage = KeyUsage::TGS_REQ_AUTHENTICATOR
        }),
        (31, Reason::WrongAuthenticator, |forge| {
            forge.session_key = key_of(9)
        }),
        (36, Reason::ClientMismatch, |forge| {
            forge.authenticator.cname = PrincipalName::new(1, &["bob"])
        }),
        (36, Reason::ClientMismatch, |forge| {
            forge.authenticator.cname = PrincipalName::new(1, &["alice", "admin"])
        }),
        (36, Reason::ClientMismatch, |forge| {
            forge.authenticator.crealm = "OTHER.EXAMPLE".into()
        }),
        (37, Reason::TimeSkew, |forge| {
            forge.authenticator.ctime = time(-301)
        }),
        (37, Reason::TimeSkew, |forge| {
            forge.authenticator.ctime = time(301)
        }),
        (50, Reason::MissingGssChecksum, |forge| {
            forge.authenticator.cksum = None
        }),
        (50, Reason::MissingGssChecksum, |forge| {
            forge.authenticator.cksum.as_mut().unwrap().cksumtype = 7
        }),
        (50, Reason::MissingGssChecksum, |forge| {
            let checksum = &mut forge.authenticator.cksum.as_mut().unwrap().checksum;
            *checksum = checksum.as_bytes()[..23].into();
        }),
        (60, Reason::MissingMutual, |forge| {
            forge.asks_for(0x3c, None)
        }),
        (60, Reason::MissingMutual, |forge| {
            forge.options = Flags::default()
        }),
        (60, Reason::MissingProtection, |forge| {
            forge.asks_for(0x2e, None)
        }),
        (60, Reason::MissingProtection, |forge| {
            forge.asks_for(0x1e, None)
        }),
        (14, Reason::EncryptionTypeNotPermitted, |forge| {
            forge.ticket.key.keytype = 3
        }),
        (14, Reason::EncryptionTypeNotPermitted, |forge| {
            forge.authenticator.subkey.as_mut().unwrap().keytype = 3
        }),
        (51, Reason::TransitedNotChecked, |forge| {
            forge.ticket.transited.contents = b"MIDDLE.EXAMPLE"[..].into()
        }),
        (60, Reason::UnknownRestriction, |forge| {
            forge.ticket.authorization_data = Some(vec![element(1234, b"")])
        }),
        (60, Reason::UnknownRestriction, |forge| {
            forge.authenticator.authorization_data = Some(vec![element(4, b"")])
        }),
        (60, Reason::AmbiguousName, |forge| {
            let name = PrincipalName::new(1, &["alice/admin"]);
            (forge.ticket.cname, forge.authenticator.cname) = (name.clone(), name);
        }),
        (60, Reason::AmbiguousName, |forge| {
            (forge.ticket.crealm, forge.authenticator.crealm) = ("".into(), "".into());
        }),
        (60, Reason::AmbiguousName, |forge| {
            (forge.ticket.crealm, forge.authenticator.crealm) = ("A\0".into(), "A\0".into());
        }),
        (60, Reason::AmbiguousName, |forge| {
            (forge.ticket.crealm, forge.authenticator.crealm) = (r"A\B".into(), r"A\B".into());
        }),
        (67, Reason::NoServiceTgt, |forge| {
            forge.options = forge.options.with(Flags::USE_SESSION_KEY)
        }),
    ];
    for (index, (code, reason, change)) in bad.iter().enumerate() {
        let token = Forge::changed(change).token();
        let found = refused(accept(credentials(), &token));
        assert_eq!(found, (*code, *reason), "{index}");
    }
}

#[test]
fn nobody_is_not_let_in() {
    let forge = Forge::changed(|forge| {
        let name = PrincipalName::new(11, &["WELLKNOWN", "ANONYMOUS"]);
        (forge.ticket.cname, forge.authenticator.cname) = (name.clone(), name);
    });
    let Ok(AcceptorStep::Refused { error, .. }) = accept(credentials(), &forge.token()) else {
        panic!("not refused");
    };
    let anonymous = PeerIncompatible::Anonymous;
    assert!(matches!(error, Error::PeerIncompatible(found) if found == anonymous));
}

#[test]
fn transited_realms_are_trusted_by_name_or_by_the_kdc() {
    let through = |contents: &[u8], flags| {
        Forge::changed(|forge| {
            forge.ticket.transited.contents = contents.into();
            forge.ticket.flags = flags;
        })
        .token()
    };
    let checked = through(b"X,Y", Flags::TRANSITED_POLICY_CHECKED);
    assert!(is_established(&accept(credentials(), &checked)));
    let trusting = || credentials().transited_realms(&["A.EXAMPLE", "B.EXAMPLE", "EXAMPLE."]);
    for (contents, trusted) in [
        (&b"A.EXAMPLE"[..], true),
        (b"B.EXAMPLE,A.EXAMPLE", true),
        (b"A.EXAMPLE,C.EXAMPLE", false),
        (b"A.EXAMPLE,", false),
        (b"A.EXAMPLE,,B.EXAMPLE", false),
        (b"EXAMPLE.,A.EXAMPLE", false),
        (b"a.example", false),
    ] {
        let step = accept(trusting(), &through(contents, Flags::default()));
        assert_eq!(is_established(&step), trusted, "{contents:?}");
    }
    // Written in a way that nobody knows, they may be others.
    let unknown = Forge::changed(|forge| {
        forge.ticket.transited.contents = b"A.EXAMPLE"[..].into();
        forge.ticket.transited.tr_type = 2;
    });
    let reason = AuthenticationFailure::TransitedNotChecked;
    assert_eq!(refused(accept(trusting(), &unknown.token())), (51, reason));
}

#[test]
fn the_key_is_found_by_name_by_version_and_under_other_names() {
    use AuthenticationFailure as Reason;

    let alias = &["HOST", "host.test.example"];
    for (entries, kvno, expected) in [
        (vec![entry(SERVICE, 3, 1)], Some(3), None),
        // A version of more than an octet, in an entry that holds one.
        (vec![entry(SERVICE, 3, 1)], Some(0x1_0003), None),
        // The highest that there is, which some write as -1.
        (vec![entry(SERVICE, 255, 1)], Some(u32::MAX), None),
        (vec![entry(SERVICE, 259, 1)], Some(259), None),
        (vec![entry(SERVICE, 7, 1)], None, None),
        (vec![entry(SERVICE, 7, 1)], Some(3), None),
        (
            vec![entry(SERVICE, 4, 9), entry(SERVICE, 3, 1)],
            Some(4),
            None,
        ),
        (
            vec![entry(SERVICE, 3, 9), entry(alias, 3, 1)],
            Some(3),
            None,
        ),
        (vec![entry(alias, 8, 1)], Some(3), None),
        (vec![], Some(3), Some((45, Reason::NoServiceKey))),
        (
            vec![entry(alias, 3, 9)],
            Some(3),
            Some((35, Reason::NoServiceKey)),
        ),
        (
            vec![entry(SERVICE, 4, 9), entry(alias, 3, 9)],
            Some(3),
            Some((44, Reason::WrongKeyVersion)),
        ),
        (
            vec![entry(SERVICE, 3, 9)],
            Some(3),
            Some((31, Reason::WrongTicketKey)),
        ),
    ] {
        let names: Vec<_> = entries.iter().map(|entry| entry.kvno).collect();
        let token = Forge::changed(|forge| forge.kvno = kvno).token();
        let step = accept(credentials_of(entries), &token);
        match expected {
            None => assert!(is_established(&step), "{names:?} {kvno:?}"),
            Some(expected) => assert_eq!(refused(step), expected, "{names:?} {kvno:?}"),
        }
    }
    // Which of the two is wrong, the key or its version, is said of the service's own keys.
    let wrong_key = || vec![entry(SERVICE, 3, 9)];
    let token = Forge::changed(|forge| forge.kvno = Some(0x1_0003)).token();
    let step = accept(credentials_of(wrong_key()), &token);
    assert_eq!(refused(step), (31, Reason::WrongTicketKey));
    let mut of_another_realm = wrong_key();
    of_another_realm[0].realm = "OTHER.EXAMPLE".into();
    let step = accept(credentials_of(of_another_realm), &token);
    assert_eq!(refused(step), (35, Reason::NoServiceKey));
    let mut other_type = entry(SERVICE, 3, 1);
    other_type.key = key(EncryptionType::Aes128Sha1);
    let step = accept(credentials_of(vec![other_type]), &Forge::new().token());
    assert_eq!(refused(step), (44, Reason::WrongKeyVersion));
}

#[test]
fn only_the_named_services_and_the_permitted_types_are_accepted() {
    let token = Forge::new().token();
    for (principals, accepted) in [
        (&["TERMSRV/host.test.example"][..], true),
        (
            &["WSMAN/host.test.example", "termsrv/HOST.test.example"],
            true,
        ),
        (&["WSMAN/host.test.example"], false),
        (&["TERMSRV"], false),
        (&["TERMSRV/host.test.example/x"], false),
    ] {
        let step = accept(credentials().accept_principals(principals), &token);
        if accepted {
            assert!(is_established(&step), "{principals:?}");
        } else {
            let reason = AuthenticationFailure::ServiceNotAccepted;
            assert_eq!(refused(step), (35, reason), "{principals:?}");
        }
    }
    let reason = AuthenticationFailure::EncryptionTypeNotPermitted;
    let sha2 = [EncryptionType::Aes256Sha2];
    let step = accept(credentials().encryption_types(&sha2), &token);
    assert_eq!(refused(step), (14, reason));
    let weaker: [Change; 2] = [
        |forge| {
            forge.session_key = key(EncryptionType::Aes128Sha1);
            forge.ticket.key = (&forge.session_key).into();
        },
        |forge| {
            let subkey = key(EncryptionType::Aes128Sha1);
            forge.authenticator.subkey = Some((&subkey).into());
        },
    ];
    for change in weaker {
        let token = Forge::changed(change).token();
        assert!(is_established(&accept(credentials(), &token)));
        let step = accept(credentials().encryption_types(&[KIND]), &token);
        assert_eq!(refused(step), (14, reason));
    }
}

#[test]
fn a_ticket_under_the_name_of_an_accepted_service_needs_its_key() {
    let other = &["HTTP", "host.test.example"];
    let accepting =
        |entries| credentials_of(entries).accept_principals(&["TERMSRV/host.test.example"]);
    // Whose name is changed on its way: the ticket is for the other service.
    let token = Forge::changed(|forge| forge.ticket_key = key_of(9)).token();
    let both = || vec![entry(SERVICE, 3, 1), entry(other, 3, 9)];
    let step = accept(accepting(both()), &token);
    let reason = AuthenticationFailure::WrongTicketKey;
    assert_eq!(refused(step), (31, reason));
    assert!(is_established(&accept(credentials_of(both()), &token)));
    assert!(is_established(&accept(
        accepting(both()),
        &Forge::new().token()
    )));
    // The account may be known by another name alone.
    let step = accept(accepting(vec![entry(&["host$"], 3, 9)]), &token);
    assert!(is_established(&step));
}

#[test]
fn what_came_before_is_refused_on_every_connection() {
    let shared = Arc::new(credentials());
    let forge = Forge::new();
    let token = forge.token();
    assert!(is_established(&acceptor(&shared).step(&token)));
    let reason = AuthenticationFailure::ReplayedAuthenticator;
    for _ in 0..2 {
        assert_eq!(refused(acceptor(&shared).step(&token)), (34, reason));
    }
    // Neither another ticket around the same authenticator nor another framing makes it another one.
    let old = InitialToken::decode(&token).unwrap().message;
    let mut again = forge.request();
    again.authenticator = ApReq::decode(old).unwrap().authenticator;
    let again = framed(
        Oid::KERBEROS_USER_TO_USER,
        TokenId::ApReq,
        &again.encode().unwrap(),
    );
    assert_eq!(refused(acceptor(&shared).step(&again)), (34, reason));
    // The client's next attempt is.
    assert!(is_established(&acceptor(&shared).step(&forge.token())));
}

#[test]
fn only_who_has_a_ticket_fills_the_replay_cache() {
    let shared = Arc::new(credentials().replay_store(Arc::new(ReplayCache::new(1))));
    let bad: [Change; 3] = [
        |forge| forge.session_key = key_of(9),
        |forge| forge.authenticator.ctime = time(-400),
        |forge| forge.ticket.endtime = time(-400),
    ];
    for change in bad {
        refused(acceptor(&shared).step(&Forge::changed(change).token()));
    }
    assert!(is_established(
        &acceptor(&shared).step(&Forge::new().token())
    ));
    let full = refused(acceptor(&shared).step(&Forge::new().token()));
    assert_eq!(full, (60, AuthenticationFailure::ReplayCacheFull));
}

#[test]
fn the_replay_cache_forgets_what_has_expired_and_nothing_else() {
    let cache = ReplayCache::new(2);
    let id = |octet: u8| {
        let random = Counting(octet);
        let sealed = EncryptedData::seal(&key_of(1), KeyUsage::TICKET, b"", &random).unwrap();
        ReplayId::new(&sealed)
    };
    let insert = |octet, now, expires| cache.insert(id(octet), time(now), time(expires));
    insert(1, 0, 10).unwrap();
    insert(2, 5, 15).unwrap();
    assert!(matches!(insert(1, 10, 20), Err(ReplayError::Replayed)));
    assert!(matches!(insert(3, 10, 20), Err(ReplayError::Full)));
    insert(3, 11, 21).unwrap();
    assert!(matches!(insert(2, 11, 21), Err(ReplayError::Replayed)));
    assert!(matches!(insert(1, 11, 21), Err(ReplayError::Full)));
    insert(1, 16, 26).unwrap();
}

#[test]
fn an_authenticator_is_remembered_as_long_as_it_is_good() {
    let shared = Arc::new(credentials());
    // As far ahead as it may be: it is good for twice the skew.
    let forge = Forge::changed(|forge| {
        forge.authenticator.cusec = Microseconds::default();
        forge.authenticator.ctime = time(300);
    });
    let token = forge.token();
    assert!(is_established(&acceptor(&shared).step(&token)));
    let at = |now| {
        let environment = environment_at(now);
        let request = AcceptorRequest::new(&environment);
        Box::new(KerberosAcceptor::new(Some(Arc::clone(&shared)), request)).step(&token)
    };
    let Ok(AcceptorStep::Refused { error, .. }) = at(NOW + 600) else {
        panic!("accepted again");
    };
    let replayed = AuthenticationFailure::ReplayedAuthenticator;
    assert!(matches!(error, Error::AuthenticationFailed { reason, .. } if reason == replayed));
}

#[test]
fn a_client_is_bound_to_the_channel_of_the_server() {
    let here = ChannelBindings::from_application_data(b"tls-server-end-point:here");
    let there = ChannelBindings::from_application_data(b"tls-server-end-point:there");
    let would = || AuthorizationDataElement::channel_bindings_sent().unwrap();
    for (ours, theirs, knows, require, accepted) in [
        (Some(&here), Some(&here), true, true, true),
        (Some(&here), Some(&there), true, true, false),
        (Some(&here), Some(&there), false, false, false),
        (Some(&here), None, false, true, false),
        (Some(&here), None, false, false, true),
        // MS-KILE, section 3.4.5: who could have sent them has been robbed of them.
        (Some(&here), None, true, false, false),
        (None, Some(&there), true, true, true),
    ] {
        let forge = Forge::changed(|forge| {
            forge.asks_for(0x3e, theirs);
            forge.authenticator.authorization_data = knows.then(|| vec![would()]);
        });
        let shared = Arc::new(credentials().require_channel_bindings(require));
        let step = acceptor_bound_to(&shared, ours).step(&forge.token());
        if accepted {
            assert!(is_established(&step), "{ours:?} {theirs:?} {knows}");
        } else {
            let reason = AuthenticationFailure::WrongChannelBindings;
            assert_eq!(refused(step), (60, reason), "{ours:?} {theirs:?} {knows}");
        }
    }
}

#[test]
fn messages_come_in_sequence_unless_the_client_asked_for_none() {
    for (flags, ordered) in [(0x3e, true), (0x36, true), (0x3a, true), (0x32, false)] {
        let forge = Forge::changed(|forge| forge.asks_for(flags, None));
        let Ok(AcceptorStep::Established {
            token: Some(token),
            context: mut server,
            ..
        }) = accept(credentials(), &forge.token())
        else {
            panic!("not established");
        };
        let mut client = forge.finish(&token);
        wrap(&mut client, b"lost");
        let mut second = wrap(&mut client, b"second");
        let opened = server.unwrap_in_place(&mut second).map(drop);
        if ordered {
            assert_eq!(reason(opened), AuthenticationFailure::WrongSignature);
        } else {
            opened.unwrap();
        }
    }
}

#[test]
fn other_tokens_are_out_of_place() {
    let message = Forge::new().request().encode().unwrap();
    for (id, answered) in [
        (TokenId::ApRep, true),
        (TokenId::TgtReply, true),
        (TokenId::Error, false),
    ] {
        let step = accept(credentials(), &framed(Oid::KERBEROS, id, &message));
        let unexpected = PeerMisbehaved::UnexpectedTokenType;
        match step {
            Ok(AcceptorStep::Refused { token, error }) if answered => {
                assert_eq!(code(&token), 40);
                assert!(matches!(error, Error::PeerMisbehaved(found) if found == unexpected));
            }
            Err(Error::PeerMisbehaved(found)) if !answered => assert_eq!(found, unexpected),
            _ => panic!("{id:?}"),
        }
    }
    // DCE's way, without a framing.
    for bad in [
        &message[..],
        &[],
        &framed(Oid::KERBEROS, TokenId::ApReq, b""),
    ] {
        let step = accept(credentials(), bad);
        assert!(matches!(step, Err(Error::InvalidMessage(_))), "{bad:?}");
    }
}

#[test]
fn a_request_that_is_cut_short_or_whose_ciphertexts_are_changed_is_refused() {
    let shared = Arc::new(credentials());
    let forge = Forge::new();
    let request = forge.request();
    let token = framed(forge.oid, TokenId::ApReq, &request.encode().unwrap());
    for end in 0..token.len() {
        let step = acceptor(&shared).step(&token[..end]);
        assert!(matches!(step, Err(Error::InvalidMessage(_))), "{end}");
    }
    for (cipher, reason) in [
        (
            &request.ticket.value().enc_part.cipher,
            AuthenticationFailure::WrongTicketKey,
        ),
        (
            &request.authenticator.cipher,
            AuthenticationFailure::WrongAuthenticator,
        ),
    ] {
        let cipher = cipher.as_bytes();
        let mut windows = token.windows(cipher.len());
        let start = windows.position(|found| found == cipher).unwrap();
        for at in start..start + cipher.len() {
            let mut changed = token.clone();
            changed[at] ^= 1;
            assert_eq!(refused(acceptor(&shared).step(&changed)), (31, reason));
        }
    }
    // None of them has kept the honest one out.
    assert!(is_established(&acceptor(&shared).step(&token)));
}

#[test]
fn a_server_without_keys_says_so() {
    let environment = Environment::default();
    let acceptor = KerberosAcceptor::new(None, AcceptorRequest::new(&environment));
    let step = Box::new(acceptor).step(&Forge::new().token());
    let Err(Error::ApiMisuse(misuse)) = step else {
        panic!("no error");
    };
    assert_eq!(misuse, ApiMisuse::NoServiceCredentials);
}

#[test]
fn nothing_secret_is_shown() {
    let shown = format!("{:?}", acceptor(&Arc::new(credentials())));
    assert!(shown.contains("TERMSRV"), "{shown}");
    assert!(!shown.contains("1, 1, 1"), "{shown}");
}
