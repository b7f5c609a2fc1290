//! Rules of `[preprocess]`.

use super::data::features;
use super::{Rules, op};
use crate::tree::Node;

pub(super) fn check(rules: &mut Rules) {
    let images = rules.has_images();
    let known = rules.text("data.format").is_some();
    let mut resized: Option<String> = None;
    let mut rows = rules.integer("data.window").unwrap_or(1);
    let parts = match rules.text("data.format") {
        Some("csv") if images => rules.integer("data.image.channels").map(|channels| channels as usize),
        Some("csv") => Some(features(rules).len()).filter(|count| *count > 0),
        Some("images") => rules.integer("data.channels").map(|channels| channels as usize),
        _ => None,
    };
    for (key, node) in rules.steps("preprocess") {
        match op(node) {
            Some("returns") if images => {
                let place = if rules.node("data.image").is_some() { "data.image" } else { "data.format" };
                rules.clash("returns need a series, not images", &key, place);
            }
            Some("returns") => {
                rows -= 1;
                if rows < 1 {
                    let message = "each `returns` step takes one row from the window, and none would be left";
                    let help = "set `data.window` to 2 or more";
                    rules.clash(message, &key, "data.window").help.push(help.to_owned());
                }
            }
            Some("normalize") => normalize(rules, &key, parts),
            Some("resize") => {
                if known && !images {
                    rules.clash("only images can be resized, not a row of numbers", &key, "data.format");
                }
                border(rules, &key);
                resized = Some(key);
            }
            Some(name @ ("standardize" | "min_max")) => {
                if let Some(before) = &resized {
                    let message = format!(
                        "`{name}` is fitted on the pictures as they are, so it stands before `resize`"
                    );
                    let help = format!("write `before = \"{}\"`", before.trim_start_matches("preprocess."));
                    rules.clash(message, &key, before).help.push(help);
                }
            }
            _ => {}
        }
    }
}

fn normalize(rules: &mut Rules, key: &str, parts: Option<usize>) {
    let length = |part: &str| rules.node(&format!("{key}.{part}")).and_then(Node::list).map(<[Node]>::len);
    let (Some(mean), Some(std)) = (length("mean"), length("std")) else { return };
    if mean != std && mean != 1 && std != 1 {
        let message = format!("`mean` has {mean} values and `std` has {std}");
        rules.clash(message, &format!("{key}.mean"), &format!("{key}.std"));
        return;
    }
    if let Some(parts) = parts {
        for (part, length) in [("mean", mean), ("std", std)] {
            if length != 1 && length != parts {
                let message = format!("`{part}` has {length} values for {parts} channels or features");
                rules.clash(message, &format!("{key}.{part}"), "data");
            }
        }
    }
}

/// Something must be left within the border.
fn border(rules: &mut Rules, key: &str) {
    let pair = |part: &str| {
        let list = rules.node(&format!("{key}.{part}")).and_then(Node::list)?;
        Some([list.first()?.integer()?, list.get(1)?.integer()?])
    };
    let (Some(size), Some(pad)) = (pair("size"), pair("pad")) else { return };
    if let Some((size, pad)) = size.iter().zip(pad).find(|(size, pad)| 2 * pad >= **size) {
        let message = format!("a border of {pad} on both sides leaves nothing of {size} pixels");
        rules.clash(message, &format!("{key}.pad"), &format!("{key}.size"));
    }
}
