//! Reverse-mode differentiation, graph → graph: a walk from the loss to the parameters that asks each
//! operator for its rule.

use tensor::{DType, Shape, Tensor};

use crate::graph::ValueId;
use crate::operator::Settings;
use crate::{Attribute, Attributes, Graph, GraphError, Node, OpError};

/// Adds to `graph` the nodes that compute the gradient of the scalar `loss` with respect to each of `wrt`.
/// The result has one entry per element of `wrt`: `None` where the loss does not depend on it.
/// Gradients that nobody needs are not computed.
pub fn differentiate(
    graph: &mut Graph,
    loss: ValueId,
    wrt: &[ValueId],
) -> Result<Vec<Option<ValueId>>, GraphError> {
    let needed = depends_on(graph, wrt);
    let forward: Vec<Node> = graph.nodes().map(|(_, node)| node.clone()).collect();
    let mut gradients: Vec<Option<ValueId>> = vec![None; needed.len()];
    let seed = Tensor::from_f64(graph.ty(loss).dtype, [], &[1.0]);
    gradients[loss.0 as usize] = Some(graph.constant("gradient.seed", seed));
    for node in forward.iter().rev() {
        let incoming: Vec<_> = node.outputs.iter().map(|id| gradients[id.0 as usize]).collect();
        let wanted = node.inputs.iter().flatten().any(|id| needed[id.0 as usize]);
        if !wanted || incoming.iter().all(Option::is_none) {
            continue;
        }
        let rule = Gradient::new(graph, node, &incoming, &needed);
        for (input, gradient) in rule.run()? {
            let slot = gradients[input.0 as usize];
            gradients[input.0 as usize] = Some(match slot {
                Some(sum) => {
                    graph.push(&name_of(graph, input), "Add", Attributes::new(), &[sum, gradient])?
                }
                None => gradient,
            });
        }
    }
    Ok(wrt.iter().map(|id| gradients[id.0 as usize]).collect())
}

fn name_of(graph: &Graph, value: ValueId) -> String {
    format!("gradient.{}", graph.value(value).name)
}

/// For each value: whether it depends on one of `sources`.
fn depends_on(graph: &Graph, sources: &[ValueId]) -> Vec<bool> {
    let mut depends = vec![false; graph.values().count()];
    sources.iter().for_each(|id| depends[id.0 as usize] = true);
    for (_, node) in graph.nodes() {
        if node.inputs.iter().flatten().any(|id| depends[id.0 as usize]) {
            node.outputs.iter().for_each(|id| depends[id.0 as usize] = true);
        }
    }
    depends
}

/// What a gradient rule sees and writes to: one node of the forward graph, the gradients of its outputs, and
/// the graph that the new nodes are added to.
pub struct Gradient<'g> {
    graph: &'g mut Graph,
    node: &'g Node,
    incoming: &'g [Option<ValueId>],
    needed: &'g [bool],
    result: Vec<(ValueId, ValueId)>,
    failure: Option<GraphError>,
}

impl<'g> Gradient<'g> {
    fn new(
        graph: &'g mut Graph,
        node: &'g Node,
        incoming: &'g [Option<ValueId>],
        needed: &'g [bool],
    ) -> Self {
        Gradient { graph, node, incoming, needed, result: Vec::new(), failure: None }
    }

    fn run(mut self) -> Result<Vec<(ValueId, ValueId)>, GraphError> {
        let node = self.node;
        let outcome = node.op.gradient(&mut self);
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        outcome.map_err(|OpError(message)| GraphError {
            node: node.name.clone(),
            op: node.op_name().to_owned(),
            message,
        })?;
        Ok(self.result)
    }

    pub(crate) fn node_settings(&self) -> Settings<'_> {
        self.node.settings()
    }

    /// The operator's name.
    pub fn op_name(&self) -> &'static str {
        self.node.op_name()
    }

    /// All attributes of the forward node as given.
    pub fn attributes(&self) -> &'g Attributes {
        &self.node.attributes
    }

    /// Number of inputs of the forward node.
    pub fn input_count(&self) -> usize {
        self.node.inputs.len()
    }

    /// A required input of the forward node.
    pub fn input(&self, index: usize) -> ValueId {
        self.optional_input(index).expect("presence was checked when the node was made")
    }

    /// An optional input of the forward node.
    pub fn optional_input(&self, index: usize) -> Option<ValueId> {
        self.node.inputs.get(index).copied().flatten()
    }

    /// Number of outputs the forward node asks for.
    pub fn output_count(&self) -> usize {
        self.node.outputs.len()
    }

    /// An output of the forward node.
    pub fn output(&self, index: usize) -> ValueId {
        self.node.outputs[index]
    }

    /// The gradient of output 0, which is there whenever a rule of a single-output operator is called.
    pub fn dy(&self) -> ValueId {
        self.incoming[0].expect("a rule is called only when an output has a gradient")
    }

    /// The gradient of output `index`, if anything depends on it.
    pub fn output_gradient(&self, index: usize) -> Option<ValueId> {
        self.incoming.get(index).copied().flatten()
    }

    /// Whether the gradient of input `index` is asked for.
    pub fn needs(&self, index: usize) -> bool {
        self.optional_input(index).is_some_and(|id| self.needed.get(id.0 as usize).copied().unwrap_or(false))
    }

    /// The shape of a value.
    pub fn shape(&self, value: ValueId) -> Shape {
        self.graph.ty(value).shape.clone()
    }

    /// The element type of a value.
    pub fn dtype(&self, value: ValueId) -> DType {
        self.graph.ty(value).dtype
    }

    /// Adds a node that gives `value` the shape of `like`, of which at most one dimension may be symbolic.
    pub fn reshape_like(&mut self, value: ValueId, like: ValueId) -> Result<ValueId, OpError> {
        let shape = self.shape(like);
        let symbols = shape.0.iter().filter(|dim| dim.known().is_none()).count();
        if symbols > 1 {
            return Err(OpError::new(format!("a reshape to {shape} has {symbols} unknown lengths")));
        }
        let lengths: Vec<i64> =
            shape.0.iter().map(|dim| dim.known().map_or(-1, |length| length as i64)).collect();
        // A length 0 is meant as such; by default it would keep the length of `value`.
        let zero = lengths.contains(&0).then(|| ("allowzero".to_owned(), Attribute::Int(1)));
        let lengths = self.integers(&lengths);
        Ok(self.op_with("Reshape", &[value, lengths], zero.into_iter().collect()))
    }

    /// The constant value of `value`, if it has one.
    pub fn constant_of(&self, value: ValueId) -> Option<&Tensor> {
        self.graph.value(value).constant.as_ref()
    }

    /// Adds a node without attributes.
    pub fn op(&mut self, op: &str, inputs: &[ValueId]) -> ValueId {
        self.op_with(op, inputs, Attributes::new())
    }

    /// Adds a node.
    pub fn op_with(&mut self, op: &str, inputs: &[ValueId], attributes: Attributes) -> ValueId {
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        self.op_many(op, &inputs, attributes, 1)[0]
    }

    /// Adds a node with several outputs.
    pub fn op_many(
        &mut self,
        op: &str,
        inputs: &[Option<ValueId>],
        attributes: Attributes,
        outputs: usize,
    ) -> Vec<ValueId> {
        let name = format!("gradient.{}.{op}", self.node.name);
        let names = vec![name.as_str(); outputs];
        match self.graph.push_node(&name, op, attributes, inputs, &names) {
            Ok(ids) => ids,
            Err(error) => {
                // The rule goes on with a value that exists; `run` reports the failure instead of the result.
                self.failure.get_or_insert(error);
                vec![self.node.outputs[0]; outputs]
            }
        }
    }

    /// Adds a constant of the element type of `like`.
    pub fn number(&mut self, like: ValueId, value: f64) -> ValueId {
        let dtype = self.graph.ty(like).dtype;
        self.graph.constant("gradient.number", Tensor::from_f64(dtype, [], &[value]))
    }

    /// Adds a constant list of integers, such as axes or a shape.
    pub fn integers(&mut self, values: &[i64]) -> ValueId {
        self.graph.constant("gradient.integers", Tensor::new([values.len()], values.to_vec()))
    }

    /// Adds a constant.
    pub fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.graph.constant("gradient.constant", tensor)
    }

    /// `gradient` summed over the axes along which `like` was broadcast, so that it has the shape of `like`.
    pub fn sum_to(&mut self, gradient: ValueId, like: ValueId) -> ValueId {
        let (from, to) = (self.shape(gradient), self.shape(like));
        if from == to {
            return gradient;
        }
        let extra = from.rank() - to.rank();
        let stretched = |axis: usize| axis >= extra && to.0[axis - extra] != from.0[axis];
        let axes: Vec<i64> = (0..from.rank())
            .filter(|&axis| axis < extra || stretched(axis))
            .map(|axis| axis as i64)
            .collect();
        let axes = self.integers(&axes);
        let keep = Attributes::from([("keepdims".to_owned(), Attribute::Int(1))]);
        let summed = self.op_with("ReduceSum", &[gradient, axes], keep);
        if extra == 0 {
            return summed;
        }
        let leading: Vec<i64> = (0..extra as i64).collect();
        let leading = self.integers(&leading);
        self.op("Squeeze", &[summed, leading])
    }

    /// States the gradient of input `index`. Ignored where it is not needed.
    pub fn set(&mut self, index: usize, gradient: ValueId) {
        if self.needs(index) {
            let input = self.input(index);
            self.result.push((input, gradient));
        }
    }
}
