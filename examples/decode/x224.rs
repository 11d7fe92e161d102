//! Walks through X.224 Connection Requests and Confirms (MS-RDPBCGR, sections 2.2.1.1 and 2.2.1.2).

use credssp::error::NegotiationFailure;

use crate::tree::{At, Node};

const PROTOCOLS: &[(u32, &str)] = &[
    (0x01, "PROTOCOL_SSL"),
    (0x02, "PROTOCOL_HYBRID"),
    (0x04, "PROTOCOL_RDSTLS"),
    (0x08, "PROTOCOL_HYBRID_EX"),
    (0x10, "PROTOCOL_RDSAAD"),
];

const REQUEST_FLAGS: &[(u32, &str)] = &[
    (0x01, "RESTRICTED_ADMIN_MODE_REQUIRED"),
    (0x02, "REDIRECTED_AUTHENTICATION_MODE_REQUIRED"),
    (0x08, "CORRELATION_INFO_PRESENT"),
];

const RESPONSE_FLAGS: &[(u32, &str)] = &[
    (0x01, "EXTENDED_CLIENT_DATA_SUPPORTED"),
    (0x02, "DYNVC_GFX_PROTOCOL_SUPPORTED"),
    (0x04, "NEGRSP_FLAG_RESERVED"),
    (0x08, "RESTRICTED_ADMIN_MODE_SUPPORTED"),
    (0x10, "REDIRECTED_AUTHENTICATION_MODE_SUPPORTED"),
];

pub(crate) fn is_request(message: &[u8]) -> bool {
    message.get(5).is_some_and(|code| code & 0xf0 == 0xe0)
}

/// A whole message in its TPKT.
pub(crate) fn message(at: At<'_>) -> Node {
    let request = is_request(at.bytes);
    let name = match request {
        true => "X.224 Connection Request",
        false => "X.224 Connection Confirm",
    };
    let (mut node, mut rest) = (Node::new(name, at), at);
    let tpkt = rest.take(4);
    let [3, _, high, low] = *tpkt.bytes else {
        return node.error("ends within its TPKT header");
    };
    let length = u16::from_be_bytes([high, low]);
    node.push(Node::new("tpktLength", tpkt).number(length));
    if usize::from(length) != at.len() {
        node = node.error(format!(
            "its TPKT says {length} octets, {} are there",
            at.len()
        ));
    }
    // Length indicator, code, two references, class.
    let header = rest.take(7);
    if header.len() < 7 {
        return node.error("ends within its X.224 header");
    }
    node.push(Node::new("x224", header).octets(header.bytes));
    if rest.bytes.first().is_some_and(|first| *first > 3) {
        let end = rest.bytes.windows(2).position(|pair| pair == b"\r\n");
        let line = rest.take(end.map_or(rest.len(), |end| end + 2));
        let name = match line.bytes.starts_with(b"Cookie: ") {
            true => "cookie",
            false => "routingToken",
        };
        let text = String::from_utf8_lossy(line.bytes).trim_end().to_owned();
        let line = Node::new(name, line).text(text);
        node.push(match end {
            Some(_) => line,
            None => line.error("no CR LF ends it"),
        });
    }
    while !rest.is_empty() {
        node.push(negotiation(&mut rest));
    }
    node
}

/// RDP_NEG_REQ, RDP_NEG_RSP, RDP_NEG_FAILURE or RDP_NEG_CORRELATION_INFO.
fn negotiation(rest: &mut At<'_>) -> Node {
    let start = *rest;
    let header = rest.take(4);
    let [kind, flags, low, high] = *header.bytes else {
        return Node::new("(negotiation)", start).error("ends within a header");
    };
    let length = usize::from(u16::from_le_bytes([low, high]));
    let body = rest.take(length.saturating_sub(4));
    let name = match kind {
        1 => "RDP_NEG_REQ",
        2 => "RDP_NEG_RSP",
        3 => "RDP_NEG_FAILURE",
        6 => "RDP_NEG_CORRELATION_INFO",
        _ => "(unknown)",
    };
    let whole = start.part(0, 4 + body.len()).unwrap_or(start);
    let mut node = Node::new(name, whole);
    if length < 4 || body.len() != length - 4 {
        rest.take(rest.len());
        return node.error(format!("its length of {length} octets does not fit"));
    }
    let number = body
        .bytes
        .first_chunk()
        .map(|octets| u32::from_le_bytes(*octets));
    let place = start.part(1, 1).unwrap_or(header);
    let flags = |names| Node::new("flags", place).flags(flags.into(), 8, names);
    match (kind, number) {
        (1, Some(protocols)) => {
            node.push(flags(REQUEST_FLAGS));
            node.push(Node::new("requestedProtocols", body).flags(protocols, 32, PROTOCOLS));
        }
        (2, Some(protocol)) => {
            node.push(flags(RESPONSE_FLAGS));
            node.push(Node::new("selectedProtocol", body).flags(protocol, 32, PROTOCOLS));
        }
        (3, Some(code)) => {
            let failure = NegotiationFailure::from_u32(code);
            let failure_code = Node::new("failureCode", body).number(code);
            node.push(failure_code.meaning(failure.to_string()));
        }
        _ => node.push(Node::new("data", body).octets(body.bytes)),
    }
    node
}
