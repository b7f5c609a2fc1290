//! Dense layers of few examples whose weights change from step to step: convolutions of one tap, over maps of one
//! position.

use graph::NodeId;

use super::dense_backward;
use super::form::{self, Form, Strides};
use super::forward::Forward;
use super::learning;
use super::strips::{STRIP, Strips};
use crate::kernels::dense::{Dense, forward_of};
use crate::kernels::geometry::Geometry;
use crate::lower::Lowering;

/// From so many outputs on, rows of the weight are read from end to end instead, by the kernel for any batch: shorter runs of rows
/// that lie far apart come slowly from memory.
const STREAMED: usize = 1024;

/// A convolution of one tap from `k` to `n` channels, over one position.
fn one_tap(k: usize, n: usize) -> Geometry {
    Geometry {
        channels_in: k,
        channels_out: n,
        groups: 1,
        input: [1; 2],
        output: [1; 2],
        kernel: [1; 2],
        stride: [1; 2],
        dilation: [1; 2],
        before: [0; 2],
        after: [0; 2],
    }
}

/// Lowers a `Gemm`: a forward product with its ReLU, or one of a backward pair with the update.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    dense_backward::lower(cx, id) || lower_forward(cx, id)
}

fn lower_forward(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let node = cx.graph.node(id);
    let Some(Dense { x, w, bias, k, n, stride }) = forward_of(cx, node) else { return false };
    if n >= STREAMED || cx.is_lanes(w) || cx.feature_dims(x).is_none_or(|dims| dims.len() != 1) {
        return false;
    }
    let relu = learning::relu_behind(cx, node.outputs[0]);
    let output = relu.map_or(node.outputs[0], |relu| cx.graph.node(relu).outputs[0]);
    relu.into_iter().for_each(|relu| cx.done(relu));
    let geometry = one_tap(k, n);
    let Some(strips) = Strips::forward(&geometry, form::batch(cx), STRIP) else { return false };
    let (x, strides) = form::side_by_side(cx, x);
    let strides = Strides { position: strides.example, ..strides };
    let (w, bias) = (cx.slot(w), bias.map(|bias| cx.slot(bias)));
    let y = form::make(cx, output, Form::Maps);
    let relu = relu.is_some();
    Forward { x, strides, w, w_stride: stride, bias, relu, y, geometry }.push(cx, strips);
    true
}

/// Lowers an operator that looks at the same numbers in another way: what lies in rows or maps goes on as rows.
pub(super) fn lower_view(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (Some(x), y) = (node.inputs[0], node.outputs[0]) else { return false };
    let there = form::is_map(cx, x) || form::is_row(cx, x);
    let alike = cx.features(x).is_some() && cx.features(x) == cx.features(y);
    if there && alike {
        form::alias(cx, y, x, Form::Rows);
    }
    there && alike
}
