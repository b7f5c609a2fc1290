//! `model.inherit = "auto"`: the first of the ranking that the network can take over.

use std::time::Instant;

use base::Diagnostic;
use scheme::Architecture;
use serde_json::{Value, json};
use store::Store;

use super::{RankObserver, RankOptions, Ranking, Standing, Subject, rank};
use crate::architecture;
use crate::error::RunError;
use crate::inheritance::{Parent, accept, at, load};
use crate::keys::to_value;

/// Under which role the ranking is kept beside a model whose parent it chose.
pub(crate) const ROLE: &str = "ranking";

/// What was chosen, and from what.
pub(crate) struct Chosen {
    /// `None` is from scratch.
    pub(crate) parent: Option<Parent>,
    /// What came before it in the ranking, and why it was not taken.
    passed_over: Vec<(String, String)>,
    ranking: Ranking,
}

/// Ranks, and takes the first candidate that the scheme's network can take something over from. There is no budget, and no
/// latency decides, so the choice is a function of scheme, data and store.
///
/// Passed over, and told: a parent whose transfer is refused, that falls short of `model.min_inherited`, or of which nothing
/// fits; and starting from scratch where the scheme has no layers of its own or asks for a share that must be inherited.
///
/// Errors   nothing is left; what [`rank`] says.
pub(crate) fn choose(
    subject: &mut Subject<'_>,
    graph_file: Option<&[u8]>,
    store: Option<&Store>,
    options: &RankOptions,
    observer: &mut RankObserver<'_>,
) -> Result<Chosen, RunError> {
    let options = RankOptions { budget: None, ..*options };
    let ranking = rank(subject, store, &options, Instant::now(), observer)?;
    let mut passed_over = Vec::new();
    for candidate in ranking.candidates.iter().filter(|each| each.standing == Standing::Ranked) {
        let taken = match (&candidate.model, store) {
            (Some(id), Some(store)) => take(subject, graph_file, store, id)?.map(Some),
            _ => scratch(subject).map(|()| None),
        };
        match taken {
            Ok(parent) => return Ok(Chosen { parent, passed_over, ranking }),
            Err(reason) => {
                let name = candidate.model.clone().unwrap_or_else(|| "from scratch".to_owned());
                passed_over.push((name, reason));
            }
        }
    }
    let found = Diagnostic::new("no-parent-fits", "`inherit = \"auto\"` found nothing to start from");
    let mut found = at(subject.scheme, "model.inherit", found);
    for (name, reason) in &passed_over {
        found = found.help(format!("{name}: {reason}"));
    }
    Err(found.help("`heirloom inherit rank` shows every candidate").into())
}

/// The parent called `id`; errors inside with a sentence where the network cannot take it over.
fn take(
    subject: &Subject<'_>,
    graph_file: Option<&[u8]>,
    store: &Store,
    id: &str,
) -> Result<Result<Parent, String>, RunError> {
    let scheme = subject.scheme;
    let parent = match load(scheme, store, id) {
        Ok(parent) => parent,
        Err(RunError::Diagnostics(found)) => return Ok(Err(first_message(&found))),
        Err(error) => return Err(error),
    };
    let planned = architecture::plan(scheme, subject.prepared, graph_file, Some(&parent))
        .and_then(|plan| accept(scheme, plan.summary.transfer.as_ref()).map(|()| plan.summary.transfer));
    Ok(match planned {
        Ok(Some(transfer)) if transfer.inherited_share > 0.0 => Ok(parent),
        Ok(_) => Err("none of its tensors fits the network".to_owned()),
        Err(found) => Err(first_message(&found)),
    })
}

fn first_message(found: &base::Diagnostics) -> String {
    found.0.first().map_or_else(String::new, |first| first.message.clone())
}

fn scratch(subject: &Subject<'_>) -> Result<(), String> {
    let model = &subject.scheme.model;
    if model.architecture == Architecture::Parent {
        return Err("the scheme has no layers of its own".to_owned());
    }
    match &model.inherit {
        Some(wanted) if wanted.min_inherited > 0.0 => {
            Err(format!("`min_inherited` = {} asks for a parent", wanted.min_inherited))
        }
        _ => Ok(()),
    }
}

impl Chosen {
    /// What the user should know, in sentences.
    pub(crate) fn notices(&self) -> Vec<String> {
        let mut notices: Vec<String> = self
            .passed_over
            .iter()
            .map(|(name, reason)| format!("inherit = \"auto\" passes over {name}: {reason}"))
            .collect();
        let taken = self.parent.as_ref().map(|parent| parent.id.clone());
        let ranked = self.ranking.candidates.iter().filter(|each| each.standing == Standing::Ranked).count();
        let reason = self.ranking.candidates.iter().find(|each| each.model == taken).map(|each| &each.reason);
        notices.push(format!(
            "inherit = \"auto\" takes {} out of {ranked}: {}",
            taken.as_deref().unwrap_or("starting from scratch"),
            reason.map_or("", String::as_str)
        ));
        notices
    }

    /// The account that is kept beside the model: the same in every run of the same scheme over the same store.
    pub(crate) fn account(&self) -> Value {
        let mut ranking = self.ranking.clone();
        ranking.candidates.iter_mut().for_each(|each| each.latency_ms = None);
        let passed_over: Vec<Value> = self
            .passed_over
            .iter()
            .map(|(model, reason)| json!({ "model": model, "reason": reason }))
            .collect();
        json!({
            "taken": self.parent.as_ref().map(|parent| &parent.id),
            "passed_over": passed_over,
            "ranking": to_value(&ranking),
        })
    }
}
