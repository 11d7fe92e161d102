//! The AS exchange against a KDC that lies: each check of a reply (RFC 4120, section 3.1.5), and what errors may ask for.

use super::*;
use crate::environment::{Environment, SystemRandom};
use crate::error::{Error, InvalidMessageKind, KdcError};
use crate::kdc::KdcRequest;
use crate::kerberos::asn1::*;
use crate::kerberos::crypto::KeyUsage;
use crate::kerberos::initiator::{AsExchange, AsStep, ClientName, ClientSecret, IssuedTicket};

const REALM: &str = "TEST.EXAMPLE";
const KIND: EncryptionType = EncryptionType::Aes128Sha1;
pub(super) const NOW: u64 = 1_700_000_000;

#[derive(Debug)]
struct Clock;

impl crate::environment::TimeProvider for Clock {
    fn since_unix_epoch(&self) -> std::time::Duration {
        std::time::Duration::from_secs(NOW)
    }
}

pub(in crate::kerberos) fn environment() -> Environment {
    Environment::new(Arc::new(Clock), Arc::new(SystemRandom::default()))
}

fn client_key() -> EncryptionKey {
    EncryptionKey::new(KIND, &[1; 16]).unwrap()
}

fn start(canonicalize: bool) -> (KdcRequest, Box<AsExchange>) {
    let client = ClientName::new(REALM, PrincipalName::new(1, &["alice"]));
    let secret = ClientSecret::Keys([client_key()].into());
    waiting(AsExchange::start(
        client,
        secret,
        ENCRYPTION_TYPES,
        canonicalize,
        &environment(),
    ))
}

fn with_password() -> (KdcRequest, Box<AsExchange>) {
    let client = ClientName::new(REALM, PrincipalName::new(1, &["alice"]));
    let secret = ClientSecret::Password("pass-canary".into());
    waiting(AsExchange::start(
        client,
        secret,
        &[KIND],
        true,
        &environment(),
    ))
}

fn waiting(step: Result<AsStep, Error>) -> (KdcRequest, Box<AsExchange>) {
    match step.unwrap() {
        AsStep::NeedsKdc { request, next } => (request, next),
        step => panic!("{step:?}"),
    }
}

fn refused(step: Result<AsStep, Error>) -> KdcError {
    match step {
        Err(Error::Kdc(error)) => error,
        step => panic!("{step:?}"),
    }
}

/// What an honest KDC says, for `change` to spoil.
pub(in crate::kerberos) struct Reply {
    part: EncKdcRepPart,
    cname: PrincipalName,
    crealm: KerberosString,
    ticket_sname: PrincipalName,
    ticket_realm: KerberosString,
}

type Change = fn(&mut Reply);

pub(in crate::kerberos) fn answer(
    request: &[u8],
    key: &EncryptionKey,
    change: impl FnOnce(&mut Reply),
) -> Vec<u8> {
    let (_, decoded) = KdcReq::decode(request).unwrap();
    let asked = decoded.req_body.value();
    let checksum = ChecksumValue {
        cksumtype: KIND.checksum_type(),
        checksum: key
            .checksum_key(KeyUsage::AS_REQ_CHECKSUM)
            .checksum(&[request])
            .as_ref()
            .into(),
    };
    let sname = PrincipalName::krbtgt(&REALM.into());
    let mut reply = Reply {
        part: EncKdcRepPart {
            key: KeyValue::from(&EncryptionKey::new(KIND, &[2; 16]).unwrap()),
            last_req: Vec::new(),
            nonce: asked.nonce,
            key_expiration: None,
            flags: Flags::INITIAL.with(Flags::ENC_PA_REP),
            authtime: KerberosTime::from_unix(NOW + 7),
            starttime: None,
            endtime: KerberosTime::from_unix(NOW + 36_000),
            renew_till: None,
            srealm: REALM.into(),
            sname: sname.clone(),
            caddr: None,
            encrypted_pa_data: Some(vec![PaData::new(149, checksum.encode().unwrap())]),
        },
        cname: PrincipalName::new(0, &["alice"]),
        crealm: REALM.into(),
        ticket_sname: sname,
        ticket_realm: REALM.into(),
    };
    change(&mut reply);
    let ticket = Ticket {
        tkt_vno: Exactly,
        realm: reply.ticket_realm,
        sname: reply.ticket_sname,
        enc_part: EncryptedData {
            etype: 18,
            kvno: None,
            cipher: vec![3; 60].into(),
        },
    };
    let random = SystemRandom::default();
    let part = reply.part.encode(MessageType::As).unwrap();
    KdcRep {
        pvno: Exactly,
        msg_type: 11,
        padata: None,
        crealm: reply.crealm,
        cname: reply.cname,
        ticket: Encoded::encode(ticket, "Ticket").unwrap(),
        enc_part: EncryptedData::seal(key, KeyUsage::AS_REP, &part, &random).unwrap(),
    }
    .encode()
    .unwrap()
}

fn exchange(canonicalize: bool, change: impl FnOnce(&mut Reply)) -> Result<AsStep, Error> {
    let (request, next) = start(canonicalize);
    next.step(&answer(&request.message, &client_key(), change))
}

fn issued(step: Result<AsStep, Error>) -> IssuedTicket {
    match step.unwrap() {
        AsStep::Complete(ticket) => *ticket,
        step => panic!("{step:?}"),
    }
}

#[test]
fn an_honest_reply_gives_a_ticket() {
    for canonicalize in [false, true] {
        let ticket = issued(exchange(canonicalize, |_| ()));
        assert_eq!(ticket.session_key.expose(), [2; 16]);
        assert_eq!(ticket.clock_offset, 7);
    }
}

#[test]
fn a_reply_that_does_not_fit_the_request_is_refused() {
    let unfit: &[(&str, Change)] = &[
        ("nonce", |reply| {
            reply.part.nonce = (reply.part.nonce.get() ^ 1).into()
        }),
        ("sname", |reply| {
            reply.ticket_sname = PrincipalName::new(2, &["krbtgt", "B"])
        }),
        ("srealm", |reply| reply.ticket_realm = "B".into()),
        ("sname", |reply| {
            reply.part.sname = PrincipalName::new(2, &["HTTP", "host"]);
            reply.ticket_sname = reply.part.sname.clone();
        }),
        ("endtime", |reply| {
            reply.part.endtime = KerberosTime::from_unix(u64::MAX)
        }),
        ("endtime", |reply| reply.part.endtime = reply.part.authtime),
        ("starttime", |reply| {
            reply.part.starttime = Some(KerberosTime::from_unix(NOW + 400))
        }),
        ("renew-till", |reply| {
            reply.part.renew_till = Some(KerberosTime::from_unix(u64::MAX))
        }),
        ("flags", |reply| {
            reply.part.flags = reply.part.flags.with(Flags::INVALID)
        }),
        ("key", |reply| reply.part.key.keytype = 99),
        ("enc-pa-rep", |reply| reply.part.encrypted_pa_data = None),
        ("enc-pa-rep", |reply| {
            // Over another request, with the key that is the right one.
            let other = client_key();
            let other = other
                .checksum_key(KeyUsage::AS_REQ_CHECKSUM)
                .checksum(&[b"other"]);
            let checksum = ChecksumValue {
                cksumtype: KIND.checksum_type(),
                checksum: other.as_ref().into(),
            };
            let checksum = PaData::new(149, checksum.encode().unwrap());
            reply.part.encrypted_pa_data = Some(vec![checksum]);
        }),
    ];
    for (field, change) in unfit {
        for canonicalize in [false, true] {
            let error = refused(exchange(canonicalize, change));
            assert_eq!(error, KdcError::UnfitReply(field));
        }
    }
}

#[test]
fn other_names_come_only_where_canonicalization_was_asked_for() {
    let other: &[(&str, Change)] = &[
        ("cname", |reply| {
            reply.cname = PrincipalName::new(1, &["Alice"])
        }),
        ("crealm", |reply| reply.crealm = "CHILD.TEST.EXAMPLE".into()),
        ("sname", |reply| {
            reply.part.sname = PrincipalName::krbtgt(&"B".into());
            reply.ticket_sname = reply.part.sname.clone();
        }),
    ];
    for (field, change) in other {
        assert_eq!(
            refused(exchange(false, change)),
            KdcError::UnfitReply(field)
        );
        issued(exchange(true, change));
    }
}

pub(super) fn error(code: i32, change: impl FnOnce(&mut KrbError)) -> Vec<u8> {
    let mut error = KrbError {
        pvno: Exactly,
        msg_type: Exactly,
        ctime: None,
        cusec: None,
        stime: KerberosTime::from_unix(NOW + 1000),
        susec: Microseconds::default(),
        error_code: code,
        crealm: None,
        cname: None,
        realm: REALM.into(),
        sname: PrincipalName::krbtgt(&REALM.into()),
        e_text: None,
        e_data: None,
    };
    change(&mut error);
    error.encode().unwrap()
}

/// KDC_ERR_PREAUTH_REQUIRED with these data.
fn wants(methods: Vec<PaData>) -> Vec<u8> {
    let methods = encode(&MethodData(methods), "METHOD-DATA").unwrap();
    error(25, |error| error.e_data = Some(methods.into()))
}

#[test]
fn a_salt_alone_is_enough_and_the_cookie_goes_back() {
    let (_, next) = with_password();
    let methods = vec![
        PaData::new(PaData::ENC_TIMESTAMP, vec![]),
        PaData::new(PaData::PW_SALT, b"a salt".to_vec()),
        PaData::new(PaData::FX_COOKIE, b"a cookie".to_vec()),
    ];
    let (request, _) = waiting(next.step(&wants(methods)));
    let (_, request) = KdcReq::decode(&request.message).unwrap();
    let padata = request.padata.unwrap();
    assert!(padata.contains(&PaData::new(133, b"a cookie".to_vec())));
    let key = EncryptionKey::string_to_key(KIND, "pass-canary", b"a salt", None).unwrap();
    let sealed = EncryptedData::decode(padata[0].padata_value.as_bytes()).unwrap();
    let time = sealed.open(&key, KeyUsage::PA_ENC_TIMESTAMP).unwrap();
    let time = PaEncTsEnc::decode(&time).unwrap();
    assert_eq!(
        time.patimestamp,
        KerberosTime::from_unix(NOW + 1000),
        "the KDC's time"
    );
}

#[test]
fn cheap_endless_and_unoffered_keys_are_refused() {
    let entry = |etype, count: u32| EtypeInfo2Entry {
        etype,
        salt: Some("salt".into()),
        s2kparams: Some(count.to_be_bytes().to_vec().into()),
    };
    for (entry, expected) in [
        (entry(17, 0), KdcError::UnfitStringToKey),
        (entry(17, 1), KdcError::UnfitStringToKey),
        (entry(17, u32::MAX), KdcError::UnfitStringToKey),
        (entry(18, 4096), KdcError::NoCommonEncryptionType),
        (entry(-1, 4096), KdcError::NoCommonEncryptionType),
    ] {
        let (_, next) = with_password();
        let info = encode(&vec![entry], "ETYPE-INFO2").unwrap();
        let methods = vec![
            PaData::new(PaData::ENC_TIMESTAMP, vec![]),
            PaData::new(PaData::ETYPE_INFO2, info),
        ];
        assert_eq!(refused(next.step(&wants(methods))), expected);
    }
}

#[test]
fn what_was_sent_is_not_shown() {
    let (request, next) = with_password();
    let shown = format!("{next:?}");
    let sent = format!("{:?}", &request.message[..8]);
    assert!(!shown.contains(sent.trim_matches(['[', ']'])), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn what_is_too_long_to_be_sent_back_is_refused() {
    let timestamp = || PaData::new(PaData::ENC_TIMESTAMP, vec![]);
    let realm = "R".repeat(600_000);
    for reply in [
        wants(vec![timestamp(); 65_000]),
        wants(vec![
            timestamp(),
            PaData::new(PaData::FX_COOKIE, vec![7; 1_040_000]),
        ]),
        error(68, |error| error.crealm = Some((&*realm).into())),
    ] {
        let (_, next) = with_password();
        match next.step(&reply) {
            Err(Error::InvalidMessage(error)) => {
                assert_eq!(error.kind, InvalidMessageKind::TooLarge);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn nothing_makes_the_client_send_its_proof_again_and_again() {
    let methods = || wants(vec![PaData::new(PaData::ENC_TIMESTAMP, vec![])]);
    for (last, expected) in [
        (error(24, |_| ()), KdcError::WrongPassword),
        (methods(), KdcError::NoCommonPreAuthentication),
        (error(52, |_| ()), KdcError::ResponseTooBig),
        (error(60, |_| ()), KdcError::Other(60)),
        (error(1, |_| ()), KdcError::ClientExpired),
        (error(18, |_| ()), KdcError::ClientRevoked),
    ] {
        let (_, next) = with_password();
        let (_, next) = waiting(next.step(&methods()));
        assert_eq!(refused(next.step(&last)), expected);
    }
    let (_, next) = with_password();
    let (_, next) = waiting(next.step(&methods()));
    let (_, next) = waiting(next.step(&error(37, |_| ())));
    assert_eq!(refused(next.step(&error(37, |_| ()))), KdcError::ClockSkew);
}

#[test]
fn the_kdcs_time_is_sent_under_the_same_key() {
    let other = EncryptionKey::new(EncryptionType::Aes256Sha1, &[9; 32]).unwrap();
    let client = ClientName::new(REALM, PrincipalName::new(1, &["alice"]));
    let (_, next) = waiting(AsExchange::start(
        client,
        ClientSecret::Keys([other, client_key()].into()),
        &[EncryptionType::Aes256Sha1, KIND],
        true,
        &environment(),
    ));
    // The KDC has a key of the second encryption type only.
    let info = EtypeInfo2Entry {
        etype: KIND.number(),
        salt: None,
        s2kparams: None,
    };
    let methods = vec![
        PaData::new(PaData::ENC_TIMESTAMP, vec![]),
        PaData::new(
            PaData::ETYPE_INFO2,
            encode(&vec![info], "ETYPE-INFO2").unwrap(),
        ),
    ];
    let opens = |request: &KdcRequest| {
        let (_, request) = KdcReq::decode(&request.message).unwrap();
        let padata = request.padata.unwrap();
        let sealed = EncryptedData::decode(padata[0].padata_value.as_bytes()).unwrap();
        sealed
            .open(&client_key(), KeyUsage::PA_ENC_TIMESTAMP)
            .is_ok()
    };
    let (request, next) = waiting(next.step(&wants(methods)));
    assert!(opens(&request));
    let (request, _) = waiting(next.step(&error(37, |_| ())));
    assert!(opens(&request));
}

#[test]
fn a_cookie_that_has_expired_is_asked_for_anew_once() {
    let methods = || {
        wants(vec![
            PaData::new(PaData::ENC_TIMESTAMP, vec![]),
            PaData::new(PaData::FX_COOKIE, b"a cookie".to_vec()),
        ])
    };
    let padata = |request: &KdcRequest| {
        let (_, request) = KdcReq::decode(&request.message).unwrap();
        let types = request.padata.unwrap();
        types.iter().map(|one| one.padata_type).collect::<Vec<_>>()
    };
    let (_, next) = with_password();
    let (request, next) = waiting(next.step(&methods()));
    assert_eq!(padata(&request), [2, 133, 149, 128]);
    let (request, next) = waiting(next.step(&error(90, |_| ())));
    assert_eq!(padata(&request), [149, 128]);
    let (_, next) = waiting(next.step(&methods()));
    assert_eq!(refused(next.step(&error(90, |_| ()))), KdcError::Other(90));
}

#[test]
fn an_enterprise_name_that_is_unknown_is_asked_for_once_more_without_its_suffix() {
    let account: crate::AccountName = "alice@Test.example".parse().unwrap();
    let begin = |default_realm| {
        let client = ClientName::of(&account, default_realm);
        let secret = ClientSecret::Keys([client_key()].into());
        waiting(AsExchange::start(
            client,
            secret,
            &[KIND],
            false,
            &environment(),
        ))
    };
    let name = |request: &KdcRequest| {
        let (_, decoded) = KdcReq::decode(&request.message).unwrap();
        let body = decoded.req_body.value();
        assert_eq!(body.realm, (&*request.realm).into());
        let cname = body.cname.clone().unwrap();
        // Enterprise names need it; the other one was not meant to be changed.
        let canonicalizes = body.kdc_options.contains(Flags::CANONICALIZE);
        assert_eq!(canonicalizes, cname.name_type == 10);
        (cname.name_type, cname.to_string(), request.realm.clone())
    };
    for (default_realm, first) in [("", REALM), ("A", "A")] {
        let (request, next) = begin(default_realm);
        let whole = (10, "alice@Test.example".to_owned(), first.into());
        assert_eq!(name(&request), whole);
        let (request, next) = waiting(next.step(&error(6, |_| ())));
        assert_eq!(name(&request), (1, "alice".to_owned(), REALM.into()));
        assert_eq!(
            refused(next.step(&error(6, |_| ()))),
            KdcError::ClientUnknown
        );
    }
    // Not where the KDC knows it to be another realm's.
    let (_, next) = begin("");
    let other = error(68, |error| error.crealm = Some("B".into()));
    let (_, next) = waiting(next.step(&other));
    assert_eq!(
        refused(next.step(&error(6, |_| ()))),
        KdcError::ClientUnknown
    );
}

#[test]
fn another_realm_has_its_own_salt() {
    let (_, next) = with_password();
    let methods = vec![
        PaData::new(PaData::ENC_TIMESTAMP, vec![]),
        PaData::new(PaData::PW_SALT, b"a salt".to_vec()),
    ];
    let (_, next) = waiting(next.step(&wants(methods)));
    let other = error(68, |error| error.crealm = Some("B".into()));
    let (request, next) = waiting(next.step(&other));
    // It says nothing of salts.
    let key = EncryptionKey::string_to_key(KIND, "pass-canary", b"Balice", None).unwrap();
    issued(next.step(&answer(&request.message, &key, |_| ())));
}

#[test]
fn referrals_are_followed_but_not_for_ever() {
    let to = |realm: &str| error(68, |error| error.crealm = Some(realm.into()));
    let (_, mut next) = start(true);
    for realm in ["A", "B", "C"] {
        let (request, after) = waiting(next.step(&to(realm)));
        assert_eq!(&*request.realm, realm);
        next = after;
    }
    assert_eq!(refused(next.step(&to("D"))), KdcError::ReferralLoop);
    for (canonicalize, reply, expected) in [
        (true, to(REALM), KdcError::ReferralLoop),
        (true, error(68, |_| ()), KdcError::WrongRealm),
        (false, to("A"), KdcError::WrongRealm),
    ] {
        let (_, next) = start(canonicalize);
        assert_eq!(refused(next.step(&reply)), expected);
    }
}
