//! Two models over the test cases of both: who sat which, and what came of it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use base::{Diagnostic, Diagnostics, Digest};
use engine::{Level, Options, Predictor};
use inherit::compare::{
    Answer, Case, ClassLists, Comparison, RegressionCase, RegressionComparison, compare, compare_regression,
};
use serde::{Deserialize, Serialize};
use store::Store;
use tensor::Tensor;

use crate::cases::{Answered, Expected};
use crate::error::RunError;
use crate::metrics::greatest;
use crate::seen_cases::SeenCases;
use crate::sitting::{Candidate, Registered, Sheet, generations, stored};
use crate::training::EVALUATION_BATCH;

/// Probabilities that are kept of each model; of more, calibration is left out.
const PROBABILITIES_MAX: usize = 1 << 26;
/// An answer that is this near to the stored one is the same.
const SAME_ANSWER: f32 = 1e-3;
/// The seed of the bootstrap where no scheme gives one.
const SEED: u64 = 1;
/// Latency is the median of at most so many answers, within so much time.
const LATENCY_ANSWERS_MAX: usize = 50;
const LATENCY_TIME_MAX: Duration = Duration::from_millis(300);

/// What two models did differently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Compared {
    /// Classifiers.
    Classes(Comparison),
    /// Models that answer with a number.
    Values(RegressionComparison),
}

/// Two models over the same cases, with what surrounds them.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelComparison {
    /// The parent.
    pub before: ModelFacts,
    /// The child.
    pub after: ModelFacts,
    /// What they did differently.
    pub outcome: Compared,
    /// What was left out, and why; one sentence each.
    pub notices: Vec<String>,
    /// The inputs of the first newly broken and newly fixed cases.
    pub inputs: BTreeMap<Digest, CaseInput>,
}

/// What a model costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// `name@N`.
    pub model: String,
    /// The model's digest.
    pub digest: String,
    /// Numbers that it learnt or keeps.
    pub parameters: u64,
    /// Bytes of its graph and tensors.
    pub bytes: u64,
    /// Median time of one answer to one case, in milliseconds; measured here and now.
    pub latency_ms: Option<f64>,
}

/// The input of one case.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseInput {
    /// Whose case it is: `name@N`.
    pub owner: String,
    /// `u8` [channels, height, width], or `f32` [features] or [window, features].
    pub input: Tensor,
    /// Names of the columns; empty for images.
    pub features: Vec<String>,
}

/// How models are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompareOptions {
    /// Threads, at least 1.
    pub threads: usize,
    /// Of numbers: absolute errors that differ by at most this count as equal; unit of the target.
    pub tolerance: f64,
    /// Inputs that are given back, of newly broken and of newly fixed cases each.
    pub inputs_max: usize,
}

/// Compares the model `child` with each of `parents` over the test cases that they, and the models they descend from,
/// left in the store.
///
/// Errors   an unknown model; models of which one answers with classes and one with numbers; no case that both can
///          take, or no class that both know; cases that cannot be read; the world.
pub fn compare_models(
    store: &Store,
    child: &str,
    parents: &[String],
    options: CompareOptions,
) -> Result<Vec<ModelComparison>, RunError> {
    let child = Registered::load(store, child)?;
    let parents =
        parents.iter().map(|parent| Registered::load(store, parent)).collect::<Result<Vec<_>, _>>()?;
    let named: Vec<&str> = std::iter::once(&child).chain(&parents).map(|model| model.id.as_str()).collect();
    // The named models' own cases before those of earlier generations.
    let found = stored(store, &generations(store, &named)?)?;
    if !found.unreadable.is_empty() {
        return Err(RunError::damaged("what was tested", found.unreadable.join("; ")));
    }
    let engine = Options { batch: EVALUATION_BATCH, threads: options.threads.max(1), level: Level::detect() };
    let after = child.candidate(engine);
    let mut comparisons = Vec::with_capacity(parents.len());
    for parent in &parents {
        let before = parent.candidate(engine);
        let settings = Settings { seed: SEED, tolerance: options.tolerance };
        let seen = SeenCases::of(store, &generations(store, &[&child.id, &parent.id])?, &found.sheets)?;
        let both = contrast(&found.sheets, &seen.digests, &before, &after, settings)?;
        let outcome = both.outcome?;
        let inputs = inputs_of(&outcome, &both.places, &found.sheets, options.inputs_max);
        let notices = found.notices.iter().cloned().chain(seen.notices).chain(recalled(store, parent)?);
        let notices = notices.chain(both.notices);
        comparisons.push(ModelComparison {
            before: facts(parent, &before, &found.sheets)?,
            after: facts(&child, &after, &found.sheets)?,
            outcome,
            notices: notices.collect(),
            inputs,
        });
    }
    Ok(comparisons)
}

fn recalled(store: &Store, model: &Registered) -> Result<Option<String>, RunError> {
    let recalls = store.recalls_of(&model.version)?;
    Ok(recalls.first().map(|recall| format!("{} is recalled: {}", model.id, recall.reason)))
}

fn facts(
    model: &Registered,
    candidate: &Candidate<'_>,
    sheets: &[Sheet<'_>],
) -> Result<ModelFacts, RunError> {
    Ok(ModelFacts {
        model: model.id.clone(),
        digest: model.version.digest.to_string(),
        parameters: model.parameters,
        bytes: model.version.bytes,
        latency_ms: latency_ms(candidate, sheets)?,
    })
}

/// The median time of one answer, on one thread.
fn latency_ms(candidate: &Candidate<'_>, sheets: &[Sheet<'_>]) -> Result<Option<f64>, RunError> {
    let sheet = sheets.iter().find(|sheet| !sheet.rows.is_empty() && candidate.reading(sheet).is_ok());
    let Some(sheet) = sheet else { return Ok(None) };
    let columns = candidate.reading(sheet).unwrap_or_default();
    let options = Options { batch: 1, threads: 1, ..candidate.options };
    let mut predictor = Predictor::new(candidate.graph, options)?;
    let mut ask = || sheet.ask(&mut predictor, columns.as_deref());
    ask()?;
    let (mut times, begun) = (Vec::new(), Instant::now());
    while times.len() < LATENCY_ANSWERS_MAX && begun.elapsed() < LATENCY_TIME_MAX {
        let started = Instant::now();
        ask()?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok(times.get(times.len() / 2).copied())
}

/// What a comparison depends on beside models and cases.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// Of the bootstrap.
    pub(crate) seed: u64,
    /// See [`CompareOptions::tolerance`].
    pub(crate) tolerance: f64,
}

/// What came of two models that sat the same sheets.
pub(crate) struct Contrast {
    /// The comparison, or why there is none.
    pub(crate) outcome: Result<Compared, Diagnostics>,
    /// Where each case that was sat stands: sheet and place.
    places: BTreeMap<Digest, (usize, usize)>,
    pub(crate) notices: Vec<String>,
}

/// Compares two models over the union of `sheets` but for the cases `left_out`. A case that stands in several is sat once,
/// with the answer that the first of them holds for right.
///
/// Errors   the engine.
pub(crate) fn contrast(
    sheets: &[Sheet<'_>],
    left_out: &BTreeSet<Digest>,
    before: &Candidate<'_>,
    after: &Candidate<'_>,
    settings: Settings,
) -> Result<Contrast, RunError> {
    let mut joint = Joint { left_out: left_out.clone(), ..Joint::default() };
    if before.labels.is_empty() != after.labels.is_empty() {
        let word = |model: &Candidate<'_>| if model.labels.is_empty() { "a number" } else { "a class" };
        let message =
            format!("{} answers with {}, {} with {}", before.id, word(before), after.id, word(after));
        let found = Diagnostic::new("different-tasks", message).help("compare models that answer alike");
        return Ok(Contrast { outcome: Err(found.into()), places: joint.places, notices: joint.notices });
    }
    for (number, sheet) in sheets.iter().enumerate() {
        joint.sit(number, sheets, sheet, before, after)?;
    }
    joint.notice_differences();
    let outcome = match (joint.is_empty(), before.labels.is_empty()) {
        (true, _) => Err(no_cases(&joint, before, after)),
        (false, true) => compare_regression(&joint.numbers, settings.tolerance).map(Compared::Values),
        (false, false) => {
            let lists = ClassLists { before: before.labels, after: after.labels };
            compare(lists, &joint.classes, settings.seed).map(Compared::Classes)
        }
    };
    Ok(Contrast { outcome, places: joint.places, notices: joint.notices })
}

fn no_cases(joint: &Joint, before: &Candidate<'_>, after: &Candidate<'_>) -> Diagnostics {
    let message = format!("there is no test case that both {} and {} can take", before.id, after.id);
    let found = Diagnostic::new("no-shared-cases", message);
    joint.notices.iter().fold(found, |found, notice| found.help(notice.clone())).into()
}

/// Cases with the answers of both.
#[derive(Default)]
struct Joint {
    /// Cases that judge nothing.
    left_out: BTreeSet<Digest>,
    classes: Vec<Case>,
    numbers: Vec<RegressionCase>,
    /// Probabilities kept of each model so far.
    probabilities: usize,
    /// Whether there were too many of them.
    too_many: bool,
    places: BTreeMap<Digest, (usize, usize)>,
    /// Cases for which a later sheet holds another answer for right.
    disputed: usize,
    notices: Vec<String>,
}

impl Joint {
    fn is_empty(&self) -> bool {
        self.classes.is_empty() && self.numbers.is_empty()
    }

    fn sit(
        &mut self,
        number: usize,
        sheets: &[Sheet<'_>],
        sheet: &Sheet<'_>,
        before: &Candidate<'_>,
        after: &Candidate<'_>,
    ) -> Result<(), RunError> {
        if sheet.expected.labels().is_empty() != before.labels.is_empty() && !sheet.rows.is_empty() {
            self.notices.push(format!("the cases of {} are of another task and are left out", sheet.owner));
            return Ok(());
        }
        let readings = [before, after].map(|model| {
            let reason = |reason| format!("the cases of {} are left out: {} {reason}", sheet.owner, model.id);
            model.reading(sheet).map_err(reason)
        });
        let [Ok(first), Ok(second)] = &readings else {
            self.notices.extend(readings.into_iter().filter_map(Result::err));
            return Ok(());
        };
        let places = self.new_places(number, sheets, sheet);
        if places.is_empty() {
            return Ok(());
        }
        let earlier = before.answers(sheet, &places, first.as_deref())?;
        let later = after.answers(sheet, &places, second.as_deref())?;
        for (model, answers) in [(before, &earlier), (after, &later)] {
            self.notices.extend(changed_answers(model, sheet, &places, answers));
        }
        match &sheet.expected {
            Expected::Values(values) => {
                let rows = places.iter().zip(earlier.iter().zip(&later));
                self.numbers.extend(rows.map(|(&place, (&before, &after))| RegressionCase {
                    digest: sheet.digests[place],
                    expected: values[place],
                    before: f64::from(before),
                    after: f64::from(after),
                }));
            }
            Expected::Classes { labels, classes } => {
                self.probabilities += places.len() * before.width().max(after.width());
                self.too_many |= self.probabilities > PROBABILITIES_MAX;
                let rows = earlier.chunks_exact(before.width()).zip(later.chunks_exact(after.width()));
                for (&place, (first, second)) in places.iter().zip(rows) {
                    self.classes.push(Case {
                        digest: sheet.digests[place],
                        expected: labels[classes[place] as usize].clone(),
                        before: answer(before, first, self.too_many),
                        after: answer(after, second, self.too_many),
                    });
                }
            }
        }
        Ok(())
    }

    /// The places of `sheet` whose cases no earlier sheet has. What is twice in one sheet is there twice.
    fn new_places(&mut self, number: usize, sheets: &[Sheet<'_>], sheet: &Sheet<'_>) -> Vec<usize> {
        let mut new = Vec::new();
        let judging = |(_, digest): &(usize, &Digest)| !self.left_out.contains(digest);
        for (place, &digest) in sheet.digests.iter().enumerate().filter(judging) {
            match self.places.entry(digest) {
                Entry::Vacant(free) => {
                    free.insert((number, place));
                    new.push(place);
                }
                Entry::Occupied(known) => {
                    let &(first, other) = known.get();
                    match first == number {
                        true => new.push(place),
                        false => self.disputed += usize::from(!agree(&sheets[first], other, sheet, place)),
                    }
                }
            }
        }
        new
    }

    fn notice_differences(&mut self) {
        if self.disputed > 0 {
            let cases = if self.disputed == 1 { "case has" } else { "cases have" };
            self.notices.push(format!(
                "{} {cases} another right answer in an earlier generation; the newest one counts",
                self.disputed
            ));
        }
        if self.too_many {
            // Some of them for some cases would be no calibration of any.
            let answers = self.classes.iter_mut().flat_map(|case| [&mut case.before, &mut case.after]);
            answers.for_each(|answer| answer.probabilities = Vec::new());
            self.notices.push("calibration is left out: there are too many cases and classes".to_owned());
        }
    }
}

fn answer(model: &Candidate<'_>, row: &[f32], bare: bool) -> Answer {
    let probabilities = if bare { Vec::new() } else { row.to_vec() };
    Answer { class: model.labels[greatest(row)].clone(), probabilities }
}

/// Whether two sheets hold the same answer for right.
fn agree(first: &Sheet<'_>, place: usize, second: &Sheet<'_>, other: usize) -> bool {
    match (&first.expected, &second.expected) {
        (Expected::Values(left), Expected::Values(right)) => left[place] == right[other],
        (left, right) => class_name(left, place) == class_name(right, other),
    }
}

fn class_name(expected: &Expected, place: usize) -> Option<&str> {
    match expected {
        Expected::Classes { labels, classes } => Some(&labels[classes[place] as usize]),
        Expected::Values(_) => None,
    }
}

/// Says so if `model` no longer gives the answers that were stored with its own cases.
fn changed_answers(
    model: &Candidate<'_>,
    sheet: &Sheet<'_>,
    places: &[usize],
    answers: &[f32],
) -> Option<String> {
    let stored = sheet.answered.as_ref().filter(|_| sheet.owner == model.id)?;
    let rows = places.iter().zip(answers.chunks_exact(model.width()));
    let differs = |(&place, row): (&usize, &[f32])| match stored {
        Answered::Values(values) => {
            let (now, then) = (f64::from(row[0]), values[place]);
            (now - then).abs() > f64::from(SAME_ANSWER) * (1.0 + then.abs())
        }
        Answered::Classes(then) => {
            let (class, confidence) = then[place];
            let best = greatest(row);
            let same_class = sheet.expected.labels().get(class as usize) == model.labels.get(best);
            // Where two classes are level, the last digits of another processor decide.
            let level = (row[best] - confidence).abs() <= SAME_ANSWER;
            !level
                || (!same_class
                    && (row.get(class as usize).is_none_or(|p| (p - row[best]).abs() > SAME_ANSWER)))
        }
    };
    let count = rows.filter(|&row| differs(row)).count();
    (count > 0).then(|| {
        let all = places.len();
        format!("{} answers {count} of its {all} cases otherwise than when it was registered", model.id)
    })
}

/// The inputs of the first cases that changed.
fn inputs_of(
    outcome: &Compared,
    places: &BTreeMap<Digest, (usize, usize)>,
    sheets: &[Sheet<'_>],
    max: usize,
) -> BTreeMap<Digest, CaseInput> {
    let digests: Vec<Digest> = match outcome {
        Compared::Classes(found) => {
            let lists = [&found.newly_broken, &found.newly_fixed];
            lists.into_iter().flat_map(|list| list.iter().take(max).map(|case| case.digest)).collect()
        }
        Compared::Values(found) => {
            let lists = [&found.newly_worse, &found.newly_better];
            lists.into_iter().flat_map(|list| list.iter().take(max).map(|case| case.digest)).collect()
        }
    };
    let input = |digest: Digest| {
        let &(number, place) = places.get(&digest)?;
        let sheet = &sheets[number];
        let (owner, features) = (sheet.owner.clone(), sheet.features.clone());
        Some((digest, CaseInput { owner, input: sheet.example(place), features }))
    };
    digests.into_iter().filter_map(input).collect()
}
