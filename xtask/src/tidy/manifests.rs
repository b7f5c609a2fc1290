//! Every dependency says why it is there, on its line in the root manifest, and nowhere else.

use toml_edit::{DocumentMut, Item, TableLike};

use super::{File, Finding, is_workspace_of_its_own};

/// Checks the root manifest and those of the members.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_manifest = |path: &str| path == "Cargo.toml" || path.ends_with("/Cargo.toml");
    for file in files.iter().filter(|file| is_manifest(&file.path) && !is_workspace_of_its_own(file)) {
        let Ok(manifest) = file.text.parse::<DocumentMut>() else { continue };
        let found = match file.path.as_str() {
            "Cargo.toml" => check_reasons(&manifest),
            _ => check_inherited(&manifest),
        };
        findings.extend(found.into_iter().map(|message| Finding::file(&file.path, message)));
    }
    findings
}

/// Every outside package of `[workspace.dependencies]` has a comment behind it.
fn check_reasons(manifest: &DocumentMut) -> Vec<String> {
    let dependencies = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let Some(dependencies) = dependencies.and_then(Item::as_table_like) else { return Vec::new() };
    let unexplained = dependencies.iter().filter(|(_, item)| !is_our_own(item) && !has_reason(item));
    unexplained
        .map(|(name, _)| format!("`{name}` has no comment on its line that says why it is there"))
        .collect()
}

/// A path inside the repository: explained by the crate's own documentation.
fn is_our_own(item: &Item) -> bool {
    item.as_table_like().is_some_and(|table| table.contains_key("path"))
}

fn has_reason(item: &Item) -> bool {
    let suffix = item.as_value().and_then(|value| value.decor().suffix()).and_then(|suffix| suffix.as_str());
    suffix.and_then(|suffix| suffix.split_once('#')).is_some_and(|(_, reason)| !reason.trim().is_empty())
}

/// Every dependency of a member is inherited from the root, so that its version stands in one place.
fn check_inherited(manifest: &DocumentMut) -> Vec<String> {
    let mut messages = Vec::new();
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(table) = manifest.get(section).and_then(Item::as_table_like) else { continue };
        let own = table.iter().filter(|(_, item)| !item.as_table_like().is_some_and(is_inherited));
        messages.extend(own.map(|(name, _)| {
            format!(
                "`{name}` under [{section}] is not `workspace = true`: versions stand in the root manifest"
            )
        }));
    }
    messages
}

fn is_inherited(dependency: &dyn TableLike) -> bool {
    dependency.get("workspace").and_then(Item::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_file(path: &str, text: &str, expect: &[&str]) {
        let files = [File { path: path.into(), text: text.into() }];
        let found: Vec<String> = super::check(&files).iter().map(Finding::to_string).collect();
        assert_eq!(found, expect, "{path}: {text:?}");
    }

    #[test]
    fn each_dependency_has_a_reason() {
        let root = |line: &str| format!("[workspace.dependencies]\n{line}\n");
        check_file("Cargo.toml", &root("csv = \"1\" # reads tables"), &[]);
        check_file("Cargo.toml", &root("csv = { version = \"1\" }   # reads tables"), &[]);
        check_file("Cargo.toml", &root("base = { path = \"crates/base\" }"), &[]);
        let message = "Cargo.toml: `csv` has no comment on its line that says why it is there";
        check_file("Cargo.toml", &root("csv = \"1\""), &[message]);
        check_file("Cargo.toml", &root("csv = \"1\" #"), &[message]);
        check_file("Cargo.toml", &root("# reads tables\ncsv = \"1\""), &[message]);
    }

    #[test]
    fn versions_stand_in_the_root() {
        check_file("crates/a/Cargo.toml", "[dependencies]\ncsv.workspace = true", &[]);
        check_file("crates/a/Cargo.toml", "[dependencies]\ncsv = { workspace = true, features = [] }", &[]);
        check_file(
            "crates/a/Cargo.toml",
            "[dev-dependencies]\ncsv = \"1\"",
            &[
                "crates/a/Cargo.toml: `csv` under [dev-dependencies] is not `workspace = true`: versions stand in the root manifest",
            ],
        );
    }
}
