//! Heads learnt from a few examples a class, over features that do not change.
//!
//! ```text
//! features [n, d], labels ──► prototype │ cosine │ logistic ──► LinearHead: W [d, classes], b [classes]
//! ```
//!
//! All three give the same kind of head, so that what carries it out need not know how it was learnt. With one to
//! five examples a class the means ([`prototype`], [`cosine`]) hold best, for they estimate nothing else; with
//! more, [`logistic`] also learns which features matter.

mod cosine;
mod head;
mod lbfgs;
mod logistic;
#[cfg(test)]
mod properties;
mod prototype;
mod strength;

pub use cosine::{COSINE_TEMPERATURE, cosine};
pub(crate) use head::largest;
pub use head::{HeadError, Intake, LinearHead};
pub use lbfgs::Limits;
pub use logistic::{Logistic, logistic};
pub use prototype::{prototype, within_variance};
pub use strength::{STRENGTHS, choose_strength};
