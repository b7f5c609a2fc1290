//! GatherGrad.

use tensor::Tensor;

use crate::ops::{gather, strided};
use crate::*;

/// Gradient of slices at given indices.
pub struct GatherGrad;

static SCHEMA: Schema = Schema {
    name: "GatherGrad",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "`dx` is, at each place of `x`, the sum of the elements of `dy` that `Gather` took from there.",
    inputs: &[
        Formal::required("dy", "gradient of `y` of `Gather`, float"),
        Formal::required("x", "the input of `Gather`; its values do not matter"),
        Formal::required("indices", "int32 or int64, negative from the end"),
    ],
    outputs: &[Formal::required("dx", "as `x`")],
    attributes: &[AttributeDoc {
        name: "axis",
        default: Default::Int(0),
        doc: "the axis of `x` that is indexed, negative from the end",
    }],
};

impl Operator for GatherGrad {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.float_input(0)?;
        let (dy, y) = (cx.input(0), gather::infer(cx, 1)?);
        if *dy != y {
            return Err(OpError::new(format!("dy should be {y}, found {dy}")));
        }
        Ok(vec![cx.input(1).clone()])
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = cx.input(1);
        let offsets = gather::offsets(x.shape(), cx.input(2), cx.axis("axis", x.shape().len())?)?;
        Ok(vec![strided::scatter(x, &offsets, &cx.f64(0))])
    }

    fn cases(&self) -> Vec<Case> {
        let case = |name| {
            let indices = Tensor::new([3], vec![1i64, 0, -1]);
            Case::new(name).input(&[3], &[1.0, 2.0, 4.0]).smooth(&[2], 0).tensor(indices).no_gradient()
        };
        let row = Case::new("shape").smooth(&[2], 0).smooth(&[2], 0).tensor(Tensor::new([1], vec![1i64]));
        vec![case("sums").gives(&[2], &[2.0, 5.0]), row.refused("dy should be float32[1]")]
    }
}
