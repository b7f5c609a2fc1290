//! Monitoring: whether what a model is asked, and what it answers, still looks as it did when the model was made.
//!
//! ```text
//! held-out examples ─► Profile ─┐
//!                               ├─► judge ─► Verdict
//! requests ─► Window ─► Tally ──┘
//! ```
//!
//! The decision that shaped it: *everything that a test needs is a count of bins*. The profile cuts each statistic of the
//! inputs and answers into bins by its quantiles; a request is one small code per statistic; a window of requests is the
//! sum of its codes. So a request costs a microsecond or two, the newest thousand are kept exactly and slide, the server
//! and the command line judge by the same counts, and neither has to keep anybody's input.
//!
//! It knows no model, no store and no network. Time comes from the caller. It is not for finding out *which* request is
//! strange: a verdict is about a window.

mod drift;
mod embedding;
mod error;
mod inputs;
mod labels;
mod log;
mod picture;
mod profile;
mod review;
mod sketch;
mod tally;
mod window;

pub use drift::{Finding, Settings, Test, Verdict, judge};
pub use error::MonitorError;
pub use inputs::{Inputs, Raw};
pub use labels::{LABELS_MAX, Labels};
pub use log::{
    Answered, FieldPolicy, LOG_FOLDER, Log, LogOptions, LogStats, ReadReport, Record, Schema, Status,
    read_log,
};
pub use profile::{Answer, Answers, EXAMPLES_MAX, Observed, PROFILE_BYTES_MAX, Profile};
pub use review::{Labelled, PastWindow, Review, ReviewOptions, review};
pub use sketch::Sketch;
pub use tally::{Coded, Tally};
pub use window::Window;
