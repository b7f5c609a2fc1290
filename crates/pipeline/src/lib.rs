//! The pipeline: a resolved scheme becomes a registered model.
//!
//! ```text
//! prepare ─► plan ─► train ─► evaluate ─► package ─► gates ─► register ─► deploy
//! ```
//!
//! The decision that shaped it: *a stage is a function of its key*. The key is made of the digests of what goes in,
//! of the settings that matter and of the code's format version, and of nothing else: no time, no path, no
//! number of threads. So a stage whose key is in the store need not run, a run that is repeated does no work, and
//! a run that was killed goes on where its last checkpoint stands and comes to the same bytes.
//!
//! Everything a run does is told in typed [`Event`]s to the caller and kept in `events.jsonl`; nothing is printed
//! here, and the time comes from the caller.

mod architecture;
mod cases;
mod comparison;
mod convolutions;
mod deployment;
mod error;
mod evaluate;
mod events;
mod examination;
mod export;
mod gates;
mod golden;
mod image_hashes;
mod infer;
mod inheritance;
mod journal;
mod judgement;
mod keys;
mod leak_guard;
mod measured;
mod memory;
pub mod metrics;
mod occasion;
mod onnx_network;
mod options;
mod overrides;
mod package;
mod prepare;
mod preprocessing;
mod profile;
mod prove;
mod random_examples;
mod rank;
mod records;
mod register;
mod rehearsal;
mod report;
mod rival;
mod run;
mod run_id;
mod seen_cases;
mod session;
mod sitting;
mod slices;
mod source;
mod taken;
mod teacher;
mod training;
mod watch;
mod who_saw;

pub use comparison::{CaseInput, CompareOptions, Compared, ModelComparison, ModelFacts, compare_models};
pub use convolutions::{ConvolutionsReport, KeptRates, Rates, Transformed, rates_of};
pub use deployment::{Deployment, DeploymentOutcome, deploy_of};
pub use error::{Failure, RunError};
pub use events::{DataSummary, Event, Flow, LayerSummary, ModelSummary, Observer, Stage};
pub use examination::AgainstParent;
pub use export::{export_onnx, export_safetensors, network_kind, served_roles};
pub use gates::GateReport;
pub use golden::{Golden, ParityDifference, ParityReport, golden, verify_golden};
pub use infer::{LoadedModel, ModelInput, Prediction, infer, load_model, read_inputs};
pub use inheritance::{by_action, plan_transfer};
pub use judgement::RefusalReport;
pub use memory::peak_bytes;
pub use occasion::Cause;
pub use onnx_network::onnx_network;
pub use options::RunOptions;
pub use overrides::{Override, Overruled, overruled_of};
pub use profile::profile_of;
pub use prove::{
    ProofDocument, ProofEvent, ProofObserver, ProofWishes, Proved, has_proofs, last_proof, proofs_of, prove,
};
pub use random_examples::{RANDOM_BYTES_MAX, RandomExamples};
pub use rank::{
    LeftOut, RANK_EXAMPLES_MAX, RankObserver, RankOptions, RankedCandidate, Ranking, ShownScores, Standing,
    rank_parents,
};
pub use records::SeenIn;
pub use report::{EpochReport, HeadReport, RunReport, StageReport};
pub use rival::alias_of;
pub use run::run;
pub use training::{StepOptions, TrainingStep};
pub use watch::{Due, Order, Why, due, settle};
pub use who_saw::{Sighting, Sightings, who_saw};
