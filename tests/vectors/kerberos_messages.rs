//! Kerberos: recorded exchanges with a KDC, opened by the password and the service's key.

use credssp::kerberos::asn1::{
    ApRep, ApReq, Authenticator, ChecksumValue, EncKdcRepPart, EncTicketPart, EncryptedData,
    EtypeInfo2Entry, InitialToken, KdcRep, KdcReq, KrbError, MessageType, MethodData, PaData,
    PaEncTsEnc, TokenId,
};
use credssp::kerberos::crypto::{EncryptionKey, EncryptionType, KeyUsage};
use serde_json::Value;

use super::{Report, bytes, text};

/// PA-FX-FAST (RFC 6113, section 5.4).
const FX_FAST: i32 = 136;

/// What the client holds in between.
struct Client<'a> {
    password: &'a str,
    /// The ticket-granting ticket, its session key.
    session: Option<(Vec<u8>, EncryptionKey)>,
    service_key: &'a EncryptionKey,
}

pub(super) fn logons(value: &Value, report: &mut Report) {
    let key = &value["service_key"];
    let encryption_type = i32::try_from(key["etype"].as_i64().unwrap()).unwrap();
    let encryption_type = EncryptionType::from_number(encryption_type).unwrap();
    let service_key = EncryptionKey::new(encryption_type, &bytes(key, "hex")).unwrap();
    for logon in value["logons"].as_array().expect("a list") {
        report.check("exchanges with a KDC", text(logon, "id"), || {
            let mut client = Client {
                password: text(logon, "password"),
                session: None,
                service_key: &service_key,
            };
            for pair in logon["messages"].as_array().expect("a list") {
                client.check(&bytes(pair, "request"), &bytes(pair, "reply"));
            }
            let logged_on = client.session.is_some();
            assert_eq!(logged_on, client.password != "wrong");
        });
    }
}

/// A message without the exchange around it: what is decoded says the same when it is encoded. Where it lacks the
/// APPLICATION tag around it, its `msg-type` tells which that was.
pub(super) fn alone(octets: &[u8]) {
    let tagged = match octets.first() {
        Some(0x30) => {
            // pvno 5, then the msg-type.
            let number = octets
                .windows(9)
                .find_map(|window| match window {
                    [3, 2, 1, 5, _, 3, 2, 1, number] => Some(*number),
                    _ => None,
                })
                .expect("a msg-type");
            let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
            let header: &[u8] = match length {
                [0, short] => &[0x60 | number, 0x81, short],
                [high, low] => &[0x60 | number, 0x82, high, low],
            };
            [header, octets].concat()
        }
        _ => octets.to_vec(),
    };
    match tagged.first() {
        Some(0x60) => {
            let token = InitialToken::decode(&tagged).unwrap();
            let encoded = match token.id {
                TokenId::ApReq => ApReq::decode(token.message).unwrap().encode(),
                TokenId::ApRep => ApRep::decode(token.message).unwrap().encode(),
                other => panic!("{other:?}"),
            };
            assert_eq!(encoded.unwrap(), token.message);
        }
        Some(0x6a | 0x6c) => {
            let (_, request) = KdcReq::decode(&tagged).unwrap();
            assert_eq!(request.encode().unwrap(), tagged);
        }
        Some(tag @ (0x6b | 0x6d)) => {
            let kind = match tag {
                0x6b => MessageType::As,
                _ => MessageType::Tgs,
            };
            let reply = KdcRep::decode(kind, &tagged).unwrap();
            assert_eq!(reply.encode().unwrap(), tagged);
        }
        Some(0x7e) => {
            let error = KrbError::decode(&tagged).unwrap();
            assert_eq!(error.encode().unwrap(), tagged);
        }
        other => panic!("{other:?}"),
    }
}

impl Client<'_> {
    fn check(&mut self, request_octets: &[u8], reply: &[u8]) {
        let (kind, request) = KdcReq::decode(request_octets).unwrap();
        assert_eq!(request.clone().encode().unwrap(), request_octets);
        if KrbError::is_one(reply) {
            let error = KrbError::decode(reply).unwrap();
            assert_eq!(error.encode().unwrap(), reply);
            if error.error_code == 25 {
                let methods = error.e_data.unwrap();
                let methods = MethodData::decode(methods.as_bytes()).unwrap();
                assert!(find(&methods.0, PaData::ETYPE_INFO2).is_some());
            }
            return;
        }
        let decoded = KdcRep::decode(kind, reply).unwrap();
        assert_eq!(decoded.clone().encode().unwrap(), reply);
        match kind {
            MessageType::As => self.as_exchange(request_octets, &request, &decoded),
            MessageType::Tgs => self.tgs_exchange(&request, &decoded),
            _ => unreachable!(),
        }
    }

    fn as_exchange(&mut self, request_octets: &[u8], request: &KdcReq, reply: &KdcRep) {
        let entries = find(reply.padata.as_deref().unwrap(), PaData::ETYPE_INFO2).unwrap();
        let entries = EtypeInfo2Entry::decode_list(entries).unwrap();
        let [entry] = &*entries else {
            panic!("{entries:?}");
        };
        let encryption_type = EncryptionType::from_number(entry.etype).unwrap();
        let key = EncryptionKey::string_to_key(
            encryption_type,
            self.password,
            entry.salt.as_ref().unwrap().as_bytes(),
            entry.s2kparams.as_ref().map(|octets| octets.as_bytes()),
        )
        .unwrap();
        if let Some(timestamp) = find(request.padata.as_deref().unwrap(), PaData::ENC_TIMESTAMP) {
            let timestamp = EncryptedData::decode(timestamp).unwrap();
            let timestamp = timestamp.open(&key, KeyUsage::PA_ENC_TIMESTAMP).unwrap();
            let decoded = PaEncTsEnc::decode(&timestamp).unwrap();
            assert_eq!(decoded.encode().unwrap(), *timestamp);
        }
        let part = open(reply, &key, KeyUsage::AS_REP);
        assert_eq!(part.nonce, request.req_body.value().nonce);
        let checksum = find(part.encrypted_pa_data.as_deref().unwrap(), 149).unwrap();
        let checksum = ChecksumValue::decode(checksum).unwrap();
        assert_eq!(checksum.cksumtype, encryption_type.checksum_type());
        key.checksum_key(KeyUsage::AS_REQ_CHECKSUM)
            .verify(&[request_octets], checksum.checksum.as_bytes())
            .unwrap();
        let ticket = reply.ticket.as_bytes().to_vec();
        self.session = Some((ticket, part.key.to_key().unwrap()));
    }

    fn tgs_exchange(&self, request: &KdcReq, reply: &KdcRep) {
        let (ticket, session_key) = self.session.as_ref().unwrap();
        let octets = find(request.padata.as_deref().unwrap(), PaData::TGS_REQ).unwrap();
        let ap_req = ApReq::decode(octets).unwrap();
        assert_eq!(ap_req.encode().unwrap(), octets);
        assert_eq!(ap_req.ticket.as_bytes(), ticket);
        let usage = KeyUsage::TGS_REQ_AUTHENTICATOR;
        let octets = ap_req.authenticator.open(session_key, usage).unwrap();
        let authenticator = Authenticator::decode(&octets).unwrap();
        assert_eq!(authenticator.encode().unwrap(), *octets);
        // Over the body as it was sent.
        session_key
            .checksum_key(KeyUsage::TGS_REQ_CHECKSUM)
            .verify(
                &[request.req_body.as_bytes()],
                authenticator.cksum.unwrap().checksum.as_bytes(),
            )
            .unwrap();
        authenticator.subkey.unwrap().to_key().unwrap();
        // kvno protects its request by FAST, whose keys open the reply; the ticket holds the same session key.
        assert!(find(request.padata.as_deref().unwrap(), FX_FAST).is_some());

        let ticket = reply.ticket.value();
        let sname = request.req_body.value().sname.as_ref();
        assert_eq!(Some(&ticket.sname), sname);
        let octets = ticket.enc_part.open(self.service_key, KeyUsage::TICKET);
        let octets = octets.unwrap();
        let ticket = EncTicketPart::decode(&octets).unwrap();
        assert_eq!(ticket.encode().unwrap(), *octets);
        ticket.key.to_key().unwrap();
        assert_eq!(ticket.cname, reply.cname);
    }
}

fn open(reply: &KdcRep, key: &EncryptionKey, usage: KeyUsage) -> EncKdcRepPart {
    let octets = reply.enc_part.open(key, usage).unwrap();
    let part = EncKdcRepPart::decode(&octets).unwrap();
    // This KDC has one tag for both.
    let again = EncKdcRepPart::decode(&octets).unwrap();
    assert_eq!(again.encode(MessageType::Tgs).unwrap(), *octets);
    part
}

fn find(padata: &[PaData], kind: i32) -> Option<&[u8]> {
    let found = padata.iter().find(|entry| entry.padata_type == kind)?;
    Some(found.padata_value.as_bytes())
}
