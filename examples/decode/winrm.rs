//! Walks through what WinRM carries: TLS's records, which its headers hold, and sealed bodies (MS-WSMV, section 2.2.9.1.3).

use crate::tree::{At, Node};

/// What every delimiter has; some senders put a space before it.
const BOUNDARY: &[u8] = b"Encrypted Boundary";

/// The most records and parts of one input that are shown.
const MAX_NODES: usize = 1000;

const CONTENT_TYPES: &[(u8, &str)] = &[
    (20, "change_cipher_spec"),
    (21, "alert"),
    (22, "handshake"),
    (23, "application_data"),
];

const HANDSHAKE_TYPES: &[(u8, &str)] = &[
    (1, "ClientHello"),
    (2, "ServerHello"),
    (11, "Certificate"),
    (12, "ServerKeyExchange"),
    (14, "ServerHelloDone"),
    (16, "ClientKeyExchange"),
];

fn name_of(names: &[(u8, &'static str)], number: u8) -> Option<&'static str> {
    let found = names.iter().find(|(known, _)| *known == number);
    found.map(|(_, name)| *name)
}

/// Whether a record begins there.
pub(crate) fn is_record(octets: &[u8]) -> bool {
    matches!(octets, [20..=23, 3, 0..=4, ..])
}

pub(crate) fn is_body(octets: &[u8]) -> bool {
    delimiter(octets).is_some()
}

/// The octets of the delimiter that begins there.
fn delimiter(octets: &[u8]) -> Option<usize> {
    let rest = octets.strip_prefix(b"--")?;
    let name = rest.strip_prefix(b" ").unwrap_or(rest);
    name.starts_with(BOUNDARY)
        .then(|| octets.len() - name.len() + BOUNDARY.len())
}

/// TLS's records, one behind the other.
pub(crate) fn records(at: At<'_>) -> Node {
    let (mut node, mut rest) = (Node::new("TLS", at), at);
    while !rest.is_empty() {
        if node.children.len() == MAX_NODES {
            return node.error(format!("more than {MAX_NODES} records"));
        }
        match record(&mut rest) {
            Some(record) => node.push(record),
            None => return node.error(format!("no TLS record begins at byte {}", rest.offset)),
        }
    }
    node
}

fn record(rest: &mut At<'_>) -> Option<Node> {
    let [kind, major, minor, high, low, ..] = *rest.bytes else {
        return None;
    };
    if !is_record(rest.bytes) {
        return None;
    }
    let length = u16::from_be_bytes([high, low]);
    let whole = rest.take(5 + usize::from(length));
    let mut node = Node::new("TLSPlaintext or TLSCiphertext", whole);
    let header = |start, length| whole.part(start, length).unwrap_or(whole);
    let content_type = Node::new("type", header(0, 1)).number(kind);
    node.push(content_type.meaning(name_of(CONTENT_TYPES, kind)?));
    node.push(Node::new("version", header(1, 2)).octets(&[major, minor]));
    node.push(Node::new("length", header(3, 2)).number(length));
    let fragment = whole.from(5);
    let mut contents = Node::new("fragment", fragment).octets(fragment.bytes);
    if let (22, Some(name)) = (
        kind,
        fragment
            .bytes
            .first()
            .and_then(|first| name_of(HANDSHAKE_TYPES, *first)),
    ) {
        contents = contents.meaning(name);
    }
    node.push(contents);
    if fragment.len() < usize::from(length) {
        node = node.error(format!(
            "it says {length} octets, {} are there",
            fragment.len()
        ));
    }
    Some(node)
}

/// A body, as far as it can be taken apart without its keys.
pub(crate) fn body(at: At<'_>) -> Node {
    let (mut node, mut rest) = (Node::new("sealed body", at), at);
    while let Some(length) = delimiter(rest.bytes) {
        if node.children.len() == MAX_NODES {
            return node.error(format!("more than {MAX_NODES} parts"));
        }
        let line = rest.take(length);
        if rest.bytes.starts_with(b"--") {
            rest.take(2);
            if rest.bytes.starts_with(b"\r\n") {
                rest.take(2);
            }
            return match rest.is_empty() {
                true => node,
                false => node.error(format!("{} octets behind its end", rest.len())),
            };
        }
        node.push(part(line, &mut rest));
    }
    node.error(format!("no delimiter at byte {}", rest.offset))
}

/// A part behind its delimiter: headers, and where they say so, the trailer's length and records.
fn part(delimiter: At<'_>, rest: &mut At<'_>) -> Node {
    let start = *rest;
    let mut children = Vec::new();
    let mut sealed = false;
    while let Some(end) = rest.bytes.windows(2).position(|pair| pair == b"\r\n") {
        // Behind the headers of records their first octets follow; those of a description end with the next delimiter.
        let line = rest.bytes.get(..end).unwrap_or_default();
        let is_header = line.is_empty() || line.starts_with(b"\t") || line.contains(&b':');
        if !is_header || is_body(rest.bytes) || (sealed && !line.starts_with(b"\t")) {
            break;
        }
        let line = rest.take(end + 2);
        let text = String::from_utf8_lossy(line.bytes).trim().to_owned();
        if text.is_empty() {
            continue;
        }
        sealed |= text
            .to_ascii_lowercase()
            .ends_with("application/octet-stream");
        children.push(Node::new("header", line).text(text));
    }
    if sealed {
        let length = rest.take(4);
        match *length.bytes {
            [a, b, c, d] => {
                let trailer = Node::new("length of the trailer", length);
                children.push(trailer.number(u32::from_le_bytes([a, b, c, d])));
            }
            _ => children.push(Node::new("length of the trailer", length).error("cut off")),
        }
        while !is_body(rest.bytes) && children.len() < MAX_NODES {
            match record(rest) {
                Some(record) => children.push(record),
                None => break,
            }
        }
    }
    let length = rest.offset - delimiter.offset;
    let whole = At {
        bytes: start
            .bytes
            .get(..length.min(start.len()))
            .unwrap_or_default(),
        offset: delimiter.offset,
    };
    let mut node = Node::new(if sealed { "records" } else { "description" }, whole);
    node.children = children;
    match is_body(rest.bytes) {
        true => node,
        false => node.error(format!(
            "neither a record nor a delimiter at byte {}",
            rest.offset
        )),
    }
}
