//! Rules of `[evaluate.gate.NAME]`.

use super::Rules;
use super::learning::decider;
use crate::sections::{BY_CLASS, Metric, Task};
use crate::tree::Node;

/// What only a comparison with `against` has.
const COMPARED: [&str; 3] = ["newly_broken_max", "margin", "confidence"];
/// Keys of which one alone makes a condition, or half of one that is reported.
const CONDITIONS: [&str; 14] = [
    "metric",
    "min",
    "max",
    "against",
    "newly_broken_max",
    "margin",
    "confidence",
    "class_min",
    "slice",
    "slice_min",
    "slice_gap_max",
    "latency_ms_max",
    "batch",
    "bytes_max",
];

pub(super) fn check(rules: &mut Rules) {
    for (path, node) in rules.steps("evaluate.gate") {
        gate(rules, &path, node);
    }
}

fn gate(rules: &mut Rules, path: &str, node: &Node) {
    let has = |key: &str| node.table().is_some_and(|table| table.get(key).is_some());
    let key = |name: &str| format!("{path}.{name}");
    // A condition that is wrong by itself was reported, and is a condition.
    let given = |rules: &Rules, name: &str| rules.given(&key(name));
    if !CONDITIONS.iter().any(|name| given(rules, name)) {
        let found = rules.missing(format!("[{path}] has no condition"), path);
        found.help.push("give it a `metric` with `min` or `max`, `class_min`, `slice` with `slice_min`, `latency_ms_max`, `bytes_max`, or `against = \"parent\"` with `newly_broken_max` or `margin`".to_owned());
        return;
    }
    metric(rules, path, node);
    slice(rules, path, node);
    if has("batch") && !given(rules, "latency_ms_max") {
        let message = "`batch` is that of a `latency_ms_max`, and there is none";
        rules.missing(message, &key("batch")).help.push("add `latency_ms_max`".to_owned());
    }
    if !given(rules, "against") {
        for name in COMPARED.into_iter().filter(|name| has(name)) {
            let message = format!("`{name}` is about a comparison, and the gate compares with nothing");
            rules.clash(message, &key(name), path).help.push("add `against = \"parent\"`".to_owned());
        }
    } else if has("against") {
        against(rules, path, node);
    }
    if has("class_min") && rules.task() == Some("regression") {
        rules.clash("a regression has no classes", &key("class_min"), decider(rules));
    }
}

fn metric(rules: &mut Rules, path: &str, node: &Node) {
    let key = |name: &str| format!("{path}.{name}");
    let table = node.table();
    let value = |name: &str| table.and_then(|table| table.get(name));
    let Some(name) = value("metric").and_then(Node::text) else {
        for name in ["min", "max"].into_iter().filter(|name| value(name).is_some()) {
            if !rules.given(&key("metric")) {
                let message = format!("`{name}` bounds a metric, and the gate names none");
                rules.clash(message, &key(name), path).help.push("add `metric = \"accuracy\"`".to_owned());
            }
        }
        return;
    };
    if !rules.given(&key("min")) && !rules.given(&key("max")) {
        let found = rules.missing(format!("the gate [{path}] asks nothing of its metric"), &key("metric"));
        found.help.push("add `min` or `max`".to_owned());
    }
    if let (Some(min), Some(max)) = (value("min").and_then(Node::real), value("max").and_then(Node::real))
        && min > max
    {
        rules.clash("`min` is above `max`, so no model can pass", &key("min"), &key("max"));
    }
    let Ok(metric) = serde_json::from_value::<Metric>(name.into()) else { return };
    let task = rules.task();
    if metric.task().is_some_and(|of| task.is_some_and(|task| task != word(of))) {
        let message = format!("the metric {name} does not go with a {} target", task.unwrap_or_default());
        rules.clash(message, &key("metric"), decider(rules));
    } else if metric == Metric::DirectionalAccuracy && rules.integer("data.horizon") == Some(0) {
        let message = "the metric directional_accuracy needs `data.horizon` of 1 or more";
        rules.clash(message, &key("metric"), "data.horizon");
    }
}

fn slice(rules: &mut Rules, path: &str, node: &Node) {
    let key = |name: &str| format!("{path}.{name}");
    let has = |name: &str| node.table().is_some_and(|table| table.get(name).is_some());
    let limits = ["slice_min", "slice_gap_max"];
    if !rules.given(&key("slice")) {
        for name in limits.into_iter().chain(["slice_examples_min"]).filter(|name| has(name)) {
            let message = format!("`{name}` is about slices, and the gate does not say of what");
            let help = format!("add `slice = \"{BY_CLASS}\"`, or a column of the table");
            rules.clash(message, &key(name), path).help.push(help);
        }
        return;
    }
    if !limits.iter().any(|name| rules.given(&key(name))) {
        let found = rules.missing(format!("the gate [{path}] asks nothing of its slices"), &key("slice"));
        found.help.push("add `slice_min` or `slice_gap_max`".to_owned());
    }
    let Some(of) = node.table().and_then(|table| table.get("slice")).and_then(Node::text) else { return };
    if rules.task() == Some("regression") {
        let message = "a slice is judged by its share of right answers, and a regression has none";
        rules.clash(message, &key("slice"), decider(rules));
    } else if of != BY_CLASS && rules.text("data.format").is_some_and(|format| format != "csv") {
        let message = format!("only a table has a column `{of}`");
        let help = format!("use `slice = \"{BY_CLASS}\"`");
        rules.clash(message, &key("slice"), "data.format").help.push(help);
    }
}

fn word(task: Task) -> &'static str {
    match task {
        Task::Classification => "classification",
        Task::Regression => "regression",
    }
}

fn against(rules: &mut Rules, path: &str, node: &Node) {
    let key = |name: &str| format!("{path}.{name}");
    let own = key("against");
    let value = |name: &str| node.table().and_then(|table| table.get(name));
    let parent = value("against").and_then(Node::text) == Some("parent");
    if parent && !rules.given("model.inherit") && !rules.given("model.merge") {
        let help = "add `model.inherit`, or take the gate out with `remove = true`".to_owned();
        rules.clash("there is no parent to compare with", &own, "model").help.push(help);
    }
    if rules.task() == Some("regression") {
        let message = "models are compared case by case by their classes, and a regression has none";
        rules.clash(message, &own, decider(rules)).help.push("use `metric` with `min` or `max`".to_owned());
    }
    if !["newly_broken_max", "margin", "class_min"].iter().any(|name| rules.given(&key(name))) {
        let found = rules.missing(format!("the gate [{path}] asks nothing of the comparison"), &own);
        found.help.push("add `newly_broken_max`, `margin` or `class_min`".to_owned());
    }
    if value("confidence").is_some() && !rules.given(&key("margin")) {
        let found =
            rules.missing("`confidence` is that of a `margin`, and there is none", &key("confidence"));
        found.help.push("add `margin`".to_owned());
    }
    if value("confidence").is_some()
        && value("margin").and_then(Node::real).is_some_and(|margin| margin < 0.0)
    {
        let message = "with `confidence`, `margin` is the loss that would matter: 0 or more";
        rules.clash(message, &key("margin"), &key("confidence"));
    }
}
