//! `heirloom watch`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Json, SchemeChoice, StoreChoice};

/// Keeps a model up to date: makes a new one when the data changed or drifted, and promotes it if it passes its gates
///
/// The new model inherits from the version that the alias of [deploy] points at, unless the scheme says where it comes
/// from. Every decision is in the history; what was decided about a scheme and its data is not decided again. Ends
/// after the present step when asked to terminate, and may be killed at any moment: the next start goes on.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) scheme: SchemeChoice,
    /// How long to wait between two looks: a number and ms, s, m or h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = interval)]
    pub(crate) interval: Duration,
    /// Look once, do what is to be done, and end; exit status 3 if a gate refuses the new model
    #[arg(long)]
    pub(crate) once: bool,
    /// A JSON document that says whether what comes in has drifted: {"alarm": true}; it may not be there yet
    #[arg(long, value_name = "FILE")]
    pub(crate) drift_report: Option<PathBuf>,
    /// Judge the requests that `serve --log` keeps, in FOLDER or beside the store, by the profile of the version that serves
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, conflicts_with = "drift_report")]
    pub(crate) requests: Option<Option<PathBuf>>,
    /// Threads to compute with; the result does not depend on it [default: all processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Say nothing on standard error but what is wrong
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// The longest time between two looks.
const INTERVAL_MAX: Duration = Duration::from_secs(31 * 24 * 3600);

/// Reads `500ms`, `60s`, `5m`, `1h`.
fn interval(text: &str) -> Result<Duration, String> {
    let digits = text.find(|each: char| !each.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write a whole number and one of ms, s, m, h, such as 60s".to_owned()),
    };
    let milliseconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms));
    let time = milliseconds.map(Duration::from_millis).filter(|time| *time <= INTERVAL_MAX);
    time.filter(|time| !time.is_zero()).ok_or_else(|| "from 1ms to 744h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_a_unit() {
        for (text, expect) in [("500ms", Some(500)), ("60s", Some(60_000)), ("2h", Some(7_200_000))] {
            assert_eq!(interval(text).ok().map(|time| time.as_millis()), expect, "{text}");
        }
        for text in ["60", "s", "0s", "-1s", "1.5s", "745h", "99999999999999999999s"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
