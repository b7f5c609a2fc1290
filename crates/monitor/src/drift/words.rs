//! Findings as plain sentences.

use super::{Settings, Test};
use crate::sketch::Sketch;

/// Which way a distribution moved.
pub(super) fn moved(sketch: &Sketch, counts: &[u32]) -> String {
    let name = &sketch.name;
    let [missing_before, missing_after] = [&sketch.counts[..], counts]
        .map(|counts| f64::from(*counts.last().unwrap_or(&0)) / super::sum(counts).max(1) as f64);
    if (missing_after - missing_before).abs() >= 0.1 {
        let [before, after] = [missing_before, missing_after].map(percent);
        return format!("`{name}` is no number in {after} of the requests, in {before} of the examples");
    }
    match (sketch.median(&sketch.counts), sketch.median(counts)) {
        (Some(before), Some(after)) if before != after => {
            let way = if after > before { "higher" } else { "lower" };
            let [before, after] = [before, after].map(number);
            format!(
                "`{name}` is {way}: half of the requests lie above {after}, half of the examples above {before}"
            )
        }
        _ => format!("`{name}` is spread otherwise than in the examples, around the same middle"),
    }
}

/// How far the embedding's mean is away.
pub(super) fn apart(effect: f64) -> String {
    format!("taken together, the inputs lie {effect:.2} deviations away from the examples")
}

/// The class whose share changed most.
pub(super) fn classes(labels: &[String], before: &[u32], after: &[u32]) -> String {
    let [all_before, all_after] = [before, after].map(|counts| super::sum(counts).max(1) as f64);
    let share = |place: usize| (f64::from(before[place]) / all_before, f64::from(after[place]) / all_after);
    let change = |place: &usize| {
        let (before, after) = share(*place);
        (after - before).abs()
    };
    let most =
        (0..before.len().min(after.len())).max_by(|left, right| change(left).total_cmp(&change(right)));
    let Some(most) = most else { return "the classes answered differ".to_owned() };
    let (was, is) = share(most);
    format!(
        "`{}` is the answer to {} of the requests, to {} of the examples",
        labels[most],
        percent(is),
        percent(was)
    )
}

/// What became of the accuracy.
pub(super) fn accuracy(requests: u64, after: f64, before: f64) -> String {
    format!(
        "{} of {requests} labelled answers are right, {} of the examples' are",
        percent(after),
        percent(before)
    )
}

/// Why there is no alarm.
pub(super) fn same(statistic: &str, test: Test, p_corrected: f64, settings: &Settings) -> String {
    let what = match test {
        Test::Embedding => "taken together, the inputs are".to_owned(),
        Test::ChiSquared => "the classes answered are".to_owned(),
        Test::Accuracy => "the labelled answers are right".to_owned(),
        Test::Psi | Test::Ks => format!("`{statistic}` is"),
    };
    match (p_corrected <= settings.false_alarm_rate, test) {
        (_, Test::Accuracy) => format!("{what} as often as those of the examples, or nearly so"),
        (true, _) => format!("{what} not quite as in the examples; the difference is too small to matter"),
        (false, _) => format!("{what} as in the examples, as far as so many requests can tell"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Three or four digits that count.
fn number(value: f32) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if (0.001..10.0).contains(&size) => format!("{value:.3}"),
        size if (10.0..1e6).contains(&size) => format!("{value:.1}"),
        _ => format!("{value:.2e}"),
    }
}
