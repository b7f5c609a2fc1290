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
/// Attribute documentation of the parameter's own share of the learning rate.
pub(crate) const RATE_FACTOR: AttributeDoc =
    AttributeDoc { name: "rate_factor", default: Default::Float(1.0), doc: "times the learning rate" };
/// Formal input of what the parameter is drawn to.
pub(crate) const ANCHOR: Formal = Formal::optional("anchor", "what the parameter is drawn to, as `w`");
/// Formal input of how strongly it is drawn there.
pub(crate) const STRENGTH: Formal =
    Formal::optional("strength", "how strongly, element by element, as `w`; given with `anchor`");
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

/// Refuses an anchor at input `first` and its strength at the next unless both or none are there, each as the parameter.
pub(crate) fn anchored(cx: &Inference<'_>, first: usize) -> Result<(), OpError> {
    let (w, given) = (cx.input(0), [first, first + 1].map(|index| cx.optional(index)));
    match given {
        [None, None] => Ok(()),
        [Some(anchor), Some(strength)] if anchor == w && strength == w => Ok(()),
        [Some(anchor), Some(strength)] => {
            Err(OpError::new(format!("anchor and strength should be {w}, found {anchor}, {strength}")))
        }
        _ => Err(OpError::new("anchor and strength are given together".to_owned())),
    }
}

/// The learning rate at input `index`, times the parameter's factor.
pub(crate) fn rate(cx: &Call<'_>, index: usize) -> f64 {
    cx.f64(index)[0] * f64::from(cx.float("rate_factor"))
}

/// The gradient with its penalties, `g + l1 * sign(w) + l2 * w + strength * (w - anchor)`, with an anchor at input
/// `anchor` or without; the sign of 0 is 0.
pub(crate) fn regularised(cx: &Call<'_>, anchor: usize) -> Vec<f64> {
    let (l1, l2) = (cx.float("l1") as f64, cx.float("l2") as f64);
    let sign = |w: f64| if w == 0.0 { 0.0 } else { w.signum() };
    let w = cx.f64(0);
    let mut gradient: Vec<f64> = w.iter().zip(cx.f64(1)).map(|(w, g)| g + l1 * sign(*w) + l2 * w).collect();
    if let (Some(to), Some(strength)) = (cx.optional(anchor), cx.optional(anchor + 1)) {
        let pulls = w.iter().zip(to.to_f64()).zip(strength.to_f64());
        gradient.iter_mut().zip(pulls).for_each(|(g, ((w, to), strength))| *g += strength * (w - to));
    }
    gradient
}

/// The outputs: `values` in the type and shape of the parameter.
pub(crate) fn outputs<const N: usize>(cx: &Call<'_>, values: [Vec<f64>; N]) -> Result<Vec<Tensor>, OpError> {
    let w = cx.input(0);
    Ok(values.into_iter().map(|values| Tensor::from_f64(w.dtype(), w.shape(), &values)).collect())
}
