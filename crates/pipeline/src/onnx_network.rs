//! An ONNX file as it is, ready to answer: no scheme, no labels.

use std::path::Path;

use base::{Diagnostic, Diagnostics, Location};
use graph::{Graph, ValueType, onnx};
use tensor::{DType, Dim, Shape};

use crate::architecture::{Copied, copy_into};

/// The graph in `bytes`, the contents of the file `path`, for any number of examples at a time: a file that fixes the first
/// length of its input is read as if it left it open.
///
/// Errors   a file that cannot be read; several inputs, one of other numbers than `uint8` and `float32`, or one whose other
///          lengths are open; a network that computes with the length that was fixed.
pub fn onnx_network(bytes: &[u8], path: &Path) -> Result<Graph, Diagnostics> {
    let network = onnx::read(bytes, path)?.graph;
    let wrong =
        |message: String| Diagnostic::new("network-cannot-run", message).label(Location::file(path), "");
    let &[input] = network.inputs.as_slice() else {
        let message = format!("the network has {} inputs, one is expected", network.inputs.len());
        return Err(wrong(message).into());
    };
    let ty = network.ty(input);
    let behind: Option<Vec<usize>> = ty.shape.0.iter().skip(1).map(Dim::known).collect();
    let (Some(lengths), DType::U8 | DType::F32, true) = (behind, ty.dtype, ty.shape.rank() > 0) else {
        let message = format!(
            "the network takes {ty}; uint8 or float32 is expected, and fixed lengths behind the batch"
        );
        return Err(wrong(message).into());
    };
    let mut open = Graph::new(network.name.clone());
    let start = open.input(&network.value(input).name, ValueType::new(ty.dtype, Shape::batched(&lengths)));
    let made = copy_into(&mut open, &network, &network.outputs, &mut |_, value| match &value.constant {
        Some(tensor) => Copied::Constant(tensor.clone()),
        None => Copied::Given(start),
    });
    let made = made.map_err(|error| {
        wrong(format!("the network cannot take any number of examples: {error}"))
            .help("export it with an open first length (PyTorch: `dynamic_axes`)")
    })?;
    open.outputs = network.outputs.iter().map(|id| made[id]).collect();
    Ok(open)
}
