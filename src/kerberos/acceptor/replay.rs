use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::error::OtherError;
use crate::kerberos::asn1::{EncryptedData, KerberosTime};

/// Remembers the authenticators that have come, so that none counts twice (RFC 4120, section 3.2.3).
///
/// Servers on several machines that have the same key need one store in common.
pub trait ReplayStore: fmt::Debug + Send + Sync {
    /// Remembers an authenticator until `expires`. It has been decrypted and its time is right: nobody without a ticket
    /// can fill the store.
    ///
    /// # Errors
    /// Where it has come before, or it cannot be told or remembered: the client is refused then.
    fn insert(
        &self,
        id: ReplayId,
        now: KerberosTime,
        expires: KerberosTime,
    ) -> Result<(), ReplayError>;
}

/// Tells an authenticator from all others: a hash of its ciphertext, which nobody can change so that it still decrypts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplayId([u8; 16]);

impl ReplayId {
    /// Of an encrypted authenticator.
    pub fn new(authenticator: &EncryptedData) -> Self {
        let hash: [u8; 32] = Sha256::digest(authenticator.cipher.as_bytes()).into();
        Self(hash.first_chunk().copied().unwrap_or_default())
    }

    /// Its octets.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for ReplayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Why an authenticator does not count.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It has come before.
    #[error("the authenticator has come before")]
    Replayed,
    /// There is no room to remember it.
    #[error("the replay cache is full")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] OtherError),
}

/// A [`ReplayStore`] in the memory of this process, of bounded size.
pub struct ReplayCache {
    capacity: usize,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    known: HashSet<ReplayId>,
    /// In the order of their arrival, which is that of their expiry as long as the clock runs on.
    queue: VecDeque<(KerberosTime, ReplayId)>,
}

impl ReplayCache {
    /// Remembers so many authenticators at most. One that is still to be remembered never makes room for another: where
    /// there is none, clients are refused until one expires, which takes twice the permitted skew of the clocks.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: Mutex::default(),
        }
    }
}

impl ReplayStore for ReplayCache {
    fn insert(
        &self,
        id: ReplayId,
        now: KerberosTime,
        expires: KerberosTime,
    ) -> Result<(), ReplayError> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Entries { known, queue } = &mut *entries;
        while let Some((expires, old)) = queue.front()
            && *expires < now
        {
            known.remove(old);
            queue.pop_front();
        }
        if known.contains(&id) {
            return Err(ReplayError::Replayed);
        }
        if queue.len() >= self.capacity {
            return Err(ReplayError::Full);
        }
        known.insert(id);
        queue.push_back((expires, id));
        Ok(())
    }
}

impl Default for ReplayCache {
    /// For 2¹⁷ authenticators: some 200 logons each second, in some 10 MiB.
    fn default() -> Self {
        Self::new(1 << 17)
    }
}

impl fmt::Debug for ReplayCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayCache")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
