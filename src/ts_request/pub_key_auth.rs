use std::fmt;

use ring::digest;
use subtle::ConstantTimeEq;

use super::version::uses_nonce;

/// The public key of a TLS server, to which both ends bind `pubKeyAuth`.
///
/// These are the contents of the BIT STRING `SubjectPublicKeyInfo.subjectPublicKey`, without its tag, its length and its
/// octet of unused bits (MS-CSSP, section 3.1.5): for RSA an `RSAPublicKey` in DER, for an elliptic curve the
/// uncompressed point. The algorithm that stands beside it in the certificate is no part of it.
///
/// It is to be taken from the leaf certificate of the TLS handshake that has really happened, never from configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerPublicKey(Box<[u8]>);

impl ServerPublicKey {
    /// From the contents of the BIT STRING.
    pub fn from_subject_public_key(key: &[u8]) -> Self {
        Self(key.into())
    }

    /// The contents of the BIT STRING.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ServerPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerPublicKey({} bytes)", self.0.len())
    }
}

/// Who proves to whom that it sees the same public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Direction {
    /// The client's proof, which comes first.
    ClientToServer,
    /// The server's answer.
    ServerToClient,
}

impl Direction {
    /// MS-CSSP, section 3.1.5: `ClientServerHashMagic` and `ServerClientHashMagic`, whose NUL is hashed too.
    fn magic(self) -> &'static [u8; 38] {
        match self {
            Self::ClientToServer => b"CredSSP Client-To-Server Binding Hash\0",
            Self::ServerToClient => b"CredSSP Server-To-Client Binding Hash\0",
        }
    }
}

/// What `pubKeyAuth` seals in versions 5 and later: `SHA256(magic ‖ nonce ‖ key)` (MS-CSSP, section 3.1.5).
///
/// The two directions hash different texts, so that an answer cannot be the question sent back.
pub fn binding_hash(direction: Direction, nonce: &[u8; 32], key: &ServerPublicKey) -> [u8; 32] {
    hash(direction, nonce, key)
}

fn hash(direction: Direction, nonce: &[u8], key: &ServerPublicKey) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(direction.magic());
    context.update(nonce);
    context.update(key.as_bytes());
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    hash
}

/// What `pubKeyAuth` seals in versions 2 to 4: the key, and in answer the key with 1 added to its first octet
/// (MS-CSSP, section 3.1.5).
///
/// The specification adds to the first octet alone, so that 0xff becomes 0x00. Some peers carry into the octets behind it,
/// as if the key were a little-endian number. No key that TLS uses tells the two apart: an RSA key begins with 0x30 and a
/// point of a curve with 0x04.
///
/// These versions are open to CVE-2018-0886: a relay may hand over a key that is a sealed message of its own making.
pub fn echo(direction: Direction, key: &ServerPublicKey) -> Vec<u8> {
    let mut echo = key.as_bytes().to_vec();
    if let (Direction::ServerToClient, Some(first)) = (direction, echo.first_mut()) {
        *first = first.wrapping_add(1);
    }
    echo
}

/// What `pubKeyAuth` seals in the version in use.
pub(crate) enum BindingProof {
    Hash([u8; 32]),
    Echo(Vec<u8>),
}

impl BindingProof {
    /// `nonce` counts from version 5.
    pub(crate) fn new(
        version: u32,
        direction: Direction,
        nonce: &[u8; 32],
        key: &ServerPublicKey,
    ) -> Self {
        if uses_nonce(version) {
            Self::Hash(binding_hash(direction, nonce, key))
        } else {
            Self::Echo(echo(direction, key))
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Hash(hash) => hash,
            Self::Echo(echo) => echo,
        }
    }

    /// Compares in a time that depends on the lengths alone.
    pub(crate) fn ct_eq(&self, other: &[u8]) -> bool {
        self.as_bytes().ct_eq(other).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"\x30\x06\x02\x01\x03\x02\x01\x03";

    fn key(bytes: &[u8]) -> ServerPublicKey {
        ServerPublicKey::from_subject_public_key(bytes)
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn hashes_magic_nonce_and_key_in_this_order() {
        let nonce = std::array::from_fn(|i| u8::try_from(i).unwrap());
        for (direction, expected) in [
            (
                Direction::ClientToServer,
                "d1442d51d4e4d11ab4ed64fcba1eba6e0524445578a70f23ba1972c5cd8c45b1",
            ),
            (
                Direction::ServerToClient,
                "2d5bf37931e413469a972ec4dde5ee06463adcf7962a4949ef7806ffbabc4f18",
            ),
        ] {
            assert_eq!(hex(&binding_hash(direction, &nonce, &key(KEY))), expected);
        }
    }

    /// A vector of the peers, whose nonce has two octets only: the wire never carries it.
    #[test]
    fn hashes_the_short_vector() {
        for (direction, expected) in [
            (
                Direction::ClientToServer,
                "4590c26c837dacdf3da8fae578264d9e45486afc3951f21ef357064cd55fbbb5",
            ),
            (
                Direction::ServerToClient,
                "cdf4ffee6cb6395e5b692c2da397386f6a1eab2d3a6271816a04c7a2914d333f",
            ),
        ] {
            assert_eq!(hex(&hash(direction, &[0, 0], &key(&[0, 1]))), expected);
        }
    }

    #[test]
    fn echo_adds_one_to_the_first_octet_only() {
        assert_eq!(echo(Direction::ClientToServer, &key(KEY)), KEY);
        for (from, to) in [
            (KEY, &b"\x31\x06\x02\x01\x03\x02\x01\x03"[..]),
            (b"\x00\x01", b"\x01\x01"),
            (b"\xff\xff", b"\x00\xff"),
            (b"", b""),
        ] {
            assert_eq!(echo(Direction::ServerToClient, &key(from)), to);
        }
    }
}
