//! Walks through NTLM's messages (MS-NLMP, section 2.2), as far as they go.

use credssp::ntlm::{AuthenticateMessage, AvId};

use crate::der::{time, utf16};
use crate::names;
use crate::token::View;
use crate::tree::{At, Node};

/// A field of the payload: its name, where its length and offset stand, and what it holds.
struct Field(&'static str, usize, Holds);

#[derive(Clone, Copy)]
enum Holds {
    /// UTF-16LE, or as the flags say.
    Text,
    OemText,
    Octets,
    LmResponse,
    NtResponse,
    AvPairs,
}

const NEGOTIATE: &[Field] = &[
    Field("DomainName", 16, Holds::OemText),
    Field("Workstation", 24, Holds::OemText),
];

const CHALLENGE: &[Field] = &[
    Field("TargetName", 12, Holds::Text),
    Field("TargetInfo", 40, Holds::AvPairs),
];

const AUTHENTICATE: &[Field] = &[
    Field("LmChallengeResponse", 12, Holds::LmResponse),
    Field("NtChallengeResponse", 20, Holds::NtResponse),
    Field("DomainName", 28, Holds::Text),
    Field("UserName", 36, Holds::Text),
    Field("Workstation", 44, Holds::Text),
    Field("EncryptedRandomSessionKey", 52, Holds::Octets),
];

const UNICODE: u32 = 0x0000_0001;
const VERSION: u32 = 0x0200_0000;
const TARGET_INFO: u32 = 0x0080_0000;

/// A whole message, which begins with NTLM's signature.
pub(crate) fn message(view: &View, at: At<'_>) -> Node {
    let (name, fields, flags_at, version_at) = match u32_at(at, 8) {
        Some(1) => ("NEGOTIATE_MESSAGE", NEGOTIATE, 12, 32),
        Some(2) => ("CHALLENGE_MESSAGE", CHALLENGE, 20, 48),
        Some(3) => ("AUTHENTICATE_MESSAGE", AUTHENTICATE, 60, 64),
        Some(_) => return Node::new("NTLM message", at).error("MessageType is none of 1, 2 and 3"),
        None => return Node::new("NTLM message", at).error("ends before its MessageType"),
    };
    let mut node = Node::new(name, at);
    let Some(flags) = u32_at(at, flags_at) else {
        return node.error(format!("ends before its NegotiateFlags at +{flags_at}"));
    };
    if let Some(place) = at.part(flags_at, 4) {
        node.push(Node::new("NegotiateFlags", place).flags(flags, 32, names::NTLM_FLAGS));
    }
    if name == "CHALLENGE_MESSAGE" {
        match at.part(24, 8) {
            Some(place) => node.push(Node::new("ServerChallenge", place).octets(place.bytes)),
            None => return node.error("ends before its ServerChallenge at +24"),
        }
    }
    for Field(name, place, holds) in fields {
        let Some(header) = at.part(*place, 8) else {
            // Old messages end before what nobody needs.
            if matches!(holds, Holds::OemText | Holds::AvPairs) && flags & TARGET_INFO == 0 {
                break;
            }
            return node.error(format!("ends before its field {name} at +{place}"));
        };
        if let Holds::AvPairs = holds
            && flags & TARGET_INFO == 0
        {
            continue;
        }
        node.push(payload(view, name, at, header, *holds, flags));
    }
    if flags & VERSION != 0
        && let Some(place) = at.part(version_at, 8)
        && let [major, minor, low, high, .., revision] = *place.bytes
    {
        let build = u16::from_le_bytes([low, high]);
        let text = format!("{major}.{minor}.{build}, NTLM revision {revision}");
        node.push(Node::new("Version", place).text(text));
    }
    if let Ok(message) = AuthenticateMessage::decode(at.bytes)
        && let Some(mic) = message.mic
    {
        let start = if flags & VERSION == 0 { 64 } else { 72 };
        if let Some(place) = at.part(start, 16).filter(|place| place.bytes == mic) {
            node.push(Node::new("MIC", place).octets(&mic));
        }
    }
    node
}

fn payload(
    view: &View,
    name: &str,
    message: At<'_>,
    header: At<'_>,
    holds: Holds,
    flags: u32,
) -> Node {
    let [l0, l1, _, _, o0, o1, o2, o3] = *header.bytes else {
        return Node::new(name, header).error("ends within it");
    };
    let length = usize::from(u16::from_le_bytes([l0, l1]));
    let offset = usize::try_from(u32::from_le_bytes([o0, o1, o2, o3])).unwrap_or(usize::MAX);
    if length == 0 {
        return Node::new(name, header.from(8)).meaning("empty");
    }
    let Some(at) = message.part(offset, length) else {
        return Node::new(name, header).error(format!(
            "{length} octets at +{offset} lie beyond the message's {}",
            message.len()
        ));
    };
    let node = Node::new(name, at);
    match holds {
        Holds::Text if flags & UNICODE != 0 => text(node, at),
        Holds::Text | Holds::OemText => node.text(String::from_utf8_lossy(at.bytes)),
        Holds::AvPairs => av_pairs(node, at),
        Holds::LmResponse if at.bytes.iter().all(|octet| *octet == 0) => {
            node.octets(at.bytes).meaning("none")
        }
        Holds::NtResponse if length > 24 => ntlm_v2_response(view, node, at),
        Holds::NtResponse => node.octets(at.bytes).meaning("NTLMv1"),
        Holds::LmResponse | Holds::Octets => node.octets(at.bytes),
    }
}

fn text(node: Node, at: At<'_>) -> Node {
    match utf16(at.bytes) {
        Some(text) => node.text(text),
        None => node.octets(at.bytes).error("no UTF-16LE"),
    }
}

/// NTLMv2_RESPONSE (section 2.2.2.8).
fn ntlm_v2_response(_: &View, node: Node, mut at: At<'_>) -> Node {
    let mut node = node.meaning("NTLMv2_RESPONSE");
    let proof = at.take(16);
    node.push(Node::new("NTProofStr", proof).octets(proof.bytes));
    let types = at.take(2);
    let versions = Node::new("RespType, HiRespType", types).octets(types.bytes);
    node.push(match types.bytes {
        [1, 1] => versions,
        _ => versions.error("both are 1 in NTLMv2"),
    });
    at.take(6);
    let timestamp = at.take(8);
    node.push(file_time(Node::new("TimeStamp", timestamp), timestamp));
    let challenge = at.take(8);
    node.push(Node::new("ChallengeFromClient", challenge).octets(challenge.bytes));
    at.take(4);
    if at.is_empty() {
        return node.error("ends before its AV_PAIRs");
    }
    node.push(av_pairs(Node::new("AvPairs", at), at));
    node
}

/// A list of AV_PAIRs (section 2.2.2.1).
fn av_pairs(mut node: Node, mut at: At<'_>) -> Node {
    loop {
        let start = at;
        let header = at.take(4);
        let [i0, i1, l0, l1] = *header.bytes else {
            return node.error(format!("ends without MsvAvEOL at byte {}", start.offset));
        };
        let id = u16::from_le_bytes([i0, i1]);
        let length = usize::from(u16::from_le_bytes([l0, l1]));
        let value = at.take(length);
        let pair = Node::new(names::av_id(id), value);
        if value.len() < length {
            let error = format!("its length says {length} octets, {} are there", value.len());
            node.push(pair.octets(value.bytes).error(error));
            return node;
        }
        match AvId::from_u16(id) {
            // What stands behind is padding.
            AvId::EOL => return node,
            id => node.push(av_value(id, pair, value)),
        }
    }
}

fn av_value(id: AvId, node: Node, at: At<'_>) -> Node {
    match id {
        AvId::NB_COMPUTER_NAME
        | AvId::NB_DOMAIN_NAME
        | AvId::DNS_COMPUTER_NAME
        | AvId::DNS_DOMAIN_NAME
        | AvId::DNS_TREE_NAME
        | AvId::TARGET_NAME => text(node, at),
        AvId::FLAGS => match u32_at(at, 0) {
            Some(flags) => node.flags(flags, 32, names::AV_FLAGS),
            None => node.octets(at.bytes).error("no 4 octets"),
        },
        AvId::TIMESTAMP => file_time(node, at),
        AvId::CHANNEL_BINDINGS if at.bytes.iter().all(|octet| *octet == 0) => {
            node.octets(at.bytes).meaning("none")
        }
        _ => node.octets(at.bytes),
    }
}

fn file_time(node: Node, at: At<'_>) -> Node {
    /// The seconds from 1601 to 1970.
    const EPOCH: u64 = 11_644_473_600;
    let Ok(octets) = at.bytes.try_into() else {
        return node.octets(at.bytes).error("no 8 octets of FILETIME");
    };
    let units = u64::from_le_bytes(octets);
    let node = match i64::try_from(units) {
        Ok(units) => node.number(units),
        Err(_) => node.text(units.to_string()),
    };
    match (units / 10_000_000).checked_sub(EPOCH) {
        Some(unix) => node.meaning(time(unix)),
        None => node.meaning("before 1970"),
    }
}

fn u32_at(at: At<'_>, start: usize) -> Option<u32> {
    let octets = at.part(start, 4)?.bytes.try_into().ok()?;
    Some(u32::from_le_bytes(octets))
}

/// NTLMSSP_MESSAGE_SIGNATURE (section 2.2.2.9.2), with what is sealed behind it.
pub(crate) fn signature(at: At<'_>) -> Node {
    let (mut node, mut rest) = (Node::new("NTLMSSP_MESSAGE_SIGNATURE", at), at);
    rest.take(4);
    let checksum = rest.take(8);
    node.push(Node::new("Checksum", checksum).octets(checksum.bytes));
    let sequence = rest.take(4);
    if let Some(number) = u32_at(sequence, 0) {
        node.push(Node::new("SeqNum", sequence).number(number));
    }
    if !rest.is_empty() {
        node.push(Node::new("sealed", rest).octets(rest.bytes));
    }
    node
}
