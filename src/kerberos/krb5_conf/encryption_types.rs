use crate::kerberos::crypto::EncryptionType;

/// AES with HMAC-SHA-1 and with HMAC-SHA-2.
const AES: &[EncryptionType] = &[
    EncryptionType::Aes256Sha2,
    EncryptionType::Aes256Sha1,
    EncryptionType::Aes128Sha2,
    EncryptionType::Aes128Sha1,
];

#[cfg(feature = "rc4-hmac")]
const RC4: &[EncryptionType] = &[EncryptionType::Rc4Hmac];
#[cfg(not(feature = "rc4-hmac"))]
const RC4: &[EncryptionType] = &[];

/// A list of names and families, with blanks or commas between them; a minus takes out what stands before.
pub(super) fn parse(list: &str, allow_rc4: bool) -> Vec<EncryptionType> {
    let mut types = Vec::new();
    for word in list
        .split(|c: char| c == ',' || c.is_ascii_whitespace())
        .filter(|word| !word.is_empty())
    {
        let (remove, name) = match word.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, word.strip_prefix('+').unwrap_or(word)),
        };
        let named = name.parse().ok();
        let meant = match &*name.to_ascii_lowercase() {
            "default" | "aes" => AES,
            "rc4" => RC4,
            _ => named.as_slice(),
        };
        types.retain(|kind| !(remove && meant.contains(kind)));
        for kind in meant {
            if !remove && !types.contains(kind) {
                types.push(*kind);
            }
        }
    }
    types.retain(|kind| allow_rc4 || !RC4.contains(kind));
    types
}
