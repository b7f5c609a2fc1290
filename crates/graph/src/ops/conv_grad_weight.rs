//! ConvGradWeight.

use tensor::{Dim, Shape, Tensor};

use crate::ops::conv::{ConvShape, channels};
use crate::ops::window::{self, Window, WindowSettings};
use crate::*;

/// Gradient of a convolution with respect to its weights.
pub struct ConvGradWeight;

static SCHEMA: Schema = Schema {
    name: "ConvGradWeight",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "The gradient of `Conv` with respect to `w`: each product `w * x` that `Conv` adds to `y` adds `dy * x` to `dw`.",
    inputs: &[
        Formal::required("dy", "gradient of the output, [batch, M, spatial ..], float"),
        Formal::required("x", "[batch, C, spatial ..]"),
    ],
    outputs: &[Formal::required("dw", "[M, C/group, kernel_shape ..]")],
    attributes: &[
        AttributeDoc { name: "kernel_shape", default: Default::Ints(&[]), doc: "kernel lengths" },
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
    x: &Shape,
) -> Result<ConvShape, OpError> {
    let (outputs, lengths) = (window::spatial(dy)?, window::spatial(x)?);
    let (maps, channels) = (channels(dy)?, channels(x)?);
    let kernel = window::lengths_attribute(get, "kernel_shape")?.unwrap_or_default();
    let settings = WindowSettings::read(get, &["strides", "dilations", "pads"])?;
    let window = Window::new(&settings, &kernel, &lengths)?;
    if window.outputs() != outputs || dy.0[0] != x.0[0] {
        return Err(OpError::new(format!("dy {dy} is no output of this convolution of {x}")));
    }
    let depth = usize::try_from(group).ok().and_then(|group| channels.checked_div(group)).unwrap_or(0);
    let mut weights = vec![maps, depth];
    weights.extend(&kernel);
    ConvShape::new(window, group, channels, &weights)
}

impl Operator for ConvGradWeight {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.float_input(0)?;
        let dtype = cx.same_dtype(0, 1)?;
        let (dy, x) = (&cx.input(0).shape, &cx.input(1).shape);
        let shape = conv_shape(&|name| cx.attribute(name), cx.int("group"), dy, x)?;
        let kernel: Vec<usize> = shape.window.axes.iter().map(|axis| axis.kernel).collect();
        let depth = Dim::Known(shape.channels / shape.group);
        cx.one(dtype, window::output_shape(shape.maps.into(), depth, &kernel))
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (dy_shape, x_shape) = (cx.input(0).shape(), cx.input(1).shape());
        let get = |name: &str| cx.attribute(name);
        let shape = conv_shape(&get, cx.int("group"), &Shape::known(dy_shape), &Shape::known(x_shape))?;
        let (dy, x) = (cx.f64(0), cx.f64(1));
        let mut lengths = vec![shape.maps, shape.channels / shape.group];
        lengths.extend(shape.window.axes.iter().map(|axis| axis.kernel));
        let mut dw = vec![0.0; lengths.iter().product()];
        shape.each_product(x_shape[0], |at_y, at_x, at_w| dw[at_w] += dy[at_y] * x[at_x]);
        cx.one(&lengths, &dw)
    }

    fn cases(&self) -> Vec<Case> {
        let row = |name| {
            Case::new(name).input(&[1, 1, 3], &[1.0, 10.0, 100.0]).input(&[1, 1, 4], &[1.0, 2.0, 3.0, 5.0])
        };
        vec![
            row("row").attribute("kernel_shape", [2]).gives(&[1, 1, 2], &[321.0, 532.0]).no_gradient(),
            Case::new("grouped")
                .smooth(&[2, 6, 3, 2], 0)
                .smooth(&[2, 4, 6, 4], 1)
                .attribute("kernel_shape", [3, 3])
                .attribute("strides", [2, 2])
                .attribute("pads", [0, 0, 1, 1])
                .attribute("group", 2)
                .no_gradient(),
            row("other_kernel").attribute("kernel_shape", [3]).refused("is no output"),
            row("groups").attribute("kernel_shape", [2]).attribute("group", 0).refused("group should be"),
        ]
    }
}
