//! Rules of `[deploy]`.

use base::Diagnostic;

use super::Rules;
use crate::merge::at;
use crate::tree::Node;

pub(super) fn check(rules: &mut Rules) {
    if let Some(alias) = rules.text("deploy.alias")
        && !is_alias(alias)
    {
        let message = format!("an alias cannot be called `{}`", alias.escape_default());
        let help = "use letters, digits, `.`, `_` and `-`, beginning with a letter";
        let place = rules.written_place("deploy.alias");
        rules.push(at(Diagnostic::new("invalid-alias", message), place, "").help(help));
    }
    let steps = rules.node("deploy.canary.steps").and_then(Node::list).unwrap_or_default();
    let steps: Vec<i64> = steps.iter().filter_map(Node::integer).collect();
    if !steps.is_sorted_by(|one, next| one < next) {
        let message = "`deploy.canary.steps` do not rise from one to the next";
        let help = "write them from the smallest share to the largest";
        let place = rules.written_place("deploy.canary.steps");
        rules.push(at(Diagnostic::new("steps-not-rising", message), place, "").help(help));
    }
}

/// What the store takes for an alias.
fn is_alias(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|each| each.is_ascii_alphanumeric() || "._-".contains(each))
}
