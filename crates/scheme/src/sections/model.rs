//! `[model]`: the network.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::layers::{LAYERS, Layer};
use super::steps::Steps;
use crate::settings::{Absent, Choice, Kind, Literal, Section, Setting};

/// The network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "ModelKeys")]
pub struct Model {
    /// What it is made of.
    pub architecture: Architecture,
    /// How its weights start.
    pub init: Init,
}

/// What a network is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Architecture {
    /// Layers written in the scheme, in order; at least one.
    Layers(Steps<Layer>),
    /// An ONNX file.
    Graph(PathBuf),
}

/// How weights start; biases start at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Uniform in `±√(6 / (fan_in + fan_out))`.
    GlorotUniform,
    /// Normal with deviation `√(2 / fan_in)`.
    HeNormal,
    /// Uniform in `±√(6 / fan_in)`.
    HeUniform,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelKeys {
    layers: Option<Steps<Layer>>,
    graph: Option<PathBuf>,
    init: Init,
}

impl TryFrom<ModelKeys> for Model {
    type Error = &'static str;

    fn try_from(keys: ModelKeys) -> Result<Self, Self::Error> {
        let architecture = match (keys.layers, keys.graph) {
            (Some(layers), None) => Architecture::Layers(layers),
            (None, Some(path)) => Architecture::Graph(path),
            _ => return Err("a model has either layers or a graph"),
        };
        Ok(Model { architecture, init: keys.init })
    }
}

/// `[model]`.
pub(crate) const MODEL: Section = Section {
    title: "`[model]`: the network",
    doc: "Either `layers` or `graph`.",
    settings: &[
        Setting::new("layers", Kind::Steps(&LAYERS), Absent::Nothing, "The layers, in order."),
        Setting::new(
            "graph",
            Kind::Path,
            Absent::Nothing,
            "An ONNX file. Its weights are the start of the training.",
        ),
        Setting::new(
            "init",
            Kind::Choice(&[
                Choice::new(
                    "glorot_uniform",
                    "uniform in `±√(6 / (fan_in + fan_out))` (Glorot and Bengio 2010)",
                ),
                Choice::new("he_normal", "normal with deviation `√(2 / fan_in)` (He et al. 2015)"),
                Choice::new("he_uniform", "uniform in `±√(6 / fan_in)`"),
            ]),
            Absent::Default(Literal::Text("glorot_uniform")),
            "How the weights of the layers start. Biases start at 0.",
        ),
    ],
    family: None,
};
