//! Conv.

use tensor::{Dim, Shape, Tensor};

use crate::ops::window::{self, Window, WindowSettings};
use crate::*;

/// Convolution (cross-correlation).
pub struct Conv;

static SCHEMA: Schema = Schema {
    name: "Conv",
    domain: DOMAIN_ONNX,
    since_version: 11,
    doc: "`y[n, m, o] = b[m] + sum over c, t of w[m, c, t] * x[n, g*C/group + c, o*stride + t*dilation - pad]`, where \
          `g` is the group of `m` and values outside `x` are 0. Any number of spatial axes.\n\nOutput length \
          `floor((length + pads - (kernel - 1)*dilation - 1) / stride) + 1`, at least 1.\n\nGradient: \
          `ConvGradInput`, `ConvGradWeight`; `db` is `dy` summed over batch and space.\n\nSource: LeCun et al. 1998.",
    inputs: &[
        Formal::required("x", "[batch, C, spatial ..], float"),
        Formal::required("w", "[M, C/group, kernel ..]"),
        Formal::optional("b", "[M]"),
    ],
    outputs: &[Formal::required("y", "[batch, M, spatial ..]")],
    attributes: &[
        AttributeDoc { name: "kernel_shape", default: Default::Absent, doc: "kernel lengths; those of `w`" },
        AttributeDoc { name: "strides", default: Default::Absent, doc: "steps of the window; 1 each" },
        AttributeDoc {
            name: "pads",
            default: Default::Absent,
            doc: "zeros around `x`: all beginnings, then all ends; 0 each",
        },
        AttributeDoc { name: "dilations", default: Default::Absent, doc: "steps between taps; 1 each" },
        AttributeDoc { name: "group", default: Default::Int(1), doc: "groups of channels that do not mix" },
        AttributeDoc {
            name: "auto_pad",
            default: Default::Text("NOTSET"),
            doc: "`NOTSET` takes `pads`; `VALID` none; `SAME_UPPER`, `SAME_LOWER`: output `ceil(length / stride)`, the odd \
                  zero at the end or the beginning",
        },
    ],
};

/// The lengths that a convolution and its two gradients share.
pub(crate) struct ConvShape {
    pub(crate) window: Window,
    pub(crate) group: usize,
    /// Channels of `x`.
    pub(crate) channels: usize,
    /// Channels of `y`.
    pub(crate) maps: usize,
}

impl ConvShape {
    /// Checks the channels of `x: [batch, channels, ..]` and `w: [maps, channels/group, ..]` against `group`.
    pub(crate) fn new(window: Window, group: i64, channels: usize, w: &[usize]) -> Result<Self, OpError> {
        let (maps, depth) = (w[0], w[1]);
        let group = usize::try_from(group).ok().filter(|&group| group > 0 && group <= window::LENGTH_MAX);
        let group = group.ok_or_else(|| OpError::new("group should be 1 or more"))?;
        if depth.checked_mul(group) != Some(channels) {
            return Err(OpError::new(format!(
                "weights for {depth} channels in each of {group} groups do not fit {channels} channels"
            )));
        }
        if !maps.is_multiple_of(group) {
            return Err(OpError::new(format!("{maps} output channels do not divide into {group} groups")));
        }
        Ok(ConvShape { window, group, channels, maps })
    }

    /// Calls `visit` for each product of a batch of `batch`: offsets in `y`, `x` and `w`. All of one element of
    /// `y` follow one another.
    pub(crate) fn each_product(&self, batch: usize, mut visit: impl FnMut(usize, usize, usize)) {
        let (inputs, outputs) = (self.window.input_count(), self.window.output_count());
        let taps_count = self.window.kernel_count();
        let depth = self.channels / self.group;
        for output in 0..outputs {
            let taps = self.window.taps(output);
            for map in (0..batch * self.maps).map(|plane| (plane / self.maps, plane % self.maps)) {
                let (sample, map) = map;
                let first = map / (self.maps / self.group) * depth;
                for channel in 0..depth {
                    let x = (sample * self.channels + first + channel) * inputs;
                    let w = (map * depth + channel) * taps_count;
                    for tap in &taps {
                        visit((sample * self.maps + map) * outputs + output, x + tap.input, w + tap.kernel);
                    }
                }
            }
        }
    }
}

fn conv_shape(
    get: &dyn Fn(&str) -> Option<Attribute>,
    group: i64,
    x: &Shape,
    w: &Shape,
) -> Result<ConvShape, OpError> {
    let lengths = window::spatial(x)?;
    let weights = known(w, x.rank())?;
    if let Some(stated) = window::lengths_attribute(get, "kernel_shape")?
        && stated != weights[2..]
    {
        return Err(OpError::new(format!("kernel_shape {stated:?} does not fit weights {w}")));
    }
    let settings = WindowSettings::read(get, &["strides", "dilations", "pads", "auto_pad"])?;
    let window = Window::new(&settings, &weights[2..], &lengths)?;
    let channels = channels(x)?;
    ConvShape::new(window, group, channels, &weights)
}

/// The lengths of weights, of `rank` dimensions, all known.
pub(crate) fn known(w: &Shape, rank: usize) -> Result<Vec<usize>, OpError> {
    match w.lengths() {
        Some(lengths) if lengths.len() == rank => Ok(lengths),
        _ => Err(OpError::new(format!("the weights should have {rank} known lengths, found {w}"))),
    }
}

/// The known channel count of `[batch, channel, ..]`.
pub(crate) fn channels(x: &Shape) -> Result<usize, OpError> {
    let channels = x.0.get(1).and_then(Dim::known);
    channels.ok_or_else(|| OpError::new(format!("the number of channels should be known, found {x}")))
}

impl Operator for Conv {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.float_input(0)?;
        let dtype = cx.same_dtype(0, 1)?;
        let x = &cx.input(0).shape;
        let shape = conv_shape(&|name| cx.attribute(name), cx.int("group"), x, &cx.input(1).shape)?;
        if let Some(bias) = cx.optional(2) {
            cx.same_dtype(0, 2)?;
            if bias.shape != Shape::known(&[shape.maps]) {
                return Err(OpError::new(format!(
                    "the bias should be [{}], found {}",
                    shape.maps, bias.shape
                )));
            }
        }
        let (batch, outputs) = (x.0[0].clone(), shape.window.outputs());
        cx.one(dtype, window::output_shape(batch, shape.maps.into(), &outputs))
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (x_shape, w_shape) = (cx.input(0).shape(), cx.input(1).shape());
        let get = |name: &str| cx.attribute(name);
        let shape = conv_shape(&get, cx.int("group"), &Shape::known(x_shape), &Shape::known(w_shape))?;
        let (x, w) = (cx.f64(0), cx.f64(1));
        let bias = cx.optional(2).map_or_else(|| vec![0.0; shape.maps], Tensor::to_f64);
        let outputs = shape.window.output_count();
        let planes = (0..x_shape[0]).flat_map(|_| &bias);
        let mut y: Vec<f64> = planes.flat_map(|&bias| std::iter::repeat_n(bias, outputs)).collect();
        shape.each_product(x_shape[0], |at_y, at_x, at_w| y[at_y] += x[at_x] * w[at_w]);
        let mut lengths = vec![x_shape[0], shape.maps];
        lengths.extend(shape.window.outputs());
        cx.one(&lengths, &y)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let (x, w) = (cx.input(0), cx.input(1));
        let group = cx.int("group");
        let shape = conv_shape(&|name| cx.attribute(name), group, &cx.shape(x), &cx.shape(w))?;
        let mut attributes = shape.window.attributes();
        attributes.insert("group".to_owned(), group.into());
        if cx.needs(0) {
            let mut attributes = attributes.clone();
            attributes.insert("input_shape".to_owned(), shape.window.input_shape());
            let dx = cx.op_with("ConvGradInput", &[cx.dy(), w], attributes);
            cx.set(0, dx);
        }
        if cx.needs(1) {
            attributes.insert("kernel_shape".to_owned(), shape.window.kernel_shape());
            let dw = cx.op_with("ConvGradWeight", &[cx.dy(), x], attributes);
            cx.set(1, dw);
        }
        if cx.needs(2) {
            let db = channel_sum(cx, cx.dy());
            cx.set(2, db);
        }
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let row = |name| Case::new(name).input(&[1, 1, 4], &[1.0, 2.0, 3.0, 5.0]);
        let image = |name| Case::new(name).smooth(&[2, 4, 5, 6], 0);
        vec![
            row("difference").input(&[1, 1, 2], &[-1.0, 1.0]).gives(&[1, 1, 3], &[1.0, 1.0, 2.0]),
            row("bias")
                .input(&[1, 1, 2], &[-1.0, 1.0])
                .input(&[1], &[10.0])
                .gives(&[1, 1, 3], &[11.0, 11.0, 12.0]),
            row("padded")
                .attribute("pads", [1, 0])
                .input(&[1, 1, 2], &[-1.0, 1.0])
                .gives(&[1, 1, 4], &[1.0, 1.0, 1.0, 2.0]),
            row("dilated")
                .attribute("dilations", [3])
                .input(&[1, 1, 2], &[-1.0, 1.0])
                .gives(&[1, 1, 1], &[4.0]),
            row("same_upper")
                .attribute("auto_pad", "SAME_UPPER")
                .attribute("strides", [3])
                .input(&[1, 1, 2], &[1.0, 1.0])
                .gives(&[1, 1, 2], &[3.0, 5.0]),
            Case::new("square")
                .input(&[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0])
                .input(&[1, 1, 2, 2], &[1.0, 10.0, 100.0, 1000.0])
                .gives(&[1, 1, 1, 1], &[4321.0]),
            image("plain").smooth(&[3, 4, 3, 3], 1).smooth(&[3], 2),
            image("strided").smooth(&[3, 4, 3, 2], 1).attribute("strides", [2, 3]),
            image("asymmetric").smooth(&[3, 4, 3, 3], 1).attribute("pads", [0, 1, 2, 0]),
            image("same_lower").smooth(&[2, 4, 2, 3], 1).attribute("auto_pad", "SAME_LOWER"),
            image("spread").smooth(&[2, 4, 2, 2], 1).attribute("dilations", [3, 2]),
            image("grouped").smooth(&[6, 2, 3, 3], 1).smooth(&[6], 2).attribute("group", 2),
            image("depthwise")
                .smooth(&[8, 1, 3, 3], 1)
                .attribute("group", 4)
                .attribute("pads", [1, 1, 1, 1])
                .attribute("strides", [2, 2]),
            image("stated_kernel").smooth(&[2, 4, 1, 1], 1).attribute("kernel_shape", [1, 1]),
            Case::new("volume").smooth(&[1, 2, 3, 3, 4], 0).smooth(&[2, 2, 2, 2, 2], 1),
            row("too_long")
                .smooth(&[1, 1, 5], 0)
                .refused("kernel 5 with padding 0 does not fit an input of length 4"),
            image("channels").smooth(&[3, 3, 3, 3], 1).refused("do not fit 4 channels"),
            image("groups").smooth(&[3, 2, 3, 3], 1).attribute("group", 2).refused("do not divide"),
            image("no_group").smooth(&[3, 4, 3, 3], 1).attribute("group", 0).refused("group should be"),
            image("rank").smooth(&[3, 4, 3], 1).refused("4 known lengths"),
            image("other_kernel")
                .smooth(&[3, 4, 3, 3], 1)
                .attribute("kernel_shape", [3, 2])
                .refused("does not fit weights"),
            image("wrong_bias").smooth(&[3, 4, 3, 3], 1).smooth(&[4], 2).refused("bias should be [3]"),
        ]
    }
}

/// `value: [batch, channel, spatial ..]` summed over all axes but the channels: `[channel]`.
pub(crate) fn channel_sum(cx: &mut Gradient<'_>, value: ValueId) -> ValueId {
    let rank = cx.shape(value).rank() as i64;
    let axes: Vec<i64> = (0..rank).filter(|&axis| axis != 1).collect();
    let axes = cx.integers(&axes);
    let drop = Attributes::from([("keepdims".to_owned(), Attribute::Int(0))]);
    cx.op_with("ReduceSum", &[value, axes], drop)
}
