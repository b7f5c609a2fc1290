//! What must hold for classes: distinct names, and examples to learn each from.

use std::collections::BTreeMap;

use base::Diagnostic;

use crate::limits::CLASSES_MAX;
use crate::{Dataset, Splits};

/// Empty, repeated or too many names.
pub(crate) fn check_names(names: &[String]) -> Option<Diagnostic> {
    if names.len() > CLASSES_MAX {
        let message = format!("there are {} classes, more than the limit of {CLASSES_MAX}", names.len());
        return Some(Diagnostic::new("too-many-classes", message));
    }
    let mut seen = BTreeMap::new();
    names.iter().enumerate().find_map(|(index, name)| match seen.insert(name, index) {
        Some(before) => {
            let message = format!("class {before} and class {index} have the same name `{name}`");
            Some(
                Diagnostic::new("repeated-class", message)
                    .help("class names tell classes apart; give each its own"),
            )
        }
        None if name.trim().is_empty() => {
            Some(Diagnostic::new("empty-class-name", format!("class {index} has no name")))
        }
        None => None,
    })
}

/// Classes that cannot be learned or that a metric could not see: those that occur nowhere, once, or
/// outside the training split only.
pub(crate) fn check_classes(dataset: &Dataset, splits: &Splits) -> Vec<Diagnostic> {
    let Some(names) = dataset.class_names() else { return Vec::new() };
    let train = dataset.class_counts(splits.train.iter().copied());
    let validation = dataset.class_counts(splits.validation.iter().copied());
    let test = dataset.class_counts(splits.test.iter().copied());
    let found = names.iter().enumerate().filter_map(|(class, name)| {
        let learned_from = train[class] + validation[class];
        let total = learned_from + test[class];
        match (total, train[class]) {
            (0, _) => Some(
                Diagnostic::new("class-without-examples", format!("class `{name}` has no example"))
                    .help("add examples of it or remove its name"),
            ),
            _ if learned_from == 1 => Some(
                Diagnostic::new("class-occurs-once", format!("class `{name}` occurs once in the training data (count 1)"))
                    .help("one example can be learned or tested, not both: add more, or remove the class"),
            ),
            (_, 0) => {
                let message = format!(
                    "class `{name}` is not in the training split: count 0 of {total} ({} validation, {} test)",
                    validation[class], test[class]
                );
                Some(Diagnostic::new("class-not-trained", message).help("add examples of it, or change the split"))
            }
            _ => None,
        }
    });
    let mut found: Vec<Diagnostic> = found.collect();
    if names.len() < 2 {
        let message = format!("there is only one class, `{}`", names.join(""));
        found.push(
            Diagnostic::new("one-class", message)
                .help("a classifier needs at least two classes to tell apart"),
        );
    }
    found
}
