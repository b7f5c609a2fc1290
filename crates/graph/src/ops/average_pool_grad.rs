//! AveragePoolGrad.

use tensor::{Shape, Tensor};

use crate::ops::average_pool::divisor;
use crate::ops::max_pool::{BACKWARD, check_gradient, pooling_window};
use crate::ops::window::{self, Window};
use crate::*;

/// Gradient of the mean over a sliding window.
pub struct AveragePoolGrad;

static SCHEMA: Schema = Schema {
    name: "AveragePoolGrad",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "Each element of `dx` is the sum, over the windows that hold it, of `dy` divided by what `AveragePool` divides by.",
    inputs: &[Formal::required("dy", "gradient of the output, [batch, channel, spatial ..], float")],
    outputs: &[Formal::required("dx", "[batch, channel, input_shape ..]")],
    attributes: &[
        AttributeDoc {
            name: "input_shape",
            default: Default::Ints(&[]),
            doc: "spatial lengths of the input",
        },
        AttributeDoc { name: "kernel_shape", default: Default::Absent, doc: "window lengths; must be given" },
        AttributeDoc { name: "strides", default: Default::Absent, doc: "as of the `AveragePool`" },
        AttributeDoc {
            name: "pads",
            default: Default::Absent,
            doc: "as of the `AveragePool`, `auto_pad` resolved",
        },
        AttributeDoc { name: "dilations", default: Default::Absent, doc: "as of the `AveragePool`" },
        AttributeDoc { name: "ceil_mode", default: Default::Int(0), doc: "1 rounds the output lengths up" },
        AttributeDoc {
            name: "count_include_pad",
            default: Default::Int(0),
            doc: "1 counts padding as zeros",
        },
    ],
};

fn pooled_window(get: &dyn Fn(&str) -> Option<Attribute>, dy: &Shape) -> Result<Window, OpError> {
    let lengths = window::lengths_attribute(get, "input_shape")?.unwrap_or_default();
    let window = pooling_window(get, BACKWARD, &lengths)?;
    check_gradient(dy, &window)?;
    Ok(window)
}

impl Operator for AveragePoolGrad {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let dtype = cx.float_input(0)?;
        let dy = &cx.input(0).shape;
        let window = pooled_window(&|name| cx.attribute(name), dy)?;
        let lengths: Vec<usize> = window.axes.iter().map(|axis| axis.input).collect();
        cx.one(dtype, window::output_shape(dy.0[0].clone(), dy.0[1].clone(), &lengths))
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let shape = cx.input(0).shape();
        let window = pooled_window(&|name| cx.attribute(name), &Shape::known(shape))?;
        let include = cx.int("count_include_pad");
        let (inputs, outputs) = (window.input_count(), window.output_count());
        let dy = cx.f64(0);
        let planes = dy.len() / outputs;
        let mut dx = vec![0.0; planes * inputs];
        for output in 0..outputs {
            let taps = window.taps(output);
            let divisor = divisor(&window, output, &taps, include);
            for plane in 0..planes {
                let share = dy[plane * outputs + output] / divisor;
                taps.iter().for_each(|tap| dx[plane * inputs + tap.input] += share);
            }
        }
        let lengths: Vec<usize> = window.axes.iter().map(|axis| axis.input).collect();
        cx.one(&[&shape[..2], &lengths].concat(), &dx)
    }

    fn cases(&self) -> Vec<Case> {
        let pair = |name| Case::new(name).input(&[1, 1, 2], &[10.0, 20.0]).attribute("kernel_shape", [2]);
        vec![
            pair("overlapping")
                .attribute("input_shape", [3])
                .gives(&[1, 1, 3], &[5.0, 15.0, 10.0])
                .no_gradient(),
            pair("padded")
                .attribute("input_shape", [3])
                .attribute("pads", [1, 0])
                .attribute("strides", [2])
                .gives(&[1, 1, 3], &[10.0, 10.0, 10.0])
                .no_gradient(),
            pair("other_length").attribute("input_shape", [9]).refused("spatial lengths [8]"),
        ]
    }
}
