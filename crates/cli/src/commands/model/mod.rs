//! `heirloom model`: one file for each command, and here what they share.

mod compare;
mod export;
mod folder;
mod history;
mod import;
mod lineage;
mod list;
mod rollout;
mod show;
mod sign;
mod standing;
mod verify;

use serde_json::{Value, json};
use store::ModelVersion;

pub(crate) use standing::verified_keys;

use crate::arguments::Model;
use crate::failure::Failure;

/// Carries out one of the commands.
pub(crate) fn command(command: Model) -> Result<(), Failure> {
    match command {
        Model::List { name: Some(name), json, store } => list::versions(&name, json, &store),
        Model::List { name: None, json, store } => list::list(json, &store),
        Model::Show { model, json, store } => show::show(&model, json, &store),
        Model::Export(export) => export::export(&export),
        Model::Import(import) => import::import(&import),
        Model::Compare(arguments) => compare::compare(&arguments),
        Model::Lineage(arguments) => lineage::lineage(&arguments),
        Model::History { name, json, store } => history::history(name.as_deref(), json, &store),
        Model::Promote(arguments) => standing::promote(&arguments),
        Model::Rollback(arguments) => standing::rollback(&arguments),
        Model::Rollout(arguments) => rollout::rollout(&arguments),
        Model::Deprecate { model, reason, undo: _, store } => {
            standing::deprecate(&model, reason.as_deref(), &store)
        }
        Model::Recall(arguments) => standing::recall(&arguments),
        Model::Annotate(arguments) => standing::annotate(&arguments),
        Model::Sign(arguments) => sign::sign(&arguments),
        Model::Verify(arguments) => verify::verify(&arguments),
    }
}

/// A version as every document shows it.
fn version(version: &ModelVersion) -> Value {
    json!({
        "model": version.id(),
        "name": version.name,
        "version": version.version,
        "digest": version.digest.to_string(),
        "bytes": version.bytes,
        "created_unix_ms": version.created_unix_ms,
        "metrics": version.metrics,
    })
}
