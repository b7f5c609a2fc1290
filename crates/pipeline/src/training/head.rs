//! `train.head`: the last dense layer, found from features without gradients.

use base::{Diagnostic, Diagnostics};
use data::Target;
use graph::{Attribute, Node, ValueId};
use inherit::few_shot::{
    COSINE_TEMPERATURE, HeadError, Limits, LinearHead, choose_strength, cosine, logistic, prototype,
    within_variance,
};
use inherit::score::Examples as Rows;
use inherit::transfer::{Action, TransferPlan};
use scheme::{Head, ResolvedScheme};
use serde::{Deserialize, Serialize};
use tensor::Tensor;

use super::validation::EVALUATION_BATCH;
use super::{Training, prefix};
use crate::architecture::Plan;
use crate::error::RunError;
use crate::events::Event;
use crate::journal::Journal;

/// How a head was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadReport {
    /// `prototype`, `cosine` or `logistic`.
    pub method: String,
    /// Numbers that the network gives before it.
    pub features: usize,
    /// Training examples that it was found from.
    pub examples: usize,
    /// Their share that it answers rightly.
    pub train_accuracy: f64,
    /// Temperature of means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// L2 strength of logistic regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// Steps of L-BFGS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
    /// Whether they came to the minimum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converged: Option<bool>,
}

/// A head and its tensors.
pub(crate) struct Found {
    pub(crate) report: HeadReport,
    /// Weight and bias, by their names in the plan.
    pub(crate) tensors: Vec<(String, Tensor)>,
}

/// Most examples on which the strength of logistic regression is chosen; all are learnt from.
const STRENGTH_EXAMPLES_MAX: usize = 5_000;
/// The strength where there are too few examples to choose one.
const STRENGTH_OF_FEW: f64 = 1.0;

/// The layer that a head takes the place of: `prediction = features W + b`.
struct LastLayer {
    features: ValueId,
    weight: ValueId,
    bias: Option<ValueId>,
    /// Whether the weight is `[classes, features]` and not `[features, classes]`.
    transposed: bool,
}

impl LastLayer {
    fn of(plan: &Plan) -> Option<Self> {
        let graph = &plan.graph;
        let own = |id: ValueId| {
            let value = graph.value(id);
            value.constant.as_ref().is_some_and(|tensor| tensor.get::<f32>().is_some())
                && plan.kept.contains(&value.name)
        };
        let maker =
            |id: ValueId| graph.nodes().map(|(_, node)| node).find(|node| node.outputs.first() == Some(&id));
        let last = maker(plan.prediction)?;
        let (product, bias) = match (last.op_name(), &last.inputs[..]) {
            ("Add", &[Some(a), Some(b)]) if own(b) => (maker(a)?, Some(b)),
            ("Add", &[Some(a), Some(b)]) if own(a) => (maker(b)?, Some(a)),
            _ => (last, last.inputs.get(2).copied().flatten()),
        };
        let (Some(features), Some(weight)) = (*product.inputs.first()?, *product.inputs.get(1)?) else {
            return None;
        };
        let rank = graph.ty(weight).shape.rank();
        let usable = plain(product) && rank == 2 && own(weight) && bias.is_none_or(own);
        let transposed = integer(product, "transB") != 0;
        usable.then_some(LastLayer { features, weight, bias, transposed })
    }
}

fn integer(node: &Node, name: &str) -> i64 {
    match node.op_name() {
        "Gemm" => match node.attribute(name) {
            Some(Attribute::Int(flag)) => flag,
            _ => 0,
        },
        _ => 0,
    }
}

/// Whether a node is `f W + b` or `f W`.
fn plain(node: &Node) -> bool {
    let one = |name| !matches!(node.attribute(name), Some(Attribute::Float(factor)) if factor != 1.0);
    match node.op_name() {
        "Gemm" => one("alpha") && one("beta") && integer(node, "transA") == 0,
        "MatMul" => true,
        _ => false,
    }
}

/// The names of the tensors that `train.head` finds; none without it.
///
/// Errors   a network that does not end in a dense layer of its own, or in one without what the head needs.
pub(crate) fn tensors(scheme: &ResolvedScheme, plan: &Plan) -> Result<Vec<String>, Diagnostics> {
    let Some(head) = scheme.train.head else { return Ok(Vec::new()) };
    let graph = &plan.graph;
    let Some(last) = LastLayer::of(plan) else {
        let message = "`train.head` finds the last dense layer, and the network does not end in one";
        let help = "end with a dense layer with `units = \"classes\"` and without an activation";
        return Err(at(scheme, Diagnostic::new("no-head", message)).help(help).into());
    };
    if last.bias.is_none() && head != Head::Cosine {
        let message = format!("the head {} has a bias, and the last dense layer has none", head.name());
        return Err(at(scheme, Diagnostic::new("no-head", message))
            .help("give the layer its bias, or write `head = \"cosine\"`")
            .into());
    }
    if graph.inputs.contains(&last.features) {
        let message =
            "nothing stands before the last dense layer, so there are no features to find a head from";
        return Err(at(scheme, Diagnostic::new("no-head", message)).into());
    }
    let names = [Some(last.weight), last.bias].into_iter().flatten();
    Ok(names.map(|id| graph.value(id).name.clone()).collect())
}

/// Says in a transfer plan that the tensors `names` are found later.
pub(crate) fn announce(scheme: &ResolvedScheme, names: &[String], transfer: &mut TransferPlan) {
    let Some(head) = scheme.train.head else { return };
    for tensor in transfer.tensors.iter_mut().filter(|tensor| names.contains(&tensor.name)) {
        tensor.action = Action::Fresh;
        tensor.reason =
            format!("found from features before the first step: `train.head = \"{}\"`", head.name());
        tensor.digest = String::new();
    }
}

/// Finds the head that the scheme asks for, if it does. Tells.
///
/// What stands before the last layer is run once for every training example, and what it gives is kept in the store.
///
/// Errors   a class without an example; features that are no numbers or too many.
pub(crate) fn find(
    training: &Training<'_>,
    journal: &mut Journal<'_, '_>,
) -> Result<Option<Found>, RunError> {
    let (scheme, plan, examples) = (training.scheme, training.plan, training.examples);
    let Some(head) = scheme.train.head else { return Ok(None) };
    let (Some(last), Target::Classes { labels, names }) = (LastLayer::of(plan), &examples.dataset.target)
    else {
        unreachable!("the plan and the scheme's checks refuse what has no such layer or no classes")
    };
    let refuse = |message: String| RunError::from(at(scheme, Diagnostic::new("no-head", message)));
    let divided = prefix::divide_at(&plan.graph, plan.prediction, last.features)
        .map_err(|error| RunError::damaged("a network before its last layer", error))?
        .ok_or_else(|| refuse("what stands before the last dense layer has no fixed size".to_owned()))?;
    let options = training.engine_options(EVALUATION_BATCH);
    let activations = divided.activations(training.store, examples, (options, None))?;
    let activations = activations.ok_or_else(|| {
        refuse("what stands before the last dense layer gives more than 512 MiB for all examples".to_owned())
    })?;
    let rows = &examples.splits.train;
    let width = activations.width();
    let values: Vec<f32> = rows.iter().flat_map(|&row| activations.row(row)).copied().collect();
    let classes: Vec<u32> = rows.iter().map(|&row| labels[row as usize]).collect();
    let features = Rows::new(&values, width, &classes, names.len() as u32).map_err(|error| {
        refuse(format!("the features before the last dense layer cannot be used: {error}"))
    })?;
    let (made, mut report) = learn(head, &features, scheme.seed).map_err(|error| match error {
        HeadError::MissingClass { class } => refuse(format!(
            "the class `{}` has no example in the training part, and a head needs one of each class",
            names[class]
        )),
        HeadError::NoDirection { class } => refuse(format!(
            "the features of the class `{}` have no direction on average, and a cosine needs one",
            names[class]
        )),
        other => refuse(other.to_string()),
    })?;
    let right = made.answers(&features).iter().zip(&classes).filter(|(said, is)| said == is).count();
    report.train_accuracy = right as f64 / classes.len() as f64;
    journal.tell(&Event::Notice { text: sentence(&report) })?;
    Ok(Some(Found { tensors: tensors_of(plan, &last, &made), report }))
}

fn learn(head: Head, features: &Rows<'_>, seed: u64) -> Result<(LinearHead, HeadReport), HeadError> {
    let report = HeadReport {
        method: head.name().to_owned(),
        features: features.width(),
        examples: features.count(),
        train_accuracy: 0.0,
        temperature: None,
        strength: None,
        iterations: None,
        converged: None,
    };
    match head {
        Head::Prototype => {
            let temperature = within_variance(features).or_else(|| variance(features)).unwrap_or(1.0);
            Ok((prototype(features, temperature)?, HeadReport { temperature: Some(temperature), ..report }))
        }
        Head::Cosine => {
            let mut made = cosine(features, COSINE_TEMPERATURE)?;
            // The length of an example's features is the same for all classes: it changes no answer, only how sure it is.
            // The mean one is folded into the weights.
            let length = mean_length(features);
            made.weight.iter_mut().for_each(|weight| *weight = (f64::from(*weight) / length) as f32);
            made.intake = inherit::few_shot::Intake::Plain;
            Ok((made, HeadReport { temperature: Some(COSINE_TEMPERATURE), ..report }))
        }
        Head::Logistic => {
            let strength = strength(features, seed)?.unwrap_or(STRENGTH_OF_FEW);
            let fitted = logistic(features, strength, Limits::default())?;
            let report = HeadReport {
                strength: Some(strength),
                iterations: Some(fitted.iterations),
                converged: Some(fitted.converged),
                ..report
            };
            Ok((fitted.head, report))
        }
    }
}

/// The mean variance of a feature over all examples; `None` where it is 0.
fn variance(features: &Rows<'_>) -> Option<f64> {
    let (count, width) = (features.count() as f64, features.width());
    let mut mean = vec![0.0; width];
    for row in features.rows() {
        mean.iter_mut().zip(row).for_each(|(mean, &value)| *mean += f64::from(value) / count);
    }
    let squares = features.rows().map(|row| {
        row.iter().zip(&mean).map(|(&value, mean)| (f64::from(value) - mean).powi(2)).sum::<f64>()
    });
    let variance = squares.sum::<f64>() / (count * width as f64);
    (variance > 0.0).then_some(variance)
}

/// The mean Euclidean length of the rows. Above 0 where a cosine head was found.
fn mean_length(features: &Rows<'_>) -> f64 {
    let lengths =
        features.rows().map(|row| row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt());
    lengths.sum::<f64>() / features.count() as f64
}

/// The L2 strength chosen on the examples, or on a part of them at even distances.
fn strength(features: &Rows<'_>, seed: u64) -> Result<Option<f64>, HeadError> {
    let step = features.count().div_ceil(STRENGTH_EXAMPLES_MAX);
    let limits = Limits::default();
    let values: Vec<f32> = features.rows().step_by(step).flatten().copied().collect();
    let labels: Vec<u32> = features.labels().iter().step_by(step).copied().collect();
    match Rows::new(&values, features.width(), &labels, features.classes()) {
        Ok(part) if part.class_counts().iter().all(|&count| count > 0) => {
            choose_strength(&part, seed, limits)
        }
        _ => choose_strength(features, seed, limits),
    }
}

/// The head in the shapes of the layer.
fn tensors_of(plan: &Plan, last: &LastLayer, head: &LinearHead) -> Vec<(String, Tensor)> {
    let (graph, classes) = (&plan.graph, head.classes());
    let width = head.weight.len() / classes;
    let weight = match last.transposed {
        false => Tensor::new([width, classes], head.weight.clone()),
        true => {
            let turned = (0..classes).flat_map(|class| (0..width).map(move |at| at * classes + class));
            Tensor::new([classes, width], turned.map(|at| head.weight[at]).collect::<Vec<f32>>())
        }
    };
    let bias = last.bias.map(|id| {
        let shape = graph.ty(id).shape.lengths().unwrap_or_else(|| vec![classes]);
        (graph.value(id).name.clone(), Tensor::new(shape, head.bias.clone()))
    });
    [(graph.value(last.weight).name.clone(), weight)].into_iter().chain(bias).collect()
}

fn sentence(report: &HeadReport) -> String {
    let how = match (report.strength, report.iterations) {
        (Some(strength), Some(steps)) => format!(", L2 strength {strength}, {steps} steps of L-BFGS"),
        _ => String::new(),
    };
    let short = match report.converged {
        Some(false) => ", which did not come to the minimum",
        _ => "",
    };
    format!(
        "the head is found ({}) from {} features of {} examples{how}{short}",
        report.method, report.features, report.examples
    )
}

fn at(scheme: &ResolvedScheme, diagnostic: Diagnostic) -> Diagnostic {
    match scheme.span_of("train.head") {
        Some(span) => diagnostic.at(span, ""),
        None => diagnostic,
    }
}
