//! `train.lora`: a low-rank update beside weights that stay.

use std::collections::BTreeMap;

use base::{Diagnostic, Diagnostics};
use graph::{Attribute, Attributes, Graph, GraphError, Node, ValueId};
use inherit::transfer::matches;
use scheme::{Init, Lora, ResolvedScheme};
use tensor::{DType, Tensor};

use super::groups::{layer_of, unmatched};
use super::{Plan, initial};
use crate::inheritance::at;

/// One weight with a low-rank update: `w + scale · down · up`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Adapter {
    /// The weight that stays while learning.
    pub(crate) weight: String,
    kind: Kind,
    rank: usize,
    scale: f32,
    seed: u64,
}

/// How the layer of a weight reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `[in, out]`, or `[out, in]` if it is transposed.
    Dense { transposed: bool },
    /// `[out, in, height, width]`.
    Conv,
}

impl Adapter {
    /// The name of the first factor, from the layer's input to `rank` numbers.
    fn down(&self) -> String {
        format!("{}.lora_down", layer_of(&self.weight))
    }

    /// The name of the second factor, from `rank` numbers to the layer's outputs.
    fn up(&self) -> String {
        format!("{}.lora_up", layer_of(&self.weight))
    }

    /// The names of its factors.
    pub(crate) fn factor_names(&self) -> [String; 2] {
        [self.down(), self.up()]
    }

    /// Whether `name` is one of its factors.
    pub(crate) fn owns(&self, name: &str) -> bool {
        name == self.down() || name == self.up()
    }

    /// Whether the tensor `name` of the model's own stays while the update learns: the weight and the bias beside it.
    pub(crate) fn holds(&self, name: &str) -> bool {
        layer_of(name) == layer_of(&self.weight)
    }

    /// The factors as they start: the first by chance, the second 0, so that the update is nothing.
    fn factors(&self, weight: &Tensor) -> [Tensor; 2] {
        let shape = weight.shape();
        let (inputs, outputs, down, up) = match self.kind {
            Kind::Dense { transposed } => {
                let (inputs, outputs) = if transposed { (shape[1], shape[0]) } else { (shape[0], shape[1]) };
                (inputs, outputs, vec![inputs, self.rank], vec![self.rank, outputs])
            }
            Kind::Conv => {
                let inputs = shape[1..].iter().product();
                let down = [&[self.rank], &shape[1..]].concat();
                (inputs, shape[0], down, vec![shape[0], self.rank, 1, 1])
            }
        };
        let random = initial::weight(self.seed, &self.down(), Init::HeUniform, &down, inputs, outputs);
        [random, Tensor::zeros(DType::F32, up)]
    }

    /// The weight with its update: in `f64`, rounded once.
    pub(crate) fn merged(&self, weight: &Tensor, state: &BTreeMap<&str, &Tensor>) -> Option<Tensor> {
        let (down, up) = (state.get(self.down().as_str())?.to_f64(), state.get(self.up().as_str())?.to_f64());
        let (shape, rank) = (weight.shape(), self.rank);
        let columns: usize = shape[1..].iter().product();
        // For each row and column of the weight: its term in the sum over the rank.
        let term = |row: usize, column: usize, at: usize| match self.kind {
            Kind::Dense { transposed: false } => down[row * rank + at] * up[at * columns + column],
            Kind::Dense { transposed: true } => down[column * rank + at] * up[at * shape[0] + row],
            Kind::Conv => up[row * rank + at] * down[at * columns + column],
        };
        let element = |(index, value): (usize, f64)| {
            let (row, column) = (index / columns, index % columns);
            let update: f64 = (0..rank).map(|at| term(row, column, at)).sum();
            // A zero keeps its sign.
            if update == 0.0 { value as f32 } else { (value + f64::from(self.scale) * update) as f32 }
        };
        let values = weight.to_f64().into_iter().enumerate().map(element).collect();
        Some(Tensor::new(shape, values))
    }

    /// Adds the update to the layer in `copy`, whose `node` is about to be copied: its output with the update. `inputs` are
    /// the copies of the node's inputs.
    fn add(
        &self,
        copy: &mut Graph,
        node: &Node,
        inputs: &[Option<ValueId>],
        weight: &Tensor,
        output: &str,
    ) -> Result<ValueId, GraphError> {
        let name = layer_of(&self.weight);
        let base = format!("{name}.lora_base");
        let base = copy.push_node(&node.name, node.op_name(), node.attributes.clone(), inputs, &[&base])?[0];
        let [down, up] = self.factors(weight);
        let down = copy.constant(&self.down(), down);
        let up = copy.constant(&self.up(), up);
        let scale = copy.constant(&format!("{name}.lora_scale"), Tensor::scalar(self.scale));
        let (op, first) = match self.kind {
            Kind::Dense { .. } => ("Gemm", Attributes::new()),
            Kind::Conv => ("Conv", node.attributes.clone()),
        };
        let low = format!("{name}.lora_low");
        let x = inputs.first().copied().flatten();
        let low = copy.push_node(&format!("{name}.lora.down"), op, first, &[x, Some(down)], &[&low])?[0];
        let high = copy.push(&format!("{name}.lora.up"), op, Attributes::new(), &[low, up])?;
        let scaled = copy.push(&format!("{name}.lora.scaled"), "Mul", Attributes::new(), &[high, scale])?;
        let inputs = [Some(base), Some(scaled)];
        Ok(copy.push_node(&format!("{name}.lora"), "Add", Attributes::new(), &inputs, &[output])?[0])
    }
}

/// The updates that the scheme asks for.
///
/// Errors   a pattern that no tensor matches; a layer that is neither dense nor a plain convolution; nothing to update.
pub(super) fn adapters(scheme: &ResolvedScheme, plan: &Plan) -> Result<Vec<Adapter>, Diagnostics> {
    let Some(wanted) = &scheme.train.lora else { return Ok(Vec::new()) };
    let mut problems = Diagnostics::default();
    let mut found = Vec::new();
    for (weight, kind) in weights(plan) {
        let chosen = match &wanted.layers {
            Some(patterns) => patterns.iter().any(|pattern| matches(pattern, &weight)),
            None => plan.wholly_inherited(&weight),
        };
        if chosen && plan.learnt.contains(&weight) {
            found.push(adapter(scheme, wanted, weight, kind));
        }
    }
    for pattern in wanted.layers.iter().flatten() {
        if !plan.kept.iter().any(|name| matches(pattern, name)) {
            problems.push(unmatched(scheme, plan, "train.lora.layers", pattern));
        } else if !found.iter().any(|adapter| matches(pattern, &adapter.weight)) {
            let message =
                format!("no weight that learns in `{pattern}` is of a dense layer or a plain convolution");
            problems.push(
                at(scheme, "train.lora.layers", Diagnostic::new("no-low-rank-layer", message))
                    .help("a convolution in groups, and a weight that several layers read, cannot have one"),
            );
        }
    }
    if found.is_empty() && problems.0.is_empty() {
        let message = "no dense layer or plain convolution that learns comes wholly from the parent";
        problems.push(
            at(scheme, "train.lora", Diagnostic::new("no-low-rank-layer", message))
                .help("`train.lora.layers` names others"),
        );
    }
    problems.or(found)
}

fn adapter(scheme: &ResolvedScheme, wanted: &Lora, weight: String, kind: Kind) -> Adapter {
    let scale = (wanted.alpha / wanted.rank as f64) as f32;
    Adapter { weight, kind, rank: wanted.rank, scale, seed: scheme.seed }
}

/// The weights that one dense layer or plain convolution reads and nothing else.
fn weights(plan: &Plan) -> Vec<(String, Kind)> {
    let graph = &plan.graph;
    let int = |node: &Node, name: &str| match node.attribute(name) {
        Some(Attribute::Int(value)) => value,
        _ => 0,
    };
    let plain = |node: &Node, name: &str| node.attribute(name) == Some(Attribute::Float(1.0));
    let kind = |node: &Node| match node.op_name() {
        "Conv" if int(node, "group") == 1 => Some(Kind::Conv),
        "Gemm" if int(node, "transA") == 0 && plain(node, "alpha") && plain(node, "beta") => {
            Some(Kind::Dense { transposed: int(node, "transB") == 1 })
        }
        _ => None,
    };
    let readers = |id: ValueId| {
        graph.nodes().flat_map(|(_, node)| &node.inputs).filter(|&&input| input == Some(id)).count()
    };
    let weight = |node: &Node| {
        let id = node.inputs.get(1).copied().flatten()?;
        let value = graph.value(id);
        let own = value.constant.is_some() && plan.kept.contains(&value.name) && readers(id) == 1;
        let ranks = matches!((node.op_name(), value.ty.shape.rank()), ("Conv", 3 | 4) | ("Gemm", 2));
        Some((value.name.clone(), kind(node)?)).filter(|_| own && ranks)
    };
    graph.nodes().filter_map(|(_, node)| weight(node)).filter(|(name, _)| name.contains('.')).collect()
}

/// The network with its updates beside the weights: values keep their names.
pub(crate) fn adapted(
    graph: &Graph,
    prediction: ValueId,
    adapters: &[Adapter],
) -> Result<(Graph, ValueId), GraphError> {
    let mut copy = Graph::new(graph.name.clone());
    let mut made: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    for &id in &graph.inputs {
        let value = graph.value(id);
        made.insert(id, copy.input(&value.name, value.ty.clone()));
    }
    for (id, value) in graph.values() {
        if let Some(constant) = &value.constant {
            made.insert(id, copy.constant(&value.name, constant.clone()));
        }
    }
    for (_, node) in graph.nodes() {
        let inputs: Vec<Option<ValueId>> = node.inputs.iter().map(|id| id.map(|id| made[&id])).collect();
        let names: Vec<&str> = node.outputs.iter().map(|&id| graph.value(id).name.as_str()).collect();
        let weight = node.inputs.get(1).copied().flatten().map(|id| graph.value(id));
        let adapter = weight.and_then(|value| {
            let adapter = adapters.iter().find(|adapter| adapter.weight == value.name)?;
            Some((adapter, value.constant.as_ref()?))
        });
        let outputs = match adapter {
            Some((adapter, weight)) => vec![adapter.add(&mut copy, node, &inputs, weight, names[0])?],
            None => copy.push_node(&node.name, node.op_name(), node.attributes.clone(), &inputs, &names)?,
        };
        made.extend(node.outputs.iter().copied().zip(outputs));
    }
    copy.outputs = graph.outputs.iter().map(|id| made[id]).collect();
    Ok((copy, made[&prediction]))
}
