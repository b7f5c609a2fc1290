//! Pow.

use tensor::{Shape, Tensor};

use crate::ops::{broadcast, cast};
use crate::*;

/// Element-wise power.
pub struct Pow;

static SCHEMA: Schema = Schema {
    name: "Pow",
    domain: DOMAIN_ONNX,
    since_version: 15,
    doc: "`c = a^b`, with numpy broadcasting; NaN for a negative base with a fractional exponent.\n\nGradient `da = dc * b * a^(b-1)`, summed over the axes along which it was broadcast; none for the exponent.",
    inputs: &[
        Formal::required("a", "any shape, number"),
        Formal::required("b", "broadcasts with `a`, any number type"),
    ],
    outputs: &[Formal::required("c", "the broadcast shape, type of `a`")],
    attributes: &[],
};

impl Operator for Pow {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.number_input(1)?;
        let shape: Shape = broadcast::shape(&cx.input(0).shape, &cx.input(1).shape)?;
        cx.one(cx.number_input(0)?, shape)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        broadcast::reference(cx, f64::powf)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        if cx.needs(1) {
            return Err(OpError::new("Pow has no gradient with respect to its exponent"));
        }
        let (base, mut exponent) = (cx.input(0), cx.input(1));
        if cx.dtype(exponent) != cx.dtype(base) {
            let to = cast::onnx_code(cx.dtype(base));
            exponent = cx.op_with("Cast", &[exponent], Attributes::from([("to".to_owned(), to.into())]));
        }
        let one = cx.number(base, 1.0);
        let less = cx.op("Sub", &[exponent, one]);
        let power = cx.op("Pow", &[base, less]);
        let slope = cx.op("Mul", &[exponent, power]);
        let product = cx.op("Mul", &[cx.dy(), slope]);
        let da = cx.sum_to(product, base);
        cx.set(0, da);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("square")
                .input(&[3], &[-1.5, 2.0, 3.0])
                .constant(Tensor::scalar(2f32))
                .gives(&[3], &[2.25, 4.0, 9.0]),
            Case::new("integer")
                .input(&[2], &[-1.5, 2.0])
                .constant(Tensor::scalar(3i64))
                .gives(&[2], &[-3.375, 8.0]),
            Case::new("row").input(&[2, 1], &[0.5, 2.0]).constant(Tensor::new([2], vec![0.5f32, -1.5])),
            Case::new("root").input(&[1], &[-1.0]).input(&[1], &[0.5]).gives(&[1], &[f64::NAN]).no_gradient(),
            Case::new("truth").smooth(&[1], 0).tensor(Tensor::scalar(true)).refused("should be a number"),
        ]
    }
}
