//! Conditions that are measured when the model is judged and not before: its size, and the time of an answer on this
//! machine. Their figures go into reports and into no content key.

use std::time::{Duration, Instant};

use engine::{Feed, Options, Predictor, Targets};
use scheme::{Gate, ResolvedScheme};

use crate::architecture::Plan;
use crate::error::RunError;
use crate::gates::{GateReport, report};
use crate::options::RunOptions;
use crate::prepare::Examples;

/// The median is of at most so many answers, within so much time, but of no fewer than the least.
const ANSWERS_MAX: usize = 200;
const ANSWERS_MIN: usize = 5;
const TIME_MAX: Duration = Duration::from_millis(500);

/// Whether a gate of `scheme` asks for what is measured here.
pub(crate) fn asked_for(scheme: &ResolvedScheme) -> bool {
    scheme.evaluate.gate.iter().any(|step| step.op.bytes_max.is_some() || step.op.latency_ms_max.is_some())
}

/// Holds the model of `plan`, whose weights are in its graph, against every gate that bounds its size or its time.
/// `bytes` is the size of its packaged graph and its tensors.
pub(crate) fn judge(
    scheme: &ResolvedScheme,
    options: &RunOptions,
    plan: &Plan,
    examples: &Examples,
    bytes: u64,
) -> Result<Vec<GateReport>, RunError> {
    let mut reports = Vec::new();
    for step in scheme.evaluate.gate.iter() {
        if let Some(most) = step.op.bytes_max {
            let sentence = format!("the model takes {bytes} bytes; at most {most} are allowed.");
            reports.push(report(&step.name, "bytes_max", bytes <= most, sentence));
        }
        if let Some(most) = step.op.latency_ms_max {
            let (milliseconds, batch) = latency(&step.op, options, plan, examples)?;
            let of =
                if batch == 1 { "one example takes".to_owned() } else { format!("{batch} examples take") };
            let sentence = format!(
                "{of} {milliseconds:.3} ms on this machine, the median, on {} thread(s); at most {most} ms are allowed.",
                options.threads
            );
            reports.push(report(&step.name, "latency_ms_max", milliseconds <= most, sentence));
        }
    }
    Ok(reports)
}

/// The median time of an answer to a batch, in milliseconds, and the size of the batch.
fn latency(
    gate: &Gate,
    options: &RunOptions,
    plan: &Plan,
    examples: &Examples,
) -> Result<(f64, usize), RunError> {
    let batch = gate.batch.unwrap_or(1).max(1);
    let rows: Vec<u32> = examples.judges.iter().copied().cycle().take(batch).collect();
    let settings = Options { batch, threads: options.threads.max(1), level: options.level };
    let mut predictor = Predictor::new(&plan.graph, settings)?;
    let mut ask = || -> Result<f64, RunError> {
        let started = Instant::now();
        predictor.run(Feed { targets: Targets::None, ..examples.feed() }, &rows)?;
        Ok(started.elapsed().as_secs_f64() * 1000.0)
    };
    ask()?; // the first touches memory that the others find warm
    let (mut times, begun) = (Vec::new(), Instant::now());
    while times.len() < ANSWERS_MIN || (times.len() < ANSWERS_MAX && begun.elapsed() < TIME_MAX) {
        times.push(ask()?);
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok((times[times.len() / 2], batch))
}
