//! `heirloom scheme new`.

use std::path::{Path, PathBuf};

use base::Diagnostic;
use serde_json::json;

use crate::arguments::NewScheme;
use crate::commands::parent::Parent;
use crate::failure::Failure;
use crate::terminal;

/// Writes a scheme that inherits another and holds only what differs.
pub(super) fn new(arguments: &NewScheme) -> Result<(), Failure> {
    let child = arguments.output.clone().unwrap_or_else(|| default_output(&arguments.from));
    if child.exists() {
        let message = format!("{} is there already", child.display());
        return Err(Diagnostic::new("file-exists", message).help("name another file with `--output`").into());
    }
    if child.extension().is_none_or(|extension| extension != "toml") {
        let message = format!("{} is no name of a scheme file", child.display());
        return Err(Diagnostic::new("not-a-scheme-file", message).help("let it end in `.toml`").into());
    }
    let parent = Parent::find(&arguments.from, &child, &arguments.store)?;
    let about = [
        format!("Inherits {}; what is not written here is as there.", parent.reference),
        "`heirloom scheme show` on this file shows everything that it comes to.".to_owned(),
    ];
    let text = parent.child(&arguments.settings, &about)?;
    parent.write(&child, &text)?;
    let base = parent.base.as_ref().map(|(path, _)| path.display().to_string());
    if arguments.json.wanted {
        return terminal::print_json(&json!({
            "scheme": child.display().to_string(),
            "inherits": parent.reference,
            "base": base,
            "text": text,
        }));
    }
    let base = base.map_or(String::new(), |base| format!("{base}: the model's scheme, for it to inherit\n"));
    terminal::print(&format!("{base}{}:\n{text}", child.display()))
}

/// A file of a name of its own in the working directory.
fn default_output(from: &str) -> PathBuf {
    let stem = Path::new(from.split('@').next().unwrap_or(from)).file_stem().unwrap_or_default();
    PathBuf::from(format!("my-{}.toml", stem.to_string_lossy()))
}
