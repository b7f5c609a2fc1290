//! The graph itself: values, nodes in topological order, and the checks every change goes through.

use std::collections::BTreeMap;
use std::fmt;

use tensor::{DType, Dim, Shape, Tensor};

use crate::operator::Settings;
use crate::{Attributes, Inference, OpError, Operator, Presence, ops};

/// The most dimensions of a value.
pub const RANK_MAX: usize = 16;
/// The most elements of a value, its symbolic dimensions counted as 1.
pub const ELEMENTS_MAX: usize = 1 << 32;

/// Names a value of one graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// Names a node of one graph: its position in topological order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// Element type and shape of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueType {
    /// The element type.
    pub dtype: DType,
    /// The shape; symbolic dimensions are known when the graph runs.
    pub shape: Shape,
}

impl ValueType {
    /// A type.
    pub fn new(dtype: DType, shape: Shape) -> Self {
        ValueType { dtype, shape }
    }

    /// The type of `tensor`.
    pub fn of(tensor: &Tensor) -> Self {
        ValueType { dtype: tensor.dtype(), shape: Shape::known(tensor.shape()) }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

/// A value: an input, a constant (ONNX initializer) or what a node computes.
#[derive(Debug, Clone)]
pub struct Value {
    /// Unique within the graph.
    pub name: String,
    /// Element type and shape.
    pub ty: ValueType,
    /// The value itself, if it is constant: a parameter or a setting such as `axes`.
    pub constant: Option<Tensor>,
}

/// One application of an operator.
#[derive(Debug, Clone)]
pub struct Node {
    /// Unique within the graph.
    pub name: String,
    /// What it computes.
    pub op: &'static dyn Operator,
    /// Its settings.
    pub attributes: Attributes,
    /// Its inputs; `None` where an optional one is left out.
    pub inputs: Vec<Option<ValueId>>,
    /// Its outputs.
    pub outputs: Vec<ValueId>,
}

impl Node {
    /// The operator's name.
    pub fn op_name(&self) -> &'static str {
        self.op.schema().name
    }

    pub(crate) fn settings(&self) -> Settings<'_> {
        Settings { schema: self.op.schema(), given: &self.attributes }
    }

    /// An attribute's value or default. Panics for names the schema does not declare.
    pub fn attribute(&self, name: &str) -> Option<crate::Attribute> {
        self.settings().value(name)
    }
}

/// A node that does not fit into the graph, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphError {
    /// The node's name.
    pub node: String,
    /// The operator's name.
    pub op: String,
    /// One sentence: what was expected, what was found.
    pub message: String,
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.node, self.op, self.message)
    }
}

impl std::error::Error for GraphError {}

/// A directed acyclic graph of operators. Nodes stand in topological order: a node can only be added after
/// the values it reads, so there is no other kind of graph.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// The graph's name.
    pub name: String,
    /// Values fed from outside, in order.
    pub inputs: Vec<ValueId>,
    /// Values given to the outside, in order.
    pub outputs: Vec<ValueId>,
    values: Vec<Value>,
    nodes: Vec<Node>,
    names: Names,
}

/// The names of a graph's values.
#[derive(Debug, Clone, Default)]
struct Names {
    taken: BTreeMap<String, ValueId>,
    /// For names that were asked for again: the last suffix tried.
    suffixes: BTreeMap<String, u32>,
}

impl Names {
    /// `name`, or `name` with the first suffix that makes it unique.
    fn free(&mut self, name: &str) -> String {
        if !self.taken.contains_key(name) {
            return name.to_owned();
        }
        let suffix = self.suffixes.entry(name.to_owned()).or_default();
        loop {
            *suffix += 1;
            let candidate = format!("{name}.{suffix}");
            if !self.taken.contains_key(&candidate) {
                return candidate;
            }
        }
    }
}

impl Graph {
    /// An empty graph.
    pub fn new(name: impl Into<String>) -> Self {
        Graph { name: name.into(), ..Graph::default() }
    }

    /// Adds an input.
    pub fn input(&mut self, name: &str, ty: ValueType) -> ValueId {
        let id = self.add_value(name, ty, None);
        self.inputs.push(id);
        id
    }

    /// Adds a constant.
    pub fn constant(&mut self, name: &str, value: Tensor) -> ValueId {
        self.add_value(name, ValueType::of(&value), Some(value))
    }

    /// Adds a node of the operator called `op` with one output, which is named like the node.
    pub fn push(
        &mut self,
        name: &str,
        op: &str,
        attributes: Attributes,
        inputs: &[ValueId],
    ) -> Result<ValueId, GraphError> {
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        Ok(self.push_node(name, op, attributes, &inputs, &[name])?[0])
    }

    /// Adds a node with any number of outputs and optional inputs left out. Names that are taken get a suffix.
    pub fn push_node(
        &mut self,
        name: &str,
        op: &str,
        attributes: Attributes,
        inputs: &[Option<ValueId>],
        output_names: &[&str],
    ) -> Result<Vec<ValueId>, GraphError> {
        let fail = |message: String| GraphError { node: name.to_owned(), op: op.to_owned(), message };
        let op = ops::find(op).ok_or_else(|| fail("this operator is not known".to_owned()))?;
        let types = self
            .infer(op, &attributes, inputs, output_names.len())
            .map_err(|OpError(message)| fail(message))?;
        let outputs =
            output_names.iter().zip(types).map(|(name, ty)| self.add_value(name, ty, None)).collect();
        self.nodes.push(Node { name: name.to_owned(), op, attributes, inputs: inputs.to_vec(), outputs });
        Ok(self.nodes[self.nodes.len() - 1].outputs.clone())
    }

    fn infer(
        &self,
        op: &'static dyn Operator,
        attributes: &Attributes,
        inputs: &[Option<ValueId>],
        output_count: usize,
    ) -> Result<Vec<ValueType>, OpError> {
        let settings = Settings { schema: op.schema(), given: attributes };
        settings.check()?;
        check_presence(op, inputs, output_count)?;
        let cx = Inference {
            settings,
            inputs: inputs.iter().map(|input| input.map(|id| &self.value(id).ty)).collect(),
            constants: inputs
                .iter()
                .map(|input| input.and_then(|id| self.value(id).constant.as_ref()))
                .collect(),
            output_count,
        };
        cx.inputs.iter().flatten().try_for_each(|ty| check_size(&ty.shape))?;
        let types = op.infer(&cx)?;
        assert!(types.len() >= output_count, "{op:?} inferred {} of {output_count} outputs", types.len());
        types.iter().try_for_each(|ty| check_size(&ty.shape))?;
        Ok(types)
    }

    fn add_value(&mut self, name: &str, ty: ValueType, constant: Option<Tensor>) -> ValueId {
        let name = self.names.free(name);
        let id = ValueId(self.values.len() as u32);
        self.names.taken.insert(name.clone(), id);
        self.values.push(Value { name, ty, constant });
        id
    }

    /// The value behind `id`.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }

    /// The type of a value.
    pub fn ty(&self, id: ValueId) -> &ValueType {
        &self.value(id).ty
    }

    /// The node behind `id`.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// All values in the order they were added.
    pub fn values(&self) -> impl Iterator<Item = (ValueId, &Value)> {
        self.values.iter().enumerate().map(|(index, value)| (ValueId(index as u32), value))
    }

    /// All nodes in topological order.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> + ExactSizeIterator {
        self.nodes.iter().enumerate().map(|(index, node)| (NodeId(index as u32), node))
    }

    /// The value called `name`.
    pub fn find_value(&self, name: &str) -> Option<ValueId> {
        self.names.taken.get(name).copied()
    }

    /// Replaces a constant by another of the same shape; its element type may change only with
    /// [`Graph::with_floats`]. Panics if the value is no constant or the type differs.
    pub fn set_constant(&mut self, id: ValueId, value: Tensor) {
        let slot = &mut self.values[id.0 as usize];
        assert!(slot.constant.is_some(), "{} is no constant", slot.name);
        assert_eq!(slot.ty, ValueType::of(&value), "constant {}", slot.name);
        slot.constant = Some(value);
    }

    /// The same graph with every floating-point constant and input of type `dtype`, types inferred anew.
    /// This is how a whole network is computed in `f64` for comparison.
    pub fn with_floats(&self, dtype: DType) -> Result<Graph, GraphError> {
        let mut copy = Graph::new(self.name.clone());
        let retype = |from: DType| if from.is_float() { dtype } else { from };
        let mut made: Vec<Option<ValueId>> = vec![None; self.values.len()];
        for (index, value) in self.values.iter().enumerate() {
            let id = ValueId(index as u32);
            if let Some(tensor) = &value.constant {
                made[index] = Some(copy.constant(&value.name, tensor.cast(retype(tensor.dtype()))));
            } else if self.inputs.contains(&id) {
                made[index] = Some(
                    copy.input(&value.name, ValueType::new(retype(value.ty.dtype), value.ty.shape.clone())),
                );
            }
        }
        copy.inputs = self.inputs.iter().map(|id| made[id.0 as usize].expect("inputs were made")).collect();
        for node in &self.nodes {
            let inputs: Vec<_> = node
                .inputs
                .iter()
                .map(|input| input.map(|id| made[id.0 as usize].expect("topological order")))
                .collect();
            let names: Vec<&str> = node.outputs.iter().map(|&id| self.value(id).name.as_str()).collect();
            let mut attributes = node.attributes.clone();
            if node.op_name() == "Cast" && retype(self.ty(node.outputs[0]).dtype) == dtype {
                attributes.insert("to".to_owned(), ops::cast::onnx_code(dtype).into());
            }
            let outputs = copy.push_node(&node.name, node.op_name(), attributes, &inputs, &names)?;
            node.outputs.iter().zip(outputs).for_each(|(old, new)| made[old.0 as usize] = Some(new));
        }
        copy.outputs =
            self.outputs.iter().map(|id| made[id.0 as usize].expect("outputs were made")).collect();
        Ok(copy)
    }
}

/// Refuses shapes beyond [`RANK_MAX`] and [`ELEMENTS_MAX`], so that products of lengths never overflow whatever a
/// file says.
pub(crate) fn check_size(shape: &Shape) -> Result<(), OpError> {
    if shape.rank() > RANK_MAX {
        return Err(OpError::new(format!("a value has {} dimensions, more than {RANK_MAX}", shape.rank())));
    }
    // A zero does not excuse the other lengths: a reduction of it has them all the same.
    let mut lengths = shape.0.iter().filter_map(Dim::known).map(|length| length.max(1));
    let elements = lengths.try_fold(1usize, |product, length| product.checked_mul(length));
    if elements.is_some_and(|elements| elements <= ELEMENTS_MAX) {
        return Ok(());
    }
    Err(OpError::new(format!("a value of shape {shape} has more than {ELEMENTS_MAX} elements")))
}

fn check_presence(
    op: &'static dyn Operator,
    inputs: &[Option<ValueId>],
    output_count: usize,
) -> Result<(), OpError> {
    let schema = op.schema();
    let variadic = schema.inputs.last().is_some_and(|formal| formal.presence == Presence::Variadic);
    if inputs.len() > schema.inputs.len() && !variadic {
        return Err(OpError::new(format!(
            "takes at most {} inputs, found {}",
            schema.inputs.len(),
            inputs.len()
        )));
    }
    for (index, formal) in schema.inputs.iter().enumerate() {
        if formal.presence != Presence::Optional && inputs.get(index).copied().flatten().is_none() {
            return Err(OpError::new(format!("input {index} ({}) is missing", formal.name)));
        }
    }
    let many = schema.outputs.last().is_some_and(|formal| formal.presence == Presence::Variadic);
    if output_count == 0 || (output_count > schema.outputs.len() && !many) {
        return Err(OpError::new(format!(
            "has {} outputs, {output_count} were asked for",
            schema.outputs.len()
        )));
    }
    Ok(())
}
