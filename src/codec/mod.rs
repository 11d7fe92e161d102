//! Bounded reading and writing: DER for CredSSP and SPNEGO, UTF-16 for their texts.

pub(crate) mod der;
pub(crate) mod utf16;
