//! A layer with the layer that it reads: how networks branch.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::layers::Layer;
use crate::settings::{Absent, Kind, Setting};

/// A layer in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Placed {
    /// The layer whose result it takes; the one before it unless given.
    pub input: Option<String>,
    /// What it computes.
    pub layer: Layer,
}

impl TryFrom<Map<String, Value>> for Placed {
    type Error = serde_json::Error;

    fn try_from(mut keys: Map<String, Value>) -> Result<Self, Self::Error> {
        let input = keys.remove(INPUT).map(serde_json::from_value).transpose()?;
        Ok(Placed { input, layer: serde_json::from_value(Value::Object(keys))? })
    }
}

impl From<Placed> for Map<String, Value> {
    fn from(placed: Placed) -> Self {
        // A layer is an enum of plain structs: it becomes an object.
        let Ok(Value::Object(mut keys)) = serde_json::to_value(placed.layer) else { return Map::new() };
        keys.extend(placed.input.map(|input| (INPUT.to_owned(), input.into())));
        keys
    }
}

/// The key that says what a layer reads.
pub(crate) const INPUT: &str = "input";
/// The key that says what an `add` layer adds.
pub(crate) const WITH: &str = "with";

/// The name of a layer.
pub(super) const LAYER_NAME: Kind = Kind::Text { max: 64 };

/// Every layer's input.
pub(super) const INPUT_SETTING: Setting = Setting::new(
    INPUT,
    LAYER_NAME,
    Absent::Nothing,
    "The name of an earlier layer whose result this one takes; the layer before it, unless given. So networks branch.",
);
