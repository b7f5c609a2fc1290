//! ONNX files: reading and writing model graphs.
//!
//! The decision that shaped it: a file is *outside data*. [`read`] bounds how much memory a file may claim before
//! decoding it ([`scan`]), turns what it finds into the calls that anybody uses to build a [`Graph`], and
//! reports everything that is wrong with it at once. Whatever it returns has passed the same checks as a graph
//! made here.
//!
//! | from the file | becomes |
//! |---|---|
//! | initializer, `Constant` node | constant |
//! | graph input with an initializer of its name | constant: the default value of the input |
//! | symbolic dimension | symbol of that name |
//! | dimension without length or name | symbol: `batch` if it is the first, else named after the input's position and axis |
//! | older form of an operator | today's form, where the meaning is the same ([`versions`]) |
//!
//! Not kept: `value_info` (types are inferred), documentation of single nodes and values, versions of producer
//! and model.

mod attributes;
#[cfg(test)]
mod hostile;
mod limits;
mod nodes;
mod problems;
mod read;
mod scan;
mod tensors;
mod versions;
mod write;

use std::collections::BTreeMap;

pub use read::read;
pub use write::{WriteError, write};

use crate::Graph;

/// The generated message types.
#[allow(missing_docs, unreachable_pub, clippy::all)]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
}

/// What an ONNX file holds.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// The graph.
    pub graph: Graph,
    /// Free key-value pairs, such as the names of the classes.
    pub metadata: BTreeMap<String, String>,
    /// The program that made the file.
    pub producer: String,
    /// Documentation for people.
    pub doc: String,
}
