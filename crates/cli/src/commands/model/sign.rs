//! `heirloom model sign`.

use provenance::{FileHash, FolderForm, Lineage};
use serde_json::json;

use crate::arguments::Sign;
use crate::author::by;
use crate::commands::key;
use crate::failure::Failure;
use crate::{quantities, terminal};

/// Signs a version and keeps the signature in the store.
pub(super) fn sign(arguments: &Sign) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let key = key::read_private(&arguments.key)?;
    let model = store.model(&arguments.model)?;
    let version = &model.version;
    let lineage = Lineage::of(&store, version)?;
    let files = FolderForm::new(&store, &model, &lineage)?.digests(FileHash::Sha256)?;
    let signature = provenance::sign(&version.name, &files, &key)?;
    let id = key.public().id();
    store.add_signature(&version.id(), id, &signature, &by())?;
    if arguments.json.wanted {
        return terminal::print_json(&json!({
            "model": version.id(),
            "digest": version.digest.to_string(),
            "key_id": id,
            "files": files.len(),
            "ancestors": lineage.ancestors.len(),
        }));
    }
    terminal::print(&format!(
        "{}: signed with the key {id}; {}, {}\n",
        version.id(),
        quantities::counted(files.len(), "file"),
        quantities::counted(lineage.ancestors.len(), "ancestor")
    ))
}
