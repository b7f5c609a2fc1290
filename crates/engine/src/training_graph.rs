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

/// What is trained and how.
#[derive(Debug, Clone, Copy, PartialEq)]
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
    /// The graph; its inputs are the example and the target.
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
    let mut graph = in_training_mode(model, trainable, objective.seed)?;
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
    let penalty = if shape.len() > 1 { (objective.l1, objective.l2) } else { (0.0, 0.0) };
    let mut attributes =
        Attributes::from([("l1".to_owned(), penalty.0.into()), ("l2".to_owned(), penalty.1.into())]);
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

/// A copy of `model` in which batch normalisation uses the batch's statistics, where its own may change, and dropout drops.
fn in_training_mode(model: &Graph, changes: &dyn Fn(&str) -> bool, seed: u64) -> Result<Graph, GraphError> {
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
        match node.op_name() {
            "BatchNormalization" if node.inputs[3].is_some_and(|id| changes(&model.value(id).name)) => {
                attributes.insert("training_mode".to_owned(), Attribute::Int(1));
                names.truncate(1);
                names.extend([
                    format!("{}.running_mean", node.name),
                    format!("{}.running_variance", node.name),
                ]);
            }
            "Dropout" => {
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
