//! An alias that goes from one version to another step by step: shown, begun, ended.

use base::Diagnostic;
use scheme::{Canary, Deploy};
use serde_json::{Value, json};
use store::{Event, ModelVersion, Promotion, Rollout, RolloutEnd, RolloutStart, Store};

use crate::arguments::{Promote, RolloutOf};
use crate::failure::Failure;
use crate::tables::{Column, facts, table};
use crate::{author, quantities, terminal};

/// Shows the rollout of an alias that began last.
pub(super) fn rollout(arguments: &RolloutOf) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let (name, alias) = arguments.model.split_once('@').unwrap_or((&arguments.model, Deploy::ALIAS));
    let found = store.rollout(name, alias)?;
    // A name that is unknown is a mistake, an alias that never went anywhere step by step is none.
    let target = store.resolve(&format!("{name}@{alias}"))?;
    let steps = match &found {
        Some(rollout) => steps(&store, rollout)?,
        None => Vec::new(),
    };
    if arguments.json.wanted {
        return terminal::print_json(&json!({
            "name": name,
            "alias": alias,
            "version": target.version,
            "rollout": found.as_ref().map(|rollout| document(rollout, &steps)),
        }));
    }
    match &found {
        Some(rollout) => terminal::print(&draw(rollout, &steps, terminal::width())),
        None => terminal::print(&format!("{name}@{alias} is {}; no rollout of it ever began\n", target.id())),
    }
}

/// Lets `version` take over step by step.
pub(super) fn begin(
    store: &Store,
    version: &ModelVersion,
    arguments: &Promote,
    percent: u8,
    promotion: &Promotion,
) -> Result<Rollout, Failure> {
    let own = pipeline::deploy_of(store, version)?.and_then(|deploy| deploy.plan());
    let plan = json!(own.unwrap_or_default().starting_at(percent)).to_string();
    let start = RolloutStart { percent, plan: &plan, occasion: None };
    Ok(store.start_rollout(&version.id(), &arguments.alias, start, promotion, &author::by())?)
}

/// Ends a rollout that is under way: the alias stays.
pub(super) fn end(
    store: &Store,
    running: &Rollout,
    reason: Option<&str>,
    as_json: bool,
) -> Result<(), Failure> {
    let reason = reason.unwrap_or("ended by hand");
    match store.finish_rollout(running, RolloutEnd::RollBack, reason, &author::by())? {
        Some(ended) => tell(store, &ended, as_json),
        None => {
            let message = format!("the rollout of {}@{} changed just now", running.name, running.alias);
            Err(Diagnostic::new("rollout-changed", message).help("look again and repeat the command").into())
        }
    }
}

/// Says how a rollout stands.
pub(super) fn tell(store: &Store, rollout: &Rollout, as_json: bool) -> Result<(), Failure> {
    let Rollout { name, alias, from, to, percent, .. } = rollout;
    if as_json {
        let steps = steps(store, rollout)?;
        return terminal::print_json(&json!({
            "name": name,
            "alias": alias,
            "version": from,
            "rollout": document(rollout, &steps),
        }));
    }
    terminal::print(&match rollout.is_running() {
        true => {
            format!("{name}@{alias} stays {name}@{from}; {name}@{to} takes {percent} % of the requests\n")
        }
        false => format!("{name}@{alias} stays {name}@{from}; {name}@{to} takes no requests any more\n"),
    })
}

/// What happened to a rollout, oldest first.
fn steps(store: &Store, rollout: &Rollout) -> Result<Vec<Event>, Failure> {
    let mut events = store.history(Some(&rollout.name))?;
    events.retain(|event| {
        (rollout.started..=rollout.changed).contains(&event.sequence)
            && event.subject.as_deref() == Some(&rollout.alias)
            && ["rollout_step", "rollout_end"].contains(&event.action.as_str())
    });
    Ok(events)
}

fn document(rollout: &Rollout, steps: &[Event]) -> Value {
    let steps = steps.iter().map(|event| {
        let percent = event.value.as_ref().and_then(|value| value.parse::<u8>().ok());
        json!({
            "sequence": event.sequence,
            "unix_ms": event.unix_ms,
            "actor": event.actor,
            "percent": percent,
            "state": if percent.is_some() { "running" } else { rollout.state.name() },
            "reason": event.reason,
        })
    });
    json!({
        "from": rollout.from,
        "to": rollout.to,
        "state": rollout.state.name(),
        "percent": rollout.percent,
        "plan": serde_json::from_str::<Value>(&rollout.plan).ok(),
        "started_unix_ms": rollout.started_unix_ms,
        "changed_unix_ms": rollout.changed_unix_ms,
        "reason": rollout.reason,
        "steps": steps.collect::<Vec<_>>(),
    })
}

fn draw(rollout: &Rollout, steps: &[Event], width: usize) -> String {
    let Rollout { name, alias, from, to, percent, .. } = rollout;
    let state = match rollout.is_running() {
        true => format!("running, {percent} %"),
        false => rollout.state.name().to_owned(),
    };
    let plan = serde_json::from_str::<Canary>(&rollout.plan).map(|plan| in_words(&plan));
    let rows = [
        ("alias", format!("{name}@{alias}")),
        ("from", format!("{name}@{from}")),
        ("to", format!("{name}@{to}")),
        ("state", state),
        ("plan", plan.unwrap_or_default()),
    ];
    let told = steps.iter().map(|event| {
        let what = event.value.clone().unwrap_or_default();
        [
            quantities::moment(event.unix_ms),
            terminal::printable(&event.actor),
            if event.action == "rollout_step" { format!("{what} %") } else { what },
            terminal::printable(event.reason.as_deref().unwrap_or_default()),
        ]
    });
    let columns = ["when", "who", "what", "why"].map(Column::Text);
    let rows = rows.into_iter().filter(|(_, fact)| !fact.is_empty());
    format!("{}\n{}", facts(width, rows), table(width, &columns, told))
}

fn in_words(plan: &Canary) -> String {
    let steps: Vec<String> = plan.steps.iter().map(u8::to_string).collect();
    format!(
        "{} %, each with {} requests and {} s at least",
        steps.join(", "),
        quantities::count(plan.requests_min as usize),
        plan.seconds_min
    )
}
