//! Rules of `[train]` and `[evaluate]`.

use super::Rules;
use crate::sections::{MemoryLimit, Metric, Task};
use crate::tree::Node;

pub(super) fn check(rules: &mut Rules) {
    loss(rules);
    early_stopping(rules);
    memory_limit(rules);
    metrics(rules);
    baseline(rules);
}

/// The key that decides about the task.
pub(super) fn decider(rules: &Rules) -> &'static str {
    if rules.node("data.task").is_some() { "data.task" } else { "data.source" }
}

fn loss(rules: &mut Rules) {
    let needed = match (rules.text("train.loss"), rules.task()) {
        (Some("cross_entropy"), Some("regression")) => "mean_squared_error",
        (Some("mean_squared_error"), Some("classification")) => "cross_entropy",
        _ => return,
    };
    let (loss, task) = (rules.text("train.loss").unwrap_or_default(), rules.task().unwrap_or_default());
    let message = format!("the loss {loss} does not go with a {task} target");
    rules.clash(message, "train.loss", decider(rules)).help.push(format!("write `loss = \"{needed}\"`"));
}

fn early_stopping(rules: &mut Rules) {
    if rules.node("train.early_stopping").is_none() {
        return;
    }
    let none = rules.node("data.split.validation").and_then(Node::real) == Some(0.0);
    let no_border =
        rules.node("data.split.test_from").is_some() && rules.node("data.split.validation_from").is_none();
    if none || no_border {
        let message = "early stopping watches the validation loss, and there is no validation part";
        rules.clash(message, "train.early_stopping", "data.split");
    }
}

fn memory_limit(rules: &mut Rules) {
    let written = rules.text("train.memory_limit").map(|text| MemoryLimit::try_from(text.to_owned()));
    if let Some(Err(reason)) = written {
        rules
            .clash(reason, "train.memory_limit", "")
            .help
            .push("write `memory_limit = \"300 MB\"`".to_owned());
    }
}

fn metrics(rules: &mut Rules) {
    let names = rules.node("evaluate.metrics").and_then(Node::list).unwrap_or_default();
    let horizon = rules.integer("data.horizon");
    for node in names {
        let Some(name) = node.text() else { continue };
        let Ok(metric) = serde_json::from_value::<Metric>(name.into()) else { continue };
        let fits = match (metric.task(), rules.task()) {
            (Some(Task::Classification), Some(task)) => task == "classification",
            (Some(Task::Regression), Some(task)) => task == "regression",
            _ => true,
        };
        let message = if !fits {
            format!("the metric {name} does not go with a {} target", rules.task().unwrap_or_default())
        } else if metric == Metric::DirectionalAccuracy && horizon == Some(0) {
            format!("the metric {name} needs `data.horizon` of 1 or more")
        } else {
            continue;
        };
        let diagnostic = base::Diagnostic::new("impossible-combination", message);
        rules.push(crate::merge::at(diagnostic, node.place, ""));
    }
}

fn baseline(rules: &mut Rules) {
    match (rules.text("evaluate.baseline"), rules.task()) {
        (Some("majority"), Some("regression")) => {
            rules.clash("a regression has no majority", "evaluate.baseline", "data.task");
        }
        (Some("naive_last"), Some("classification")) => {
            rules.clash("the baseline naive_last needs a regression", "evaluate.baseline", decider(rules));
        }
        (Some("naive_last"), Some("regression")) if rules.integer("data.horizon") == Some(0) => {
            let message = "the baseline naive_last needs `data.horizon` of 1 or more";
            rules.clash(message, "evaluate.baseline", "data.horizon");
        }
        _ => {}
    }
}
