//! DropoutGrad.

use tensor::{DType, Tensor};

use crate::*;

/// Gradient of dropout.
pub struct DropoutGrad;

static SCHEMA: Schema = Schema {
    name: "DropoutGrad",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "`dx_i = dy_i / (1 - ratio)` where `mask_i`, else 0.",
    inputs: &[
        Formal::required("dy", "gradient of `y`, any shape, float"),
        Formal::required("mask", "bool, shape of `dy`"),
        Formal::required("ratio", "float scalar, the share removed"),
    ],
    outputs: &[Formal::required("dx", "as `dy`")],
    attributes: &[],
};

impl Operator for DropoutGrad {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let mask = ValueType::new(DType::Bool, cx.input(0).shape.clone());
        if *cx.input(1) != mask {
            return Err(OpError::new(format!("mask should be {mask}, found {}", cx.input(1))));
        }
        cx.float_input(2)?;
        if cx.input(2).shape.rank() != 0 {
            return Err(OpError::new(format!("ratio should be a scalar, found {}", cx.input(2))));
        }
        cx.one(cx.float_input(0)?, cx.input(0).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (mask, kept) = (cx.input(1).values::<bool>(), 1.0 - cx.f64(2)[0]);
        let dx: Vec<f64> =
            cx.f64(0).iter().zip(mask).map(|(dy, &mask)| if mask { dy / kept } else { 0.0 }).collect();
        cx.one(cx.input(0).shape(), &dx)
    }

    fn cases(&self) -> Vec<Case> {
        let dy = |name| Case::new(name).input(&[2], &[3.0, 4.0]).no_gradient();
        vec![
            dy("mask")
                .tensor(Tensor::new([2], vec![false, true]))
                .input(&[], &[0.5])
                .gives(&[2], &[0.0, 8.0]),
            dy("shape").tensor(Tensor::new([1], vec![true])).input(&[], &[0.5]).refused("mask should be"),
        ]
    }
}
