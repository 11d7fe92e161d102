//! Logons at MIT's krb5kdc: the AS exchange against a KDC that nobody here wrote.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod peer;

use std::sync::Arc;

use credssp::environment::{Environment, SystemRandom};
use credssp::error::KdcError;
use credssp::kerberos::asn1::{Flags, KdcRep, KrbError, MessageType, PrincipalName};
use credssp::kerberos::crypto::{EncryptionKey, EncryptionType};
use credssp::kerberos::initiator::{AsExchange, AsStep, ClientName, ClientSecret, IssuedTicket};
use credssp::{AccountName, Error};
use peer::{MitKdc, Peer, Wrong};

const ALL: [EncryptionType; 4] = [
    EncryptionType::Aes256Sha2,
    EncryptionType::Aes256Sha1,
    EncryptionType::Aes128Sha2,
    EncryptionType::Aes128Sha1,
];

/// What happens to a reply on its way.
type Change = fn(&mut KdcRep);

struct Logon<'a> {
    kdc: &'a MitKdc,
    user: &'a str,
    password: &'a str,
    encryption_types: &'a [EncryptionType],
    canonicalize: bool,
    environment: Environment,
    /// Changes each reply.
    tamper: fn(Vec<u8>) -> Vec<u8>,
}

impl<'a> Logon<'a> {
    fn new(kdc: &'a MitKdc, user: &'a str) -> Self {
        Self {
            kdc,
            user,
            password: MitKdc::PASSWORD,
            encryption_types: &ALL,
            canonicalize: true,
            environment: Environment::default(),
            tamper: |reply| reply,
        }
    }

    fn run(&self) -> (Result<IssuedTicket, Error>, Vec<Vec<u8>>) {
        let secret = ClientSecret::Password(self.password.into());
        self.run_with(secret)
    }

    /// The ticket, and the KDC's replies.
    fn run_with(&self, secret: ClientSecret) -> (Result<IssuedTicket, Error>, Vec<Vec<u8>>) {
        let client = ClientName::of(&AccountName::new("", self.user), MitKdc::REALM);
        let mut step = AsExchange::start(
            client,
            secret,
            self.encryption_types,
            self.canonicalize,
            &self.environment,
        );
        let mut replies = Vec::new();
        loop {
            match step {
                Ok(AsStep::NeedsKdc { request, next }) => {
                    assert_eq!(&*request.realm, MitKdc::REALM);
                    let reply = (self.tamper)(self.kdc.ask(&request.message));
                    replies.push(reply.clone());
                    step = next.step(&reply);
                }
                Ok(AsStep::Complete(ticket)) => return (Ok(*ticket), replies),
                Ok(_) => unreachable!(),
                Err(error) => return (Err(error), replies),
            }
        }
    }
}

fn codes(replies: &[Vec<u8>]) -> Vec<i32> {
    replies
        .iter()
        .filter(|reply| KrbError::is_one(reply))
        .map(|reply| KrbError::decode(reply).unwrap().error_code)
        .collect()
}

fn refused(result: Result<IssuedTicket, Error>) -> KdcError {
    match result {
        Err(Error::Kdc(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn logs_on_by_each_encryption_type_alone() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    for (user, encryption_type) in [
        ("aes256-sha2", EncryptionType::Aes256Sha2),
        ("aes256-sha1", EncryptionType::Aes256Sha1),
        ("aes128-sha2", EncryptionType::Aes128Sha2),
        ("aes128-sha1", EncryptionType::Aes128Sha1),
        #[cfg(feature = "rc4-hmac")]
        ("rc4", EncryptionType::Rc4Hmac),
    ] {
        for offered in [
            &[encryption_type][..],
            &[&ALL[..], &[encryption_type]].concat(),
        ] {
            let logon = Logon {
                encryption_types: offered,
                ..Logon::new(&kdc, user)
            };
            let (ticket, replies) = logon.run();
            let ticket = ticket.unwrap();
            assert_eq!(codes(&replies), [25]);
            let reply = KdcRep::decode(MessageType::As, &replies[1]).unwrap();
            assert_eq!(reply.enc_part.etype, encryption_type.number());
            assert!(offered.contains(&ticket.session_key.encryption_type()));
            assert!(ticket.ticket.value().sname.is_krbtgt());
            assert!(ticket.flags.contains(Flags::ENC_PA_REP));
            assert_eq!(ticket.cname, PrincipalName::new(1, &[user]));
            assert!(ticket.clock_offset.abs() < 60);
        }
    }
}

#[test]
fn logs_on_by_a_key_and_by_names_outside_of_ascii_and_without_pre_authentication() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    let key = EncryptionKey::string_to_key(
        EncryptionType::Aes128Sha2,
        MitKdc::PASSWORD,
        b"TEST.EXAMPLEalice",
        None,
    );
    let secret = ClientSecret::Keys([key.unwrap()].into());
    let (ticket, _) = Logon::new(&kdc, "alice").run_with(secret);
    assert!(ticket.unwrap().flags.contains(Flags::PRE_AUTHENT));

    let (ticket, _) = Logon::new(&kdc, "Éva日本").run();
    assert_eq!(ticket.unwrap().cname, PrincipalName::new(1, &["Éva日本"]));

    // There is no such enterprise name, but such a user.
    let (ticket, replies) = Logon::new(&kdc, "alice@test.example").run();
    assert_eq!(ticket.unwrap().cname, PrincipalName::new(1, &["alice"]));
    assert_eq!(codes(&replies), [6, 25]);

    for canonicalize in [false, true] {
        let logon = Logon {
            canonicalize,
            ..Logon::new(&kdc, "nopreauth")
        };
        let (ticket, replies) = logon.run();
        assert!(!ticket.unwrap().flags.contains(Flags::PRE_AUTHENT));
        assert_eq!(replies.len(), 1);
    }
}

#[test]
fn tells_apart_why_a_logon_is_refused() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    for (user, password, expected, sent) in [
        ("alice", "wrong", KdcError::WrongPassword, 2),
        ("nopreauth", "wrong", KdcError::WrongPassword, 1),
        ("nobody", "wrong", KdcError::ClientUnknown, 1),
        ("expired", MitKdc::PASSWORD, KdcError::ClientExpired, 1),
        ("disabled", MitKdc::PASSWORD, KdcError::ClientRevoked, 1),
        (
            "must-change",
            MitKdc::PASSWORD,
            KdcError::PasswordExpired,
            1,
        ),
        // Its KDC has no enterprise names, and neither is there a user of this one.
        (
            "nobody@test.example",
            MitKdc::PASSWORD,
            KdcError::ClientUnknown,
            2,
        ),
    ] {
        let logon = Logon {
            password,
            ..Logon::new(&kdc, user)
        };
        let (result, replies) = logon.run();
        assert_eq!(refused(result), expected, "{user}");
        // No more than that: passwords that are tried again lock accounts.
        assert_eq!(replies.len(), sent, "{user}");
    }
    let logon = Logon {
        encryption_types: &[EncryptionType::Aes128Sha1],
        ..Logon::new(&kdc, "aes256-sha2")
    };
    // It says so by offering no timestamp.
    assert_eq!(refused(logon.run().0), KdcError::NoCommonPreAuthentication);
}

#[test]
fn a_clock_that_is_wrong_takes_the_kdcs_time() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    for wrong in [-3600_i64, 3600, 86_400] {
        let random = Arc::new(SystemRandom::default());
        let logon = Logon {
            environment: Environment::new(Arc::new(Wrong(wrong)), random),
            ..Logon::new(&kdc, "alice")
        };
        let ticket = logon.run().0.unwrap();
        assert!((ticket.clock_offset + wrong).abs() < 60, "{wrong}");
        // Where the first error said another time, the second one says the right one.
        let logon = Logon {
            tamper: |reply| match KrbError::decode(&reply) {
                Ok(mut error) if error.error_code == 25 => {
                    error.stime = Default::default();
                    error.encode().unwrap()
                }
                _ => reply,
            },
            ..logon
        };
        let (ticket, replies) = logon.run();
        ticket.unwrap();
        assert_eq!(codes(&replies), [25, 37]);
    }
    // Once, and not again.
    let logon = Logon {
        tamper: |reply| match KrbError::decode(&reply) {
            Ok(mut error) => {
                error.stime = Default::default();
                error.encode().unwrap()
            }
            _ => reply,
        },
        ..Logon::new(&kdc, "alice")
    };
    let (result, replies) = logon.run();
    assert_eq!(refused(result), KdcError::ClockSkew);
    assert_eq!(codes(&replies), [25, 37, 37]);
}

#[test]
fn a_reply_that_was_changed_is_refused() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    let changes: [(Change, bool, KdcError); 4] = [
        (
            |reply| reply.cname = PrincipalName::new(1, &["root"]),
            false,
            KdcError::UnfitReply("cname"),
        ),
        (
            |reply| reply.crealm = "OTHER.EXAMPLE".into(),
            false,
            KdcError::UnfitReply("crealm"),
        ),
        (
            |reply| reply.enc_part.etype = 23 - 40,
            true,
            KdcError::NoCommonEncryptionType,
        ),
        (
            |reply| {
                let mut cipher = reply.enc_part.cipher.as_bytes().to_vec();
                cipher[40] ^= 1;
                reply.enc_part.cipher = cipher.into();
            },
            true,
            KdcError::WrongPassword,
        ),
    ];
    for (change, canonicalize, expected) in changes {
        let client = ClientName::of(&AccountName::new("", "nopreauth"), MitKdc::REALM);
        let secret = ClientSecret::Password(MitKdc::PASSWORD.into());
        let environment = Environment::default();
        let step = AsExchange::start(client, secret, &ALL, canonicalize, &environment);
        let AsStep::NeedsKdc { request, next } = step.unwrap() else {
            panic!("nothing asked");
        };
        let reply = kdc.ask(&request.message);
        let mut reply = KdcRep::decode(MessageType::As, &reply).unwrap();
        change(&mut reply);
        let result = next.step(&reply.encode().unwrap());
        match result {
            Err(Error::Kdc(error)) => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
    }
    // The answer to another question: nonce and checksum are of the first one.
    let answer_to = |next: bool| {
        let client = ClientName::of(&AccountName::new("", "nopreauth"), MitKdc::REALM);
        let secret = ClientSecret::Password(MitKdc::PASSWORD.into());
        match AsExchange::start(client, secret, &ALL, next, &Environment::default()) {
            Ok(AsStep::NeedsKdc { request, next }) => (kdc.ask(&request.message), next),
            other => panic!("{other:?}"),
        }
    };
    let (earlier, _) = answer_to(true);
    let (_, waiting) = answer_to(true);
    match waiting.step(&earlier) {
        Err(Error::Kdc(error)) => assert_eq!(error, KdcError::UnfitReply("nonce")),
        other => panic!("{other:?}"),
    }
}
