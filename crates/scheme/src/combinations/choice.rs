//! Rules of the keys that choose among the examples.

use super::Rules;
use crate::merge::at;
use crate::suggest::suggest;
use crate::tree::Node;

pub(super) fn check(rules: &mut Rules) {
    if rules.task() == Some("regression") {
        for key in ["data.classes", "data.examples_per_class"] {
            if rules.node(key).is_some() {
                rules.clash(
                    format!("a regression has no classes, so `{key}` means nothing"),
                    key,
                    "data.task",
                );
            }
        }
        return;
    }
    named_classes(rules);
}

/// Classes that `class_names` does not know.
fn named_classes(rules: &mut Rules) {
    let list = |key: &str| rules.node(key).and_then(Node::list);
    let (Some(classes), Some(names)) = (list("data.classes"), list("data.class_names")) else { return };
    let names: Vec<&str> = names.iter().filter_map(Node::text).collect();
    for node in classes {
        let Some(class) = node.text().filter(|class| !names.contains(class)) else { continue };
        let message = format!("`class_names` has no class `{class}`");
        let diagnostic = at(base::Diagnostic::new("unknown-class", message), node.place, "");
        rules.push(match suggest(class, &names) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic,
        });
    }
}
