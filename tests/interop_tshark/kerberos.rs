//! What Kerberos seals.

use credssp::AccountName;
use credssp::kdc::KdcAddress;
use credssp::kerberos::Kerberos;
use credssp::kerberos::acceptor::ServiceCredentials;
use credssp::kerberos::initiator::ClientName;
use credssp::stream::files::read_keytab;
use credssp::stream::kdc::KdcClient;
use peer::MitKdc;
use ring::digest::{SHA256, digest};

use super::*;

const KERBEROS: [&str; 7] = [
    "spnego.krb5.cfx_flags",
    "spnego.krb5.cfx_ec",
    "spnego.krb5.cfx_rrc",
    "credssp.credType",
    "credssp.domainName",
    "credssp.userName",
    "credssp.password",
];

/// A realm, and what our Kerberos needs in it.
struct Realm {
    kdc: MitKdc,
    client: Kerberos,
    server: Kerberos,
}

impl Realm {
    fn start() -> Self {
        let kdc = MitKdc::start();
        let mut client = Kerberos::default();
        // Deriving one of her password takes its time.
        let alice = ClientName::of(&AccountName::new(MitKdc::REALM, "alice"), "");
        let keytab = read_keytab(kdc.path("user.keytab")).unwrap();
        client.initiator.keys = Some(keytab.client_keys(&alice).unwrap());
        let mut server = Kerberos::default();
        let keytab = read_keytab(kdc.path("service.keytab")).unwrap();
        server.acceptor = Some(Arc::new(ServiceCredentials::new(keytab)));
        Self {
            kdc,
            client,
            server,
        }
    }

    fn record(&self, host: &str, negotiation: Negotiation, by_hand: Side) -> Recording {
        let address: KdcAddress = self.kdc.address().to_string().parse().unwrap();
        let policy = DelegationPolicy::permit_everything();
        let client: Arc<dyn MechanismProvider> = Arc::new(self.client.clone());
        let account = AccountName::new(MitKdc::REALM, "alice");
        let mut conversation = ntlm();
        conversation.client = ClientConfig::with_mechanisms(policy, vec![client]);
        conversation.client.negotiation = negotiation;
        conversation.server = ServerConfig::with_mechanisms(vec![Arc::new(self.server.clone())]);
        conversation.kdc = Some(Arc::new(KdcClient::default().with_every_realm([address])));
        conversation.target = format!("TERMSRV/{host}.test.example").parse().unwrap();
        conversation.credentials = Credentials::password(account, MitKdc::PASSWORD);
        conversation.by_hand = by_hand;
        conversation.record()
    }
}

/// With the services' keys, tshark opens what Kerberos has sealed: the hashes of the key that is bound, which it finds in
/// the certificate, and the credentials.
#[test]
fn tshark_opens_what_is_delegated_by_kerberos() {
    if !peer::available(Peer::Tshark) || !peer::available(Peer::MitKdc) {
        return;
    }
    let realm = Realm::start();
    let mut recordings = Vec::new();
    // What follows from the encryption type: by how much a token is rotated, its header and checksum.
    for (host, rotation) in [
        ("aes256-sha2", "40"),
        ("aes128-sha2", "32"),
        ("aes256-sha1", "28"),
        ("aes128-sha1", "28"),
    ] {
        for negotiation in [Negotiation::Bare, Negotiation::Spnego] {
            for by_hand in SIDES {
                recordings.push((rotation, realm.record(host, negotiation, by_hand)));
            }
        }
    }
    let records: Vec<_> = recordings.iter().map(|(_, made)| &made.record).collect();
    let capture = open(&records);
    let keytab = realm.kdc.path("service.keytab");
    let keytab = format!("kerberos.file:{}", keytab.display());
    let options = ["-o", "kerberos.decrypt:TRUE", "-o", &keytab];
    let fields = [&KERBEROS[..], &["credssp.decr_PublicKeyAuth"]].concat();
    let all = ts_requests(&capture, records.len(), &fields, &options);
    let certificates = capture.show(
        PORT,
        "tls",
        "x509af.subjectPublicKey",
        &["tcp.srcport", "tcp.dstport", "x509af.subjectPublicKey"],
        &[],
    );
    for (number, ((rotation, made), packets)) in recordings.iter().zip(&all).enumerate() {
        made.client.as_ref().unwrap();
        made.server.as_ref().unwrap();
        assert_same(&made.record, packets);
        assert_turns(packets, &["t", "t", "kn", "k", "i"]);
        let sealed = |flags| {
            [
                ("spnego.krb5.cfx_flags", flags),
                ("spnego.krb5.cfx_ec", "0"),
                ("spnego.krb5.cfx_rrc", rotation),
            ]
        };
        // Sealed with the acceptor's subkey, by the client and by the server.
        let (from_client, from_server) = (sealed("0x06"), sealed("0x07"));
        assert_fields(&packets[2].1, &KERBEROS, &from_client);
        assert_fields(&packets[3].1, &KERBEROS, &from_server);
        let [domain, user, password] =
            [MitKdc::REALM, "alice", MitKdc::PASSWORD].map(|text| hex(&utf16(text)));
        let credentials = [
            ("credssp.credType", "1"),
            ("credssp.domainName", &domain),
            ("credssp.userName", &user),
            ("credssp.password", &password),
        ];
        let expected = [&from_client[..], &credentials].concat();
        assert_fields(&packets[4].1, &KERBEROS, &expected);

        let certificate = certificates
            .iter()
            .find(|packet| origin(packet) == (number, Side::Server))
            .unwrap();
        let key = certificate.octets("x509af.subjectPublicKey").unwrap();
        let nonce = packets[2].1.octets("credssp.clientNonce").unwrap();
        for (at, magic) in [
            (2, "CredSSP Client-To-Server Binding Hash\0"),
            (3, "CredSSP Server-To-Client Binding Hash\0"),
        ] {
            let bound = [magic.as_bytes(), &octets(&nonce), &octets(&key)].concat();
            let expected = hex(digest(&SHA256, &bound).as_ref());
            let found = packets[at].1.octets("credssp.decr_PublicKeyAuth").unwrap();
            // Where checksums are longer than SHA-1's, it takes some of the sealed header behind the text for text.
            assert!(found.starts_with(&expected), "{found} {expected}");
            assert!(found.len() == 64 || *rotation != "28", "{found}");
        }
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn octets(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
