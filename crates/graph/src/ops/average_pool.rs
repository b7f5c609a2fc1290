//! AveragePool.

use tensor::Tensor;

use crate::ops::max_pool::{FORWARD, gradient_attributes, infer_pooling, pooled, pooling_window};
use crate::ops::window::{self, Tap, Window};
use crate::*;

/// Mean over a sliding window.
pub struct AveragePool;

static SCHEMA: Schema = Schema {
    name: "AveragePool",
    domain: DOMAIN_ONNX,
    since_version: 19,
    doc: "`y[n, c, o]` is the sum over `t` of `x[n, c, o*stride + t*dilation - pad]`, divided by the number of taps on \
          the input, or on the input and its padding with `count_include_pad`. Any number of spatial axes; output \
          lengths as of `MaxPool`.\n\nGradient `AveragePoolGrad`.",
    inputs: &[Formal::required("x", "[batch, channel, spatial ..], float")],
    outputs: &[Formal::required("y", "[batch, channel, spatial ..]")],
    attributes: &[
        AttributeDoc { name: "kernel_shape", default: Default::Absent, doc: "window lengths; must be given" },
        AttributeDoc { name: "strides", default: Default::Absent, doc: "steps of the window; 1 each" },
        AttributeDoc {
            name: "pads",
            default: Default::Absent,
            doc: "padding: all beginnings, then all ends; 0 each",
        },
        AttributeDoc { name: "dilations", default: Default::Absent, doc: "steps between taps; 1 each" },
        AttributeDoc { name: "ceil_mode", default: Default::Int(0), doc: "1 rounds the output lengths up" },
        AttributeDoc {
            name: "count_include_pad",
            default: Default::Int(0),
            doc: "1 counts padding as zeros",
        },
        AttributeDoc { name: "auto_pad", default: Default::Text("NOTSET"), doc: "as of `Conv`" },
    ],
};

/// What the sum at output position `output` is divided by.
pub(crate) fn divisor(window: &Window, output: usize, taps: &[Tap], count_include_pad: i64) -> f64 {
    let count = if count_include_pad == 0 { taps.len() } else { window.padded_tap_count(output) };
    count as f64
}

impl Operator for AveragePool {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        infer_pooling(cx)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let shape = cx.input(0).shape();
        let window = pooling_window(&|name| cx.attribute(name), FORWARD, &shape[2..])?;
        let include = cx.int("count_include_pad");
        let y = pooled(&cx.f64(0), &window, |plane, output, taps| {
            taps.iter().map(|tap| plane[tap.input]).sum::<f64>() / divisor(&window, output, taps, include)
        });
        cx.one(&[&shape[..2], &window.outputs()].concat(), &y)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let lengths = window::spatial(&cx.shape(cx.input(0)))?;
        let window = pooling_window(&|name| cx.attribute(name), FORWARD, &lengths)?;
        let mut attributes = gradient_attributes(&window);
        attributes.insert("count_include_pad".to_owned(), cx.int("count_include_pad").into());
        attributes.insert("input_shape".to_owned(), window.input_shape());
        let dx = cx.op_with("AveragePoolGrad", &[cx.dy()], attributes);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let row = |name| {
            Case::new(name).input(&[1, 1, 5], &[3.0, 1.0, 2.0, 5.0, 4.0]).attribute("kernel_shape", [2])
        };
        let image = |name| Case::new(name).smooth(&[2, 3, 5, 6], 0).attribute("kernel_shape", [2, 3]);
        vec![
            row("pairs").attribute("strides", [2]).gives(&[1, 1, 2], &[2.0, 3.5]),
            row("rounded_up")
                .attribute("strides", [2])
                .attribute("ceil_mode", 1)
                .gives(&[1, 1, 3], &[2.0, 3.5, 4.0]),
            row("without_padding")
                .attribute("pads", [1, 0])
                .attribute("strides", [2])
                .gives(&[1, 1, 3], &[3.0, 1.5, 4.5]),
            row("with_padding")
                .attribute("pads", [1, 0])
                .attribute("strides", [2])
                .attribute("count_include_pad", 1)
                .gives(&[1, 1, 3], &[1.5, 1.5, 4.5]),
            row("padding_rounded_up")
                .attribute("kernel_shape", [4])
                .attribute("pads", [1, 1])
                .attribute("strides", [2])
                .attribute("ceil_mode", 1)
                .attribute("count_include_pad", 1)
                .gives(&[1, 1, 3], &[1.5, 3.0, 3.0]),
            image("overlapping"),
            image("strided")
                .attribute("strides", [2, 2])
                .attribute("pads", [1, 0, 0, 2])
                .attribute("count_include_pad", 1),
            image("dilated").attribute("dilations", [3, 2]).attribute("pads", [0, 1, 1, 0]),
            image("same").attribute("auto_pad", "SAME_LOWER"),
            row("too_long").attribute("kernel_shape", [6]).refused("does not fit"),
            row("other_rank").attribute("kernel_shape", [2, 2]).refused("1 spatial axes"),
        ]
    }
}
