//! `heirloom model compare`: one comparison, drawn as tables, as JSON or as a page.

mod page;
mod pictures;
mod text;

use pipeline::{CompareOptions, Compared, ModelComparison, compare_models};
use serde_json::{Value, json};

use crate::arguments::Compare;
use crate::commands::run::threads;
use crate::failure::Failure;
use crate::{disk, terminal};

/// Cases of each kind that a page shows with their inputs.
const INPUTS_MAX: usize = 60;

/// Compares a model with earlier ones.
pub(super) fn compare(arguments: &Compare) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let options = CompareOptions {
        threads: threads(arguments.threads),
        tolerance: arguments.tolerance,
        inputs_max: if arguments.html.is_some() { INPUTS_MAX } else { 0 },
    };
    let found = compare_models(&store, &arguments.child, &arguments.parents, options)?;
    if let Some(file) = &arguments.html {
        disk::write_whole(file, page::page(&found).as_bytes())?;
    }
    if arguments.json.wanted {
        let mut documents: Vec<Value> = found.iter().map(document).collect();
        return terminal::print_json(&match documents.len() {
            1 => documents.remove(0),
            _ => Value::Array(documents),
        });
    }
    let drawn: Vec<String> = found.iter().map(|one| text::draw(one, terminal::width())).collect();
    terminal::print(&drawn.join("\n"))
}

/// One comparison as JSON: that of the classes or numbers, between who was compared and what surrounds it.
fn document(found: &ModelComparison) -> Value {
    let mut document = json!({
        "parent": found.before.model,
        "child": found.after.model,
        "task": match found.outcome {
            Compared::Classes(_) => "classification",
            Compared::Values(_) => "regression",
        },
    });
    let more = json!({
        "models": { "before": found.before, "after": found.after },
        "notices": found.notices,
    });
    if let Value::Object(document) = &mut document {
        for part in [json!(found.outcome), more] {
            document.extend(part.as_object().cloned().unwrap_or_default());
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use base::Digest;
    use inherit::compare::{
        Answer, Case, ClassLists, RegressionCase, compare as compare_classes, compare_regression,
    };
    use pipeline::ModelFacts;

    fn found(outcome: Compared) -> ModelComparison {
        let facts = |model: &str, latency_ms| ModelFacts {
            model: model.to_owned(),
            digest: Digest([model.len() as u8; 32]).to_string(),
            parameters: 421_642,
            bytes: 1_690_000,
            latency_ms,
        };
        ModelComparison {
            before: facts("digits@1", Some(0.25)),
            after: facts("more-digits@3", None),
            outcome,
            notices: vec!["digits@1 left 2 of its 9 test cases".to_owned()],
            inputs: BTreeMap::new(),
        }
    }

    fn classes() -> ModelComparison {
        let lists = [["0", "1"], ["1", "2"]].map(|list| list.map(str::to_owned));
        let case = |number: u8, expected: &str, before: usize, after: usize, sure: f32| Case {
            digest: Digest([number; 32]),
            expected: expected.to_owned(),
            before: Answer { class: lists[0][before].clone(), probabilities: vec![1.0 - sure, sure] },
            after: Answer { class: lists[1][after].clone(), probabilities: vec![sure, 1.0 - sure] },
        };
        let cases = [
            case(1, "1", 1, 1, 0.75),
            case(2, "1", 0, 0, 0.5),
            case(3, "1", 1, 0, 1.0),
            case(4, "2", 0, 1, 0.25),
        ];
        let lists = ClassLists { before: &lists[0], after: &lists[1] };
        found(Compared::Classes(compare_classes(lists, &cases, 1).unwrap()))
    }

    fn values() -> ModelComparison {
        let case = |number: u8, before: f64, after: f64| RegressionCase {
            digest: Digest([number; 32]),
            expected: 10.0,
            before,
            after,
        };
        let cases = [case(1, 10.5, 12.0), case(2, 9.0, 10.0), case(3, 11.0, 9.0)];
        found(Compared::Values(compare_regression(&cases, 0.25).unwrap()))
    }

    #[test]
    fn json_of_classes() {
        insta::assert_snapshot!(format!("{:#}", document(&classes())));
    }

    #[test]
    fn json_of_numbers() {
        insta::assert_snapshot!(format!("{:#}", document(&values())));
    }

    #[test]
    fn tables() {
        let drawn = [classes(), values()].map(|one| text::draw(&one, 80)).join("-----\n");
        insta::assert_snapshot!(drawn);
    }
}
