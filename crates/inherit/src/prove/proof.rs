//! What a set of trials proves, as it is written to JSON.

use super::curve::{CurvePoint, ScratchLabels, area, labels_to_reach, mean_curve, seconds_to_reach};
use super::student::Estimate;
use super::trial::{Group, Pair, Trial, pair_up};
use super::{CONFIDENCE, verdict};
use base::Diagnostics;
use serde::{Deserialize, Serialize};

/// Training with and without inheritance, compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// One entry for each amount of labels, ascending; at least one.
    pub fractions: Vec<Fraction>,
    /// How many times as many labels training from scratch needs for the same accuracy: the geometric
    /// mean over the fractions of `scratch labels / labels`. A fraction whose inherited accuracy
    /// scratch never reaches counts with the most labels tried, so the figure is then a lower bound.
    /// `None` where it cannot be told, see the note.
    pub labels_saved: Option<f64>,
    /// What `labels_saved` rests on, or why there is none.
    pub labels_saved_note: String,
    /// Time to scratch's final accuracy, with inheritance over without, at the largest fraction:
    /// 0.25 is four times as fast. `None` where it cannot be told, see the note.
    pub time_ratio: Option<f64>,
    /// What `time_ratio` rests on, or why there is none.
    pub time_ratio_note: String,
    /// Whether inheriting pays: the interval of the paired difference in accuracy lies above 0 at
    /// more than half of the fractions, and below 0 at none.
    pub pays: bool,
    /// The same in a sentence, with the figures.
    pub verdict: String,
    /// Mean accuracy over the logarithm of the labels; `None` for a single fraction, or if no seed was
    /// tried at all of them.
    pub area: Option<Area>,
    /// Accuracy over time at the largest fraction.
    pub curves: Curves,
    /// The confidence of all intervals, a share.
    pub confidence: f64,
}

/// Both ways of training with one amount of labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fraction {
    /// Share of the training labels.
    pub fraction: f64,
    /// How many labels that are.
    pub labels: u64,
    /// With inheritance.
    pub inherited: Arm,
    /// Without.
    pub scratch: Arm,
    /// How many seeds.
    pub seeds: u64,
    /// Accuracy with less accuracy without, within each seed.
    pub difference: Estimate,
    /// How many labels scratch needs for the inherited mean accuracy.
    pub scratch_labels: ScratchLabels,
    /// As [`Proof::time_ratio`], at this fraction.
    pub time_ratio: Option<f64>,
}

/// One way of training with one amount of labels: `mean`, `low`, `high` of the accuracy over the
/// seeds (Student's t, cut off at 0 and 1) and the mean time of a training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Accuracy.
    #[serde(flatten)]
    pub accuracy: Estimate,
    /// Mean time of a training, seconds; without the parent's.
    pub seconds: f64,
}

/// Area under accuracy over `ln(labels)`, divided by its range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// With inheritance.
    pub inherited: Estimate,
    /// Without.
    pub scratch: Estimate,
    /// With less without, within each seed.
    pub difference: Estimate,
}

/// Mean accuracy over time at the largest fraction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curves {
    /// How many labels that is.
    pub labels: u64,
    /// With inheritance.
    pub inherited: Vec<CurvePoint>,
    /// Without.
    pub scratch: Vec<CurvePoint>,
}

/// Compares training with and without inheritance. The order of `trials` does not matter.
///
/// Errors `no-trials`; `trial-range`: NaN, or a number outside its range; `trial-curve`: times that
///        descend; `duplicate-trial`; `unpaired-trial`: a fraction and seed tried in one way only;
///        `trial-labels`: trials of a fraction with unequal labels, or labels that do not grow with
///        the fraction. One diagnostic of each kind.
pub fn prove(trials: &[Trial]) -> Result<Proof, Diagnostics> {
    let groups = pair_up(trials)?;
    let mean = |group: &Group| arm(group, |pair| pair.scratch).accuracy.mean;
    let scratch_curve: Vec<(u64, f64)> = groups.iter().map(|group| (group.labels, mean(group))).collect();
    let fractions: Vec<Fraction> = groups.iter().map(|group| fraction(group, &scratch_curve)).collect();
    let largest = &groups[groups.len() - 1]; // at least one group, by `pair_up`
    let (labels_saved, labels_saved_note) = labels_saved(&fractions);
    let (time_ratio, time_ratio_note) = time_ratio(largest);
    let (pays, verdict) = verdict::verdict(&fractions);
    Ok(Proof {
        labels_saved,
        labels_saved_note,
        time_ratio,
        time_ratio_note,
        pays,
        verdict,
        area: areas(&groups),
        curves: Curves {
            labels: largest.labels,
            inherited: mean_curve(&points(largest, |pair| pair.inherited)),
            scratch: mean_curve(&points(largest, |pair| pair.scratch)),
        },
        confidence: CONFIDENCE,
        fractions,
    })
}

/// Picks one of a pair's two trainings.
type Pick = for<'a> fn(&Pair<'a>) -> &'a Trial;

fn points(group: &Group, pick: Pick) -> Vec<Vec<(f64, f64)>> {
    group.pairs.iter().map(|pair| pick(pair).points()).collect()
}

fn arm(group: &Group, pick: Pick) -> Arm {
    let accuracies: Vec<f64> = group.pairs.iter().map(|pair| pick(pair).accuracy).collect();
    let seconds = group.pairs.iter().map(|pair| pick(pair).seconds).sum::<f64>() / group.pairs.len() as f64;
    Arm { accuracy: Estimate::of(&accuracies).clipped(), seconds }
}

fn fraction(group: &Group, scratch_curve: &[(u64, f64)]) -> Fraction {
    let inherited = arm(group, |pair| pair.inherited);
    let differences: Vec<f64> =
        group.pairs.iter().map(|pair| pair.inherited.accuracy - pair.scratch.accuracy).collect();
    Fraction {
        fraction: group.fraction,
        labels: group.labels,
        inherited,
        scratch: arm(group, |pair| pair.scratch),
        seeds: group.pairs.len() as u64,
        difference: Estimate::of(&differences),
        scratch_labels: labels_to_reach(inherited.accuracy.mean, scratch_curve),
        time_ratio: time_ratio(group).0,
    }
}

fn labels_saved(fractions: &[Fraction]) -> (Option<f64>, String) {
    if fractions.len() < 2 {
        return (None, "Labels saved cannot be told from one amount of labels.".to_owned());
    }
    let (mut sum, mut never) = (0.0, 0);
    for row in fractions {
        let labels = match row.scratch_labels {
            ScratchLabels::At { labels } => labels,
            ScratchLabels::Never { labels } => {
                never += 1;
                labels as f64
            }
            ScratchLabels::ByFewest { labels } => {
                let note = format!(
                    "Labels saved cannot be told: with {} labels inheriting is less accurate than scratch with {labels}, \
                     the fewest tried.",
                    row.labels
                );
                return (None, note);
            }
        };
        sum += (labels / row.labels as f64).ln();
    }
    let count = fractions.len();
    let factor = (sum / count as f64).exp();
    let bound = match never {
        0 => String::new(),
        _ => format!(
            " At least: at {never} of {count} amounts scratch does not reach the inherited accuracy with the most labels tried."
        ),
    };
    let note = format!(
        "For the accuracy of inheriting, training from scratch needs {factor:.2} times as many labels (geometric mean over \
         {count} amounts).{bound}"
    );
    (Some(factor), note)
}

/// Mean time to scratch's final accuracy, with over without: for each seed the target is the last
/// point of scratch's curve, and each training's time that of its first point at or above it.
fn time_ratio(group: &Group) -> (Option<f64>, String) {
    let seeds = group.pairs.len();
    let (mut with, mut without, mut reached) = (0.0, 0.0, 0);
    for pair in &group.pairs {
        let (inherited, scratch) = (pair.inherited.points(), pair.scratch.points());
        let target = scratch[scratch.len() - 1].1; // points are never empty
        if let (Some(a), Some(b)) = (seconds_to_reach(target, &inherited), seconds_to_reach(target, &scratch))
        {
            with += a / seeds as f64;
            without += b / seeds as f64;
            reached += 1;
        }
    }
    let labels = group.labels;
    if reached < seeds {
        let note = format!(
            "With {labels} labels inheriting reaches scratch's final accuracy in {reached} of {seeds} seeds only, so no time \
             ratio is given."
        );
        return (None, note);
    }
    let ratio = with / without;
    if !ratio.is_finite() {
        return (
            None,
            format!("With {labels} labels scratch takes no measurable time, so no time ratio is given."),
        );
    }
    let note = format!(
        "With {labels} labels scratch's final accuracy is reached in {with:.2} s with inheritance and {without:.2} s without \
         (means over {seeds} {}).",
        if seeds == 1 { "seed" } else { "seeds" }
    );
    (Some(ratio), note)
}

fn areas(groups: &[Group]) -> Option<Area> {
    if groups.len() < 2 {
        return None;
    }
    // Seeds that were tried at every fraction; pairs ascend by seed.
    let at = |group: &Group, seed: u64| group.pairs.binary_search_by_key(&seed, |pair| pair.seed).ok();
    let mut inherited = Vec::new();
    let mut scratch = Vec::new();
    for seed in groups[0].pairs.iter().map(|pair| pair.seed) {
        let pairs =
            groups.iter().map(|group| at(group, seed).map(|index| (group.labels, group.pairs[index])));
        if let Some(pairs) = pairs.collect::<Option<Vec<_>>>() {
            let curve = |pick: Pick| {
                pairs.iter().map(|(labels, pair)| (*labels, pick(pair).accuracy)).collect::<Vec<_>>()
            };
            inherited.push(area(&curve(|pair| pair.inherited)));
            scratch.push(area(&curve(|pair| pair.scratch)));
        }
    }
    let differences: Vec<f64> = inherited.iter().zip(&scratch).map(|(a, b)| a - b).collect();
    (!differences.is_empty()).then(|| Area {
        inherited: Estimate::of(&inherited).clipped(),
        scratch: Estimate::of(&scratch).clipped(),
        difference: Estimate::of(&differences),
    })
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
