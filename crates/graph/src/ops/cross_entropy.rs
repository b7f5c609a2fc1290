//! What softmax cross-entropy and its gradient share: the types of scores and labels, the reductions.

use tensor::{DType, Dim, Shape, Tensor};

use crate::ops::{lanes, settings};
use crate::*;

/// Attribute documentation of the reduction.
pub(crate) const REDUCTION: AttributeDoc = AttributeDoc {
    name: "reduction",
    default: Default::Text("mean"),
    doc: "`mean` or `sum` over the batch, or `none`: one loss per row",
};

/// The type of the loss for scores in input `scores` and labels in the one after it.
pub(crate) fn infer(cx: &Inference<'_>, scores: usize) -> Result<ValueType, OpError> {
    let dtype = cx.float_input(scores)?;
    let (scores, labels) = (&cx.input(scores).shape, cx.input(scores + 1));
    let [batch, _] = scores.0.as_slice() else {
        return Err(OpError::new(format!("scores should be [batch, classes], found {scores}")));
    };
    if !matches!(labels.dtype, DType::I64 | DType::I32) || labels.shape.0 != [batch.clone()] {
        return Err(OpError::new(format!("labels should be int64[{batch}], found {labels}")));
    }
    let shape = match cx.text("reduction").as_str() {
        "none" => Shape(vec![batch.clone()]),
        "mean" | "sum" => Shape(Vec::<Dim>::new()),
        other => {
            return Err(OpError::new(format!("reduction should be mean, sum or none, found {other:?}")));
        }
    };
    Ok(ValueType::new(dtype, shape))
}

/// The labels as indices of classes. Refused if one is no class.
pub(crate) fn labels(labels: &Tensor, classes: usize) -> Result<Vec<usize>, OpError> {
    let index = |label: i64| {
        let outside = || OpError::new(format!("label {label} is not one of {classes} classes"));
        usize::try_from(label).ok().filter(|&label| label < classes).ok_or_else(outside)
    };
    settings::list(labels).into_iter().map(index).collect()
}

/// The logarithms of the probabilities, row by row.
pub(crate) fn log_probabilities(scores: &Tensor) -> Vec<f64> {
    lanes::map(&scores.to_f64(), scores.shape(), 1, lanes::log_softmax)
}
