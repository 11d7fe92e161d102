//! What depends on the version in use: the lower of the two ends' (MS-CSSP, section 2.2.1).

/// Whether `pubKeyAuth` proves the key by a hash with `clientNonce` (versions 5 and later) or by the key itself.
pub fn uses_nonce(version: u32) -> bool {
    version >= 5
}

/// Whether a server may send `errorCode`: the field exists in versions 3, 4 and 6 (MS-CSSP, section 2.2.1).
pub fn carries_error_code(version: u32) -> bool {
    matches!(version, 3 | 4 | 6..)
}
