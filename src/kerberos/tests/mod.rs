mod acceptor;
mod ap_exchange;
pub(super) mod as_exchange;
mod crypto;
mod exchange;
mod forge;
mod messages;
mod pac;
mod tampering;
mod tgs_exchange;
mod user_to_user;

use std::sync::Arc;

use super::crypto::{EncryptionKey, EncryptionType};
use super::{ContextParameters, End, KerberosContext};
use crate::codec::hex::hex;
use crate::environment::{GetRandomFailed, Random};

/// Each encryption type.
const ENCRYPTION_TYPES: &[EncryptionType] = &[
    EncryptionType::Aes128Sha1,
    EncryptionType::Aes256Sha1,
    EncryptionType::Aes128Sha2,
    EncryptionType::Aes256Sha2,
    #[cfg(feature = "rc4-hmac")]
    EncryptionType::Rc4Hmac,
];

/// Counts up from a number.
#[derive(Debug)]
struct Counting(u8);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        for (i, byte) in (0..).zip(buffer) {
            *byte = self.0 + i;
        }
        Ok(())
    }
}

/// Never gives anything.
#[derive(Debug)]
struct Broken;

impl Random for Broken {
    fn fill(&self, _: &mut [u8]) -> Result<(), GetRandomFailed> {
        Err(GetRandomFailed)
    }
}

fn key(encryption_type: EncryptionType) -> EncryptionKey {
    EncryptionKey::random(encryption_type, &Counting(0x40)).unwrap()
}

/// A client and a server, whose messages start at 100 and at 200.
fn pair(encryption_type: EncryptionType) -> (KerberosContext, KerberosContext) {
    pair_under(&key(encryption_type), true)
}

fn pair_under(key: &EncryptionKey, acceptor_subkey: bool) -> (KerberosContext, KerberosContext) {
    let parameters = |end| {
        ContextParameters::new(end, key)
            .with_acceptor_subkey(acceptor_subkey)
            .with_random(Arc::new(Counting(0xc0)))
    };
    (
        KerberosContext::new(&parameters(End::Initiator).with_sequences(100, 200)),
        KerberosContext::new(&parameters(End::Acceptor).with_sequences(200, 100)),
    )
}
