//! What the axes of a network's tensors run over.
//!
//! A *space* is what an axis counts: the input's features or channels, the classes, or the units between two layers.
//! Every tensor that touches the same units shares their space: a convolution's filters, its bias, the normalisation
//! behind it and the next layer's inputs all run over one. A residual sum makes one space of two.

use std::collections::{BTreeMap, BTreeSet};

use graph::{Attribute, Node, ValueId};

use super::network::Network;

/// Names a space of one network.
pub(crate) type SpaceId = usize;

/// What a space counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The input's features, which have names.
    Features,
    /// The input's colour channels.
    Channels,
    /// Units between two layers.
    Hidden,
    /// The classes, which have names, or the one target of a regression.
    Classes,
    /// Something whose meaning an operator hides; it fits only a space of its own length.
    Opaque,
}

impl Kind {
    /// In words, for reasons.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Kind::Features => "input features",
            Kind::Channels => "input channels",
            Kind::Hidden => "units between layers",
            Kind::Classes => "classes",
            Kind::Opaque => "positions",
        }
    }
}

/// A space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) kind: Kind,
    /// How many units it has.
    pub(crate) units: usize,
}

/// How a tensor's axis runs over its space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// One element for each unit: outputs of a layer, biases, statistics.
    Along,
    /// What is summed over: a layer's inputs.
    Summed,
}

/// One axis of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Over a space; behind a flattened image, over `[height, width]` positions of each unit.
    Over { space: SpaceId, role: Role, positions: [usize; 2] },
    /// Over the taps of a kernel, or of length 1.
    Taps,
}

/// The spaces of a network and the axes of its tensors by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spaces {
    spaces: Vec<Space>,
    /// For a space that was found to be the same as another: that one.
    same: Vec<SpaceId>,
    axes: BTreeMap<String, Vec<Axis>>,
    /// The rows of a series' window, which are the second axis until it is flattened.
    window: Option<SpaceId>,
}

/// What the second axis of a value runs over.
#[derive(Debug, Clone, Copy)]
struct Flow {
    space: SpaceId,
    positions: [usize; 2],
}

const ONE: [usize; 2] = [1, 1];

/// Operators that give one output element for each element of their first input.
const UNARY: [&str; 16] = [
    "Abs",
    "Cast",
    "Clip",
    "Dropout",
    "Exp",
    "Identity",
    "Log",
    "LogSoftmax",
    "Neg",
    "Relu",
    "Sigmoid",
    "Sign",
    "Softmax",
    "Sqrt",
    "Tanh",
    "BatchNormalization",
];
/// Operators that combine elements at the same place.
const COMBINING: [&str; 5] = ["Add", "Div", "Mul", "Pow", "Sub"];
/// Operators that keep channels and change positions.
const POOLING: [&str; 4] = ["AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"];

impl Spaces {
    /// Walks `network` from its input. A layer with a tensor in `passing` hands on what it reads: it makes no space.
    pub(crate) fn of(network: &Network<'_>, passing: &BTreeSet<String>) -> Self {
        let mut walk = Walk { network, passing, spaces: Spaces::default(), flows: BTreeMap::new() };
        if let Some(start) = network.start() {
            walk.begin(start);
        }
        for node in network.nodes() {
            walk.node(node);
        }
        if let Some(flow) = walk.flows.get(&network.prediction).copied() {
            let root = walk.spaces.root(flow.space);
            if walk.spaces.spaces[root].kind == Kind::Hidden {
                walk.spaces.spaces[root].kind = Kind::Classes;
            }
        }
        walk.spaces
    }

    /// The axes of the tensor `name`; none if the walk did not come by.
    pub(crate) fn axes(&self, name: &str) -> Option<&[Axis]> {
        self.axes.get(name).map(Vec::as_slice)
    }

    /// The one space that `space` is the same as.
    pub(crate) fn root(&self, mut space: SpaceId) -> SpaceId {
        while self.same[space] != space {
            space = self.same[space];
        }
        space
    }

    /// A space.
    pub(crate) fn get(&self, space: SpaceId) -> Space {
        self.spaces[self.root(space)]
    }

    /// Every tensor that has an axis over the space whose root is `space`, with the axis's number.
    pub(crate) fn users(&self, space: SpaceId) -> impl Iterator<Item = (&str, usize, Axis)> {
        self.axes.iter().flat_map(move |(name, axes)| {
            let over =
                move |axis: &Axis| matches!(axis, Axis::Over { space: own, .. } if self.root(*own) == space);
            axes.iter()
                .enumerate()
                .filter(move |(_, axis)| over(axis))
                .map(|(index, axis)| (name.as_str(), index, *axis))
        })
    }

    fn add(&mut self, kind: Kind, units: usize) -> SpaceId {
        self.spaces.push(Space { kind, units });
        self.same.push(self.same.len());
        self.spaces.len() - 1
    }

    /// Makes one space of two of the same length. The input's keeps its kind.
    fn join(&mut self, a: SpaceId, b: SpaceId) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b && self.spaces[a].units == self.spaces[b].units {
            let (keep, give) = if self.spaces[a].kind <= self.spaces[b].kind { (a, b) } else { (b, a) };
            self.same[give] = keep;
        }
    }
}

struct Walk<'n, 'a> {
    network: &'n Network<'a>,
    passing: &'n BTreeSet<String>,
    spaces: Spaces,
    flows: BTreeMap<ValueId, Flow>,
}

impl Walk<'_, '_> {
    fn begin(&mut self, start: ValueId) {
        let lengths = self.network.lengths(start);
        let features = self.network.features.len();
        let (kind, units) = match lengths[..] {
            [count] if features == count => (Kind::Features, count),
            [channels, _, _] => (Kind::Channels, channels),
            _ => (Kind::Opaque, lengths.first().copied().unwrap_or(1)),
        };
        let space = self.spaces.add(kind, units);
        self.spaces.window = (lengths.len() == 2 && lengths[1] == features).then_some(space);
        self.flows.insert(start, Flow { space, positions: ONE });
    }

    fn flow(&self, node: &Node, input: usize) -> Option<Flow> {
        self.flows.get(&node.inputs.get(input).copied().flatten()?).copied()
    }

    fn node(&mut self, node: &Node) {
        let Some(&output) = node.outputs.first() else { return };
        let name = node.op_name();
        let mut tensors = node.inputs.iter().flatten().map(|&id| &self.network.graph.value(id).name);
        if tensors.any(|name| self.passing.contains(name)) {
            if let Some(flow) = self.flow(node, 0) {
                self.flows.insert(output, flow);
            }
            return;
        }
        let flow = match name {
            "Conv" => self.conv(node),
            "Expand" | "MatMul" if self.keeps_channels(node, output) => {
                (0..node.inputs.len()).find_map(|input| self.flow(node, input))
            }
            "Gemm" | "MatMul" => self.dense(node),
            "Flatten" | "Reshape" => self.flatten(node, output),
            _ if UNARY.contains(&name) || POOLING.contains(&name) => self.flow(node, 0),
            _ if COMBINING.contains(&name) => self.combine(node, output),
            _ => None,
        };
        if name == "BatchNormalization"
            && let Some(Flow { space, positions }) = flow
        {
            (1..=4).for_each(|input| self.vector(node, input, space, positions));
        }
        let flow = flow.unwrap_or_else(|| {
            let units = self.network.lengths(output).first().copied().unwrap_or(1);
            Flow { space: self.spaces.add(Kind::Opaque, units), positions: ONE }
        });
        self.flows.insert(output, flow);
    }

    /// Whether the node makes an image of one with the same channels: it moves positions alone.
    fn keeps_channels(&self, node: &Node, output: ValueId) -> bool {
        let to = self.network.lengths(output);
        let mut images = node.inputs.iter().flatten().filter(|&&id| self.flows.contains_key(&id));
        matches!(images.next(), Some(&from) if to.len() == 3 && self.network.lengths(from).first() == to.first())
    }

    /// Takes note of the axes of a constant that may be handed on.
    fn note(&mut self, id: Option<ValueId>, axes: Vec<Axis>) {
        if let Some(id) = id.filter(|&id| self.network.hands_on(id)) {
            self.spaces.axes.entry(self.network.graph.value(id).name.clone()).or_insert(axes);
        }
    }

    /// A constant `[units]`.
    fn vector(&mut self, node: &Node, input: usize, space: SpaceId, positions: [usize; 2]) {
        let id = node.inputs.get(input).copied().flatten();
        self.note(id, vec![Axis::Over { space, role: Role::Along, positions }]);
    }

    /// The weight is `[filters, channels / groups, kernel height, kernel width]`.
    fn conv(&mut self, node: &Node) -> Option<Flow> {
        let weight = node.inputs.get(1).copied().flatten()?;
        let shape = self.network.graph.ty(weight).shape.lengths()?;
        let input = self.flow(node, 0)?;
        let groups = match node.attribute("group") {
            Some(Attribute::Int(groups)) => groups,
            _ => 1,
        };
        let summed = Axis::Over { space: input.space, role: Role::Summed, positions: ONE };
        let depthwise = groups as usize == self.spaces.get(input.space).units && shape[0] == groups as usize;
        let (space, inputs) = match groups {
            1 => (self.spaces.add(Kind::Hidden, shape[0]), summed),
            // One filter for each channel: the channels stay what they are.
            _ if depthwise => (input.space, Axis::Taps),
            _ => (self.spaces.add(Kind::Opaque, shape[0]), Axis::Taps),
        };
        let along = Axis::Over { space, role: Role::Along, positions: ONE };
        let mut axes = vec![along, inputs];
        axes.resize(shape.len(), Axis::Taps);
        self.note(Some(weight), axes);
        self.vector(node, 2, space, ONE);
        Some(Flow { space, positions: ONE })
    }

    /// The weight is `[inputs, units]`, or `[units, inputs]` with `transB`.
    fn dense(&mut self, node: &Node) -> Option<Flow> {
        let weight = node.inputs.get(1).copied().flatten()?;
        let shape = self.network.graph.ty(weight).shape.lengths().filter(|shape| shape.len() == 2)?;
        let input = self.flow(node, 0)?;
        let flag = |name: &str| {
            node.op_name() == "Gemm"
                && matches!(node.attribute(name), Some(Attribute::Int(flag)) if flag != 0)
        };
        if flag("transA") {
            return None;
        }
        let transposed = flag("transB");
        let space = self.spaces.add(Kind::Hidden, shape[usize::from(!transposed)]);
        let along = Axis::Over { space, role: Role::Along, positions: ONE };
        let summed = Axis::Over { space: input.space, role: Role::Summed, positions: input.positions };
        self.note(Some(weight), if transposed { vec![along, summed] } else { vec![summed, along] });
        self.vector(node, 2, space, ONE);
        Some(Flow { space, positions: ONE })
    }

    /// `[batch, channels, height, width]` to `[batch, channels * height * width]`, and a window of rows to the
    /// features of all of them; what is flat stays.
    fn flatten(&mut self, node: &Node, output: ValueId) -> Option<Flow> {
        let flow = self.flow(node, 0)?;
        let (from, to) = (self.network.lengths(node.inputs[0]?), self.network.lengths(output));
        let elements = from.iter().product::<usize>();
        match (&from[..], &to[..]) {
            (&[_], &[_]) if from == to => Some(flow),
            (&[_, height, width], &[count]) if count == elements => {
                Some(Flow { positions: [height, width], ..flow })
            }
            (&[_, _], &[count]) if count == elements && self.spaces.window == Some(flow.space) => {
                Some(Flow { space: self.spaces.add(Kind::Features, count), positions: ONE })
            }
            _ => None,
        }
    }

    /// Two values at the same places make one space; a constant runs along its value.
    fn combine(&mut self, node: &Node, output: ValueId) -> Option<Flow> {
        let found: Vec<Flow> = (0..2).filter_map(|input| self.flow(node, input)).collect();
        let flow = *found.first()?;
        if let [a, b] = found[..] {
            if a.positions != b.positions {
                return None;
            }
            self.spaces.join(a.space, b.space);
        }
        let rank = self.network.graph.ty(output).shape.rank();
        for id in node.inputs.iter().flatten().copied().filter(|&id| self.network.hands_on(id)) {
            let Some(shape) = self.network.graph.ty(id).shape.lengths() else { continue };
            let units = self.network.lengths(output).first().copied();
            let axis = |(index, &length): (usize, &usize)| match index + rank - shape.len() {
                1 if Some(length) == units => {
                    Axis::Over { space: flow.space, role: Role::Along, positions: flow.positions }
                }
                _ => Axis::Taps,
            };
            let axes = shape.iter().enumerate().map(axis).collect();
            self.note(Some(id), axes);
        }
        Some(flow)
    }
}
