//! ExpandLike.

use tensor::Tensor;

use crate::ops::broadcast;
use crate::*;

/// Broadcasting to the shape of another value: the gradient of a sum or a mean.
pub struct ExpandLike;

static SCHEMA: Schema = Schema {
    name: "ExpandLike",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "`y` is `x` broadcast to the shape of `like`, whose values do not matter. With `share`, each element is divided by the number of its copies.\n\nGradient `dx`: `dy` summed over the copies; none with `share`.",
    inputs: &[
        Formal::required("x", "broadcasts to the shape of `like`, float"),
        Formal::required("like", "any shape and type"),
    ],
    outputs: &[Formal::required("y", "shape of `like`, type of `x`")],
    attributes: &[AttributeDoc {
        name: "share",
        default: Default::Int(0),
        doc: "1 divides by the number of copies, as the gradient of a mean does",
    }],
};

impl Operator for ExpandLike {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let (from, to) = (&cx.input(0).shape, &cx.input(1).shape);
        if broadcast::shape(from, to)? != *to {
            return Err(OpError::new(format!("shape {from} does not broadcast to {to}")));
        }
        cx.one(cx.float_input(0)?, to.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (x, to) = (cx.f64(0), cx.input(1).shape());
        let offsets = broadcast::offsets(cx.input(0).shape(), to);
        let copies = if cx.int("share") == 0 { 1.0 } else { offsets.len() as f64 / x.len() as f64 };
        let y: Vec<f64> = offsets.into_iter().map(|at| x[at] / copies).collect();
        cx.one(to, &y)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        if cx.int("share") != 0 {
            return Err(OpError::new("ExpandLike with share has no gradient"));
        }
        let dx = cx.sum_to(cx.dy(), cx.input(0));
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let row = |name| Case::new(name).input(&[2], &[1.0, 2.0]).smooth(&[2, 2], 0);
        vec![
            row("row").gives(&[2, 2], &[1.0, 2.0, 1.0, 2.0]),
            row("share").attribute("share", 1).gives(&[2, 2], &[0.5, 1.0, 0.5, 1.0]).no_gradient(),
            Case::new("middle").smooth(&[2, 1, 3], 0).smooth(&[2, 4, 3], 1),
            Case::new("larger").smooth(&[2, 3], 0).smooth(&[3], 1).refused("does not broadcast to"),
        ]
    }
}
