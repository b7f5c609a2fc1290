//! By what a run chooses how convolutions are computed, so that it can be done again elsewhere with the same bytes.
//!
//! The rates of a machine decide last digits of the weights. So they are part of the key of `train`; the first run of some work
//! notes them under a key that does not hold them, and whoever goes on with that work, or does it again, takes those. They are
//! kept beside the model, too.

pub(crate) mod begun;

use base::{Digest, DigestWriter};
use engine::{Algorithm, Convolutions, Costs, Level};
use scheme::{Convolution, ResolvedScheme};
use serde::{Deserialize, Serialize};
use store::{ModelVersion, Store};

use crate::error::RunError;
use crate::keys::{ENGINE_VERSION, to_value};

/// Under which role the account is kept beside a model.
const ROLE: &str = "convolutions";

/// The rates at which a run compares algorithms of convolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rates {
    /// Those of the machine, or the default ones. Work that was begun with others goes on with those.
    Machine(Costs),
    /// These and no others.
    Stated(Costs),
}

impl Rates {
    /// The rates, whatever was noted before.
    pub(crate) fn costs(self) -> Costs {
        let (Rates::Machine(costs) | Rates::Stated(costs)) = self;
        costs
    }
}

/// Rates as they are kept: whole millions per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRates {
    /// Floating-point operations of the direct sum.
    pub direct_mflops: u32,
    /// Floating-point operations of the products of transformed numbers.
    pub products_mflops: u32,
    /// Bytes of transformed maps.
    pub transforms_mbytes: u32,
    /// Bytes of transformed weights, and of gradients of weights.
    pub weights_mbytes: u32,
}

impl From<Costs> for KeptRates {
    fn from(costs: Costs) -> Self {
        let [direct_mflops, products_mflops, transforms_mbytes, weights_mbytes] = costs.rates();
        KeptRates { direct_mflops, products_mflops, transforms_mbytes, weights_mbytes }
    }
}

impl KeptRates {
    /// As the engine has them; `None` if one is zero.
    pub fn costs(self) -> Option<Costs> {
        let KeptRates { direct_mflops, products_mflops, transforms_mbytes, weights_mbytes } = self;
        Costs::new([direct_mflops, products_mflops, transforms_mbytes, weights_mbytes])
    }
}

/// How the convolutions of a training step are computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConvolutionsReport {
    /// `train.convolution`.
    pub chosen_by: Convolution,
    /// The rates that were compared, where `auto` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<KeptRates>,
    /// The convolutions, and gradients of some, that are not the direct sum.
    pub transformed: Vec<Transformed>,
}

/// A convolution, or a gradient of one, that is computed from transformed maps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transformed {
    /// The node of the training graph.
    pub node: String,
    /// `winograd_2x2` or `winograd_4x4`.
    pub algorithm: String,
}

impl ConvolutionsReport {
    /// What a plan does that chooses as `scheme` and `convolutions` say.
    pub(crate) fn of(
        scheme: &ResolvedScheme,
        convolutions: Convolutions,
        algorithms: &[(String, Algorithm)],
    ) -> Self {
        let rates = match convolutions {
            Convolutions::Cheapest(costs) => Some(costs.into()),
            Convolutions::Largest(_) => None,
        };
        let other = algorithms.iter().filter(|(_, algorithm)| *algorithm != Algorithm::Direct);
        let transformed = other.map(|(node, algorithm)| Transformed {
            node: node.clone(),
            algorithm: algorithm.name().to_owned(),
        });
        ConvolutionsReport { chosen_by: setting(scheme), rates, transformed: transformed.collect() }
    }

    /// As it is kept beside a model: its role, and its bytes.
    pub(crate) fn attachment(&self) -> (String, Vec<u8>) {
        (ROLE.to_owned(), to_value(self).to_string().into_bytes())
    }
}

/// `train.convolution`, or what it is where nothing is said.
fn setting(scheme: &ResolvedScheme) -> Convolution {
    scheme.train.convolution.unwrap_or(Convolution::Auto)
}

/// How a scheme's training chooses, at the given rates where it compares any.
pub(crate) fn convolutions(scheme: &ResolvedScheme, costs: Costs) -> Convolutions {
    match setting(scheme) {
        Convolution::Auto => Convolutions::Cheapest(costs),
        Convolution::Direct => Convolutions::Largest(Algorithm::Direct),
        Convolution::Winograd2x2 => Convolutions::Largest(Algorithm::Winograd2x2),
        Convolution::Winograd4x4 => Convolutions::Largest(Algorithm::Winograd4x4),
    }
}

/// What decides the last digits of what training computes, beside its settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arithmetic {
    pub(crate) level: Level,
    pub(crate) convolutions: Convolutions,
}

impl Arithmetic {
    /// Begun with a key that has the settings: adds what does not depend on rates, and gives the digest of so much. Then the
    /// rates, if they count.
    pub(crate) fn write(&self, scheme: &ResolvedScheme, key: &mut DigestWriter) -> Digest {
        key.field(self.level.name().as_bytes()).field(&ENGINE_VERSION.to_le_bytes());
        if let Some(setting) = scheme.train.convolution.filter(|&setting| setting != Convolution::Auto) {
            key.field(b"convolution").field(format!("{setting:?}").as_bytes());
        }
        // A document of its own has a key of its own, also where no rates are added.
        let work = DigestWriter::new("heirloom.rates.1").field(&key.finish().0).finish();
        write(self.convolutions, key);
        work
    }
}

/// Adds to a key how convolutions are chosen, unless that is as by default.
pub(crate) fn write(convolutions: Convolutions, key: &mut DigestWriter) {
    match convolutions {
        Convolutions::Cheapest(costs) if costs == Costs::default() => {}
        Convolutions::Cheapest(costs) => {
            key.field(b"rates");
            costs.rates().iter().for_each(|rate| {
                key.field(&rate.to_le_bytes());
            });
        }
        Convolutions::Largest(algorithm) => {
            key.field(b"algorithm").field(algorithm.name().as_bytes());
        }
    }
}

/// The rates that made a version's weights; `None` of a version from before there were any, of an imported one, and of one whose
/// scheme compares none.
///
/// Errors   the store.
pub fn rates_of(store: &Store, version: &ModelVersion) -> Result<Option<Costs>, RunError> {
    let Some(bytes) = store.attachment(version, ROLE)? else { return Ok(None) };
    let report: ConvolutionsReport = serde_json::from_slice(&bytes)
        .map_err(|error| RunError::damaged("the account of a model's convolutions", error))?;
    Ok(report.rates.and_then(KeptRates::costs))
}
