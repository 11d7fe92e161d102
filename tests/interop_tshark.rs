//! tshark as a judge: what our client and our server say to each other over TLS, and what a decoder that nobody here wrote
//! finds in it. Nothing is captured: one end writes down the octets and TLS's keys.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)] // in what the tests share

#[path = "interop_tshark/kerberos.rs"]
mod kerberos;
mod loopback;
#[path = "interop_tshark/negotiation.rs"]
mod negotiation;
mod pair;
mod peer;
mod recording;

use std::sync::Arc;

use credssp::gss::MechanismProvider;
use credssp::mechanism::Negotiation;
use credssp::ntlm::Ntlm;
use credssp::rdp::{ResponseFlags, Routing, client, server};
use credssp::tls::TlsVersions;
use credssp::{ClientConfig, Credentials, DelegationPolicy, ServerConfig};
use pair::{PASSWORD, Side, alice};
use peer::{Capture, Packet, Peer};
use recording::packets::{CLIENT_PORT, PORT, connections};
use recording::{Conversation, Record, Recording, hex};

const SIDES: [Side; 2] = [Side::Client, Side::Server];

/// With NTLM, which tells its names.
fn ntlm() -> Conversation {
    let ntlm = || -> Vec<Arc<dyn MechanismProvider>> {
        let names = Ntlm::default()
            .nb_computer_name("SERVER")
            .nb_domain_name("CORP")
            .dns_computer_name("server.corp.example")
            .dns_domain_name("corp.example")
            .workstation("DESK");
        vec![Arc::new(names)]
    };
    let policy = DelegationPolicy::permit_everything();
    let mut offered = client::NegotiationConfig::default();
    offered.routing = Routing::cookie(b"alice");
    let mut supported = server::NegotiationConfig::default();
    supported.flags = ResponseFlags::EXTENDED_CLIENT_DATA | ResponseFlags::DYNVC_GFX;
    Conversation {
        client: ClientConfig::with_mechanisms(policy, ntlm()),
        server: ServerConfig::with_mechanisms(ntlm()),
        kdc: None,
        target: loopback::localhost(),
        credentials: Credentials::password(alice(), PASSWORD),
        tls: TlsVersions::All,
        offered,
        supported,
        by_hand: Side::Server,
    }
}

/// Bare and in SPNEGO, in both versions of TLS, each of the drivers once.
fn each_way(change: impl Fn(&mut Conversation)) -> Vec<(Negotiation, Recording)> {
    let mut recordings = Vec::new();
    for negotiation in [Negotiation::Bare, Negotiation::Spnego] {
        for tls in loopback::VERSIONS {
            for by_hand in SIDES {
                let mut conversation = ntlm();
                conversation.client.negotiation = negotiation;
                (conversation.tls, conversation.by_hand) = (tls, by_hand);
                change(&mut conversation);
                recordings.push((negotiation, conversation.record()));
            }
        }
    }
    recordings
}

/// All of them in one file.
fn open(records: &[&Record]) -> Capture {
    let keys: String = records.iter().map(|record| record.keys()).collect();
    Capture::of_ip(&connections(records), &keys)
}

/// Of which conversation a packet is, and who has sent it.
fn origin(packet: &Packet) -> (usize, Side) {
    let port = |field| packet.one(field).unwrap().parse::<u16>().unwrap();
    let (source, destination) = (port("tcp.srcport"), port("tcp.dstport"));
    let (side, client) = if source == PORT {
        (Side::Server, destination)
    } else {
        (Side::Client, source)
    };
    (usize::from(client - CLIENT_PORT), side)
}

/// A TSRequest in tshark's eyes.
const TS_REQUEST: [&str; 8] = [
    "tcp.srcport",
    "tcp.dstport",
    "credssp.version",
    "credssp.negoToken",
    "credssp.authInfo",
    "credssp.pubKeyAuth",
    "credssp.errorCode",
    "credssp.clientNonce",
];

/// The TSRequests of each conversation, and more of their fields, whatever is in them.
fn ts_requests(
    capture: &Capture,
    conversations: usize,
    fields: &[&str],
    options: &[&str],
) -> Vec<Vec<(Side, Packet)>> {
    let fields = [&TS_REQUEST, fields].concat();
    let mut all: Vec<_> = (0..conversations).map(|_| Vec::new()).collect();
    for packet in capture.show(PORT, "tls", "credssp", &fields, options) {
        let (conversation, side) = origin(&packet);
        all[conversation].push((side, packet));
    }
    all
}

/// Both decoders find the same.
#[track_caller]
fn assert_same(record: &Record, packets: &[(Side, Packet)]) {
    for of in SIDES {
        let sent = packets.iter().filter(|(side, _)| *side == of);
        let theirs = sent.map(|(_, packet)| {
            let octets = |field| packet.octets(field);
            let status = packet.one("credssp.errorCode");
            (
                packet.one("credssp.version").map(str::to_owned),
                octets("credssp.negoToken"),
                octets("credssp.authInfo"),
                octets("credssp.pubKeyAuth"),
                status.map(|status| status.parse::<i32>().unwrap().cast_unsigned()),
                octets("credssp.clientNonce"),
            )
        });
        let (messages, _) = record.messages(of);
        let ours = messages.iter().map(|message| {
            (
                Some(message.version.to_string()),
                message.nego_token.as_deref().map(hex),
                message.auth_info.as_deref().map(hex),
                message.pub_key_auth.as_deref().map(hex),
                message.error_code.map(|status| status.to_u32()),
                message.client_nonce.as_ref().map(|nonce| hex(nonce)),
            )
        });
        assert_eq!(theirs.collect::<Vec<_>>(), ours.collect::<Vec<_>>());
    }
}

/// The two take turns, with messages of these fields, by the letters of [`Fields::shape()`](pair::message::Fields::shape).
#[track_caller]
fn assert_turns(packets: &[(Side, Packet)], shapes: &[&str]) {
    let letters = [
        ("credssp.negoToken", 't'),
        ("credssp.authInfo", 'i'),
        ("credssp.pubKeyAuth", 'k'),
        ("credssp.errorCode", 'e'),
        ("credssp.clientNonce", 'n'),
    ];
    let found = packets.iter().map(|(side, packet)| {
        let there = letters
            .iter()
            .filter(|(field, _)| packet.one(field).is_some());
        (*side, there.map(|(_, letter)| letter).collect::<String>())
    });
    let shapes = shapes.iter().map(|shape| (*shape).to_owned());
    let expected = SIDES.into_iter().cycle().zip(shapes);
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

const NTLM: [&str; 15] = [
    "ntlmssp.messagetype",
    "ntlmssp.negotiateflags",
    "ntlmssp.challenge.target_name",
    "ntlmssp.challenge.target_info.nb_computer_name",
    "ntlmssp.challenge.target_info.nb_domain_name",
    "ntlmssp.challenge.target_info.dns_computer_name",
    "ntlmssp.challenge.target_info.dns_domain_name",
    "ntlmssp.auth.domain",
    "ntlmssp.auth.username",
    "ntlmssp.auth.hostname",
    "ntlmssp.ntlmv2_response.nb_domain_name",
    "ntlmssp.ntlmv2_response.target_name",
    "ntlmssp.ntlmv2_response.flags",
    "spnego.MechType",
    "spnego.negResult",
];

/// A packet has these fields of those, with these values, and none of the others.
#[track_caller]
fn assert_fields(packet: &Packet, of: &[&str], expected: &[(&str, &str)]) {
    let found: Vec<_> = of
        .iter()
        .flat_map(|field| packet.all(field).into_iter().map(|value| (*field, value)))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn tshark_reads_each_field_of_a_logon_by_ntlm_as_it_was_meant() {
    if !peer::available(Peer::Tshark) {
        return;
    }
    let recordings = each_way(|_| {});
    let records: Vec<_> = recordings.iter().map(|(_, made)| &made.record).collect();
    let of = [
        &NTLM[..],
        &["ntlmssp.authenticate.mic", "spnego.mechListMIC"],
    ]
    .concat();
    let all = ts_requests(&open(&records), records.len(), &of, &[]);
    for ((negotiation, made), packets) in recordings.iter().zip(&all) {
        made.client.as_ref().unwrap();
        made.server.as_ref().unwrap();
        assert_same(&made.record, packets);
        let spnego = *negotiation == Negotiation::Spnego;
        let shapes = if spnego {
            ["t", "t", "tkn", "tk", "i"]
        } else {
            ["t", "t", "tkn", "k", "i"]
        };
        assert_turns(packets, &shapes);

        // Flags: what the client can, what the server can of that and what it adds (its name, AV pairs), what is agreed upon.
        let with = |own: &[(&'static str, &'static str)],
                    of_spnego: &[(&'static str, &'static str)]| {
            [own, if spnego { of_spnego } else { &[] }].concat()
        };
        let [negotiate, challenge, authenticate, key, credentials] = &packets[..] else {
            panic!("{}", packets.len());
        };
        assert_fields(
            &negotiate.1,
            &NTLM,
            &with(
                &[
                    ("ntlmssp.messagetype", "0x00000001"),
                    ("ntlmssp.negotiateflags", "0xe2088235"),
                ],
                &[("spnego.MechType", "1.3.6.1.4.1.311.2.2.10")],
            ),
        );
        assert_fields(
            &challenge.1,
            &NTLM,
            &with(
                &[
                    ("ntlmssp.messagetype", "0x00000002"),
                    ("ntlmssp.negotiateflags", "0xe28a8235"),
                    ("ntlmssp.challenge.target_name", "SERVER"),
                    ("ntlmssp.challenge.target_info.nb_computer_name", "SERVER"),
                    ("ntlmssp.challenge.target_info.nb_domain_name", "CORP"),
                    (
                        "ntlmssp.challenge.target_info.dns_computer_name",
                        "server.corp.example",
                    ),
                    (
                        "ntlmssp.challenge.target_info.dns_domain_name",
                        "corp.example",
                    ),
                ],
                // accept-incomplete
                &[("spnego.negResult", "1")],
            ),
        );
        assert_fields(
            &authenticate.1,
            &NTLM,
            &with(
                &[
                    ("ntlmssp.messagetype", "0x00000003"),
                    ("ntlmssp.negotiateflags", "0xe2888235"),
                    ("ntlmssp.auth.domain", "CORP"),
                    ("ntlmssp.auth.username", "alice"),
                    ("ntlmssp.auth.hostname", "DESK"),
                    ("ntlmssp.ntlmv2_response.nb_domain_name", "CORP"),
                    ("ntlmssp.ntlmv2_response.target_name", "TERMSRV/localhost"),
                    // There is a MIC.
                    ("ntlmssp.ntlmv2_response.flags", "0x00000002"),
                ],
                &[("spnego.negResult", "1")],
            ),
        );
        let mic = authenticate.1.octets("ntlmssp.authenticate.mic").unwrap();
        assert!(mic.len() == 32 && mic.bytes().any(|digit| digit != b'0'));
        // accept-completed
        assert_fields(&key.1, &NTLM, &with(&[], &[("spnego.negResult", "0")]));
        assert_fields(&credentials.1, &NTLM, &[]);
        for (packet, has_mic) in [
            (negotiate, false),
            (challenge, false),
            (authenticate, spnego),
            (key, spnego),
        ] {
            assert_eq!(packet.1.one("spnego.mechListMIC").is_some(), has_mic);
        }
        // Behind CredSSP, the word on the user, and nothing else.
        assert_eq!(made.record.messages(Side::Server).1, [0; 4]);
        assert_eq!(made.record.messages(Side::Client).1, b"");
    }
}

#[test]
fn tshark_reads_versions_without_nonce_or_error_code_too() {
    if !peer::available(Peer::Tshark) {
        return;
    }
    for version in 2..=5 {
        let recordings = each_way(|conversation| {
            (
                conversation.client.own_version,
                conversation.client.min_version,
            ) = (version, 2);
            conversation.server.min_version = 2;
        });
        let records: Vec<_> = recordings.iter().map(|(_, made)| &made.record).collect();
        let all = ts_requests(&open(&records), records.len(), &[], &[]);
        for ((_, made), packets) in recordings.iter().zip(&all) {
            made.client.as_ref().unwrap();
            assert_same(&made.record, packets);
            let nonce = packets[2].1.one("credssp.clientNonce");
            assert_eq!(nonce.is_some(), version == 5);
            for (side, packet) in packets {
                let expected = if *side == Side::Client { version } else { 6 };
                assert_eq!(packet.one("credssp.version"), Some(&*expected.to_string()));
            }
        }
    }
}

#[test]
fn tshark_reads_the_error_code_of_a_refusal() {
    if !peer::available(Peer::Tshark) {
        return;
    }
    let recordings = each_way(|conversation| {
        conversation.credentials = Credentials::password(alice(), "another");
    });
    let records: Vec<_> = recordings.iter().map(|(_, made)| &made.record).collect();
    let all = ts_requests(&open(&records), records.len(), &[], &[]);
    for ((_, made), packets) in recordings.iter().zip(&all) {
        assert!(made.client.is_err() && made.server.is_err());
        assert_same(&made.record, packets);
        // No credentials.
        assert_turns(packets, &["t", "t", "tkn", "e"]);
        let (_, refusal) = &packets[3];
        // STATUS_LOGON_FAILURE, which the structure has as a signed number.
        let expected = 0xC000_006D_u32.cast_signed().to_string();
        assert_eq!(refusal.one("credssp.errorCode"), Some(&*expected));
    }
}
