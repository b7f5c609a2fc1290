//! What an image and an artifact say about the model: the pre-defined annotations of OCI.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use store::ModelVersion;

use crate::{PackageError, Subject};

/// The annotations of a model, by key. What is not known is left out.
pub(crate) fn annotations(subject: Subject<'_>) -> Result<Value, PackageError> {
    let Subject { store, model } = subject;
    let version = &model.version;
    let about = store.about(version)?;
    let mut said = Map::new();
    let known = [
        ("created", created(version)),
        ("description", about.description),
        ("licenses", about.licence),
        ("revision", version.digest.to_string()),
        ("title", version.name.clone()),
        ("version", version.version.to_string()),
    ];
    for (key, text) in known {
        if !text.is_empty() {
            said.insert(format!("org.opencontainers.image.{key}"), json!(text));
        }
    }
    Ok(Value::Object(said))
}

/// When the version was registered, as RFC 3339: the clock of the machine that packs does not count.
pub(crate) fn created(version: &ModelVersion) -> String {
    let since = Duration::from_millis(u64::try_from(version.created_unix_ms).unwrap_or(0));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}
