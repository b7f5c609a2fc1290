//! What the optimiser updates share: their types and the regularised gradient.

use tensor::{DType, Tensor};

use crate::*;

/// Attribute documentation of the weight of the absolute values.
pub(crate) const L1: AttributeDoc =
    AttributeDoc { name: "l1", default: Default::Float(0.0), doc: "adds `l1 * sign(w)` to the gradient" };
/// Attribute documentation of the weight of the squares.
pub(crate) const L2: AttributeDoc =
    AttributeDoc { name: "l2", default: Default::Float(0.0), doc: "adds `l2 * w` to the gradient" };
/// Formal input of the parameter.
pub(crate) const W: Formal = Formal::required("w", "the parameter, any shape, float");
/// Formal input of the gradient.
pub(crate) const G: Formal = Formal::required("g", "the gradient, as `w`");
/// Formal input of the learning rate.
pub(crate) const LEARNING_RATE: Formal = Formal::required("learning_rate", "scalar, type of `w`");
/// Formal output of the parameter.
pub(crate) const W_NEW: Formal = Formal::required("w_new", "the updated parameter, as `w`");

/// The types of the outputs of an update whose inputs are the parameter, its gradient, `state` running values of
/// the same type, and the learning rate: the parameter and the running values.
pub(crate) fn infer(cx: &Inference<'_>, state: usize) -> Result<Vec<ValueType>, OpError> {
    cx.float_input(0)?;
    let w = cx.input(0);
    for index in 1..2 + state {
        if cx.input(index) != w {
            return Err(OpError::new(format!("input {index} should be {w}, found {}", cx.input(index))));
        }
    }
    scalar(cx, 2 + state, w.dtype)?;
    Ok(vec![w.clone(); 1 + state])
}

/// Refuses input `index` unless it is a scalar of type `dtype`.
pub(crate) fn scalar(cx: &Inference<'_>, index: usize, dtype: DType) -> Result<(), OpError> {
    let found = cx.input(index);
    if found.dtype == dtype && found.shape.rank() == 0 {
        return Ok(());
    }
    Err(OpError::new(format!("input {index} should be a scalar of {dtype}, found {found}")))
}

/// The gradient with its penalties, `g + l1 * sign(w) + l2 * w`; the sign of 0 is 0.
pub(crate) fn regularised(cx: &Call<'_>) -> Vec<f64> {
    let (l1, l2) = (cx.float("l1") as f64, cx.float("l2") as f64);
    let sign = |w: f64| if w == 0.0 { 0.0 } else { w.signum() };
    cx.f64(0).into_iter().zip(cx.f64(1)).map(|(w, g)| g + l1 * sign(w) + l2 * w).collect()
}

/// The outputs: `values` in the type and shape of the parameter.
pub(crate) fn outputs<const N: usize>(cx: &Call<'_>, values: [Vec<f64>; N]) -> Result<Vec<Tensor>, OpError> {
    let w = cx.input(0);
    Ok(values.into_iter().map(|values| Tensor::from_f64(w.dtype(), w.shape(), &values)).collect())
}
