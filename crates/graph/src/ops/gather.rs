//! Gather.

use tensor::{DType, Shape, Tensor};

use crate::ops::{movement, settings};
use crate::*;

/// Slices at given indices along an axis.
pub struct Gather;

static SCHEMA: Schema = Schema {
    name: "Gather",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "With `axis` 0: `y[i.., j..] = x[indices[i..], j..]`; with another axis, the axes before it come first. An index outside of `[-n, n)` is an error.\n\nGradient: `GatherGrad`.",
    inputs: &[
        Formal::required("x", "rank at least 1, any type"),
        Formal::required("indices", "any shape, int32 or int64, negative from the end"),
    ],
    outputs: &[Formal::required("y", "`x` with `axis` replaced by the shape of `indices`")],
    attributes: &[AttributeDoc {
        name: "axis",
        default: Default::Int(0),
        doc: "the axis of `x` that is indexed, negative from the end",
    }],
};

/// `x` with axis `axis` replaced by `indices`.
pub(crate) fn shape<T: Clone>(x: &[T], indices: &[T], axis: usize) -> Vec<T> {
    [&x[..axis], indices, &x[axis + 1..]].concat()
}

/// The type of `y`, for data in input `x` and indices in input `x + 1`.
pub(crate) fn infer(cx: &Inference<'_>, x: usize) -> Result<ValueType, OpError> {
    let (data, indices) = (cx.input(x), cx.input(x + 1));
    if !matches!(indices.dtype, DType::I32 | DType::I64) {
        return Err(OpError::new(format!("indices should be int32 or int64, found {}", indices.dtype)));
    }
    let axis = cx.axis("axis", data.shape.rank())?;
    Ok(ValueType::new(data.dtype, Shape(shape(&data.shape.0, &indices.shape.0, axis))))
}

/// For each element of `y` the offset in an array of shape `x` that it comes from.
pub(crate) fn offsets(x: &[usize], indices: &Tensor, axis: usize) -> Result<Vec<usize>, OpError> {
    let inner: usize = x[axis + 1..].iter().product();
    let outer: usize = x[..axis].iter().product();
    let length = x[axis] as i64;
    let place = |index: i64| {
        let place = if index < 0 { index + length } else { index };
        let outside = || OpError::new(format!("index {index} is outside of length {length}"));
        (0..length).contains(&place).then_some(place as usize).ok_or_else(outside)
    };
    let places = settings::list(indices).into_iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let starts = (0..outer).flat_map(|row| places.iter().map(move |place| row * x[axis] + place));
    Ok(starts.flat_map(|start| start * inner..(start + 1) * inner).collect())
}

impl Operator for Gather {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        Ok(vec![infer(cx, 0)?])
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (x, indices) = (cx.input(0), cx.input(1));
        let axis = cx.axis("axis", x.shape().len())?;
        let from = offsets(x.shape(), indices, axis)?.into_iter().map(|offset| (0, offset));
        Ok(vec![movement::pick(&[x], &shape(x.shape(), indices.shape(), axis), from)])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let inputs = [cx.dy(), cx.input(0), cx.input(1)];
        let dx = cx.op_with("GatherGrad", &inputs, cx.attributes().clone());
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let indices = || Tensor::new([2, 2], vec![2i64, 0, -1, 2]);
        vec![
            Case::new("rows")
                .input(&[2, 2], &[1.0, 2.0, 3.0, 4.0])
                .tensor(Tensor::new([3], vec![1i64, 0, -1]))
                .gives(&[3, 2], &[3.0, 4.0, 1.0, 2.0, 3.0, 4.0]),
            Case::new("column")
                .input(&[2, 2], &[1.0, 2.0, 3.0, 4.0])
                .tensor(Tensor::scalar(1i32))
                .attribute("axis", 1)
                .gives(&[2], &[2.0, 4.0]),
            Case::new("middle").smooth(&[2, 3, 2], 0).tensor(indices()).attribute("axis", 1),
            Case::new("scalar").smooth(&[], 0).tensor(indices()).refused("out of range"),
            Case::new("float").smooth(&[2], 0).smooth(&[2], 1).refused("should be int32 or int64"),
        ]
    }
}
