use std::time::Duration;

use credssp::environment::{SystemClock, TimeProvider};

/// A clock that is wrong by so many seconds.
#[derive(Debug)]
pub struct Wrong(pub i64);

impl TimeProvider for Wrong {
    fn since_unix_epoch(&self) -> Duration {
        let now = SystemClock::default().since_unix_epoch();
        Duration::from_secs(now.as_secs().saturating_add_signed(self.0))
    }
}
