//! Plans for a few examples: *channels* lie in the lanes.
//!
//! With the batch innermost, one example computes a vector of sixteen. Here a map lies as `[example][position][channel]`, its
//! channels padded to whole vectors, so that a tile holds positions × output channels of one example and nothing is computed for
//! examples that are not there. In inference weights are packed once for all, and sums run in the same order as those of the
//! batch-innermost kernels, so that an answer has the same bytes whatever it was computed together with. In training
//! ([`learning`]) weights change from step to step and are read, and updated, where they lie.
//!
//! A value may lie in several forms ([`form::Form`]). Operators known here read and make maps (or rows, where there are no
//! positions); any other finds its operands in lanes, converted when it asks for them. So every graph runs, and the parts of
//! it that are known here run fast.

mod ahead;
mod channel_sum;
mod column_sums;
mod conv;
mod convert;
mod dense;
mod dense_backward;
mod depthwise;
mod epilogue;
mod finish;
pub(crate) mod form;
mod forward;
mod forward_tile;
mod input_gradient;
mod learning;
mod load;
mod max_pool;
mod narrow_backward;
mod norm;
mod norm_gradient;
mod pack;
mod parts;
mod places;
mod pointwise;
mod pool;
mod pool_gradient;
mod runs;
mod strips;
mod trained_dense;
mod weight_gradient;
mod winograd;
mod winograd_blocks;
mod winograd_input;
mod winograd_product;
mod winograd_tiles;

use form::Purpose;
use graph::NodeId;

use super::{Lower, elementwise};
use crate::lower::Lowering;

/// The largest batch for which channels in the lanes are worth it in inference: half of the lanes of a vector of examples.
const EXAMPLES_MAX: usize = 8;

/// Which kernels know which operator of a plan whose constants stay as they are.
const KERNELS: &[(&str, Lower)] = &[
    ("Conv", winograd::lower),
    ("Conv", conv::lower),
    ("Conv", depthwise::lower),
    ("MaxPool", pool::lower),
    ("GlobalMaxPool", pool::lower),
    ("AveragePool", pool::lower),
    ("GlobalAveragePool", pool::lower),
    ("BatchNormalization", finish::lower),
    ("Add", finish::lower),
    ("Relu", finish::lower),
    ("Add", elementwise::lower_maps),
    ("Sub", elementwise::lower_maps),
    ("Mul", elementwise::lower_maps),
    ("Div", elementwise::lower_maps),
    ("Sigmoid", elementwise::lower_maps),
    ("Tanh", elementwise::lower_maps),
    ("Neg", elementwise::lower_maps),
    ("Exp", elementwise::lower_maps),
    ("Log", elementwise::lower_maps),
    ("Sqrt", elementwise::lower_maps),
    ("Abs", elementwise::lower_maps),
    ("Sign", elementwise::lower_maps),
    ("Clip", elementwise::lower_maps),
    ("Pow", elementwise::lower_maps),
    ("Greater", elementwise::lower_maps),
    ("Equal", elementwise::lower_maps),
    ("Where", elementwise::lower_maps),
    ("Gemm", dense::lower),
    ("Flatten", dense::lower_view),
    ("Reshape", dense::lower_view),
    ("Squeeze", dense::lower_view),
    ("Unsqueeze", dense::lower_view),
];

/// Lets the plan use these kernels if it is for few examples and has convolutions: those above if its constants stay as they are,
/// else those of [`learning`]; a function of graph and batch alone.
pub(crate) fn enable(cx: &mut Lowering<'_>, batch: usize) {
    let has = |names: &[&str]| cx.graph.nodes().any(|(_, node)| names.contains(&node.op_name()));
    let learns = cx.graph.values().any(|(id, _)| cx.is_gradient(id));
    let inference = cx.graph.inputs.len() == 1 && !learns;
    let convolves = has(&["Conv", "ConvGradInput", "ConvGradWeight"]);
    let purpose = match cx.is_fixed() {
        true if inference && batch <= EXAMPLES_MAX && has(&["Conv"]) => Purpose::Inference,
        false if batch <= learning::EXAMPLES_MAX && (convolves || learns) => Purpose::Learning,
        _ => return,
    };
    cx.few = Some(form::Forms::new(batch, purpose));
}

/// Adds the step that loads the examples as rows; false where they are to lie in lanes.
pub(crate) fn lower_input(cx: &mut Lowering<'_>) -> bool {
    cx.few.is_some() && load::lower(cx)
}

/// Lowers a node with a kernel for few examples; false where there is none for it.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (_, op) = cx.node(id);
    let kernels = match cx.few.as_ref().map(form::Forms::purpose) {
        Some(Purpose::Inference) => KERNELS,
        Some(Purpose::Learning) => learning::KERNELS,
        None => return false,
    };
    kernels.iter().any(|(name, lower)| *name == op && lower(cx, id))
}
