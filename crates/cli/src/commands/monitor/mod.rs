//! `heirloom monitor`.

mod text;

use std::path::Path;
use std::process::ExitCode;

use base::Diagnostic;
use monitor::{Labels, Review, ReviewOptions, Settings, review};
use serde_json::{Value, json};
use store::ModelVersion;

use super::request_log::{self, profile};
use crate::arguments::Monitor;
use crate::failure::{Failure, REFUSED};
use crate::{terminal, webhook};

/// Reads a log, judges it, tells, and ends with status 3 where there is an alarm.
pub(crate) fn monitor(arguments: &Monitor) -> Result<(), Failure> {
    let address = arguments.webhook.as_deref().map(webhook::Address::parse).transpose()?;
    let store = arguments.store.open()?;
    let version = store.resolve(&arguments.model)?;
    let profile = profile(&store, &version)?;
    let labels = arguments.labels.as_deref().map(Labels::read).transpose()?;
    if let Some(folder) = arguments.log.as_deref().filter(|folder| !folder.is_dir()) {
        return Err(no_log(folder).into());
    }
    let folder = request_log::folder(arguments.log.as_deref(), &arguments.store)?;
    let options = ReviewOptions {
        model: version.name.clone(),
        version: version.version,
        window: arguments.window as usize,
        settings: Settings { false_alarm_rate: arguments.false_alarm_rate, ..Settings::default() },
    };
    let found = review(&folder, &profile, labels.as_ref(), &options)?;
    let document = document(&version, &options, &found);
    match arguments.json.wanted {
        true => terminal::print_json(&document)?,
        false => terminal::print(&text::draw(&version.id(), &options, &found, terminal::width()))?,
    }
    if !found.newest.alarm {
        return Ok(());
    }
    if let Some(address) = address {
        address.post(&document)?;
    }
    Err(Failure::Told(ExitCode::from(REFUSED)))
}

fn no_log(folder: &Path) -> Diagnostic {
    Diagnostic::new("no-log", format!("there is no folder {}", folder.display()))
        .help("`heirloom infer MODEL FILE --log FOLDER` makes a log")
}

/// What `--json` prints and the webhook gets.
fn document(version: &ModelVersion, options: &ReviewOptions, found: &Review) -> Value {
    let mut document = json!({
        "model": version.id(),
        "digest": version.digest.to_string(),
        "window": options.window,
        "settings": options.settings,
        "alarm": found.newest.alarm,
        "alarms": found.newest.sentences(),
    });
    if let (Value::Object(whole), Value::Object(more)) = (&mut document, json!(found)) {
        whole.extend(more);
    }
    document
}
