//! The account of the leak guard: which cases of the test part judge nothing, and which look suspicious.

use inherit::leak::Leak;
use serde::{Deserialize, Serialize};

/// What the leak guard found. The figures of the test part are those of `cases - excluded` cases.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Leaks {
    /// Cases of the test part before any was left out.
    pub cases: usize,
    /// How many were left out, because an ancestor was trained on them. Equal cases count each.
    pub excluded: usize,
    /// Which those are and who was trained on them, each content once, ascending by digest; of more than
    /// [`Leaks::LISTED_MAX`] the first.
    pub leaked: Vec<Leak>,
    /// How many of the other cases resemble an image that an ancestor was trained on. They stay in the figures.
    pub resembling: usize,
    /// Which those are, ascending by digest; of more than [`Leaks::LISTED_MAX`] the first.
    pub near: Vec<Resemblance>,
    /// How many cases are equal, without their answer, to an example of the model's own training part. They stay in the
    /// figures: in a table of few columns such rows are no copies.
    pub own: usize,
    /// The ancestors whose training examples were looked through, as `name@N`, nearest first.
    pub compared: Vec<String>,
    /// Ancestors whose training examples are not known: registered before they were kept, or by another program.
    pub unknown: Vec<String>,
    /// Ancestors that take other inputs, so that the same example has another content there.
    pub other_input: Vec<String>,
}

/// A test case that looks like a training image of an ancestor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resemblance {
    /// The record's digest.
    pub digest: String,
    /// The ancestor.
    pub ancestor: String,
    /// In how many of 128 bits the perceptual hashes differ.
    pub distance: u32,
}

impl Leaks {
    /// Cases that are listed one by one, of each kind.
    pub const LISTED_MAX: usize = 1000;
}
