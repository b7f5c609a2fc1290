//! The store: models, runs, stage results and checkpoints of one project, in one `.heirloom/` folder.
//!
//! Two kinds of things are kept. *Blobs* are bytes named by their BLAKE3 digest, one file each;
//! tensors, graphs and resolved schemes are blobs, so what two models share is kept once. *Rows*
//! live in SQLite and say what the blobs mean: `name@N`, aliases, runs, finished stages.
//!
//! The decision that shaped it: *blobs first, rows after, and rows in one transaction*. A blob is
//! written beside its place, synced and renamed before any row speaks of it, so whatever moment a
//! process is killed at, the store shows either the old state or the new one, never a part. At
//! worst a blob remains that nothing points to. Every blob is hashed again when it is read, and
//! the digest of a model covers everything that decides its answers and nothing else: no time, no
//! path, no metric.
//!
//! Nothing here knows what a graph or a scheme means, reads a clock, or prints. The formats are
//! written down in `docs/formats/store.md`.

mod address;
mod aliases;
mod annotations;
mod attachments;
mod blobs;
mod bundle;
mod checkpoints;
mod database;
mod decisions;
mod error;
mod export;
mod files;
mod garbage;
mod history;
mod limits;
mod lineage;
mod lock;
mod manifest;
mod names;
mod package;
mod packed;
mod promotion;
mod recall;
mod receive;
mod reference;
mod register;
mod rollout;
mod runs;
mod schemes;
mod settings;
mod signatures;
mod stages;
mod stats;
mod store;
mod trailer;
mod verify;
mod versions;

pub use address::{SharedAddress, StoreAddress};
pub use aliases::AliasChange;
pub use annotations::{About, Annotation};
pub use bundle::{BundleCompression, parse_bundle};
pub use checkpoints::{Checkpoint, CheckpointLoad, DamagedCheckpoint};
pub use decisions::{Deployed, GateOverride};
pub use error::StoreError;
pub use files::{DiskFiles, Files};
pub use garbage::{Collection, Garbage};
pub use history::{By, Event};
pub use lineage::{Direction, Edge, Lineage, ParentRecord, Relation};
pub use lock::{RunLock, WatchLock};
pub use manifest::{BlobEntry, Manifest, Port, TensorEntry};
pub use package::{Package, PackedScheme, PackedVersion};
pub use promotion::Promotion;
pub use recall::{Alias, Recall, RecallReport};
pub use receive::{Arrival, BlobSource, Received};
pub use register::{EngineFacts, ModelRecord, Registered};
pub use rollout::{Rollout, RolloutEnd, RolloutStart, RolloutState};
pub use runs::{Run, RunRecord, RunState};
pub use schemes::{SchemeChild, SchemeParent, SchemeRecord, SchemeRegistered, SchemeSource, SchemeVersion};
pub use signatures::{Signature, TrustedKey};
pub use stages::StageResult;
pub use stats::Stats;
pub use store::Store;
pub use trailer::{Trailer, append_trailer, find_trailer};
pub use verify::{Problem, Verification};
pub use versions::{Model, ModelSummary, ModelVersion};
