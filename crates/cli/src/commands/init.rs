//! `heirloom init`: a new project from a base and data.

use std::fs;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Location, nearest};
use data::{Guess, IdxLook, ImagesLook, Look, TableLook};
use scheme::{Resolution, Task, resolve};
use serde_json::json;

use super::look;
use super::parent::Parent;
use crate::arguments::Init;
use crate::disk;
use crate::edits::relative;
use crate::failure::Failure;
use crate::terminal;

/// Larger images are brought down to this, in pixels of the longer side.
const SIDE_MAX: usize = 128;

/// What the data decided: settings of the scheme, and what the user is told of it.
#[derive(Default)]
struct Found {
    settings: Vec<String>,
    remarks: Vec<String>,
    guess: Option<Guess>,
}

impl Found {
    fn set(&mut self, key: &str, value: impl Into<toml_edit::Value>) {
        self.settings.push(format!("data.{key}={}", value.into()));
    }
}

/// Makes a project: a folder with a scheme that holds only what differs from its base.
pub(crate) fn init(arguments: &Init) -> Result<(), Failure> {
    let folder = arguments.project.as_path();
    refuse_other_schemes(folder)?;
    let look = look::look(&arguments.data)?;
    let child = folder.join(format!("{}.toml", project_name(folder)));
    let parent = Parent::find(&arguments.from, &child, &arguments.store)?;
    let found = match &look {
        Look::Table(table) => table_settings(arguments, table, &parent)?,
        Look::Images(images) => image_settings(arguments, images),
        Look::Idx(idx) => idx_settings(arguments, idx),
    };
    check_format(arguments, &look, &parent)?;
    let about = [format!("Inherits {}; only what differs stands here.", parent.reference)];
    let text = parent.child(&found.settings, &about)?;
    fs::create_dir_all(folder).map_err(|source| disk::failed("make the folder", folder, source))?;
    parent.write(&child, &text)?;
    tell(arguments, &look, &child, &found, &text)
}

fn tell(arguments: &Init, look: &Look, child: &Path, found: &Found, text: &str) -> Result<(), Failure> {
    let next = format!("heirloom run {}", child.display());
    if arguments.json.wanted {
        return terminal::print_json(&json!({
            "scheme": child.display().to_string(),
            "text": text,
            "data": look::document(&arguments.data, look),
            "guess": found.guess.as_ref().map(|guess| json!({ "target": guess.column, "reason": guess.reason })),
            "next": next,
        }));
    }
    let remarks: String =
        found.remarks.iter().map(|remark| format!("{}\n", terminal::printable(remark))).collect();
    let remarks = if remarks.is_empty() { remarks } else { format!("\n{remarks}") };
    let look = look::draw(&arguments.data, look, terminal::width());
    terminal::print(&format!("{look}{remarks}\n{}:\n{text}\nnext:\n  {next}\n", child.display()))
}

/// A folder that holds a scheme is a project already.
fn refuse_other_schemes(folder: &Path) -> Result<(), Failure> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let Some(path) = paths.first() else { return Ok(()) };
    let message = format!("{} holds a scheme already", folder.display());
    Err(Diagnostic::new("project-exists", message)
        .label(Location::file(path), "")
        .help("name a new folder, as in `heirloom init NAME`; or add a scheme to this one with `heirloom scheme new`")
        .into())
}

/// The folder's name as a scheme may be called.
fn project_name(folder: &Path) -> String {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let name = whole.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain = |each: char| if each.is_ascii_alphanumeric() || "._".contains(each) { each } else { '-' };
    let name: String = name.chars().map(plain).collect();
    let name = name.trim_matches(['-', '.', '_']).to_owned();
    if name.is_empty() { "scheme".to_owned() } else { name }
}

/// `path` as the scheme in the project's folder writes it; never the name of a data set built in.
fn written(arguments: &Init, path: &Path) -> String {
    let path = relative(&arguments.project, path).to_string_lossy().into_owned();
    if path.contains(['/', '.']) { path } else { format!("./{path}") }
}

/// The base and the data must be of one kind.
fn check_format(arguments: &Init, look: &Look, parent: &Parent) -> Result<(), Failure> {
    let tabular = learns_from_tables(parent);
    let suits = |format: &str| if format == "csv" { "tabular/regressor" } else { "vision/classifier" };
    if tabular.is_none_or(|tabular| tabular == (look.format() == "csv")) {
        return Ok(());
    }
    let learns = if tabular == Some(true) { "tables" } else { "images" };
    let holds = if tabular == Some(true) { "images" } else { "a table" };
    let message =
        format!("{} learns from {learns}, and {} is {holds}", arguments.from, arguments.data.display());
    Err(Diagnostic::new("wrong-base", message)
        .label(Location::file(&arguments.data), holds)
        .help(format!("`--from {}` suits it", suits(look.format())))
        .into())
}

/// Whether the base is for tables, as far as its own settings tell.
fn learns_from_tables(parent: &Parent) -> Option<bool> {
    let fits = |settings: &[&str]| {
        let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
        resolve(&parent.path, &settings, parent).result.is_ok()
    };
    let table = fits(&["data.source=\"./a.csv\"", "data.features=[\"a\"]", "data.target=\"b\""]);
    let images = fits(&["data.source=\"./a\"", "data.height=64", "data.width=64"]);
    (table != images).then_some(table)
}

fn table_settings(arguments: &Init, table: &TableLook, parent: &Parent) -> Result<Found, Failure> {
    let probe = ["data.source=\"./a.csv\"", "data.features=[\"a\"]", "data.target=\"b\""].map(str::to_owned);
    let Resolution { result, .. } = resolve(&parent.path, &probe, parent);
    let regression = result.is_ok_and(|scheme| scheme.task() == Task::Regression);
    let mut found = Found::default();
    let target = match &arguments.target {
        Some(target) => given_target(arguments, table, target, regression)?,
        None => {
            let guess = table.guess_target(regression).ok_or_else(|| no_target(arguments, regression))?;
            found.remarks.push(format!(
                "target   {}, a guess, because {}; `--target NAME` decides otherwise",
                guess.column, guess.reason
            ));
            let target = guess.column.clone();
            found.guess = Some(guess);
            target
        }
    };
    let others = || table.columns.iter().filter(|column| column.name != target);
    let suits = |column: &&data::ColumnLook| column.is_numeric() && column.varies();
    let features: Vec<&str> = others().filter(suits).map(|column| column.name.as_str()).collect();
    if features.is_empty() {
        let message =
            format!("no column but `{target}` holds numbers without gaps, so nothing is left to learn from");
        return Err(Diagnostic::new("no-features", message)
            .label(Location::file(&arguments.data), "")
            .into());
    }
    let left_out = others().filter(|column| !suits(column)).map(|column| match column.empty {
        0 if column.is_numeric() => format!("{} (always the same)", column.name),
        0 => format!("{} ({})", column.name, column.kind.name()),
        empty => format!("{} ({empty} empty cells)", column.name),
    });
    let left_out: Vec<String> = left_out.collect();
    found.set("source", written(arguments, &arguments.data));
    if !table.header {
        found.set("header", false);
    }
    found.set("features", features.iter().copied().collect::<toml_edit::Array>());
    found.set("target", target.as_str());
    if !left_out.is_empty() {
        found.remarks.push(format!("left out {}", left_out.join(", ")));
    }
    if let Some(date) = table.columns.iter().find(|column| column.kind == data::ColumnKind::Date) {
        found.remarks.push(format!(
            "a series? if the rows are one, set `order = \"{}\"` and split by order: `heirloom scheme show stock` is an example",
            date.name
        ));
    }
    Ok(found)
}

fn given_target(
    arguments: &Init,
    table: &TableLook,
    target: &str,
    regression: bool,
) -> Result<String, Failure> {
    let at = Location::file(&arguments.data);
    let names = table.columns.iter().map(|column| column.name.as_str());
    let Some(column) = table.column(target) else {
        let diagnostic =
            Diagnostic::new("unknown-column", format!("there is no column `{target}`")).label(at, "");
        return Err(match nearest(target, names.clone()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!("columns are {}", names.take(40).collect::<Vec<_>>().join(", "))),
        }
        .into());
    };
    if regression && !column.is_numeric() {
        let holds = if column.empty > 0 { "has empty cells" } else { "does not hold numbers" };
        let message = format!("{} predicts a number, and the column `{target}` {holds}", arguments.from);
        return Err(Diagnostic::new("wrong-target", message).label(at, "").into());
    }
    Ok(target.to_owned())
}

fn no_target(arguments: &Init, regression: bool) -> Failure {
    let what = if regression { "numbers that differ" } else { "values that differ" };
    let message = format!("no column of {} holds {what} and has no gap", arguments.data.display());
    Diagnostic::new("no-target", message).label(Location::file(&arguments.data), "").into()
}

fn image_settings(arguments: &Init, images: &ImagesLook) -> Found {
    let mut found = Found::default();
    let colour = images.shapes.iter().any(|([channels, ..], _)| *channels == 3);
    let [_, height, width] = images.shapes.first().map_or([1, SIDE_MAX, SIDE_MAX], |(shape, _)| *shape);
    let longer = height.max(width);
    let scaled = |side: usize| if longer > SIDE_MAX { (side * SIDE_MAX / longer).max(1) } else { side };
    found.set("source", written(arguments, &arguments.data));
    found.set("channels", if colour { 3 } else { 1 });
    found.set("height", scaled(height) as i64); // at most SIDE_MAX
    found.set("width", scaled(width) as i64);
    if longer > SIDE_MAX || images.shapes.len() > 1 {
        found.remarks.push(format!(
            "size     all images are brought to {} x {}, a choice to be revised: `height` and `width`",
            scaled(height),
            scaled(width)
        ));
    }
    found
}

fn idx_settings(arguments: &Init, idx: &IdxLook) -> Found {
    let mut found = Found::default();
    found.set("format", "idx");
    found.set("images", written(arguments, &idx.images));
    found.set("labels", written(arguments, &idx.labels));
    if let Some((images, labels)) = &idx.test {
        found.set("test_images", written(arguments, images));
        found.set("test_labels", written(arguments, labels));
    }
    found
}
