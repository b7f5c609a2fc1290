//! A log read against a profile: the newest window in full, earlier ones in brief, and late labels.

use std::collections::VecDeque;
use std::path::Path;

use serde::Serialize;

use crate::drift::{Settings, Verdict, exact_interval, judge};
use crate::error::MonitorError;
use crate::labels::Labels;
use crate::log::{Answered, ReadReport, Record, Schema, Status, read_log};
use crate::profile::{Answers, Profile};
use crate::tally::Tally;
use crate::window::Window;

/// Confidence of the interval of an accuracy.
const CONFIDENCE: f64 = 0.95;
/// Earlier windows that are told.
const PAST_MAX: usize = 10_000;

/// What is reviewed.
#[derive(Debug, Clone)]
pub struct ReviewOptions {
    /// The model's name.
    pub model: String,
    /// Its version; records of other versions are counted and left out.
    pub version: u32,
    /// Requests of a window.
    pub window: usize,
    /// When a difference is an alarm.
    pub settings: Settings,
}

/// A log read against a profile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Review {
    /// What was read.
    pub log: ReadReport,
    /// Answered requests of the model version.
    pub requests: u64,
    /// Requests of it that were not answered.
    pub unanswered: u64,
    /// Records of other models and versions.
    pub others: u64,
    /// Times of the newest window's first and last request; `None` without requests.
    pub newest_unix_ms: Option<[i64; 2]>,
    /// What the tests say of the newest window.
    pub newest: Verdict,
    /// Every whole window from the oldest request on, one behind the other; the newest of them where there are very many.
    pub past: Vec<PastWindow>,
    /// What labels say of the newest labelled requests, as many as a window has; `None` without labels.
    pub labelled: Option<Labelled>,
}

/// An earlier window in brief.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PastWindow {
    /// Times of its first and last request.
    pub unix_ms: [i64; 2],
    /// How many it has.
    pub requests: u64,
    /// Whether there is an alarm.
    pub alarm: bool,
    /// The greatest effect, in units of what matters.
    pub score: f64,
    /// What raised an alarm, the clearest first: `STATISTIC TEST`.
    pub alarms: Vec<String>,
}

/// Answers beside their labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Labelled {
    /// Answered requests with a label.
    pub requests: u64,
    /// How many answers are right; of classifiers.
    pub right: u64,
    /// The share of right ones; of classifiers.
    pub accuracy: Option<f64>,
    /// Its exact interval (Clopper and Pearson), confidence 95 %.
    pub interval: Option<[f64; 2]>,
    /// The accuracy over the examples of the profile: the test part.
    pub test_accuracy: Option<f64>,
    /// The mean of `|answer - label|`; of models that answer with a number.
    pub mae: Option<f64>,
    /// The square root of the mean of `(answer - label)^2`; of models that answer with a number.
    pub rmse: Option<f64>,
    /// Labels whose request is not in the log: not sampled, too old, or never made.
    pub unmatched: u64,
    /// Labels that a later line corrected.
    pub corrected: u64,
    /// Labelled requests whose label is no class of the model, or no number: they count as wrong, or not at all.
    pub unknown: u64,
    /// Counts of the bins of the errors; of models that answer with a number.
    #[serde(skip)]
    pub(crate) errors: Vec<u32>,
}

/// Reads the log in `folder` and judges it by `profile`.
///
/// Errors   the disk.
pub fn review(
    folder: &Path,
    profile: &Profile,
    labels: Option<&Labels>,
    options: &ReviewOptions,
) -> Result<Review, MonitorError> {
    let mut reading = Reading::new(profile, labels, options);
    let log = read_log(folder, |record| reading.take(record))?;
    Ok(reading.finish(log))
}

struct Reading<'a> {
    profile: &'a Profile,
    labels: Option<&'a Labels>,
    options: &'a ReviewOptions,
    newest: Window,
    times: VecDeque<i64>,
    /// The window that is being filled, and the times of its first and last request.
    filling: (Tally, [i64; 2]),
    past: VecDeque<PastWindow>,
    requests: u64,
    unanswered: u64,
    others: u64,
    /// The schema seen last, and where in it each field of the profile is.
    places: Option<(std::sync::Arc<Schema>, Vec<Option<usize>>)>,
    matched: u64,
    /// What each of the newest labelled requests came to.
    judged: VecDeque<Judged>,
}

#[derive(Debug, Clone, Copy)]
struct Judged {
    known: bool,
    right: bool,
    /// `answer - label`.
    error: f64,
}

impl<'a> Reading<'a> {
    fn new(profile: &'a Profile, labels: Option<&'a Labels>, options: &'a ReviewOptions) -> Self {
        Reading {
            profile,
            labels,
            options,
            newest: Window::new(profile, options.window),
            times: VecDeque::new(),
            filling: (Tally::new(profile), [0; 2]),
            past: VecDeque::new(),
            requests: 0,
            unanswered: 0,
            others: 0,
            places: None,
            matched: 0,
            judged: VecDeque::new(),
        }
    }

    fn take(&mut self, record: Record) {
        if record.schema.model != self.options.model || record.schema.version != self.options.version {
            self.others += 1;
            return;
        }
        let answer = match (record.status, &record.answer) {
            (Status::Ok, Some(answer)) => answer,
            _ => {
                self.unanswered += 1;
                return;
            }
        };
        self.requests += 1;
        if let Some(label) = self.labels.and_then(|labels| labels.of(&record.id)) {
            self.matched += 1;
            self.judged.push_back(beside(answer, label, self.profile.classes()));
            if self.judged.len() > self.options.window {
                self.judged.pop_front();
            }
        }
        let answer = answer.among(self.profile.classes());
        let values = self.values(&record);
        let code = self.profile.code(&values, Some(answer));
        let (tally, [first, last]) = &mut self.filling;
        if tally.requests() == 0 {
            *first = record.unix_ms;
        }
        *last = record.unix_ms;
        tally.add(&code);
        if tally.requests() as usize >= self.options.window {
            self.close();
        }
        self.newest.push(code);
        self.times.push_back(record.unix_ms);
        if self.times.len() > self.options.window {
            self.times.pop_front();
        }
    }

    /// The record's inputs in the order of the profile's fields.
    fn values(&mut self, record: &Record) -> Vec<Option<f32>> {
        let known =
            self.places.as_ref().is_some_and(|(schema, _)| std::sync::Arc::ptr_eq(schema, &record.schema));
        if !known {
            let own = &record.schema.fields;
            let places =
                self.profile.fields().map(|field| own.iter().position(|name| name == field)).collect();
            self.places = Some((std::sync::Arc::clone(&record.schema), places));
        }
        let places = self.places.iter().flat_map(|(_, places)| places);
        places.map(|place| record.inputs.get((*place)?).copied().flatten()).collect()
    }

    /// Judges the window that is full.
    fn close(&mut self) {
        let (tally, unix_ms) = std::mem::replace(&mut self.filling, (Tally::new(self.profile), [0; 2]));
        let verdict = judge(self.profile, &tally, None, &self.options.settings);
        let alarms =
            verdict.alarms().iter().map(|each| format!("{} {}", each.statistic, each.test.name())).collect();
        let (requests, alarm, score) = (verdict.requests, verdict.alarm, verdict.score());
        self.past.push_back(PastWindow { unix_ms, requests, alarm, score, alarms });
        if self.past.len() > PAST_MAX {
            self.past.pop_front();
        }
    }

    fn finish(self, log: ReadReport) -> Review {
        let labelled = self.labels.map(|labels| self.labelled(labels));
        let newest = judge(self.profile, self.newest.tally(), labelled.as_ref(), &self.options.settings);
        Review {
            log,
            requests: self.requests,
            unanswered: self.unanswered,
            others: self.others,
            newest_unix_ms: self.times.front().zip(self.times.back()).map(|(&first, &last)| [first, last]),
            newest,
            past: self.past.into(),
            labelled,
        }
    }

    fn labelled(&self, labels: &Labels) -> Labelled {
        let all = self.judged.iter();
        let count =
            |holds: fn(&Judged) -> bool| self.judged.iter().filter(|judged| holds(judged)).count() as u64;
        let (requests, right, unknown) =
            (self.judged.len() as u64, count(|each| each.right), count(|each| !each.known));
        let mut found = Labelled {
            requests,
            right,
            accuracy: None,
            interval: None,
            test_accuracy: None,
            mae: None,
            rmse: None,
            unmatched: (labels.len() as u64).saturating_sub(self.matched),
            corrected: labels.corrected,
            unknown,
            errors: Vec::new(),
        };
        match self.profile.answers() {
            Answers::Classes { right: right_before, .. } => {
                let of = |right: u64, all: u64| (all > 0).then(|| right as f64 / all as f64);
                found.accuracy = of(right, requests);
                found.interval = (requests > 0).then(|| exact_interval(right, requests, CONFIDENCE));
                found.test_accuracy = of(*right_before, self.profile.examples());
            }
            Answers::Values { error, .. } => {
                let errors: Vec<f64> = all.filter(|each| each.known).map(|each| each.error).collect();
                let mean = |of: fn(f64) -> f64| {
                    let sum: f64 = errors.iter().map(|&error| of(error)).sum();
                    (!errors.is_empty()).then(|| sum / errors.len() as f64)
                };
                found.mae = mean(f64::abs);
                found.rmse = mean(|error| error * error).map(f64::sqrt);
                found.errors = vec![0; error.counts.len()];
                for each in &errors {
                    found.errors[error.bin(each.abs() as f32)] += 1;
                }
            }
        }
        found
    }
}

fn beside(answer: &Answered, label: &str, classes: &[String]) -> Judged {
    match answer {
        Answered::Class(class, _) => {
            Judged { known: classes.iter().any(|known| known == label), right: **class == *label, error: 0.0 }
        }
        Answered::Value(value) => match label.parse::<f64>() {
            Ok(label) if label.is_finite() => Judged { known: true, right: false, error: value - label },
            _ => Judged { known: false, right: false, error: 0.0 },
        },
    }
}
