//! What the engine needs from outside: the time, and randomness.
//!
//! Both come from the configuration, so that a recorded exchange can be replayed byte for byte.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ring::rand::SecureRandom;

/// Where a handshake takes time and randomness from; the system, unless told otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Environment {
    /// Tells the time.
    pub time: Arc<dyn TimeProvider>,
    /// Gives random bytes.
    pub random: Arc<dyn Random>,
}

impl Environment {
    /// With a clock and a random source of the caller's.
    pub fn new(time: Arc<dyn TimeProvider>, random: Arc<dyn Random>) -> Self {
        Self { time, random }
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock), Arc::new(SystemRandom::default()))
    }
}

/// Tells the time.
pub trait TimeProvider: fmt::Debug + Send + Sync {
    /// The time since the Unix epoch, 1970-01-01 00:00:00 UTC.
    fn since_unix_epoch(&self) -> Duration;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl TimeProvider for SystemClock {
    fn since_unix_epoch(&self) -> Duration {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }
}

/// Gives random bytes fit for keys and nonces.
pub trait Random: fmt::Debug + Send + Sync {
    /// Fills `buffer`.
    ///
    /// # Errors
    /// Where the source has failed; nothing may then be derived from `buffer`.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed>;
}

/// The system's random source, through ring.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SystemRandom(ring::rand::SystemRandom);

impl Default for SystemRandom {
    fn default() -> Self {
        Self(ring::rand::SystemRandom::new())
    }
}

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        self.0.fill(buffer).map_err(|_| GetRandomFailed)
    }
}

/// The random source failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the random source failed")]
#[non_exhaustive]
pub struct GetRandomFailed;
