use std::fmt;
use std::time::Duration;

use rasn::prelude::Tag;

use super::primitive::contents_codec;

/// KerberosTime (RFC 4120, section 5.2.3): seconds since 1970-01-01 00:00:00 UTC, from the year 1970 to 9999.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KerberosTime(u64);

impl KerberosTime {
    /// 2037-09-13 02:48:05, which Windows' clients ask tickets to last until.
    pub const FAR_FUTURE: Self = Self(2_136_422_885);

    /// The last that four digits of a year can say.
    const LAST: u64 = 253_402_300_799;

    /// From seconds since the Unix epoch; those beyond the year 9999 become its last.
    pub const fn from_unix(seconds: u64) -> Self {
        Self(if seconds > Self::LAST {
            Self::LAST
        } else {
            seconds
        })
    }

    /// Seconds since the Unix epoch.
    pub const fn to_unix(self) -> u64 {
        self.0
    }

    /// How far apart two times are.
    pub const fn distance(self, other: Self) -> Duration {
        Duration::from_secs(self.0.abs_diff(other.0))
    }

    fn from_contents(contents: &[u8]) -> Option<Self> {
        // RFC 4120, section 5.2.3: it "SHALL NOT include any fractional portions of the seconds", and "Z" ends it.
        let [digits @ .., b'Z'] = contents else {
            return None;
        };
        if digits.len() != 14 {
            return None;
        }
        let number = |from: usize, to: usize| {
            digits.get(from..to)?.iter().try_fold(0, |sum, digit| {
                let digit = char::from(*digit).to_digit(10)?;
                Some(sum * 10 + u64::from(digit))
            })
        };
        let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
        let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = days_since_1970(year, month, day)?;
        let time = Self(((days * 24 + hour) * 60 + minute) * 60 + second);
        // A date that does not exist, such as February the 30th, comes out as another one.
        (time.to_contents() == contents).then_some(time)
    }

    fn to_contents(self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

contents_codec!(KerberosTime, Tag::GENERALIZED_TIME,);

impl fmt::Display for KerberosTime {
    /// As it stands in messages: `20370913024805Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.0 / 86_400);
        let (hour, minute, second) = (self.0 / 3600 % 24, self.0 / 60 % 60, self.0 % 60);
        write!(
            f,
            "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z"
        )
    }
}

impl fmt::Debug for KerberosTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The days from 0000-03-01 to 1970-01-01. Years that begin in March have their leap day at the end.
const MARCH_OF_YEAR_0: u64 = 719_468;

/// The days of 400 years, after which the calendar repeats.
const ERA: u64 = 146_097;

/// `None` for dates before 1970, and for months and days that no calendar has.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month < 3 { year - 1 } else { year };
    let of_era = year % 400;
    let month = (month + 9) % 12;
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = year / 400 * ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    days.checked_sub(MARCH_OF_YEAR_0)
}

/// The year, month and day of a number of days since 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + MARCH_OF_YEAR_0;
    let of_era = days % ERA;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = days / ERA * 400 + year_of_era + u64::from(month < 3);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_they_are_read() {
        for (text, seconds) in [
            ("19700101000000Z", 0),
            ("20000229235959Z", 951_868_799),
            ("20370913024805Z", 2_136_422_885),
            ("99991231235959Z", KerberosTime::LAST),
        ] {
            let time = KerberosTime::from_contents(text.as_bytes()).unwrap();
            assert_eq!((time.to_unix(), &*time.to_string()), (seconds, text));
        }
        assert_eq!(KerberosTime::FAR_FUTURE.to_string(), "20370913024805Z");
        assert_eq!(
            KerberosTime::from_unix(u64::MAX).to_string(),
            "99991231235959Z"
        );
    }

    #[test]
    fn refuses_times_in_another_form_and_dates_that_do_not_exist() {
        for bad in [
            "20370913024805.5Z",
            "20370913024805",
            "20370913024805+0000",
            "203709130248Z",
            "20370230000000Z",
            "20370001000000Z",
            "20371301000000Z",
            "20370100000000Z",
            "20370101240000Z",
            "20370101006000Z",
            "20370101000060Z",
            "19691231235959Z",
            "2037O913024805Z",
            "",
        ] {
            assert!(
                KerberosTime::from_contents(bad.as_bytes()).is_none(),
                "{bad}"
            );
        }
    }
}
