//! One training run's outcome, and the check that a set of them can be compared.

use crate::compare::mistakes::Mistakes;
use base::Diagnostics;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The longest training that is believed, 30 years: keeps all sums of times far from overflow.
const SECONDS_MAX: f64 = 1e9;

/// The outcome of one training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Share of the training labels that were given, in `(0, 1]`.
    pub fraction: f64,
    /// How many labels that are; the same for every trial of a fraction.
    pub labels: u64,
    /// The seed; both trainings of a seed see the same labels.
    pub seed: u64,
    /// Whether the training started from a parent.
    pub inherited: bool,
    /// Final accuracy on the test set, in `[0, 1]`.
    pub accuracy: f64,
    /// How long the whole training took, seconds.
    pub seconds: f64,
    /// Accuracy on the way: `(seconds since the start, accuracy)`, the seconds not descending. May be
    /// empty: then only the end, `(seconds, accuracy)`, is known.
    pub curve: Vec<(f64, f64)>,
}

impl Trial {
    /// The points of the curve; the end alone where nothing was recorded on the way.
    pub(super) fn points(&self) -> Vec<(f64, f64)> {
        if self.curve.is_empty() { vec![(self.seconds, self.accuracy)] } else { self.curve.clone() }
    }
}

/// Both trainings of one seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) seed: u64,
    pub(super) inherited: &'a Trial,
    pub(super) scratch: &'a Trial,
}

/// All pairs of one fraction, ascending by seed; never empty.
#[derive(Debug, Clone)]
pub(super) struct Group<'a> {
    pub(super) fraction: f64,
    pub(super) labels: u64,
    pub(super) pairs: Vec<Pair<'a>>,
}

/// Pairs the trials up: the groups ascend by fraction and by labels, and there is at least one.
///
/// Errors as [`super::prove`].
pub(super) fn pair_up(trials: &[Trial]) -> Result<Vec<Group<'_>>, Diagnostics> {
    let mut mistakes = Mistakes::default();
    if trials.is_empty() {
        mistakes.add("no-trials", || "a proof needs at least one pair of trials, there is none".to_owned());
    }
    trials.iter().for_each(|trial| check(trial, &mut mistakes));
    mistakes.finish()?;

    let mut mistakes = Mistakes::default();
    // Fractions are positive here, so their bits ascend as they do.
    let mut sorted: BTreeMap<(u64, u64), [Option<&Trial>; 2]> = BTreeMap::new();
    for trial in trials {
        let slot = &mut sorted.entry((trial.fraction.to_bits(), trial.seed)).or_default()
            [usize::from(trial.inherited)];
        if slot.replace(trial).is_some() {
            mistakes.add("duplicate-trial", || format!("{} is there twice", name(trial)));
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for ((_, seed), slots) in sorted {
        match slots {
            [Some(scratch), Some(inherited)] => {
                if scratch.labels != inherited.labels {
                    mistakes.add("trial-labels", || {
                        format!(
                            "{} has {} labels, without {}",
                            name(inherited),
                            inherited.labels,
                            scratch.labels
                        )
                    });
                }
                add(Pair { seed, inherited, scratch }, &mut groups, &mut mistakes);
            }
            [one, other] => {
                if let Some(trial) = one.or(other) {
                    mistakes.add("unpaired-trial", || format!("{} has no counterpart", name(trial)));
                }
            }
        }
    }
    mistakes.finish()?;
    Ok(groups)
}

/// Adds a pair to the last group, or to a new one if its fraction is another.
fn add<'a>(pair: Pair<'a>, groups: &mut Vec<Group<'a>>, mistakes: &mut Mistakes) {
    let Trial { fraction, labels, .. } = *pair.scratch;
    match groups.last_mut() {
        Some(group) if group.fraction == fraction => {
            if group.labels != labels {
                mistakes.add("trial-labels", || {
                    format!("{} has {labels} labels, another seed {}", name(pair.scratch), group.labels)
                });
            }
            group.pairs.push(pair);
        }
        last => {
            if let Some(group) = last.filter(|group| group.labels >= labels) {
                mistakes.add("trial-labels", || {
                    format!(
                        "fraction {fraction} has {labels} labels, the smaller fraction {} has {}",
                        group.fraction, group.labels
                    )
                });
            }
            groups.push(Group { fraction, labels, pairs: vec![pair] });
        }
    }
}

fn check(trial: &Trial, mistakes: &mut Mistakes) {
    let mut range = |what: &str, value: f64, expected: &str, holds: bool| {
        if !holds {
            mistakes
                .add("trial-range", || format!("{}: {what} is {value}, expected {expected}", name(trial)));
        }
    };
    let share = |value: f64| (0.0..=1.0).contains(&value);
    let time = |value: f64| (0.0..=SECONDS_MAX).contains(&value);
    range("the fraction", trial.fraction, "over 0, at most 1", trial.fraction > 0.0 && trial.fraction <= 1.0);
    range("the number of labels", trial.labels as f64, "at least 1", trial.labels > 0);
    range("the accuracy", trial.accuracy, "0 to 1", share(trial.accuracy));
    range("the time", trial.seconds, "0 to 1e9", time(trial.seconds));
    for &(seconds, accuracy) in &trial.curve {
        range("a time of the curve", seconds, "0 to 1e9", time(seconds));
        range("an accuracy of the curve", accuracy, "0 to 1", share(accuracy));
    }
    if trial.curve.windows(2).any(|pair| pair[0].0 > pair[1].0) {
        mistakes.add("trial-curve", || format!("{}: the times of the curve descend", name(trial)));
    }
}

fn name(trial: &Trial) -> String {
    let how = if trial.inherited { "with" } else { "without" };
    format!("the trial {how} inheritance at fraction {}, seed {}", trial.fraction, trial.seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(fraction: f64, labels: u64, seed: u64, inherited: bool) -> Trial {
        Trial { fraction, labels, seed, inherited, accuracy: 0.5, seconds: 1.0, curve: vec![] }
    }

    fn codes(trials: &[Trial]) -> Vec<&'static str> {
        pair_up(trials).unwrap_err().0.iter().map(|diagnostic| diagnostic.code).collect()
    }

    #[test]
    fn groups_ascend_whatever_the_order() {
        let trials = [
            trial(1.0, 100, 2, true),
            trial(0.1, 10, 7, false),
            trial(1.0, 100, 1, false),
            trial(1.0, 100, 2, false),
            trial(0.1, 10, 7, true),
            trial(1.0, 100, 1, true),
        ];
        let groups = pair_up(&trials).unwrap();
        let found: Vec<_> = groups.iter().map(|group| (group.labels, group.pairs.len())).collect();
        assert_eq!(found, [(10, 1), (100, 2)]);
        assert_eq!(groups[1].pairs[0].seed, 1);
        assert!(groups[1].pairs[0].inherited.inherited && !groups[1].pairs[0].scratch.inherited);
    }

    #[test]
    fn what_cannot_be_paired_is_refused() {
        assert_eq!(codes(&[]), ["no-trials"]);
        assert_eq!(codes(&[trial(1.0, 9, 1, true)]), ["unpaired-trial"]);
        assert_eq!(codes(&[trial(1.0, 9, 1, true), trial(1.0, 8, 1, false)]), ["trial-labels"]);
        let twice = [trial(1.0, 9, 1, true), trial(1.0, 9, 1, true), trial(1.0, 9, 1, false)];
        assert_eq!(codes(&twice), ["duplicate-trial"]);
        let shrinking = [
            trial(0.1, 9, 1, true),
            trial(0.1, 9, 1, false),
            trial(1.0, 9, 1, true),
            trial(1.0, 9, 1, false),
        ];
        assert_eq!(codes(&shrinking), ["trial-labels"]);
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        let spoilt: [fn(&mut Trial); 8] = [
            |trial| trial.fraction = f64::NAN,
            |trial| trial.fraction = 0.0,
            |trial| trial.labels = 0,
            |trial| trial.accuracy = f64::NAN,
            |trial| trial.accuracy = 1.1,
            |trial| trial.seconds = f64::INFINITY,
            |trial| trial.curve = vec![(f64::NAN, 0.5)],
            |trial| trial.curve = vec![(1.0, -0.5)],
        ];
        for spoil in spoilt {
            let mut trials = [trial(1.0, 9, 1, true), trial(1.0, 9, 1, false)];
            spoil(&mut trials[0]);
            assert_eq!(codes(&trials), ["trial-range"]);
        }
        let mut trials = [trial(1.0, 9, 1, true), trial(1.0, 9, 1, false)];
        trials[1].curve = vec![(2.0, 0.5), (1.0, 0.6)];
        assert_eq!(codes(&trials), ["trial-curve"]);
    }
}
