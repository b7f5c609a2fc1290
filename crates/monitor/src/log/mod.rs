//! The log of requests: lines of JSON in segments under one folder. The form is described in docs/formats/request-log.md.
//!
//! [`Log::record`] hands a record to a thread of its own and never waits: where the queue is full, the record is
//! dropped and counted. Old segments go by age and by bytes. A segment is never written to again once its writer is gone, so what a
//! kill leaves is at worst one half line at its end.

mod line;
mod reader;
mod segments;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use reader::{ReadReport, read_log};
pub use writer::{Log, LogStats};

use crate::profile::Answer;

/// Where a store's own log of requests is: this folder of it.
pub const LOG_FOLDER: &str = "requests";
/// The version of the form that is written, and the newest that is read.
const FORMAT_VERSION: u32 = 1;
/// Longest line that is written or read.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Longest id of a request that is kept; longer ones are cut.
const ID_BYTES_MAX: usize = 256;

/// What is logged, for how long, and how much of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LogOptions {
    /// The share of requests that is logged, in 0..=1. Which ones, their ids decide: the same id is always in or always out.
    pub sample: f64,
    /// Records older than this go, by whole segments; kept for any time if `None`.
    pub age_ms_max: Option<i64>,
    /// The oldest segments go while all have more bytes than this together.
    pub bytes_max: u64,
    /// A segment has about so many bytes.
    pub segment_bytes_max: u64,
    /// Records that wait to be written; more are dropped.
    pub queue: usize,
    /// What becomes of single inputs; the others are kept.
    pub fields: BTreeMap<String, FieldPolicy>,
    /// Goes into every hash, so that who does not know it cannot find a value by trying.
    pub hash_key: Vec<u8>,
}

impl Default for LogOptions {
    /// Everything for 30 days and in at most 1 GB, in segments of 16 MB.
    fn default() -> Self {
        LogOptions {
            sample: 1.0,
            age_ms_max: Some(30 * 24 * 3_600_000),
            bytes_max: 1_000_000_000,
            segment_bytes_max: 16_000_000,
            queue: 8192,
            fields: BTreeMap::new(),
            hash_key: Vec::new(),
        }
    }
}

/// What becomes of an input in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldPolicy {
    /// It is written as it is.
    Keep,
    /// Equal values can be told to be equal, and nothing else.
    Hash,
    /// It is not written.
    Drop,
}

/// What the records of one model version have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The model's name.
    pub model: String,
    /// Its version.
    pub version: u32,
    /// The names of the inputs, or of what is counted of them.
    pub fields: Vec<String>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was answered.
    Ok,
    /// The request was at fault.
    Refused,
    /// The server was.
    Failed,
}

/// The answer of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answered {
    /// A class and its probability.
    Class(Arc<str>, f32),
    /// A number.
    Value(f64),
}

impl Answered {
    /// The answer by the number that its class has among `classes`; a class that is not among them has none that counts.
    pub fn among(&self, classes: &[String]) -> Answer {
        match self {
            Answered::Value(value) => Answer::Value(*value),
            Answered::Class(label, confidence) => {
                let number = classes.iter().position(|class| **class == **label);
                Answer::Class(
                    number.and_then(|number| u32::try_from(number).ok()).unwrap_or(u32::MAX),
                    *confidence,
                )
            }
        }
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What is common to its model's records.
    pub schema: Arc<Schema>,
    /// Names the request, for labels that come later.
    pub id: String,
    /// When it came, in milliseconds since 1970.
    pub unix_ms: i64,
    /// One number for each field of the schema; `None` where it is not known, or not as a number. May be shorter.
    pub inputs: Vec<Option<f32>>,
    /// What was answered, if anything.
    pub answer: Option<Answered>,
    /// How long that took.
    pub latency_us: u32,
    /// How it ended.
    pub status: Status,
}
