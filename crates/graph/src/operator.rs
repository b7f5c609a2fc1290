//! What an operator is: its schema, its shapes, its reference, its gradient, its cases.

use std::fmt;

use tensor::{DType, Shape, Tensor};

use crate::{Attribute, Attributes, Case, Gradient, ValueType};

/// The domain of the standard ONNX operators.
pub const DOMAIN_ONNX: &str = "";
/// The domain of internal operators: gradients and optimiser steps.
pub const DOMAIN_HEIRLOOM: &str = "ai.heirloom";

/// One operator. Implemented once per file in `ops/`, by a unit struct.
pub trait Operator: Sync {
    /// Name, documentation, formal inputs, outputs and attributes.
    fn schema(&self) -> &'static Schema;

    /// The types of the outputs, or why these inputs do not fit.
    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError>;

    /// The outputs, computed in `f64` by plain loops and rounded once to the output's type. Called only with
    /// inputs that [`Operator::infer`] accepted.
    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError>;

    /// Adds the nodes that compute the gradient with respect to each input that [`Gradient::needs`] one.
    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        Err(OpError::new(format!("{} has no gradient", cx.op_name())))
    }

    /// Test cases: examples with known results, and the domain for gradient checks.
    fn cases(&self) -> Vec<Case>;
}

impl fmt::Debug for dyn Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.schema().name)
    }
}

/// The fixed description of an operator; the reference manual is made from it.
#[derive(Debug)]
pub struct Schema {
    /// The name in the graph.
    pub name: &'static str,
    /// [`DOMAIN_ONNX`] or [`DOMAIN_HEIRLOOM`].
    pub domain: &'static str,
    /// The oldest ONNX operator-set version whose meaning this is; 1 for internal operators.
    pub since_version: i64,
    /// Formula, shapes, units, errors, gradient, source: the text of the reference manual.
    pub doc: &'static str,
    /// Inputs in order.
    pub inputs: &'static [Formal],
    /// Outputs in order.
    pub outputs: &'static [Formal],
    /// Attributes by name.
    pub attributes: &'static [AttributeDoc],
}

/// A formal input or output.
#[derive(Debug)]
pub struct Formal {
    /// The name in the documentation.
    pub name: &'static str,
    /// Whether it must be given.
    pub presence: Presence,
    /// What it is, with its shape.
    pub doc: &'static str,
}

/// How often a formal input or output occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Exactly once.
    Required,
    /// At most once.
    Optional,
    /// Once or more; only as the last.
    Variadic,
}

impl Formal {
    /// A formal that must be given.
    pub const fn required(name: &'static str, doc: &'static str) -> Self {
        Formal { name, presence: Presence::Required, doc }
    }

    /// A formal that may be left out.
    pub const fn optional(name: &'static str, doc: &'static str) -> Self {
        Formal { name, presence: Presence::Optional, doc }
    }

    /// A last formal that may be repeated.
    pub const fn variadic(name: &'static str, doc: &'static str) -> Self {
        Formal { name, presence: Presence::Variadic, doc }
    }
}

/// An attribute's name, default and documentation.
#[derive(Debug)]
pub struct AttributeDoc {
    /// The name.
    pub name: &'static str,
    /// The value where it is not given.
    pub default: Default,
    /// What it sets, with unit and range.
    pub doc: &'static str,
}

/// The default of an attribute; it also fixes the attribute's kind.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)] // the variants are the kinds
pub enum Default {
    Int(i64),
    Float(f32),
    Text(&'static str),
    Ints(&'static [i64]),
    /// No value: the operator derives it or does without. Any kind.
    Absent,
}

/// Why an operator cannot take its inputs: one sentence that says what was expected and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpError(pub String);

impl OpError {
    /// An error with `message`.
    pub fn new(message: impl Into<String>) -> Self {
        OpError(message.into())
    }
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpError {}

/// A node's attributes with the schema's defaults. The getters panic for names the schema does not declare;
/// kinds were checked when the node was made.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) schema: &'static Schema,
    pub(crate) given: &'a Attributes,
}

impl Settings<'_> {
    pub(crate) fn value(self, name: &str) -> Option<Attribute> {
        let declared = self.schema.attributes.iter().find(|attribute| attribute.name == name);
        let declared =
            declared.unwrap_or_else(|| panic!("{} declares no attribute {name}", self.schema.name));
        self.given.get(name).cloned().or(match declared.default {
            Default::Int(value) => Some(Attribute::Int(value)),
            Default::Float(value) => Some(Attribute::Float(value)),
            Default::Text(value) => Some(Attribute::Text(value.to_owned())),
            Default::Ints(values) => Some(Attribute::Ints(values.to_vec())),
            Default::Absent => None,
        })
    }

    /// Names the first attribute that is unknown to the schema or of the wrong kind.
    pub(crate) fn check(self) -> Result<(), OpError> {
        for (name, value) in self.given {
            let Some(declared) = self.schema.attributes.iter().find(|attribute| attribute.name == name)
            else {
                return Err(OpError::new(format!("unknown attribute {name}")));
            };
            let fits = match declared.default {
                Default::Int(_) => matches!(value, Attribute::Int(_)),
                Default::Float(_) => matches!(value, Attribute::Float(_)),
                Default::Text(_) => matches!(value, Attribute::Text(_)),
                Default::Ints(_) => matches!(value, Attribute::Ints(_)),
                Default::Absent => true,
            };
            if !fits {
                let default = declared.default;
                return Err(OpError::new(format!(
                    "attribute {name} is of the kind of {default:?}, found {value:?}"
                )));
            }
        }
        Ok(())
    }
}

/// The attribute getters that [`Inference`], [`Call`] and [`Gradient`] share.
macro_rules! attribute_getters {
    ($type:ident) => {
        impl $type<'_> {
            /// The attribute's value, or its default, or `None` if it has neither.
            pub fn attribute(&self, name: &str) -> Option<Attribute> {
                self.settings().value(name)
            }

            /// An integer attribute. Panics if it is absent and without default.
            pub fn int(&self, name: &str) -> i64 {
                match self.attribute(name) {
                    Some(Attribute::Int(value)) => value,
                    other => panic!("integer attribute {name} is {other:?}"),
                }
            }

            /// A float attribute. Panics if it is absent and without default.
            pub fn float(&self, name: &str) -> f32 {
                match self.attribute(name) {
                    Some(Attribute::Float(value)) => value,
                    other => panic!("float attribute {name} is {other:?}"),
                }
            }

            /// A text attribute. Panics if it is absent and without default.
            pub fn text(&self, name: &str) -> String {
                match self.attribute(name) {
                    Some(Attribute::Text(value)) => value,
                    other => panic!("text attribute {name} is {other:?}"),
                }
            }

            /// A list attribute, if it is present or has a default.
            pub fn ints(&self, name: &str) -> Option<Vec<i64>> {
                match self.attribute(name) {
                    Some(Attribute::Ints(values)) => Some(values),
                    _ => None,
                }
            }
        }
    };
}

/// What [`Operator::infer`] sees: the inputs' types, and their values where these are constant.
pub struct Inference<'a> {
    pub(crate) settings: Settings<'a>,
    pub(crate) inputs: Vec<Option<&'a ValueType>>,
    pub(crate) constants: Vec<Option<&'a Tensor>>,
    pub(crate) output_count: usize,
}

attribute_getters!(Inference);

impl<'a> Inference<'a> {
    fn settings(&self) -> Settings<'a> {
        self.settings
    }

    /// Number of inputs given, trailing absent ones not counted.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there is no input.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Number of outputs the node asks for.
    pub fn output_count(&self) -> usize {
        self.output_count
    }

    /// The type of a required input. Panics if it is absent: presence was checked before.
    pub fn input(&self, index: usize) -> &'a ValueType {
        self.optional(index).unwrap_or_else(|| panic!("{} lacks input {index}", self.settings.schema.name))
    }

    /// The type of an optional input.
    pub fn optional(&self, index: usize) -> Option<&'a ValueType> {
        self.inputs.get(index).copied().flatten()
    }

    /// The value of an input that is constant.
    pub fn constant(&self, index: usize) -> Option<&'a Tensor> {
        self.constants.get(index).copied().flatten()
    }

    /// The element type of input `index`, refused unless it is a float type.
    pub fn float_input(&self, index: usize) -> Result<DType, OpError> {
        let dtype = self.input(index).dtype;
        if dtype.is_float() {
            return Ok(dtype);
        }
        Err(OpError::new(format!("input {index} should be float32 or float64, found {dtype}")))
    }

    /// The element type of input `index`, refused if it is `bool`.
    pub fn number_input(&self, index: usize) -> Result<DType, OpError> {
        match self.input(index).dtype {
            DType::Bool => Err(OpError::new(format!("input {index} should be a number, found bool"))),
            dtype => Ok(dtype),
        }
    }

    /// Refuses inputs `first` and `second` of different element types.
    pub fn same_dtype(&self, first: usize, second: usize) -> Result<DType, OpError> {
        let (a, b) = (self.input(first).dtype, self.input(second).dtype);
        if a == b {
            return Ok(a);
        }
        Err(OpError::new(format!(
            "inputs {first} and {second} should have one element type, found {a} and {b}"
        )))
    }

    /// The integer attribute `name` as an axis of a value of `rank` dimensions; negative counts from the end.
    pub fn axis(&self, name: &str, rank: usize) -> Result<usize, OpError> {
        axis_of(self.int(name), rank)
    }

    /// Shorthand for a single output.
    pub fn one(&self, dtype: DType, shape: Shape) -> Result<Vec<ValueType>, OpError> {
        Ok(vec![ValueType { dtype, shape }])
    }
}

/// What [`Operator::reference`] sees: the inputs' values.
pub struct Call<'a> {
    pub(crate) settings: Settings<'a>,
    pub(crate) inputs: Vec<Option<&'a Tensor>>,
    pub(crate) output_count: usize,
}

attribute_getters!(Call);

impl<'a> Call<'a> {
    fn settings(&self) -> Settings<'a> {
        self.settings
    }

    /// Number of inputs given, trailing absent ones not counted.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there is no input.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Number of outputs the node asks for.
    pub fn output_count(&self) -> usize {
        self.output_count
    }

    /// A required input. Panics if it is absent: presence was checked before.
    pub fn input(&self, index: usize) -> &'a Tensor {
        self.optional(index).unwrap_or_else(|| panic!("{} lacks input {index}", self.settings.schema.name))
    }

    /// An optional input.
    pub fn optional(&self, index: usize) -> Option<&'a Tensor> {
        self.inputs.get(index).copied().flatten()
    }

    /// Input `index` as `f64` values.
    pub fn f64(&self, index: usize) -> Vec<f64> {
        self.input(index).to_f64()
    }

    /// The integer attribute `name` as an axis of a value of `rank` dimensions; negative counts from the end.
    pub fn axis(&self, name: &str, rank: usize) -> Result<usize, OpError> {
        axis_of(self.int(name), rank)
    }

    /// Shorthand for a single output of input 0's element type.
    pub fn one(&self, shape: &[usize], values: &[f64]) -> Result<Vec<Tensor>, OpError> {
        Ok(vec![Tensor::from_f64(self.input(0).dtype(), shape, values)])
    }

    /// One output, `f` of each element of input 0.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Result<Vec<Tensor>, OpError> {
        let values: Vec<f64> = self.f64(0).into_iter().map(f).collect();
        self.one(self.input(0).shape(), &values)
    }
}

impl Gradient<'_> {
    fn settings(&self) -> Settings<'_> {
        self.node_settings()
    }
}

attribute_getters!(Gradient);

/// `axis` of a value of `rank` dimensions, negative counting from the end, as an index.
pub(crate) fn axis_of(axis: i64, rank: usize) -> Result<usize, OpError> {
    let index = if axis < 0 { axis + rank as i64 } else { axis };
    if (0..rank as i64).contains(&index) {
        return Ok(index as usize);
    }
    Err(OpError::new(format!("axis {axis} is out of range for rank {rank}")))
}
