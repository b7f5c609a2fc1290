//! What a store holds and whether it is sound: `verify`, `gc`, `stats`.

use std::process::ExitCode;

use serde_json::{Value, json};
use store::Collection;

use crate::arguments::{Json, StoreChoice};
use crate::failure::Failure;
use crate::tables::facts;
use crate::{quantities, terminal};

/// Checks everything. What is wrong with the store is a failure of the world: exit status 1.
pub(super) fn verify(json: Json, choice: &StoreChoice) -> Result<(), Failure> {
    let report = choice.open()?.verify()?;
    if json.wanted {
        let problems: Vec<Value> = report
            .problems
            .iter()
            .map(|problem| json!({ "what": problem.what, "reason": problem.reason }))
            .collect();
        terminal::print_json(&json!({ "checked": report.checked, "problems": problems }))?;
    } else {
        let mut text = String::new();
        for problem in &report.problems {
            text += &format!("{}: {}\n", problem.what, terminal::printable(&problem.reason));
        }
        let checked = quantities::counted(report.checked as usize, "thing");
        text += &format!("{checked} checked, {}\n", quantities::counted(report.problems.len(), "problem"));
        terminal::print(&text)?;
    }
    if report.problems.is_empty() { Ok(()) } else { Err(Failure::Told(ExitCode::FAILURE)) }
}

/// Removes what nothing points to, or only says what that is.
pub(super) fn collect(dry_run: bool, stages: bool, json: Json, choice: &StoreChoice) -> Result<(), Failure> {
    let garbage = choice.open()?.collect_garbage(Collection { stages, dry_run })?;
    if json.wanted {
        let blobs = garbage
            .blobs
            .iter()
            .map(|(digest, bytes)| json!({ "digest": digest.to_string(), "bytes": bytes }));
        let files = garbage.files.iter().map(|(name, bytes)| json!({ "file": name, "bytes": bytes }));
        return terminal::print_json(&json!({
            "dry_run": dry_run,
            "blobs": blobs.collect::<Vec<_>>(),
            "files": files.collect::<Vec<_>>(),
            "stage_results": garbage.stage_results,
            "bytes": garbage.bytes(),
        }));
    }
    let verb = if dry_run { "would be removed" } else { "removed" };
    terminal::print(&format!(
        "{verb}: {}, {}, {}; {}\n",
        quantities::counted(garbage.blobs.len(), "blob"),
        quantities::counted(garbage.files.len(), "stray file"),
        quantities::counted(garbage.stage_results as usize, "stage result"),
        quantities::bytes(garbage.bytes()),
    ))
}

/// Counts what there is.
pub(super) fn stats(json: Json, choice: &StoreChoice) -> Result<(), Failure> {
    let stats = choice.open()?.stats()?;
    if json.wanted {
        return terminal::print_json(&json!({
            "models": stats.models,
            "versions": stats.versions,
            "schemes": stats.schemes,
            "runs": stats.runs,
            "stage_results": stats.stage_results,
            "blobs": stats.blobs,
            "logical_bytes": stats.logical_bytes,
            "physical_bytes": stats.physical_bytes,
            "cached_bytes": stats.cached_bytes,
            "file_bytes": stats.file_bytes,
            "checkpoints": stats.checkpoints,
            "checkpoint_bytes": stats.checkpoint_bytes,
        }));
    }
    let count = |number: u64| quantities::count(number as usize);
    let rows = [
        ("models", format!("{}, {} versions", count(stats.models), count(stats.versions))),
        ("schemes", count(stats.schemes)),
        ("runs", count(stats.runs)),
        ("stage results", count(stats.stage_results)),
        ("blobs", format!("{}, {}", count(stats.blobs), quantities::bytes(stats.physical_bytes))),
        ("of them only cached", quantities::bytes(stats.cached_bytes)),
        ("as if nothing were shared", format!("{} in models", quantities::bytes(stats.logical_bytes))),
        ("files of large blobs", quantities::bytes(stats.file_bytes)),
        (
            "checkpoints",
            format!("{}, {}", count(stats.checkpoints), quantities::bytes(stats.checkpoint_bytes)),
        ),
    ];
    terminal::print(&facts(terminal::width(), rows))
}
