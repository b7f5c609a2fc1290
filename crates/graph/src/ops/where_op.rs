//! Where.

use tensor::{DType, Shape, Tensor};

use crate::ops::{broadcast, movement};
use crate::*;

/// Element-wise choice.
pub struct Where;

static SCHEMA: Schema = Schema {
    name: "Where",
    domain: DOMAIN_ONNX,
    since_version: 16,
    doc: "`z = x` where `condition`, else `y`, with numpy broadcasting of all three.\n\nGradient: `dz` where chosen, else 0, summed over the axes along which it was broadcast.",
    inputs: &[
        Formal::required("condition", "bool, broadcasts with `x` and `y`"),
        Formal::required("x", "any shape and type"),
        Formal::required("y", "type of `x`"),
    ],
    outputs: &[Formal::required("z", "the broadcast shape")],
    attributes: &[],
};

impl Operator for Where {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let condition = cx.input(0);
        if condition.dtype != DType::Bool {
            return Err(OpError::new(format!("condition should be bool, found {}", condition.dtype)));
        }
        let values = broadcast::shape(&cx.input(1).shape, &cx.input(2).shape)?;
        cx.one(cx.same_dtype(1, 2)?, broadcast::shape(&condition.shape, &values)?)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let inputs = [cx.input(0), cx.input(1), cx.input(2)];
        let [condition, x, y] = inputs.map(|input| Shape::known(input.shape()));
        let shape = broadcast::shape(&condition, &broadcast::shape(&x, &y)?)?;
        let shape = shape.lengths().expect("made of known lengths");
        let [at, from_x, from_y] = inputs.map(|input| broadcast::offsets(input.shape(), &shape));
        let condition = inputs[0].values::<bool>();
        let choose = |index: usize| {
            if condition[at[index]] { (0, from_x[index]) } else { (1, from_y[index]) }
        };
        Ok(vec![movement::pick(&inputs[1..], &shape, (0..at.len()).map(choose))])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let zero = cx.number(cx.dy(), 0.0);
        for (index, choice) in [(1, [cx.dy(), zero]), (2, [zero, cx.dy()])] {
            if cx.needs(index) {
                let chosen = cx.op("Where", &[cx.input(0), choice[0], choice[1]]);
                let gradient = cx.sum_to(chosen, cx.input(index));
                cx.set(index, gradient);
            }
        }
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let condition = || Tensor::new([2], vec![true, false]);
        vec![
            Case::new("choice")
                .tensor(condition())
                .input(&[2], &[1.0, 2.0])
                .input(&[2], &[3.0, 4.0])
                .gives(&[2], &[1.0, 4.0]),
            Case::new("broadcast").tensor(condition()).smooth(&[3, 1], 0).smooth(&[], 1),
            Case::new("labels")
                .tensor(condition())
                .tensor(Tensor::scalar(i64::MAX))
                .tensor(Tensor::scalar(1i64))
                .gives_tensor(Tensor::new([2], vec![i64::MAX, 1]))
                .no_gradient(),
            Case::new("float").smooth(&[2], 0).smooth(&[2], 1).smooth(&[2], 2).refused("should be bool"),
        ]
    }
}
