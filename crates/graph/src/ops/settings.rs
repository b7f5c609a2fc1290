//! Lists of integers that a graph gives as constant inputs: axes, shapes, starts, ends.

use tensor::{DType, Tensor};

use crate::operator::axis_of;
use crate::{Call, Inference, OpError, RANK_MAX};

/// The integers of constant input `index`, `None` if it is absent. Refused unless it is a constant integer
/// list of rank 0 or 1 with at most as many elements as a value may have axes.
pub(crate) fn integers(cx: &Inference<'_>, index: usize) -> Result<Option<Vec<i64>>, OpError> {
    let Some(ty) = cx.optional(index) else {
        return Ok(None);
    };
    if !matches!(ty.dtype, DType::I64 | DType::I32) || ty.shape.rank() > 1 {
        return Err(OpError::new(format!("input {index} should be a list of int64, found {ty}")));
    }
    let constant = cx
        .constant(index)
        .ok_or_else(|| OpError::new(format!("input {index} should be a constant of the graph")))?;
    if constant.len() > RANK_MAX {
        let count = constant.len();
        return Err(OpError::new(format!(
            "input {index} should have at most {RANK_MAX} elements, found {count}"
        )));
    }
    Ok(Some(list(constant)))
}

/// The integers of input `index` when the graph runs; inference has accepted them.
pub(crate) fn given(cx: &Call<'_>, index: usize) -> Option<Vec<i64>> {
    cx.optional(index).map(list)
}

/// The elements of an integer tensor.
pub(crate) fn list(tensor: &Tensor) -> Vec<i64> {
    tensor.cast(DType::I64).values::<i64>().to_vec()
}

/// `axes` of a value of `rank` dimensions, in ascending order; negative ones count from the end. Refused if out of
/// range or named twice.
pub(crate) fn axes(axes: &[i64], rank: usize) -> Result<Vec<usize>, OpError> {
    let mut found = axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<Vec<_>, _>>()?;
    found.sort_unstable();
    match found.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(OpError::new(format!("axis {} is named twice", pair[0]))),
        None => Ok(found),
    }
}
