//! One-way edges between the crates: every `Cargo.toml` against the table in ARCHITECTURE.md.
//!
//! A row of the table may name only rows above it, so the table itself cannot hold a cycle.

use std::collections::BTreeMap;

use toml_edit::{DocumentMut, Item, TableLike};

use super::{File, Finding, is_workspace_of_its_own};

const TABLE_FILE: &str = "ARCHITECTURE.md";

/// The header cells that mark the table: the crate, and what it may depend on.
const HEADER: [&str; 2] = ["crate", "may depend on"];

/// One row of the table.
struct Row {
    line: usize,
    allowed: Vec<String>,
}

type Table = BTreeMap<String, Row>;

/// Checks every manifest of `files` against the table of `files`.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let Some(architecture) = files.iter().find(|file| file.path == TABLE_FILE) else {
        return vec![Finding::file(TABLE_FILE, "is missing")];
    };
    let (table, mut findings) = read_table(&architecture.text);
    for file in files.iter().filter(|file| !is_workspace_of_its_own(file)) {
        if let Some(name) = crate_of(&file.path) {
            findings.extend(check_manifest(&file.path, name, &file.text, &table));
        }
    }
    for (name, row) in &table {
        if !files.iter().any(|file| crate_of(&file.path) == Some(name)) {
            findings.push(Finding::line(TABLE_FILE, row.line, format!("there is no crate `{name}`")));
        }
    }
    findings
}

/// `crates/NAME/Cargo.toml` and `xtask/Cargo.toml` give the crate's name.
fn crate_of(path: &str) -> Option<&str> {
    let folder = path.strip_suffix("/Cargo.toml")?;
    let name = folder.strip_prefix("crates/").unwrap_or(folder);
    (!name.contains('/')).then_some(name)
}

/// Reads the table and checks that each row names only rows above it.
fn read_table(text: &str) -> (Table, Vec<Finding>) {
    let (mut table, mut findings) = (Table::new(), Vec::new());
    let lines = text.lines().enumerate().skip_while(|(_, line)| !is_header(line)).skip(2);
    for (index, line) in lines.take_while(|(_, line)| line.starts_with('|')) {
        let cells = cells(line);
        let names = backticked(cells.first().copied().unwrap_or(""));
        let allowed = backticked(cells.get(1).copied().unwrap_or(""));
        let Some(name) = names.into_iter().next() else {
            findings.push(Finding::line(TABLE_FILE, index + 1, "a row of the crate table without a `name`"));
            continue;
        };
        for unknown in allowed.iter().filter(|other| !table.contains_key(*other)) {
            let message = format!("`{name}` may depend on `{unknown}`, which has no row above it");
            findings.push(Finding::line(TABLE_FILE, index + 1, message));
        }
        table.insert(name, Row { line: index + 1, allowed });
    }
    if table.is_empty() {
        let message = format!("holds no table with the columns `{}` and `{}`", HEADER[0], HEADER[1]);
        findings.push(Finding::file(TABLE_FILE, message));
    }
    (table, findings)
}

fn is_header(line: &str) -> bool {
    line.starts_with('|') && cells(line).starts_with(&HEADER)
}

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// The words between backticks.
fn backticked(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn check_manifest(path: &str, name: &str, text: &str, table: &Table) -> Vec<Finding> {
    let manifest = match text.parse::<DocumentMut>() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::file(path, format!("is no TOML: {}", error.message()))],
    };
    let Some(row) = table.get(name) else {
        return vec![Finding::file(path, format!("`{name}` has no row in {TABLE_FILE}"))];
    };
    let mut findings = Vec::new();
    for other in dependencies(manifest.as_table()) {
        if table.contains_key(&other) && !row.allowed.contains(&other) {
            let message = format!("`{name}` depends on `{other}`, an edge that {TABLE_FILE} does not have");
            findings.push(Finding::file(path, message));
        }
    }
    findings
}

/// The packages under `dependencies` and `build-dependencies`, those of `target.*` included.
fn dependencies(manifest: &dyn TableLike) -> Vec<String> {
    let mut found = Vec::new();
    for (key, item) in manifest.iter() {
        let Some(table) = item.as_table_like() else { continue };
        match key {
            "dependencies" | "build-dependencies" => found.extend(table.iter().map(package)),
            "target" => {
                let platforms = table.iter().filter_map(|(_, platform)| platform.as_table_like());
                found.extend(platforms.flat_map(dependencies));
            }
            _ => {}
        }
    }
    found
}

/// The package behind a dependency's key, which may rename it.
fn package((key, item): (&str, &Item)) -> String {
    let renamed = item.as_table_like().and_then(|table| table.get("package")).and_then(Item::as_str);
    renamed.unwrap_or(key).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
# x\n\n| crate | may depend on | holds |\n|---|---|---|\n| `base` | nothing | a |\n| `tensor` | `base` | b |\n\n| `late` | |\n";

    fn check_crate(name: &str, manifest: &str, expect: &[&str]) {
        let file = |path: String, text: &str| File { path, text: text.into() };
        let mut files = vec![file(TABLE_FILE.into(), TABLE)];
        for other in ["base", "tensor"].into_iter().filter(|other| *other != name) {
            files.push(file(format!("crates/{other}/Cargo.toml"), ""));
        }
        files.push(file(format!("crates/{name}/Cargo.toml"), manifest));
        let found: Vec<String> = super::check(&files).iter().map(Finding::to_string).collect();
        assert_eq!(found, expect, "{name}: {manifest:?}");
    }

    #[test]
    fn edges_go_one_way() {
        check_crate("tensor", "[dependencies]\nbase.workspace = true\nserde = \"1\"", &[]);
        let back =
            "crates/base/Cargo.toml: `base` depends on `tensor`, an edge that ARCHITECTURE.md does not have";
        check_crate("base", "[dependencies]\ntensor.workspace = true", &[back]);
        check_crate("base", "[build-dependencies]\ntensor = { path = \"../tensor\" }", &[back]);
        check_crate("base", "[target.'cfg(unix)'.dependencies]\nt = { package = \"tensor\" }", &[back]);
        check_crate("base", "[dev-dependencies]\ntensor.workspace = true", &[]);
    }

    #[test]
    fn table_and_folders_name_the_same_crates() {
        check_crate("late", "", &["crates/late/Cargo.toml: `late` has no row in ARCHITECTURE.md"]);
        let files = [File { path: TABLE_FILE.into(), text: TABLE.into() }];
        let found: Vec<String> = super::check(&files).iter().map(Finding::to_string).collect();
        assert_eq!(
            found,
            ["ARCHITECTURE.md:5: there is no crate `base`", "ARCHITECTURE.md:6: there is no crate `tensor`"]
        );
    }

    #[test]
    fn a_row_names_only_rows_above_it() {
        let text = "| crate | may depend on |\n|---|---|\n| `a` | `b` |\n| `b` | `a` |\n";
        let found: Vec<String> = read_table(text).1.iter().map(Finding::to_string).collect();
        assert_eq!(found, ["ARCHITECTURE.md:3: `a` may depend on `b`, which has no row above it"]);
    }

    #[test]
    fn a_missing_table_is_said() {
        let found = read_table("# nothing here").1;
        assert_eq!(
            found[0].to_string(),
            "ARCHITECTURE.md: holds no table with the columns `crate` and `may depend on`"
        );
    }
}
