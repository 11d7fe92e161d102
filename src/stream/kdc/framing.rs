use std::io;

use crate::kerberos::asn1::MAX_LEN;

/// The longest datagram (RFC 768), without its headers.
pub(super) const MAX_DATAGRAM: usize = 65_507;

/// A message behind its length, as TCP has it (RFC 4120, section 7.2.2).
pub(super) fn with_length(message: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(message.len())
        .ok()
        .filter(|length| *length >> 31 == 0)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the request is too long"))?;
    Ok([&length.to_be_bytes(), message].concat())
}

/// The length of the reply that follows.
pub(super) fn reply_len(prefix: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(prefix);
    // RFC 4120, section 7.2.2: "The high bit of the length is reserved for future expansion and MUST currently be set to zero."
    if length >> 31 != 0 {
        return Err(bad_reply("its length has the reserved bit set".into()));
    }
    match usize::try_from(length) {
        Ok(0) => Err(bad_reply("it is empty".into())),
        Ok(length @ ..=MAX_LEN) => Ok(length),
        _ => Err(bad_reply(format!(
            "{length} octets are announced, at most {MAX_LEN} are read"
        ))),
    }
}

/// What is not a KDC's reply.
pub(super) fn bad_reply(why: String) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the reply is malformed: {why}"),
    )
}
