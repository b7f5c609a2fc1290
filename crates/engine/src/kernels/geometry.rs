//! The lengths of a convolution or pooling over maps.

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
        let pair = |values: &[usize], fill: usize| {
            if axes == 1 { [fill, values[0]] } else { [values[0], values[1]] }
        };
        let ints = |name: &str, fill: usize| match declared(node, name) {
            Some(Attribute::Ints(values)) => {
                let values: Option<Vec<usize>> =
                    values.iter().map(|&value| usize::try_from(value).ok()).collect();
                values.filter(|values| values.len() >= axes)
            }
            _ => Some(vec![fill; 2 * axes]),
        };
        let (stride, dilation) = (pair(&ints("strides", 1)?, 1), pair(&ints("dilations", 1)?, 1));
        let (input_maps, output_maps) = (pair(&input[1..], 1), pair(&output[1..], 1));
        let kernel = pair(kernel, 1);
        let pads = ints("pads", 0)?;
        let mut before = pair(&pads[..axes], 0);
        let mut after = pair(&pads[axes..], 0);
        if let Some(Attribute::Text(auto)) = declared(node, "auto_pad")
            && auto.starts_with("SAME")
        {
            for axis in 0..2 {
                let reach = (output_maps[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1;
                let total = reach.saturating_sub(input_maps[axis]);
                let small = total / 2;
                let lower = auto == "SAME_LOWER";
                before[axis] = if lower { total - small } else { small };
                after[axis] = if lower { small } else { total - small };
            }
        }
        let groups = match declared(node, "group") {
            Some(Attribute::Int(groups)) => usize::try_from(groups).ok()?,
            _ => 1,
        };
        Some(Geometry {
            channels_in: input[0],
            channels_out: output[0],
            groups,
            input: input_maps,
            output: output_maps,
            kernel,
            stride,
            dilation,
            before,
            after,
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

/// An attribute that the operator may not declare at all.
fn declared(node: &Node, name: &str) -> Option<Attribute> {
    let known = node.op.schema().attributes.iter().any(|attribute| attribute.name == name);
    if known { node.attribute(name) } else { None }
}
