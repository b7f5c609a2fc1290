//! ArgMax.

use tensor::{DType, Dim, Tensor};

use crate::ops::lanes::lanes;
use crate::*;

/// Index of the largest element along an axis.
pub struct ArgMax;

static SCHEMA: Schema = Schema {
    name: "ArgMax",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y` is the index along `axis` of the largest element, the first (or last) one of equals; NaN counts as larger than any number.\n\nGradient: none.",
    inputs: &[Formal::required("x", "rank at least 1, number")],
    outputs: &[Formal::required("y", "`x` with `axis` of length 1, or without it; int64")],
    attributes: &[
        AttributeDoc {
            name: "axis",
            default: Default::Int(0),
            doc: "the axis to search, negative from the end",
        },
        AttributeDoc { name: "keepdims", default: Default::Int(1), doc: "1 keeps the axis with length 1" },
        AttributeDoc {
            name: "select_last_index",
            default: Default::Int(0),
            doc: "1 takes the last of equals",
        },
    ],
};

/// `shape` with `axis` of length `one` or without it.
fn reduced<T>(mut shape: Vec<T>, axis: usize, keep: bool, one: T) -> Vec<T> {
    if keep {
        shape[axis] = one;
    } else {
        shape.remove(axis);
    }
    shape
}

impl Operator for ArgMax {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.number_input(0)?;
        let shape = cx.input(0).shape.clone();
        let axis = cx.axis("axis", shape.rank())?;
        if shape.0[axis] == Dim::Known(0) {
            return Err(OpError::new(format!("axis {axis} of {shape} has no element")));
        }
        let dims = reduced(shape.0, axis, cx.int("keepdims") != 0, Dim::Known(1));
        cx.one(DType::I64, tensor::Shape(dims))
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (x, shape) = (cx.f64(0), cx.input(0).shape());
        let axis = cx.axis("axis", shape.len())?;
        let last = cx.int("select_last_index") != 0;
        let largest = |lane: &Vec<usize>| {
            let mut best = 0;
            for index in 1..lane.len() {
                let (value, sofar) = (x[lane[index]], x[lane[best]]);
                let equal = value == sofar || (value.is_nan() && sofar.is_nan());
                if value > sofar || (value.is_nan() && !sofar.is_nan()) || (last && equal) {
                    best = index;
                }
            }
            best as i64
        };
        let indices = lanes(shape, axis).iter().map(largest).collect();
        let shape = reduced(shape.to_vec(), axis, cx.int("keepdims") != 0, 1);
        Ok(vec![Tensor::new(shape, indices)])
    }

    fn cases(&self) -> Vec<Case> {
        let x = |name| Case::new(name).input(&[2, 3], &[1.0, 5.0, 5.0, 4.0, 0.0, f64::NAN]).no_gradient();
        let rows = |case: Case| case.attribute("axis", -1).attribute("keepdims", 0);
        let indices = |shape: &[usize], values: &[i64]| Tensor::new(shape, values.to_vec());
        vec![
            x("columns").gives_tensor(indices(&[1, 3], &[1, 0, 1])),
            rows(x("rows")).gives_tensor(indices(&[2], &[1, 2])),
            rows(x("last")).attribute("select_last_index", 1).gives_tensor(indices(&[2], &[2, 2])),
            Case::new("empty").input(&[0, 2], &[]).refused("has no element"),
            Case::new("scalar").smooth(&[], 0).refused("out of range"),
        ]
    }
}
