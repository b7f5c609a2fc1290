//! `heirloom infer`.

use pipeline::{LoadedModel, Prediction};
use serde_json::json;

use super::request_log;
use super::run::threads;
use crate::arguments::Infer;
use crate::failure::Failure;
use crate::tables::{Column, table};
use crate::{quantities, terminal};

/// How many other classes are shown beside the answer.
const OTHERS_MAX: usize = 2;
/// Other classes that are less likely are not shown.
const OTHERS_MIN: f32 = 0.001;

/// Answers for files.
pub(crate) fn infer(arguments: &Infer) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let model = pipeline::load_model(&store, &arguments.model)?;
    let inputs = pipeline::read_inputs(&model, &arguments.files)?;
    let predictions = pipeline::infer(&model, &inputs, threads(arguments.threads))?;
    if let Some(folder) = &arguments.log {
        request_log::keep(&store, arguments, folder, &inputs, &predictions)?;
    }
    if arguments.json.wanted {
        return terminal::print_json(&json!({
            "model": model.id,
            "digest": model.digest,
            "labels": model.labels,
            "predictions": predictions,
        }));
    }
    terminal::print(&draw(&model, &predictions, terminal::width()))
}

/// One line for each example.
fn draw(model: &LoadedModel, predictions: &[Prediction], width: usize) -> String {
    let several = predictions.iter().any(|prediction| prediction.index > 0);
    let place = |prediction: &Prediction| {
        let file = terminal::printable(&prediction.file.display().to_string());
        if several { format!("{file} {}", prediction.index) } else { file }
    };
    if model.labels.is_empty() {
        let columns = [Column::Text("example"), Column::Number("answer")];
        return table(width, &columns, predictions.iter().map(|each| [place(each), value(each)]));
    }
    let columns = [
        Column::Text("example"),
        Column::Text("label"),
        Column::Number("probability"),
        Column::Text("or else"),
    ];
    let rows = predictions.iter().map(|each| {
        let label = each.label.as_deref().map(terminal::printable).unwrap_or_default();
        [place(each), label, probability(each), others(each)]
    });
    table(width, &columns, rows)
}

fn value(prediction: &Prediction) -> String {
    prediction.value.map_or("-".to_owned(), |value| value.to_string())
}

fn probability(prediction: &Prediction) -> String {
    let of_label = prediction.probabilities.iter().find(|(name, _)| Some(name) == prediction.label.as_ref());
    of_label.map_or("-".to_owned(), |(_, share)| quantities::percent(f64::from(*share)))
}

/// The next likely classes.
fn others(prediction: &Prediction) -> String {
    let mut others: Vec<&(String, f32)> = prediction
        .probabilities
        .iter()
        .filter(|(name, share)| Some(name) != prediction.label.as_ref() && *share >= OTHERS_MIN)
        .collect();
    others.sort_by(|left, right| right.1.total_cmp(&left.1));
    let shown = others.iter().take(OTHERS_MAX).map(|(name, share)| {
        format!("{} {}", terminal::printable(name), quantities::percent(f64::from(*share)))
    });
    shown.collect::<Vec<_>>().join(", ")
}
