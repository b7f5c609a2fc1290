//! `heirloom watch`: looks, and does what is due.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use base::{Diagnostic, Digest};
use monitor::{ReviewOptions, Settings, review};
use pipeline::{Deployment, DeploymentOutcome, Due, Order, RunError, RunOptions, RunReport};
use scheme::ResolvedScheme;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Event, Rollout, Store, StoreError};

use super::engine::rates;
use super::request_log;
use super::run::{detail, observed, scheme_words, store_flag, threads};
use super::scheme::Checked;
use crate::arguments::{SchemeChoice, Watch};
use crate::failure::Failure;
use crate::signals::Interrupt;
use crate::store_place::{Place, here};
use crate::{author, scheme_files, terminal};

/// The largest report of drift that is read.
const REPORT_BYTES_MAX: u64 = 16 << 20;
/// How soon somebody who asks to stop is heard.
const NAP: Duration = Duration::from_millis(50);
/// Data that changes again within this time, or within the interval if that is shorter, is still being written.
const SETTLED: Duration = Duration::from_secs(1);

/// What a look came to.
enum Look {
    /// Nothing is due.
    Nothing(Box<Event>),
    /// Another version is taking over.
    Waiting(Box<Rollout>),
    /// The data changes while it is looked at.
    Unsettled,
    /// A model was made.
    Made(Order, Box<RunReport>),
    /// A model was made, and a gate refused it.
    Refused(Order, Failure),
    /// Somebody asked to stop.
    Stopped,
}

/// Looks again and again, or once.
pub(crate) fn watch(arguments: &Watch) -> Result<(), Failure> {
    let interrupt = Interrupt::listen().map_err(Failure::world)?;
    if arguments.json.wanted && !arguments.once {
        let found =
            Diagnostic::new("json-without-once", "`--json` prints one document, and a watch does not end");
        return Err(found
            .help("add `--once`, or read the decisions: `heirloom model history --json`")
            .into());
    }
    // A scheme that cannot be watched is told before a store is made.
    let Checked { scheme, .. } = arguments.scheme.resolve(&arguments.store)?;
    pipeline::due(&scheme, existing(arguments)?.as_ref(), None)?;
    let store = arguments.store.open_or_create()?;
    let _watching = store.try_watch()?;
    if arguments.once {
        let found = look(arguments, &store, &interrupt)?;
        return end(arguments, found);
    }
    let mut said = String::new();
    loop {
        match look(arguments, &store, &interrupt) {
            Ok(Look::Stopped) => return stopped(arguments),
            Ok(Look::Unsettled) => {}
            Ok(found) => tell_new(found, &mut said)?,
            Err(Failure::ReaderGone) => return Err(Failure::ReaderGone),
            // The data may be half written, the disk full: what is wrong is said once, and looked at again.
            Err(failure) => say_new(failure, &mut said),
        }
        let begun = Instant::now();
        while begun.elapsed() < arguments.interval {
            if interrupt.is_asked() {
                return stopped(arguments);
            }
            sleep(NAP.min(arguments.interval));
        }
    }
}

/// The store, if it is there yet.
fn existing(arguments: &Watch) -> Result<Option<Store>, Failure> {
    match arguments.store.open_if_any() {
        // A folder that holds something else is refused when the store would be made.
        Err(StoreError::NotAStore { .. }) => Ok(None),
        found => Ok(found?),
    }
}

/// Looks, and does what is due.
fn look(arguments: &Watch, store: &Store, interrupt: &Interrupt) -> Result<Look, Failure> {
    let Checked { scheme, sources, .. } = arguments.scheme.resolve(&arguments.store)?;
    let drift = match (&arguments.drift_report, &arguments.requests) {
        (Some(report), _) => drift(report)?,
        (None, Some(folder)) => {
            let folder = request_log::folder(folder.as_deref(), &arguments.store)?;
            drifted(store, &scheme, &folder)?
        }
        (None, None) => None,
    };
    let due = pipeline::due(&scheme, Some(store), drift);
    let order = match due.map_err(|error| Failure::of_run(error, sources, String::new))? {
        Due::Nothing(decided) => return Ok(Look::Nothing(Box::new(decided))),
        Due::RollingOut(rollout) => return Ok(Look::Waiting(rollout)),
        Due::Run(order) => order,
    };
    if !arguments.once {
        sleep(SETTLED.min(arguments.interval));
        let again = pipeline::due(&scheme, Some(store), drift)?;
        if !matches!(again, Due::Run(again) if again.occasion == order.occasion) {
            return Ok(Look::Unsettled);
        }
    }
    let mut choice =
        SchemeChoice { path: arguments.scheme.path.clone(), overrides: arguments.scheme.overrides.clone() };
    choice.overrides.extend(order.inherit.iter().map(|parent| format!("model.inherit=\"{parent}\"")));
    let found = carry_out(arguments, &choice, &order, interrupt)?;
    if let Look::Made(_, report) = &found
        && report.cached
    {
        pipeline::settle(&scheme, store, &order.cause, report, &author::by())?;
    }
    Ok(found)
}

/// Makes the model that `order` asks for.
fn carry_out(
    arguments: &Watch,
    choice: &SchemeChoice,
    order: &Order,
    interrupt: &Interrupt,
) -> Result<Look, Failure> {
    let Checked { scheme, sources, files } = choice.resolve(&arguments.store)?;
    let place = arguments.store.place()?;
    let scheme_sources = scheme_files::sources(
        &place.folder(),
        files.iter().map(|(path, text)| (path.as_path(), text.as_str())),
    )?;
    let by = author::by();
    let options = RunOptions {
        threads: threads(arguments.threads),
        resume: true,
        level: engine::Level::detect(),
        rates: rates::of_run(engine::Level::detect()),
        now_unix_ms: by.unix_ms,
        actor: by.actor,
        overrides: None,
        cause: Some(order.cause),
        scheme_sources,
    };
    let Place(address) = place;
    let outcome = observed(detail(arguments.quiet), interrupt, |observer| {
        pipeline::run(&scheme, &address, &here(), &options, observer)
    });
    match outcome {
        Ok(report) => Ok(Look::Made(order.clone(), Box::new(report))),
        Err(RunError::Interrupted) => Ok(Look::Stopped),
        Err(error @ RunError::Refused(_)) => {
            Ok(Look::Refused(order.clone(), Failure::of_run(error, sources, String::new)))
        }
        Err(error) => Err(Failure::of_run(error, sources, String::new)),
    }
}

/// Requests of the newest window that is judged.
const WINDOW: usize = 1000;

/// The digest that names the drift of the requests to the version that serves, if they raise an alarm: once for each version, so
/// that an alarm asks for one new model and not for one at every look.
fn drifted(store: &Store, scheme: &ResolvedScheme, folder: &Path) -> Result<Option<Digest>, Failure> {
    let reference = format!("{}@{}", scheme.name, pipeline::alias_of(scheme));
    let Ok(version) = store.resolve(&reference) else { return Ok(None) };
    let Some(profile) = pipeline::profile_of(store, &version)? else { return Ok(None) };
    let options = ReviewOptions {
        model: version.name.clone(),
        version: version.version,
        window: WINDOW,
        settings: Settings::default(),
    };
    let found = review(folder, &profile, None, &options)?;
    Ok(found.newest.alarm.then(|| Digest::of(format!("requests to {}", version.id()).as_bytes())))
}

/// What a report of drift must say; more may stand in it.
#[derive(Deserialize)]
struct DriftReport {
    alarm: bool,
    /// Names the drift; without it the whole document does.
    id: Option<String>,
}

/// The digest that names the drift which a report raises an alarm about; none if it raises none, or is not there.
fn drift(path: &Path) -> Result<Option<Digest>, Failure> {
    let mut bytes = Vec::new();
    match fs::File::open(path) {
        Ok(file) => file.take(REPORT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(Failure::world)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::world(error)),
    };
    let bad = |why: String| {
        Diagnostic::new("bad-drift-report", format!("{} is no report of drift: {why}", path.display()))
            .help("it is a JSON object with `alarm`: true or false")
    };
    if bytes.len() as u64 > REPORT_BYTES_MAX {
        return Err(bad(format!("it has more than {} MiB", REPORT_BYTES_MAX >> 20)).into());
    }
    let report: DriftReport = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    let name = report.id.map_or(bytes, String::into_bytes);
    Ok(report.alarm.then(|| Digest::of(&name)))
}

/// Ends a watch that looked once.
fn end(arguments: &Watch, found: Look) -> Result<(), Failure> {
    if let Look::Stopped = found {
        return stopped(arguments);
    }
    if let (true, false) = (arguments.json.wanted, matches!(found, Look::Refused(..))) {
        return terminal::print_json(&document(&found));
    }
    match found {
        Look::Refused(_, failure) => Err(failure),
        found => terminal::print(&format!("{}\n", account(&found))),
    }
}

fn stopped(arguments: &Watch) -> Result<(), Failure> {
    if !arguments.quiet {
        let again = format!("{}{}", scheme_words(&arguments.scheme), store_flag(&arguments.store));
        terminal::say(&format!("stopped; `heirloom watch {again}` goes on"));
    }
    Ok(())
}

/// Prints what a look came to, unless the one before came to the same.
fn tell_new(found: Look, said: &mut String) -> Result<(), Failure> {
    let text = account(&found);
    if let Look::Refused(_, failure) = found {
        let _status = failure.report();
    }
    if *said != text {
        terminal::print(&format!("{text}\n"))?;
        *said = text;
    }
    Ok(())
}

/// Reports what is wrong, unless that was reported just before.
fn say_new(failure: Failure, said: &mut String) {
    let text = failure.in_short();
    if *said != text {
        let _status = failure.report();
        *said = text;
    }
}

/// What a look came to, in one line.
fn account(found: &Look) -> String {
    match found {
        Look::Nothing(decided) => format!("nothing to do: {}", decision(decided)),
        Look::Waiting(rollout) => {
            let Rollout { name, alias, percent, .. } = &**rollout;
            format!("waiting: {} takes over {name}@{alias}, at {percent} % now", rollout.id())
        }
        Look::Made(order, report) => {
            let from = order.inherit.as_ref().map_or(String::new(), |from| format!(" from {from}"));
            let outcome = report
                .deployment
                .as_ref()
                .map_or(String::new(), |found| format!(": {}", super::report::deployed(found)));
            format!("{} for new {}{from}{outcome}", report.model, order.why.name())
        }
        Look::Refused(order, _) => {
            let from = order.inherit.as_ref().map_or(String::new(), |from| format!(" from {from}"));
            format!("refused: the model for new {}{from}; the alias stays", order.why.name())
        }
        Look::Unsettled => "the data is being written".to_owned(),
        Look::Stopped => "stopped".to_owned(),
    }
}

/// What was decided before.
fn decision(decided: &Event) -> String {
    let when = crate::quantities::moment(decided.unix_ms);
    let id = decided.version.map_or(String::new(), |version| format!("{}@{version} ", decided.name));
    let what = match decided.action.as_str() {
        "promote" => format!("{id}was promoted"),
        "rollout" => format!("{id}was rolled out"),
        "withhold" => format!("{id}was withheld"),
        _ => "the model was refused".to_owned(),
    };
    format!("{what} for this data on {when}")
}

fn document(found: &Look) -> Value {
    let made = |order: &Order, report: &RunReport| {
        json!({
            "decision": name(report.deployment.as_ref()),
            "why": order.why.name(),
            "inherit": order.inherit,
            "model": report.model,
            "run": report.run,
            "deployment": report.deployment,
        })
    };
    match found {
        Look::Nothing(decided) => json!({ "decision": "nothing", "decided": {
            "sequence": decided.sequence,
            "unix_ms": decided.unix_ms,
            "action": decided.action,
            "version": decided.version,
            "reason": decided.reason,
        }}),
        Look::Waiting(rollout) => json!({ "decision": "waiting", "rollout": {
            "from": rollout.from,
            "to": rollout.to,
            "percent": rollout.percent,
        }}),
        Look::Made(order, report) => made(order, report),
        Look::Refused(..) | Look::Unsettled | Look::Stopped => Value::Null,
    }
}

fn name(deployment: Option<&Deployment>) -> &'static str {
    match deployment.map(|found| found.outcome) {
        Some(DeploymentOutcome::Promoted) => "promoted",
        Some(DeploymentOutcome::RollingOut) => "rolling_out",
        Some(DeploymentOutcome::Before) => "before",
        Some(DeploymentOutcome::Withheld) | None => "withheld",
    }
}
