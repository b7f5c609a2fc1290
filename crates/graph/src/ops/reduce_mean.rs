//! ReduceMean.

use tensor::Tensor;

use crate::ops::reduction;
use crate::*;

/// Mean along axes.
pub struct ReduceMean;

static SCHEMA: Schema = Schema {
    name: "ReduceMean",
    domain: DOMAIN_ONNX,
    since_version: 18,
    doc: "`y = mean of x` over `axes`; the mean of nothing is NaN.\n\nGradient: `dy` divided by the number of elements averaged, broadcast to the shape of `x`.",
    inputs: reduction::INPUTS,
    outputs: &[Formal::required("y", "`x` with the reduced axes of length 1, or without them")],
    attributes: reduction::ATTRIBUTES,
};

impl Operator for ReduceMean {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        reduction::infer(cx)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        reduction::reference(cx, |group| group.iter().sum::<f64>() / group.len() as f64)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let dy = reduction::unreduced(cx, cx.dy())?;
        let share = Attributes::from([("share".to_owned(), 1.into())]);
        let dx = cx.op_with("ExpandLike", &[dy, cx.input(0)], share);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let square = |name| Case::new(name).input(&[2, 2], &[1.0, 4.0, -3.0, 2.0]);
        vec![
            square("rows").integers(&[1]).gives(&[2, 1], &[2.5, -0.5]),
            square("all").attribute("keepdims", 0).gives(&[], &[1.0]),
            Case::new("image").smooth(&[2, 3, 2, 2], 0).integers(&[2, -1]).attribute("keepdims", 0),
            Case::new("batch").smooth(&[3, 2], 0).integers(&[0]),
            Case::new("empty").input(&[1, 0], &[]).integers(&[1]).gives(&[1, 1], &[f64::NAN]).no_gradient(),
            square("range").integers(&[-3]).refused("out of range"),
        ]
    }
}
