//! FILETIME: 100 nanoseconds since 1601-01-01 00:00:00 UTC (MS-DTYP, section 2.3.3).

use std::time::Duration;

use crate::environment::Environment;

/// The seconds from 1601-01-01 to 1970-01-01.
const UNIX_EPOCH_SECONDS: u64 = 11_644_473_600;

/// Units in a second.
const UNITS_PER_SECOND: u64 = 10_000_000;

/// The present time.
pub(crate) fn now(environment: &Environment) -> u64 {
    from_unix(environment.time.since_unix_epoch())
}

/// How far apart two times are.
pub(crate) fn distance(a: u64, b: u64) -> Duration {
    let units = a.abs_diff(b);
    let nanoseconds = (units % UNITS_PER_SECOND).saturating_mul(100);
    Duration::from_secs(units / UNITS_PER_SECOND).saturating_add(Duration::from_nanos(nanoseconds))
}

fn from_unix(since_epoch: Duration) -> u64 {
    since_epoch
        .as_secs()
        .saturating_add(UNIX_EPOCH_SECONDS)
        .saturating_mul(UNITS_PER_SECOND)
        .saturating_add(u64::from(since_epoch.subsec_nanos() / 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_1601_in_100_nanoseconds() {
        assert_eq!(from_unix(Duration::ZERO), 116_444_736_000_000_000);
        assert_eq!(
            from_unix(Duration::new(1_000_000_000, 123_456_700)),
            126_444_736_001_234_567
        );
    }

    #[test]
    fn distance_has_no_direction_and_does_not_overflow() {
        assert_eq!(distance(25_000_001, 0), Duration::new(2, 500_000_100));
        assert_eq!(distance(0, 25_000_001), Duration::new(2, 500_000_100));
        assert!(distance(u64::MAX, 0) > Duration::from_secs(1_800_000_000_000));
    }
}
