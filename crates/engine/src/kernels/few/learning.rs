//! Training steps of few examples. Convolutions are direct: transforming weights that are read for a few products only would cost
//! more than Winograd's algebra saves. Each direction reads the weight, `[input channel, tap][output channel]`, as it lies: forwards
//! output channels are in the lanes; backwards to the input sums run over the lanes; the weight's own gradient is an outer product,
//! to which the optimiser's update is applied in registers. Values that only these kernels read never lie in lanes of examples.

use graph::{NodeId, ValueId};

use super::form::{self, Form};
use super::{
    channel_sum, forward, input_gradient, max_pool, norm, pointwise, pool, pool_gradient, trained_dense,
    weight_gradient,
};
use crate::kernels::Lower;
use crate::kernels::geometry::{CHANNEL_BLOCK, Geometry};
use crate::kernels::memory::ALIGNMENT;
use crate::lower::Lowering;
use crate::step::{PIECES, Pieces};

/// The largest batch for which these kernels take less time than those with the batch in the lanes, on all of the networks that
/// they were measured with: half of the lanes.
pub(super) const EXAMPLES_MAX: usize = 8;

/// Which kernels know which operator.
pub(super) const KERNELS: &[(&str, Lower)] = &[
    ("Conv", forward::lower),
    ("ConvGradInput", input_gradient::lower),
    ("ConvGradWeight", weight_gradient::lower),
    ("BatchNormalization", norm::lower),
    ("MaxPool", max_pool::lower),
    ("GlobalMaxPool", max_pool::lower),
    ("AveragePool", pool::lower),
    ("GlobalAveragePool", pool::lower),
    ("AveragePoolGrad", pool_gradient::lower),
    ("Add", pointwise::lower),
    ("Relu", pointwise::lower),
    ("ReluGrad", pointwise::lower),
    ("ReduceSum", channel_sum::lower),
    ("Gemm", trained_dense::lower),
    ("Flatten", trained_dense::lower_view),
    ("Reshape", trained_dense::lower_view),
    ("Squeeze", trained_dense::lower_view),
    ("Unsqueeze", trained_dense::lower_view),
];

/// The ReLU that is all that reads `value`, if there is one.
pub(super) fn relu_behind(cx: &Lowering<'_>, value: ValueId) -> Option<NodeId> {
    cx.only_user(value).filter(|&user| cx.graph.node(user).op_name() == "Relu")
}

/// How the input channels of a weight, which are its rows, are cut in each direction alike: so that each thread reads what it has
/// updated itself, and reads the weight for the input's gradient and changes it while it is in the cache. `None` where they do not
/// come in blocks enough.
pub(super) fn shares(geometry: &Geometry, work: usize) -> Option<Pieces> {
    let even = geometry.channels_in.is_multiple_of(PIECES * ALIGNMENT);
    Some(Pieces::of(geometry.channels_in, work)).filter(|pieces| even && !pieces.is_serial())
}

/// The form in which a convolution reads its input: few channels are not padded, unless they are already.
pub(super) fn input_form(cx: &Lowering<'_>, x: ValueId, geometry: &Geometry) -> Form {
    let few = geometry.channels_in < CHANNEL_BLOCK && !form::is_map(cx, x);
    if few { Form::Pixels } else { Form::Maps }
}
