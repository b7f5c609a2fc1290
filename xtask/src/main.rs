//! Development tasks: `cargo xtask tidy` and `cargo xtask docs [--check]`.
//!
//! The decision that shaped it: the rules of the house that a compiler cannot see are written once, as
//! prose in ARCHITECTURE.md and CONTRIBUTING.md, and *read from there* where they hold data (the table
//! of crates and their edges). What can be said as a lint of rustc or clippy is not repeated here.

mod docs;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask tidy           check the rules of the house
       cargo xtask docs           write the generated references under docs/reference/
       cargo xtask docs --check   fail when one of them is out of date";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = repository_root();
    match arguments.as_slice() {
        ["tidy"] => report("tidy", tidy::run(root)),
        ["docs"] => report("docs", docs::write(root)),
        ["docs", "--check"] => report("docs", docs::check(root)),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// The folder that holds the root manifest: the parent of this crate's.
fn repository_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ lies in the repository's root")
}

/// Prints what a task found and turns it into an exit status: 0 nothing, 1 findings or a failed read.
fn report(task: &str, outcome: std::io::Result<tidy::Outcome>) -> ExitCode {
    match outcome {
        Ok(outcome) if outcome.findings.is_empty() => {
            println!("{task}: {} files, nothing to object to", outcome.files);
            ExitCode::SUCCESS
        }
        Ok(outcome) => {
            for finding in &outcome.findings {
                println!("{finding}");
            }
            println!("{task}: {} findings in {} files", outcome.findings.len(), outcome.files);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{task}: {error}");
            ExitCode::FAILURE
        }
    }
}
