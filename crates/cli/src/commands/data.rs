//! `heirloom data`.

use serde_json::json;

use crate::arguments::Json;
use crate::failure::Failure;
use crate::tables::{Column, table};
use crate::terminal;

/// Lists the data sets built in.
pub(crate) fn list(json: Json) -> Result<(), Failure> {
    let found = data::embedded_names();
    if json.wanted {
        let all = found.iter().map(|(name, holds)| json!({ "name": name, "description": holds }));
        return terminal::print_json(&json!({ "data": all.collect::<Vec<_>>() }));
    }
    let rows = found.iter().map(|(name, holds)| [(*name).to_owned(), (*holds).to_owned()]);
    terminal::print(&table(terminal::width(), &[Column::Text("data set"), Column::Text("holds")], rows))
}
