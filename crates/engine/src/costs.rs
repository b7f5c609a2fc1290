//! Which algorithm computes a convolution: the cheapest by a model of the time that each takes.
//!
//! `time = operations / rate + bytes / bandwidth`, with the bytes of the transforms and of the weights. The rates are a
//! parameter: those given here by default, or those that [`crate::calibrate`] found on a machine. A choice depends on them, on
//! the lengths of the convolution and, where a network learns, on the batch; never on the number of threads.

use std::fmt;

use crate::kernels::geometry::Geometry;
use crate::kernels::memory::ALIGNMENT;

/// How a convolution, or a gradient of one, is computed. It decides the last digits of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// The sum over all taps that lie inside of the maps.
    Direct,
    /// Winograd's F(2×2, 3×3): 16 products for four outputs instead of 36.
    Winograd2x2,
    /// Winograd's F(4×4, 3×3): 36 products for sixteen outputs instead of 144.
    Winograd4x4,
}

impl Algorithm {
    /// The name in reports: `direct`, `winograd_2x2`, `winograd_4x4`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Direct => "direct",
            Algorithm::Winograd2x2 => "winograd_2x2",
            Algorithm::Winograd4x4 => "winograd_4x4",
        }
    }

    /// Outputs of a tile along each axis; `None` of the direct sum.
    pub(crate) fn side(self) -> Option<usize> {
        match self {
            Algorithm::Direct => None,
            Algorithm::Winograd2x2 => Some(2),
            Algorithm::Winograd4x4 => Some(4),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a plan chooses the algorithm of each convolution, and of each gradient of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convolutions {
    /// The cheaper of the direct sum and F(2×2, 3×3), at these rates.
    Cheapest(Costs),
    /// One algorithm, wherever lengths alone say that it is worth it, whatever a machine's rates: F(4×4, 3×3) where it has
    /// at most seven in ten of the products of F(2×2, 3×3), and that where it has at most seven in ten of the direct sum's.
    /// Gradients of weights are never computed by F(4×4, 3×3).
    Largest(Algorithm),
}

impl Default for Convolutions {
    fn default() -> Self {
        Convolutions::Cheapest(Costs::default())
    }
}

/// How a plan chooses, and for what.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Choice {
    pub(crate) convolutions: Convolutions,
    /// Whether the plan is of a training step, or of a part of one.
    pub(crate) learns: bool,
}

impl Choice {
    /// The algorithm for `pass` in a plan for batches of `batch` examples. In inference it is the same for every batch, so that
    /// an answer has the same bytes whatever it is computed together with.
    pub(crate) fn choose(&self, geometry: &Geometry, pass: Pass, batch: usize) -> Algorithm {
        self.convolutions.choose(geometry, pass, if self.learns { batch } else { ALIGNMENT })
    }
}

/// The rates of the kernels of convolutions on one thread: whole millions per second, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costs {
    /// Floating-point operations of the direct sum; a product with its sum counts as two.
    pub(crate) direct: u32,
    /// Floating-point operations of the products of transformed numbers.
    pub(crate) products: u32,
    /// Bytes of transformed maps.
    pub(crate) transforms: u32,
    /// Bytes of transformed weights, and of gradients of weights that are added to.
    pub(crate) weights: u32,
}

impl Default for Costs {
    /// Rates of no machine in particular. Only their ratios count, and those were nearly the same with AVX2, with AVX-512 and
    /// without either.
    fn default() -> Self {
        Costs { direct: 50_000, products: 83_000, transforms: 7_700, weights: 7_100 }
    }
}

/// What is computed of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Its result, or the gradient with respect to its input: the same kernels with the channels exchanged.
    Maps,
    /// The gradient with respect to its weight.
    Weight,
}

/// Channels, of those that come in and those that go out the fewer, from which tiles of registers are full. Below, transforms
/// cost more than they save.
const CHANNELS_MIN: usize = 16;
/// An algorithm of more roundings has to take less than this part of the direct sum's time.
const WORTH: f64 = 0.95;
/// What a transformed product of the weight's gradient takes more than one of maps: the direct sums differ less from products of
/// whole panels there.
const GRADIENT_PRODUCTS: f64 = 1.3;
/// How often the transformed weight's gradient is gone through beside the sums: written first, read in columns, turned back.
const GRADIENT_PASSES: f64 = 3.0;
/// Positions, and tiles, whose products are added up before the gradient of a weight is.
const PLACES: usize = 4;
/// Examples of each.
const EXAMPLES: usize = 32;
/// Input channels of a weight's gradient for which the gradient of the result is transformed once.
const CHANNELS_TOGETHER: usize = 64;

impl Costs {
    /// From the rates in millions per second of the direct sum's and the transformed products' floating-point operations, and
    /// of the bytes of transformed maps and weights; `None` if one is zero.
    pub fn new(rates: [u32; 4]) -> Option<Self> {
        let [direct, products, transforms, weights] = rates;
        rates.iter().all(|&rate| rate > 0).then_some(Costs { direct, products, transforms, weights })
    }

    /// The rates, in the order of [`Costs::new`].
    pub fn rates(&self) -> [u32; 4] {
        [self.direct, self.products, self.transforms, self.weights]
    }

    /// Microseconds that an algorithm takes for `batch` examples.
    fn time(&self, algorithm: Algorithm, geometry: &Geometry, pass: Pass, batch: usize) -> f64 {
        let [channels_in, channels_out] = [geometry.channels_in, geometry.channels_out].map(|n| n as f64);
        let (weights, examples) = (channels_in * channels_out, batch as f64);
        let lanes = batch.next_multiple_of(ALIGNMENT) as f64;
        let live = if pass == Pass::Maps { lanes } else { examples };
        let rounds = |places: usize| (places.div_ceil(PLACES) * batch.div_ceil(EXAMPLES)) as f64;
        let Some(side) = algorithm.side() else {
            let operations = 2.0 * geometry.products() as f64 * weights * live;
            let added = if pass == Pass::Maps { 0.0 } else { 9.0 * weights * rounds(geometry.positions()) };
            return operations / f64::from(self.direct) + 4.0 * added / f64::from(self.weights);
        };
        let (numbers, tiles) = (((side + 2) * (side + 2)) as f64, geometry.tiles(side));
        let of_tiles = numbers * tiles as f64;
        let mut operations = 2.0 * of_tiles * weights * live;
        let (maps, moved) = match pass {
            // Forwards and backwards share the transformed weight, and each reads all of it.
            Pass::Maps => (of_tiles * (channels_in + channels_out) * lanes, 1.0),
            Pass::Weight => {
                operations *= GRADIENT_PRODUCTS;
                let times = geometry.channels_in.div_ceil(CHANNELS_TOGETHER) as f64;
                let maps = of_tiles * (channels_in * lanes + channels_out * times * examples);
                (maps, rounds(tiles) + GRADIENT_PASSES)
            }
        };
        let moved = numbers * weights * moved;
        operations / f64::from(self.products)
            + 4.0 * maps / f64::from(self.transforms)
            + 4.0 * moved / f64::from(self.weights)
    }
}

impl Convolutions {
    /// The algorithm for `pass` over a batch of `batch` examples.
    fn choose(&self, geometry: &Geometry, pass: Pass, batch: usize) -> Algorithm {
        let few = geometry.channels_in.min(geometry.channels_out) < CHANNELS_MIN;
        if few || !geometry.has_winograd() {
            return Algorithm::Direct;
        }
        match self {
            // Of maps as small as a tile the direct sum has no more products: most taps lie outside.
            Convolutions::Cheapest(_) if 16 * geometry.tiles(2) >= geometry.products() => Algorithm::Direct,
            Convolutions::Cheapest(costs) => {
                let time = |algorithm| costs.time(algorithm, geometry, pass, batch);
                match time(Algorithm::Winograd2x2) < WORTH * time(Algorithm::Direct) {
                    true => Algorithm::Winograd2x2,
                    false => Algorithm::Direct,
                }
            }
            Convolutions::Largest(largest) => by_lengths(*largest, geometry, pass),
        }
    }
}

/// The algorithm of the largest tiles up to those of `largest` that save three in ten of the products of smaller ones.
fn by_lengths(largest: Algorithm, geometry: &Geometry, pass: Pass) -> Algorithm {
    let saves = |products: usize, of: usize| 10 * products <= 7 * of;
    let [two, four] = [16 * geometry.tiles(2), 36 * geometry.tiles(4)];
    if largest == Algorithm::Direct {
        Algorithm::Direct
    } else if largest == Algorithm::Winograd4x4 && pass == Pass::Maps && saves(four, two) {
        Algorithm::Winograd4x4
    } else if saves(two, geometry.products()) {
        Algorithm::Winograd2x2
    } else {
        Algorithm::Direct
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::geometry::tests::square;

    fn chosen(pass: Pass, batch: usize, lengths: &[(usize, usize)]) -> Vec<bool> {
        let winograd = |&(channels, side): &(usize, usize)| {
            Convolutions::default().choose(&square(channels, side), pass, batch) == Algorithm::Winograd2x2
        };
        lengths.iter().map(winograd).collect()
    }

    #[test]
    fn the_cheaper_algorithm_by_measured_times() {
        // Channels and side of the maps; what was faster at 32 examples, with AVX2 and with AVX-512.
        let wide = [(64, 56), (64, 16), (64, 8), (64, 7), (128, 4), (256, 5), (512, 7), (512, 4)];
        assert_eq!(chosen(Pass::Maps, 32, &wide), [true; 8]);
        assert_eq!(chosen(Pass::Maps, 32, &[(8, 28), (3, 32), (512, 2)]), [false; 3]);
        assert_eq!(chosen(Pass::Maps, 256, &[(512, 2), (512, 3), (512, 4)]), [false, false, true]);
        // The weight's gradient goes through all transformed weights however small the maps.
        assert_eq!(chosen(Pass::Weight, 32, &[(64, 56), (256, 14), (512, 7), (256, 4), (512, 4)]), [true; 5]);
        assert_eq!(chosen(Pass::Weight, 32, &[(256, 3), (512, 2)]), [false; 2]);
        // One example does not pay for a transformed weight where the maps are small.
        assert_eq!(chosen(Pass::Maps, 1, &[(512, 14), (512, 2)]), [true, false]);
        assert_eq!(chosen(Pass::Weight, 1, &[(256, 14), (256, 4)]), [true, false]);
        assert_eq!(
            chosen(Pass::Maps, ALIGNMENT, &[(512, 7), (512, 4), (512, 2), (8, 28)]),
            [true, true, false, false]
        );
    }

    #[test]
    fn rates_decide_and_lengths_decide_without_them() {
        let slow = Costs::new([50_000, 20_000, 7_700, 7_100]).unwrap();
        let chosen = |how: Convolutions, geometry: &Geometry| how.choose(geometry, Pass::Maps, 32);
        assert_eq!(chosen(Convolutions::Cheapest(slow), &square(64, 16)), Algorithm::Direct);
        assert_eq!(Costs::new([1, 0, 1, 1]), None);
        let largest = |largest, side| chosen(Convolutions::Largest(largest), &square(64, side));
        use Algorithm::{Direct, Winograd2x2, Winograd4x4};
        assert_eq!(
            [56, 8, 7, 2].map(|side| largest(Winograd4x4, side)),
            [Winograd4x4, Winograd4x4, Winograd4x4, Direct]
        );
        assert_eq!(
            [56, 14, 7, 2].map(|side| largest(Winograd2x2, side)),
            [Winograd2x2, Winograd2x2, Direct, Direct]
        );
        assert_eq!(
            largest(Winograd4x4, 14),
            Winograd2x2,
            "a quarter of the tiles would be outside of the map"
        );
        assert_eq!(largest(Direct, 56), Direct);
        let strided = Geometry { stride: [2; 2], output: [28; 2], ..square(64, 56) };
        assert_eq!(chosen(Convolutions::default(), &strided), Direct);
        let weight = Convolutions::Largest(Winograd4x4).choose(&square(64, 56), Pass::Weight, 32);
        assert_eq!(weight, Winograd2x2);
    }
}
