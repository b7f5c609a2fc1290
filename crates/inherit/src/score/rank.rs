//! The order of candidates to start from, and why it is that.

use super::Scores;

/// One way to start: from a parent, or from scratch.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What it is called, such as `digits@3` or `from scratch`.
    pub name: String,
    /// Its scores. From scratch there are no features of a parent: those of the preprocessed inputs,
    /// flattened, stand for it.
    pub scores: Scores,
}

/// A candidate's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked {
    /// Which of the candidates it is, from 0 in the order they were given.
    pub candidate: usize,
    /// Its place, from 1.
    pub place: usize,
    /// Why it is there, in a sentence for people.
    pub reason: String,
}

/// Orders candidates for one task, the best first:
///
/// 1. The highest probe accuracy leads a group of all those within one standard error of it. Then the highest
///    of the others leads the next group, until none is left.
/// 2. Within a group, the higher LogME comes first; of equals, the candidate given first.
///
/// Where any candidate has no probe (too few examples), LogME alone orders all of them.
///
/// Why so: accuracy on examples that a head did not see is the one score which says what is wanted, in its
/// unit; it means the same for a parent's features and for raw inputs, and does not grow with the width of the
/// features. Its weakness is noise when examples are few, which is what the standard error is for (Breiman
/// et al. 1984, the one-standard-error rule). LogME uses every example and degrees of belief, so it
/// tells apart what counts of right answers cannot. The H-score is not used: its level still depends on the
/// width. Nor is LEEP: it judges the parent's answers, which from scratch there are none of. Both are shown. A
/// mean of ranks would let two weaker scores outvote the one that measures.
///
/// What it costs: who shares a group depends on who leads it, so a new candidate that is better than all may
/// change the order of two others which it comes close to.
///
/// What it cannot say: how good training the whole network from scratch would become with many examples.
/// The place of `from scratch` is that of a linear head on raw inputs, so that a parent behind it offers
/// nothing that the inputs do not; a parent before it is worth a try, not proven.
///
/// All candidates must have been scored with the same labels and seed.
pub fn rank(candidates: &[Candidate]) -> Vec<Ranked> {
    let by_logme = |&a: &usize, &b: &usize| {
        candidates[b].scores.logme.total_cmp(&candidates[a].scores.logme).then(a.cmp(&b))
    };
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    let mut ranked = Vec::with_capacity(left.len());
    if candidates.iter().any(|candidate| candidate.scores.probe.is_none()) {
        left.sort_by(by_logme);
        for (at, &candidate) in left.iter().enumerate() {
            let logme = candidates[candidate].scores.logme;
            let reason = format!(
                "LogME {logme:.4}, {}; there are too few examples to hold any out",
                standing(at, left.len())
            );
            ranked.push(Ranked { candidate, place: at + 1, reason });
        }
        return ranked;
    }
    let accuracy = |at: usize| candidates[at].scores.probe.map_or(0.0, |probe| probe.accuracy()); // all have one
    while let Some(leader) = left.iter().copied().max_by(|&a, &b| {
        accuracy(a).total_cmp(&accuracy(b)).then(by_logme(&b, &a)) // of equals, the one that LogME puts first
    }) {
        let error = candidates[leader].scores.probe.map_or(0.0, |probe| probe.standard_error());
        let floor = accuracy(leader) - error;
        let (mut group, rest): (Vec<usize>, Vec<usize>) =
            left.into_iter().partition(|&at| accuracy(at) >= floor);
        left = rest;
        group.sort_by(by_logme);
        let first = ranked.len();
        for (at, &candidate) in group.iter().enumerate() {
            let reason = if group.len() == 1 {
                alone(accuracy(candidate), error, first, left.len())
            } else {
                let near = if candidate == leader {
                    format!("leads {} within one standard error ({error:.4})", group.len())
                } else {
                    let best = accuracy(leader);
                    let name = &candidates[leader].name;
                    format!("is within one standard error ({error:.4}) of {name}'s {best:.4}")
                };
                format!(
                    "accuracy {:.4} on held-out examples {near}; LogME {:.4} is {} of these",
                    accuracy(candidate),
                    candidates[candidate].scores.logme,
                    standing(at, group.len()),
                )
            };
            ranked.push(Ranked { candidate, place: first + at + 1, reason });
        }
    }
    ranked
}

/// Why a candidate stands where it does when no other is near.
fn alone(accuracy: f64, error: f64, before: usize, after: usize) -> String {
    let said = format!("accuracy {accuracy:.4} on held-out examples");
    match (before, after) {
        (0, 0) => format!("{said}; there is no other candidate"),
        (0, _) => format!("{said}, the highest by more than one standard error ({error:.4})"),
        (_, 0) => format!("{said}, the lowest"),
        _ => format!("{said}, ahead of the next by more than one standard error ({error:.4})"),
    }
}

/// Where place `at` of `count` is, in words.
fn standing(at: usize, count: usize) -> String {
    match at {
        0 => "the highest".to_string(),
        _ if at + 1 == count => "the lowest".to_string(),
        _ => format!("number {}", at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::{Probe, Seen};

    /// Candidates of these accuracies (in percent of 100 examples) and LogMEs, in the order they are ranked.
    fn check(given: &[(&str, Option<f64>, f64)], expected: &[(&str, &str)]) {
        let candidates: Vec<Candidate> = given
            .iter()
            .map(|&(name, percent, logme)| {
                let probe = percent.map(|percent| Probe {
                    centroid: 0.1,
                    ridge: percent / 100.0,
                    judged: 100,
                    folds: 5,
                });
                let seen = Seen { examples: 100, examples_of: 100, width: 2, width_of: 2 };
                let scores = Scores { logme, leep: None, h_score: 0.5, probe, seen };
                Candidate { name: name.into(), scores }
            })
            .collect();
        let ranked = rank(&candidates);
        let found: Vec<(&str, &str)> = ranked
            .iter()
            .map(|ranked| (candidates[ranked.candidate].name.as_str(), ranked.reason.as_str()))
            .collect();
        assert_eq!(found, expected);
        assert!(ranked.iter().enumerate().all(|(at, ranked)| ranked.place == at + 1));
    }

    #[test]
    fn accuracy_decides_and_logme_where_it_does_not() {
        // The error: 91 * 11 / (102^2 * 103) is the variance of Beta(91, 11), for 90 right of 100.
        check(
            &[("from scratch", Some(60.0), 0.9), ("a", Some(88.0), 0.3), ("b", Some(90.0), 0.2)],
            &[
                (
                    "a",
                    "accuracy 0.8800 on held-out examples is within one standard error (0.0306) of b's \
                     0.9000; LogME 0.3000 is the highest of these",
                ),
                (
                    "b",
                    "accuracy 0.9000 on held-out examples leads 2 within one standard error (0.0306); \
                     LogME 0.2000 is the lowest of these",
                ),
                ("from scratch", "accuracy 0.6000 on held-out examples, the lowest"),
            ],
        );
    }

    #[test]
    fn without_held_out_examples_logme_decides() {
        check(
            &[("a", None, 0.1), ("b", Some(90.0), 0.3), ("c", None, 0.2)],
            &[
                ("b", "LogME 0.3000, the highest; there are too few examples to hold any out"),
                ("c", "LogME 0.2000, number 2; there are too few examples to hold any out"),
                ("a", "LogME 0.1000, the lowest; there are too few examples to hold any out"),
            ],
        );
    }

    #[test]
    fn one_candidate_and_none() {
        check(
            &[("a", Some(50.0), 0.0)],
            &[("a", "accuracy 0.5000 on held-out examples; there is no other candidate")],
        );
        check(&[], &[]);
    }
}
