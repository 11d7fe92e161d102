//! Bounded reading and writing: DER for CredSSP and SPNEGO, little-endian structures for NTLM and Remote Desktop, UTF-16 for their texts.

pub(crate) mod der;
#[cfg(test)]
pub(crate) mod hex;
pub(crate) mod little_endian;
pub(crate) mod utf16;
