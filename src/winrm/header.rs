//! Tokens in HTTP's headers `Authorization` and `WWW-Authenticate` (RFC 9110, section 11).

use base64::prelude::{BASE64_STANDARD, Engine};

use crate::error::{InvalidMessage, InvalidMessageKind};

/// The scheme's name, which is compared without regard to case.
const SCHEME: &str = "CredSSP";

/// The longest header to look at, in octets, its values together: far more than any flight of TLS or `TSRequest` takes.
pub const MAX_HEADER_LEN: usize = 131_072;

/// The value that carries `token`.
///
/// An empty one leaves the space at the end, for some clients take a scheme without it for a refusal.
pub fn value(token: &[u8]) -> String {
    let mut value = String::from(SCHEME);
    value.push(' ');
    BASE64_STANDARD.encode_string(token, &mut value);
    value
}

/// The value that offers the scheme, or that refuses a client.
pub fn bare() -> String {
    SCHEME.into()
}

/// What a header says of CredSSP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Challenge {
    /// It does not name it.
    Absent,
    /// It names it without a token, or with an empty one: software on the way takes the space at the end away.
    Empty,
    /// A token.
    Token(Vec<u8>),
}

/// Reads the values of a response's `WWW-Authenticate`: in one header or in many, among other schemes or alone.
pub fn challenge(
    values: impl IntoIterator<Item: AsRef<[u8]>>,
) -> Result<Challenge, InvalidMessage> {
    const FIELD: &str = "WWW-Authenticate";
    let mut found = Challenge::Absent;
    let mut offset = 0_usize;
    for value in values {
        let value = value.as_ref();
        let end = offset.saturating_add(value.len());
        if end > MAX_HEADER_LEN {
            return Err(error(FIELD, offset, InvalidMessageKind::TooLarge));
        }
        for element in elements(value) {
            let Some(token) = after_scheme(element) else {
                continue;
            };
            match (decode(token, FIELD, offset)?, &found) {
                (None, Challenge::Absent) => found = Challenge::Empty,
                (None, _) => {}
                (Some(_), Challenge::Token(_)) => {
                    return Err(error(FIELD, offset, InvalidMessageKind::BadValue));
                }
                (Some(token), _) => found = Challenge::Token(token),
            }
        }
        offset = end;
    }
    Ok(found)
}

/// Reads the value of a request's `Authorization`, which holds one scheme.
pub fn credentials(value: &[u8]) -> Result<Challenge, InvalidMessage> {
    const FIELD: &str = "Authorization";
    if value.len() > MAX_HEADER_LEN {
        return Err(error(FIELD, 0, InvalidMessageKind::TooLarge));
    }
    match after_scheme(value.trim_ascii()) {
        None => Ok(Challenge::Absent),
        Some(token) => Ok(match decode(token, FIELD, 0)? {
            Some(token) => Challenge::Token(token),
            None => Challenge::Empty,
        }),
    }
}

/// The elements of a list: commas part them, but not within quotes.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(move |octet| {
            match octet {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ => {}
            }
            *octet == b',' && !quoted
        })
        .map(<[u8]>::trim_ascii)
}

/// What stands behind the scheme, where it is ours.
fn after_scheme(element: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = element.split_at_checked(SCHEME.len())?;
    let ends = rest.first().is_none_or(u8::is_ascii_whitespace);
    (ends && scheme.eq_ignore_ascii_case(SCHEME.as_bytes())).then(|| rest.trim_ascii())
}

fn decode(
    token: &[u8],
    field: &'static str,
    offset: usize,
) -> Result<Option<Vec<u8>>, InvalidMessage> {
    if token.is_empty() {
        return Ok(None);
    }
    BASE64_STANDARD
        .decode(token)
        .map(Some)
        .map_err(|_| error(field, offset, InvalidMessageKind::BadEncoding))
}

fn error(field: &'static str, offset: usize, kind: InvalidMessageKind) -> InvalidMessage {
    InvalidMessage::new(field, offset, kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(octets: &[u8]) -> Result<Challenge, InvalidMessageKind> {
        Ok(Challenge::Token(octets.to_vec()))
    }

    fn read(values: &[&str]) -> Result<Challenge, InvalidMessageKind> {
        challenge(values).map_err(|error| error.kind)
    }

    #[test]
    fn finds_the_scheme_among_others_in_one_header_or_in_many() {
        for values in [
            &["CredSSP AQID"][..],
            &["credssp   AQID  "],
            &["Negotiate", "Kerberos", "CREDSSP AQID"],
            &["CredSSP AQID", "Negotiate"],
            &["Negotiate, Kerberos, Basic realm=\"WSMAN\", CredSSP AQID"],
            &["CredSSP AQID,Basic realm=\"WSMAN\""],
            &["CredSSP", "CredSSP AQID"],
            &["CredSSP AQID", "CredSSP"],
            &["Basic realm=\"a, CredSSP BBBB, \\\", CredSSP CCCC\", CredSSP AQID"],
            &["Digest qop=auth, nonce=x", "\tCredSSP\tAQID"],
        ] {
            assert_eq!(read(values), token(&[1, 2, 3]), "{values:?}");
        }
        assert_eq!(read(&["CredSSP AQ=="]), token(&[1]));
    }

    #[test]
    fn a_scheme_without_a_token_offers() {
        for values in [
            &["CredSSP"][..],
            &["CredSSP "],
            &["Negotiate, CredSSP, Basic realm=\"WSMAN\""],
        ] {
            assert_eq!(read(values), Ok(Challenge::Empty), "{values:?}");
        }
    }

    #[test]
    fn other_schemes_are_not_ours() {
        for values in [
            &[][..],
            &[""],
            &[",,,"],
            &["Negotiate AQID", "Kerberos"],
            &["CredSSPx AQID"],
            &["XCredSSP AQID"],
            &["Basic realm=\"CredSSP AQID\""],
            &["Basic realm=\", CredSSP AQID"],
            &["CredSSP=AQID"],
        ] {
            assert_eq!(read(values), Ok(Challenge::Absent), "{values:?}");
        }
        let foreign: &[&[u8]] = &[b"\xff\xfe, Negotiate", b"\x80"];
        assert_eq!(challenge(foreign), Ok(Challenge::Absent));
    }

    #[test]
    fn refuses_what_is_no_token() {
        for values in [
            &["CredSSP A"][..],
            &["CredSSP AQI"],
            &["CredSSP AR=="],
            &["CredSSP AQID AQID"],
            &["CredSSP AQ-_"],
            &["CredSSP \u{e9}\u{e9}"],
            &["CredSSP realm=\"x\""],
        ] {
            assert_eq!(
                read(values),
                Err(InvalidMessageKind::BadEncoding),
                "{values:?}"
            );
        }
        let two = read(&["CredSSP AQID, CredSSP AQID"]);
        assert_eq!(two, Err(InvalidMessageKind::BadValue));
    }

    #[test]
    fn refuses_a_header_of_a_mebibyte_whole_or_in_pieces() {
        let long = "A".repeat(1 << 20);
        let one = format!("CredSSP {long}");
        assert_eq!(read(&[&one]), Err(InvalidMessageKind::TooLarge));
        let pieces = vec!["Negotiate"; 1 << 17];
        assert_eq!(read(&pieces), Err(InvalidMessageKind::TooLarge));
        let kind = credentials(one.as_bytes()).unwrap_err().kind;
        assert_eq!(kind, InvalidMessageKind::TooLarge);
    }

    #[test]
    fn an_authorization_has_one_scheme() {
        let read = |value: &str| credentials(value.as_bytes()).map_err(|error| error.kind);
        assert_eq!(read("CredSSP AQID"), token(&[1, 2, 3]));
        assert_eq!(read(" credssp  AQID "), token(&[1, 2, 3]));
        assert_eq!(read("CredSSP "), Ok(Challenge::Empty));
        assert_eq!(read("Negotiate AQID"), Ok(Challenge::Absent));
        assert_eq!(read(""), Ok(Challenge::Absent));
        assert_eq!(
            read("CredSSP AQID, Negotiate"),
            Err(InvalidMessageKind::BadEncoding)
        );
    }

    #[test]
    fn writes_what_it_reads() {
        assert_eq!(value(&[1, 2, 3]), "CredSSP AQID");
        assert_eq!(value(&[]), "CredSSP ");
        assert_eq!(bare(), "CredSSP");
    }
}
