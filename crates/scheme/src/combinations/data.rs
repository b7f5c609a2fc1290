//! Rules of `[data]`.

use super::Rules;
use crate::tree::{Node, Value};

pub(super) fn check(rules: &mut Rules) {
    match rules.text("data.format") {
        Some("idx") => idx(rules),
        Some("images") => images(rules),
        Some("csv") => csv(rules),
        _ => {}
    }
    if rules.node("data.class_names").is_some() && rules.task() == Some("regression") {
        rules.clash("a regression has no classes to name", "data.class_names", "data.task");
    }
}

const IDX_FILES: [&str; 4] = ["images", "labels", "test_images", "test_labels"];

fn idx(rules: &mut Rules) {
    match rules.text("data.source") {
        Some("mnist") => {
            for key in IDX_FILES.map(|file| format!("data.{file}")) {
                if rules.node(&key).is_some() {
                    rules.clash(
                        format!("`{key}` cannot stand beside an embedded source"),
                        &key,
                        "data.source",
                    );
                }
            }
        }
        Some(_) => {
            let message = "IDX files are named by `images` and `labels`, not by `source`";
            rules.clash(message, "data.source", "data.format").help.push("leave `source` out".to_owned());
        }
        None => {
            for file in ["images", "labels"] {
                if !rules.given(&format!("data.{file}")) {
                    rules.missing(format!("[data] has no `{file}`, which IDX files need"), "data");
                }
            }
        }
    }
    for (one, other) in [("test_images", "test_labels"), ("test_labels", "test_images")] {
        let (one, other) = (format!("data.{one}"), format!("data.{other}"));
        if rules.given(&one) && !rules.given(&other) {
            rules.missing(format!("`{one}` needs `{other}`"), &one);
        }
    }
}

fn images(rules: &mut Rules) {
    need_path(rules, "a folder of images", &[]);
    if rules.integer("data.channels") == Some(2) {
        rules.clash("`data.channels` is 1 (grey) or 3 (colour), not 2", "data.channels", "");
    }
}

/// Reports a source that is missing or is an embedded one that is not among `embedded`.
fn need_path(rules: &mut Rules, what: &str, embedded: &[&str]) {
    match rules.text("data.source") {
        None if !rules.given("data.source") => {
            rules.missing(format!("[data] has no `source`: name {what}"), "data");
        }
        Some(name @ ("mnist" | "stocks" | "digits8x8")) if !embedded.contains(&name) => {
            rules.clash(format!("the embedded source `{name}` is not {what}"), "data.source", "data.format");
        }
        _ => {}
    }
}

fn csv(rules: &mut Rules) {
    need_path(rules, "a table", &["stocks", "digits8x8"]);
    let window = rules.integer("data.window").unwrap_or(1);
    let horizon = rules.integer("data.horizon").unwrap_or(0);
    if (window > 1 || horizon > 0) && !rules.given("data.order") {
        let key = if window > 1 { "data.window" } else { "data.horizon" };
        let message = format!("`{key}` needs `data.order`, the column that puts the rows in order");
        rules.missing(message, key);
    }
    if rules.given("data.image") {
        row_images(rules, window, horizon);
    } else if !rules.given("data.features") {
        let help = "`features`: the columns that the model sees, in order";
        rules.missing("[data] has no `features`", "data").help.push(help.to_owned());
    }
    target(rules, horizon);
    columns_without_header(rules);
}

/// Rows that are pictures.
fn row_images(rules: &mut Rules, window: i64, horizon: i64) {
    for (key, moved) in [("data.window", window > 1), ("data.horizon", horizon > 0)] {
        if moved {
            rules.clash(format!("`{key}` is of a series, and the rows are pictures"), key, "data.image");
        }
    }
    let size = |key: &str| rules.integer(&format!("data.image.{key}"));
    let (Some(channels), Some(height), Some(width)) = (size("channels"), size("height"), size("width"))
    else {
        return;
    };
    let (pixels, columns) = (channels * height * width, features(rules).len() as i64);
    if channels == 2 {
        rules.clash("`data.image.channels` is 1 (grey) or 3 (colour), not 2", "data.image.channels", "");
    } else if columns > 0 && columns != pixels {
        let message = format!(
            "a picture of {channels} x {height} x {width} has {pixels} pixels, and there are {columns} features"
        );
        rules.clash(message, "data.features", "data.image");
    }
}

pub(super) fn features<'a>(rules: &Rules<'a>) -> &'a [Node] {
    rules.node("data.features").and_then(Node::list).unwrap_or_default()
}

fn target(rules: &mut Rules, horizon: i64) {
    let Some(target) = rules.text("data.target") else { return };
    let among_features = features(rules).iter().any(|feature| feature.text() == Some(target));
    let learns_return = rules.text("data.target_form") == Some("return");
    if among_features && horizon == 0 {
        let message = format!(
            "the target `{target}` is among the features of the same row: the model would see the answer"
        );
        let help = "leave it out of `features`, or set `horizon` to 1 or more";
        rules.clash(message, "data.target", "data.features").help.push(help.to_owned());
    }
    if !learns_return {
        return;
    }
    if rules.task() == Some("classification") {
        rules.clash("a class has no return", "data.target_form", "data.task");
    }
    if horizon == 0 {
        rules.clash("a return needs `data.horizon` of 1 or more", "data.target_form", "data.horizon");
    }
    if !among_features && !features(rules).is_empty() {
        let message = format!(
            "to answer with a value, the model multiplies the return by the last `{target}`, which is not among the features"
        );
        rules
            .clash(message, "data.target_form", "data.features")
            .help
            .push(format!("add `{target}` to `features`"));
    }
}

/// Without a header, columns are called by number.
fn columns_without_header(rules: &mut Rules) {
    if rules.node("data.header").map(|node| &node.value) != Some(&Value::Bool(false)) {
        return;
    }
    let mut named: Vec<&Node> = features(rules).iter().collect();
    named.extend(rules.node("data.adjust.columns").and_then(Node::list).unwrap_or_default());
    let single = [
        "data.target",
        "data.order",
        "data.filter.column",
        "data.adjust.numerator",
        "data.adjust.denominator",
    ];
    named.extend(single.iter().filter_map(|key| rules.node(key)));
    for node in named {
        let Some(name) = node.text() else { continue };
        if !name.parse::<u32>().is_ok_and(|number| number > 0) {
            let message = format!("without a header a column is called by its number from 1, not `{name}`");
            let diagnostic = base::Diagnostic::new("impossible-combination", message);
            rules.push(crate::merge::at(diagnostic, node.place, ""));
        }
    }
}
