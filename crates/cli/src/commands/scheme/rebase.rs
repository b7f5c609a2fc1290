//! `heirloom scheme rebase`.

use std::path::Path;

use base::Diagnostic;
use scheme::{Decisions, Inherited, Rebased, Stated, Winner};
use serde_json::{Value, json};

use crate::arguments::Rebase;
use crate::disk;
use crate::failure::Failure;
use crate::scheme_files::SchemePlaces;
use crate::tables::{Column, table};
use crate::{edits, terminal};

/// Moves a scheme file to another version of its parent.
pub(super) fn rebase(arguments: &Rebase) -> Result<(), Failure> {
    let child = arguments.child.as_path();
    let onto = edits::reference(child, &arguments.onto);
    let decisions = decisions(arguments)?;
    let rebase =
        scheme::Rebase { child, onto: &onto, from: arguments.from.as_deref(), decisions: &decisions };
    let rebasing = rebase.carry_out(&SchemePlaces::new(&arguments.store));
    let rebased = rebasing.result.map_err(|found| Failure::mistakes(found, rebasing.sources))?;
    let before = edits::text(child)?;
    let written = !arguments.dry_run && rebased.text != before;
    if written {
        disk::write_whole(child, rebased.text.as_bytes())?;
    }
    let diff = edits::diff(child, &before, &rebased.text);
    if arguments.json.wanted {
        return terminal::print_json(&document(child, &rebased, written, &diff));
    }
    let diff = if arguments.dry_run { diff } else { String::new() };
    terminal::print(&draw(child, &rebased, &diff, terminal::width()))
}

fn decisions(arguments: &Rebase) -> Result<Decisions, Failure> {
    let mut decisions = Decisions::default();
    for (keys, winner) in [(&arguments.ours, Winner::Ours), (&arguments.theirs, Winner::Theirs)] {
        if keys.iter().any(String::is_empty) && decisions.rest.replace(winner).is_some() {
            let message = "`--ours` and `--theirs` cannot both decide all the rest";
            let help = "name the keys of one side, as in `--ours=train.epochs --theirs`";
            return Err(Diagnostic::new("contradicting-decisions", message).help(help).into());
        }
        let named = keys.iter().filter(|key| !key.is_empty());
        decisions.keys.extend(named.map(|key| (key.clone(), winner)));
    }
    Ok(decisions)
}

fn draw(child: &Path, rebased: &Rebased, diff: &str, width: usize) -> String {
    let Rebased { before, after, inherited, decided, .. } = rebased;
    let child = child.display();
    let mut text = if before == after {
        format!("{child}: inherits {after} already\n")
    } else {
        format!("{child}: {before} -> {after}\n")
    };
    if !inherited.is_empty() {
        let columns = [Column::Text("inherits now"), Column::Text("before"), Column::Text("after")];
        let cell = |side: &Option<Stated>| side.as_ref().map_or("-".to_owned(), |side| printable(&side.text));
        let rows = inherited
            .iter()
            .map(|change| [printable(&change.key), cell(&change.before), cell(&change.after)]);
        text += &format!("\n{}", table(width, &columns, rows));
    }
    if !decided.is_empty() {
        let columns = [Column::Text("decided"), Column::Text("")];
        let rows = decided.iter().map(|decided| {
            let what = match decided.winner {
                Winner::Ours => "the scheme keeps its own",
                Winner::Theirs => "taken out for the parent's",
            };
            [printable(&decided.key), what.to_owned()]
        });
        text += &format!("\n{}", table(width, &columns, rows));
    }
    if diff.is_empty() { text } else { format!("{text}\n{diff}") }
}

fn printable(text: &str) -> String {
    terminal::printable(text)
}

fn document(child: &Path, rebased: &Rebased, written: bool, diff: &str) -> Value {
    let value = |side: &Option<Stated>| side.as_ref().map_or(Value::Null, |side| side.value.clone());
    let change = |change: &Inherited| json!({ "key": change.key, "before": value(&change.before), "after": value(&change.after) });
    let decided = rebased.decided.iter().map(|decided| {
        let winner = match decided.winner {
            Winner::Ours => "ours",
            Winner::Theirs => "theirs",
        };
        json!({ "key": decided.key, "winner": winner })
    });
    json!({
        "scheme": child.display().to_string(),
        "before": rebased.before,
        "after": rebased.after,
        "written": written,
        "inherited": rebased.inherited.iter().map(change).collect::<Vec<_>>(),
        "decided": decided.collect::<Vec<_>>(),
        "diff": diff,
    })
}
