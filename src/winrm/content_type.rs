use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::error::{InvalidMessage, InvalidMessageKind};

/// The type of a sealed part, and the protocol that sealed it (MS-WSMV, section 2.2.9.1.3).
pub(super) const PROTOCOL: &str = "application/HTTP-CredSSP-session-encrypted";

/// What stands between the parts.
pub(super) const BOUNDARY: &str = "Encrypted Boundary";

/// One part.
pub(super) const SINGLE: &str = concat!(
    "multipart/encrypted;protocol=\"application/HTTP-CredSSP-session-encrypted\";",
    "boundary=\"Encrypted Boundary\""
);

/// Several parts.
pub(super) const MULTIPLE: &str = concat!(
    "multipart/x-multi-encrypted;protocol=\"application/HTTP-CredSSP-session-encrypted\";",
    "boundary=\"Encrypted Boundary\""
);

/// RFC 2046, section 5.1.1.
const MAX_BOUNDARY_LEN: usize = 70;

/// The longest `Content-Type` to look at, in octets.
const MAX_LEN: usize = 1024;

/// Whether the value of an HTTP message's `Content-Type` says that its body is sealed, by whatever protocol.
///
/// It is for the caller to refuse the plaintext of a peer that should seal.
///
/// A server should do so over HTTPS, too, unless its clients verify its certificate there: CredSSP proves the ends of the
/// TLS inside HTTP. Whoever stands between the two ends of an HTTPS that nobody verified lets the client log on through
/// him, and then sends plaintext of his own.
pub fn is_sealed(content_type: &[u8]) -> bool {
    let media_type = content_type.split(|octet| *octet == b';').next();
    let media_type = media_type.unwrap_or_default().trim_ascii();
    ["multipart/encrypted", "multipart/x-multi-encrypted"]
        .iter()
        .any(|sealed| media_type.eq_ignore_ascii_case(sealed.as_bytes()))
}

/// Reads the `Content-Type` of a sealed HTTP message; gives the boundary.
pub(super) fn boundary(content_type: &[u8]) -> Result<Box<[u8]>, InvalidMessage> {
    let error = |field, kind| InvalidMessage::new(field, 0, kind);
    if content_type.len() > MAX_LEN {
        return Err(error("Content-Type", InvalidMessageKind::TooLarge));
    }
    if !is_sealed(content_type) {
        return Err(error("Content-Type", InvalidMessageKind::BadValue));
    }
    let (mut protocol, mut boundary) = (None, None);
    for (name, value) in parameters(content_type) {
        let slot = match name.to_ascii_lowercase().as_slice() {
            b"protocol" => &mut protocol,
            b"boundary" => &mut boundary,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(error("Content-Type", InvalidMessageKind::BadValue));
        }
    }
    const PROTOCOL_FIELD: &str = "Content-Type.protocol";
    const BOUNDARY_FIELD: &str = "Content-Type.boundary";
    let protocol =
        protocol.ok_or_else(|| error(PROTOCOL_FIELD, InvalidMessageKind::MissingField))?;
    if !protocol.eq_ignore_ascii_case(PROTOCOL.as_bytes()) {
        return Err(error(PROTOCOL_FIELD, InvalidMessageKind::BadValue));
    }
    let boundary =
        boundary.ok_or_else(|| error(BOUNDARY_FIELD, InvalidMessageKind::MissingField))?;
    let printable = |octet: &u8| octet.is_ascii_graphic() || *octet == b' ';
    let fits = (1..=MAX_BOUNDARY_LEN).contains(&boundary.len())
        && boundary.iter().all(printable)
        && boundary.trim_ascii() == boundary;
    if !fits {
        return Err(error(BOUNDARY_FIELD, InvalidMessageKind::BadValue));
    }
    Ok(boundary.into())
}

/// Names and values of the parameters; a value's quotes are taken off.
fn parameters(content_type: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut quoted = false;
    content_type
        .split(move |octet| {
            quoted ^= *octet == b'"';
            *octet == b';' && !quoted
        })
        .skip(1)
        .filter_map(|parameter| {
            let at = parameter.iter().position(|octet| *octet == b'=')?;
            let (name, value) = parameter.split_at_checked(at)?;
            let value = value.get(1..)?.trim_ascii();
            let value = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""))
                .unwrap_or(value);
            Some((name.trim_ascii(), value))
        })
}

/// The type of a body before it was sealed: what its `Content-Type` would be without sealing.
///
/// ```
/// use credssp::winrm::OriginalType;
///
/// let original: OriginalType = "application/soap+xml;charset=UTF-16".parse()?;
/// assert_eq!(original, OriginalType::SOAP_UTF_16);
/// assert_eq!(original.charset(), Some("UTF-16"));
/// # Ok::<(), credssp::error::InvalidMessage>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginalType(Cow<'static, str>);

impl OriginalType {
    /// SOAP in UTF-8.
    pub const SOAP_UTF_8: Self = Self(Cow::Borrowed("application/soap+xml;charset=UTF-8"));

    /// SOAP in UTF-16.
    pub const SOAP_UTF_16: Self = Self(Cow::Borrowed("application/soap+xml;charset=UTF-16"));

    /// The longest, in octets.
    const MAX_LEN: usize = 256;

    /// The type with its parameters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parameter `charset`, without its quotes.
    pub fn charset(&self) -> Option<&str> {
        self.0.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("charset")
                .then(|| value.trim().trim_matches('"'))
        })
    }

    fn from_parsed(text: &str) -> Self {
        match text {
            "application/soap+xml;charset=UTF-8" => Self::SOAP_UTF_8,
            "application/soap+xml;charset=UTF-16" => Self::SOAP_UTF_16,
            other => Self(other.to_owned().into()),
        }
    }
}

impl FromStr for OriginalType {
    type Err = InvalidMessage;

    /// # Errors
    /// Where it is empty, too long, not of printable ASCII, or has a parameter `Length`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let printable = |octet: u8| octet.is_ascii_graphic() || octet == b' ';
        let has_length = text.split(';').any(|parameter| length(parameter).is_some());
        let kind = if text.len() > Self::MAX_LEN {
            InvalidMessageKind::TooLarge
        } else if !text.contains('/') || !text.bytes().all(printable) || has_length {
            InvalidMessageKind::BadValue
        } else {
            return Ok(Self::from_parsed(text));
        };
        Err(InvalidMessage::new("OriginalContent", 0, kind))
    }
}

impl fmt::Display for OriginalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads the value of a part's `OriginalContent`: the type, which only some peers name `type=`, and the length.
pub(super) fn original_content(value: &[u8]) -> Result<(OriginalType, u64), InvalidMessageKind> {
    let value = str::from_utf8(value).map_err(|_| InvalidMessageKind::BadEncoding)?;
    let (mut kept, mut found) = (String::new(), None);
    for parameter in value.split(';').map(str::trim) {
        if let Some(digits) = length(parameter) {
            // `parse` takes a sign.
            let digits = digits
                .bytes()
                .all(|digit| digit.is_ascii_digit())
                .then_some(digits);
            let number = digits.and_then(|digits| digits.parse().ok());
            if found
                .replace(number.ok_or(InvalidMessageKind::BadValue)?)
                .is_some()
            {
                return Err(InvalidMessageKind::BadValue);
            }
            continue;
        }
        if !kept.is_empty() {
            kept.push(';');
        }
        let media_type = strip_prefix_ignore_case(parameter, "type=").filter(|_| kept.is_empty());
        kept.push_str(media_type.unwrap_or(parameter));
    }
    let original = kept.parse().map_err(|error: InvalidMessage| error.kind)?;
    Ok((original, found.ok_or(InvalidMessageKind::MissingField)?))
}

/// The value of a parameter `Length`.
fn length(parameter: &str) -> Option<&str> {
    strip_prefix_ignore_case(parameter.trim(), "Length=")
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for written in [SINGLE, MULTIPLE] {
            assert_eq!(&*boundary(written.as_bytes()).unwrap(), BOUNDARY.as_bytes());
            assert!(written.contains(PROTOCOL));
        }
    }

    #[test]
    fn reads_parameters_in_any_order_case_and_spacing() {
        for text in [
            "Multipart/Encrypted; Boundary=b; PROTOCOL=Application/http-credssp-session-encrypted",
            "multipart/x-multi-encrypted ;protocol=\"application/HTTP-CredSSP-session-encrypted\" ; x=\"a;b\";boundary=\"b\"",
        ] {
            assert_eq!(&*boundary(text.as_bytes()).unwrap(), b"b", "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_sealed_by_credssp() {
        let protocol = "protocol=\"application/HTTP-CredSSP-session-encrypted\"";
        for text in [
            "application/soap+xml;charset=UTF-8".to_owned(),
            format!("multipart/mixed;{protocol};boundary=b"),
            format!("multipart/encrypted;{protocol}"),
            "multipart/encrypted;boundary=b".to_owned(),
            "multipart/encrypted;boundary=b;protocol=\"application/HTTP-SPNEGO-session-encrypted\""
                .to_owned(),
            format!("multipart/encrypted;{protocol};boundary="),
            format!("multipart/encrypted;{protocol};boundary=\" b\""),
            format!("multipart/encrypted;{protocol};boundary=a;boundary=b"),
            format!("multipart/encrypted;{protocol};boundary=\"a\nb\""),
            format!("multipart/encrypted;{protocol};boundary={}", "b".repeat(71)),
            format!(
                "multipart/encrypted;{protocol};boundary=b;x={}",
                "x".repeat(1024)
            ),
        ] {
            assert!(boundary(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_the_original_type_as_peers_write_it() {
        for (text, original, length) in [
            (
                "type=application/soap+xml;charset=UTF-8;Length=198",
                OriginalType::SOAP_UTF_8,
                198,
            ),
            (
                "application/soap+xml;charset=UTF-8;Length=198",
                OriginalType::SOAP_UTF_8,
                198,
            ),
            (
                "Type=application/soap+xml; charset=UTF-16; LENGTH=0",
                OriginalType::SOAP_UTF_16,
                0,
            ),
            (
                "type=text/plain;Length=18446744073709551615",
                "text/plain".parse().unwrap(),
                u64::MAX,
            ),
        ] {
            assert_eq!(
                original_content(text.as_bytes()),
                Ok((original, length)),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_lengths_that_are_none() {
        let text = "type=a/b;Length=";
        for digits in [
            "",
            "-1",
            "+1",
            "0x10",
            "1 2",
            "18446744073709551616",
            "1;Length=1",
            "1\0",
        ] {
            let value = format!("{text}{digits}");
            assert!(original_content(value.as_bytes()).is_err(), "{value:?}");
        }
        let missing = original_content(b"type=a/b;charset=UTF-8");
        assert_eq!(missing, Err(InvalidMessageKind::MissingField));
        assert_eq!(
            original_content(b"type=a/\xff;Length=1"),
            Err(InvalidMessageKind::BadEncoding)
        );
    }

    #[test]
    fn an_original_type_cannot_write_lines_or_a_length() {
        for text in ["", "soap", "a/b\r\nX: y", "a/b;Length=3", "a/\u{e9}"] {
            assert!(text.parse::<OriginalType>().is_err(), "{text:?}");
        }
        assert!(
            format!("a/{}", "b".repeat(255))
                .parse::<OriginalType>()
                .is_err()
        );
    }
}
