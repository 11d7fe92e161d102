//! Kerberos' files: those that MIT's tools write are read here, and those that are written here are read by MIT's tools.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod peer;

use std::fs;

use credssp::AccountName;
use credssp::environment::{Environment, SystemClock, TimeProvider};
use credssp::kdc::KdcAddress;
use credssp::kerberos::asn1::{EncTicketPart, KerberosString, KerberosTime, PrincipalName};
use credssp::kerberos::ccache::CredentialCache;
use credssp::kerberos::crypto::{EncryptionKey, EncryptionType, KeyUsage};
use credssp::kerberos::initiator::{AsExchange, AsStep, ClientName, ClientSecret, IssuedTicket};
use credssp::kerberos::keytab::Keytab;
use credssp::stream::files;
use peer::{MitKdc, Peer};

const ALL: [EncryptionType; 4] = [
    EncryptionType::Aes256Sha2,
    EncryptionType::Aes256Sha1,
    EncryptionType::Aes128Sha2,
    EncryptionType::Aes128Sha1,
];

fn now() -> KerberosTime {
    KerberosTime::from_unix(SystemClock::default().since_unix_epoch().as_secs())
}

fn service(components: &[&str]) -> PrincipalName {
    PrincipalName::new(3, components)
}

/// Whether a ticket, opened by a key of a keytab, holds the session key that came with it.
fn fits(ticket: &IssuedTicket, keytab: &Keytab) -> bool {
    let sealed = ticket.ticket.value();
    let kind = EncryptionType::from_number(sealed.enc_part.etype);
    let entry = keytab
        .keys(&sealed.realm, &sealed.sname)
        .find(|entry| Some(entry.key.encryption_type()) == kind)
        .unwrap();
    let part = sealed.enc_part.open(&entry.key, KeyUsage::TICKET).unwrap();
    let part = EncTicketPart::decode(&part).unwrap();
    part.cname == ticket.cname
        && part.endtime == ticket.endtime
        && part.flags == ticket.flags
        && part.key.to_key().unwrap().expose() == ticket.session_key.expose()
}

/// A ticket-granting ticket by password.
fn log_on(kdc: &MitKdc, user: &str) -> IssuedTicket {
    let client = ClientName::of(&AccountName::new("", user), MitKdc::REALM);
    let secret = ClientSecret::Password(MitKdc::PASSWORD.into());
    let mut step = AsExchange::start(client, secret, &ALL, true, &Environment::default());
    loop {
        step = match step.unwrap() {
            AsStep::NeedsKdc { request, next } => next.step(&kdc.ask(&request.message)),
            AsStep::Complete(ticket) => return *ticket,
            step => panic!("{step:?}"),
        }
    }
}

#[test]
fn reads_keytabs_of_mits_tools() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    let realm = KerberosString::from(MitKdc::REALM);
    let keytab = files::read_keytab(kdc.path("user.keytab")).unwrap();
    for kind in ALL {
        let alice = service(&["alice"]);
        let mut keys = keytab.keys(&realm, &alice);
        let found = keys.find(|entry| entry.key.encryption_type() == kind);
        let salt = b"TEST.EXAMPLEalice";
        let key = EncryptionKey::string_to_key(kind, MitKdc::PASSWORD, salt, None);
        let found = found.unwrap();
        assert_eq!(found.key.expose(), key.unwrap().expose());
        assert_eq!(found.kvno, 1);
    }

    // Versions of 8 bits and of more, of a name outside of ASCII.
    let path = kdc.path("made.keytab");
    let made = path.to_str().unwrap();
    let lines = format!(
        "addent -password -p Éva日本 -k 7 -e aes128-cts\nold\naddent -password -p Éva日本 -k 70000 -e aes256-sha2\nnew\nwkt {made}\nquit"
    );
    kdc.user().run("ktutil", &[], &lines).unwrap();
    let keytab = files::read_keytab(format!("FILE:{made}")).unwrap();
    let eva = service(&["Éva日本"]);
    let kvnos: Vec<_> = keytab.keys(&realm, &eva).map(|entry| entry.kvno).collect();
    assert_eq!(kvnos, [7, 70_000]);
    let salt = "TEST.EXAMPLEÉva日本".as_bytes();
    let key = EncryptionKey::string_to_key(EncryptionType::Aes256Sha2, "new", salt, None);
    let last = keytab.entries.last().unwrap();
    assert_eq!(last.key.expose(), key.unwrap().expose());
}

#[test]
fn reads_credential_caches_of_mits_tools() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    let keytab = files::read_keytab(kdc.path("service.keytab")).unwrap();
    let peer = kdc.user();
    peer.kinit("svcuser", MitKdc::PASSWORD).unwrap();
    for name in ["alice", "Éva日本"] {
        let user = kdc.user();
        user.kinit(name, MitKdc::PASSWORD).unwrap();
        let services = ["TERMSRV/server.test.example", "TERMSRV/rc4.test.example"];
        user.run("kvno", &services, "").unwrap();
        let session = peer.ccache().to_str().unwrap();
        user.run("kvno", &["--u2u", session, "svcuser"], "")
            .unwrap();

        let cache = files::read_ccache(user.ccache()).unwrap();
        let client = ClientName::new(MitKdc::REALM, service(&[name]));
        assert_eq!(*cache.client(), client);
        let tgt = cache.tgt(now()).unwrap();
        assert_eq!(
            tgt.ticket.value().sname,
            service(&["krbtgt", MitKdc::REALM])
        );
        assert_eq!((&tgt.cname, &tgt.crealm), (&client.name, &client.realm));
        let ticket = cache.service_ticket(&service(&["TERMSRV", "server.test.example"]), now());
        assert!(fits(&ticket.unwrap(), &keytab));
        // It is there, but for one session only.
        let u2u = service(&["svcuser"]);
        assert!(cache.service_ticket(&u2u, now()).is_none());
        assert!(format!("{cache:?}").contains("svcuser"));
        let later = KerberosTime::from_unix(now().to_unix() + 100 * 86_400);
        assert!(cache.tgt(later).is_none());

        let file = fs::read(user.ccache()).unwrap();
        assert!(cache.encode().unwrap().ct_eq(&file), "{name}");
    }
}

#[test]
fn mits_tools_use_our_credential_caches() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    let keytab = files::read_keytab(kdc.path("service.keytab")).unwrap();
    for name in ["alice", "Éva日本"] {
        let user = kdc.user();
        let tgt = log_on(&kdc, name);
        let mut cache = CredentialCache::new(ClientName::new(MitKdc::REALM, tgt.cname.clone()));
        cache.push(&tgt);
        files::write_ccache(user.ccache(), &cache).unwrap();
        let listed = user.run("klist", &["-A"], "").unwrap();
        assert!(
            listed.contains(&format!("Default principal: {name}@TEST.EXAMPLE")),
            "{listed}"
        );
        assert!(
            listed.contains("krbtgt/TEST.EXAMPLE@TEST.EXAMPLE"),
            "{listed}"
        );
        // It asks for a ticket with ours, and puts that behind it.
        user.run("kvno", &["TERMSRV/server.test.example"], "")
            .unwrap();
        let cache = files::read_ccache(user.ccache()).unwrap();
        assert!(cache.tgt(now()).is_some());
        let ticket = cache.service_ticket(&service(&["TERMSRV", "server.test.example"]), now());
        assert!(fits(&ticket.unwrap(), &keytab));

        // A cache that was read and is written again has lost nothing.
        let before = user.run("klist", &["-C", "-e", "-f"], "").unwrap();
        files::write_ccache(user.ccache(), &cache).unwrap();
        assert_eq!(user.run("klist", &["-C", "-e", "-f"], "").unwrap(), before);
    }
}

#[test]
fn reads_the_configuration_that_mits_tools_read() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    let configuration = files::read_krb5_conf(kdc.krb5_conf()).unwrap();
    assert_eq!(configuration.default_realm(), Some(MitKdc::REALM));
    for realm in [MitKdc::REALM, MitKdc::OTHER_REALM] {
        let address = KdcAddress::Any {
            host: "127.0.0.1".into(),
            port: kdc.port(),
        };
        assert_eq!(configuration.kdcs(realm), [address]);
    }
    assert_eq!(
        configuration
            .domain_realms()
            .realm_of("server.test.example"),
        Some(MitKdc::REALM)
    );
    assert!(!configuration.dns_lookup_kdc());
    let types = configuration.encryption_types().unwrap();
    assert_eq!(types.iter().filter(|kind| ALL.contains(kind)).count(), 4);
}
