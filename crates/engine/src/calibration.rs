//! The rates of the kernels of convolutions, measured on the machine at hand.

use graph::{Attribute, Attributes, Graph, ValueType};
use tensor::{DType, Random, Shape, Tensor};

use crate::costs::{Algorithm, Convolutions, Costs};
use crate::cpu::Level;
use crate::feed::{Feed, Rows, Targets};
use crate::kernels::memory::ALIGNMENT;
use crate::predictor::Predictor;
use crate::trainer::Options;

/// Channels and side of the maps of a convolution that is measured: many products for each number that is transformed.
const WIDE: [usize; 2] = [128, 8];
/// Few products for each.
const THIN: [usize; 2] = [32, 16];
/// The name of the convolution.
const NODE: &str = "conv";
/// How often each plan is timed, in turns; the least time counts. A batch takes a few milliseconds at most, so that some are not
/// disturbed even where other work has the processor most of the time.
const ROUNDS: usize = 40;
/// Rates are kept to two digits: what is measured again tomorrow should come to the same choices.
const DIGITS: i32 = 2;
/// A rate differs from the default's share of the direct sum's by this factor at most: one that does more was disturbed.
const FACTOR_MAX: f64 = 4.0;

/// Measures the rates of `level` on one thread: about half a second of full load with vector instructions, a few seconds without.
///
/// Panics if the processor does not have the level.
pub fn calibrate(level: Level) -> Costs {
    assert!(Level::available().contains(&level), "{level}");
    let plan = |lengths, algorithm| Measured::new(lengths, algorithm, level);
    let mut plans = [
        plan(WIDE, Algorithm::Direct),
        plan(THIN, Algorithm::Direct),
        plan(WIDE, Algorithm::Winograd2x2),
        plan(THIN, Algorithm::Winograd2x2),
    ];
    for _ in 0..ROUNDS {
        plans.iter_mut().for_each(Measured::time);
    }
    rates(&plans.map(|plan| plan.figures()))
}

/// What one plan did, in millions, and the microseconds that it took.
struct Figures {
    operations: f64,
    /// Bytes of transformed maps.
    maps: f64,
    /// Bytes of transformed weights.
    weights: f64,
    microseconds: f64,
    microseconds_weights: f64,
}

/// The rates at which the figures of the direct sums and of Winograd's come about.
fn rates([wide, thin, wide_turned, thin_turned]: &[Figures; 4]) -> Costs {
    let direct = (wide.operations + thin.operations) / (wide.microseconds + thin.microseconds);
    // operations / products + maps / transforms = microseconds, for two pairs of operations and maps.
    let [(a, b, s), (c, d, t)] =
        [wide_turned, thin_turned].map(|each| (each.operations, each.maps, each.microseconds));
    let apart = a * d - b * c;
    let (product, transform) = ((s * d - b * t) / apart, (a * t - s * c) / apart);
    let weights = wide_turned.weights / wide_turned.microseconds_weights;
    let usual = Costs::default().rates().map(f64::from);
    let near = |rate: f64, index: usize| {
        let usual = direct * usual[index] / usual[0];
        // What is not positive was disturbed, too: the other rate had all of the time.
        let rate = if rate > 0.0 { rate } else { f64::INFINITY };
        rounded(rate.clamp(usual / FACTOR_MAX, usual * FACTOR_MAX))
    };
    let rates = [rounded(direct), near(1.0 / product, 1), near(1.0 / transform, 2), near(weights, 3)];
    Costs::new(rates).expect("rates are rounded to at least one")
}

/// A rate in millions per second, to a few digits.
fn rounded(rate: f64) -> u32 {
    let unit = 10f64.powi((rate.max(1.0).log10().floor() as i32 + 1 - DIGITS).max(0));
    ((rate / unit).round() * unit).clamp(1.0, f64::from(u32::MAX)) as u32
}

/// A plan of one convolution, and the least times of it so far.
struct Measured {
    predictor: Predictor,
    rows: Vec<f32>,
    lengths: [usize; 2],
    algorithm: Algorithm,
    seconds: f64,
    seconds_weights: f64,
}

impl Measured {
    fn new(lengths: [usize; 2], algorithm: Algorithm, level: Level) -> Self {
        let [channels, side] = lengths;
        let random = Random::new(1, "calibration");
        let numbers =
            |count: usize| (0..count as u64).map(|at| random.uniform(0, at) - 0.5).collect::<Vec<f32>>();
        let mut graph = Graph::new("calibration");
        let x = graph.input("x", ValueType::new(DType::F32, Shape::batched(&[channels, side, side])));
        let weight = Tensor::new([channels, channels, 3, 3], numbers(channels * channels * 9));
        let weight = graph.constant("weight", weight);
        let pads = Attributes::from([("pads".to_owned(), Attribute::Ints(vec![1; 4]))]);
        let y = graph.push(NODE, "Conv", pads, &[x, weight]).expect("a convolution");
        graph.outputs = vec![y];
        let options = Options { batch: ALIGNMENT, threads: 1, level };
        let predictor = Predictor::choosing(graph.into(), options, Convolutions::Largest(algorithm));
        Measured {
            predictor: predictor.expect("it has one input, and outputs per example"),
            rows: numbers(ALIGNMENT * channels * side * side),
            lengths,
            algorithm,
            seconds: f64::INFINITY,
            seconds_weights: f64::INFINITY,
        }
    }

    /// Runs it twice; the second time counts.
    fn time(&mut self) {
        let feed = Feed {
            rows: Rows::F32(&self.rows),
            row_len: self.rows.len() / ALIGNMENT,
            targets: Targets::None,
        };
        let order: Vec<u32> = (0..ALIGNMENT as u32).cycle().take(2 * ALIGNMENT).collect();
        let profile = self.predictor.profile(feed, &order, 1).expect("convolutions refuse no numbers");
        let (mut seconds, mut seconds_weights) = (0.0, 0.0);
        for step in profile.steps.iter().filter(|step| step.node == NODE) {
            match step.name.starts_with("winograd weights") {
                true => seconds_weights += step.seconds,
                false => seconds += step.seconds,
            }
        }
        self.seconds = self.seconds.min(seconds);
        self.seconds_weights = self.seconds_weights.min(seconds_weights);
    }

    fn figures(&self) -> Figures {
        let [channels, side] = self.lengths.map(|length| length as f64);
        let (lanes, weights) = (ALIGNMENT as f64, channels * channels);
        let (products, numbers) = match self.algorithm.side() {
            None => ((3.0 * side - 2.0).powi(2), 0.0),
            Some(of_tile) => {
                let numbers =
                    ((of_tile + 2) * (of_tile + 2) * self.lengths[1].div_ceil(of_tile).pow(2)) as f64;
                (numbers, numbers)
            }
        };
        Figures {
            operations: 2.0 * products * weights * lanes,
            maps: 4.0 * numbers * 2.0 * channels * lanes,
            weights: 4.0 * 16.0 * weights,
            microseconds: 1e6 * self.seconds,
            microseconds_weights: 1e6 * self.seconds_weights,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rates_behind_times_are_found() {
        let costs = Costs::new([40_000, 90_000, 8_000, 5_500]).unwrap();
        let [direct, products, transforms, weights] = costs.rates().map(f64::from);
        let figures = |operations: f64, maps: f64, direct_sum: bool| Figures {
            operations,
            maps,
            weights: 3e6,
            microseconds: if direct_sum {
                operations / direct
            } else {
                operations / products + maps / transforms
            },
            microseconds_weights: 3e6 / weights,
        };
        let found = [
            figures(7e8, 0.0, true),
            figures(1e8, 0.0, true),
            figures(4e8, 5e6, false),
            figures(5e7, 4e6, false),
        ];
        assert_eq!(rates(&found), costs);
    }

    #[test]
    fn disturbed_times_give_rates_all_the_same() {
        let figures = |microseconds| Figures {
            operations: 1e8,
            maps: 1e6,
            weights: 1e6,
            microseconds,
            microseconds_weights: 0.0,
        };
        let found = rates(&[figures(100.0), figures(1e9), figures(5.0), figures(1e7)]);
        assert!(found.rates().iter().all(|&rate| rate > 0));
        assert_eq!([rounded(0.0), rounded(7.4), rounded(12_345.0), rounded(1e12)], [1, 7, 12_000, u32::MAX]);
    }

    #[test]
    fn this_machine_has_rates() {
        let costs = calibrate(Level::detect());
        assert!(costs.rates().iter().all(|&rate| rate > 0), "{costs:?}");
    }
}
