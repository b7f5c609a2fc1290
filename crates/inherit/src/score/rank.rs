//! The order of candidates to start from, and why it is that.

use super::Scores;

/// One way to start: from a parent, or from scratch.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What it is called, such as `digits@3` or `from scratch`.
    pub name: String,
    /// The evidence of inputs, features and answers together, see [`super::evidence`]; from scratch, of the inputs.
    pub evidence: f64,
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

/// Orders candidates for one task: the higher [`super::evidence`] comes first; of equals, the candidate given first.
///
/// Why so: evidence uses every example and degrees of belief, so that it tells apart what counts of right answers cannot
/// where examples are few; it sees the inputs beside a parent's features, and so what fine-tuning may still learn; and it means
/// the same from scratch. The accuracy of the probe stands beside it in the reason, for it is what people can judge; by
/// itself it orders worse, and so does its group within one standard error ordered by LogME, which was the rule before
/// (`docs/inherit-rank.md` has the figures). The H-score is not used: its level depends on the width. Nor is LEEP by itself:
/// it judges the parent's answers, which from scratch there are none of. Both are shown.
///
/// What it cannot say: how good training the whole network would become with many examples. The place of `from scratch` is
/// that of the raw inputs, so that a parent behind it adds nothing to them; a parent before it is worth a try, not proven.
///
/// All candidates must have been scored with the same examples and seed.
pub fn rank(candidates: &[Candidate]) -> Vec<Ranked> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|&a, &b| candidates[b].evidence.total_cmp(&candidates[a].evidence).then(a.cmp(&b)));
    let count = order.len();
    let place = |(at, candidate): (usize, usize)| {
        let Candidate { evidence, scores, .. } = &candidates[candidate];
        let probe = match &scores.probe {
            Some(probe) => format!(
                "accuracy {:.4} on held-out examples (standard error {:.4})",
                probe.accuracy(),
                probe.standard_error()
            ),
            None => "too few examples to hold any out".to_owned(),
        };
        let reason = format!("evidence {evidence:.4}, {}; {probe}", standing(at, count));
        Ranked { candidate, place: at + 1, reason }
    };
    order.into_iter().enumerate().map(place).collect()
}

/// Where place `at` of `count` is, in words.
fn standing(at: usize, count: usize) -> String {
    match at {
        0 if count == 1 => "there is no other candidate".to_string(),
        0 => "the highest".to_string(),
        _ if at + 1 == count => "the lowest".to_string(),
        _ => format!("number {}", at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::{Probe, Seen};

    /// Candidates of these accuracies (in percent of 100 examples) and evidences, in the order they are ranked.
    fn check(given: &[(&str, Option<f64>, f64)], expected: &[(&str, &str)]) {
        let candidates: Vec<Candidate> = given
            .iter()
            .map(|&(name, percent, evidence)| {
                let probe = percent.map(|percent| Probe {
                    centroid: 0.1,
                    ridge: percent / 100.0,
                    judged: 100,
                    folds: 5,
                });
                let seen = Seen { examples: 100, examples_of: 100, width: 2, width_of: 2 };
                let scores = Scores { logme: 0.5, leep: None, h_score: 0.5, probe, seen };
                Candidate { name: name.into(), evidence, scores }
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
    fn evidence_decides_and_accuracy_is_told() {
        // The error: 91 * 11 / (102^2 * 103) is the variance of Beta(91, 11), for 90 right of 100.
        check(
            &[("from scratch", None, -0.1), ("a", Some(88.0), 0.3), ("b", Some(90.0), 0.2), ("c", None, 0.2)],
            &[
                (
                    "a",
                    "evidence 0.3000, the highest; accuracy 0.8800 on held-out examples (standard error 0.0329)",
                ),
                (
                    "b",
                    "evidence 0.2000, number 2; accuracy 0.9000 on held-out examples (standard error 0.0306)",
                ),
                ("c", "evidence 0.2000, number 3; too few examples to hold any out"),
                ("from scratch", "evidence -0.1000, the lowest; too few examples to hold any out"),
            ],
        );
    }

    #[test]
    fn one_candidate_and_none() {
        check(
            &[("a", None, 0.0)],
            &[("a", "evidence 0.0000, there is no other candidate; too few examples to hold any out")],
        );
        check(&[], &[]);
    }
}
