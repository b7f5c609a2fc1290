//! Rules of `[data.split]`.

use super::Rules;
use crate::derive::has_own_test_part;
use crate::sections::{FRACTION_KEYS, FROM_KEYS};
use crate::tree::Node;

pub(super) fn check(rules: &mut Rules) {
    if rules.node("data.split").is_none() || rules.text("data.format").is_none() {
        return;
    }
    let by = rules.text("data.split.by");
    if by == Some("order") {
        order(rules);
    }
    if by == Some("content") && rules.integer("data.window").is_some_and(|window| window > 1) {
        let message = "windows overlap, so a split by content would show the model pieces of the test part";
        rules.clash(message, "data.split.by", "data.window").help.push("split `by = \"order\"`".to_owned());
    }
    if FROM_KEYS.iter().any(|key| rules.given(&format!("data.split.{key}"))) {
        borders(rules);
    } else {
        fractions(rules);
    }
}

fn order(rules: &mut Rules) {
    if rules.node("data.split.salt").is_some() {
        rules.clash("a salt has no effect on a split by order", "data.split.salt", "data.split.by");
    }
    if rules.text("data.format") == Some("images") {
        rules.clash("images in a folder have no order", "data.split.by", "data.source");
    }
}

/// `validation_from` and `test_from`.
fn borders(rules: &mut Rules) {
    if rules.text("data.format") != Some("csv") {
        rules.clash("only a table can be split at a row's text", "data.split", "data.format");
        return;
    }
    for key in FRACTION_KEYS {
        let key = format!("data.split.{key}");
        if rules.node(&key).is_some() {
            let message = format!(
                "`{key}` is a fraction; fractions and `validation_from`, `test_from` exclude each other"
            );
            let border = FROM_KEYS.map(|key| format!("data.split.{key}"));
            let border = border.iter().find(|key| rules.node(key).is_some());
            rules.clash(message, &key, border.map_or("", String::as_str));
        }
    }
    if rules.text("data.split.by") == Some("content") {
        let message = "`validation_from` and `test_from` need `by = \"order\"`";
        rules.clash(message, "data.split", "data.split.by");
    }
    if !rules.given("data.order") {
        rules.missing(
            "`validation_from` and `test_from` need `data.order`, the column they speak of",
            "data.split",
        );
    }
    match (rules.text("data.split.validation_from"), rules.text("data.split.test_from")) {
        (Some(_), None) if !rules.given("data.split.test_from") => {
            rules.missing(
                "[data.split] has no `test_from`: there would be nothing to measure at the end",
                "data.split",
            );
        }
        (Some(validation), Some(test)) if validation >= test => {
            let message = format!(
                "the validation part would start at `{validation}`, not before the test part at `{test}`"
            );
            rules.clash(message, "data.split.validation_from", "data.split.test_from");
        }
        _ => {}
    }
}

fn fractions(rules: &mut Rules) {
    let share = |key: &str| rules.node(&format!("data.split.{key}")).and_then(Node::real);
    let (Some(train), Some(validation)) = (share("train"), share("validation")) else { return };
    let test = share("test");
    if has_own_test_part(rules.tree) && test.is_some() {
        let message = "the source brings its own test part, so `test` must be absent";
        let other = if rules.node("data.test_images").is_some() { "data.test_images" } else { "data.source" };
        rules.clash(message, "data.split.test", other);
        return;
    }
    let sum = train + validation + test.unwrap_or(0.0);
    if (sum - 1.0).abs() > 1e-9 {
        let message = format!("the fractions of [data.split] add up to {sum}, not 1");
        rules.clash(message, "data.split", "");
    } else if !has_own_test_part(rules.tree) && test == Some(0.0) {
        let message = "there is no test part, so nothing could be measured at the end";
        rules.clash(message, "data.split", "").help.push("give `test` a fraction".to_owned());
    }
}
