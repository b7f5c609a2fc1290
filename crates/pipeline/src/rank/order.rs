//! From scores to the list that is shown, and its order in words.

use inherit::score::{Candidate as Scored, rank};

use super::candidates::Candidate;
use super::scores::{Asked, Found, Outcome};
use super::{LeftOut, RankedCandidate, Ranking, ShownScores, Standing, Subject};

/// What starting from scratch is called in sentences.
const SCRATCH: &str = "from scratch";

/// Puts what was asked in order.
pub(super) fn order(subject: &Subject<'_>, asked: Vec<Asked>, left_out: Vec<LeftOut>) -> Ranking {
    let examples = asked.iter().find_map(|asked| match &asked.outcome {
        Outcome::Scored(found, _) => Some(found.scores.seen.examples_of),
        _ => None,
    });
    let mut candidates: Vec<RankedCandidate> = Vec::new();
    let mut waiting: Vec<(Asked, RankedCandidate)> = Vec::new();
    for asked in asked {
        let shown = describe(subject, &asked);
        match asked.outcome {
            Outcome::Scored(..) => waiting.push((asked, shown)),
            _ => candidates.push(shown),
        }
    }
    // By name, so that equals do not stand as the cost of asking them has it; from scratch before all.
    waiting.sort_by(|(_, a), (_, b)| a.model.cmp(&b.model));
    let (deprecated, chosen): (Vec<_>, Vec<_>) =
        waiting.into_iter().partition(|(_, shown)| shown.standing == Standing::Deprecated);
    for group in [chosen, deprecated] {
        candidates.extend(ranked(group));
    }
    // What is ranked keeps its order; the rest goes by name.
    candidates.sort_by(|a, b| {
        let name = |shown: &RankedCandidate| match shown.standing {
            Standing::Ranked | Standing::Deprecated => None,
            _ => Some(shown.model.clone()),
        };
        a.standing.cmp(&b.standing).then(name(a).cmp(&name(b)))
    });
    Ranking {
        scheme: subject.scheme.name.clone(),
        examples,
        examples_of: subject.prepared.summary.train,
        explanation: explain(&candidates, left_out.iter().map(|left| left.versions).sum()),
        candidates,
        left_out,
    }
}

/// Candidates with scores, in their order.
fn ranked(group: Vec<(Asked, RankedCandidate)>) -> Vec<RankedCandidate> {
    let scores: Vec<Scored> = group
        .iter()
        .filter_map(|(asked, shown)| match &asked.outcome {
            Outcome::Scored(found, _) => {
                Some(Scored { name: name(shown).to_owned(), evidence: found.evidence, scores: found.scores })
            }
            _ => None,
        })
        .collect();
    let mut group: Vec<Option<RankedCandidate>> = group.into_iter().map(|(_, shown)| Some(shown)).collect();
    let mut found = Vec::new();
    for place in rank(&scores) {
        let Some(mut shown) = group[place.candidate].take() else { continue };
        shown.reason = match &shown.deprecated {
            Some(reason) => format!("deprecated ({reason}), so it is not chosen; {}", place.reason),
            None => place.reason,
        };
        if let Some(seen) = shown.trained_on.filter(|&seen| seen > 0) {
            shown.reason +=
                &format!("; it was itself trained on {seen} of these examples, which flatters it");
        }
        found.push(shown);
    }
    found
}

fn name(shown: &RankedCandidate) -> &str {
    shown.model.as_deref().unwrap_or(SCRATCH)
}

/// All of a candidate but its place; the reason of one with scores is given with its place.
fn describe(subject: &Subject<'_>, asked: &Asked) -> RankedCandidate {
    let candidate = asked.candidate.as_ref();
    let manifest = candidate.and_then(|candidate| candidate.manifest.as_ref().ok());
    let (found, preprocessing) = match &asked.outcome {
        Outcome::Scored(found, told) => (Some(found), told.clone()),
        _ => (None, Vec::new()),
    };
    let deprecated = candidate.and_then(|candidate| candidate.deprecated.clone());
    let recalled = candidate.and_then(|candidate| candidate.recalled.clone());
    let (standing, reason) = match &asked.outcome {
        Outcome::Scored(..) if deprecated.is_some() => (Standing::Deprecated, String::new()),
        Outcome::Scored(..) => (Standing::Ranked, String::new()),
        Outcome::Unfit(reason) => (Standing::Unfit, format!("unfit: {reason}")),
        Outcome::NotScored => (Standing::NotScored, "not scored: budget".to_owned()),
        Outcome::Recalled => (
            Standing::Recalled,
            format!("recalled, never chosen: {}", recalled.as_deref().unwrap_or_default()),
        ),
    };
    RankedCandidate {
        model: candidate.map(Candidate::id),
        score: found.map(|found| found.evidence),
        scores: found.map(shown).unwrap_or_default(),
        label_overlap: match candidate {
            None => Some(0.0),
            Some(_) => manifest.map(|manifest| overlap(&subject.prepared.summary.classes, &manifest.labels)),
        },
        preprocessing,
        reason,
        standing,
        digest: candidate.map(|candidate| candidate.version.digest.to_string()),
        aliases: candidate.map(|candidate| candidate.version.aliases.clone()).unwrap_or_default(),
        parameters: manifest.map(|manifest| {
            let elements =
                |shape: &[usize]| shape.iter().fold(1usize, |count, &length| count.saturating_mul(length));
            manifest.tensors.iter().map(|tensor| elements(&tensor.shape)).fold(0, usize::saturating_add)
        }),
        bytes: candidate.map(|candidate| candidate.version.bytes),
        latency_ms: found.and_then(|found| found.latency_ms),
        licence: candidate.and_then(|candidate| candidate.licence.clone()),
        trained_on: found.and_then(|found| found.trained_on),
        recalled,
        deprecated,
    }
}

fn shown(found: &Found) -> ShownScores {
    let scores = &found.scores;
    ShownScores {
        logme: Some(scores.logme),
        leep: scores.leep,
        h_score: Some(scores.h_score),
        probe: scores.probe.map(|probe| probe.accuracy()),
        probe_error: scores.probe.map(|probe| probe.standard_error()),
    }
}

/// The share of `classes` that are among `known`.
fn overlap(classes: &[String], known: &[String]) -> f64 {
    let shared = classes.iter().filter(|class| known.contains(class)).count();
    if classes.is_empty() { 0.0 } else { shared as f64 / classes.len() as f64 }
}

/// The order in words: who is first and why, where scratch stands and what that means, who has no place.
fn explain(candidates: &[RankedCandidate], left_out: usize) -> String {
    let ranked: Vec<&RankedCandidate> =
        candidates.iter().filter(|shown| shown.standing == Standing::Ranked).collect();
    let mut sentences = Vec::new();
    match ranked.first() {
        Some(first) => {
            sentences.push(format!("{} comes first: {}.", name(first), first.reason));
            let place = ranked.iter().position(|shown| shown.model.is_none());
            match place {
                Some(0) if ranked.len() > 1 => {
                    sentences.push("No parent adds to what the raw inputs tell of the classes.".to_owned())
                }
                Some(place) if place > 0 => {
                    let behind = match ranked.len() - place - 1 {
                        0 => String::new(),
                        1 => "; the one behind it adds nothing to the raw inputs".to_owned(),
                        count => format!("; the {count} behind it add nothing to the raw inputs"),
                    };
                    let of = ranked.len();
                    sentences.push(format!("From scratch is number {} of {of}{behind}.", place + 1));
                }
                _ => {}
            }
        }
        None => sentences.push("Nothing was ranked.".to_owned()),
    }
    let count = |standing| candidates.iter().filter(|shown| shown.standing == standing).count();
    let rest = [
        (count(Standing::Deprecated), "deprecated"),
        (count(Standing::NotScored), "not scored for want of time"),
        (count(Standing::Unfit), "unfit"),
        (count(Standing::Recalled), "recalled"),
        (left_out, "not considered"),
    ];
    let rest: Vec<String> =
        rest.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if !rest.is_empty() {
        sentences.push(format!("Without a place: {}.", rest.join(", ")));
    }
    sentences.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_count_by_name() {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(overlap(&own(&["a", "b", "c", "d"]), &own(&["d", "x", "a"])), 0.5);
        assert_eq!(overlap(&own(&["a"]), &own(&["A"])), 0.0);
        assert_eq!(overlap(&[], &own(&["a"])), 0.0);
    }
}
