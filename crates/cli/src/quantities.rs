//! Numbers for people.

use std::time::{Duration, UNIX_EPOCH};

use indicatif::{DecimalBytes, HumanCount};

/// `60000` as `60,000`.
pub(crate) fn count(number: usize) -> String {
    HumanCount(number as u64).to_string()
}

/// `1 example`, `60,000 examples`.
pub(crate) fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number))
}

/// Bytes in powers of 1000: `1.39 MB`.
pub(crate) fn bytes(number: u64) -> String {
    DecimalBytes(number).to_string()
}

/// A length of time: `4.2 ms`, `0.31 s`, `24.1 s`, `3 min 05 s`, `2 h 07 min`.
pub(crate) fn seconds(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        _ if seconds < 0.09995 => format!("{:.1} ms", seconds * 1000.0),
        _ if seconds < 9.995 => format!("{seconds:.2} s"),
        _ if seconds < 99.95 => format!("{seconds:.1} s"),
        _ if whole < 3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// An estimate of the time left, to the second: `12 s`, `3 min 05 s`.
pub(crate) fn seconds_left(left: f64) -> String {
    if left < 99.5 { format!("{left:.0} s") } else { seconds(left) }
}

/// A share of one: `98.18 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A loss or an error: four decimals, or four digits where that says nothing.
pub(crate) fn measure(number: f64) -> String {
    if number == 0.0 || (0.001..1e6).contains(&number.abs()) {
        format!("{number:.4}")
    } else {
        format!("{number:.3e}")
    }
}

/// The metric called `name`: shares as percentages.
pub(crate) fn metric(name: &str, value: f64) -> String {
    if name.ends_with("accuracy") { percent(value) } else { measure(value) }
}

/// A moment: `2026-11-23 19:26:05 UTC`.
pub(crate) fn moment(unix_ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(unix_ms).unwrap_or(0));
    match UNIX_EPOCH.checked_add(since) {
        // Later years than the format has are damage; the number says as much.
        Some(moment) if unix_ms < 253_402_300_800_000 => {
            humantime::format_rfc3339_seconds(moment).to_string().replace('T', " ").replace('Z', " UTC")
        }
        _ => format!("{unix_ms} ms after 1970"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (number, expect) in [
            (0.00123, "1.2 ms"),
            (0.31, "0.31 s"),
            (9.996, "10.0 s"),
            (24.13, "24.1 s"),
            (185.2, "3 min 05 s"),
            (7650.0, "2 h 07 min"),
        ] {
            assert_eq!(seconds(number), expect);
        }
        assert_eq!(seconds_left(12.4), "12 s");
        assert_eq!(moment(1_795_461_965_123), "2026-11-23 19:26:05 UTC");
        assert_eq!(moment(i64::MAX), "9223372036854775807 ms after 1970");
        assert_eq!(moment(-1), "1970-01-01 00:00:00 UTC");
    }

    #[test]
    fn numbers() {
        assert_eq!(counted(60_000, "example"), "60,000 examples");
        assert_eq!(counted(1, "example"), "1 example");
        for (number, expect) in
            [(0.0903, "0.0903"), (0.0, "0.0000"), (0.000123, "1.230e-4"), (-2.5e7, "-2.500e7")]
        {
            assert_eq!(measure(number), expect);
        }
        assert_eq!(metric("directional_accuracy", 0.5), "50.00 %");
        assert_eq!(metric("f1_macro", 0.5), "0.5000");
    }
}
