//! What must hold for classes: distinct names, and examples to learn each from.

use std::collections::BTreeMap;

use base::{Diagnostic, Diagnostics, Location, nearest};

use crate::error::Findings;
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

/// The number of each of the names `found` in the source: its place in `wanted`, or, where nothing is
/// wanted, in `found` itself. Names that are not wanted are mistakes.
pub(crate) fn class_numbers(
    found: &[String],
    wanted: &[String],
    place: &Location,
) -> Result<Vec<u32>, Diagnostics> {
    if wanted.is_empty() {
        return Ok((0..found.len() as u32).collect());
    }
    let mut findings = Findings::default();
    findings.extend(check_names(wanted));
    let places: BTreeMap<&String, u32> = wanted.iter().zip(0..).collect();
    let mut numbers = Vec::with_capacity(found.len());
    for name in found {
        match places.get(name) {
            Some(&number) => numbers.push(number),
            None => findings.push(unwanted(name, wanted, place)),
        }
    }
    findings.finish()?;
    Ok(numbers)
}

fn unwanted(name: &str, wanted: &[String], place: &Location) -> Diagnostic {
    let message = format!("the data holds the class `{name}`, which is not among the class names");
    let found = Diagnostic::new("unknown-class", message).label(place.clone(), "");
    match nearest(name, wanted.iter().map(String::as_str)) {
        Some(known) => found.help(format!("`{known}` looks like it: is one of them misspelt?")),
        None => found.help("add it to the class names, or remove its examples"),
    }
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
            // Without a validation part, one example is learned from and the test part's are tested on: one shot.
            _ if learned_from == 1 && !(splits.validation.is_empty() && train[class] == 1 && test[class] > 0) => Some(
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
