//! Rules of what holds a child to its parent: `[train.distill]` and its like.

use super::Rules;
use super::ancestors::has_parent;
use crate::sections::Rate;
use crate::tree::Node;

/// Tables and keys of `[train]` that mean nothing without a parent.
const OF_A_PARENT: [&str; 6] =
    ["train.distill", "train.l2_sp", "train.ewc", "train.unfreeze", "train.lora", "train.rehearse"];

pub(super) fn check(rules: &mut Rules) {
    for key in OF_A_PARENT {
        if rules.node(key).is_some() && !has_parent(rules) {
            let message = format!("`{key}` holds the network to a parent, and there is no `model.inherit`");
            rules.clash(message, key, "").help.push("write `inherit = \"NAME@N\"` in [model]".to_owned());
        }
    }
    classes(rules);
    rates(rules);
    unfreeze(rules);
}

/// What speaks of classes.
fn classes(rules: &mut Rules) {
    for (key, what) in [
        ("train.distill", "the parent's answers are distilled class by class"),
        ("train.ewc", "the importance of weights is estimated from answers about classes"),
        ("train.leave", "examples are left class by class"),
        ("train.rehearse", "the parent's examples are rehearsed class by class"),
    ] {
        if rules.node(key).is_some() && rules.task() == Some("regression") {
            rules.clash(format!("{what}, and a regression has none"), key, "train.loss");
        }
    }
}

fn rates(rules: &mut Rules) {
    let texts = rules.node("train.rates").and_then(Node::list).unwrap_or_default();
    for reason in texts.iter().filter_map(|node| Rate::try_from(node.text()?.to_owned()).err()) {
        rules.clash(reason, "train.rates", "").help.push("write `\"conv* = 0.1\"`".to_owned());
    }
}

fn unfreeze(rules: &mut Rules) {
    if rules.node("train.unfreeze").is_some() && rules.node("train.lora").is_some() {
        let message = "low-rank updates learn from the beginning, beside weights that never do";
        rules.clash(message, "train.unfreeze", "train.lora");
    }
    let epochs = rules.integer("train.epochs");
    if let (Some(probe), Some(epochs)) = (rules.integer("train.unfreeze.probe_epochs"), epochs)
        && probe >= epochs
    {
        let message =
            format!("after {probe} epochs for the head none of the {epochs} is left for the other layers");
        let key = "train.unfreeze.probe_epochs";
        let help = "to train the head only, freeze the other layers: `train.freeze`";
        rules.clash(message, key, "train.epochs").help.push(help.to_owned());
    }
}
