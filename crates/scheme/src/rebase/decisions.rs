//! What the user decided about conflicts.

use base::{Diagnostic, Diagnostics};

use super::conflicts::Conflict;
use super::{Decided, Winner};
use crate::suggest::suggest;

/// Who wins where child and new parent both speak.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// The winner of every conflict that `keys` does not name.
    pub rest: Option<Winner>,
    /// Winners by dotted key; a table's key decides all below it, and the longest key counts.
    pub keys: Vec<(String, Winner)>,
}

impl Decisions {
    fn winner(&self, conflict: &Conflict) -> Option<Winner> {
        let name = conflict.name();
        let named = self.keys.iter().filter(|(key, _)| covers(key, &name));
        named.max_by_key(|(key, _)| key.len()).map(|(_, winner)| *winner).or(self.rest)
    }
}

/// Whether `key` is `name` or a table above it.
fn covers(key: &str, name: &str) -> bool {
    name.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Each conflict with its winner, in order; or the conflicts that have none and the decisions that
/// are about none.
pub(super) fn apply(decisions: &Decisions, conflicts: &[Conflict]) -> Result<Vec<Decided>, Diagnostics> {
    let (mut found, mut decided) = (Diagnostics::default(), Vec::new());
    for (key, winner) in &decisions.keys {
        if !conflicts.iter().any(|conflict| covers(key, &conflict.name())) {
            found.push(no_conflict(key, conflicts));
        }
        let against = (key.clone(), Winner::Theirs);
        if *winner == Winner::Ours && decisions.keys.contains(&against) {
            let message = format!("`{key}` is decided both ways");
            found.push(Diagnostic::new("contradicting-decisions", message).help("give it only once"));
        }
    }
    for conflict in conflicts {
        match decisions.winner(conflict) {
            Some(winner) => decided.push(Decided { key: conflict.name(), winner }),
            None => found.push(undecided(conflict)),
        }
    }
    found.or(decided)
}

fn undecided(conflict: &Conflict) -> Diagnostic {
    let name = conflict.name();
    conflict.diagnostic.clone().help(format!(
        "`--ours={name}` keeps what the child says, `--theirs={name}` takes it out of the child"
    ))
}

fn no_conflict(key: &str, conflicts: &[Conflict]) -> Diagnostic {
    let names: Vec<String> = conflicts.iter().map(Conflict::name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let message = format!("there is no conflict about `{key}` to decide");
    let diagnostic = Diagnostic::new("no-conflict", message);
    match suggest(key, &names) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None if names.is_empty() => diagnostic.help("there is no conflict at all: leave the decisions out"),
        None => diagnostic.help(format!("the conflicts are about {}", names.join(", "))),
    }
}
