//! Deepening: layers of the child that the parent does not have, and that start as the identity.
//!
//! A convolution whose kernel passes each channel on, a dense layer whose weight is the unit matrix, a normalisation by mean
//! 0 and variance 1: the child is deeper and computes what the parent computed (Net2DeeperNet, Chen et al. 2016,
//! "Net2Net", arXiv:1511.05641).

use std::collections::{BTreeMap, BTreeSet};

use base::{Diagnostic, Diagnostics};
use graph::{Attribute, Node, ValueId};
use tensor::Tensor;

use super::matching::Partner;
use super::network::Network;
use super::rename::matches;

/// The layers that are to start as the identity.
pub(crate) struct Identities {
    /// What their nodes give.
    outputs: BTreeSet<ValueId>,
    /// Their tensors.
    pub(crate) tensors: BTreeSet<String>,
}

/// The layers of `network` that the patterns name.
///
/// Errors   a pattern that no tensor matches.
pub(crate) fn identities(network: &Network<'_>, patterns: &[String]) -> Result<Identities, Diagnostics> {
    let mut problems = Diagnostics::default();
    for pattern in
        patterns.iter().filter(|pattern| !network.tensors.iter().any(|name| matches(pattern, name)))
    {
        let message = format!(
            "`model.identity` speaks of `{pattern}`, and the network has no layer or tensor of this name"
        );
        problems.push(Diagnostic::new("unknown-tensor", message));
    }
    let mut found = Identities { outputs: BTreeSet::new(), tensors: BTreeSet::new() };
    for node in network.nodes() {
        let tensors: Vec<&String> = handed_on(network, node).collect();
        let meant = |name: &&String| patterns.iter().any(|pattern| matches(pattern, name));
        if tensors.iter().any(meant) {
            found.outputs.extend(node.outputs.first());
            found.tensors.extend(tensors.into_iter().cloned());
        }
    }
    problems.or(found)
}

fn handed_on<'a>(network: &Network<'a>, node: &Node) -> impl Iterator<Item = &'a String> {
    let (graph, network) = (network.graph, *network);
    let ids: Vec<ValueId> = node.inputs.iter().flatten().copied().collect();
    ids.into_iter().filter(move |&id| network.hands_on(id)).map(move |id| &graph.value(id).name)
}

/// What the identity's tensors start as, by name; or why their layer cannot be the identity.
pub(crate) type Starts = BTreeMap<String, Result<Tensor, String>>;

impl Identities {
    /// The values of every tensor.
    pub(crate) fn starts(
        &self,
        child: &Network<'_>,
        parent: &Network<'_>,
        partners: &BTreeMap<String, Partner>,
    ) -> Starts {
        let own = Chain::new(child, &self.outputs);
        let other_outputs = BTreeSet::new();
        let other = Chain::new(parent, &other_outputs);
        let mut starts = Starts::new();
        for node in child.nodes() {
            let Some(output) = node.outputs.first().filter(|output| self.outputs.contains(output)) else {
                continue;
            };
            let values = values(child, node).and_then(|values| {
                let kept = own.kept_by_itself(*output) || own.kept_beside(*output, &other, partners);
                if kept { Ok(values) } else { Err(own.what_follows(*output)) }
            });
            for name in handed_on(child, node) {
                let value = match &values {
                    Ok(values) => match values.get(name) {
                        Some(value) => Ok(value.clone()),
                        None => Err("its layer has no place for it in an identity".to_owned()),
                    },
                    Err(reason) => Err(reason.clone()),
                };
                starts.insert(name.clone(), value);
            }
        }
        starts
    }
}

/// The tensors with which `node` passes its input on.
fn values(network: &Network<'_>, node: &Node) -> Result<BTreeMap<String, Tensor>, String> {
    match node.op_name() {
        "Conv" => conv(network, node),
        "Gemm" | "MatMul" => dense(network, node),
        "BatchNormalization" => normalisation(network, node),
        other => Err(format!(
            "a convolution, a dense layer and a batch normalisation can be the identity, and this is {other}"
        )),
    }
}

/// The name and shape of a node's constant, if it may be handed on.
fn own<'a>(network: &Network<'a>, node: &Node, slot: usize) -> Option<(&'a str, &'a [usize])> {
    let id = node.inputs.get(slot).copied().flatten().filter(|&id| network.hands_on(id))?;
    let value = network.graph.value(id);
    let tensor = value.constant.as_ref().filter(|tensor| tensor.get::<f32>().is_some())?;
    Some((&value.name, tensor.shape()))
}

fn filled(name: &str, shape: &[usize], value: f32) -> (String, Tensor) {
    (name.to_owned(), Tensor::new(shape, vec![value; shape.iter().product()]))
}

/// Each filter takes the tap over its own place from its own channel: `w[o, o mod channels, top, left] = 1`.
fn conv(network: &Network<'_>, node: &Node) -> Result<BTreeMap<String, Tensor>, String> {
    let lengths = |id: Option<ValueId>| id.map(|id| network.lengths(id)).unwrap_or_default();
    let before = lengths(node.inputs.first().copied().flatten());
    let after = lengths(node.outputs.first().copied());
    if before != after {
        return Err(format!("it makes {after:?} of {before:?}, and an identity keeps the shape"));
    }
    let ints = |name: &str, default: i64, count: usize| match node.attribute(name) {
        Some(Attribute::Ints(values)) if values.len() == count => values,
        _ => vec![default; count],
    };
    let Some((name, shape)) = own(network, node, 1).filter(|(_, shape)| shape.len() == 4) else {
        return Err("its weight is no kernel over images".to_owned());
    };
    let (pads, steps) = (ints("pads", 0, 4), ints("dilations", 1, 2));
    if ints("strides", 1, 2) != [1, 1] {
        return Err("its stride is not 1".to_owned());
    }
    let tap = |axis: usize| {
        let at = pads[axis] / steps[axis].max(1);
        let usable = at * steps[axis] == pads[axis] && (0..shape[axis + 2] as i64).contains(&at);
        usable.then_some(at as usize)
    };
    let (Some(row), Some(column)) = (tap(0), tap(1)) else {
        return Err(
            "no tap of its kernel stands over the pixel itself: write `padding = \"same\"`".to_owned()
        );
    };
    let [_, channels, height, width] = shape[..] else { unreachable!("it has four axes") };
    let mut weight = vec![0f32; shape.iter().product()];
    for filter in 0..shape[0] {
        weight[((filter * channels + filter % channels) * height + row) * width + column] = 1.0;
    }
    let mut values = BTreeMap::from([(name.to_owned(), Tensor::new(shape, weight))]);
    values.extend(own(network, node, 2).map(|(name, shape)| filled(name, shape, 0.0)));
    Ok(values)
}

fn dense(network: &Network<'_>, node: &Node) -> Result<BTreeMap<String, Tensor>, String> {
    let plain = |name: &str| match node.attribute(name) {
        Some(Attribute::Float(factor)) => factor == 1.0,
        _ => true,
    };
    if !plain("alpha")
        || !plain("beta")
        || matches!(node.attribute("transA"), Some(Attribute::Int(flag)) if flag != 0)
    {
        return Err("it scales or turns what it reads".to_owned());
    }
    let Some((name, shape)) = own(network, node, 1) else {
        return Err("its weight is not its own".to_owned());
    };
    let [rows, columns] = shape[..] else { return Err("its weight is no matrix".to_owned()) };
    if rows != columns {
        let units = "has other units than inputs";
        return Err(format!("it {units}: its weight is [{rows}, {columns}], and an identity is square"));
    }
    let unit = (0..rows * columns).map(|at| if at / columns == at % columns { 1.0 } else { 0.0 });
    let mut values = BTreeMap::from([(name.to_owned(), Tensor::new(shape, unit.collect::<Vec<f32>>()))]);
    values.extend(own(network, node, 2).map(|(name, shape)| filled(name, shape, 0.0)));
    Ok(values)
}

/// `(x - 0) scale / sqrt(1 + epsilon) + 0` with `scale = sqrt(1 + epsilon)`.
fn normalisation(network: &Network<'_>, node: &Node) -> Result<BTreeMap<String, Tensor>, String> {
    let epsilon = match node.attribute("epsilon") {
        Some(Attribute::Float(epsilon)) => f64::from(epsilon),
        _ => 0.0,
    };
    let starts = [(1, (1.0 + epsilon).sqrt() as f32), (2, 0.0), (3, 0.0), (4, 1.0)];
    let value = |(slot, start): (usize, f32)| {
        let (name, shape) = own(network, node, slot).ok_or("its statistics are not its own")?;
        Ok(filled(name, shape, start))
    };
    starts.into_iter().map(value).collect()
}

/// A network, to follow values along it.
struct Chain<'n, 'a> {
    network: &'n Network<'a>,
    nodes: Vec<&'a Node>,
    identities: &'n BTreeSet<ValueId>,
    /// Values without an element below 0.
    positive: BTreeSet<ValueId>,
}

/// Operators whose result is never below 0.
const POSITIVE: [&str; 4] = ["Abs", "Relu", "Sigmoid", "Softmax"];
/// Operators that keep what is not below 0 so.
const KEEPING: [&str; 8] = [
    "AveragePool",
    "Dropout",
    "Flatten",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Identity",
    "MaxPool",
    "Reshape",
];
/// Operators that are the identity once learning is over.
const IDLE: [&str; 2] = ["Dropout", "Identity"];

impl<'n, 'a> Chain<'n, 'a> {
    fn new(network: &'n Network<'a>, identities: &'n BTreeSet<ValueId>) -> Self {
        let nodes = network.nodes();
        let mut positive = BTreeSet::new();
        for node in &nodes {
            let (Some(&input), Some(&output)) = (node.inputs.iter().flatten().next(), node.outputs.first())
            else {
                continue;
            };
            let keeps = KEEPING.contains(&node.op_name()) || identities.contains(&output);
            if POSITIVE.contains(&node.op_name()) || (keeps && positive.contains(&input)) {
                positive.insert(output);
            }
        }
        Chain { network, nodes, identities, positive }
    }

    /// The one node that reads a value; none if there is none, or another number.
    fn reader(&self, value: ValueId) -> Option<&'a Node> {
        let mut readers = self.nodes.iter().filter(|node| node.inputs.contains(&Some(value)));
        readers.next().filter(|_| readers.next().is_none() && value != self.network.prediction).copied()
    }

    /// The first node behind an identity that is none, if there is one.
    fn behind(&self, mut value: ValueId) -> Option<&'a Node> {
        loop {
            let node = self.reader(value)?;
            let output = *node.outputs.first()?;
            if !self.identities.contains(&output) && !IDLE.contains(&node.op_name()) {
                return Some(node);
            }
            value = output;
        }
    }

    /// Whether nothing comes behind the identity with the result `output` that does to its input what the parent did not:
    /// no activation, or a ReLU over what is never below 0.
    fn kept_by_itself(&self, output: ValueId) -> bool {
        match self.behind(output) {
            None => true,
            Some(node) if node.op_name() == "Relu" => self.positive.contains(&output),
            Some(node) => self.has_tensors(node) || KEEPING.contains(&node.op_name()),
        }
    }

    /// Whether the layer before the identity is followed by the same operators as in the parent, identities apart: then the
    /// activation behind it is the parent's.
    fn kept_beside(
        &self,
        output: ValueId,
        parent: &Chain<'_, '_>,
        partners: &BTreeMap<String, Partner>,
    ) -> bool {
        let Some(layer) = self.layer_before(output) else { return false };
        let partner = handed_on(self.network, layer).find_map(|name| partners.get(name));
        let other = partner.and_then(|partner| {
            let id = parent.network.graph.find_value(&partner.name)?;
            parent.nodes.iter().find(|node| node.inputs.contains(&Some(id)))
        });
        let ends = (layer.outputs.first(), other.and_then(|node| node.outputs.first()));
        matches!(ends, (Some(&own), Some(&other)) if self.operators_from(own) == parent.operators_from(other))
    }

    /// The nearest layer with tensors before an identity that is none itself.
    fn layer_before(&self, output: ValueId) -> Option<&'a Node> {
        let mut value = output;
        loop {
            let node = self.nodes.iter().find(|node| node.outputs.first() == Some(&value))?;
            if self.has_tensors(node) && !self.identities.contains(&value) {
                return Some(node);
            }
            value = node.inputs.first().copied().flatten()?;
        }
    }

    /// The operators between a value and the next layer with tensors, without those that change nothing.
    fn operators_from(&self, mut value: ValueId) -> Vec<&'a str> {
        let mut operators = Vec::new();
        while let Some(node) = self.reader(value) {
            let Some(&output) = node.outputs.first() else { break };
            let idle = self.identities.contains(&output)
                || IDLE.contains(&node.op_name())
                || (node.op_name() == "Relu" && self.positive.contains(&value));
            if !idle {
                if self.has_tensors(node) {
                    break;
                }
                operators.push(node.op_name());
            }
            value = output;
        }
        operators
    }

    fn has_tensors(&self, node: &Node) -> bool {
        handed_on(self.network, node).next().is_some()
    }

    /// Why the function would not be kept.
    fn what_follows(&self, output: ValueId) -> String {
        match self.behind(output).map(Node::op_name) {
            Some("Relu") => {
                "a ReLU comes behind it, and what it reads can be below 0: let it read what a ReLU gives"
                    .to_owned()
            }
            Some(other) => {
                format!("{other} comes behind it, which would be done twice: take the activation off")
            }
            None => "what comes behind it is not what it is in the parent".to_owned(),
        }
    }
}
