//! A multi-layer perceptron: dense layers with ReLU between them.

use super::writer::Writer;
use crate::settings::{Absent, Kind, Setting};

/// Units of the hidden layers, unless the scheme says others.
const USUAL: [i64; 2] = [512, 256];
/// Bounds of a hidden layer's units and of their number, which are checked with the settings.
const UNITS_MAX: i64 = 1_000_000;
const LAYERS_MAX: usize = 64;

/// The setting of `mlp`.
pub(crate) const HIDDEN: Setting = Setting::new(
    "hidden",
    Kind::List { of: &Kind::Integer { min: 1, max: UNITS_MAX }, min: 1, max: LAYERS_MAX },
    Absent::Nothing,
    "Units of the hidden layers of the architecture `mlp`, `hidden1`, `hidden2` and so on; `[512, 256]` unless given.",
);

/// The layers: `flatten`, `hidden1` and so on, `output`. What is no valid list is reported elsewhere and not followed here.
pub(super) fn text(hidden: Option<&[i64]>) -> String {
    let valid = |units: &&[i64]| {
        (1..=LAYERS_MAX).contains(&units.len()) && units.iter().all(|count| (1..=UNITS_MAX).contains(count))
    };
    let mut writer = Writer::new("mlp");
    writer.flatten();
    for (index, units) in hidden.filter(valid).unwrap_or(&USUAL).iter().enumerate() {
        let settings = [format!("units = {units}"), "activation = \"relu\"".to_owned()];
        writer.layer(&format!("hidden{}", index + 1), "dense", &settings);
    }
    writer.layer("output", "dense", &["units = \"classes\"".to_owned()]);
    writer.finish()
}
