//! `heirloom data`.

use serde_json::json;

use crate::arguments::{Json, StoreChoice};
use crate::failure::Failure;
use crate::tables::{Column, table};
use crate::{quantities, terminal};

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

/// Tells which models have seen a record.
pub(crate) fn who_saw(record: &str, json: Json, choice: &StoreChoice) -> Result<(), Failure> {
    let store = choice.open()?;
    let sightings = pipeline::who_saw(&store, record)?;
    if json.wanted {
        let found = sightings.found.iter().map(|sighting| {
            json!({
                "model": sighting.version.id(),
                "digest": sighting.version.digest.to_string(),
                "record": sighting.digest.to_string(),
                "file": sighting.record.as_ref().map(|(file, _)| file.display().to_string()),
                "index": sighting.record.as_ref().map(|(_, index)| index),
                "part": sighting.part.name(),
            })
        });
        return terminal::print_json(&json!({
            "found": found.collect::<Vec<_>>(),
            "unknown": sightings.unknown,
            "other_input": sightings.other_input,
        }));
    }
    let columns = ["model", "seen in", "record", "place"].map(Column::Text);
    let rows = sightings.found.iter().map(|sighting| {
        let place = sighting.record.as_ref().map(|(file, index)| format!("{} [{index}]", file.display()));
        [
            sighting.version.id(),
            sighting.part.name().to_owned(),
            sighting.digest.to_string(),
            terminal::printable(&place.unwrap_or_default()),
        ]
    });
    let mut text = match sightings.found.is_empty() {
        true => "no model is known to have seen it\n".to_owned(),
        false => table(terminal::width(), &columns, rows),
    };
    for (models, why) in [
        (&sightings.unknown, "whose records are not known"),
        (&sightings.other_input, "that takes no such file"),
    ] {
        if !models.is_empty() {
            text += &format!("{} {why}: {}\n", quantities::counted(models.len(), "model"), models.join(", "));
        }
    }
    terminal::print(&text)
}
