//! The profile for people.

use engine::{Peak, StepTime};

use super::Terms;
use super::measured::Measured;
use super::subject::Subject;
use crate::commands::engine::peaks::Known;
use crate::tables::{Column, facts, paragraph, table};
use crate::{quantities, terminal};

/// Of more steps, those that take longest are shown.
const SHOWN: usize = 20;

/// Facts, and the steps of the plan.
pub(super) fn draw(
    subject: &Subject,
    terms: &Terms,
    measured: &Measured,
    peak: &Known,
    all: bool,
    width: usize,
) -> String {
    let steps = &measured.steps.steps;
    let mut shown: Vec<&StepTime> = steps.iter().filter(|step| step.name != "results").collect();
    let count = shown.len();
    if !all {
        shown.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        shown.truncate(SHOWN);
    }
    let total: f64 = steps.iter().map(|step| step.seconds).sum();
    let left: f64 = total - shown.iter().map(|step| step.seconds).sum::<f64>();
    let columns = [
        Column::Text("step"),
        Column::Text("of node"),
        Column::Number("ms"),
        Column::Number("share"),
        Column::Number("GFLOP/s"),
        Column::Number("of peak"),
        Column::Number("MB"),
        Column::Number("GB/s"),
    ];
    let mut text = facts(width, account(subject, terms, measured, &peak.peak));
    text += "\n";
    text += &table(width, &columns, shown.iter().map(|step| row(step, total, &peak.peak)));
    if shown.len() < count {
        let rest = quantities::counted(count - shown.len(), "step");
        let more =
            format!("{rest} more: {:.3} ms in all; `--all` shows them in the plan's order", left * 1e3);
        text += &paragraph(width, &more);
    }
    text
}

fn account(
    subject: &Subject,
    terms: &Terms,
    measured: &Measured,
    peak: &Peak,
) -> Vec<(&'static str, String)> {
    let whole = &measured.whole;
    let what = match subject {
        Subject::Training { .. } => "training step of",
        Subject::Inference(_) => "answers of",
    };
    let batch = quantities::counted(subject.batch(), "example");
    let apart = if subject.replicas() > 1 { ", each with examples of its own" } else { "" };
    let threads = format!("{}{apart}", quantities::counted(terms.threads, "thread"));
    let operations = measured.operations();
    let rate = operations as f64 / whole.median;
    let mut facts = vec![
        (what, format!("{}, {batch}", terminal::printable(subject.name()))),
        ("computed with", format!("{}, {threads}", terms.level)),
        (
            "time",
            format!(
                "{:.3} ms, the median of {} ({:.3} to {:.3})",
                whole.median * 1e3,
                quantities::count(whole.count),
                whole.least * 1e3,
                whole.most * 1e3
            ),
        ),
        ("examples", format!("{:.0} a second", subject.batch() as f64 / whole.median)),
        (
            "work",
            format!(
                "{:.3} GFLOP, {:.1} GFLOP/s: {} of the {:.1} measured as peak",
                operations as f64 / 1e9,
                rate / 1e9,
                percent(rate / peak.flops),
                peak.flops / 1e9
            ),
        ),
        ("memory", memory(subject, measured)),
    ];
    let again = measured.steps.steps.iter().filter(|step| step.again).count();
    if again > 0 {
        let steps = quantities::counted(again, "step");
        let ms = measured.seconds_again() * 1e3;
        facts.push(("again", format!("{steps} that need not be kept meanwhile: {ms:.3} ms")));
    }
    if let Some(loss) = measured.loss.filter(|loss| !loss.is_finite()) {
        facts.push(("loss", format!("{loss}: the times are of a training that diverged")));
    }
    facts
}

fn memory(subject: &Subject, measured: &Measured) -> String {
    let plan = format!("plan {}", quantities::bytes(subject.bytes() as u64));
    match measured.peak_memory_bytes {
        Some(bytes) => format!("{plan}, process at most {}", quantities::bytes(bytes)),
        None => plan,
    }
}

fn row(step: &StepTime, total: f64, peak: &Peak) -> Vec<String> {
    let rate = step.operations as f64 / step.seconds;
    let counted = step.operations > 0 && step.seconds > 0.0;
    let of = |text: String| if counted { text } else { "-".to_owned() };
    let bandwidth = step.bytes as f64 / step.seconds / 1e9;
    vec![
        terminal::printable(&step.name),
        terminal::printable(&step.node),
        format!("{:.3}", step.seconds * 1e3),
        percent(step.seconds / total),
        of(format!("{:.1}", rate / 1e9)),
        of(percent(rate / peak.flops)),
        format!("{:.2}", step.bytes as f64 / 1e6),
        if step.seconds > 0.0 { format!("{bandwidth:.1}") } else { "-".to_owned() },
    ]
}

/// `12.3 %`.
fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", share * 100.0) } else { "-".to_owned() }
}
