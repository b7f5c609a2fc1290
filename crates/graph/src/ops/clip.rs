//! Clip.

use tensor::Tensor;

use crate::*;

/// Limiting to an interval.
pub struct Clip;

static SCHEMA: Schema = Schema {
    name: "Clip",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y_i = min(max(x_i, min), max)`; where `min > max`, `max`.\n\nGradient `dx = dy` where `y = x`, else 0; none for the limits.",
    inputs: &[
        Formal::required("x", "any shape, number"),
        Formal::optional("min", "scalar, type of `x`; no lower limit if absent"),
        Formal::optional("max", "scalar, type of `x`; no upper limit if absent"),
    ],
    outputs: &[Formal::required("y", "as `x`")],
    attributes: &[],
};

impl Operator for Clip {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        for index in 1..cx.len() {
            let Some(limit) = cx.optional(index) else {
                continue;
            };
            cx.same_dtype(0, index)?;
            if limit.shape.rank() != 0 {
                return Err(OpError::new(format!("a limit should be a scalar, found {limit}")));
            }
        }
        cx.one(cx.number_input(0)?, cx.input(0).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let limit = |index: usize| cx.optional(index).map(|limit| limit.to_f64()[0]);
        let (min, max) = (limit(1).unwrap_or(f64::NEG_INFINITY), limit(2).unwrap_or(f64::INFINITY));
        cx.map(|x| if x.is_nan() { x } else { x.max(min).min(max) })
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        if cx.needs(1) || cx.needs(2) {
            return Err(OpError::new("Clip has no gradient with respect to its limits"));
        }
        let zero = cx.number(cx.dy(), 0.0);
        let inside = cx.op("Equal", &[cx.input(0), cx.output(0)]);
        let dx = cx.op("Where", &[inside, cx.dy(), zero]);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let limits = |case: Case| case.constant(Tensor::scalar(-1f32)).constant(Tensor::scalar(0.5f32));
        vec![
            limits(Case::new("both").input(&[4], &[-2.0, -0.5, 0.25, 3.0]))
                .gives(&[4], &[-1.0, -0.5, 0.25, 0.5]),
            limits(Case::new("batch").smooth(&[3, 4], 0)),
            Case::new("upper").smooth(&[3], 0).absent().constant(Tensor::scalar(1f32)),
            Case::new("none").input(&[2], &[-2.0, 3.0]).gives(&[2], &[-2.0, 3.0]),
            Case::new("list").smooth(&[3], 0).smooth(&[1], 1).refused("should be a scalar"),
        ]
    }
}
