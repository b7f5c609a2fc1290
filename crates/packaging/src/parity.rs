//! The proof that what is packaged is what was trained.

use pipeline::{ParityReport, golden, load_model, verify_golden};

use crate::{PackageError, Subject};

/// Loads the model as it is in the store and asks it its golden examples; `None` if the version left none.
///
/// Errors   an answer that is not the one recorded, as a mistake; the store; the engine.
pub fn prove(subject: Subject<'_>, threads: usize) -> Result<Option<ParityReport>, PackageError> {
    let Subject { store, model } = subject;
    let Some(golden) = golden(store, &model.version)? else { return Ok(None) };
    let report = verify_golden(&load_model(store, &model.version.id())?, &golden, threads)?;
    match report.mistake(&model.version.id()) {
        Some(mistake) => Err(mistake.into()),
        None => Ok(Some(report)),
    }
}
