//! Slice.

use tensor::Tensor;

use crate::ops::movement;
use crate::ops::strided::{FORMALS, Slices};
use crate::*;

/// A strided part of a value.
pub struct Slice;

static SCHEMA: Schema = Schema {
    name: "Slice",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "Along each of `axes`, the elements `starts`, `starts + steps`, ... before `ends`, as numpy's `x[start:end:step]`; bounds beyond the length are clamped. A symbolic length can only be taken whole.\n\nGradient: `SliceGrad`.",
    inputs: &{
        let [starts, ends, axes, steps] = FORMALS;
        [Formal::required("x", "any shape and type"), starts, ends, axes, steps]
    },
    outputs: &[Formal::required("y", "rank of `x`")],
    attributes: &[],
};

impl Operator for Slice {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.one(cx.input(0).dtype, Slices::infer(cx, 1)?.shape(&cx.input(0).shape)?)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (shape, offsets) = Slices::given(cx, 1).offsets(cx.input(0).shape())?;
        Ok(vec![movement::pick(&[cx.input(0)], &shape, offsets.into_iter().map(|offset| (0, offset)))])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let mut inputs = vec![Some(cx.dy())];
        inputs.extend((0..cx.input_count()).map(|index| cx.optional_input(index)));
        let dx = cx.op_many("SliceGrad", &inputs, Attributes::new(), 1)[0];
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let row = |name| Case::new(name).input(&[5], &[0.0, 1.0, 2.0, 3.0, 4.0]);
        let x = |name| Case::new(name).smooth(&[3, 4, 5], 0);
        vec![
            row("part").integers(&[1]).integers(&[-1]).gives(&[3], &[1.0, 2.0, 3.0]),
            row("backwards")
                .integers(&[-1])
                .integers(&[i64::MIN])
                .integers(&[0])
                .integers(&[-2])
                .gives(&[3], &[4.0, 2.0, 0.0]),
            row("far")
                .integers(&[3])
                .integers(&[i64::MAX])
                .integers(&[0])
                .integers(&[i64::MAX])
                .gives(&[1], &[3.0]),
            row("nothing").integers(&[3]).integers(&[1]).gives(&[0], &[]),
            x("axes").integers(&[1, 0]).integers(&[9, 3]).integers(&[-1, 1]).integers(&[2, 2]),
            x("default_axes").integers(&[0, 1]).integers(&[i64::MAX, 3]),
            x("zero_step").integers(&[0]).integers(&[1]).integers(&[0]).integers(&[0]).refused("step of 0"),
            x("counts").integers(&[0]).integers(&[1, 2]).refused("equally many"),
            x("range").integers(&[0]).integers(&[1]).integers(&[3]).refused("out of range"),
        ]
    }
}
