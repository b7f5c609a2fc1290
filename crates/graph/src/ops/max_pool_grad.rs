//! MaxPoolGrad.

use tensor::Tensor;

use crate::ops::max_pool::{BACKWARD, check_gradient, first_maximum, pooling_window};
use crate::ops::window;
use crate::*;

/// Gradient of the maximum over a sliding window.
pub struct MaxPoolGrad;

static SCHEMA: Schema = Schema {
    name: "MaxPoolGrad",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "`dx` is 0 but for the first maximum of each window, in row-major order, to which the window's `dy` is added. \
          `y` is the output of `MaxPool`; a kernel may find the maxima with it.",
    inputs: &[
        Formal::required("dy", "gradient of `y`, [batch, channel, spatial ..], float"),
        Formal::required("x", "[batch, channel, spatial ..]"),
        Formal::required("y", "as `dy`"),
    ],
    outputs: &[Formal::required("dx", "as `x`")],
    attributes: &[
        AttributeDoc { name: "kernel_shape", default: Default::Absent, doc: "window lengths; must be given" },
        AttributeDoc { name: "strides", default: Default::Absent, doc: "as of the `MaxPool`" },
        AttributeDoc {
            name: "pads",
            default: Default::Absent,
            doc: "as of the `MaxPool`, `auto_pad` resolved",
        },
        AttributeDoc { name: "dilations", default: Default::Absent, doc: "as of the `MaxPool`" },
        AttributeDoc { name: "ceil_mode", default: Default::Int(0), doc: "1 rounds the output lengths up" },
    ],
};

impl Operator for MaxPoolGrad {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.float_input(0)?;
        cx.same_dtype(0, 1)?;
        let dtype = cx.same_dtype(0, 2)?;
        let (dy, x, y) = (&cx.input(0).shape, &cx.input(1).shape, &cx.input(2).shape);
        let window = pooling_window(&|name| cx.attribute(name), BACKWARD, &window::spatial(x)?)?;
        check_gradient(dy, &window)?;
        if dy != y || dy.0[..2] != x.0[..2] {
            return Err(OpError::new(format!("dy {dy} and y {y} should be of one shape that fits x {x}")));
        }
        cx.one(dtype, x.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let shape = cx.input(1).shape();
        let window = pooling_window(&|name| cx.attribute(name), BACKWARD, &shape[2..])?;
        let (dy, x) = (cx.f64(0), cx.f64(1));
        let (inputs, outputs) = (window.input_count(), window.output_count());
        let mut dx = vec![0.0; x.len()];
        for output in 0..outputs {
            let taps = window.taps(output);
            for plane in 0..x.len() / inputs {
                let values = &x[plane * inputs..][..inputs];
                dx[plane * inputs + first_maximum(values, &taps)] += dy[plane * outputs + output];
            }
        }
        cx.one(shape, &dx)
    }

    fn cases(&self) -> Vec<Case> {
        let pair = |name| Case::new(name).input(&[1, 1, 2], &[10.0, 20.0]);
        vec![
            pair("overlapping")
                .input(&[1, 1, 3], &[1.0, 5.0, 2.0])
                .input(&[1, 1, 2], &[5.0, 5.0])
                .attribute("kernel_shape", [2])
                .gives(&[1, 1, 3], &[0.0, 30.0, 0.0])
                .no_gradient(),
            pair("tie_goes_to_the_first")
                .input(&[1, 1, 4], &[7.0, 7.0, 0.0, 0.0])
                .input(&[1, 1, 2], &[7.0, 0.0])
                .attribute("kernel_shape", [2])
                .attribute("strides", [2])
                .gives(&[1, 1, 4], &[10.0, 0.0, 20.0, 0.0])
                .no_gradient(),
            pair("other_length")
                .smooth(&[1, 1, 4], 0)
                .smooth(&[1, 1, 2], 0)
                .attribute("kernel_shape", [2])
                .refused("spatial lengths [3]"),
        ]
    }
}
