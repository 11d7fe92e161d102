//! Walks through the framing of GSS-API (RFC 2743, section 3.1), and Kerberos' tokens for messages (RFC 4121, section 4.2; RFC
//! 4757, section 7).

use credssp::kerberos::asn1::TokenId;
use credssp::mechanism::Oid;

use crate::der::{behind, element, missing};
use crate::names;
use crate::token::{self, Kind, View};
use crate::tree::{At, Node, Value};

const FLAGS: &[(u32, &str)] = &[(1, "SentByAcceptor"), (2, "Sealed"), (4, "AcceptorSubkey")];

/// Takes the object identifier off the contents of an InitialContextToken.
fn this_mech<'a>(contents: &mut At<'a>) -> Option<At<'a>> {
    let [6, length] = *contents.take(2).bytes else {
        return None;
    };
    let oid = contents.take(length.into());
    (oid.len() == usize::from(length)).then_some(oid)
}

/// The mechanism that the framing names.
pub(crate) fn mechanism(token: &[u8]) -> Option<Oid> {
    let oid = this_mech(&mut element(&mut At::new(token)).ok()?.contents)?;
    [
        Oid::SPNEGO,
        Oid::KERBEROS,
        Oid::MS_KERBEROS,
        Oid::KERBEROS_USER_TO_USER,
        Oid::NTLMSSP,
    ]
    .into_iter()
    .find(|known| known.contents() == oid.bytes)
}

/// Whether it is one of Kerberos' tokens that establish a context, as the library reads them.
pub(crate) fn establishes(token: &[u8]) -> bool {
    let id = element(&mut At::new(token)).ok().and_then(|element| {
        let mut contents = element.contents;
        this_mech(&mut contents)?;
        contents.bytes.first_chunk().copied()
    });
    let ours = [Oid::KERBEROS, Oid::KERBEROS_USER_TO_USER];
    mechanism(token).is_some_and(|oid| ours.contains(&oid))
        && id.is_some_and(|id| token::by_id(id).is_some())
}

pub(crate) fn initial_context_token(view: &View, at: At<'_>) -> Node {
    let (mut node, mut rest) = (Node::new("InitialContextToken", at), at);
    let outer = match element(&mut rest) {
        Ok(outer) => outer,
        Err(error) => return node.error(error),
    };
    let mut contents = outer.contents;
    let Some(oid) = this_mech(&mut contents) else {
        return node.error("no object identifier begins it");
    };
    let this_mech = Node::new("thisMech", oid).text(names::dotted(oid.bytes));
    node.push(match names::oid(oid.bytes) {
        Some(name) => this_mech.meaning(name),
        None => this_mech,
    });
    if mechanism(at.bytes).is_some_and(is_kerberos) {
        kerberos(view, &mut node, contents);
    } else {
        node.push(token::any(view, contents));
    }
    missing(behind(node, rest), &outer)
}

fn is_kerberos(oid: Oid) -> bool {
    [Oid::KERBEROS, Oid::MS_KERBEROS, Oid::KERBEROS_USER_TO_USER].contains(&oid)
}

fn kerberos(view: &View, node: &mut Node, mut rest: At<'_>) {
    let start = rest;
    let id = rest.take(2);
    let Ok(octets) = <[u8; 2]>::try_from(id.bytes) else {
        node.push(Node::new("TOK_ID", start).error("ends within it"));
        return;
    };
    let name = |meaning: &str| Node::new("TOK_ID", id).octets(&octets).meaning(meaning);
    match (token::by_id(octets), octets) {
        (Some(TokenId::TgtRequest), _) => {
            node.push(name("KERB-TGT-REQUEST"));
            node.push(Kind::TgtRequest.node(view, rest));
        }
        (Some(TokenId::TgtReply), _) => {
            node.push(name("KERB-TGT-REPLY"));
            node.push(Kind::TgtReply.node(view, rest));
        }
        (Some(id), _) => {
            let (meaning, tag) = match id {
                TokenId::ApReq => ("AP-REQ", 0x6e),
                TokenId::ApRep => ("AP-REP", 0x6f),
                _ => ("KRB-ERROR", 0x7e),
            };
            node.push(name(meaning));
            node.push(Kind::Kerberos(tag).node(view, rest));
        }
        (None, [1, 1]) => {
            node.push(name("MIC, RFC 4757"));
            rc4(node, rest, false);
        }
        (None, [2, 1]) => {
            node.push(name("Wrap, RFC 4757"));
            rc4(node, rest, true);
        }
        (None, _) => {
            node.push(name("unknown").error("no token of Kerberos has this TOK_ID"));
            node.push(Node::new("(token)", rest).octets(rest.bytes));
        }
    }
}

/// The tokens of rc4-hmac (RFC 4757, sections 7.2 and 7.3).
fn rc4(node: &mut Node, mut rest: At<'_>, wrap: bool) {
    let algorithm = match wrap {
        true => "SEAL_ALG, Filler",
        false => "Filler",
    };
    let mut fields = vec![
        ("SGN_ALG", 2),
        (algorithm, 4),
        ("SND_SEQ, encrypted", 8),
        ("SGN_CKSUM", 8),
    ];
    if wrap {
        fields.push(("Confounder, encrypted", 8));
    }
    for (name, length) in fields {
        let at = rest.take(length);
        let field = Node::new(name, at).octets(at.bytes);
        if at.len() < length {
            node.push(field.error("ends within it"));
            return;
        }
        node.push(field);
    }
    if !rest.is_empty() {
        node.push(Node::new("message", rest).octets(rest.bytes));
    }
}

/// A MIC or Wrap token (RFC 4121, section 4.2.6), which has at least its header.
pub(crate) fn per_message(at: At<'_>) -> Node {
    let wrap = at.bytes.first() == Some(&5);
    let name = match wrap {
        true => "Wrap token",
        false => "MIC token",
    };
    let (mut node, mut rest) = (Node::new(name, at), at);
    let id = rest.take(2);
    node.push(Node::new("TOK_ID", id).octets(id.bytes));
    let flags = rest.take(1);
    let bits = flags.bytes.first().copied().unwrap_or_default();
    node.push(Node::new("Flags", flags).flags(bits.into(), 8, FLAGS));
    let filler = rest.take(if wrap { 1 } else { 5 });
    if filler.bytes.iter().any(|octet| *octet != 0xff) {
        let filler = Node::new("Filler", filler).octets(filler.bytes);
        node.push(filler.error("every octet of it is ff"));
    }
    if wrap {
        for name in ["EC", "RRC"] {
            let at = rest.take(2);
            if let Ok(octets) = at.bytes.try_into() {
                node.push(Node::new(name, at).number(u16::from_be_bytes(octets)));
            }
        }
    }
    let sequence = rest.take(8);
    if let Ok(octets) = sequence.bytes.try_into() {
        let number = u64::from_be_bytes(octets);
        let value = match i64::try_from(number) {
            Ok(number) => Value::Number(number),
            Err(_) => Value::Text(number.to_string()),
        };
        node.push(Node::new("SND_SEQ", sequence).value(value));
    }
    let name = match (wrap, bits & 2) {
        (false, _) => "SGN_CKSUM",
        (true, 0) => "message and checksum",
        (true, _) => "sealed",
    };
    node.push(Node::new(name, rest).octets(rest.bytes));
    node
}
