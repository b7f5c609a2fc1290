//! Operators that only look at the same numbers in another way: no work at all.

use graph::NodeId;

use crate::lower::{Layout, Lowering};

/// Lowers a reshape: the features keep their order, so the output shares the input's memory.
pub(crate) fn lower_view(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let (x, y) = (node.inputs[0].expect("required"), node.outputs[0]);
    let alike = match (cx.layout(x), cx.layout(y)) {
        (Layout::Lanes { features: from }, Layout::Lanes { features: to }) => {
            from.iter().product::<usize>() == to.iter().product::<usize>()
        }
        (Layout::Plain(from), Layout::Plain(to)) => {
            !from.transposed && !to.transposed && (from.rows, from.cols) == (to.rows, to.cols)
        }
        _ => false,
    };
    if alike {
        cx.alias(y, x);
    }
    alike
}

/// Lowers a cast that changes no number: every integer that enters the arena is an `f32` already.
pub(crate) fn lower_cast(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let x = node.inputs[0].expect("required");
    cx.graph.ty(node.outputs[0]).dtype.is_float() && lower_view(cx, id) && cx.is_lanes(x)
}

/// Lowers dropout in inference: the identity.
pub(crate) fn lower_inactive_dropout(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, _) = cx.node(id);
    let training = node.inputs.get(2).copied().flatten();
    let active = training.is_some_and(|mode| cx.constant(mode).is_none_or(|mode| mode.to_f64() != [0.0]));
    let mask_read = node.outputs.get(1).is_some_and(|&mask| !cx.users(mask).is_empty() || cx.is_kept(mask));
    !active && !mask_read && lower_view(cx, id)
}
