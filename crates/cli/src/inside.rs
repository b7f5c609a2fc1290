//! The model inside this program, if `heirloom package --as static` put one there.
//!
//! Such a program answers without being told which model: `./digits infer FILE`, `./digits serve`. With `--store` it is
//! the ordinary program. Nothing is unpacked.

use std::ffi::OsString;
use std::path::PathBuf;

use store::{Port, Store, find_trailer};

use crate::failure::Failure;
use crate::{tables, terminal};

/// The commands whose model need not be named.
const KNOWING: [&str; 2] = ["infer", "serve"];

/// This program's file, if a model is inside.
pub(crate) fn file() -> Result<Option<PathBuf>, Failure> {
    // Where a program cannot find itself it carries nothing.
    let Ok(path) = std::env::current_exe() else { return Ok(None) };
    Ok(find_trailer(&path)?.map(|_| path))
}

/// What was typed, with the model inside where one is to be named; `None` if nothing was typed and there is one.
pub(crate) fn words(mut typed: Vec<OsString>) -> Result<Option<Vec<OsString>>, Failure> {
    let Some(path) = file()? else { return Ok(Some(typed)) };
    let Some(command) = typed.get(1) else { return Ok(None) };
    let elsewhere =
        typed.iter().any(|word| word == "--store" || word.to_string_lossy().starts_with("--store="));
    if KNOWING.iter().any(|known| command == known) && !elsewhere {
        let store = Store::open_packed(&path)?;
        typed.splice(2..2, store.packed_models().iter().map(OsString::from));
    }
    Ok(Some(typed))
}

/// Says which model is inside and how it is asked.
pub(crate) fn introduce() -> Result<(), Failure> {
    let Some(path) = file()? else { return Ok(()) };
    let store = Store::open_packed(&path)?;
    let program = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for name in store.packed_models() {
        let model = store.model(name)?;
        let ports = |ports: &[Port]| ports.iter().map(Port::to_string).collect::<Vec<_>>().join(", ");
        let facts = [
            ("model", model.version.id()),
            ("digest", model.version.digest.to_string()),
            ("takes", terminal::printable(&ports(&model.manifest.inputs))),
            ("answers", terminal::printable(&ports(&model.manifest.outputs))),
            ("labels", terminal::printable(&model.manifest.labels.join(", "))),
        ];
        let facts = facts.into_iter().filter(|(_, fact)| !fact.is_empty());
        terminal::print(&tables::facts(terminal::width(), facts))?;
    }
    terminal::print(&format!("\nask it:\n  ./{program} infer FILE\n  ./{program} serve\n"))
}
