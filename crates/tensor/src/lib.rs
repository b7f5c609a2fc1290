//! Dense arrays: element type, shape (with named symbolic dimensions), values, bytes, random numbers.
//!
//! The decision that shaped it: a [`Tensor`] is plain owned data in row-major order, and *typed at
//! run time*, because models are read at run time. Fast arithmetic lives in `engine`; this crate
//! only holds, converts and names values. It never reads a file.

mod bytes;
mod dtype;
mod random;
mod shape;
mod tensor;

pub use bytes::DecodeError;
pub use dtype::{DType, Element};
pub use random::Random;
pub use shape::{Dim, Shape};
pub use tensor::{Data, Tensor};
