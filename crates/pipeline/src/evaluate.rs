//! The stage `evaluate`: the kept weights, measured on the validation and the test part.

use data::{Dataset, Target};
use engine::{Feed, Options, Predictor, Targets};
use scheme::{Baseline, ResolvedScheme};

use crate::architecture::Plan;
use crate::error::RunError;
use crate::metrics::{self, Answers, ClassificationMetrics, Metrics, PartMetrics, RegressionMetrics};
use crate::options::RunOptions;
use crate::prepare::Examples;
use crate::training::EVALUATION_BATCH;

/// Measures the model of `plan`, which holds its trained weights.
pub(crate) fn evaluate(
    scheme: &ResolvedScheme,
    options: &RunOptions,
    plan: &Plan,
    examples: &Examples,
) -> Result<Metrics, RunError> {
    let mut graph = plan.graph.clone();
    graph.outputs.insert(0, plan.prediction);
    let settings = Options { batch: EVALUATION_BATCH, threads: options.threads.max(1), level: options.level };
    let mut predictor = Predictor::new(&graph, settings)?;
    let mut measure = |rows: &[u32]| measure(&mut predictor, examples, rows);
    let splits = &examples.splits;
    let validation = (!splits.validation.is_empty()).then(|| measure(&splits.validation)).transpose()?;
    let test = measure(&examples.judges)?;
    let baseline = baseline(scheme, examples);
    let verdict = baseline.as_ref().and_then(|baseline| verdict(scheme, &test, baseline));
    let selected = scheme.evaluate.metrics.iter().map(|metric| metric.name().to_owned()).collect();
    Ok(Metrics { selected, validation, test, baseline, verdict, leaks: None })
}

fn measure(predictor: &mut Predictor, examples: &Examples, rows: &[u32]) -> Result<PartMetrics, RunError> {
    let outputs = predictor.run(Feed { targets: Targets::None, ..examples.feed() }, rows)?;
    Ok(match &examples.dataset.target {
        Target::Classes { labels, names } => {
            let classes = rows.iter().map(|&row| labels[row as usize]);
            let logits = outputs[0].values::<f32>();
            PartMetrics::Classification(ClassificationMetrics::measure(names, logits, classes))
        }
        Target::Values { .. } => {
            let predictions = outputs[0].values::<f32>().iter().zip(rows);
            let squares = predictions
                .map(|(&prediction, &row)| (f64::from(prediction) - examples.standardized(row)).powi(2));
            let loss = squares.sum::<f64>() / (rows.len() as f64).max(1.0);
            let answers = outputs[1].values::<f32>().iter().map(|&value| f64::from(value)).collect();
            PartMetrics::Regression(answers_beside(&examples.dataset, rows, answers).measure(loss))
        }
    })
}

/// Answers to `rows` beside what came, in the target's unit.
fn answers_beside(dataset: &Dataset, rows: &[u32], answers: Vec<f64>) -> Answers {
    let Target::Values { values, forecast, .. } = &dataset.target else { return Answers::default() };
    let pick = |column: &[f64]| rows.iter().map(|&row| column[row as usize]).collect();
    match forecast {
        Some(forecast) => {
            Answers { answers, actual: pick(&forecast.actual), last: Some(pick(&forecast.last)) }
        }
        None => {
            let actual = rows.iter().map(|&row| f64::from(values[row as usize])).collect();
            Answers { answers, actual, last: None }
        }
    }
}

/// The forecast without a model, on the test part.
fn baseline(scheme: &ResolvedScheme, examples: &Examples) -> Option<metrics::Baseline> {
    let rows = &examples.judges;
    match (scheme.evaluate.baseline, &examples.dataset.target) {
        (Baseline::Majority, Target::Classes { labels, names }) => {
            let counts = examples.dataset.class_counts(examples.splits.train.iter().copied());
            let majority = (1..counts.len())
                .fold(0, |best, class| if counts[class] > counts[best] { class } else { best });
            let right = rows.iter().filter(|&&row| labels[row as usize] as usize == majority).count();
            Some(metrics::Baseline {
                name: "majority".to_owned(),
                answer: format!("always `{}`", names[majority]),
                accuracy: Some(right as f64 / (rows.len() as f64).max(1.0)),
                rmse: None,
                mae: None,
                r2: None,
                directional_accuracy: None,
            })
        }
        (Baseline::NaiveLast, Target::Values { forecast: Some(forecast), .. }) => {
            let last = rows.iter().map(|&row| forecast.last[row as usize]).collect();
            let RegressionMetrics { rmse, mae, r2, .. } =
                Answers { last: None, ..answers_beside(&examples.dataset, rows, last) }.measure(0.0);
            Some(metrics::Baseline {
                name: "naive_last".to_owned(),
                answer: "tomorrow equals today".to_owned(),
                accuracy: None,
                rmse: Some(rmse),
                mae: Some(mae),
                r2,
                directional_accuracy: None,
            })
        }
        _ => None,
    }
}

/// Says plainly whether the model is better than the baseline on the test part.
fn verdict(scheme: &ResolvedScheme, test: &PartMetrics, baseline: &metrics::Baseline) -> Option<String> {
    match (test, baseline.rmse, baseline.accuracy) {
        (PartMetrics::Regression(model), Some(naive), _) => {
            let beats = if model.rmse < naive { "beats" } else { "does not beat" };
            Some(format!(
                "{} {beats} the naive forecast ({}): RMSE {:.6} against {naive:.6} on the test part",
                scheme.name, baseline.answer, model.rmse
            ))
        }
        (PartMetrics::Classification(model), _, Some(majority)) => {
            let beats = if model.accuracy > majority { "beats" } else { "does not beat" };
            Some(format!(
                "{} {beats} the majority ({}): accuracy {:.4} against {majority:.4} on the test part",
                scheme.name, baseline.answer, model.accuracy
            ))
        }
        _ => None,
    }
}
