//! What a new model takes over from earlier ones, and whether it was worth it.
//!
//! Everything here is a function of graphs, tensors and numbers: nothing is read from a store or a
//! file, and nothing is trained. `pipeline` fetches the parent, hands it in, and carries out what
//! comes back.
//!
//! The decision that shaped it: *what is taken over is decided axis by axis*. A tensor has no shape
//! of its own to be matched; each of its axes runs over something (classes, input features, the
//! channels between two layers), and for each of these the child's elements are made of the
//! parent's in one way that holds for every tensor that touches it. Rows by class name, columns by
//! feature name, widening and conversion are then the same few lines of arithmetic.

pub mod compare;
pub mod few_shot;
pub mod leak;
pub mod merge;
pub mod prove;
pub mod score;
pub mod transfer;
