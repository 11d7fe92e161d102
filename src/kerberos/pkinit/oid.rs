//! Object identifiers, as contents octets.

/// id-data's sibling id-signedData (RFC 5652, section 5.1).
pub(super) const SIGNED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
/// id-contentType (RFC 5652, section 11.1).
pub(super) const CONTENT_TYPE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03";
/// id-messageDigest (RFC 5652, section 11.2).
pub(super) const MESSAGE_DIGEST: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04";

/// id-pkinit-authData (RFC 4556, section 3.2.1).
pub(super) const AUTH_DATA: &[u8] = b"\x2b\x06\x01\x05\x02\x03\x01";
/// id-pkinit-DHKeyData (RFC 4556, section 3.2.3.1).
pub(super) const DH_KEY_DATA: &[u8] = b"\x2b\x06\x01\x05\x02\x03\x02";
/// id-pkinit-kdf-ah-sha1 (RFC 8636, section 5).
#[cfg(test)]
pub(super) const KDF_SHA1: &[u8] = b"\x2b\x06\x01\x05\x02\x03\x06\x01";
/// id-pkinit-kdf-ah-sha256.
pub(super) const KDF_SHA256: &[u8] = b"\x2b\x06\x01\x05\x02\x03\x06\x02";
/// id-pkinit-kdf-ah-sha512.
pub(super) const KDF_SHA512: &[u8] = b"\x2b\x06\x01\x05\x02\x03\x06\x03";
/// id-pkinit-KPKdc (RFC 4556, section 3.2.4).
pub(super) const KP_KDC: &[u8] = b"\x2b\x06\x01\x05\x02\x03\x05";
/// id-pkinit-san (RFC 4556, section 3.2.2).
pub(super) const PKINIT_SAN: &[u8] = b"\x2b\x06\x01\x05\x02\x02";
/// szOID_NT_PRINCIPAL_NAME, a UPN (MS-WCCE, section 2.2.2.7.7.4).
pub(super) const UPN_SAN: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03";
/// id-pkinit-KPClientAuth (RFC 4556, section 3.2.2).
pub(super) const KP_CLIENT_AUTH: &[u8] = b"\x2b\x06\x01\x05\x02\x03\x04";
/// Smart card logon (MS-WCCE, section 2.2.2.7.7.3).
pub(super) const KP_SMART_CARD_LOGON: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x02";
/// id-kp-serverAuth (RFC 5280, section 4.2.1.12).
pub(super) const KP_SERVER_AUTH: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x01";

/// dhpublicnumber (RFC 3279, section 2.3.3).
pub(super) const DH_PUBLIC_NUMBER: &[u8] = b"\x2a\x86\x48\xce\x3e\x02\x01";

/// id-ce-subjectKeyIdentifier (RFC 5280, section 4.2.1.2).
pub(super) const SUBJECT_KEY_IDENTIFIER: &[u8] = b"\x55\x1d\x0e";
/// id-ce-keyUsage (RFC 5280, section 4.2.1.3).
pub(super) const KEY_USAGE: &[u8] = b"\x55\x1d\x0f";
/// id-ce-subjectAltName (RFC 5280, section 4.2.1.6).
pub(super) const SUBJECT_ALT_NAME: &[u8] = b"\x55\x1d\x11";

/// id-ce-extKeyUsage (RFC 5280, section 4.2.1.12).
pub(super) const EXTENDED_KEY_USAGE: &[u8] = b"\x55\x1d\x25";

/// id-sha1 (RFC 3370, section 2.1).
pub(super) const SHA1: &[u8] = b"\x2b\x0e\x03\x02\x1a";
/// id-sha256 (RFC 5754, section 2.2).
pub(super) const SHA256: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01";
/// id-sha384.
pub(super) const SHA384: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x02";
/// id-sha512.
pub(super) const SHA512: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x03";

/// rsaEncryption (RFC 3370, section 3.2).
pub(super) const RSA_ENCRYPTION: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
/// sha256WithRSAEncryption (RFC 5754, section 3.2).
pub(super) const SHA256_WITH_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b";
/// sha384WithRSAEncryption.
pub(super) const SHA384_WITH_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c";
/// sha512WithRSAEncryption.
pub(super) const SHA512_WITH_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d";
/// id-ecPublicKey (RFC 5480, section 2.1.1), which some write in place of the signature's algorithm.
pub(super) const EC_PUBLIC_KEY: &[u8] = b"\x2a\x86\x48\xce\x3d\x02\x01";
/// secp256r1, which is P-256 (RFC 5480, section 2.1.1.1).
pub(super) const P256: &[u8] = b"\x2a\x86\x48\xce\x3d\x03\x01\x07";
/// secp384r1, which is P-384.
pub(super) const P384: &[u8] = b"\x2b\x81\x04\x00\x22";
/// ecdsa-with-SHA256 (RFC 5754, section 3.3).
pub(super) const ECDSA_SHA256: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x02";
/// ecdsa-with-SHA384.
pub(super) const ECDSA_SHA384: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x03";
