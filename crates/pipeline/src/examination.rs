//! The second half of the stage `evaluate`: the model sits its ancestors' test cases, is held against its gates, and
//! leaves cases of its own.

use std::collections::BTreeSet;

use base::Digest;
use data::{Slices, Target};
use engine::Options;
use inherit::compare::Comparison;
use scheme::ResolvedScheme;
use serde::{Deserialize, Serialize};
use store::Store;

use crate::architecture::Plan;
use crate::cases::{self, Answered, Cases, INPUT_BYTES_MAX};
use crate::comparison::{Compared, Settings, contrast};
use crate::error::RunError;
use crate::gates::{self, Evidence, GateReport, Production};
use crate::inheritance::{self, Parent};
use crate::metrics::{Metrics, greatest};
use crate::options::RunOptions;
use crate::prepare::{Examples, Prepared};
use crate::rival::Rival;
use crate::seen_cases::SeenCases;
use crate::sitting::{Candidate, Sheet, generations, stored};
use crate::slices::{SliceAccuracy, by_column};
use crate::training::EVALUATION_BATCH;

/// What the stage `evaluate` came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Examined {
    pub(crate) metrics: Metrics,
    pub(crate) against_parent: Option<AgainstParent>,
    pub(crate) gates: Vec<GateReport>,
    pub(crate) notices: Vec<String>,
}

/// A new model beside its parent, in brief, over the test cases of both and of all ancestors. `heirloom model compare`
/// tells all of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgainstParent {
    /// The parent: `name@N`.
    pub parent: String,
    /// How many cases both sat.
    pub cases: u64,
    /// Share of cases with the same answer; of classifiers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agreement: Option<f64>,
    /// Right before and wrong now; of numbers: farther off than before.
    pub newly_broken: u64,
    /// Wrong before and right now; of numbers: nearer than before.
    pub newly_fixed: u64,
    /// McNemar's exact test; of numbers: the sign test.
    pub p: f64,
    /// Share of right answers of the parent and of the new model; of classifiers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accuracy: Option<[f64; 2]>,
    /// Mean absolute error of the parent and of the new model; of numbers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mae: Option<[f64; 2]>,
}

impl AgainstParent {
    fn of(parent: &str, outcome: &Compared) -> Self {
        let parent = parent.to_owned();
        match outcome {
            Compared::Classes(found) => AgainstParent {
                parent,
                cases: found.cases,
                agreement: Some(found.agreement),
                newly_broken: found.newly_broken.len() as u64,
                newly_fixed: found.newly_fixed.len() as u64,
                p: found.mcnemar_p,
                accuracy: Some([found.before.accuracy, found.after.accuracy]),
                mae: None,
            },
            Compared::Values(found) => AgainstParent {
                parent,
                cases: found.cases,
                agreement: None,
                newly_broken: found.newly_worse.len() as u64,
                newly_fixed: found.newly_better.len() as u64,
                p: found.sign_p,
                accuracy: None,
                mae: Some([found.mae_before, found.mae_after]),
            },
        }
    }
}

/// What came of parent and child over the same cases.
struct Sat {
    brief: Option<AgainstParent>,
    /// For the gates: the comparison, or why there is none.
    whole: Result<Comparison, String>,
}

impl Sat {
    /// As gates take it.
    fn comparison(&self) -> Result<&Comparison, &str> {
        self.whole.as_ref().map_err(String::as_str)
    }
}

/// What the examination looks at.
pub(crate) struct Examination<'a> {
    pub(crate) scheme: &'a ResolvedScheme,
    pub(crate) options: &'a RunOptions,
    pub(crate) store: &'a Store,
    pub(crate) prepared: &'a Prepared,
    pub(crate) examples: &'a Examples,
    /// Holds the trained weights.
    pub(crate) plan: &'a Plan,
    pub(crate) parent: Option<&'a Parent>,
    /// What it should replace, if a gate asks for that.
    pub(crate) rival: Option<&'a Rival>,
    /// What gates divide the test part by, by column.
    pub(crate) slices: &'a [(String, Slices)],
}

impl Examination<'_> {
    /// Examines the model whose own test part gave `metrics`, and returns with the account the cases that it leaves;
    /// no bytes if it leaves none.
    pub(crate) fn examine(&self, metrics: Metrics) -> Result<(Examined, Vec<u8>), RunError> {
        let features = inheritance::features(self.prepared);
        let model = Candidate {
            id: "this model",
            graph: &self.plan.graph,
            labels: &self.prepared.summary.classes,
            features: &features,
            options: Options {
                batch: EVALUATION_BATCH,
                threads: self.options.threads.max(1),
                level: self.options.level,
            },
        };
        let (cases, mut notices) = self.left(&model)?;
        let sat = match self.parent {
            Some(parent) => {
                self.sit(&parent.candidate(model.options), &parent.ids(), &model, &mut notices)?
            }
            None => Sat { brief: None, whole: Err("it has no parent".to_owned()) },
        };
        let replaced = self.beside_rival(&model, &mut notices)?;
        let slices = self.divided(&model)?;
        let production = match (self.rival, &replaced) {
            (Some(Rival { alias, model: None, .. }), _) => Production::Nothing(alias),
            (_, Some(replaced)) => Production::Version(replaced.comparison()),
            (_, None) => Production::Version(sat.comparison()),
        };
        let evidence = Evidence { parent: sat.comparison(), production, slices: &slices };
        let gates = gates::judge(self.scheme, &metrics, &evidence)?;
        Ok((Examined { metrics, against_parent: sat.brief, gates, notices }, cases))
    }

    /// The model beside what it should replace; `None` where that is nothing, or its parent.
    fn beside_rival(
        &self,
        model: &Candidate<'_>,
        notices: &mut Vec<String>,
    ) -> Result<Option<Sat>, RunError> {
        let Some(rival) = self.rival.and_then(|rival| rival.model.as_ref()) else { return Ok(None) };
        if self.parent.is_some_and(|parent| parent.id == rival.id) {
            return Ok(None);
        }
        self.sit(&rival.candidate(model.options), &[&rival.id], model, notices).map(Some)
    }

    /// How the slices of the test part are answered, column by column.
    fn divided(&self, model: &Candidate<'_>) -> Result<Vec<(String, Vec<SliceAccuracy>)>, RunError> {
        let Target::Classes { labels, .. } = &self.examples.dataset.target else { return Ok(Vec::new()) };
        if self.slices.is_empty() {
            return Ok(Vec::new());
        }
        let rows = &self.examples.judges;
        let sheet = Sheet::of(&self.examples.dataset, rows, model.features.to_vec());
        let places: Vec<usize> = (0..rows.len()).collect();
        let answers = model.answers(&sheet, &places, None)?;
        let answered = answers.chunks_exact(model.width()).map(greatest);
        let right: Vec<bool> =
            rows.iter().zip(answered).map(|(&row, class)| labels[row as usize] as usize == class).collect();
        let count = |(column, slices): &(String, Slices)| (column.clone(), by_column(slices, rows, &right));
        Ok(self.slices.iter().map(count).collect())
    }

    /// Two models over what judges of the test part and the cases of `ids` and all their ancestors.
    fn sit(
        &self,
        before: &Candidate<'_>,
        ids: &[&str],
        model: &Candidate<'_>,
        notices: &mut Vec<String>,
    ) -> Result<Sat, RunError> {
        let own = Sheet::of(&self.examples.dataset, &self.examples.judges, model.features.to_vec());
        let earlier = generations(self.store, ids)?;
        let found = stored(self.store, &earlier)?;
        let mut seen = SeenCases::of(self.store, &earlier, &found.sheets)?;
        seen.add("this model", self.trained_on(&found.sheets));
        seen.forgive(&own);
        let mut sheets = vec![own];
        sheets.extend(found.sheets);
        let settings = Settings { seed: self.scheme.seed, tolerance: 0.0 };
        let both = contrast(&sheets, &seen.digests, before, model, settings)?;
        notices.extend(found.notices.into_iter().chain(found.unreadable.iter().cloned()));
        notices.extend(seen.notices.into_iter().chain(both.notices));
        let outcome = match both.outcome {
            Ok(outcome) => outcome,
            Err(reasons) => {
                let reasons: Vec<&str> = reasons.0.iter().map(|reason| reason.message.as_str()).collect();
                let text = format!("there is no comparison with {}: {}", before.id, reasons.join("; "));
                notices.push(text.clone());
                return Ok(Sat { brief: None, whole: Err(text) });
            }
        };
        let brief = AgainstParent::of(before.id, &outcome);
        let whole = match (outcome, found.unreadable.into_iter().next()) {
            // A gate that saw only some of the cases it should have seen is no gate.
            (_, Some(reason)) => Err(reason),
            (Compared::Classes(comparison), None) => Ok(comparison),
            (Compared::Values(_), None) => Err("a regression has no classes".to_owned()),
        };
        Ok(Sat { brief: Some(brief), whole })
    }

    /// The cases of `sheets` whose input this run's training part holds.
    fn trained_on(&self, sheets: &[Sheet<'_>]) -> Vec<Digest> {
        let Examples { dataset, splits, .. } = self.examples;
        let trained: BTreeSet<Digest> =
            splits.train.iter().map(|&row| dataset.input_digests[row as usize]).collect();
        let cases: BTreeSet<&Digest> = sheets.iter().flat_map(|sheet| &sheet.digests).collect();
        cases.into_iter().filter(|case| trained.contains(case)).copied().collect()
    }

    /// The cases that the model leaves for its descendants, and what is to be said of them.
    fn left(&self, model: &Candidate<'_>) -> Result<(Vec<u8>, Vec<String>), RunError> {
        let (dataset, test) = (&self.examples.dataset, &self.examples.judges);
        let rows = cases::left_behind(dataset, test, self.scheme.evaluate.cases_max as usize);
        let mut notices = Vec::new();
        if rows.len() < test.len() {
            notices.push(format!(
                "{} of {} test cases are left for descendants (`evaluate.cases_max`, and at most {} MiB of inputs)",
                rows.len(),
                test.len(),
                INPUT_BYTES_MAX >> 20
            ));
        }
        if rows.is_empty() {
            return Ok((Vec::new(), notices));
        }
        let sheet = Sheet::of(dataset, &rows, model.features.to_vec());
        let places: Vec<usize> = (0..rows.len()).collect();
        let answers = model.answers(&sheet, &places, None)?;
        let answered = match model.labels.is_empty() {
            true => Answered::Values(answers.iter().map(|&value| f64::from(value)).collect()),
            false => {
                let best = |row: &[f32]| (greatest(row) as u32, row[greatest(row)]);
                Answered::Classes(answers.chunks_exact(model.width()).map(best).collect())
            }
        };
        let cases = Cases {
            inputs: Digest::of(&cases::encode_inputs(&dataset.input, &rows)),
            tested: test.len() as u64,
            features: sheet.features,
            expected: sheet.expected,
            answered,
        };
        Ok((cases.encode(), notices))
    }
}

/// What is kept beside the version: its cases and their inputs, by role.
pub(crate) fn attachments(
    scheme: &ResolvedScheme,
    examples: &Examples,
    cases: Vec<u8>,
) -> Vec<(String, Vec<u8>)> {
    if cases.is_empty() {
        return Vec::new();
    }
    let (dataset, test) = (&examples.dataset, &examples.judges);
    let rows = cases::left_behind(dataset, test, scheme.evaluate.cases_max as usize);
    let inputs = cases::encode_inputs(&dataset.input, &rows);
    vec![(cases::ROLE.to_owned(), cases), (cases::INPUTS_ROLE.to_owned(), inputs)]
}
