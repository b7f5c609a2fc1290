//! ConvGradInput.

use tensor::{Shape, Tensor};

use crate::ops::conv::{ConvShape, known};
use crate::ops::window::{self, Window, WindowSettings};
use crate::*;

/// Gradient of a convolution with respect to its input.
pub struct ConvGradInput;

static SCHEMA: Schema = Schema {
    name: "ConvGradInput",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "The gradient of `Conv` with respect to `x`: each product `w * x` that `Conv` adds to `y` adds `dy * w` to `dx`.",
    inputs: &[
        Formal::required("dy", "gradient of the output, [batch, M, spatial ..], float"),
        Formal::required("w", "[M, C/group, kernel ..]"),
    ],
    outputs: &[Formal::required("dx", "[batch, C, input_shape ..]")],
    attributes: &[
        AttributeDoc {
            name: "input_shape",
            default: Default::Ints(&[]),
            doc: "spatial lengths of the input",
        },
        AttributeDoc { name: "strides", default: Default::Absent, doc: "as of the `Conv`" },
        AttributeDoc { name: "pads", default: Default::Absent, doc: "as of the `Conv`, `auto_pad` resolved" },
        AttributeDoc { name: "dilations", default: Default::Absent, doc: "as of the `Conv`" },
        AttributeDoc { name: "group", default: Default::Int(1), doc: "as of the `Conv`" },
    ],
};

fn conv_shape(
    get: &dyn Fn(&str) -> Option<Attribute>,
    group: i64,
    dy: &Shape,
    w: &Shape,
) -> Result<ConvShape, OpError> {
    let outputs = window::spatial(dy)?;
    let weights = known(w, dy.rank())?;
    let lengths = window::lengths_attribute(get, "input_shape")?.unwrap_or_default();
    let settings = WindowSettings::read(get, &["strides", "dilations", "pads"])?;
    let window = Window::new(&settings, &weights[2..], &lengths)?;
    if window.outputs() != outputs || dy.0[1] != weights[0].into() {
        return Err(OpError::new(format!("dy {dy} is no output of this convolution with weights {w}")));
    }
    let channels = usize::try_from(group).ok().and_then(|group| weights[1].checked_mul(group));
    let channels =
        channels.ok_or_else(|| OpError::new(format!("group should be 1 or more, found {group}")))?;
    ConvShape::new(window, group, channels, &weights)
}

impl Operator for ConvGradInput {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.float_input(0)?;
        let dtype = cx.same_dtype(0, 1)?;
        let dy = &cx.input(0).shape;
        let shape = conv_shape(&|name| cx.attribute(name), cx.int("group"), dy, &cx.input(1).shape)?;
        let lengths: Vec<usize> = shape.window.axes.iter().map(|axis| axis.input).collect();
        cx.one(dtype, window::output_shape(dy.0[0].clone(), shape.channels.into(), &lengths))
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (dy_shape, w_shape) = (cx.input(0).shape(), cx.input(1).shape());
        let get = |name: &str| cx.attribute(name);
        let shape = conv_shape(&get, cx.int("group"), &Shape::known(dy_shape), &Shape::known(w_shape))?;
        let (dy, w) = (cx.f64(0), cx.f64(1));
        let mut lengths = vec![dy_shape[0], shape.channels];
        lengths.extend(shape.window.axes.iter().map(|axis| axis.input));
        let mut dx = vec![0.0; lengths.iter().product()];
        shape.each_product(dy_shape[0], |at_y, at_x, at_w| dx[at_x] += dy[at_y] * w[at_w]);
        cx.one(&lengths, &dx)
    }

    fn cases(&self) -> Vec<Case> {
        let row = |name| Case::new(name).input(&[1, 1, 3], &[1.0, 2.0, 3.0]).input(&[1, 1, 2], &[-1.0, 10.0]);
        vec![
            row("row")
                .attribute("input_shape", [4])
                .gives(&[1, 1, 4], &[-1.0, 8.0, 17.0, 30.0])
                .no_gradient(),
            row("padded")
                .attribute("input_shape", [3])
                .attribute("pads", [1, 0])
                .gives(&[1, 1, 3], &[8.0, 17.0, 30.0])
                .no_gradient(),
            Case::new("grouped")
                .smooth(&[2, 6, 3, 2], 0)
                .smooth(&[6, 2, 3, 3], 1)
                .attribute("input_shape", [6, 4])
                .attribute("strides", [2, 2])
                .attribute("pads", [0, 0, 1, 1])
                .attribute("group", 3)
                .no_gradient(),
            row("other_length").attribute("input_shape", [9]).refused("is no output"),
            row("no_length").refused("should have 0 spatial axes"),
        ]
    }
}
