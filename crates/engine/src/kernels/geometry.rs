//! The lengths of a convolution or pooling over maps.

use graph::ops::window::{Window, WindowAxis, WindowSettings};
use graph::{Attribute, Node};

/// Maps in, windows, maps out. One-dimensional maps are maps of height 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) channels_in: usize,
    pub(crate) channels_out: usize,
    pub(crate) groups: usize,
    /// Height and width of the maps that come in, without padding.
    pub(crate) input: [usize; 2],
    pub(crate) output: [usize; 2],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) dilation: [usize; 2],
    /// Zeros before and after, per axis.
    pub(crate) before: [usize; 2],
    pub(crate) after: [usize; 2],
}

impl Geometry {
    /// Reads the attributes of a convolution or pooling node with inputs `[channels_in, ...]`, outputs
    /// `[channels_out, ...]` and windows `kernel`; `None` for more than two spatial axes.
    pub(crate) fn of(node: &Node, input: &[usize], output: &[usize], kernel: &[usize]) -> Option<Self> {
        let axes = kernel.len();
        if !(1..=2).contains(&axes) || input.len() != axes + 1 || output.len() != axes + 1 {
            return None;
        }
        let window = window_of(node, kernel, &input[1..])?;
        if window.outputs() != output[1..] {
            return None;
        }
        let pair = |fill: usize, length: fn(&WindowAxis) -> usize| {
            let last = length(&window.axes[axes - 1]);
            [if axes == 1 { fill } else { length(&window.axes[0]) }, last]
        };
        let groups = match declared(node, "group") {
            Some(Attribute::Int(groups)) => usize::try_from(groups).ok()?,
            _ => 1,
        };
        Some(Geometry {
            channels_in: input[0],
            channels_out: output[0],
            groups,
            input: pair(1, |axis| axis.input),
            output: pair(1, |axis| axis.output),
            kernel: pair(1, |axis| axis.kernel),
            stride: pair(1, |axis| axis.stride),
            dilation: pair(1, |axis| axis.dilation),
            before: pair(0, |axis| axis.before),
            after: pair(0, |axis| axis.after),
        })
    }

    /// Height and width with padding.
    pub(crate) fn padded(&self) -> [usize; 2] {
        std::array::from_fn(|axis| self.before[axis] + self.input[axis] + self.after[axis])
    }

    /// Whether windows reach over the edge of the maps.
    pub(crate) fn is_padded(&self) -> bool {
        self.padded() != self.input
    }

    /// Zeros around the maps: before and after, per axis.
    pub(crate) fn pads(&self) -> Vec<usize> {
        self.before.into_iter().chain(self.after).collect()
    }

    /// Input channels each output channel reads.
    pub(crate) fn channels_per_group(&self) -> usize {
        self.channels_in / self.groups
    }

    /// Weights per output channel.
    pub(crate) fn taps(&self) -> usize {
        self.channels_per_group() * self.kernel[0] * self.kernel[1]
    }

    /// Positions of an output map.
    pub(crate) fn positions(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Whether Winograd's F(2×2, 3×3) is worth it: 16 products for each 2×2 tile of outputs at most 0.7 times those of the taps inside
    /// of the map, in windows of 3×3 next to each other over channels that fill vectors.
    pub(crate) fn suits_winograd(&self) -> bool {
        let plain =
            self.kernel == [3, 3] && self.stride == [1, 1] && self.dilation == [1, 1] && self.groups == 1;
        let tiles = self.output[0].div_ceil(2) * self.output[1].div_ceil(2);
        let valid = |axis: usize| -> usize {
            let inside = |output: usize, tap: &usize| {
                (self.before[axis]..self.before[axis] + self.input[axis]).contains(&(output + tap))
            };
            (0..self.output[axis]).map(|output| (0..3).filter(|tap| inside(output, tap)).count()).sum()
        };
        plain && self.channels_in.min(self.channels_out) >= 16 && 160 * tiles <= 7 * valid(0) * valid(1)
    }

    /// For each tap of an output channel, in the order of its weights, the distance in the padded input from the
    /// window's first element of the group's first channel, in elements.
    pub(crate) fn tap_offsets(&self, lanes: usize) -> Vec<usize> {
        let [height, width] = self.padded();
        let mut offsets = Vec::with_capacity(self.taps());
        for channel in 0..self.channels_per_group() {
            for y in 0..self.kernel[0] {
                for x in 0..self.kernel[1] {
                    let (row, column) = (y * self.dilation[0], x * self.dilation[1]);
                    offsets.push(((channel * height + row) * width + column) * lanes);
                }
            }
        }
        offsets
    }

    /// Floating-point operations of one pass over all weights, positions and lanes.
    pub(crate) fn work(&self, lanes: usize) -> usize {
        2 * self.channels_out * self.taps() * self.positions() * lanes
    }
}

/// The window of a convolution or pooling node, or of a gradient of one, over an input of spatial lengths `input`.
pub(crate) fn window_of(node: &Node, kernel: &[usize], input: &[usize]) -> Option<Window> {
    let names = ["strides", "dilations", "pads", "auto_pad", "ceil_mode"];
    let settings = WindowSettings::read(&|name| declared(node, name), &names).ok()?;
    Window::new(&settings, kernel, input).ok()
}

/// An attribute that the operator may not declare at all.
pub(crate) fn declared(node: &Node, name: &str) -> Option<Attribute> {
    let known = node.op.schema().attributes.iter().any(|attribute| attribute.name == name);
    if known { node.attribute(name) } else { None }
}
