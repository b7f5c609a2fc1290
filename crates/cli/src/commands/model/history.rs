//! `heirloom model history`.

use serde_json::{Value, json};
use store::Event;

use crate::arguments::{Json, StoreChoice};
use crate::failure::Failure;
use crate::tables::{Column, table};
use crate::{quantities, terminal};

/// Shows everything that happened, oldest first.
pub(super) fn history(name: Option<&str>, json: Json, choice: &StoreChoice) -> Result<(), Failure> {
    let store = choice.open()?;
    let events = store.history(name)?;
    if let (true, Some(name)) = (events.is_empty(), name) {
        // An unknown name is a mistake, not an empty history.
        store.versions(name)?;
    }
    if json.wanted {
        return terminal::print_json(&Value::Array(events.iter().map(document).collect()));
    }
    let columns = ["", "when", "who", "what", "of", "details"].map(Column::Text);
    let rows = events.iter().map(|event| {
        let of = match event.version {
            Some(version) => format!("{}@{version}", event.name),
            None => event.name.clone(),
        };
        [
            event.sequence.to_string(),
            quantities::moment(event.unix_ms),
            terminal::printable(&event.actor),
            event.action.replace('_', " "),
            of,
            terminal::printable(&details(event)),
        ]
    });
    terminal::print(&table(terminal::width(), &columns, rows))
}

fn document(event: &Event) -> Value {
    json!({
        "sequence": event.sequence,
        "unix_ms": event.unix_ms,
        "actor": event.actor,
        "action": event.action,
        "name": event.name,
        "version": event.version,
        "subject": event.subject,
        "value": event.value,
        "replaced": event.replaced,
        "reason": event.reason,
    })
}

fn details(event: &Event) -> String {
    const SHOWN: usize = 60;
    let value = event.value.as_ref().map(|value| match value.len() {
        64 if value.bytes().all(|byte| byte.is_ascii_hexdigit()) => value[..12].to_owned(),
        _ => value.lines().next().unwrap_or_default().chars().take(SHOWN).collect(),
    });
    let before = event
        .replaced
        .as_ref()
        .map(|before| format!("before: {}", before.lines().next().unwrap_or_default()));
    let parts =
        [event.subject.clone(), value.filter(|value| !value.is_empty()), before, event.reason.clone()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
