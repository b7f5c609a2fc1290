//! Does inheriting pay? The rule, and the sentence that says so plainly.

use super::CONFIDENCE;
use super::proof::Fraction;

/// Whether the interval of the paired difference lies above 0 at more than half of the fractions, and
/// below 0 at none; with a sentence. A single seed has no interval and proves nothing.
pub(super) fn verdict(fractions: &[Fraction]) -> (bool, String) {
    let count = fractions.len();
    let better = fractions.iter().filter(|row| row.difference.low.is_some_and(|low| low > 0.0)).count();
    let worse = fractions.iter().filter(|row| row.difference.high.is_some_and(|high| high < 0.0)).count();
    let unknown = fractions.iter().filter(|row| row.difference.low.is_none()).count();
    let amounts = if count == 1 { "amount" } else { "amounts" };
    let confidence = format!("{:.0} %", CONFIDENCE * 100.0);
    let range = range(fractions);
    let sentence = if worse > 0 {
        format!(
            "Inheriting does not pay: the accuracy is lower at {worse} of {count} {amounts} of labels and higher at {better}, \
             with {confidence} confidence each ({range})."
        )
    } else if 2 * better > count {
        format!(
            "Inheriting pays: the accuracy is higher at {better} of {count} {amounts} of labels, with {confidence} confidence each \
             ({range})."
        )
    } else if unknown == count {
        format!("Inheriting is not shown to pay: one seed says nothing about chance ({range}).")
    } else {
        let single = match unknown {
            0 => String::new(),
            some => format!("; {some} had one seed only"),
        };
        format!(
            "Inheriting is not shown to pay: the accuracy is higher at only {better} of {count} {amounts} of labels, with {confidence} \
             confidence each{single} ({range})."
        )
    };
    (worse == 0 && 2 * better > count, sentence)
}

/// `+1.20 points with 600 labels, +0.10 points with 60000`: the mean difference at both ends.
fn range(fractions: &[Fraction]) -> String {
    let points = |row: &Fraction| format!("{:+.2} points", row.difference.mean * 100.0 + 0.0);
    match fractions {
        [only] => format!("{} with {} labels", points(only), only.labels),
        [first, .., last] => {
            format!("{} with {} labels, {} with {}", points(first), first.labels, points(last), last.labels)
        }
        [] => String::new(),
    }
}
