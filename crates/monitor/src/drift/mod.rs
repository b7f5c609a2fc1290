//! Whether a window of requests differs from a profile by more than chance, and by more than nobody minds.
//!
//! An alarm needs both: a p-value that stays small after it is corrected for all tests of the window (Holm), and an
//! effect, less what chance alone gives with so many requests, that is worth a look. The first keeps false alarms of a
//! whole window below the rate asked for; the second keeps a million requests from raising one over a trifle.

mod accuracy;
mod binned;
mod holm;
mod ks;
mod words;

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use crate::profile::{Answers, Profile};
use crate::review::Labelled;
use crate::sketch::Sketch;
use crate::tally::Tally;

pub(crate) use accuracy::exact_interval;

/// Fewest examples of a profile that anything is compared with.
const EXAMPLES_MIN: u64 = 50;

/// When a difference is an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The most probable a false alarm may be in one window, over all its tests.
    pub false_alarm_rate: f64,
    /// Fewer requests give no alarm, whatever they look like.
    pub sample_min: u64,
    /// Smallest population stability index, above chance, that matters.
    pub psi_min: f64,
    /// Smallest distance of distribution functions, above chance, that matters.
    pub ks_min: f64,
    /// Smallest effect on the classes (Cohen's w), above chance, that matters.
    pub classes_min: f64,
    /// Smallest distance of the embedding, in deviations and above chance, that matters.
    pub embedding_min: f64,
    /// Smallest loss of accuracy that matters, as a share of the requests.
    pub accuracy_min: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            false_alarm_rate: 0.005,
            sample_min: 100,
            psi_min: 0.1,
            ks_min: 0.1,
            classes_min: 0.1,
            embedding_min: 0.3,
            accuracy_min: 0.01,
        }
    }
}

/// A two-sample test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Population stability index over about ten bins: `sum (w - r) ln(w / r)` for the shares `w` and `r`.
    Psi,
    /// Kolmogorov and Smirnov's: the greatest distance between the distribution functions.
    Ks,
    /// Pearson's, over classes.
    ChiSquared,
    /// Hotelling's, over the means of the embedding.
    Embedding,
    /// Fisher's exact test of right and wrong answers, towards fewer right ones.
    Accuracy,
}

impl Test {
    /// The word used in documents.
    pub fn name(self) -> &'static str {
        match self {
            Test::Psi => "psi",
            Test::Ks => "ks",
            Test::ChiSquared => "chi_squared",
            Test::Embedding => "embedding",
            Test::Accuracy => "accuracy",
        }
    }
}

/// What one test found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What was tested: a statistic of the inputs, `inputs` (all together), `confidence`, `answer`, `class`, `error`, `accuracy`.
    pub statistic: String,
    /// How.
    pub test: Test,
    /// The statistic of the test.
    pub value: f64,
    /// What it is on average with so many requests where nothing has changed.
    pub chance: f64,
    /// What is above chance, at least 0.
    pub effect: f64,
    /// From which effect on it matters.
    pub effect_min: f64,
    /// How likely so great a value is where nothing has changed.
    pub p: f64,
    /// The same, corrected for all tests of the window.
    pub p_corrected: f64,
    /// Whether it is both: no chance, and no trifle.
    pub alarm: bool,
    /// The finding in a plain sentence.
    pub sentence: String,
}

/// What all tests say of a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Requests in the window.
    pub requests: u64,
    /// Examples that they are compared with.
    pub examples: u64,
    /// Whether there are enough of both for any alarm.
    pub enough: bool,
    /// Whether any test raises an alarm.
    pub alarm: bool,
    /// Every test, those of the inputs first.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// The findings that raise an alarm, the clearest first.
    pub fn alarms(&self) -> Vec<&Finding> {
        let mut found: Vec<&Finding> = self.findings.iter().filter(|finding| finding.alarm).collect();
        found.sort_by(|left, right| right.ratio().total_cmp(&left.ratio()));
        found
    }

    /// The sentences of those alarms, each once: both tests of one distribution say the same.
    pub fn sentences(&self) -> Vec<&str> {
        let mut told: Vec<&str> = Vec::new();
        for finding in self.alarms() {
            if !told.contains(&finding.sentence.as_str()) {
                told.push(&finding.sentence);
            }
        }
        told
    }

    /// The greatest effect, in units of what matters: from 1 on there may be an alarm.
    pub fn score(&self) -> f64 {
        self.findings.iter().map(Finding::ratio).fold(0.0, f64::max)
    }
}

impl Finding {
    fn ratio(&self) -> f64 {
        if self.effect_min > 0.0 { self.effect / self.effect_min } else { self.effect }
    }
}

/// A finding before correction.
struct Found {
    statistic: String,
    test: Test,
    value: f64,
    chance: f64,
    effect: f64,
    p: f64,
    sentence: String,
}

/// Tests the requests of `tally`, and what labels say of them, against `profile`. A statistic that is known of fewer requests
/// than `settings.sample_min` is not tested.
pub fn judge(profile: &Profile, tally: &Tally, labelled: Option<&Labelled>, settings: &Settings) -> Verdict {
    let mut found = Vec::new();
    if profile.examples >= EXAMPLES_MIN {
        let tested = profile.statistics.iter().zip(&tally.bins);
        tested.for_each(|(sketch, counts)| distribution(sketch, counts, settings, &mut found));
        found.extend(embedding(profile, tally, settings));
        answers(profile, tally, settings, &mut found);
        found.extend(labelled.into_iter().flat_map(|labelled| labels(profile, labelled, settings)));
    }
    let corrected = holm::corrected(&found.iter().map(|each| each.p).collect::<Vec<f64>>());
    let findings: Vec<Finding> =
        found.into_iter().zip(corrected).map(|(each, corrected)| each.finding(corrected, settings)).collect();
    Verdict {
        requests: tally.requests,
        examples: profile.examples,
        enough: tally.requests >= settings.sample_min && profile.examples >= EXAMPLES_MIN,
        alarm: findings.iter().any(|finding| finding.alarm),
        findings,
    }
}

impl Found {
    fn finding(self, p_corrected: f64, settings: &Settings) -> Finding {
        let effect_min = match self.test {
            Test::Psi => settings.psi_min,
            Test::Ks => settings.ks_min,
            Test::ChiSquared => settings.classes_min,
            Test::Embedding => settings.embedding_min,
            Test::Accuracy => settings.accuracy_min,
        };
        let alarm = p_corrected <= settings.false_alarm_rate && self.effect >= effect_min;
        let Found { statistic, test, value, chance, effect, p, sentence } = self;
        let sentence = if alarm { sentence } else { words::same(&statistic, test, p_corrected, settings) };
        Finding { statistic, test, value, chance, effect, effect_min, p, p_corrected, alarm, sentence }
    }
}

/// Both tests of one distribution.
fn distribution(sketch: &Sketch, counts: &[u32], settings: &Settings, found: &mut Vec<Found>) {
    let (before, after) = (sketch.total(), sum(counts));
    if after < settings.sample_min.max(1) || before < EXAMPLES_MIN {
        return;
    }
    let sentence = words::moved(sketch, counts);
    let groups = binned::groups(&sketch.counts, counts);
    let [examples, requests] = [&groups.before, &groups.after];
    let value = binned::psi(examples, requests);
    let chance = (examples.len() as f64 - 1.0) * (1.0 / before as f64 + 1.0 / after as f64);
    found.push(Found {
        statistic: sketch.name.clone(),
        test: Test::Psi,
        value,
        chance,
        effect: (value - chance).max(0.0),
        p: binned::chi_squared(examples, requests).p,
        sentence: sentence.clone(),
    });
    let value = ks::distance(&sketch.counts, counts);
    let chance = ks::expected(before, after);
    found.push(Found {
        statistic: sketch.name.clone(),
        test: Test::Ks,
        value,
        chance,
        effect: (value - chance).max(0.0),
        p: ks::p_value(value, before, after),
        sentence,
    });
}

/// Hotelling's test of the embedding's mean.
///
/// `T^2 = n m / (n + m) d' C^-1 d`, and `T^2 (n - k) / (k (n - 1))` has the F distribution with `k` and `n - k` degrees of freedom
/// where the covariance `C` is estimated from the `n` examples; `m` requests, `k` dimensions.
fn embedding(profile: &Profile, tally: &Tally, settings: &Settings) -> Option<Found> {
    let (sketches, first, embedding) = profile.embedded();
    let counts = &tally.bins[first..first + sketches.len()];
    let requests = counts.iter().map(|counts| sum(counts)).min()?;
    if requests < settings.sample_min.max(1) {
        return None;
    }
    let mean = |(sketch, counts): (&Sketch, &Vec<u32>)| {
        let scored = sketch.scores().into_iter().zip(counts).map(|(score, &count)| score * f64::from(count));
        scored.sum::<f64>() / sum(counts) as f64
    };
    let scores: Vec<f64> = sketches.iter().zip(counts).map(mean).collect();
    let distance = embedding.distance(&crate::embedding::Projection::new(sketches.len()).apply(scores));
    let (n, m, k) = (profile.examples as f64, requests as f64, distance.dimensions as f64);
    if k < 1.0 || n < k + 20.0 || !distance.squared.is_finite() {
        return None;
    }
    let squared = n * m / (n + m) * distance.squared;
    let test = FisherSnedecor::new(k, n - k).ok()?;
    let value = distance.squared.sqrt();
    let above = (distance.squared - k * (1.0 / n + 1.0 / m)).max(0.0).sqrt();
    Some(Found {
        statistic: "inputs".to_owned(),
        test: Test::Embedding,
        value,
        chance: (k * (1.0 / n + 1.0 / m)).sqrt(),
        effect: above,
        p: test.sf(squared * (n - k) / (k * (n - 1.0))),
        sentence: words::apart(above),
    })
}

fn answers(profile: &Profile, tally: &Tally, settings: &Settings, found: &mut Vec<Found>) {
    let Some(counts) = tally.bins.last() else { return };
    match &profile.answers {
        Answers::Values { answer, .. } => distribution(answer, counts, settings, found),
        Answers::Classes { labels, answered, confidence, .. } => {
            distribution(confidence, counts, settings, found);
            let (before, after) = (sum(answered), sum(&tally.classes));
            if after < settings.sample_min.max(1) || before == 0 {
                return;
            }
            let result = binned::chi_squared(answered, &tally.classes);
            let size = before as f64 * after as f64 / (before + after) as f64;
            found.push(Found {
                statistic: "class".to_owned(),
                test: Test::ChiSquared,
                value: (result.value / size).sqrt(),
                chance: (result.freedom / size).sqrt(),
                effect: ((result.value - result.freedom).max(0.0) / size).sqrt(),
                p: result.p,
                sentence: words::classes(labels, answered, &tally.classes),
            });
        }
    }
}

/// What late labels tell.
fn labels(profile: &Profile, labelled: &Labelled, settings: &Settings) -> Vec<Found> {
    let mut found = Vec::new();
    match &profile.answers {
        Answers::Values { error, .. } => distribution(error, &labelled.errors, settings, &mut found),
        Answers::Classes { right, .. } if labelled.requests >= settings.sample_min.max(1) => {
            let before = *right as f64 / profile.examples.max(1) as f64;
            let after = labelled.right as f64 / labelled.requests as f64;
            found.push(Found {
                statistic: "accuracy".to_owned(),
                test: Test::Accuracy,
                value: after - before,
                chance: 0.0,
                effect: (before - after).max(0.0),
                p: accuracy::fewer_right([*right, profile.examples], [labelled.right, labelled.requests]),
                sentence: words::accuracy(labelled.requests, after, before),
            });
        }
        Answers::Classes { .. } => {}
    }
    found
}

fn sum(counts: &[u32]) -> u64 {
    counts.iter().map(|&count| u64::from(count)).sum()
}
