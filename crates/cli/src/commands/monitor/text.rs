//! A review for the terminal.

use monitor::{Finding, Labelled, Review, ReviewOptions};

use crate::tables::{Column, facts, paragraph, table};
use crate::{quantities, terminal};

/// Smaller p-values are not told apart.
const P_MIN: f64 = 1e-12;

/// Facts, what raises an alarm in sentences, every test in a table.
pub(super) fn draw(model: &str, options: &ReviewOptions, found: &Review, width: usize) -> String {
    let mut parts = vec![facts(width, summary(model, options, found))];
    let told = found.newest.sentences();
    parts.push(
        told.iter().map(|text| paragraph(width, &format!("- {}", terminal::printable(text)))).collect(),
    );
    parts.push(tests(&found.newest.findings, width));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn summary(model: &str, options: &ReviewOptions, found: &Review) -> Vec<(&'static str, String)> {
    let newest = &found.newest;
    let mut facts = vec![("model", model.to_owned()), ("log", log(found))];
    if let Some([first, last]) = found.newest_unix_ms {
        let (first, last) = (quantities::moment(first), quantities::moment(last));
        let count = quantities::counted(newest.requests as usize, "request");
        facts.push(("window", format!("the newest {count}, {first} to {last}")));
    }
    facts.push((
        "against",
        format!(
            "{} held out when the model was made",
            quantities::counted(newest.examples as usize, "example")
        ),
    ));
    if found.past.len() > 1 {
        let raised = found.past.iter().filter(|past| past.alarm).count();
        let count = quantities::counted(found.past.len(), "whole window");
        facts.push(("so far", format!("{} of {count} with an alarm", quantities::count(raised))));
    }
    facts.extend(found.labelled.iter().flat_map(labelled));
    let raised = newest.alarms().len();
    let verdict = match (newest.alarm, newest.enough) {
        (true, _) => format!("ALARM by {raised} of {} tests", newest.findings.len()),
        (false, true) => format!(
            "no alarm; a false one is raised in at most {} of windows",
            quantities::percent(options.settings.false_alarm_rate)
        ),
        (false, false) => format!(
            "no alarm, for there are too few: {} requests are needed, and 50 examples",
            options.settings.sample_min
        ),
    };
    facts.push(("verdict", verdict));
    facts
}

fn log(found: &Review) -> String {
    let mut text = format!(
        "{} answered, {} not; {} of other models or versions",
        quantities::counted(found.requests as usize, "request"),
        quantities::count(found.unanswered as usize),
        quantities::count(found.others as usize)
    );
    if found.log.torn + found.log.damaged > 0 {
        let (torn, damaged) = (found.log.torn as usize, found.log.damaged as usize);
        text += &format!(
            "; {} cut off and {} damaged",
            quantities::counted(torn, "line"),
            quantities::count(damaged)
        );
    }
    text
}

fn labelled(labelled: &Labelled) -> Vec<(&'static str, String)> {
    let mut facts = vec![(
        "labels",
        format!(
            "of {}; {} of requests that are not in the log",
            quantities::counted(labelled.requests as usize, "request"),
            quantities::count(labelled.unmatched as usize)
        ),
    )];
    if let (Some(accuracy), Some([low, high]), Some(before)) =
        (labelled.accuracy, labelled.interval, labelled.test_accuracy)
    {
        let [accuracy, low, high, before] = [accuracy, low, high, before].map(quantities::percent);
        let text = format!("{accuracy} (95 % confidence: {low} to {high}); {before} on the test part");
        facts.push(("accuracy", text));
    }
    if let (Some(mae), Some(rmse)) = (labelled.mae, labelled.rmse) {
        let [mae, rmse] = [mae, rmse].map(quantities::measure);
        facts.push(("errors", format!("mean absolute error {mae}, root mean squared error {rmse}")));
    }
    if labelled.unknown > 0 {
        let count = quantities::counted(labelled.unknown as usize, "label");
        facts.push(("unknown", format!("{count} that the model cannot answer")));
    }
    facts
}

fn tests(findings: &[Finding], width: usize) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let columns = [
        Column::Text("statistic"),
        Column::Text("test"),
        Column::Number("value"),
        Column::Number("by chance"),
        Column::Number("alarm from"),
        Column::Number("p"),
        Column::Text(""),
    ];
    let rows = findings.iter().map(|finding| {
        let number = |value: f64| format!("{value:.3}");
        [
            terminal::printable(&finding.statistic),
            finding.test.name().to_owned(),
            number(finding.value),
            number(finding.chance),
            number(from(finding)),
            probability(finding.p_corrected),
            if finding.alarm { "ALARM".to_owned() } else { String::new() },
        ]
    });
    table(width, &columns, rows)
}

/// From which value on the effect matters.
fn from(finding: &Finding) -> f64 {
    match finding.test {
        monitor::Test::Accuracy => -finding.effect_min,
        // Their effects are differences of squares.
        monitor::Test::ChiSquared | monitor::Test::Embedding => finding.chance.hypot(finding.effect_min),
        monitor::Test::Psi | monitor::Test::Ks => finding.chance + finding.effect_min,
    }
}

fn probability(p: f64) -> String {
    match p {
        _ if p >= 0.001 => format!("{p:.3}"),
        _ if p >= P_MIN => format!("{p:.0e}"),
        _ => format!("<{P_MIN:.0e}"),
    }
}
