//! The profile for programs: `docs/json.md` names every key.

use engine::StepTime;
use serde_json::{Value, json};

use super::Terms;
use super::measured::Measured;
use super::subject::Subject;
use crate::commands::engine::peaks::Known;

/// The whole document.
pub(super) fn document(subject: &Subject, terms: &Terms, measured: &Measured, known: &Known) -> Value {
    let whole = &measured.whole;
    let steps = &measured.steps.steps;
    let operations = measured.operations();
    let in_steps: f64 = steps.iter().map(|step| step.seconds).sum();
    json!({
        "subject": subject.name(),
        "measured": match subject {
            Subject::Training { .. } => "training",
            Subject::Inference(_) => "inference",
        },
        "batch": subject.batch(),
        "threads": terms.threads,
        "replicas": subject.replicas(),
        "cpu_level": terms.level.name(),
        "parameters": subject.parameters(),
        "ms_median": whole.median * 1e3,
        "ms_least": whole.least * 1e3,
        "ms_most": whole.most * 1e3,
        "count": whole.count,
        "examples_per_second": subject.batch() as f64 / whole.median,
        "loss": measured.loss,
        "operations": operations,
        "flops": operations as f64 / whole.median,
        "plan_bytes": subject.bytes(),
        "ms_again": measured.seconds_again() * 1e3,
        "peak_memory_bytes": measured.peak_memory_bytes,
        "peak": {
            "flops": known.peak.flops,
            "bytes_per_second": known.peak.bytes_per_second,
            "kept": known.kept,
        },
        "ms_in_steps": in_steps * 1e3,
        "steps": steps.iter().map(|step| one(step, in_steps, known)).collect::<Vec<_>>(),
    })
}

fn one(step: &StepTime, in_steps: f64, known: &Known) -> Value {
    // A rate needs a time; what took none has no rate.
    let rate = |amount: f64| (step.seconds > 0.0 && amount > 0.0).then(|| amount / step.seconds);
    let flops = rate(step.operations as f64);
    json!({
        "name": step.name,
        "node": step.node,
        "again": step.again,
        "ms": step.seconds * 1e3,
        "share": if in_steps > 0.0 { step.seconds / in_steps } else { 0.0 },
        "operations": step.operations,
        "flops": flops,
        "share_of_peak": flops.map(|flops| flops / known.peak.flops),
        "bytes": step.bytes,
        "bytes_per_second": rate(step.bytes as f64),
        "pieces": step.pieces,
        "meets": step.meets,
    })
}
