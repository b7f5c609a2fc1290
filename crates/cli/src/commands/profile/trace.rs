//! One step as a trace: what each thread did when.
//!
//! Source: the Trace Event Format, which Perfetto and chrome://tracing read. Times are in microseconds.

use engine::Span;
use serde_json::{Value, json};

use super::measured::Measured;
use super::subject::Subject;

/// Everything is of one process.
const PROCESS: u32 = 1;

/// The trace of the step of median time.
pub(super) fn trace(subject: &Subject, measured: &Measured) -> Value {
    let steps = &measured.steps.steps;
    let spans = &measured.steps.spans;
    let threads = spans.iter().map(|span| span.thread + 1).max().unwrap_or(0);
    let named = (0..threads).map(|thread| {
        json!({
            "name": "thread_name", "ph": "M", "pid": PROCESS, "tid": thread,
            "args": { "name": format!("thread {thread}") },
        })
    });
    // A step of one piece is the first thread's alone.
    let worked = |span: &&Span| span.thread == 0 || steps[span.step].pieces > 1;
    let done = spans.iter().filter(worked).map(|span| {
        let step = &steps[span.step];
        json!({
            "name": step.name, "cat": "step", "ph": "X", "pid": PROCESS, "tid": span.thread,
            "ts": span.start * 1e6, "dur": (span.end - span.start) * 1e6,
            "args": {
                "node": step.node, "step": span.step, "pieces": step.pieces, "meets": step.meets,
                "operations": step.operations, "bytes": step.bytes,
            },
        })
    });
    let process = json!({
        "name": "process_name", "ph": "M", "pid": PROCESS,
        "args": { "name": subject.name() },
    });
    let events: Vec<Value> = std::iter::once(process).chain(named).chain(done).collect();
    json!({ "traceEvents": events, "displayTimeUnit": "ms" })
}
