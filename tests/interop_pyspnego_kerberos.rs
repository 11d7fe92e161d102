//! pyspnego as CredSSP's other end with Kerberos, both ways: MIT's libgssapi below it, and MIT's KDC beside it.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod ours;
mod peer;

use std::path::Path;
use std::sync::Arc;

use credssp::error::{AuthenticationFailure, KdcError, NtStatus, Step};
use credssp::gss::MechanismProvider;
use credssp::kdc::KdcAddress;
use credssp::kerberos::Kerberos;
use credssp::kerberos::acceptor::ServiceCredentials;
use credssp::kerberos::initiator::ClientName;
use credssp::mechanism::{Mechanism, Negotiation};
use credssp::ntlm::Ntlm;
use credssp::proof::ServerProof;
use credssp::stream::files::{read_ccache, read_keytab};
use credssp::stream::kdc::KdcClient;
use credssp::{AccountName, Error, stream};
use ours::delegated::{assert_password, password};
use ours::{Meeting, OurClient, OurServer, PASSWORD};
use peer::{Krb5User, MitKdc, Peer, PyspnegoServer};
use serde_json::{Value, json};

const HOST: &str = "server.test.example";

/// Of CredSSP and of TLS, with a framing.
const VERSIONS: [(u32, &str, Negotiation); 7] = [
    (2, "1.2", Negotiation::Spnego),
    (3, "1.3", Negotiation::Bare),
    (4, "1.2", Negotiation::Bare),
    (5, "1.3", Negotiation::Spnego),
    (5, "1.2", Negotiation::Bare),
    (6, "1.2", Negotiation::Spnego),
    (6, "1.3", Negotiation::Bare),
];

/// A realm with `alice`, whose tickets are at hand.
struct Realm {
    kdc: MitKdc,
    alice: Krb5User,
}

impl Realm {
    /// `None` where a peer is missing.
    fn start() -> Option<Self> {
        if !(peer::available(Peer::Pyspnego) && peer::available(Peer::MitKdc)) {
            return None;
        }
        let kdc = MitKdc::start();
        let alice = kdc.user();
        alice.kinit("alice", MitKdc::PASSWORD).unwrap();
        Some(Self { kdc, alice })
    }

    /// With the tickets of `alice`.
    fn by_tickets(&self) -> Kerberos {
        let cache = read_ccache(self.alice.ccache()).unwrap();
        let mut kerberos = Kerberos::default();
        kerberos.initiator.tickets = Some(Arc::new(cache));
        kerberos
    }

    fn client(&self, kerberos: Kerberos) -> OurClient<'_> {
        let address = self.kdc.address();
        let kdc: KdcAddress = address.to_string().parse().unwrap();
        OurClient {
            mechanisms: vec![Arc::new(kerberos)],
            domain: MitKdc::REALM,
            host: HOST,
            kdc: Some(Arc::new(KdcClient::default().with_every_realm([kdc]))),
            ..OurClient::default()
        }
    }

    fn server(&self, keytab: &str) -> OurServer<'_> {
        let keytab = read_keytab(self.kdc.path(keytab)).unwrap();
        let mut kerberos = Kerberos::default();
        kerberos.acceptor = Some(Arc::new(ServiceCredentials::new(keytab)));
        OurServer {
            mechanisms: vec![Arc::new(kerberos)],
            ..OurServer::default()
        }
    }

    /// The peer's server, with the keytab and an account for NTLM.
    fn serve(&self, negotiation: Negotiation, options: &[&str]) -> PyspnegoServer {
        let krb5_conf = text(&self.kdc.krb5_conf());
        let keytab = text(&self.kdc.path("service.keytab"));
        let account = format!(r"TEST.EXAMPLE\alice:{PASSWORD}");
        let own = ["--krb5-conf", &krb5_conf, "--keytab", &keytab];
        let own = [
            &own,
            mechanism(negotiation).as_slice(),
            &["--account", &account],
        ]
        .concat();
        PyspnegoServer::start(&[&own, options].concat())
    }

    /// The peer's client at `ours`, with its tickets.
    fn meet(&self, ours: OurServer<'_>, negotiation: Negotiation, options: &[&str]) -> Meeting {
        let krb5_conf = text(&self.kdc.krb5_conf());
        let ccache = text(self.alice.ccache());
        let own = ["--krb5-conf", &krb5_conf, "--ccache", &ccache];
        let user = ["--user", "alice@TEST.EXAMPLE", "--target-host", HOST];
        let own = [&own, user.as_slice(), mechanism(negotiation).as_slice()].concat();
        ours.meet(&[&own, options].concat())
    }
}

#[test]
fn our_client_delegates_in_each_version() {
    let Some(realm) = Realm::start() else {
        return;
    };
    // They take their time to start, so they start together.
    let mut servers = VERSIONS.map(|(version, tls, negotiation)| {
        let version = version.to_string();
        realm.serve(negotiation, &["--tls", tls, "--version", &version])
    });
    for ((version, tls, negotiation), server) in VERSIONS.into_iter().zip(&mut servers) {
        let ours = OurClient {
            negotiation,
            min_version: version.min(5),
            tls,
            ..realm.client(realm.by_tickets())
        };
        let (_, complete) = ours.connect(server.address()).unwrap();
        assert_eq!(complete.mechanism, Mechanism::Kerberos);
        assert_eq!(complete.version, version);
        // Nobody vouches for the peer's certificate.
        assert_eq!(complete.proof, ServerProof::Kerberos);
        assert!(complete.fallback.is_none());

        let expected = json!({
            "ok": true,
            "account": "alice@TEST.EXAMPLE",
            "mechanism": "kerberos",
            "framing": framing(negotiation),
            "tls": tls,
            "version": version,
            "credentials": password(MitKdc::REALM, "alice", PASSWORD),
        });
        assert_eq!(server.outcome(), expected);
    }
}

#[test]
fn our_server_accepts_in_each_version() {
    let Some(realm) = Realm::start() else {
        return;
    };
    let meetings = VERSIONS.map(|(version, tls, negotiation)| {
        let ours = OurServer {
            min_version: version.min(5),
            tls,
            ..realm.server("service.keytab")
        };
        realm.meet(ours, negotiation, &["--version", &version.to_string()])
    });
    for ((version, tls, negotiation), meeting) in VERSIONS.into_iter().zip(meetings) {
        let (ours, theirs) = meeting.outcome();
        let (_, complete) = ours.unwrap_or_else(|error| panic!("{version}: {error}; {theirs}"));
        assert_eq!(complete.mechanism, Mechanism::Kerberos);
        assert_eq!(complete.version, version);
        assert_eq!(complete.account, AccountName::new(MitKdc::REALM, "alice"));
        assert_password(&complete.credentials, "", "alice@TEST.EXAMPLE", PASSWORD);
        let expected = [
            json!(true),
            json!(version),
            json!(framing(negotiation)),
            json!(tls),
        ];
        let told = ["ok", "version", "framing", "tls"].map(|key| theirs.get(key).cloned());
        assert_eq!(told, expected.map(Some), "{theirs}");
    }
}

#[test]
fn our_client_logs_on_by_password_tickets_and_keys() {
    let Some(realm) = Realm::start() else {
        return;
    };
    let keytab = read_keytab(realm.kdc.path("user.keytab")).unwrap();
    let alice = ClientName::of(&AccountName::new(MitKdc::REALM, "alice"), "");
    let mut by_keys = Kerberos::default();
    by_keys.initiator.keys = keytab.client_keys(&alice);
    for (kerberos, secret) in [
        (Kerberos::default(), PASSWORD),
        // What is delegated is not what logs on.
        (realm.by_tickets(), "another"),
        (by_keys, "another"),
    ] {
        let mut server = realm.serve(Negotiation::Spnego, &[]);
        let ours = OurClient {
            password: secret,
            ..realm.client(kerberos)
        };
        let (_, complete) = ours.connect(server.address()).unwrap();
        assert_eq!(complete.mechanism, Mechanism::Kerberos);
        let theirs = server.outcome();
        assert_eq!(theirs["account"], "alice@TEST.EXAMPLE", "{theirs}");
        assert_eq!(
            theirs["credentials"],
            password(MitKdc::REALM, "alice", secret)
        );
    }
}

/// Whoever prefers another mechanism than the one that is taken wants the list of mechanisms signed.
#[test]
fn a_peer_that_prefers_ntlm_signs_the_list_of_mechanisms() {
    let Some(realm) = Realm::start() else {
        return;
    };
    let prefer_ntlm = ["--prefer-ntlm", "--trace"];
    let mut server = realm.serve(Negotiation::Spnego, &prefer_ntlm);
    let ours = realm.client(realm.by_tickets());
    let (_, complete) = ours.connect(server.address()).unwrap();
    assert_eq!(complete.mechanism, Mechanism::Kerberos);
    let theirs = server.outcome();
    assert_eq!(theirs["ok"], true, "{theirs}");
    // Theirs comes with the AP-REP.
    assert_eq!(mech_list_mics(&theirs["sent"]), [true, false], "{theirs}");
    let ours = [false, true, false];
    assert_eq!(mech_list_mics(&theirs["received"]), ours, "{theirs}");

    let ours = realm.server("service.keytab");
    let meeting = realm.meet(ours, Negotiation::Spnego, &prefer_ntlm);
    let (ours, theirs) = meeting.outcome();
    let (_, complete) = ours.unwrap_or_else(|error| panic!("{error}; {theirs}"));
    assert_eq!(complete.mechanism, Mechanism::Kerberos);
    // NTLM, Kerberos in its place, the proof of the key, and the credential.
    let sent = [false, false, true, false];
    assert_eq!(mech_list_mics(&theirs["sent"]), sent, "{theirs}");
    let received = [false, true, false];
    assert_eq!(mech_list_mics(&theirs["received"]), received, "{theirs}");
}

/// Which messages hold a `mechListMIC` of a Kerberos with AES: the field's tag and lengths, and the token's identifier.
fn mech_list_mics(messages: &Value) -> Vec<bool> {
    let messages = messages.as_array().unwrap().iter();
    messages
        .map(|message| message.as_str().unwrap().contains("a32a04280404"))
        .collect()
}

#[test]
fn a_wrong_password_is_not_tried_by_ntlm() {
    let Some(realm) = Realm::start() else {
        return;
    };
    let mut server = realm.serve(Negotiation::Spnego, &[]);
    let mut ours = OurClient {
        password: "wrong",
        ..realm.client(Kerberos::default())
    };
    ours.mechanisms.push(Arc::new(Ntlm::default()));
    let error = ours.connect(server.address()).err().unwrap();
    assert_eq!(error.progress().step, Step::Negotiation);
    let Error::Kdc(reason) = protocol(error) else {
        panic!();
    };
    assert_eq!(reason, KdcError::WrongPassword);
    let theirs = server.outcome();
    // It has heard nothing from us.
    assert_eq!(theirs["error"], "PeerClosed", "{theirs}");
    assert_eq!(theirs["framing"], json!(null), "{theirs}");
}

#[test]
fn a_service_that_the_kdc_does_not_know_gets_ntlm_or_nothing() {
    let Some(realm) = Realm::start() else {
        return;
    };
    let ntlm: Arc<dyn MechanismProvider> = Arc::new(Ntlm::default());
    for more in [Some(ntlm), None] {
        let mut server = realm.serve(Negotiation::Spnego, &[]);
        let mut ours = realm.client(Kerberos::default());
        ours.host = "nobody.test.example";
        let ntlm = more.is_some();
        ours.mechanisms.extend(more);
        let reason = match ours.connect(server.address()) {
            Ok((_, complete)) => {
                assert_eq!(complete.mechanism, Mechanism::Ntlm);
                assert_eq!(complete.proof, ServerProof::None);
                complete.fallback.unwrap()
            }
            Err(error) => protocol(error),
        };
        assert!(
            matches!(reason, Error::Kdc(KdcError::ServiceUnknown)),
            "{reason}"
        );
        let theirs = server.outcome();
        assert_eq!(theirs["ok"], ntlm, "{theirs}");
    }
}

#[test]
fn a_keytab_without_the_services_key_is_no_server() {
    let Some(realm) = Realm::start() else {
        return;
    };
    let meeting = realm.meet(realm.server("user.keytab"), Negotiation::Spnego, &[]);
    let (ours, theirs) = meeting.outcome();
    let Error::AuthenticationFailed { reason, .. } = protocol(ours.err().unwrap()) else {
        panic!();
    };
    assert_eq!(reason, AuthenticationFailure::NoServiceKey);
    assert_eq!(theirs["ok"], false, "{theirs}");
    let error_code = format!("{:08x}", NtStatus::LOGON_FAILURE.to_u32());
    let last = theirs["received"].as_array().unwrap().last().unwrap();
    assert!(last.as_str().unwrap().ends_with(&error_code), "{theirs}");

    let keytab = text(&realm.kdc.path("user.keytab"));
    let mut server = realm.serve(Negotiation::Spnego, &["--keytab", &keytab]);
    let ours = realm.client(realm.by_tickets());
    let error = ours.connect(server.address()).err().unwrap();
    assert_eq!(
        (error.kind(), error.progress().step),
        ("Closed", Step::Negotiation)
    );
    assert_eq!(server.outcome()["ok"], false);
}

fn protocol(error: stream::Error) -> Error {
    match error {
        stream::Error::Protocol(handshake) => handshake.error,
        _ => panic!("{error}"),
    }
}

fn mechanism(negotiation: Negotiation) -> [&'static str; 2] {
    match negotiation {
        Negotiation::Bare => ["--mech", "kerberos"],
        _ => ["--mech", "negotiate"],
    }
}

fn framing(negotiation: Negotiation) -> &'static str {
    match negotiation {
        Negotiation::Bare => "kerberos",
        _ => "spnego",
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
