//! Weights in the order in which the kernels for few examples read them.

use tensor::{DType, Tensor};

use crate::kernels::geometry::{CHANNEL_BLOCK, Geometry};
use crate::kernels::memory::ALIGNMENT;

/// Output channels of a block: two of the widest vectors.
pub(super) const BLOCK: usize = 2 * ALIGNMENT;
/// Input channels that are summed before the next tap is: sums run over blocks of them, then taps, then channels.
pub(super) const INPUTS: usize = CHANNEL_BLOCK;

/// Output channels of a map, padded to whole vectors, in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Padded output channels.
    pub(super) channels: usize,
}

impl Blocks {
    pub(super) fn of(channels: usize) -> Self {
        Blocks { channels: channels.next_multiple_of(ALIGNMENT) }
    }

    pub(super) fn count(self) -> usize {
        self.channels.div_ceil(BLOCK)
    }

    /// Channels of one block: [`BLOCK`], or half of it in the last one.
    pub(super) fn width(self, block: usize) -> usize {
        BLOCK.min(self.channels - block * BLOCK)
    }
}

/// `[output block][input block][tap][input channel][output channel of the block]` of weights `[output][input][tap]`; zeros for
/// output channels that are padding.
pub(super) fn direct(weights: &Tensor, geometry: &Geometry) -> Vec<f32> {
    let weights = weights.cast(DType::F32);
    let weights = weights.values::<f32>();
    let (blocks, inputs) = (Blocks::of(geometry.channels_out), geometry.channels_per_group());
    let taps = geometry.kernel[0] * geometry.kernel[1];
    let mut packed = Vec::with_capacity(blocks.channels * inputs * taps);
    for block in 0..blocks.count() {
        for from in (0..inputs).step_by(INPUTS) {
            for tap in 0..taps {
                for input in from..inputs.min(from + INPUTS) {
                    packed.extend((0..blocks.width(block)).map(|at| {
                        let output = block * BLOCK + at;
                        let index = (output * inputs + input) * taps + tap;
                        if output < geometry.channels_out { weights[index] } else { 0.0 }
                    }));
                }
            }
        }
    }
    packed
}

/// `numbers`, with zeros up to whole vectors.
pub(super) fn padded(numbers: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut numbers: Vec<f32> = numbers.collect();
    numbers.resize(numbers.len().next_multiple_of(ALIGNMENT), 0.0);
    numbers
}
