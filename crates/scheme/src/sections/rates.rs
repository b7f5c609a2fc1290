//! `train.rates`: learning rates that differ from layer to layer.

use serde::{Deserialize, Serialize};

use crate::settings::RealRange;

/// What a factor may be.
const FACTOR: RealRange = RealRange::above(0.0, 1000.0);

/// A factor on the learning rate of some tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// A pattern of names of tensors or layers.
    pub pattern: String,
    /// Times the learning rate.
    pub factor: f64,
}

impl TryFrom<String> for Rate {
    type Error = String;

    /// Reads `conv* = 0.1`. Errors with one sentence that says what is wrong.
    fn try_from(text: String) -> Result<Self, String> {
        let rule = text.split_once('=').map(|(pattern, factor)| (pattern.trim(), factor.trim()));
        let Some((pattern, factor)) = rule.filter(|(pattern, _)| !pattern.is_empty()) else {
            return Err(format!(
                "`{text}` is no rule: it says which layers learn at which share of the rate"
            ));
        };
        match factor.parse() {
            Ok(factor) if FACTOR.contains(factor) => Ok(Rate { pattern: pattern.to_owned(), factor }),
            _ => Err(format!("`{factor}` in `{text}` is no factor: it is {FACTOR}")),
        }
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        format!("{} = {:?}", rate.pattern, rate.factor)
    }
}
