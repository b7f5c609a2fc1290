//! A comparison for the terminal.

use inherit::compare::{Changed, ChangedValue, Comparison, RegressionComparison, Side};
use pipeline::{Compared, ModelComparison};

use crate::tables::{Column, facts, table};
use crate::{quantities, terminal};

/// Changed cases of each kind that are listed; all are in `--json`.
const CASES_SHOWN: usize = 10;

/// Everything, in tables.
pub(super) fn draw(found: &ModelComparison, width: usize) -> String {
    let mut text = match &found.outcome {
        Compared::Classes(comparison) => classes(found, comparison, width),
        Compared::Values(comparison) => values(found, comparison, width),
    };
    for notice in &found.notices {
        text.push_str(&format!("\nnote: {}\n", terminal::printable(notice)));
    }
    text
}

fn classes(found: &ModelComparison, comparison: &Comparison, width: usize) -> String {
    let difference = &comparison.difference;
    let interval = difference.bootstrap;
    let first = facts(
        width,
        [
            ("cases", quantities::count(comparison.cases as usize)),
            ("agreement", quantities::percent(comparison.agreement)),
            ("newly broken", quantities::count(comparison.newly_broken.len())),
            ("newly fixed", quantities::count(comparison.newly_fixed.len())),
            (
                "accuracy",
                format!(
                    "{} ({} confidence: {} to {})",
                    points(difference.value),
                    quantities::percent(difference.confidence),
                    points(interval.low),
                    points(interval.high)
                ),
            ),
            ("McNemar p", probability(comparison.mcnemar_p)),
        ]
        .into_iter()
        .chain(apart(comparison)),
    );
    let share = |side: &Side| quantities::percent(side.accuracy);
    let range = |side: &Side| {
        format!("{} to {}", quantities::percent(side.interval.low), quantities::percent(side.interval.high))
    };
    let error = |side: &Side| {
        side.calibration.as_ref().map_or("-".to_owned(), |found| quantities::measure(found.ece))
    };
    let (before, after) = (&comparison.before, &comparison.after);
    let mut rows = vec![
        ["accuracy".to_owned(), share(before), share(after)],
        ["its interval".to_owned(), range(before), range(after)],
        ["calibration error".to_owned(), error(before), error(after)],
    ];
    rows.extend(costs(found));
    [
        first,
        sides(rows, found, width),
        per_class(comparison, width),
        changed("newly broken", &comparison.newly_broken, width),
        changed("newly fixed", &comparison.newly_fixed, width),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

/// The cases of classes that only one side knows.
fn apart(comparison: &Comparison) -> Vec<(&'static str, String)> {
    let apart = &comparison.apart;
    let counted = |cases: u64, right: u64| {
        format!(
            "{}, of which {} right",
            quantities::counted(cases as usize, "case"),
            quantities::count(right as usize)
        )
    };
    let mut facts = Vec::new();
    if apart.new_cases > 0 {
        facts.push(("new classes", counted(apart.new_cases, apart.new_right)));
    }
    if apart.lost_cases > 0 {
        facts.push(("lost classes", counted(apart.lost_cases, apart.lost_right)));
    }
    if apart.unknown_cases > 0 {
        facts.push(("unknown to both", quantities::counted(apart.unknown_cases as usize, "case")));
    }
    facts
}

fn values(found: &ModelComparison, comparison: &RegressionComparison, width: usize) -> String {
    let first = facts(
        width,
        [
            ("cases", quantities::count(comparison.cases as usize)),
            ("newly worse", quantities::count(comparison.newly_worse.len())),
            ("newly better", quantities::count(comparison.newly_better.len())),
            ("tolerance", comparison.tolerance.to_string()),
            ("sign test p", probability(comparison.sign_p)),
        ],
    );
    let [before, after] = [comparison.mae_before, comparison.mae_after].map(quantities::measure);
    let mut rows = vec![["mean absolute error".to_owned(), before, after]];
    rows.extend(costs(found));
    [
        first,
        sides(rows, found, width),
        changed_values("newly worse", &comparison.newly_worse, width),
        changed_values("newly better", &comparison.newly_better, width),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

/// What both models cost: rows of a name, and the figure of each.
fn costs(found: &ModelComparison) -> [[String; 3]; 3] {
    let both = [&found.before, &found.after];
    let [parameters, sizes] = [
        both.map(|model| quantities::count(model.parameters as usize)),
        both.map(|model| quantities::bytes(model.bytes)),
    ];
    let latencies = both.map(|model| match model.latency_ms {
        Some(milliseconds) => format!("{milliseconds:.3} ms"),
        None => "-".to_owned(),
    });
    let row = |name: &str, [before, after]: [String; 2]| [name.to_owned(), before, after];
    [row("parameters", parameters), row("size", sizes), row("latency", latencies)]
}

fn sides(rows: Vec<[String; 3]>, found: &ModelComparison, width: usize) -> String {
    // Titles are constants of a column; names of models are not, so they are a row of their own.
    let columns = [Column::Text(""), Column::Number("before"), Column::Number("after")];
    let names = ["model".to_owned(), found.before.model.clone(), found.after.model.clone()];
    table(width, &columns, std::iter::once(names).chain(rows))
}

fn per_class(comparison: &Comparison, width: usize) -> String {
    let columns = [
        Column::Text("class"),
        Column::Number("cases"),
        Column::Number("before"),
        Column::Number("after"),
        Column::Number("newly broken"),
        Column::Number("newly fixed"),
    ];
    let share = |share: Option<f64>| share.map_or("-".to_owned(), quantities::percent);
    let rows = comparison.per_class.iter().map(|row| {
        [
            terminal::printable(&row.class),
            quantities::count(row.cases as usize),
            share(row.before),
            share(row.after),
            quantities::count(row.newly_broken as usize),
            quantities::count(row.newly_fixed as usize),
        ]
    });
    table(width, &columns, rows)
}

fn changed(title: &'static str, cases: &[Changed], width: usize) -> String {
    let columns = [Column::Text(title), Column::Text("is"), Column::Text("before"), Column::Text("after")];
    let rows = cases.iter().map(|case| {
        [
            case.digest.short(),
            terminal::printable(&case.expected),
            terminal::printable(&case.before),
            terminal::printable(&case.after),
        ]
    });
    first_few(&columns, rows, cases.len(), width)
}

fn changed_values(title: &'static str, cases: &[ChangedValue], width: usize) -> String {
    let columns =
        [Column::Text(title), Column::Number("is"), Column::Number("before"), Column::Number("after")];
    let rows = cases.iter().map(|case| {
        let [expected, before, after] = [case.expected, case.before, case.after].map(quantities::measure);
        [case.digest.short(), expected, before, after]
    });
    first_few(&columns, rows, cases.len(), width)
}

fn first_few(
    columns: &[Column],
    rows: impl Iterator<Item = [String; 4]>,
    count: usize,
    width: usize,
) -> String {
    match count {
        0 => String::new(),
        1..=CASES_SHOWN => table(width, columns, rows),
        _ => {
            let drawn = table(width, columns, rows.take(CASES_SHOWN));
            format!("{drawn}and {} more; all are in --json\n", quantities::count(count - CASES_SHOWN))
        }
    }
}

/// A difference of shares: `+1.25 points`.
pub(super) fn points(difference: f64) -> String {
    format!("{:+.2} points", difference * 100.0 + 0.0)
}

/// A p-value: three digits, however small.
pub(super) fn probability(p: f64) -> String {
    if p >= 0.001 { format!("{p:.3}") } else { format!("{p:.1e}") }
}
