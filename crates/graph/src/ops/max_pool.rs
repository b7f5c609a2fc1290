//! MaxPool.

use tensor::{Shape, Tensor};

use crate::ops::window::{self, Tap, Window, WindowSettings};
use crate::*;

/// Maximum over a sliding window.
pub struct MaxPool;

static SCHEMA: Schema = Schema {
    name: "MaxPool",
    domain: DOMAIN_ONNX,
    since_version: 12,
    doc: "`y[n, c, o] = max over t of x[n, c, o*stride + t*dilation - pad]`; padding takes no part. Any number of spatial \
          axes.\n\nOutput length as of `Conv`, rounded up with `ceil_mode`, in which case a window that would start \
          beyond the input is left out. The second output of ONNX, `Indices`, is not available.\n\nGradient \
          `MaxPoolGrad`: `dy` goes to the first maximum of each window in row-major order.",
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
        AttributeDoc { name: "auto_pad", default: Default::Text("NOTSET"), doc: "as of `Conv`" },
        AttributeDoc {
            name: "storage_order",
            default: Default::Int(0),
            doc: "concerns only `Indices`: no effect",
        },
    ],
};

/// The attributes of a pooling operator that fix its window.
pub(crate) const FORWARD: &[&str] = &["strides", "dilations", "pads", "auto_pad", "ceil_mode"];
/// Those of its gradient operator.
pub(crate) const BACKWARD: &[&str] = &["strides", "dilations", "pads", "ceil_mode"];

/// The window of a pooling operator over an input of the spatial lengths `input`.
pub(crate) fn pooling_window(
    get: &dyn Fn(&str) -> Option<Attribute>,
    names: &[&str],
    input: &[usize],
) -> Result<Window, OpError> {
    let kernel = window::lengths_attribute(get, "kernel_shape")?;
    let kernel = kernel.ok_or_else(|| OpError::new("attribute kernel_shape is missing"))?;
    Window::new(&WindowSettings::read(get, names)?, &kernel, input)?.for_pooling()
}

/// The output's type of a pooling operator with `window` over input 0.
pub(crate) fn infer_pooling(cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
    let dtype = cx.float_input(0)?;
    let x = &cx.input(0).shape;
    let window = pooling_window(&|name| cx.attribute(name), FORWARD, &window::spatial(x)?)?;
    cx.one(dtype, window::output_shape(x.0[0].clone(), x.0[1].clone(), &window.outputs()))
}

/// The attributes of a pooling operator's gradient operator.
pub(crate) fn gradient_attributes(window: &Window) -> Attributes {
    let mut attributes = window.attributes();
    attributes.insert("kernel_shape".to_owned(), window.kernel_shape());
    attributes.insert("ceil_mode".to_owned(), i64::from(window.ceil).into());
    attributes
}

/// Each window's result in each plane of `x`, in row-major order, by `of` the plane, the position and its taps.
pub(crate) fn pooled(
    x: &[f64],
    window: &Window,
    mut of: impl FnMut(&[f64], usize, &[Tap]) -> f64,
) -> Vec<f64> {
    let (inputs, outputs) = (window.input_count(), window.output_count());
    let planes = x.len() / inputs;
    let mut y = vec![0.0; planes * outputs];
    for output in 0..outputs {
        let taps = window.taps(output);
        for plane in 0..planes {
            y[plane * outputs + output] = of(&x[plane * inputs..][..inputs], output, &taps);
        }
    }
    y
}

/// The input at which the plane is largest, the first of equals; a NaN counts as larger than any number.
pub(crate) fn first_maximum(plane: &[f64], taps: &[Tap]) -> usize {
    let larger = |value: f64, than: f64| value > than || (value.is_nan() && !than.is_nan());
    let first = taps[0].input; // pooling windows always hold a tap, see `Window::for_pooling`
    taps.iter().fold(first, |best, tap| if larger(plane[tap.input], plane[best]) { tap.input } else { best })
}

impl Operator for MaxPool {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        infer_pooling(cx)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let shape = cx.input(0).shape();
        let window = pooling_window(&|name| cx.attribute(name), FORWARD, &shape[2..])?;
        let y = pooled(&cx.f64(0), &window, |plane, _, taps| plane[first_maximum(plane, taps)]);
        cx.one(&[&shape[..2], &window.outputs()].concat(), &y)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let lengths = window::spatial(&cx.shape(cx.input(0)))?;
        let window = pooling_window(&|name| cx.attribute(name), FORWARD, &lengths)?;
        let inputs = [cx.dy(), cx.input(0), cx.output(0)];
        let dx = cx.op_with("MaxPoolGrad", &inputs, gradient_attributes(&window));
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let row = |name| Case::new(name).input(&[1, 1, 5], &[3.0, 1.0, 2.0, 5.0, 4.0]);
        let image = |name| Case::new(name).smooth(&[2, 3, 5, 6], 0).attribute("kernel_shape", [2, 3]);
        vec![
            row("pairs")
                .attribute("kernel_shape", [2])
                .attribute("strides", [2])
                .gives(&[1, 1, 2], &[3.0, 5.0]),
            row("rounded_up")
                .attribute("kernel_shape", [2])
                .attribute("strides", [2])
                .attribute("ceil_mode", 1)
                .gives(&[1, 1, 3], &[3.0, 5.0, 4.0]),
            row("dilated")
                .attribute("kernel_shape", [2])
                .attribute("dilations", [2])
                .gives(&[1, 1, 3], &[3.0, 5.0, 4.0]),
            Case::new("negative_beside_padding")
                .input(&[1, 1, 2], &[-3.0, -2.0])
                .attribute("kernel_shape", [2])
                .attribute("pads", [1, 1])
                .gives(&[1, 1, 3], &[-3.0, -2.0, -2.0]),
            image("overlapping"),
            image("strided").attribute("strides", [2, 2]).attribute("pads", [1, 0, 0, 2]),
            image("same").attribute("auto_pad", "SAME_UPPER"),
            Case::new("volume").smooth(&[1, 2, 3, 3, 4], 0).attribute("kernel_shape", [2, 2, 2]),
            row("no_kernel").refused("kernel_shape is missing"),
            row("too_long").attribute("kernel_shape", [6]).refused("does not fit"),
            row("all_padding")
                .attribute("kernel_shape", [2])
                .attribute("pads", [2, 0])
                .refused("smaller than the kernel"),
            row("indices").attribute("kernel_shape", [2]).outputs(2).refused("has 1 outputs"),
            Case::new("flat").smooth(&[2, 3], 0).attribute("kernel_shape", [2]).refused("rank 3 or more"),
        ]
    }
}

/// Refuses a `dy` that is no output of `window` over `x`.
pub(crate) fn check_gradient(dy: &Shape, window: &Window) -> Result<(), OpError> {
    let lengths = window::spatial(dy)?;
    if lengths == window.outputs() {
        return Ok(());
    }
    Err(OpError::new(format!("dy {dy} should have the spatial lengths {:?}", window.outputs())))
}
