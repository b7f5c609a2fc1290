//! `[model]`: the network.

use std::path::PathBuf;

use serde::Deserialize;

use super::init::{INITS, Init};
use super::layers::LAYERS;
use super::placed::Placed;
use super::steps::Steps;
use crate::algorithms::{MERGE, Merge};
use crate::architectures::{ARCHITECTURES, HIDDEN};
use crate::settings::{Absent, Kind, Literal, RealRange, Section, Setting};

/// The network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "ModelKeys")]
pub struct Model {
    /// What it is made of.
    pub architecture: Architecture,
    /// How its weights start.
    pub init: Init,
    /// What is taken over from an earlier model.
    pub inherit: Option<Inherit>,
}

/// What a network is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Architecture {
    /// Layers written in the scheme, in order; at least one.
    Layers(Steps<Placed>),
    /// An ONNX file.
    Graph(PathBuf),
    /// The layers of the model that is inherited from.
    Parent,
}

/// What is taken over from an earlier model, tensor by tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Inherit {
    /// `name`, `name@N` or `name@alias`; or `auto`, see [`Inherit::is_auto`]; of several that are merged, the first.
    pub parent: String,
    /// How it is merged with others.
    pub merge: Option<Merge>,
    /// Rules `CHILD = PARENT` about names of tensors or layers.
    pub rename: Vec<String>,
    /// Patterns of names that start anew.
    pub fresh: Vec<String>,
    /// Patterns of names of layers that start as the identity.
    pub identity: Vec<String>,
    /// The least share of the elements that must come from the parent.
    pub min_inherited: f64,
}

impl Inherit {
    /// The word that leaves the choice of the parent to a ranking. A model of this name is written `auto@N`.
    pub const AUTO: &'static str = "auto";

    /// Whether the parent is to be the first of the ranking of all registered models and of starting from scratch.
    pub fn is_auto(&self) -> bool {
        self.merge.is_none() && self.parent == Self::AUTO
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelKeys {
    layers: Option<Steps<Placed>>,
    graph: Option<PathBuf>,
    init: Init,
    inherit: Option<String>,
    merge: Option<Merge>,
    rename: Option<Vec<String>>,
    fresh: Option<Vec<String>>,
    identity: Option<Vec<String>>,
    min_inherited: Option<f64>,
}

impl TryFrom<ModelKeys> for Model {
    type Error = &'static str;

    fn try_from(keys: ModelKeys) -> Result<Self, Self::Error> {
        let architecture = match (keys.layers, keys.graph) {
            (Some(layers), None) => Architecture::Layers(layers),
            (None, Some(path)) => Architecture::Graph(path),
            (None, None) if keys.inherit.is_some() || keys.merge.is_some() => Architecture::Parent,
            _ => return Err("a model has either layers or a graph"),
        };
        let first = |merge: &Merge| merge.parents().first().cloned();
        let parent = keys.inherit.or_else(|| keys.merge.as_ref().and_then(first));
        let inherit = parent.map(|parent| Inherit {
            parent,
            merge: keys.merge,
            rename: keys.rename.unwrap_or_default(),
            fresh: keys.fresh.unwrap_or_default(),
            identity: keys.identity.unwrap_or_default(),
            min_inherited: keys.min_inherited.unwrap_or(0.0),
        });
        Ok(Model { architecture, init: keys.init, inherit })
    }
}

/// `[model]`.
pub(crate) const MODEL: Section = Section {
    title: "`[model]`: the network",
    doc: "Either `layers`, which an `architecture` may write, or `graph`, and with `inherit` or `merge` also neither: \
          then the layers are the parent's.",
    settings: &[
        Setting::new(
            "architecture",
            Kind::Choice(ARCHITECTURES),
            Absent::Nothing,
            "A well-known network, written out as `layers` in the place of those that are inherited. What the same scheme \
             and its children say of single layers goes on top; `heirloom scheme show` shows what comes of it.",
        ),
        HIDDEN,
        Setting::new("layers", Kind::Steps(&LAYERS), Absent::Nothing, "The layers, in order."),
        Setting::new(
            "graph",
            Kind::Path,
            Absent::Nothing,
            "An ONNX file. Its weights are the start of the training.",
        ),
        Setting::new(
            "init",
            Kind::Choice(INITS),
            Absent::Default(Literal::Text("glorot_uniform")),
            "How the weights of the layers start that do not say it themselves. Biases start at 0 unless it says otherwise.",
        ),
        Setting::new(
            "inherit",
            Kind::Text { max: 300 },
            Absent::Nothing,
            "The registered model whose tensors the network starts with: `name`, `name@N` or `name@alias`. \
             `heirloom inherit plan` tells tensor by tensor what is taken over. `auto` takes what `heirloom inherit rank` puts \
             first and the network can take over, which may be to start from scratch.",
        ),
        Setting::new(
            "merge",
            Kind::Table(&MERGE),
            Absent::Nothing,
            "Several registered models whose tensors, combined, the network starts with. Instead of `inherit`.",
        ),
        Setting::new(
            "rename",
            Kind::List { of: &Kind::Text { max: 400 }, min: 1, max: 1000 },
            Absent::Nothing,
            "Which of the parent's tensors or layers those of other names go back to: `\"stem = conv1\"`, \
             `\"block* = layer*\"`. Only with `inherit` or `merge`.",
        ),
        Setting::new(
            "fresh",
            Kind::List { of: &PATTERN, min: 1, max: 1000 },
            Absent::Nothing,
            "Tensors or layers that start anew whatever the parent has; `*` stands for any text. Only with `inherit` or `merge`.",
        ),
        Setting::new(
            "identity",
            Kind::List { of: &PATTERN, min: 1, max: 1000 },
            Absent::Nothing,
            "Layers that the parent does not have and that start as the identity, so that the deeper network begins by \
             computing what the parent computes (Chen et al. 2016): convolutions and dense layers that keep their \
             shape, batch normalisations. Only with `inherit` or `merge`.",
        ),
        Setting::new(
            "min_inherited",
            Kind::Real(RealRange::closed(0.0, 1.0)),
            Absent::Nothing,
            "The least share of the network's parameters that must come from the parent; a run that falls short \
             stops before training. Only with `inherit` or `merge`.",
        ),
    ],
    family: None,
};

/// A pattern over names of tensors or layers.
pub(crate) const PATTERN: Kind = Kind::Text { max: 200 };
