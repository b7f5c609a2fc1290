//! `heirloom run`.

use std::num::NonZero;

use base::{Diagnostic, SourceMap};
use pipeline::{Flow, Override, Rates, RunError, RunOptions, RunReport};
use serde_json::json;
use store::StoreAddress;

use super::engine::rates;
use super::progress::{Detail, Progress};
use super::report;
use super::scheme::Checked;
use crate::arguments::{Run, SchemeChoice, StoreChoice};
use crate::failure::Failure;
use crate::signals::Interrupt;
use crate::store_place::{Place, here};
use crate::{author, diagnostics, scheme_files, terminal};

/// Carries out a scheme and prints the report.
pub(crate) fn run(arguments: &Run) -> Result<(), Failure> {
    let Checked { scheme, sources, files } = arguments.scheme.resolve(&arguments.store)?;
    let detail = detail(arguments.quiet);
    if detail != Detail::Quiet {
        diagnostics::report_notes(&scheme.notes, &sources);
    }
    let place = arguments.store.place()?;
    let scheme_sources = scheme_files::sources(
        &place.folder(),
        files.iter().map(|(path, text)| (path.as_path(), text.as_str())),
    )?;
    let Place(store) = place;
    let by = author::by();
    let options = RunOptions {
        threads: threads(arguments.threads),
        resume: arguments.resume,
        level: engine::Level::detect(),
        rates: rates(arguments)?,
        now_unix_ms: by.unix_ms,
        actor: by.actor,
        overrides: overrides(arguments),
        cause: None,
        scheme_sources,
    };
    let interrupt = Interrupt::listen().map_err(Failure::world)?;
    let outcome =
        observed(detail, &interrupt, |observer| pipeline::run(&scheme, &store, &here(), &options, observer));
    let found = outcome.map_err(|error| failure(error, sources, arguments))?;
    if arguments.json.wanted {
        return terminal::print_json(&json!(found));
    }
    terminal::print(&account(&found, arguments, &store))
}

/// The rates at which algorithms of convolutions are compared: a version's if one is named, else this machine's.
fn rates(arguments: &Run) -> Result<Rates, Failure> {
    let Some(name) = &arguments.rates_of else { return Ok(rates::of_run(engine::Level::detect())) };
    let store = arguments.store.open()?;
    let version = store.resolve(name)?;
    let costs = pipeline::rates_of(&store, &version)?.ok_or_else(|| {
        let message = format!("{} has no rates of convolutions", version.id());
        Diagnostic::new("no-rates", message)
            .help("imported models have none, nor have those whose scheme sets `train.convolution` to another than `auto`")
    })?;
    Ok(Rates::Stated(costs))
}

/// The gates that shall not stop the run.
fn overrides(arguments: &Run) -> Option<Override> {
    let gates = arguments.override_gate.clone();
    (!gates.is_empty()).then(|| Override { gates, reason: arguments.reason.clone().unwrap_or_default() })
}

/// Runs `work` with a display of its events that also carries ctrl-c to it.
pub(super) fn observed(
    detail: Detail,
    interrupt: &Interrupt,
    work: impl FnOnce(&mut pipeline::Observer<'_>) -> Result<RunReport, RunError>,
) -> Result<RunReport, RunError> {
    let mut progress = Progress::new(detail);
    work(&mut |event| {
        progress.show(event);
        if interrupt.is_asked() { Flow::Stop } else { Flow::Continue }
    })
}

/// How much of a run is shown.
pub(crate) fn detail(quiet: bool) -> Detail {
    match (quiet, terminal::is_interactive()) {
        (true, _) => Detail::Quiet,
        (false, true) => Detail::Bar,
        (false, false) => Detail::Lines,
    }
}

/// The report for people, with what can be done next.
fn account(found: &RunReport, arguments: &Run, store: &StoreAddress) -> String {
    let width = terminal::width();
    let name = found.model.split('@').next().unwrap_or(&found.model);
    let up_to_date = format!("nothing to do: {} is up to date\n\n", arguments.scheme.typed());
    let first = if found.cached { &*up_to_date } else { "" };
    let place = store_flag(&arguments.store);
    let file = if found.data.target.is_some() { "FILE.csv" } else { "FILE" };
    format!(
        "{first}{}\nnext:\n  heirloom infer {name} {file}{place}\n  heirloom model export {name} --format onnx{place}\n",
        report::draw(found, store, width)
    )
}

fn failure(error: RunError, sources: SourceMap, arguments: &Run) -> Failure {
    Failure::of_run(error, sources, || {
        let again = command_line(&arguments.scheme, &arguments.store);
        format!("interrupted; go on with `{again} --resume`")
    })
}

/// What to type to run the same scheme in the same store.
fn command_line(scheme: &SchemeChoice, store: &StoreChoice) -> String {
    format!("heirloom run {}{}", scheme_words(scheme), store_flag(store))
}

/// The scheme and what is set over it, as typed.
pub(super) fn scheme_words(scheme: &SchemeChoice) -> String {
    let overrides: String = scheme.overrides.iter().map(|each| format!(" --set {}", quoted(each))).collect();
    format!("{}{overrides}", quoted(&scheme.typed()))
}

pub(super) fn store_flag(store: &StoreChoice) -> String {
    // An address that was read is shown without its password.
    let shown = |address: &String| {
        StoreAddress::parse(address).map_or_else(|_| address.clone(), |read| read.to_string())
    };
    store.address.as_ref().map(|address| format!(" --store {}", quoted(&shown(address)))).unwrap_or_default()
}

/// `text` as a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |each: char| each.is_alphanumeric() || "/._-=@+:,".contains(each);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The number of threads asked for, or one for each processor.
pub(crate) fn threads(asked: Option<u16>) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, NonZero::get);
    asked.map_or_else(processors, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_can_be_typed() {
        let scheme = SchemeChoice {
            path: "my schemes/a.toml".into(),
            overrides: vec!["train.epochs=1".into(), "name='x'".into()],
        };
        let store = StoreChoice { address: Some("/tmp/s".into()) };
        assert_eq!(
            command_line(&scheme, &store),
            r"heirloom run 'my schemes/a.toml' --set train.epochs=1 --set 'name='\''x'\''' --store /tmp/s"
        );
    }
}
