//! `heirloom engine`: the machine under the engine.

mod kept;
mod machine;
pub(crate) mod peaks;

use base::Diagnostic;
use engine::{INSTRUCTIONS, Level};
use serde_json::{Value, json};

use crate::arguments::{Calibrate, Engine, Json};
use crate::commands::progress::Detail;
use crate::commands::run::{detail, threads};
use crate::failure::Failure;
use crate::tables::{Column, facts, table};
use crate::{quantities, terminal};

use kept::{Kept, Measurement};
use machine::Machine;

/// That the instruction set asked for by the environment is one that the processor has.
pub(crate) fn check_instructions() -> Result<(), Failure> {
    Level::limit().map(|_| ()).map_err(|unknown| {
        let help = format!("name one of them in {INSTRUCTIONS}, or do not set it: the best one is used");
        Diagnostic::new("unknown-instructions", unknown.to_string()).help(help).into()
    })
}

/// Carries out one of the commands.
pub(crate) fn command(command: Engine) -> Result<(), Failure> {
    match command {
        Engine::Show { json } => show(json),
        Engine::Calibrate(arguments) => calibrate(&arguments),
    }
}

fn show(json: Json) -> Result<(), Failure> {
    let machine = Machine::look();
    let kept = Kept::read();
    let measurements = kept.map(|kept| kept.of(&machine)).unwrap_or_default();
    print(&machine, &measurements, json)
}

/// Measures every instruction set on one thread and on many, and keeps the figures.
fn calibrate(arguments: &Calibrate) -> Result<(), Failure> {
    let machine = Machine::look();
    let most = threads(arguments.threads);
    let counts = if most == 1 { vec![1] } else { vec![1, most] };
    let mut measurements = Vec::new();
    for level in Level::available() {
        for &count in &counts {
            if detail(arguments.quiet) != Detail::Quiet {
                terminal::say(&format!("measuring {level}, {}", quantities::counted(count, "thread")));
            }
            measurements.push(Measurement::take(level, count));
        }
    }
    Kept::with(&machine, &measurements).write()?;
    print(&machine, &measurements, arguments.json)
}

fn print(machine: &Machine, measurements: &[Measurement], json: Json) -> Result<(), Failure> {
    if json.wanted {
        return terminal::print_json(&document(machine, measurements));
    }
    let width = terminal::width();
    let levels: Vec<&str> = Level::available().iter().map(|level| level.name()).collect();
    let caches = machine
        .caches
        .iter()
        .map(|cache| format!("L{} {} {}", cache.level, cache.kind, quantities::bytes(cache.bytes)));
    let caches: Vec<String> = caches.collect();
    let unknown = || "unknown".to_owned();
    let mut text = facts(
        width,
        [
            ("processor", machine.processor.as_deref().map_or_else(unknown, terminal::printable)),
            ("threads", machine.threads.to_string()),
            ("instructions", levels.join(", ")),
            ("caches", if caches.is_empty() { unknown() } else { caches.join(", ") }),
        ],
    );
    if measurements.is_empty() {
        text += "\nnothing was measured on this machine yet: `heirloom engine calibrate`\n";
        return terminal::print(&text);
    }
    let columns = [
        Column::Text("instructions"),
        Column::Number("threads"),
        Column::Number("peak, GFLOP/s"),
        Column::Number("reading, GB/s"),
    ];
    let rows = measurements.iter().map(|each| {
        [
            each.cpu_level.clone(),
            each.threads.to_string(),
            format!("{:.1}", each.flops / 1e9),
            format!("{:.1}", each.bytes_per_second / 1e9),
        ]
    });
    text += "\n";
    text += &table(width, &columns, rows);
    terminal::print(&text)
}

fn document(machine: &Machine, measurements: &[Measurement]) -> Value {
    json!({
        "processor": machine.processor,
        "threads": machine.threads,
        "cpu_levels": Level::available().iter().map(|level| level.name()).collect::<Vec<_>>(),
        "caches": machine.caches,
        "measured": measurements,
        "kept_in": Kept::path().map(|path| path.display().to_string()),
    })
}
