//! What a run tells while it goes on. The terminal, `--json`, `events.jsonl` and later the web page are renderings of
//! the same events.

use inherit::transfer::TransferPlan;
use serde::{Deserialize, Serialize};

use crate::deployment::Deployment;
use crate::examination::AgainstParent;
use crate::gates::GateReport;
use crate::metrics::Metrics;
use crate::report::EpochReport;

pub use engine::Flow;

/// Receives every event as it happens. Answering [`Flow::Stop`] ends the run at the next batch or stage with
/// [`crate::RunError::Interrupted`]; what was checkpointed can be resumed.
pub type Observer<'a> = dyn FnMut(&Event) -> Flow + Send + 'a;

/// A part of a run with a content key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Read the source, divide it, fit statistics on the training part.
    Prepare,
    /// Build the model's graph.
    Plan,
    /// Find the weights.
    Train,
    /// Measure them.
    Evaluate,
    /// Put weights, preprocessing and answer into one graph.
    Package,
    /// Give the model its name and number.
    Register,
}

impl Stage {
    /// All stages in their order.
    pub const ALL: [Stage; 6] =
        [Stage::Prepare, Stage::Plan, Stage::Train, Stage::Evaluate, Stage::Package, Stage::Register];

    /// The name in reports: `prepare`, `plan` ...
    pub fn name(self) -> &'static str {
        match self {
            Stage::Prepare => "prepare",
            Stage::Plan => "plan",
            Stage::Train => "train",
            Stage::Evaluate => "evaluate",
            Stage::Package => "package",
            Stage::Register => "register",
        }
    }
}

/// One thing that happened. As JSON: an object whose `event` is the variant's name in snake case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run begins. First event.
    RunStarted {
        /// The scheme's name: that of the model to be.
        scheme: String,
        /// Digest of the resolved scheme.
        scheme_digest: String,
        /// What all randomness is a function of.
        seed: u64,
        /// Threads.
        threads: usize,
        /// Vector instructions in use.
        cpu_level: String,
    },
    /// There is work to do: the run has an id and a folder. A run that finds everything done has neither.
    RunOpened {
        /// The run's id.
        run: String,
        /// Whether an interrupted run goes on.
        resumed: bool,
    },
    /// Something that the user should know though it is no mistake; one sentence.
    Notice {
        /// The sentence.
        text: String,
    },
    /// A stage begins to work.
    StageStarted {
        /// Which.
        stage: Stage,
    },
    /// A stage is done.
    StageFinished {
        /// Which.
        stage: Stage,
        /// Its content key.
        key: String,
        /// Wall time.
        seconds: f64,
    },
    /// A stage had been done before: its result was taken from the store.
    StageCached {
        /// Which.
        stage: Stage,
        /// Its content key.
        key: String,
    },
    /// The data is in memory, or its account was in the store.
    DataPrepared(DataSummary),
    /// The model's graph is built.
    ModelPlanned(ModelSummary),
    /// The first step of training is about to run.
    TrainingStarted {
        /// Epochs in all.
        epochs: usize,
        /// Examples per step.
        batch_size: usize,
        /// Steps per epoch.
        batches: usize,
        /// Epoch that training starts in, from 1; above 1 after a resume.
        epoch: usize,
        /// Steps of that epoch that were done before.
        done: usize,
    },
    /// A batch is done. For displays: at most about ten a second, and never in `events.jsonl`.
    BatchFinished {
        /// Epoch, from 1.
        epoch: usize,
        /// Epochs in all.
        epochs: usize,
        /// Steps done in this epoch.
        batch: usize,
        /// Steps per epoch.
        batches: usize,
        /// Mean loss of the examples seen in this epoch.
        loss: f64,
        /// Share of right answers among them, while learning; of classifiers.
        accuracy: Option<f64>,
        /// Examples per second in this epoch.
        images_per_second: f64,
        /// Estimate for this and all further epochs.
        seconds_left: f64,
    },
    /// An epoch is done, validated and checkpointed.
    EpochFinished {
        /// Its numbers.
        #[serde(flatten)]
        report: EpochReport,
        /// Epochs in all.
        epochs: usize,
        /// Whether its weights are the ones to keep so far.
        best: bool,
    },
    /// A checkpoint is on disk.
    CheckpointSaved {
        /// Epoch, from 1, that is under way or just done.
        epoch: usize,
        /// Steps done in all.
        step: u64,
    },
    /// Training is done.
    TrainingFinished {
        /// The epoch whose weights are kept, from 1.
        best_epoch: usize,
        /// Epochs trained.
        epochs: usize,
        /// Whether the validation loss had stopped falling.
        stopped_early: bool,
    },
    /// The kept weights are measured.
    Evaluated {
        /// What was measured.
        metrics: Box<Metrics>,
    },
    /// The model and its parent sat the same test cases.
    ComparedWithParent(AgainstParent),
    /// The model was held against its scheme's gates. Where one refuses and is not overruled, nothing is registered.
    GatesJudged {
        /// Every condition, in the scheme's order.
        gates: Vec<GateReport>,
    },
    /// The model has its name and number.
    ModelRegistered {
        /// `name@N`.
        model: String,
        /// The model's digest.
        digest: String,
        /// Whether this version did not exist before.
        new: bool,
    },
    /// What became of the version, of a scheme with `[deploy]`.
    Deployed(Deployment),
    /// The run came to its end. Last event of a run without error.
    RunFinished {
        /// `name@N`.
        model: String,
        /// The model's digest.
        digest: String,
        /// Whether nothing had to be done.
        cached: bool,
        /// Wall time of this call.
        seconds: f64,
    },
    /// The run came to an error. Last event of such a run, written to `events.jsonl`.
    RunFailed {
        /// What went wrong.
        message: String,
    },
}

/// What there is to learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// The source's short name.
    pub name: String,
    /// Digest of all examples.
    pub digest: String,
    /// Lengths of one example's dimensions.
    pub example_shape: Vec<usize>,
    /// Names of the channels or features.
    pub features: Vec<String>,
    /// Names of the classes; empty if the answer is a number.
    pub classes: Vec<String>,
    /// The target column, if the answer is a number.
    pub target: Option<String>,
    /// Rows of the training part.
    pub train: usize,
    /// Rows of the validation part.
    pub validation: usize,
    /// Rows of the test part.
    pub test: usize,
    /// Rows that nothing is done with, because `examples_per_class` leaves them over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unused: usize,
}

/// The network, layer by layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// In order.
    pub layers: Vec<LayerSummary>,
    /// Numbers that the layers learn, or keep if they are frozen.
    pub parameters: usize,
    /// How many of them do not learn.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub frozen: usize,
    /// What is taken over from a parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferPlan>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerSummary {
    /// Its name in the scheme.
    pub name: String,
    /// What it does.
    pub op: String,
    /// The shape of its result without the batch.
    pub shape: Vec<usize>,
    /// Numbers that it learns.
    pub parameters: usize,
}
