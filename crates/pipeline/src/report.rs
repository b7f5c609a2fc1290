//! The account of a run: the document that `heirloom run --json` prints and `run.json` keeps.

use serde::{Deserialize, Serialize};

use crate::convolutions::ConvolutionsReport;
use crate::deployment::Deployment;
use crate::events::{DataSummary, Stage};
use crate::examination::AgainstParent;
use crate::gates::GateReport;
use crate::metrics::Metrics;
use crate::overrides::Overruled;
pub use crate::training::head::HeadReport;

/// The account of a finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Version of this document's form.
    pub format_version: u32,
    /// `name@N`.
    pub model: String,
    /// The model's digest.
    pub digest: String,
    /// Digest of the resolved scheme.
    pub scheme_digest: String,
    /// The run that did the work.
    pub run: String,
    /// Whether nothing had to be done: everything was in the store.
    pub cached: bool,
    /// What was measured.
    pub metrics: Metrics,
    /// The model beside its parent, if it has one that could sit the same test cases.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub against_parent: Option<AgainstParent>,
    /// What the gates said; all of them let the model pass, but for those that were overruled.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub gates: Vec<GateReport>,
    /// The gates that refused and were overruled.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub overruled: Vec<Overruled>,
    /// What became of the version, of a scheme with `[deploy]`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deployment: Option<Deployment>,
    /// Every epoch in order.
    pub epochs: Vec<EpochReport>,
    /// The epoch whose weights were kept, from 1; 0 if there was none.
    pub best_epoch: usize,
    /// How the last layer was found before the first epoch, if `train.head` asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadReport>,
    /// How the convolutions of the last training step were computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convolutions: Option<ConvolutionsReport>,
    /// Threads of the run that trained.
    pub threads: usize,
    /// What all randomness is a function of.
    pub seed: u64,
    /// Vector instructions: `avx512`, `avx2`, `portable`.
    pub cpu_level: String,
    /// Numbers that were learnt.
    pub parameters: usize,
    /// Bytes of the registered graph and tensors.
    pub size_bytes: u64,
    /// Wall time of the run that did the work.
    pub seconds_total: f64,
    /// Greatest resident memory of the process, where the system tells it.
    pub peak_memory_bytes: Option<u64>,
    /// What there was to learn from.
    pub data: DataSummary,
    /// Every stage in order.
    pub stages: Vec<StageReport>,
}

impl RunReport {
    /// The version that this program writes.
    pub const FORMAT_VERSION: u32 = 1;
}

/// One stage of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageReport {
    /// Which.
    pub name: Stage,
    /// Its content key.
    pub key: String,
    /// Whether its result was taken from the store.
    pub cached: bool,
    /// Wall time; 0 if it was taken from the store.
    pub seconds: f64,
}

/// One epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// From 1.
    pub epoch: usize,
    /// Wall time of training alone.
    pub seconds: f64,
    /// Wall time of validating.
    pub validation_seconds: f64,
    /// Examples trained on.
    pub images: usize,
    /// Mean loss over the epoch's examples, each under the weights that its batch met.
    pub train_loss: f64,
    /// Share of right answers among them; of classifiers.
    pub train_accuracy: Option<f64>,
    /// Mean loss over the validation part, after the epoch.
    pub validation_loss: Option<f64>,
    /// Share of right answers in the validation part; of classifiers.
    pub validation_accuracy: Option<f64>,
}
