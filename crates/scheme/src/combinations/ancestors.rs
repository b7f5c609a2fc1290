//! Rules about what a model is made of besides its data: merged parents, a head on top of one, no training at all.

use super::Rules;
use crate::tree::Node;

/// Whether the network starts from a registered model.
pub(super) fn has_parent(rules: &Rules) -> bool {
    rules.given("model.inherit") || rules.given("model.merge")
}

pub(super) fn check(rules: &mut Rules) {
    merging(rules);
    head(rules);
    no_training(rules);
}

fn merging(rules: &mut Rules) {
    if rules.given("model.merge") && rules.given("model.inherit") {
        let message = "a network starts from one model, `inherit`, or from several, `merge`";
        let help = "a child that turns to the other writes `unset = [\"model.inherit\"]` or `unset = [\"model.merge\"]`";
        rules.clash(message, "model.merge", "model.inherit").help.push(help.to_owned());
    }
    let list = |key: &str| rules.node(key).and_then(Node::list);
    let averages = rules.text("model.merge.method") == Some("average");
    if averages && list("model.merge.parents").is_some_and(|parents| parents.len() < 2) {
        let message = "one model has nothing to be averaged with";
        let help = "name another parent, or write `inherit` instead of `merge`";
        rules.clash(message, "model.merge.parents", "model.merge.method").help.push(help.to_owned());
    }
    let list = |key: &str| rules.node(key).and_then(Node::list);
    let (Some(parents), Some(weights)) = (list("model.merge.parents"), list("model.merge.weights")) else {
        return;
    };
    let (parents, numbers): (usize, Vec<f64>) =
        (parents.len(), weights.iter().filter_map(Node::real).collect());
    if parents != numbers.len() {
        let message = format!("there are {} weights for {parents} parents", numbers.len());
        rules.clash(message, "model.merge.weights", "model.merge.parents");
    } else if averages && numbers.iter().all(|weight| *weight == 0.0) {
        let message = "all weights are 0, so nothing is averaged";
        rules.clash(message, "model.merge.weights", "model.merge.weights");
    }
}

fn head(rules: &mut Rules) {
    if rules.node("train.head").is_none() {
        return;
    }
    if !has_parent(rules) && !rules.given("model.graph") {
        let message = "a head is found from what an earlier model makes of the examples, and there is none";
        let help = "write `inherit = \"NAME@N\"` in [model], or leave `train.head` out";
        rules.clash(message, "train.head", "train.head").help.push(help.to_owned());
    }
    if rules.task() == Some("regression") {
        let decider = if rules.node("data.task").is_some() { "data.task" } else { "data.source" };
        rules.clash("a head is found for classes, and a regression has none", "train.head", decider);
    }
}

/// Weights that nobody trained are delivered only if they come from somewhere.
fn no_training(rules: &mut Rules) {
    if rules.integer("train.epochs") == Some(0) && !has_parent(rules) && !rules.given("model.graph") {
        let message = "without an epoch the network stays as it starts, and it starts at random";
        let help = "train for an epoch or more, or start from a model: `model.inherit`, `model.merge`, `model.graph`";
        rules.clash(message, "train.epochs", "train.epochs").help.push(help.to_owned());
    }
}
