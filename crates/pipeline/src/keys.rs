//! Content keys: what a stage's result is a function of.

use base::{Digest, DigestWriter};
use scheme::ResolvedScheme;
use serde::Serialize;

use crate::convolutions::Arithmetic;
use crate::events::Stage;
use crate::prepare::Prepared;

/// Version of the engine's arithmetic: another one gives other bytes of weights.
pub(crate) const ENGINE_VERSION: u32 = 10;

/// Settings of `[train]` that decide about the weights.
const TRAIN_KEYS: [&str; 9] =
    ["epochs", "batch_size", "loss", "optimizer", "l1", "l2", "keep", "early_stopping", "freeze"];

/// Settings of `[train]` that hold a child to its parent: planning checks that they fit, training obeys them. They count only
/// where they are given, so that a key without them is what it was before there were any.
const HOLDING_KEYS: [&str; 8] =
    ["distill", "l2_sp", "ewc", "rates", "rate_decay", "unfreeze", "lora", "rehearse"];

/// The keys of the stages behind `prepare`.
pub(crate) struct Keys {
    pub(crate) plan: Digest,
    /// That of `train`, whatever the rates of convolutions.
    pub(crate) work: Digest,
    pub(crate) train: Digest,
    pub(crate) evaluate: Digest,
    pub(crate) package: Digest,
    pub(crate) register: Digest,
}

/// What judges a model besides its own test cases.
#[derive(Clone, Copy)]
pub(crate) struct Judges {
    /// What all its ancestors have seen and left.
    pub(crate) ancestors: Option<Digest>,
    /// What a gate compares it with that is not its parent.
    pub(crate) rival: Option<Digest>,
    /// The key of `prepare`, where a gate divides the test part by a column that need be no feature.
    pub(crate) divided: Option<Digest>,
}

/// Begins the key of a stage; the number is the version of its code.
fn begin(stage: Stage) -> DigestWriter {
    let version = match stage {
        Stage::Prepare | Stage::Plan | Stage::Train | Stage::Package => 1,
        // A profile and golden examples are kept beside the version.
        Stage::Register => 2,
        Stage::Evaluate => 3,
    };
    DigestWriter::new(&format!("heirloom.stage.{}.{version}", stage.name()))
}

/// The key of `prepare`: the source's bytes, how they are read, divided and fitted.
pub(crate) fn prepare_key(scheme: &ResolvedScheme, fingerprint: Digest) -> Digest {
    let mut key = begin(Stage::Prepare);
    key.field(&fingerprint.0);
    key.field(scheme.section_json("data").as_bytes()).field(scheme.section_json("preprocess").as_bytes());
    if scheme.data.examples_per_class.is_some() {
        key.field(&scheme.seed.to_le_bytes()); // it draws them
    }
    key.finish()
}

impl Keys {
    /// From what was prepared. `graph_file` is the digest of the ONNX file that the scheme names, `parent` that of the
    /// model that it inherits from, `rehearsed` that of the examples that one leaves.
    pub(crate) fn new(
        scheme: &ResolvedScheme,
        prepared: &Prepared,
        graph_file: Option<Digest>,
        parent: Option<Digest>,
        rehearsed: Option<Digest>,
        judges: Judges,
        arithmetic: Arithmetic,
    ) -> Self {
        let setting = |key: &str| scheme.section_json(key);
        let mut plan = begin(Stage::Plan);
        plan.field(&prepared.digest().0).field(setting("model").as_bytes());
        plan.field(graph_file.as_ref().map_or(b"".as_slice(), |digest| &digest.0));
        if let Some(parent) = parent {
            // The values that start anew, and what is copied where a layer grows, are a function of the seed.
            plan.field(&parent.0).field(&scheme.seed.to_le_bytes()).field(setting("train.freeze").as_bytes());
        }
        if scheme.train.head.is_some() {
            plan.field(setting("train.head").as_bytes());
        }
        // They decide whether the network fits into memory.
        plan.field(setting("train.batch_size").as_bytes()).field(setting("train.optimizer").as_bytes());
        for key in HOLDING_KEYS {
            let value = setting(&format!("train.{key}"));
            if value != "null" {
                plan.field(key.as_bytes()).field(value.as_bytes());
            }
        }
        let plan = plan.finish();

        let mut train = begin(Stage::Train);
        train.field(&plan.0).field(&scheme.seed.to_le_bytes());
        for key in TRAIN_KEYS {
            train.field(setting(&format!("train.{key}")).as_bytes());
        }
        if let Some(rehearsed) = rehearsed {
            train.field(&rehearsed.0);
        }
        let work = arithmetic.write(scheme, &mut train);
        let train = train.finish();

        let mut evaluate = begin(Stage::Evaluate);
        evaluate.field(&train.0).field(setting("evaluate").as_bytes());
        if let Some(ancestors) = judges.ancestors {
            // Test cases that one of them was trained on are left out.
            evaluate.field(&ancestors.0);
        }
        for (what, digest) in [("rival", judges.rival), ("divided", judges.divided)] {
            if let Some(digest) = digest {
                evaluate.field(what.as_bytes()).field(&digest.0);
            }
        }
        let evaluate = evaluate.finish();
        let package = begin(Stage::Package).field(&train.0).finish();
        let mut register = begin(Stage::Register);
        let register = register.field(&package.0).field(&evaluate.0).field(&scheme.digest().0).finish();
        Keys { plan, work, train, evaluate, package, register }
    }

    /// The key of a stage behind `prepare`, whose own is `prepare`.
    pub(crate) fn of(&self, stage: Stage, prepare: Digest) -> Digest {
        match stage {
            Stage::Prepare => prepare,
            Stage::Plan => self.plan,
            Stage::Train => self.train,
            Stage::Evaluate => self.evaluate,
            Stage::Package => self.package,
            Stage::Register => self.register,
        }
    }
}

/// The JSON value of a document of ours.
pub(crate) fn to_value(document: &impl Serialize) -> serde_json::Value {
    // Our documents have text keys and nothing that refuses to be written.
    serde_json::to_value(document).unwrap_or_else(|error| panic!("a document cannot be JSON: {error}"))
}

/// The JSON text of a document of ours, on one line.
pub(crate) fn json(document: &impl Serialize) -> String {
    to_value(document).to_string()
}
