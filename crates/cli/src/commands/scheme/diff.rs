//! `heirloom scheme diff`.

use scheme::Difference;
use serde_json::json;

use crate::arguments::{Json, SchemeChoice, StoreChoice};
use crate::failure::Failure;
use crate::terminal;

/// Tells what differs between two schemes, by key.
pub(super) fn diff(
    before: &SchemeChoice,
    after: &SchemeChoice,
    json: Json,
    store: &StoreChoice,
) -> Result<(), Failure> {
    let difference = scheme::diff(&before.resolve(store)?.scheme, &after.resolve(store)?.scheme);
    if json.wanted {
        return terminal::print_json(&json!(difference));
    }
    terminal::print(&draw(&difference))
}

fn draw(difference: &Difference) -> String {
    if difference.is_empty() {
        return "no difference\n".to_owned();
    }
    let lines = difference.removed.iter().map(|one| format!("- {} = {}", one.key, one.value));
    let added = difference.added.iter().map(|one| format!("+ {} = {}", one.key, one.value));
    let changed =
        difference.changed.iter().map(|one| format!("~ {}: {} -> {}", one.key, one.before, one.after));
    lines.chain(added).chain(changed).map(|line| terminal::printable(&line) + "\n").collect()
}
