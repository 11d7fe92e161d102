//! UTF-16LE without byte order mark or terminator, the texts of MS-CSSP and MS-NLMP.

use bytes::BufMut;

/// The text, or `None` where a code unit is cut in half or a surrogate stands alone.
///
/// The text never grows while it is read, so that a caller who erases it erases all of it.
pub(crate) fn decode(bytes: &[u8]) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let units = || pairs.iter().copied().map(u16::from_le_bytes);
    let length = char::decode_utf16(units())
        .map(|c| c.map(char::len_utf8).ok())
        .sum::<Option<usize>>()?;
    let mut text = String::with_capacity(length);
    text.extend(char::decode_utf16(units()).flatten());
    Some(text)
}

/// The length of `text` in octets.
pub(crate) fn encoded_len(text: &str) -> usize {
    text.encode_utf16().count().saturating_mul(2)
}

/// Appends `text`.
pub(crate) fn put(out: &mut impl BufMut, text: &str) {
    for unit in text.encode_utf16() {
        out.put_u16_le(unit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_survive_the_round_trip() {
        for text in ["", "Pässword", "𝄞 clef", "日本語"] {
            let mut out = Vec::new();
            put(&mut out, text);
            assert_eq!(out.len(), encoded_len(text));
            assert_eq!(decode(&out).as_deref(), Some(text));
        }
    }

    #[test]
    fn refuses_half_a_code_unit_and_lone_surrogates() {
        for bad in [&b"a"[..], b"a\0b", b"\x00\xd8", b"\x00\xdca\0"] {
            assert_eq!(decode(bad), None, "{bad:x?}");
        }
    }
}
