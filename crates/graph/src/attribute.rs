//! Attributes: the settings of a node that are fixed when the graph is made.

use std::collections::BTreeMap;

use tensor::Tensor;

/// The value of one attribute; the kinds are those of ONNX that the operators here use.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the variants are the kinds
pub enum Attribute {
    Int(i64),
    Float(f32),
    Text(String),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Tensor(Tensor),
}

/// The attributes of a node by name, in alphabetical order.
pub type Attributes = BTreeMap<String, Attribute>;

impl From<i64> for Attribute {
    fn from(value: i64) -> Self {
        Attribute::Int(value)
    }
}

impl From<f32> for Attribute {
    fn from(value: f32) -> Self {
        Attribute::Float(value)
    }
}

impl From<&str> for Attribute {
    fn from(value: &str) -> Self {
        Attribute::Text(value.to_owned())
    }
}

impl<const N: usize> From<[i64; N]> for Attribute {
    fn from(value: [i64; N]) -> Self {
        Attribute::Ints(value.to_vec())
    }
}

impl From<Vec<i64>> for Attribute {
    fn from(value: Vec<i64>) -> Self {
        Attribute::Ints(value)
    }
}

impl From<Tensor> for Attribute {
    fn from(value: Tensor) -> Self {
        Attribute::Tensor(value)
    }
}
