//! Messages of Kerberos, written from their parts: whole or spoilt.

pub fn encryption_key(key: &[u8]) -> Vec<u8> {
    fields(&[(0, number(17)), (1, tagged(4, key))])
}

pub fn name(components: &[&str]) -> Vec<u8> {
    let components: Vec<_> = components.iter().copied().map(text).collect();
    let parts: Vec<_> = components.iter().map(Vec::as_slice).collect();
    fields(&[(0, number(1)), (1, sequence(&parts))])
}

pub fn number(value: u8) -> Vec<u8> {
    tagged(2, &[value])
}

pub fn text(text: &str) -> Vec<u8> {
    tagged(0x1b, text.as_bytes())
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tagged(0x30, &parts.concat())
}

/// A SEQUENCE of explicitly tagged fields.
pub fn fields(fields: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let fields: Vec<_> = fields
        .iter()
        .map(|(tag, value)| tagged(0xa0 | tag, value))
        .collect();
    tagged(0x30, &fields.concat())
}

pub fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let mut value = vec![tag];
    match contents.len() {
        short @ ..0x80 => value.push(u8::try_from(short).expect("below 128")),
        _ => {
            let significant: Vec<_> = length.iter().skip_while(|octet| **octet == 0).collect();
            value.push(0x80 | u8::try_from(significant.len()).expect("at most 8"));
            value.extend(significant);
        }
    }
    value.extend_from_slice(contents);
    value
}
