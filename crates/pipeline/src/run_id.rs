//! The name of a run: its scheme and when it started.

use store::Store;

use crate::error::RunError;

/// The longest part of a scheme's name in a run's id.
const NAME_BYTES_MAX: usize = 64;

/// `NAME-YYYYMMDD-HHMMSS` in UTC, with a number behind it if there is such a run already.
pub(crate) fn run_id(store: &Store, name: &str, now_unix_ms: i64) -> Result<String, RunError> {
    let name: String = name.chars().filter(char::is_ascii).take(NAME_BYTES_MAX).collect();
    let name = name.replace('/', "-");
    let start = format!("{name}-{}", timestamp(now_unix_ms));
    let taken: Vec<String> = store.runs()?.into_iter().map(|run| run.record.id).collect();
    let mut id = start.clone();
    let mut number = 2u64;
    while taken.contains(&id) {
        id = format!("{start}-{number}");
        number += 1;
    }
    Ok(id)
}

/// `YYYYMMDD-HHMMSS` in UTC, by the proleptic Gregorian calendar.
fn timestamp(unix_ms: i64) -> String {
    let seconds = unix_ms.div_euclid(1000);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

/// The date of a day since 1970-01-01, with years that begin in March so that leap days come last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // from March
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_utc() {
        for (unix_ms, expect) in [
            (0, "19700101-000000"),
            (951_782_400_000, "20000229-000000"),
            (1_763_927_999_999, "20251123-195959"),
            (-1, "19691231-235959"),
            (4_102_444_800_000, "21000101-000000"),
        ] {
            assert_eq!(timestamp(unix_ms), expect);
        }
    }
}
