//! How weights start.

use scheme::Init;
use tensor::{DType, Random, Tensor};

/// A weight of `shape` whose outputs each sum `fan_in` terms and whose inputs each reach `fan_out` outputs.
///
/// Element `i` is draw `i` of the stream `init.NAME` under `seed`, so one layer's start does not depend on the others:
/// glorot_uniform in `±sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio 2010), he_normal with deviation
/// `sqrt(2 / fan_in)`, he_normal_fan_out with `sqrt(2 / fan_out)` and he_uniform in `±sqrt(6 / fan_in)` (He et al. 2015),
/// pytorch_uniform in `±sqrt(1 / fan_in)`, small_normal with deviation 0.01 (Krizhevsky et al. 2012).
pub(super) fn weight(
    seed: u64,
    name: &str,
    init: Init,
    shape: &[usize],
    fan_in: usize,
    fan_out: usize,
) -> Tensor {
    let random = Random::new(seed, &format!("init.{name}"));
    let (fan_in, fan_out) = (fan_in as f64, fan_out as f64);
    let uniform = |limit: f64| {
        let limit = limit.sqrt() as f32;
        move |index: u64| (2.0 * random.uniform(0, index) - 1.0) * limit
    };
    let normal = |square: f64| {
        let deviation = square.sqrt() as f32;
        move |index: u64| random.normal(0, index) * deviation
    };
    let count = shape.iter().product::<usize>() as u64;
    let values: Vec<f32> = match init {
        Init::GlorotUniform => (0..count).map(uniform(6.0 / (fan_in + fan_out))).collect(),
        Init::HeUniform => (0..count).map(uniform(6.0 / fan_in)).collect(),
        Init::PytorchUniform => (0..count).map(uniform(1.0 / fan_in)).collect(),
        Init::HeNormal => (0..count).map(normal(2.0 / fan_in)).collect(),
        Init::HeNormalFanOut => (0..count).map(normal(2.0 / fan_out)).collect(),
        Init::SmallNormal => (0..count).map(normal(0.01 * 0.01)).collect(),
    };
    Tensor::new(shape, values)
}

/// The `count` biases of a layer whose outputs each sum `fan_in` terms: 0, but for pytorch_uniform, which draws them as
/// it draws weights.
pub(super) fn bias(seed: u64, name: &str, init: Init, count: usize, fan_in: usize) -> Tensor {
    match init {
        Init::PytorchUniform => weight(seed, name, init, &[count], fan_in, count),
        _ => Tensor::zeros(DType::F32, [count]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_as_the_formulas_say() {
        for (init, deviation) in [
            (Init::GlorotUniform, (2.0 / 300.0f64).sqrt()),
            (Init::HeNormal, (2.0 / 100.0f64).sqrt()),
            (Init::HeUniform, (2.0 / 100.0f64).sqrt()),
            (Init::HeNormalFanOut, (2.0 / 200.0f64).sqrt()),
            (Init::PytorchUniform, (1.0 / 300.0f64).sqrt()),
            (Init::SmallNormal, 0.01),
        ] {
            let values = weight(7, "hidden.weight", init, &[100, 200], 100, 200).to_f64();
            let square = values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64;
            assert!((square.sqrt() / deviation - 1.0).abs() < 0.02, "{init:?}: {}", square.sqrt());
        }
    }

    #[test]
    fn a_start_depends_on_seed_and_name() {
        let start = |seed, name| weight(seed, name, Init::GlorotUniform, &[4], 4, 4);
        assert_eq!(start(1, "a"), start(1, "a"));
        assert_ne!(start(1, "a"), start(2, "a"));
        assert_ne!(start(1, "a"), start(1, "b"));
    }
}
