//! Which column of a table plays which part, and whether the settings fit together.

use std::path::Path;

use base::{Diagnostic, Diagnostics, Location, nearest};

use crate::{CsvSource, TargetForm, Task};

/// The parts' column numbers, from 0.
pub(crate) struct Columns {
    pub(crate) features: Vec<usize>,
    pub(crate) target: usize,
    pub(crate) filter: Option<usize>,
    pub(crate) order: Option<usize>,
    pub(crate) adjust: Option<AdjustColumns>,
}

/// `columns` are multiplied by `numerator / denominator`.
pub(crate) struct AdjustColumns {
    pub(crate) columns: Vec<usize>,
    pub(crate) numerator: usize,
    pub(crate) denominator: usize,
}

impl Columns {
    /// Finds every named column; all that are missing are reported at once.
    pub(crate) fn resolve(path: &Path, names: &[String], source: &CsvSource) -> Result<Self, Diagnostics> {
        let mut found = check_settings(source);
        let mut find = |name: &str, part: &str| match position(path, names, name, part, source.header) {
            Ok(at) => at,
            Err(diagnostic) => {
                found.push(diagnostic);
                0 // never used: what was found is returned below
            }
        };
        let target = find(&source.target, "target");
        let filter = source.filter.as_ref().map(|filter| find(&filter.column, "filter"));
        let order = source.order.as_ref().map(|order| find(order, "order"));
        let adjust = source.adjust.as_ref().map(|adjust| AdjustColumns {
            columns: each_once(adjust.columns.iter().map(|name| find(name, "adjusted column")).collect()),
            numerator: find(&adjust.numerator, "numerator"),
            denominator: find(&adjust.denominator, "denominator"),
        });
        let features: Vec<usize> = match &source.features {
            Some(features) => features.iter().map(|name| find(name, "feature")).collect(),
            None => (0..names.len())
                .filter(|&at| at != target && Some(at) != filter && Some(at) != order)
                .collect(),
        };
        if features.is_empty() {
            let message = "no column is left as a feature";
            found.push(Diagnostic::new("no-features", message).help("name at least one feature"));
        }
        found.or(Columns { features, target, filter, order, adjust })
    }

    /// The columns whose cells must be numbers, each once, ascending.
    pub(crate) fn numeric(&self, task: Task) -> Vec<usize> {
        let mut numeric = self.features.clone();
        numeric.extend((task == Task::Regression).then_some(self.target));
        if let Some(adjust) = &self.adjust {
            numeric.extend([adjust.numerator, adjust.denominator]);
        }
        each_once(numeric)
    }
}

fn each_once(mut columns: Vec<usize>) -> Vec<usize> {
    columns.sort_unstable();
    columns.dedup();
    columns
}

fn check_settings(source: &CsvSource) -> Diagnostics {
    let mut found = Diagnostics::default();
    if source.window == 0 {
        found.push(
            Diagnostic::new("bad-window", "a window of 0 rows holds no question")
                .help("set `window` to 1 or more"),
        );
    }
    let own_answer = |features: &Vec<String>| features.contains(&source.target);
    if source.horizon == 0 && source.features.as_ref().is_some_and(own_answer) {
        let message = format!(
            "the target `{}` is also a feature of the same row, so the answer is in the question",
            source.target
        );
        found.push(
            Diagnostic::new("target-is-feature", message)
                .help("remove it from the features, or set `horizon` to 1 or more"),
        );
    }
    if source.target_form == TargetForm::Return
        && (source.horizon == 0 || source.task == Task::Classification)
    {
        let message = "a return compares a number with a later one, so it needs a regression with a horizon of at least 1";
        found.push(
            Diagnostic::new("bad-target-form", message)
                .help("set `horizon` to 1 or more, or learn the value itself"),
        );
    }
    found.extend(source.features.as_deref().and_then(check_repeated));
    found
}

/// A feature that is named twice.
fn check_repeated(features: &[String]) -> Option<Diagnostic> {
    let repeated = features.iter().enumerate().find(|(index, name)| features[..*index].contains(name));
    repeated.map(|(_, name)| {
        Diagnostic::new("repeated-feature", format!("the column `{name}` is named twice as a feature"))
            .help("name each feature once")
    })
}

fn position(
    path: &Path,
    names: &[String],
    name: &str,
    part: &str,
    header: bool,
) -> Result<usize, Diagnostic> {
    let mut places = names.iter().enumerate().filter(|(_, known)| *known == name);
    let at = Location::line(path, 1);
    match (places.next(), places.next()) {
        (Some((place, _)), None) => Ok(place),
        (Some((first, _)), Some((second, _))) => {
            let columns = format!("columns {} and {}", first + 1, second + 1);
            let message = format!("the {part} `{name}` is ambiguous: {columns} have this name");
            Err(Diagnostic::new("ambiguous-column", message).label(at, "the header"))
        }
        (None, _) => {
            let message = format!("the table has no column `{name}`, which is named as {part}");
            let found =
                Diagnostic::new("unknown-column", message).label(at, if header { "the header" } else { "" });
            let found = match nearest(name, names.iter().map(String::as_str)) {
                Some(known) => found.help(format!("did you mean `{known}`?")),
                None => found.help(format!("its columns are {}", list(names))),
            };
            Err(if header {
                found
            } else {
                found.help("without a header, columns are named by their number, from 1")
            })
        }
    }
}

/// The first names, for people.
fn list(names: &[String]) -> String {
    let shown = names.iter().take(12).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > 12 { format!("{shown} and {} more", names.len() - 12) } else { shown }
}
