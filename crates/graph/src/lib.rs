//! The model graph: ONNX operators, their meaning, and their gradients.
//!
//! The decision that shaped it: *one representation for everything*. A model, its preprocessing, its
//! gradient and its optimiser step are all graphs of the same operators, so training, exporting and
//! serving are graph → graph or graph → numbers. Each operator is one file in `ops/` that states its
//! shapes, its reference arithmetic, its gradient, its documentation and its test cases.
//!
//! This crate is slow on purpose: [`evaluate`] computes in `f64`, in plain loops, and is what the fast
//! kernels of `engine` are measured against. It never reads a file and knows no processor.

mod attribute;
mod case;
mod differentiate;
mod evaluate;
mod graph;
pub mod onnx;
mod operator;
pub mod ops;
mod reference;

pub use attribute::{Attribute, Attributes};
pub use case::{Case, Expect};
pub use differentiate::{Gradient, differentiate};
pub use evaluate::{evaluate, evaluate_values};
pub use graph::{ELEMENTS_MAX, Graph, GraphError, Node, NodeId, RANK_MAX, Value, ValueId, ValueType};
pub use operator::{
    AttributeDoc, Call, DOMAIN_HEIRLOOM, DOMAIN_ONNX, Default, Formal, Inference, OpError, Operator,
    Presence, Schema,
};
pub use reference::reference;
