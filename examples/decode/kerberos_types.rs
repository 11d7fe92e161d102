//! The grammar of Kerberos (RFC 4120, section 5).

use credssp::error::NtStatus;

use crate::der::{self, ByType, Content, Field, Type, no_meaning};
use crate::names;
use crate::token::View;
use crate::tree::{At, Node};

const PLAIN: Type = Type::Number(no_meaning);
const OCTETS: Type = Type::Octets(Content::Octets);
const MESSAGE_TYPE: Type = Type::Number(names::message_type);

/// What the tags of messages and of what is encrypted in them mean.
pub(crate) fn message(tag: u8) -> Option<(&'static str, &'static Type)> {
    Some(match tag {
        0x61 => ("Ticket", &TICKET),
        0x62 => ("Authenticator", &AUTHENTICATOR),
        0x63 => ("EncTicketPart", &ENC_TICKET_PART),
        0x6a => ("AS-REQ", &AS_REQ),
        0x6b => ("AS-REP", &AS_REP),
        0x6c => ("TGS-REQ", &TGS_REQ),
        0x6d => ("TGS-REP", &TGS_REP),
        0x6e => ("AP-REQ", &AP_REQ),
        0x6f => ("AP-REP", &AP_REP),
        0x7b => ("EncAPRepPart", &ENC_AP_REP_PART),
        0x7e => ("KRB-ERROR", &KRB_ERROR),
        _ => return None,
    })
}

static AS_REQ: Type = Type::Tagged(0x6a, &KDC_REQ);
static AS_REP: Type = Type::Tagged(0x6b, &KDC_REP);
static TGS_REQ: Type = Type::Tagged(0x6c, &KDC_REQ);
static TGS_REP: Type = Type::Tagged(0x6d, &KDC_REP);

pub(crate) static KDC_REQ: Type = Type::Fields(&[
    Field(1, "pvno", &PLAIN),
    Field(2, "msg-type", &MESSAGE_TYPE),
    Field(3, "padata", &METHOD_DATA),
    Field(4, "req-body", &KDC_REQ_BODY),
]);

static KDC_REQ_BODY: Type = Type::Fields(&[
    Field(0, "kdc-options", &Type::Flags(names::KDC_OPTIONS)),
    Field(1, "cname", &Type::Principal),
    Field(2, "realm", &Type::Text),
    Field(3, "sname", &Type::Principal),
    Field(4, "from", &Type::Time),
    Field(5, "till", &Type::Time),
    Field(6, "rtime", &Type::Time),
    Field(7, "nonce", &PLAIN),
    Field(8, "etype", &Type::List("ENCTYPE", &ENCRYPTION_TYPE)),
    Field(9, "addresses", &ADDRESSES),
    Field(10, "enc-authorization-data", &ENCRYPTED_DATA),
    Field(11, "additional-tickets", &Type::List("Ticket", &TICKET)),
]);

pub(crate) static KDC_REP: Type = Type::Fields(&[
    Field(0, "pvno", &PLAIN),
    Field(1, "msg-type", &MESSAGE_TYPE),
    Field(2, "padata", &METHOD_DATA),
    Field(3, "crealm", &Type::Text),
    Field(4, "cname", &Type::Principal),
    Field(5, "ticket", &TICKET),
    Field(6, "enc-part", &ENCRYPTED_DATA),
]);

const ENCRYPTION_TYPE: Type = Type::Number(names::encryption_type);

static ENCRYPTED_DATA: Type = Type::Fields(&[
    Field(0, "etype", &ENCRYPTION_TYPE),
    Field(1, "kvno", &PLAIN),
    Field(2, "cipher", &OCTETS),
]);

static ADDRESSES: Type = Type::List("HostAddress", &ADDRESS);
static ADDRESS: Type = Type::Variant(&ByType {
    tags: [0, 1],
    names: ["addr-type", "address"],
    meaning: no_meaning,
    content: |_| Content::Octets,
});

static METHOD_DATA: Type = Type::List("PA-DATA", &PA_DATA);
static PA_DATA: Type = Type::Variant(&ByType {
    tags: [1, 2],
    names: ["padata-type", "padata-value"],
    meaning: names::padata_type,
    content: |number| match number {
        1 => Content::Der("AP-REQ", &AP_REQ),
        // An error that stands in their place is empty or another structure.
        2 => Content::Choice(|octets| match octets.first() {
            Some(0x30) => Content::Der("PA-ENC-TIMESTAMP", &ENCRYPTED_DATA),
            _ => Content::Octets,
        }),
        19 => Content::Der("ETYPE-INFO2", &ETYPE_INFO2),
        136 => Content::Choice(fast),
        _ => Content::Octets,
    },
});

/// PA-FX-FAST-REQUEST or PA-FX-FAST-REPLY (RFC 6113, section 5.4): the request has a [2].
fn fast(octets: &[u8]) -> Content {
    let fields = der::fields(octets);
    match *fields {
        [] => Content::Octets,
        _ if fields.iter().any(|field| field.tag == 0xa2) => {
            Content::Der("KrbFastArmoredReq", &FAST_REQUEST)
        }
        _ => Content::Der("KrbFastArmoredRep", &FAST_REPLY),
    }
}

static FAST_REQUEST: Type = Type::Tagged(0xa0, &FAST_REQUEST_FIELDS);
static FAST_REQUEST_FIELDS: Type = Type::Fields(&[
    Field(0, "armor", &FAST_ARMOR),
    Field(1, "req-checksum", &CHECKSUM),
    Field(2, "enc-fast-req", &ENCRYPTED_DATA),
]);

static FAST_ARMOR: Type = Type::Variant(&ByType {
    tags: [0, 1],
    names: ["armor-type", "armor-value"],
    meaning: no_meaning,
    content: |number| match number {
        1 => Content::Der("AP-REQ", &AP_REQ),
        _ => Content::Octets,
    },
});

static FAST_REPLY: Type = Type::Tagged(0xa0, &FAST_REPLY_FIELDS);
static FAST_REPLY_FIELDS: Type = Type::Fields(&[Field(0, "enc-fast-rep", &ENCRYPTED_DATA)]);

static ETYPE_INFO2: Type = Type::List("entry", &ETYPE_INFO2_ENTRY);
static ETYPE_INFO2_ENTRY: Type = Type::Fields(&[
    Field(0, "etype", &ENCRYPTION_TYPE),
    Field(1, "salt", &Type::Text),
    Field(2, "s2kparams", &OCTETS),
]);

static TICKET: Type = Type::Tagged(0x61, &TICKET_FIELDS);
static TICKET_FIELDS: Type = Type::Fields(&[
    Field(0, "tkt-vno", &PLAIN),
    Field(1, "realm", &Type::Text),
    Field(2, "sname", &Type::Principal),
    Field(3, "enc-part", &ENCRYPTED_DATA),
]);

static AP_REQ: Type = Type::Tagged(0x6e, &AP_REQ_FIELDS);
pub(crate) static AP_REQ_FIELDS: Type = Type::Fields(&[
    Field(0, "pvno", &PLAIN),
    Field(1, "msg-type", &MESSAGE_TYPE),
    Field(2, "ap-options", &Type::Flags(names::AP_OPTIONS)),
    Field(3, "ticket", &TICKET),
    Field(4, "authenticator", &ENCRYPTED_DATA),
]);

static AP_REP: Type = Type::Tagged(0x6f, &AP_REP_FIELDS);
pub(crate) static AP_REP_FIELDS: Type = Type::Fields(&[
    Field(0, "pvno", &PLAIN),
    Field(1, "msg-type", &MESSAGE_TYPE),
    Field(2, "enc-part", &ENCRYPTED_DATA),
]);

static ENC_TICKET_PART: Type = Type::Tagged(0x63, &ENC_TICKET_PART_FIELDS);
static ENC_TICKET_PART_FIELDS: Type = Type::Fields(&[
    Field(0, "flags", &Type::Flags(names::TICKET_FLAGS)),
    Field(1, "key", &KEY),
    Field(2, "crealm", &Type::Text),
    Field(3, "cname", &Type::Principal),
    Field(4, "transited", &TRANSITED),
    Field(5, "authtime", &Type::Time),
    Field(6, "starttime", &Type::Time),
    Field(7, "endtime", &Type::Time),
    Field(8, "renew-till", &Type::Time),
    Field(9, "caddr", &ADDRESSES),
    Field(10, "authorization-data", &AUTHORIZATION_DATA),
]);

static TRANSITED: Type = Type::Variant(&ByType {
    tags: [0, 1],
    names: ["tr-type", "contents"],
    meaning: no_meaning,
    content: |_| Content::Octets,
});

static KEY: Type = Type::Variant(&ByType {
    tags: [0, 1],
    names: ["keytype", "keyvalue"],
    meaning: names::encryption_type,
    content: |_| Content::Secret,
});

static AUTHORIZATION_DATA: Type = Type::List("element", &AUTHORIZATION_DATA_ELEMENT);
static AUTHORIZATION_DATA_ELEMENT: Type = Type::Variant(&ByType {
    tags: [0, 1],
    names: ["ad-type", "ad-data"],
    meaning: names::authorization_data_type,
    content: |number| match number {
        1 => Content::Der("AuthorizationData", &AUTHORIZATION_DATA),
        129 => Content::Der("EtypeList", &ENCRYPTION_TYPES),
        _ => Content::Octets,
    },
});

static ENCRYPTION_TYPES: Type = Type::List("ENCTYPE", &ENCRYPTION_TYPE);

static AUTHENTICATOR: Type = Type::Tagged(0x62, &AUTHENTICATOR_FIELDS);
static AUTHENTICATOR_FIELDS: Type = Type::Fields(&[
    Field(0, "authenticator-vno", &PLAIN),
    Field(1, "crealm", &Type::Text),
    Field(2, "cname", &Type::Principal),
    Field(3, "cksum", &CHECKSUM),
    Field(4, "cusec", &PLAIN),
    Field(5, "ctime", &Type::Time),
    Field(6, "subkey", &KEY),
    Field(7, "seq-number", &PLAIN),
    Field(8, "authorization-data", &AUTHORIZATION_DATA),
]);

static CHECKSUM: Type = Type::Variant(&ByType {
    tags: [0, 1],
    names: ["cksumtype", "checksum"],
    meaning: names::checksum_type,
    content: |number| match number {
        0x8003 => Content::Other(gss_checksum),
        _ => Content::Octets,
    },
});

/// RFC 4121, section 4.1.1.
fn gss_checksum(view: &View, _: &str, mut at: At<'_>) -> Node {
    let mut node = Node::new("GSS-API", at);
    let little_endian = |at: At<'_>| {
        let octets = at.bytes.try_into().ok()?;
        Some(u32::from_le_bytes(octets))
    };
    let length = at.take(4);
    let bindings = at.take(16);
    let flags = at.take(4);
    let (Some(16), Some(bits)) = (little_endian(length), little_endian(flags)) else {
        return node.error("no 16 octets of channel bindings and 4 of flags");
    };
    let meaning = match bindings.bytes.iter().all(|octet| *octet == 0) {
        true => "none",
        false => "an MD5",
    };
    node.push(
        Node::new("Bnd", bindings)
            .octets(bindings.bytes)
            .meaning(meaning),
    );
    node.push(Node::new("Flags", flags).flags(bits, 32, names::CONTEXT_FLAGS));
    if !at.is_empty() {
        // A delegated ticket comes with its session key, though encrypted.
        let rest = Node::new("Dlgth, Deleg, Exts", at);
        node.push(Content::Secret.read(view, rest, at));
    }
    node
}

static ENC_AP_REP_PART: Type = Type::Tagged(0x7b, &ENC_AP_REP_PART_FIELDS);
static ENC_AP_REP_PART_FIELDS: Type = Type::Fields(&[
    Field(0, "ctime", &Type::Time),
    Field(1, "cusec", &PLAIN),
    Field(2, "subkey", &KEY),
    Field(3, "seq-number", &PLAIN),
]);

static KRB_ERROR: Type = Type::Tagged(0x7e, &KRB_ERROR_FIELDS);
pub(crate) static KRB_ERROR_FIELDS: Type = Type::Fields(&[
    Field(0, "pvno", &PLAIN),
    Field(1, "msg-type", &MESSAGE_TYPE),
    Field(2, "ctime", &Type::Time),
    Field(3, "cusec", &PLAIN),
    Field(4, "stime", &Type::Time),
    Field(5, "susec", &PLAIN),
    Field(6, "error-code", &Type::Number(names::kerberos_error)),
    Field(7, "crealm", &Type::Text),
    Field(8, "cname", &Type::Principal),
    Field(9, "realm", &Type::Text),
    Field(10, "sname", &Type::Principal),
    Field(11, "e-text", &Type::Text),
    Field(12, "e-data", &Type::Octets(Content::Choice(error_data))),
]);

/// METHOD-DATA, or what Windows says besides (MS-KILE, section 2.2.2).
fn error_data(octets: &[u8]) -> Content {
    match *octets {
        [0x30, length, 0x30, ..] if length < 0x80 => Content::Der("METHOD-DATA", &METHOD_DATA),
        [0x30, 0x81, _, 0x30, ..] | [0x30, 0x82, _, _, 0x30, ..] => {
            Content::Der("METHOD-DATA", &METHOD_DATA)
        }
        [0x30, length, 0xa1, ..] if length < 0x80 => {
            Content::Der("KERB-ERROR-DATA", &KERB_ERROR_DATA)
        }
        _ => Content::Octets,
    }
}

static KERB_ERROR_DATA: Type = Type::Variant(&ByType {
    tags: [1, 2],
    names: ["data-type", "data-value"],
    meaning: no_meaning,
    content: |number| match number {
        3 => Content::Other(extended_error),
        _ => Content::Octets,
    },
});

/// KERB_EXT_ERROR (MS-KILE, section 2.2.1).
fn extended_error(_: &View, _: &str, at: At<'_>) -> Node {
    let node = Node::new("KERB_EXT_ERROR", at);
    match at.bytes.first_chunk() {
        Some(status) => {
            let status = NtStatus::from_u32(u32::from_le_bytes(*status));
            node.number(status.to_u32()).meaning(status.to_string())
        }
        None => node.error("ends within its status"),
    }
}

pub(crate) static TGT_REQUEST: Type = Type::Fields(&[
    Field(0, "pvno", &PLAIN),
    Field(1, "msg-type", &MESSAGE_TYPE),
    Field(2, "server-name", &Type::Principal),
    Field(3, "realm", &Type::Text),
]);

pub(crate) static TGT_REPLY: Type = Type::Fields(&[
    Field(0, "pvno", &PLAIN),
    Field(1, "msg-type", &MESSAGE_TYPE),
    Field(2, "ticket", &TICKET),
]);
