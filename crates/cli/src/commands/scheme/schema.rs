//! `heirloom scheme schema`.

use crate::failure::Failure;
use crate::terminal;

/// Prints the JSON Schema of scheme files.
pub(super) fn schema() -> Result<(), Failure> {
    terminal::print_json(&scheme::json_schema())
}
