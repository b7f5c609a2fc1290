//! `heirloom inherit plan`.

use base::Diagnostic;
use inherit::transfer::{Action, TensorPlan, TransferPlan};
use serde_json::json;

use crate::arguments::{Json, SchemeChoice, StoreChoice};
use crate::commands::scheme::Checked;
use crate::failure::Failure;
use crate::store_place::{Place, here};
use crate::tables::{Column, facts, table};
use crate::terminal;

/// Shows what a scheme takes over from its parent.
pub(super) fn plan(choice: &SchemeChoice, json: Json, store: &StoreChoice) -> Result<(), Failure> {
    let Checked { scheme, sources, .. } = choice.resolve(store)?;
    let Place(address) = store.place()?;
    let planned = pipeline::plan_transfer(&scheme, &address, &here());
    let planned = planned.map_err(|error| Failure::of_run(error, sources, || "interrupted".to_owned()))?;
    let auto = scheme.model.inherit.as_ref().is_some_and(scheme::Inherit::is_auto);
    if planned.is_none() && auto {
        return from_scratch(json);
    }
    let Some(plan) = planned else {
        let message = format!("{} inherits from no model", choice.typed());
        let help = "write `inherit = \"NAME@N\"` in [model]; `heirloom model list` shows what there is";
        return Err(Diagnostic::new("no-parent", message).help(help).into());
    };
    if json.wanted {
        return terminal::print_json(&json!(plan));
    }
    terminal::print(&draw(&plan, terminal::width()))
}

/// `inherit = "auto"` found no parent that is worth it.
fn from_scratch(json: Json) -> Result<(), Failure> {
    if json.wanted {
        return terminal::print_json(&json!({ "parent": null, "inherited_share": 0.0, "tensors": [] }));
    }
    terminal::print("from scratch: `heirloom inherit rank` says why no parent comes before it\n")
}

/// The plan for people.
fn draw(plan: &TransferPlan, width: usize) -> String {
    let columns = [
        Column::Text("tensor"),
        Column::Text("shape"),
        Column::Text("action"),
        Column::Number("taken over"),
        Column::Text("why"),
    ];
    let rows = plan.tensors.iter().map(|tensor| {
        [
            tensor.name.clone(),
            format!("{:?}", tensor.shape),
            tensor.action.words().to_owned(),
            format!("{} of {}", tensor.inherited, tensor.parameters),
            why(tensor),
        ]
    });
    let mut text = facts(width, [("parent", plan.parent.clone()), ("inherited", summary(plan))]);
    text.push('\n');
    text.push_str(&table(width, &columns, rows));
    text.push_str(&classes(plan, width));
    if !plan.left_behind.is_empty() {
        text.push_str(&format!("\nnothing comes of the parent's {}\n", plan.left_behind.join(", ")));
    }
    for difference in &plan.differences {
        text.push_str(&format!("\nnote: {difference}\n"));
    }
    if plan.tensors.iter().any(|tensor| tensor.action == Action::Refused) {
        text.push_str("\na run of this scheme stops before training: see what is refused\n");
    }
    text
}

fn why(tensor: &TensorPlan) -> String {
    match &tensor.from {
        Some(from) if *from != tensor.name => format!("from {from}; {}", tensor.reason),
        _ => tensor.reason.clone(),
    }
}

/// Which classes and features are the parent's, once for all tensors.
fn classes(plan: &TransferPlan, width: usize) -> String {
    let names = |pairs: Vec<(String, Option<String>)>, what: &str| {
        let of = |known: bool| {
            let names =
                pairs.iter().filter(|(_, from)| from.is_some() == known).map(|(name, _)| name.as_str());
            names.collect::<Vec<_>>().join(", ")
        };
        let (kept, new) = (of(true), of(false));
        let rows = [(format!("{what} of the parent"), kept), (format!("new {what}"), new)];
        let rows: Vec<(String, String)> = rows.into_iter().filter(|(_, names)| !names.is_empty()).collect();
        facts(width, rows.iter().map(|(title, names)| (title.as_str(), names.clone())))
    };
    let rows = plan.tensors.iter().find(|tensor| !tensor.rows.is_empty() && tensor.action != Action::Copied);
    let columns =
        plan.tensors.iter().find(|tensor| !tensor.columns.is_empty() && tensor.action != Action::Copied);
    let mut text = String::new();
    if let Some(tensor) = rows {
        text.push('\n');
        text.push_str(&names(
            tensor.rows.iter().map(|row| (row.class.clone(), row.from.clone())).collect(),
            "classes",
        ));
    }
    if let Some(tensor) = columns {
        text.push('\n');
        let pairs =
            tensor.columns.iter().map(|column| (column.feature.clone(), column.from.clone())).collect();
        text.push_str(&names(pairs, "features"));
    }
    text
}

/// `97.3 % of 421,642 parameters: 6 tensors copied, 2 rows by class name`.
pub(crate) fn summary(plan: &TransferPlan) -> String {
    let total: usize = plan.tensors.iter().map(|tensor| tensor.parameters).sum();
    let kinds: Vec<String> = pipeline::by_action(plan)
        .iter()
        .map(|(action, tensors, _)| format!("{tensors} {}", action.words()))
        .collect();
    format!(
        "{:.1} % of {} parameters (tensors: {})",
        100.0 * plan.inherited_share,
        crate::quantities::count(total),
        kinds.join(", ")
    )
}
