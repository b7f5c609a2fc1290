//! The lengths of a convolution or pooling over maps.

use graph::ops::window::{Window, WindowAxis, WindowSettings};
use graph::{Attribute, Node};

/// Input channels whose products are added up tap by tap before the next channels' are: the order of every sum of a
/// convolution. It decides the last digits of results, so it is the same in all kernels.
pub(crate) const CHANNEL_BLOCK: usize = 8;

/// A tap of a window along one axis, with the place that it meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tap {
    pub(crate) tap: usize,
    pub(crate) source: usize,
}

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

    /// For each tap of an output channel, in the order in which kernels add their products up, the row of the weight
    /// and the distance in the padded input from the window's first element of the group's first channel, in elements.
    pub(crate) fn taps_in_order(&self, lanes: usize) -> Vec<(usize, usize)> {
        let [height, width] = self.padded();
        let (channels, window) = (self.channels_per_group(), self.window());
        let mut taps = Vec::with_capacity(self.taps());
        for first in (0..channels).step_by(CHANNEL_BLOCK) {
            for tap in 0..window {
                let (row, column) =
                    (tap / self.kernel[1] * self.dilation[0], tap % self.kernel[1] * self.dilation[1]);
                for channel in first..channels.min(first + CHANNEL_BLOCK) {
                    let place = ((channel * height + row) * width + column) * lanes;
                    taps.push((channel * window + tap, place));
                }
            }
        }
        taps
    }

    /// Taps of one input channel.
    pub(crate) fn window(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// For every output position along each axis, the taps that lie inside of the input.
    pub(crate) fn windows(&self) -> [Vec<Vec<Tap>>; 2] {
        [0, 1].map(|axis| {
            let inside = |place: usize, tap: usize| {
                let source = place * self.stride[axis] + tap * self.dilation[axis];
                let source = source.checked_sub(self.before[axis])?;
                (source < self.input[axis]).then_some(Tap { tap, source })
            };
            let taps = |place| (0..self.kernel[axis]).filter_map(|tap| inside(place, tap)).collect();
            (0..self.output[axis]).map(taps).collect()
        })
    }

    /// For every input place along each axis, the taps that read it, each with the output position that does.
    pub(crate) fn readers(&self) -> [Vec<Vec<Tap>>; 2] {
        [0, 1].map(|axis| {
            let reader = |place: usize, tap: usize| {
                let start = (place + self.before[axis]).checked_sub(tap * self.dilation[axis])?;
                let source = start / self.stride[axis];
                let reads = start % self.stride[axis] == 0 && source < self.output[axis];
                reads.then_some(Tap { tap, source })
            };
            let taps = |place| (0..self.kernel[axis]).filter_map(|tap| reader(place, tap)).collect();
            (0..self.input[axis]).map(taps).collect()
        })
    }

    /// Pairs of an output position and a tap that lies inside of the input: the products of one weight.
    pub(crate) fn products(&self) -> usize {
        self.windows().iter().map(|axis| axis.iter().map(Vec::len).sum::<usize>()).product()
    }

    /// Whether Winograd's algorithms can compute it: 3×3 windows side by side, no groups, padding inside of the window.
    pub(crate) fn has_winograd(&self) -> bool {
        let form =
            self.kernel == [3, 3] && self.stride == [1, 1] && self.dilation == [1, 1] && self.groups == 1;
        form && self.before.iter().chain(&self.after).all(|&pad| pad <= 2)
    }

    /// Tiles of `side` by `side` outputs.
    pub(crate) fn tiles(&self, side: usize) -> usize {
        self.output.iter().map(|length| length.div_ceil(side)).product()
    }

    /// Floating-point operations of one pass over all weights, positions and lanes.
    pub(crate) fn work(&self, lanes: usize) -> usize {
        2 * self.channels_out * self.channels_per_group() * self.products() * lanes
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A square convolution of stride 1 with padding 1.
    pub(crate) fn square(channels: usize, side: usize) -> Geometry {
        Geometry {
            channels_in: channels,
            channels_out: channels,
            groups: 1,
            input: [side; 2],
            output: [side; 2],
            kernel: [3; 2],
            stride: [1; 2],
            dilation: [1; 2],
            before: [1; 2],
            after: [1; 2],
        }
    }

    #[test]
    fn only_products_inside_of_the_map_are_counted() {
        assert_eq!(square(1, 2).products(), 16);
        assert_eq!(square(1, 4).products(), 100);
    }
}
