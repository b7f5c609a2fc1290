//! Model → training graph: loss, gradients and optimiser steps as nodes.

use std::collections::{BTreeMap, BTreeSet};

use graph::{Attribute, Attributes, Graph, GraphError, Node, ValueId, ValueType, differentiate};
use tensor::{DType, Shape, Tensor};

use crate::error::EngineError;
use crate::layout::BATCH;

/// What training makes small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Mean of `-ln softmax(prediction)[class]`, in nats; the prediction is one score per class.
    CrossEntropy,
    /// Mean of `(prediction - target)^2` over examples and outputs.
    MeanSquaredError,
}

/// How gradients become new weights; the formulas are those of the update operators.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimizer {
    /// `w -= rate * g`: gradient descent and, on batches, stochastic gradient descent.
    GradientDescent,
    /// Momentum, plain or Nesterov.
    Momentum {
        /// Share of the velocity that is kept.
        momentum: f32,
        /// Whether to look ahead.
        nesterov: bool,
    },
    /// Adam; with `weight_decay`, AdamW.
    Adam {
        /// Decay of the first moment.
        beta1: f32,
        /// Decay of the second moment.
        beta2: f32,
        /// Added to the root of the second moment.
        epsilon: f32,
        /// Decoupled weight decay.
        weight_decay: f32,
    },
}

/// A teacher whose answers are learnt beside the targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Distillation {
    /// What its loss counts for beside the targets'.
    pub weight: f32,
    /// Softens both scores; above 0.
    pub temperature: f32,
    /// The score of the model that each of the teacher's speaks of.
    pub classes: Vec<usize>,
}

/// How one parameter learns, apart from the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Treatment {
    /// Times the learning rate.
    pub rate: f32,
    /// Steps of the training before this parameter's first: Adam's running means begin then.
    pub steps_before: u64,
    /// Strength of `l2 / 2 * sum w^2` in place of the objective's.
    pub l2: Option<f32>,
    /// What it is drawn to.
    pub pull: Option<Pull>,
}

impl Default for Treatment {
    /// As every other parameter.
    fn default() -> Self {
        Treatment { rate: 1.0, steps_before: 0, l2: None, pull: None }
    }
}

/// The penalty `sum_i strength_i / 2 * (w_i - anchor_i)^2`. Both are of the parameter's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Pull {
    /// Where the penalty is 0.
    pub anchor: Tensor,
    /// Its strength, element by element; at least 0.
    pub strength: Tensor,
}

/// What is trained and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// The loss.
    pub loss: Loss,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Strength of the penalty `l1 * sum |w|`, on weights but not on biases.
    pub l1: f32,
    /// Strength of the penalty `l2 / 2 * sum w^2`, on weights but not on biases.
    pub l2: f32,
    /// Seeds dropout.
    pub seed: u64,
    /// Whether dropout drops; without, it passes everything on as in inference.
    pub drops: bool,
    /// `weight · DistillationLoss` is added to the loss; the graph then takes a teacher's scores behind the target.
    pub distillation: Option<Distillation>,
    /// Parameters that are treated in a way of their own, by name.
    pub treatments: BTreeMap<String, Treatment>,
}

impl Objective {
    /// The plain objective: nothing is added to the loss.
    pub fn new(loss: Loss, optimizer: Optimizer, seed: u64) -> Self {
        Objective {
            loss,
            optimizer,
            l1: 0.0,
            l2: 0.0,
            seed,
            drops: true,
            distillation: None,
            treatments: BTreeMap::new(),
        }
    }
}

/// A weight that is trained.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name, the same as in the model.
    pub name: String,
    /// It, in the training graph.
    pub value: ValueId,
}

/// A model with loss, gradients and updates.
#[derive(Debug, Clone)]
pub struct TrainingGraph {
    /// The graph; its inputs are the example, the target and, with a teacher, its scores.
    pub graph: Graph,
    /// The scalar loss.
    pub loss: ValueId,
    /// What is compared with the target.
    pub prediction: ValueId,
    /// The target input.
    pub target: ValueId,
    /// What is trained.
    pub parameters: Vec<Parameter>,
    /// The values that change from step to step: parameters, moments, running statistics; by name.
    pub state: Vec<(String, ValueId)>,
}

/// The training graph of `model`, whose value called `prediction` is compared with the target. `trainable` tells
/// by name which constants training changes: weights by their gradients, running means and variances by the batches.
/// Integers never change. A normalisation whose running mean does not change normalises by it, as in inference.
pub fn training_graph(
    model: &Graph,
    prediction: &str,
    trainable: &dyn Fn(&str) -> bool,
    objective: &Objective,
) -> Result<TrainingGraph, EngineError> {
    let seed = objective.drops.then_some(objective.seed);
    let mut graph = in_training_mode(model, trainable, seed)?;
    let form = |message: String| EngineError::Form(message);
    let prediction =
        graph.find_value(prediction).ok_or_else(|| form(format!("the model has no value {prediction}")))?;
    let target_type = match objective.loss {
        Loss::CrossEntropy => ValueType::new(DType::I64, Shape(vec![BATCH.into()])),
        Loss::MeanSquaredError => graph.ty(prediction).clone(),
    };
    let target = graph.input("target", target_type);
    let loss_op = match objective.loss {
        Loss::CrossEntropy => "SoftmaxCrossEntropyLoss",
        Loss::MeanSquaredError => "MeanSquaredError",
    };
    let loss = graph.push("loss", loss_op, Attributes::new(), &[prediction, target])?;
    let loss = match &objective.distillation {
        Some(distillation) => taught(&mut graph, loss, prediction, distillation)?,
        None => loss,
    };
    let statistics: BTreeSet<ValueId> =
        normalisations(&graph).flat_map(|node| [node.inputs[3], node.inputs[4]]).flatten().collect();
    let parameters: Vec<Parameter> = graph
        .values()
        .filter(|(id, value)| {
            value.constant.is_some() && value.ty.dtype.is_float() && !statistics.contains(id)
        })
        .filter(|(_, value)| trainable(&value.name))
        .map(|(id, value)| Parameter { name: value.name.clone(), value: id })
        .collect();
    let wrt: Vec<ValueId> = parameters.iter().map(|parameter| parameter.value).collect();
    let gradients = differentiate(&mut graph, loss, &wrt)?;
    let rate = graph.input("learning_rate", ValueType::new(DType::F32, Shape::default()));
    let step = graph.input("step", ValueType::new(DType::I64, Shape::default()));
    let mut state = running_statistics(&graph);
    let mut trained = Vec::new();
    for (parameter, gradient) in parameters.into_iter().zip(gradients) {
        let Some(gradient) = gradient else { continue };
        let moments = update(&mut graph, &parameter, gradient, objective, [rate, step])?;
        state.push((parameter.name.clone(), parameter.value));
        state.extend(moments);
        trained.push(parameter);
    }
    graph.outputs = vec![loss];
    Ok(TrainingGraph { graph, loss, prediction, target, parameters: trained, state })
}

/// `loss + weight · DistillationLoss(prediction, teacher)`, with an input for the teacher's scores.
fn taught(
    graph: &mut Graph,
    loss: ValueId,
    prediction: ValueId,
    distillation: &Distillation,
) -> Result<ValueId, GraphError> {
    let Distillation { weight, temperature, classes } = distillation;
    let shape = Shape(vec![BATCH.into(), classes.len().into()]);
    let teacher = graph.input("teacher", ValueType::new(graph.ty(prediction).dtype, shape));
    let columns: Vec<i64> = classes.iter().map(|&class| class as i64).collect();
    let attributes = Attributes::from([
        ("classes".to_owned(), columns.into()),
        ("temperature".to_owned(), (*temperature).into()),
    ]);
    let apart = graph.push("distillation", "DistillationLoss", attributes, &[prediction, teacher])?;
    let weight = graph.constant("distillation.weight", Tensor::scalar(*weight));
    let weighed = graph.push("distillation.weighed", "Mul", Attributes::new(), &[apart, weight])?;
    graph.push("loss.taught", "Add", Attributes::new(), &[loss, weighed])
}

/// Adds the update of one parameter; returns its moments.
fn update(
    graph: &mut Graph,
    parameter: &Parameter,
    gradient: ValueId,
    objective: &Objective,
    [rate, step]: [ValueId; 2],
) -> Result<Vec<(String, ValueId)>, GraphError> {
    let shape = graph.ty(parameter.value).shape.lengths().expect("a constant's shape is known");
    // Biases and the scales of normalisations have one axis; penalties are for weights.
    let treatment = objective.treatments.get(&parameter.name).cloned().unwrap_or_default();
    let l2 = treatment.l2.unwrap_or(objective.l2);
    let penalty = if shape.len() > 1 { (objective.l1, l2) } else { (0.0, 0.0) };
    let mut attributes = Attributes::from([
        ("l1".to_owned(), penalty.0.into()),
        ("l2".to_owned(), penalty.1.into()),
        ("rate_factor".to_owned(), treatment.rate.into()),
    ]);
    let (op, names): (&str, &[&str]) = match objective.optimizer {
        Optimizer::GradientDescent => ("GradientDescentUpdate", &[]),
        Optimizer::Momentum { momentum, nesterov } => {
            attributes.insert("momentum".to_owned(), momentum.into());
            attributes.insert("nesterov".to_owned(), i64::from(nesterov).into());
            ("MomentumUpdate", &["velocity"])
        }
        Optimizer::Adam { beta1, beta2, epsilon, weight_decay } => {
            let decay = if shape.len() > 1 { weight_decay } else { 0.0 };
            for (name, value) in
                [("beta1", beta1), ("beta2", beta2), ("epsilon", epsilon), ("weight_decay", decay)]
            {
                attributes.insert(name.to_owned(), value.into());
            }
            attributes.insert("steps_before".to_owned(), (treatment.steps_before as i64).into());
            ("AdamUpdate", &["moment1", "moment2"])
        }
    };
    let moments: Vec<(String, ValueId)> = names
        .iter()
        .map(|name| {
            let name = format!("{}.{name}", parameter.name);
            let value = graph.constant(&name, Tensor::zeros(DType::F32, shape.clone()));
            (name, value)
        })
        .collect();
    let mut inputs = vec![Some(parameter.value), Some(gradient)];
    inputs.extend(moments.iter().map(|(_, value)| Some(*value)));
    inputs.push(Some(rate));
    if op == "AdamUpdate" {
        inputs.push(Some(step));
    }
    if let Some(Pull { anchor, strength }) = treatment.pull {
        for (what, tensor) in [("anchor", anchor), ("strength", strength)] {
            inputs.push(Some(graph.constant(&format!("{}.{what}", parameter.name), tensor)));
        }
    }
    let name = format!("update.{}", parameter.name);
    let outputs = vec![name.as_str(); 1 + moments.len()];
    graph.push_node(&name, op, attributes, &inputs, &outputs)?;
    Ok(moments)
}

fn normalisations(graph: &Graph) -> impl Iterator<Item = &Node> {
    graph.nodes().map(|(_, node)| node).filter(|node| node.op_name() == "BatchNormalization")
}

/// The running means and variances that batch normalisation changes.
fn running_statistics(graph: &Graph) -> Vec<(String, ValueId)> {
    let pairs = graph.nodes().flat_map(|(_, node)| state_pairs(node));
    pairs.map(|(input, _)| (graph.value(input).name.clone(), input)).collect()
}

/// For a node that changes values from step to step: each of these inputs with the output that replaces it.
pub(crate) fn state_pairs(node: &Node) -> Vec<(ValueId, ValueId)> {
    let pair = |input: usize, output: usize| Some((node.inputs[input]?, *node.outputs.get(output)?));
    match node.op_name() {
        "BatchNormalization" if node.outputs.len() == 3 => {
            [pair(3, 1), pair(4, 2)].into_iter().flatten().collect()
        }
        "GradientDescentUpdate" => pair(0, 0).into_iter().collect(),
        "MomentumUpdate" => [pair(0, 0), pair(2, 1)].into_iter().flatten().collect(),
        "AdamUpdate" => [pair(0, 0), pair(2, 1), pair(3, 2)].into_iter().flatten().collect(),
        _ => Vec::new(),
    }
}

/// A copy of `model` in which batch normalisation uses the batch's statistics, where its own may change, and dropout drops
/// where there is a seed for it.
fn in_training_mode(
    model: &Graph,
    changes: &dyn Fn(&str) -> bool,
    seed: Option<u64>,
) -> Result<Graph, GraphError> {
    let mut copy = Graph::new(model.name.clone());
    let mut made: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    for (id, value) in model.values() {
        if let Some(constant) = &value.constant {
            made.insert(id, copy.constant(&value.name, constant.clone()));
        }
    }
    for &id in &model.inputs {
        let value = model.value(id);
        made.insert(id, copy.input(&value.name, value.ty.clone()));
    }
    for (_, node) in model.nodes() {
        let mut inputs: Vec<_> = node.inputs.iter().map(|input| input.map(|id| made[&id])).collect();
        let mut attributes = node.attributes.clone();
        let mut names: Vec<String> = node.outputs.iter().map(|&id| model.value(id).name.clone()).collect();
        match (node.op_name(), seed) {
            ("BatchNormalization", _) if node.inputs[3].is_some_and(|id| changes(&model.value(id).name)) => {
                attributes.insert("training_mode".to_owned(), Attribute::Int(1));
                names.truncate(1);
                names.extend([
                    format!("{}.running_mean", node.name),
                    format!("{}.running_variance", node.name),
                ]);
            }
            ("Dropout", Some(seed)) => {
                // By name: the same layer drops the same, whatever part of the network is trained.
                let stream = tensor::Random::new(seed, &format!("dropout.{}", node.name)).word(0, 0);
                attributes.insert("seed".to_owned(), Attribute::Int(stream as i64));
                inputs.resize(3, None);
                inputs[2] = Some(copy.constant(&format!("{}.training", node.name), Tensor::scalar(true)));
                names.truncate(1);
                names.push(format!("{}.mask", node.name));
            }
            _ => {}
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let outputs = copy.push_node(&node.name, node.op_name(), attributes, &inputs, &names)?;
        made.extend(node.outputs.iter().copied().zip(outputs));
    }
    copy.outputs = model.outputs.iter().map(|id| made[id]).collect();
    Ok(copy)
}
