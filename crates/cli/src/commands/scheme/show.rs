//! `heirloom scheme show`.

use super::Checked;
use crate::arguments::{Json, SchemeChoice, StoreChoice};
use crate::failure::Failure;
use crate::{diagnostics, terminal};

/// Shows the resolved scheme.
pub(super) fn show(choice: &SchemeChoice, json: Json, store: &StoreChoice) -> Result<(), Failure> {
    let Checked { scheme, sources, .. } = choice.resolve(store)?;
    if json.wanted {
        return terminal::print_json(&scheme.to_json());
    }
    diagnostics::report_notes(&scheme.notes, &sources);
    terminal::print(&scheme.to_toml())
}
