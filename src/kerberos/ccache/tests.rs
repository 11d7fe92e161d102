use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::error::InvalidMessageKind;
use crate::kerberos::asn1::{EncryptedData, Exactly};

const NOW: KerberosTime = KerberosTime::from_unix(1_000);

fn client() -> ClientName {
    ClientName::new("R", PrincipalName::new(1, &["Éva"]))
}

fn issued(service: &[&str], realm: &str, endtime: u64) -> IssuedTicket {
    let encryption_type = EncryptionType::Aes128Sha1;
    let ticket = rasn::der::encode(&Ticket {
        tkt_vno: Exactly,
        realm: realm.into(),
        sname: PrincipalName::new(2, service),
        enc_part: EncryptedData {
            etype: 18,
            kvno: None,
            cipher: vec![3; 60].into(),
        },
    });
    IssuedTicket {
        ticket: Ticket::decode(&ticket.unwrap()).unwrap(),
        session_key: EncryptionKey::new(encryption_type, &[0x5a; 16]).unwrap(),
        flags: Flags::FORWARDABLE,
        crealm: client().realm,
        cname: client().name,
        authtime: KerberosTime::from_unix(700),
        starttime: Some(KerberosTime::from_unix(800)),
        endtime: KerberosTime::from_unix(endtime),
        renew_till: None,
        clock_offset: -5,
    }
}

fn setting(key: &str, value: &[u8]) -> Credential {
    let name = PrincipalName::new(0, &["krb5_ccache_conf_data", key]);
    Credential {
        server: ClientName::new("X-CACHECONF:", name),
        ticket: value.into(),
        ..Credential::of(&issued(&["ignored"], "R", 5_000))
    }
}

fn cache(credentials: Vec<Credential>) -> CredentialCache {
    CredentialCache {
        client: client(),
        clock_offset: ClockOffset::default(),
        credentials,
    }
}

fn encoded(cache: &CredentialCache) -> Vec<u8> {
    cache.encode().unwrap().expose().to_vec()
}

/// A setting, a ticket, addresses and authorization data.
fn sample() -> Vec<u8> {
    let mut entry = Credential::of(&issued(&["krbtgt", "R"], "R", 5_000));
    entry.addresses = vec![(2, Box::new([127, 0, 0, 1]))];
    entry.authorization_data = vec![(1, Box::new([0x30, 0]))];
    encoded(&cache(vec![setting("fast_avail", b"yes"), entry]))
}

#[test]
fn gives_back_the_tickets_that_were_added() {
    let mut made = CredentialCache::new(client());
    let service = PrincipalName::new(3, &["TERMSRV", "web"]);
    made.push(&issued(&["krbtgt", "R"], "R", 2_000));
    made.push(&issued(&["TERMSRV", "web"], "OTHER", 2_000));
    let read = CredentialCache::parse(&encoded(&made)).unwrap();
    assert_eq!(*read.client(), client());
    for (found, service, realm) in [
        (read.tgt(NOW), ["krbtgt", "R"], "R"),
        (
            read.service_ticket(&service, NOW),
            ["TERMSRV", "web"],
            "OTHER",
        ),
    ] {
        let (found, added) = (found.unwrap(), issued(&service, realm, 2_000));
        assert_eq!(found.ticket.as_bytes(), added.ticket.as_bytes());
        assert_eq!(found.session_key.expose(), added.session_key.expose());
        assert_eq!(
            found.session_key.encryption_type(),
            EncryptionType::Aes128Sha1
        );
        assert_eq!(found.flags, added.flags);
        assert_eq!((found.crealm, found.cname), (added.crealm, added.cname));
        assert_eq!(
            (found.authtime, found.starttime, found.endtime),
            (added.authtime, added.starttime, added.endtime)
        );
        assert_eq!((found.renew_till, found.clock_offset), (None, -5));
    }
    let other = PrincipalName::new(3, &["TERMSRV", "other"]);
    assert!(read.service_ticket(&other, NOW).is_none());
}

#[test]
fn finds_only_tickets_that_serve() {
    type Change = fn(&mut Credential);
    let spoiled: [(&str, Change); 8] = [
        ("expired", |entry| entry.endtime = 1_000),
        ("another client's", |entry| entry.client.realm = "S".into()),
        ("user-to-user", |entry| entry.is_skey = 8),
        ("invalid", |entry| entry.flags = Flags::INVALID.bits()),
        ("an unknown key", |entry| entry.encryption_type = 99),
        ("a short key", |entry| entry.key = Secret::from(&[1][..])),
        ("malformed", |entry| entry.ticket = Box::new([0x61, 0])),
        ("a setting", |entry| {
            entry.server.realm = "X-CACHECONF:".into();
        }),
    ];
    let tgt = |endtime| Credential::of(&issued(&["krbtgt", "R"], "R", endtime));
    let service = PrincipalName::krbtgt(&"R".into());
    for (what, spoil) in spoiled {
        let mut cache = cache(vec![tgt(5_000)]);
        assert!(cache.service_ticket(&service, NOW).is_some());
        spoil(&mut cache.credentials[0]);
        let cache = CredentialCache::parse(&encoded(&cache)).unwrap();
        assert!(cache.tgt(NOW).is_none(), "{what}");
        assert!(cache.service_ticket(&service, NOW).is_none(), "{what}");
    }
    // The one that lasts longest, by the KDC's clock.
    let mut cache = cache(vec![tgt(1_010), tgt(1_030), tgt(1_020)]);
    assert_eq!(cache.tgt(NOW).unwrap().endtime.to_unix(), 1_030);
    cache.clock_offset.seconds = 29;
    assert!(cache.tgt(NOW).is_some());
    cache.clock_offset.seconds = 30;
    assert!(cache.tgt(NOW).is_none());
}

#[test]
fn a_setting_names_the_realm_to_start_from() {
    let tgt = |realm| Credential::of(&issued(&["krbtgt", realm], realm, 5_000));
    let realm = |credentials| {
        let ticket = cache(credentials).tgt(NOW).unwrap();
        ticket.ticket.value().realm.clone()
    };
    assert_eq!(realm(vec![tgt("S"), tgt("R")]), "R".into());
    let entries = vec![tgt("R"), setting("start_realm", b"S"), tgt("S")];
    assert_eq!(realm(entries), "S".into());
    // What only looks like it is none.
    let mut of_a_realm = setting("start_realm", b"S");
    of_a_realm.server.realm = "R".into();
    let mut of_another_kind = setting("start_realm", b"S");
    of_another_kind.server.name = PrincipalName::new(0, &["else", "start_realm"]);
    for other in [of_a_realm, of_another_kind] {
        assert_eq!(realm(vec![tgt("R"), other, tgt("S")]), "R".into());
    }
}

#[test]
fn keeps_what_it_does_not_know() {
    let mut unknown = Credential::of(&issued(&["krbtgt", "R"], "R", 5_000));
    unknown.encryption_type = 0xfff0;
    unknown.key = Secret::from(&[7; 33][..]);
    unknown.second_ticket = Box::new([9; 10]);
    let file = encoded(&cache(vec![setting("pa_type", b"2"), unknown]));
    let mut read = CredentialCache::parse(&file).unwrap();
    assert_eq!(encoded(&read), file);
    read.push(&issued(&["krbtgt", "R"], "R", 5_000));
    let longer = encoded(&read);
    // Behind the clock's offset, which the ticket has changed.
    assert_eq!(longer[16..file.len()], file[16..]);
}

#[test]
fn refuses_other_versions_and_headers() {
    let refused = |file: &[u8]| {
        let error = CredentialCache::parse(file).unwrap_err();
        (error.offset, error.kind)
    };
    let mut file = sample();
    for version in 1..4 {
        file[1] = version;
        assert_eq!(refused(&file), (0, InvalidMessageKind::UnsupportedVersion));
    }
    assert_eq!(refused(b"krb5"), (0, InvalidMessageKind::BadValue));
    let long = vec![5; MAX_LEN + 1];
    assert_eq!(refused(&long), (0, InvalidMessageKind::TooLarge));
    // A time of nine octets; then, a field that nobody knows.
    let mut file = sample();
    file.insert(8, 0);
    (file[3], file[7]) = (13, 9);
    assert_eq!(refused(&file), (16, InvalidMessageKind::TrailingData));
    file[5] = 2;
    assert!(CredentialCache::parse(&file).is_ok());
}

#[test]
fn refuses_lengths_that_lie() {
    let good = sample();
    // A file may end behind its header, or behind an entry.
    let ends: Vec<_> = (0..=good.len())
        .filter(|end| CredentialCache::parse(&good[..*end]).is_ok())
        .collect();
    assert_eq!((ends.len(), ends[0], ends[2]), (3, 37, good.len()));
    for end in (0..good.len()).filter(|end| !ends.contains(end)) {
        let error = CredentialCache::parse(&good[..end]).unwrap_err();
        assert_eq!(error.kind, InvalidMessageKind::Truncated, "{end}");
        assert!(error.offset <= end);
    }
    // Each length and number of the client's name; those of the entries are read by the same code.
    for at in [20, 24, 29] {
        let mut lying = good.clone();
        lying[at..at + 4].fill(0xff);
        let error = CredentialCache::parse(&lying).unwrap_err();
        assert_eq!(error.kind, InvalidMessageKind::Truncated, "{at}");
    }
    // Whatever four octets say, the file is refused, or it is read for what it says.
    for at in 0..good.len() - 4 {
        let mut changed = good.clone();
        changed[at..at + 4].fill(0xff);
        if let Ok(read) = CredentialCache::parse(&changed) {
            assert_eq!(encoded(&read).len(), changed.len(), "{at}");
        }
    }
}

#[test]
fn shows_no_key_and_no_ticket() {
    let cache = CredentialCache::parse(&sample()).unwrap();
    let shown = format!("{cache:?} {:?}", cache.tgt(NOW));
    assert!(shown.contains("Éva") && shown.contains("krbtgt"));
    for hidden in ["90, 90", "5a", "3, 3"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

fn name() -> impl Strategy<Value = ClientName> {
    let text = || vec(any::<u8>(), 0..6).prop_map(|octets| KerberosString::from(&octets[..]));
    (any::<i32>(), text(), vec(text(), 0..4)).prop_map(|(name_type, realm, name_string)| {
        let name = PrincipalName {
            name_type,
            name_string,
        };
        ClientName { realm, name }
    })
}

fn octets() -> impl Strategy<Value = Box<[u8]>> {
    vec(any::<u8>(), 0..40).prop_map(Vec::into_boxed_slice)
}

fn credential() -> impl Strategy<Value = Credential> {
    let typed = || vec((any::<u16>(), octets()), 0..3);
    let names = (name(), name());
    let numbers = (any::<[u32; 5]>(), any::<u16>(), any::<u8>());
    let contents = (octets(), typed(), typed(), octets(), octets());
    (names, numbers, contents).prop_map(|(names, numbers, contents)| {
        let ([authtime, starttime, endtime, renew_till, flags], encryption_type, is_skey) = numbers;
        let (key, addresses, authorization_data, ticket, second_ticket) = contents;
        Credential {
            client: names.0,
            server: names.1,
            encryption_type,
            key: key.into_vec().into(),
            authtime,
            starttime,
            endtime,
            renew_till,
            is_skey,
            flags,
            addresses,
            authorization_data,
            ticket,
            second_ticket,
        }
    })
}

/// With the name's type, which names are compared without.
fn named(principal: &ClientName) -> impl PartialEq + fmt::Debug + '_ {
    (principal.name.name_type, principal)
}

/// All of an entry.
fn contents(entry: &Credential) -> impl PartialEq + '_ {
    let Credential {
        client,
        server,
        encryption_type,
        key,
        authtime,
        starttime,
        endtime,
        renew_till,
        is_skey,
        flags,
        addresses,
        authorization_data,
        ticket,
        second_ticket,
    } = entry;
    (
        (named(client), named(server), encryption_type, key.expose()),
        (authtime, starttime, endtime, renew_till),
        (is_skey, flags, addresses, authorization_data),
        (ticket, second_ticket),
    )
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(
        client in name(),
        [seconds, microseconds] in any::<[i32; 2]>(),
        credentials in vec(credential(), 0..4),
    ) {
        let clock_offset = ClockOffset { seconds, microseconds };
        let made = CredentialCache { client, clock_offset, credentials };
        let file = made.encode().unwrap();
        let read = CredentialCache::parse(file.expose()).unwrap();
        prop_assert_eq!(named(&read.client), named(&made.client));
        prop_assert_eq!(read.clock_offset, made.clock_offset);
        prop_assert_eq!(read.credentials.len(), made.credentials.len());
        for (read, made) in read.credentials.iter().zip(&made.credentials) {
            prop_assert!(contents(read) == contents(made), "{:?} {:?}", read, made);
        }
    }

    #[test]
    fn any_octets_are_read_or_refused(octets in vec(any::<u8>(), 0..200)) {
        let file = [&[5, 4][..], &octets].concat();
        if let Ok(read) = CredentialCache::parse(&file) {
            let _ = (read.tgt(NOW), read.encode().unwrap());
        }
    }
}
