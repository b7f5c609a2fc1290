//! What a teacher answers to the training examples, as targets beside their own.

use engine::{Feed, Targets};

use super::Training;
use super::answers::answers;
use super::validation::EVALUATION_BATCH;
use crate::error::RunError;
use crate::events::Event;
use crate::journal::Journal;

/// A teacher's scores: for each row of the data a row of as many numbers as it knows classes.
pub(super) struct Lessons {
    scores: Vec<f32>,
    known: usize,
}

/// The lessons of the teacher, if there is one. Tells.
pub(super) fn lessons(
    training: &Training<'_>,
    journal: &mut Journal<'_, '_>,
) -> Result<Option<Lessons>, RunError> {
    let Some(teacher) = training.teacher else { return Ok(None) };
    let Training { store, examples, .. } = training;
    let rows = examples.splits.train.iter().chain(&examples.rehearsed).copied().collect();
    let known = teacher.classes.len();
    let options = training.engine_options(EVALUATION_BATCH);
    let found = answers(store, &teacher.graph, known, examples, &rows, (options, None))?;
    let source = if found.found { "; its answers are taken from the store" } else { "" };
    journal.tell(&Event::Notice { text: format!("{}{source}", teacher.notice) })?;
    // Rows that nobody learns from are never looked at, but every row has its place.
    let mut scores = found.values;
    scores.resize(examples.feed().len() * known, 0.0);
    Ok(Some(Lessons { scores, known }))
}

impl Lessons {
    /// The same rows with the lessons beside their classes.
    pub(super) fn beside<'a>(&'a self, feed: Feed<'a>) -> Feed<'a> {
        let classes = feed.targets.classes().unwrap_or_default();
        let scores = &self.scores[..classes.len() * self.known];
        Feed { targets: Targets::Taught { classes, scores, known: self.known }, ..feed }
    }
}
