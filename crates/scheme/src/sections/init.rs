//! How weights start.

use serde::{Deserialize, Serialize};

use crate::settings::{Absent, Choice, Kind, Setting};

/// How weights start; biases start at 0 unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Uniform in `±√(6 / (fan_in + fan_out))`.
    GlorotUniform,
    /// Normal with deviation `√(2 / fan_in)`.
    HeNormal,
    /// Normal with deviation `√(2 / fan_out)`.
    HeNormalFanOut,
    /// Uniform in `±√(6 / fan_in)`.
    HeUniform,
    /// Uniform in `±√(1 / fan_in)`, biases too.
    PytorchUniform,
    /// Normal with deviation 0.01.
    SmallNormal,
}

/// Every start with its formula and its source.
pub(super) const INITS: &[Choice] = &[
    Choice::new("glorot_uniform", "uniform in `±√(6 / (fan_in + fan_out))` (Glorot and Bengio 2010)"),
    Choice::new("he_normal", "normal with deviation `√(2 / fan_in)` (He et al. 2015)"),
    Choice::new("he_normal_fan_out", "normal with deviation `√(2 / fan_out)` (He et al. 2015)"),
    Choice::new("he_uniform", "uniform in `±√(6 / fan_in)`"),
    Choice::new(
        "pytorch_uniform",
        "uniform in `±√(1 / fan_in)`, biases too, as layers of PyTorch start by themselves",
    ),
    Choice::new("small_normal", "normal with deviation 0.01 (Krizhevsky et al. 2012)"),
];

/// How the weights of one layer start.
pub(super) const LAYER_INIT: Setting = Setting::new(
    "init",
    Kind::Choice(INITS),
    Absent::Nothing,
    "How this layer's weights start; as `model.init` says, unless given.",
);
