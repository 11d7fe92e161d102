//! Bounded reading and writing: DER for CredSSP and SPNEGO, little-endian structures for NTLM, UTF-16 for their texts.

pub(crate) mod der;
#[cfg(any(feature = "kerberos", feature = "ntlm", feature = "sspi"))]
pub(crate) mod little_endian;
pub(crate) mod utf16;
