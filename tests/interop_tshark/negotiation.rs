//! Remote Desktop's negotiation, before TLS.

use bytes::BytesMut;
use credssp::error::NegotiationFailure;
use credssp::rdp::{ConnectionConfirm, CorrelationId, RequestFlags};

use super::*;

const RDP: [&str; 11] = [
    "tpkt.length",
    "cotp.li",
    "cotp.type",
    "rdp.rt_cookie",
    "rdp.neg_type",
    "rdp.neg_length",
    "rdp.negReq.flags",
    "rdp.negReq.requestedProtocols",
    "rdp.negRsp.flags",
    "rdp.negReq.selectedProtocol",
    "rdp.negFailure.failureCode",
];

/// What stands before TLS.
fn negotiations(capture: &Capture, more: &[&str]) -> Vec<Packet> {
    let fields = [&["tcp.srcport", "tcp.dstport"], &RDP[..], more].concat();
    capture.show(PORT, "tpkt", "rdp.neg_type", &fields, &[])
}

#[test]
fn tshark_reads_the_negotiation_before_tls_as_it_was_meant() {
    if !peer::available(Peer::Tshark) {
        return;
    }
    let mut conversations = [ntlm(), ntlm(), ntlm()];
    conversations[0].by_hand = Side::Client;
    conversations[1].offered.hybrid_ex = false;
    conversations[2].offered.flags = RequestFlags::RESTRICTED_ADMIN;
    conversations[2].offered.correlation_id = CorrelationId::new([9; 16]);
    conversations[2].supported.flags = ResponseFlags::RESTRICTED_ADMIN;
    let recordings = conversations.map(|conversation| conversation.record());
    let capture = open(&recordings.each_ref().map(|made| &made.record));
    let id = "rdp.correlationInfo.correlationId";
    let packets = negotiations(&capture, &[id]);
    let request = |length, li, flags, protocols, kinds: &[(&'static str, &'static str)]| {
        let before = [
            ("tpkt.length", length),
            ("cotp.li", li),
            ("cotp.type", "0x0e"),
            ("rdp.rt_cookie", "Cookie: mstshash=alice"),
        ];
        let behind = [
            ("rdp.negReq.flags", flags),
            ("rdp.negReq.requestedProtocols", protocols),
        ];
        [&before[..], kinds, &behind].concat()
    };
    let one = [("rdp.neg_type", "0x01"), ("rdp.neg_length", "8")];
    let two = [
        ("rdp.neg_type", "0x01"),
        ("rdp.neg_type", "0x06"),
        ("rdp.neg_length", "8"),
        ("rdp.neg_length", "36"),
    ];
    let confirm = |flags, selected| {
        vec![
            ("tpkt.length", "19"),
            ("cotp.li", "14"),
            ("cotp.type", "0x0d"),
            ("rdp.neg_type", "0x02"),
            ("rdp.neg_length", "8"),
            ("rdp.negRsp.flags", flags),
            ("rdp.negReq.selectedProtocol", selected),
        ]
    };
    let expected = [
        (
            request("43", "38", "0x00", "0x0000000b", &one),
            confirm("0x03", "0x00000008"),
        ),
        (
            request("43", "38", "0x00", "0x00000003", &one),
            confirm("0x03", "0x00000002"),
        ),
        (
            request("79", "74", "0x09", "0x0000000b", &two),
            confirm("0x08", "0x00000008"),
        ),
    ];
    for (number, (made, (request, confirm))) in recordings.iter().zip(expected).enumerate() {
        made.client.as_ref().unwrap();
        for (side, expected) in [(Side::Client, request), (Side::Server, confirm)] {
            let packet = packets
                .iter()
                .find(|packet| origin(packet) == (number, side))
                .unwrap();
            assert_fields(packet, &RDP, &expected);
            let has_id = number == 2 && side == Side::Client;
            assert_eq!(packet.octets(id), has_id.then(|| "09".repeat(16)));
        }
    }
    assert_eq!(packets.len(), 6);
}

#[test]
fn tshark_reads_each_refusal_of_the_negotiation_as_it_was_meant() {
    if !peer::available(Peer::Tshark) {
        return;
    }
    let records = [1, 2, 3, 4, 5, 6].map(|code| {
        let mut message = BytesMut::new();
        ConnectionConfirm::Failure(NegotiationFailure::from_u32(code)).encode(&mut message);
        let record = Record::default();
        record.wire_note(Side::Server, &message);
        record
    });
    let packets = negotiations(&open(&records.each_ref()), &[]);
    assert_eq!(packets.len(), 6);
    for (code, packet) in (1..).zip(&packets) {
        assert_fields(
            packet,
            &RDP,
            &[
                ("tpkt.length", "19"),
                ("cotp.li", "14"),
                ("cotp.type", "0x0d"),
                ("rdp.neg_type", "0x03"),
                ("rdp.neg_length", "8"),
                ("rdp.negReq.flags", "0x00"),
                ("rdp.negFailure.failureCode", &format!("0x{code:08x}")),
            ],
        );
    }
}
