//! The stage `prepare`: the source becomes examples, divided and with fitted constants.

use base::{Diagnostics, Digest, DigestWriter, Label, Location};
use data::{DataError, Dataset, Layout, Source, Splits, Target};
use engine::{Feed, Rows, Targets};
use scheme::{Answer, Keep, ResolvedScheme};
use serde::{Deserialize, Serialize};
use tensor::Data;

use crate::error::RunError;
use crate::events::DataSummary;
use crate::preprocessing::{FittedStep, fit_steps};
use crate::source::split_rule;

/// What the later stages must know of the data, without the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Prepared {
    pub(crate) summary: DataSummary,
    pub(crate) form: Form,
    /// Digest of which example is in which part.
    pub(crate) split: String,
    pub(crate) steps: Vec<FittedStep>,
    pub(crate) target: Option<NumericTarget>,
    pub(crate) notices: Vec<String>,
}

/// What the dimensions of an example mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    /// `u8` [channels, height, width]
    Image,
    /// `f32` [features]
    Table,
    /// `f32` [window, features]
    Series,
}

/// A number to predict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NumericTarget {
    /// Mean of what is learnt, over the training part.
    pub(crate) mean: f64,
    /// Its deviation; 1 if it never varies.
    pub(crate) std: f64,
    /// The answer is `last * (1 + learnt)`, where `last` is this feature in the window's last row.
    pub(crate) times_last: Option<usize>,
}

impl Prepared {
    /// Names everything that later stages take from here.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(crate::keys::json(self).as_bytes())
    }
}

/// The examples in memory.
pub(crate) struct Examples {
    pub(crate) dataset: Dataset,
    pub(crate) splits: Splits,
    /// Rows of the test part that figures are made of: all, but for those that an ancestor was trained on.
    pub(crate) judges: Vec<u32>,
    /// The numeric targets in standardised units, of all rows.
    standardized: Vec<f32>,
    /// Rows that come from a parent and are learnt from again; in no part of the data.
    pub(crate) rehearsed: Vec<u32>,
}

impl Examples {
    /// The same examples with the rows `rehearsed` behind them in `dataset`.
    pub(crate) fn with_rehearsed(&self, dataset: Dataset, rehearsed: Vec<u32>) -> Self {
        let (splits, standardized) = (self.splits.clone(), self.standardized.clone());
        Examples { dataset, splits, judges: self.judges.clone(), standardized, rehearsed }
    }

    /// All rows and targets, as the engine takes them.
    pub(crate) fn feed(&self) -> Feed<'_> {
        let rows = match self.dataset.input.data() {
            Data::U8(values) => Rows::U8(values),
            Data::F32(values) => Rows::F32(values),
            _ => unreachable!("inputs are u8 or f32, found {}", self.dataset.input.dtype()),
        };
        let targets = match &self.dataset.target {
            Target::Classes { labels, .. } => Targets::Classes(labels),
            Target::Values { .. } => Targets::Values(&self.standardized),
        };
        Feed { rows, row_len: self.dataset.example_shape().iter().product(), targets }
    }

    /// The standardised target of a row.
    pub(crate) fn standardized(&self, row: u32) -> f64 {
        f64::from(self.standardized[row as usize])
    }
}

/// Reads, divides and fits.
pub(crate) fn prepare(scheme: &ResolvedScheme, source: &Source) -> Result<(Prepared, Examples), RunError> {
    let dataset = data::load(source).map_err(|error| match error {
        DataError::Invalid(found) => placed(scheme, SOURCE, found).into(),
        failure => RunError::from(failure),
    })?;
    let (dataset, splits) = choose(scheme, dataset)?;
    fit(scheme, dataset, splits, None)
}

impl Examples {
    /// The same with `train` as the training part, and everything fitted anew on that.
    pub(crate) fn with_training_part(
        self,
        scheme: &ResolvedScheme,
        train: Vec<u32>,
    ) -> Result<(Prepared, Examples), RunError> {
        let splits = Splits { train, ..self.splits };
        fit(scheme, self.dataset, splits, Some(self.judges))
    }
}

/// `judges` are the rows of the test part that judge; all of it, when `None`.
pub(crate) fn fit(
    scheme: &ResolvedScheme,
    dataset: Dataset,
    splits: Splits,
    judges: Option<Vec<u32>>,
) -> Result<(Prepared, Examples), RunError> {
    let statistics = data::fit(&dataset, &splits.train);
    let mut fitted = fit_steps(scheme, &dataset, &statistics.features, &splits.train)?;
    let target = statistics.target.as_ref().map(|target| NumericTarget {
        mean: target.mean,
        std: target.std,
        times_last: times_last(scheme, &dataset),
    });
    if let Some(target) = statistics.target.as_ref().filter(|target| target.constant) {
        fitted.notices.push(format!("the target `{}` does not vary in the training part", target.name));
    }
    let prepared = Prepared {
        summary: summary(&dataset, &splits),
        form: match dataset.layout {
            Layout::Image => Form::Image,
            Layout::Table => Form::Table,
            Layout::Series => Form::Series,
        },
        split: split_digest(&dataset, &splits).to_string(),
        steps: fitted.steps,
        target,
        notices: fitted.notices,
    };
    // Rows get other numbers here where some are unused; who knows judges has left those out before.
    let (dataset, splits) = data::without_unused(dataset, splits);
    let judges = judges.unwrap_or_else(|| splits.test.clone());
    let standardized = standardize(&dataset, prepared.target.as_ref());
    Ok((prepared, Examples { dataset, splits, judges, standardized, rehearsed: Vec::new() }))
}

/// Where the scheme names its data.
const SOURCE: &[&str] = &["data.source", "data.images", "data"];

/// The examples of the classes that count, divided, of the training part as many as the scheme asks for.
fn choose(scheme: &ResolvedScheme, mut dataset: Dataset) -> Result<(Dataset, Splits), Diagnostics> {
    if let Some(classes) = &scheme.data.classes {
        dataset =
            data::keep_classes(dataset, classes).map_err(|found| placed(scheme, &["data.classes"], found))?;
    }
    let splits = data::split(&dataset, &split_rule(scheme)).map_err(|found| placed(scheme, SOURCE, found))?;
    let splits = match scheme.data.examples_per_class {
        None => splits,
        Some(count) => data::few_per_class(&dataset, splits, count, scheme.seed)
            .map_err(|found| placed(scheme, &["data.examples_per_class"], found))?,
    };
    Ok((dataset, splits))
}

/// A few labels to learn from and many to choose the epoch by: most likely not what was meant.
pub(crate) fn more_labels_to_choose_by(scheme: &ResolvedScheme, prepared: &Prepared) -> Option<String> {
    let (few, many) = (prepared.summary.train, prepared.summary.validation);
    let chooses = scheme.train.keep == Keep::Best || scheme.train.early_stopping.is_some();
    (scheme.data.examples_per_class.is_some() && chooses && many > few).then(|| {
        format!(
            "{many} labelled examples choose the epoch, more than the {few} that are learned from: \
             without `validation` in `data.split` there would be none"
        )
    })
}

/// Mistakes that show in the data as a whole have no place of their own: they point at the first of `keys` that the
/// scheme has.
pub(crate) fn placed(scheme: &ResolvedScheme, keys: &[&str], mut found: Diagnostics) -> Diagnostics {
    let place = keys.iter().find_map(|key| scheme.span_of(key));
    for diagnostic in found.0.iter_mut().filter(|diagnostic| diagnostic.labels.is_empty()) {
        if let Some(span) = place {
            let text = if keys == SOURCE { "these are the data" } else { "" };
            diagnostic.labels.push(Label { at: Location::Source(span), text: text.to_owned() });
        }
    }
    found
}

/// The feature that a learnt return is multiplied with.
fn times_last(scheme: &ResolvedScheme, dataset: &Dataset) -> Option<usize> {
    let Target::Values { name, .. } = &dataset.target else { return None };
    let wanted = scheme.answer() == Answer::ValueFromReturn;
    wanted.then(|| dataset.feature_names.iter().position(|feature| feature == name)).flatten()
}

fn standardize(dataset: &Dataset, target: Option<&NumericTarget>) -> Vec<f32> {
    match (&dataset.target, target) {
        (Target::Values { values, .. }, Some(NumericTarget { mean, std, .. })) => {
            values.iter().map(|&value| ((f64::from(value) - mean) / std) as f32).collect()
        }
        _ => Vec::new(),
    }
}

fn summary(dataset: &Dataset, splits: &Splits) -> DataSummary {
    DataSummary {
        name: dataset.name.clone(),
        digest: dataset.digest().to_string(),
        example_shape: dataset.example_shape().to_vec(),
        features: dataset.feature_names.clone(),
        classes: dataset.class_names().unwrap_or_default().to_vec(),
        target: match &dataset.target {
            Target::Classes { .. } => None,
            Target::Values { name, .. } => Some(name.clone()),
        },
        train: splits.train.len(),
        validation: splits.validation.len(),
        test: splits.test.len(),
        unused: splits.unused.len(),
    }
}

/// The digest of the rows of each part.
fn split_digest(dataset: &Dataset, splits: &Splits) -> Digest {
    let mut writer = DigestWriter::new("heirloom.splits.1");
    writer.field(&dataset.digest().0);
    for rows in [&splits.train, &splits.validation, &splits.test] {
        let bytes: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
        writer.field(&bytes);
    }
    writer.finish()
}
