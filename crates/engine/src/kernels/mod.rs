//! The kernels: what makes the operators fast. The only place with `unsafe` code.
//!
//! Each file holds the steps of one family of operators and the `lower` functions that recognise them in a
//! graph. An operator without a kernel is computed by its reference (`fallback`).

#![allow(unsafe_code)]
// the reason this module exists; every block states why it is sound
// Loops over the registers of a tile count, so that they unroll; kernels take their operands flat.
#![allow(clippy::needless_range_loop, clippy::too_many_arguments)]

pub(crate) mod average_pool;
pub(crate) mod batch_norm;
pub(crate) mod batch_norm_gradient;
pub(crate) mod channel_map;
pub(crate) mod conv;
pub(crate) mod conv_gradient;
pub(crate) mod conv_pool;
pub(crate) mod conv_pool_gradient;
pub(crate) mod conv_weight_gradient;
pub(crate) mod denormal;
pub(crate) mod dense;
pub(crate) mod dense_gradient;
mod dense_gradient_block;
pub(crate) mod dense_product;
pub(crate) mod direct;
pub(crate) mod distillation;
pub(crate) mod dropout;
pub(crate) mod elementwise;
pub(crate) mod exponential;
pub(crate) mod fallback;
pub(crate) mod features;
pub(crate) mod few;
pub(crate) mod gather_features;
pub(crate) mod geometry;
pub(crate) mod grouped_weight_gradient;
pub(crate) mod live_lanes;
pub(crate) mod load;
pub(crate) mod loss;
pub(crate) mod max_pool;
pub(crate) mod max_pool_gradient;
pub(crate) mod memory;
pub(crate) mod nonzero;
pub(crate) mod peak;
pub(crate) mod pointwise;
pub(crate) mod pool_windows;
pub(crate) mod preprocessing;
pub(crate) mod reduce;
pub(crate) mod simd;
#[cfg(target_arch = "x86_64")]
pub(crate) mod simd_x86;
pub(crate) mod softmax;
pub(crate) mod tile;
pub(crate) mod update;
pub(crate) mod weight_result;
pub(crate) mod winograd;
pub(crate) mod winograd_conv;
pub(crate) mod winograd_four;
pub(crate) mod winograd_weight_gradient;
pub(crate) mod workers;

use graph::NodeId;
use memory::{Memory, Slot};

use crate::lower::Lowering;

/// A buffer as a slice, for the first thread after a batch (the program's last step claims what is read there), or
/// for the only thread.
pub(crate) fn read_only(memory: &Memory, slot: Slot) -> &[f32] {
    // SAFETY: only called where there is one thread, or from the function that runs after a batch, on values that
    // are kept: their memory is shared with no other value, the last step made the threads meet after they were
    // written, and nobody writes them again before the next meeting, which this thread takes part in.
    unsafe { memory.slice(slot) }
}

/// Offers a node to a kernel; true if the kernel took it.
type Lower = fn(&mut Lowering<'_>, NodeId) -> bool;

/// Which kernels know which operator, the most special first.
const KERNELS: &[(&str, Lower)] = &[
    ("Conv", conv_pool::lower),
    ("Conv", conv::lower),
    ("ConvGradInput", conv_gradient::lower_input_gradient),
    ("ConvGradWeight", conv_weight_gradient::lower),
    ("MaxPool", max_pool::lower),
    ("MaxPoolGrad", max_pool_gradient::lower),
    ("GlobalMaxPool", max_pool::lower),
    ("AveragePool", average_pool::lower),
    ("AveragePoolGrad", average_pool::lower_gradient),
    ("GlobalAveragePool", average_pool::lower),
    ("BatchNormalization", batch_norm::lower),
    ("BatchNormalizationGrad", batch_norm_gradient::lower),
    ("Gemm", dense::lower),
    ("GradientDescentUpdate", update::lower),
    ("MomentumUpdate", update::lower),
    ("AdamUpdate", update::lower),
    ("Add", elementwise::lower),
    ("Sub", elementwise::lower),
    ("Mul", elementwise::lower),
    ("Div", elementwise::lower),
    ("ReluGrad", elementwise::lower),
    ("Relu", elementwise::lower),
    ("Sigmoid", elementwise::lower),
    ("Tanh", elementwise::lower),
    ("Neg", elementwise::lower),
    ("Exp", elementwise::lower),
    ("Log", elementwise::lower),
    ("Sqrt", elementwise::lower),
    ("Abs", elementwise::lower),
    ("Sign", elementwise::lower),
    ("Clip", elementwise::lower),
    ("Pow", elementwise::lower),
    ("Equal", elementwise::lower),
    ("Greater", elementwise::lower),
    ("Where", elementwise::lower),
    ("Cast", features::lower_cast),
    ("Identity", features::lower_view),
    ("Flatten", features::lower_view),
    ("Reshape", features::lower_view),
    ("Squeeze", features::lower_view),
    ("Unsqueeze", features::lower_view),
    ("Slice", gather_features::lower),
    ("SliceGrad", gather_features::lower),
    ("Transpose", gather_features::lower),
    ("Concat", gather_features::lower),
    ("Expand", gather_features::lower),
    ("ExpandLike", gather_features::lower),
    ("Gather", gather_features::lower),
    ("Dropout", features::lower_inactive_dropout),
    ("Dropout", dropout::lower),
    ("DropoutGrad", dropout::lower_gradient),
    ("ReduceSum", reduce::lower_sum),
    ("Softmax", softmax::lower),
    ("LogSoftmax", softmax::lower_log),
    ("SoftmaxCrossEntropyLoss", loss::lower_cross_entropy),
    ("SoftmaxCrossEntropyLossGrad", loss::lower_cross_entropy_gradient),
    ("DistillationLoss", distillation::lower),
    ("DistillationLossGrad", distillation::lower_gradient),
    ("MeanSquaredError", loss::lower_squared_error),
    ("MeanSquaredErrorGrad", loss::lower_squared_error_gradient),
];

/// Lowers a node with the first kernel that takes it, else with its operator's reference.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) {
    if cx.recall(id) || few::lower(cx, id) {
        return;
    }
    let (_, op) = cx.node(id);
    let mut kernels = KERNELS.iter().filter(|(name, _)| *name == op).map(|(_, lower)| lower);
    if !kernels.any(|lower| lower(cx, id)) {
        fallback::lower(cx, id);
    }
}
