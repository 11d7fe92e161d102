use crate::environment::Environment;
use crate::kerberos::asn1::{KerberosTime, Microseconds};

/// Our clock, set right by so many seconds.
pub(super) fn now(environment: &Environment, offset: i64) -> (KerberosTime, Microseconds) {
    let now = environment.time.since_unix_epoch();
    let seconds = now.as_secs().saturating_add_signed(offset);
    let microseconds = Microseconds::new(now.subsec_micros()).unwrap_or_default();
    (KerberosTime::from_unix(seconds), microseconds)
}

/// What our clock lacks to say this time, in seconds.
pub(super) fn offset_to(environment: &Environment, time: KerberosTime) -> i64 {
    let (now, _) = now(environment, 0);
    let distance = i64::try_from(time.distance(now).as_secs()).unwrap_or(i64::MAX);
    if time < now { -distance } else { distance }
}
