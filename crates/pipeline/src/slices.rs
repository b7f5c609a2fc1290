//! Accuracy slice by slice of the test part, for gates that ask for fairness.

use data::Slices;
use scheme::{Gate, ResolvedScheme, Slice};

use crate::error::RunError;
use crate::metrics::ClassificationMetrics;
use crate::prepare::{Examples, placed};

/// Of more slices that are too small to be judged, only the first are named.
const NAMED_MAX: usize = 10;
/// Of a longer value, only the beginning is shown.
const NAME_CHARS_MAX: usize = 60;

/// How one slice of the test part was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SliceAccuracy {
    /// The value that all its examples share.
    pub(crate) name: String,
    /// Examples answered right.
    pub(crate) right: u64,
    /// Examples in all.
    pub(crate) examples: u64,
}

impl SliceAccuracy {
    fn accuracy(&self) -> f64 {
        self.right as f64 / (self.examples as f64).max(1.0)
    }
}

/// The columns that gates divide the test part by, each with the place that names it first.
fn columns(scheme: &ResolvedScheme) -> Vec<(&str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    for step in scheme.evaluate.gate.iter() {
        if let Some(Slice::Column(column)) = &step.op.slice
            && !found.iter().any(|(known, _)| known == column)
        {
            found.push((column, format!("evaluate.gate.{}.slice", step.name)));
        }
    }
    found
}

/// Whether a gate divides the test part by a column.
pub(crate) fn divides(scheme: &ResolvedScheme) -> bool {
    !columns(scheme).is_empty()
}

/// What divides the examples, before anything is trained: a column that is not there costs no training.
pub(crate) fn divide(
    scheme: &ResolvedScheme,
    source: &data::Source,
    examples: &Examples,
) -> Result<Vec<(String, Slices)>, RunError> {
    let divided = columns(scheme).into_iter().map(|(column, key)| {
        let found = data::slices(source, &examples.dataset, column).map_err(|error| match error {
            data::DataError::Invalid(found) => placed(scheme, &[&key], found).into(),
            failure => RunError::from(failure),
        });
        Ok((column.to_owned(), found?))
    });
    divided.collect()
}

/// The slices by class: what is right of a class is its recall.
pub(crate) fn by_class(test: &ClassificationMetrics) -> Vec<SliceAccuracy> {
    let classes = test.per_class.iter().zip(&test.confusion).enumerate();
    classes
        .map(|(number, (class, row))| SliceAccuracy {
            name: class.class.clone(),
            right: row[number],
            examples: class.support,
        })
        .collect()
}

/// The slices by a column: `rows` of the data set and whether each was answered right.
pub(crate) fn by_column(slices: &Slices, rows: &[u32], right: &[bool]) -> Vec<SliceAccuracy> {
    let begin = |name: &String| SliceAccuracy { name: name.clone(), right: 0, examples: 0 };
    let mut found: Vec<SliceAccuracy> = slices.names.iter().map(begin).collect();
    for (&row, &right) in rows.iter().zip(right) {
        let slice = &mut found[slices.of_row[row as usize] as usize];
        slice.examples += 1;
        slice.right += u64::from(right);
    }
    found.retain(|slice| slice.examples > 0);
    found
}

/// What the conditions of `gate` come to: key, whether it holds, and the sentence.
pub(crate) fn conditions(gate: &Gate, slices: &[SliceAccuracy]) -> Vec<(&'static str, bool, String)> {
    let Some(of) = &gate.slice else { return Vec::new() };
    let of = match of {
        Slice::Class => "class",
        Slice::Column(name) => name,
    };
    let least = gate.slice_examples_min.unwrap_or(1) as u64;
    let (judged, small): (Vec<_>, Vec<_>) = slices.iter().partition(|slice| slice.examples >= least);
    let passed_over = passed_over(&small, least);
    let by_accuracy =
        |one: &&&SliceAccuracy, other: &&&SliceAccuracy| one.accuracy().total_cmp(&other.accuracy());
    let ends = judged.iter().min_by(by_accuracy).zip(judged.iter().max_by(by_accuracy));
    let Some((worst, best)) = ends else {
        let keys = [gate.slice_min.map(|_| "slice_min"), gate.slice_gap_max.map(|_| "slice_gap_max")];
        let sentence = format!("It cannot be judged: no slice by `{of}` has {least} test examples.");
        return keys.into_iter().flatten().map(|key| (key, false, sentence.clone())).collect();
    };
    let count = judged.len();
    let min = gate.slice_min.map(|min| {
        let sentence = format!(
            "of {count} slices by `{of}`, `{}` is answered worst: {:.4} right of {} test examples; at least {min} is \
             required.{passed_over}",
            shown(&worst.name),
            worst.accuracy(),
            worst.examples
        );
        ("slice_min", worst.accuracy() >= min, sentence)
    });
    let gap = gate.slice_gap_max.map(|most| {
        let gap = best.accuracy() - worst.accuracy();
        let sentence = format!(
            "of {count} slices by `{of}`, `{}` has {:.4} right and `{}` {:.4}, {gap:.4} apart; at most {most} is \
             allowed.{passed_over}",
            shown(&best.name),
            best.accuracy(),
            shown(&worst.name),
            worst.accuracy()
        );
        ("slice_gap_max", gap <= most, sentence)
    });
    min.into_iter().chain(gap).collect()
}

/// A cell of a table as a sentence bears it: not too long, and nothing in it steers a terminal.
fn shown(name: &str) -> String {
    let start: String = name.chars().take(NAME_CHARS_MAX).flat_map(escaped).collect();
    if name.chars().nth(NAME_CHARS_MAX).is_some() { format!("{start}…") } else { start }
}

fn escaped(each: char) -> Vec<char> {
    if each.is_control() { each.escape_default().collect() } else { vec![each] }
}

/// Names the slices that are too small to be judged.
fn passed_over(small: &[&SliceAccuracy], least: u64) -> String {
    if small.is_empty() {
        return String::new();
    }
    let named: Vec<String> = small
        .iter()
        .take(NAMED_MAX)
        .map(|slice| format!("`{}` ({} of {} right)", shown(&slice.name), slice.right, slice.examples))
        .collect();
    let more = match small.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(" Not judged, for they have fewer than {least} test examples: {}{more}.", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(text: &str) -> Gate {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn small_slices_are_named_and_not_judged() {
        let slice = |name: &str, right, examples| SliceAccuracy { name: name.into(), right, examples };
        let slices = [slice("f", 80, 100), slice("m", 190, 200), slice("x", 0, 3)];
        let gate =
            gate(r#"{"slice": "sex", "slice_min": 0.75, "slice_gap_max": 0.1, "slice_examples_min": 20}"#);
        let found = conditions(&gate, &slices);
        let told: Vec<String> =
            found.iter().map(|(key, holds, text)| format!("{key} {holds} {text}")).collect();
        assert_eq!(
            told,
            [
                "slice_min true of 2 slices by `sex`, `f` is answered worst: 0.8000 right of 100 test examples; at least \
                 0.75 is required. Not judged, for they have fewer than 20 test examples: `x` (0 of 3 right).",
                "slice_gap_max false of 2 slices by `sex`, `m` has 0.9500 right and `f` 0.8000, 0.1500 apart; at most 0.1 is \
                 allowed. Not judged, for they have fewer than 20 test examples: `x` (0 of 3 right).",
            ]
        );
        let none = conditions(&gate, &slices[2..]);
        assert!(none.len() == 2 && none.iter().all(|(_, holds, text)| !holds && text.contains("no slice")));
    }

    #[test]
    fn cells_are_shown_in_short() {
        assert_eq!(shown("é\u{1b}[2J"), "é\\u{1b}[2J");
        assert_eq!(shown(&"x".repeat(1_000_000)), format!("{}…", "x".repeat(60)));
    }

    #[test]
    fn rows_are_counted_by_their_value() {
        let slices = Slices { names: vec!["a".into(), "b".into(), "c".into()], of_row: vec![0, 1, 1, 0, 2] };
        let found = by_column(&slices, &[1, 2, 3], &[true, false, true]);
        let told: Vec<_> = found.iter().map(|each| (each.name.as_str(), each.right, each.examples)).collect();
        assert_eq!(told, [("a", 1, 1), ("b", 1, 2)]);
    }
}
