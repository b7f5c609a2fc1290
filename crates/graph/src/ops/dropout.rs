//! Dropout.

use tensor::{DType, Random, Tensor};

use crate::*;

/// Random removal of elements in training.
pub struct Dropout;

static SCHEMA: Schema = Schema {
    name: "Dropout",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "In training, element `i` (row-major) is kept where draw `i` of the random stream \"dropout\" under `seed` is at least `ratio`: `mask_i = 1`, `y_i = x_i / (1 - ratio)`; else both are 0. In inference, `y = x`.\n\nGradient: `DropoutGrad`.\n\nSource: Srivastava et al. 2014.",
    inputs: &[
        Formal::required("x", "any shape, float"),
        Formal::optional(
            "ratio",
            "float scalar in [0, 1), the share removed; 0.5 if absent; constant in training",
        ),
        Formal::optional("training_mode", "bool scalar, constant; inference if absent"),
    ],
    outputs: &[
        Formal::required("y", "as `x`"),
        Formal::optional("mask", "shape of `x`, bool, true where kept"),
    ],
    attributes: &[AttributeDoc {
        name: "seed",
        default: Default::Int(0),
        doc: "names the random numbers; the same seed keeps the same elements",
    }],
};

/// The value of the constant scalar input `index`, `None` if it is absent.
fn scalar<'a>(
    cx: &Inference<'a>,
    index: usize,
    fits: fn(DType) -> bool,
) -> Result<Option<&'a Tensor>, OpError> {
    let Some(ty) = cx.optional(index) else {
        return Ok(None);
    };
    if !fits(ty.dtype) || ty.shape.rank() != 0 {
        let expected = if index == 1 { "a float scalar" } else { "a bool scalar" };
        return Err(OpError::new(format!("input {index} should be {expected}, found {ty}")));
    }
    let constant = cx.constant(index);
    constant.ok_or_else(|| OpError::new(format!("input {index} should be a constant of the graph"))).map(Some)
}

/// Whether the constant `training_mode` is true.
fn is_true(mode: Option<&Tensor>) -> bool {
    mode.is_some_and(|mode| mode.to_f64() == [1.0])
}

impl Operator for Dropout {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        if is_true(scalar(cx, 2, |dtype| dtype == DType::Bool)?) {
            let ratio = scalar(cx, 1, DType::is_float)?.map_or(0.5, |ratio| ratio.to_f64()[0]);
            if !(0.0..1.0).contains(&ratio) {
                return Err(OpError::new(format!("ratio should be at least 0 and below 1, found {ratio}")));
            }
        }
        let shape = &cx.input(0).shape;
        let mask = ValueType::new(DType::Bool, shape.clone());
        Ok(vec![ValueType::new(cx.float_input(0)?, shape.clone()), mask])
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = cx.input(0);
        if !is_true(cx.optional(2)) {
            return Ok(vec![x.clone(), Tensor::new(x.shape(), vec![true; x.len()])]);
        }
        let ratio = cx.optional(1).map_or(0.5, |ratio| ratio.to_f64()[0]);
        let random = Random::new(cx.int("seed") as u64, "dropout");
        let mask: Vec<bool> =
            (0..x.len()).map(|index| random.uniform(0, index as u64) as f64 >= ratio).collect();
        let y: Vec<f64> = cx
            .f64(0)
            .iter()
            .zip(&mask)
            .map(|(x, &kept)| if kept { x / (1.0 - ratio) } else { 0.0 })
            .collect();
        Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &y), Tensor::new(x.shape(), mask)])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let (dy, mode) = (cx.dy(), cx.optional_input(2));
        if !is_true(mode.and_then(|mode| cx.constant_of(mode))) {
            cx.set(0, dy);
            return Ok(());
        }
        let mask = if cx.output_count() == 2 {
            cx.output(1)
        } else {
            // The node does not give its mask; the same node once more gives the same one.
            let inputs = [Some(cx.input(0)), cx.optional_input(1), mode];
            cx.op_many("Dropout", &inputs, cx.attributes().clone(), 2)[1]
        };
        let ratio = cx.optional_input(1);
        let ratio = ratio.unwrap_or_else(|| cx.number(dy, 0.5));
        let dx = cx.op("DropoutGrad", &[dy, mask, ratio]);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let truth = || Tensor::scalar(true);
        let training = |name, ratio: f32| {
            Case::new(name).smooth(&[4, 3], 0).constant(Tensor::scalar(ratio)).constant(truth())
        };
        let kept = Tensor::new([2], vec![true, true]);
        vec![
            Case::new("inference")
                .input(&[2], &[1.0, 2.0])
                .gives(&[2], &[1.0, 2.0])
                .gives_tensor(kept.clone()),
            Case::new("nothing")
                .input(&[2], &[1.0, 2.0])
                .constant(Tensor::scalar(0f32))
                .constant(truth())
                .gives(&[2], &[1.0, 2.0])
                .gives_tensor(kept),
            training("mask", 0.25).attribute("seed", 7).outputs(2),
            training("no_mask", 0.25).attribute("seed", 7),
            Case::new("default_ratio").smooth(&[4, 3], 0).absent().constant(truth()),
            training("all", 1.0).refused("below 1"),
            Case::new("fed_mode").smooth(&[2], 0).absent().tensor(truth()).refused("should be a constant"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_removed_is_the_ratio() {
        let mut graph = Graph::new("dropout");
        let x = graph.constant("x", Tensor::new([10_000], vec![1f32; 10_000]));
        let ratio = graph.constant("ratio", Tensor::scalar(0.2f32));
        let mode = graph.constant("mode", Tensor::scalar(true));
        let y = graph.push("y", "Dropout", Attributes::new(), &[x, ratio, mode]).unwrap();
        graph.outputs = vec![y];
        let y = evaluate(&graph, &[]).unwrap()[0].to_f64();
        let removed = y.iter().filter(|&&y| y == 0.0).count();
        assert!((1900..2100).contains(&removed), "{removed}");
        assert!(y.iter().all(|&y| y == 0.0 || (y - 1.25).abs() < 1e-6));
    }
}
