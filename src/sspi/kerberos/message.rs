//! What is checked of Kerberos' messages before the crate reads them, and what is read of its own.

use std::str;

use super::super::{MAX_TOKEN_LEN, check_len};
use crate::codec::der::{
    self, GENERAL_STRING, INITIAL_CONTEXT_TOKEN, OBJECT_IDENTIFIER, Reader, SEQUENCE, context,
};
use crate::error::{InvalidMessage, InvalidMessageKind};
use crate::mechanism::Oid;

/// The longest answer of a KDC that is passed on, in octets: tickets with a large PAC have some 64 KiB.
const MAX_REPLY_LEN: usize = 1 << 20;

/// The deepest nesting of values.
const MAX_DEPTH: u8 = 24;

/// Checks a token of the server's: its framing (RFC 2743, section 3.1; RFC 4121, section 4.1), and that of the message in
/// it.
pub(super) fn check_token(token: &[u8]) -> Result<(), InvalidMessage> {
    const NAME: &str = "InitialContextToken";

    check_len(token, MAX_TOKEN_LEN, NAME)?;
    let mut reader = Reader::new(token);
    let mut inner = reader.read(INITIAL_CONTEXT_TOKEN, NAME)?;
    reader.finish(NAME)?;
    let oid = inner.read(OBJECT_IDENTIFIER, "InitialContextToken.thisMech")?;
    if ![Oid::KERBEROS, Oid::KERBEROS_USER_TO_USER]
        .map(Oid::contents)
        .contains(&oid.rest())
    {
        return Err(oid.error("InitialContextToken.thisMech", InvalidMessageKind::BadValue));
    }
    let message = inner.rest().get(2..).unwrap_or_default();
    der::check_nested(message, MAX_DEPTH, "InitialContextToken.innerToken")
}

/// Checks an answer of a KDC.
pub(super) fn check_reply(reply: &[u8]) -> Result<(), InvalidMessage> {
    check_len(reply, MAX_REPLY_LEN, "KDC-REP")?;
    der::check_nested(reply, MAX_DEPTH, "KDC-REP")
}

/// The realm whose KDC is to receive a KDC-REQ (RFC 4120, section 5.4.1), of the crate's own making.
pub(super) fn realm(message: &[u8]) -> Result<&str, InvalidMessage> {
    const NAME: &str = "KDC-REQ";

    let mut reader = Reader::new(message);
    // [APPLICATION 10] is an AS-REQ, [APPLICATION 12] a TGS-REQ.
    let tag = reader.peek().filter(|tag| matches!(tag, 0x6a | 0x6c));
    let mut fields = reader
        .read(tag.unwrap_or_default(), NAME)?
        .read(SEQUENCE, NAME)?;
    fields.read(context(1), "KDC-REQ.pvno")?;
    fields.read(context(2), "KDC-REQ.msg-type")?;
    fields.optional(context(3), "KDC-REQ.padata")?;
    let mut body = fields.explicit(context(4), SEQUENCE, "KDC-REQ.req-body")?;
    body.read(context(0), "KDC-REQ-BODY.kdc-options")?;
    body.optional(context(1), "KDC-REQ-BODY.cname")?;
    let name = "KDC-REQ-BODY.realm";
    let realm = body.explicit(context(2), GENERAL_STRING, name)?;
    str::from_utf8(realm.rest()).map_err(|_| realm.error(name, InvalidMessageKind::BadValue))
}
