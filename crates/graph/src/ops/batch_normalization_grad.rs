//! BatchNormalizationGrad.

use tensor::{Shape, Tensor};

use crate::ops::batch_normalization::{channel_elements, check, moments};
use crate::*;

/// Gradient of batch normalisation in training.
pub struct BatchNormalizationGrad;

static SCHEMA: Schema = Schema {
    name: "BatchNormalizationGrad",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "With the batch's `mean` and `var` of each channel and `z = (x - mean) / sqrt(var + epsilon)`: `dbias = sum dy`, \
          `dscale = sum dy * z`, `dx = scale / sqrt(var + epsilon) * (dy - dbias / count - z * dscale / count)`, where \
          sums and `count` run over all axes but the channels.",
    inputs: &[
        Formal::required("dy", "gradient of the output, [batch, channel, ..], float"),
        Formal::required("x", "as `dy`"),
        Formal::required("scale", "[channel]"),
    ],
    outputs: &[
        Formal::required("dx", "as `x`"),
        Formal::required("dscale", "[channel]"),
        Formal::required("dbias", "[channel]"),
    ],
    attributes: &[AttributeDoc {
        name: "epsilon",
        default: Default::Float(1e-5),
        doc: "added to the variance; positive",
    }],
};

impl Operator for BatchNormalizationGrad {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let count = check(cx, 1, &[2])?;
        cx.same_dtype(0, 1)?;
        let (dy, x) = (cx.input(0), cx.input(1));
        if dy.shape != x.shape {
            return Err(OpError::new(format!("dy {} should have the shape of x {}", dy.shape, x.shape)));
        }
        let parameter = ValueType::new(x.dtype, Shape::known(&[count]));
        Ok(vec![x.clone(), parameter.clone(), parameter])
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (dy, x, scale) = (cx.f64(0), cx.f64(1), cx.f64(2));
        let epsilon = cx.float("epsilon") as f64;
        let (mut dx, mut dscale, mut dbias) = (vec![0.0; x.len()], Vec::new(), Vec::new());
        for (channel, at) in channel_elements(cx.input(1).shape()).iter().enumerate() {
            let (mean, variance) = moments(&x, at);
            let deviation = (variance + epsilon).sqrt();
            let normal = |index: usize| (x[index] - mean) / deviation;
            let total: f64 = at.iter().map(|&index| dy[index]).sum();
            let moment: f64 = at.iter().map(|&index| dy[index] * normal(index)).sum();
            let count = at.len() as f64;
            for &index in at {
                let centred = dy[index] - total / count - normal(index) * moment / count;
                dx[index] = scale[channel] / deviation * centred;
            }
            dscale.push(moment);
            dbias.push(total);
        }
        let parameter = |values: &[f64]| Tensor::from_f64(cx.input(0).dtype(), [values.len()], values);
        let mut outputs = cx.one(cx.input(1).shape(), &dx)?;
        outputs.extend([parameter(&dscale), parameter(&dbias)]);
        outputs.truncate(cx.output_count());
        Ok(outputs)
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("pair_is_always_normal")
                .input(&[2, 1], &[3.0, 5.0])
                .input(&[2, 1], &[1.0, 3.0])
                .input(&[1], &[2.0])
                .attribute("epsilon", 0.0)
                .gives(&[2, 1], &[0.0, 0.0])
                .gives(&[1], &[2.0])
                .gives(&[1], &[8.0])
                .no_gradient(),
            Case::new("image")
                .smooth(&[4, 3, 2, 2], 0)
                .smooth(&[4, 3, 2, 2], 1)
                .smooth(&[3], 2)
                .outputs(3)
                .no_gradient(),
            Case::new("other_shape")
                .smooth(&[4, 3, 2], 0)
                .smooth(&[4, 3, 1], 1)
                .smooth(&[3], 2)
                .outputs(3)
                .refused("should have the shape of x"),
        ]
    }
}
