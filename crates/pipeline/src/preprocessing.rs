//! The constants of preprocessing, fitted on the training part.
//!
//! A step's constants describe what reaches *that step*: behind `returns`, `standardize` sees changes and not
//! prices. Every step is affine per channel or feature, or it is `returns`; so any value behind any step is a
//! short formula of the raw numbers, and nothing is held in memory. Behind `resize` nothing is fitted: the scheme
//! refuses it.

use base::{Diagnostic, Diagnostics};
use data::{Dataset, FeatureStatistics, Layout};
use scheme::{Preprocess, ResolvedScheme};
use serde::{Deserialize, Serialize};

/// One step with its constants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FittedStep {
    /// The name in the scheme.
    pub(crate) name: String,
    /// What it computes.
    #[serde(flatten)]
    pub(crate) op: FittedOp,
}

/// What a step computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum FittedOp {
    /// `(x - subtract) / divide`: one number for all, or one for each channel or feature.
    Affine { subtract: Vec<f64>, divide: Vec<f64> },
    /// `x[t] / x[t - 1] - 1` along the window, which gets one row shorter.
    Returns,
    /// Pictures brought to `size` (height, width), of which `pad` rows above and below and columns left and right are a
    /// border of zeros.
    Resize { size: [usize; 2], pad: [usize; 2] },
}

/// The fitted steps, and what the user should know about them.
pub(crate) struct Fitted {
    pub(crate) steps: Vec<FittedStep>,
    pub(crate) notices: Vec<String>,
}

/// Fits the preprocessing of `scheme` on the rows `train` of `dataset`, whose raw statistics are `raw`.
///
/// Errors   numbers that are not finite behind a step; a window that `returns` uses up.
pub(crate) fn fit_steps(
    scheme: &ResolvedScheme,
    dataset: &Dataset,
    raw: &[FeatureStatistics],
    train: &[u32],
) -> Result<Fitted, Diagnostics> {
    let mut steps: Vec<FittedStep> = Vec::new();
    let mut notices = Vec::new();
    for step in scheme.preprocess.iter() {
        let chain = Chain { steps: &steps, dataset };
        let key = format!("preprocess.{}", step.name);
        let op = match &step.op {
            Preprocess::Scale(scale) => affine(vec![0.0], vec![scale.divide_by]),
            Preprocess::Normalize(constants) => affine(constants.mean.clone(), constants.std.clone()),
            Preprocess::Standardize => {
                let found = chain.moments(raw, train);
                note_constants(&step.name, raw, &found, &mut notices);
                affine(
                    found.iter().map(|part| part.mean).collect(),
                    found.iter().map(Moments::deviation).collect(),
                )
            }
            Preprocess::MinMax => {
                let found = chain.moments(raw, train);
                note_constants(&step.name, raw, &found, &mut notices);
                affine(
                    found.iter().map(|part| part.minimum).collect(),
                    found.iter().map(Moments::range).collect(),
                )
            }
            Preprocess::Returns if chain.window() < 2 => {
                let message =
                    format!("the step `{}` needs a window of two rows, and one is left here", step.name);
                return Err(at(scheme, &key, Diagnostic::new("short-window", message))
                    .help("make `data.window` longer")
                    .into());
            }
            Preprocess::Returns => FittedOp::Returns,
            Preprocess::Resize(resize) => FittedOp::Resize { size: resize.size, pad: resize.pad },
        };
        steps.push(FittedStep { name: step.name.clone(), op });
        let chain = Chain { steps: &steps, dataset };
        if let Some(row) = chain.first_not_finite() {
            return Err(at(scheme, &key, not_finite(&step.name, dataset, row)).into());
        }
    }
    Ok(Fitted { steps, notices })
}

fn affine(subtract: Vec<f64>, divide: Vec<f64>) -> FittedOp {
    FittedOp::Affine { subtract, divide }
}

fn at(scheme: &ResolvedScheme, key: &str, diagnostic: Diagnostic) -> Diagnostic {
    match scheme.span_of(key) {
        Some(span) => diagnostic.at(span, ""),
        None => diagnostic,
    }
}

fn note_constants(step: &str, raw: &[FeatureStatistics], found: &[Moments], notices: &mut Vec<String>) {
    for (feature, _) in raw.iter().zip(found).filter(|(_, moments)| moments.is_constant()) {
        let name = &feature.name;
        notices.push(format!("`{name}` does not vary in the training part: `{step}` only centres it"));
    }
}

fn not_finite(step: &str, dataset: &Dataset, row: usize) -> Diagnostic {
    let place = match dataset.keys.as_ref().and_then(|keys| keys.get(row)) {
        Some(key) => format!("example {} (`{key}`)", row + 1),
        None => format!("example {}", row + 1),
    };
    let message = format!("behind the step `{step}`, {place} of `{}` is no finite number", dataset.name);
    Diagnostic::new("not-finite", message).help(
        "a change since 0 is infinite: leave out that column or those rows, or take the values themselves",
    )
}

/// Statistics of what reaches a step, for one channel or feature.
#[derive(Debug, Clone, Copy)]
struct Moments {
    mean: f64,
    variance: f64,
    minimum: f64,
    maximum: f64,
}

impl Moments {
    fn is_constant(&self) -> bool {
        self.minimum == self.maximum
    }

    fn deviation(&self) -> f64 {
        if self.is_constant() { 1.0 } else { self.variance.sqrt() }
    }

    fn range(&self) -> f64 {
        if self.is_constant() { 1.0 } else { self.maximum - self.minimum }
    }

    /// The statistics of `(x - subtract) / divide`.
    fn through(self, subtract: f64, divide: f64) -> Self {
        let of = |value: f64| (value - subtract) / divide;
        let (low, high) = (of(self.minimum), of(self.maximum));
        Moments {
            mean: of(self.mean),
            variance: self.variance / (divide * divide),
            minimum: low.min(high),
            maximum: low.max(high),
        }
    }
}

/// The constant of `part` in a list that holds one for all or one for each.
pub(crate) fn constant(constants: &[f64], part: usize) -> f64 {
    constants[if constants.len() == 1 { 0 } else { part }]
}

/// The steps so far, over the raw numbers.
struct Chain<'a> {
    steps: &'a [FittedStep],
    dataset: &'a Dataset,
}

impl Chain<'_> {
    /// Rows of the window behind the last step.
    fn window(&self) -> usize {
        let raw = match self.dataset.layout {
            Layout::Series => self.dataset.example_shape()[0],
            Layout::Table | Layout::Image => 1,
        };
        raw - self.steps.iter().filter(|step| step.op == FittedOp::Returns).count()
    }

    fn has_returns(&self) -> bool {
        self.steps.iter().any(|step| step.op == FittedOp::Returns)
    }

    /// The value of feature `part` in row `time` of example `row`'s window, behind the first `depth` steps.
    fn value(&self, depth: usize, row: usize, time: usize, part: usize) -> f64 {
        let Some(step) = depth.checked_sub(1).map(|last| &self.steps[last]) else {
            let shape = self.dataset.input.shape();
            let (length, width) = (shape[1..].iter().product::<usize>(), shape[shape.len() - 1]);
            return f64::from(self.dataset.input.values::<f32>()[row * length + time * width + part]);
        };
        match &step.op {
            FittedOp::Affine { subtract, divide } => {
                (self.value(depth - 1, row, time, part) - constant(subtract, part)) / constant(divide, part)
            }
            FittedOp::Returns => {
                let before = self.value(depth - 1, row, time, part);
                self.value(depth - 1, row, time + 1, part) / before - 1.0
            }
            // The scheme lets `returns` stand behind no resized picture.
            FittedOp::Resize { .. } => self.value(depth - 1, row, time, part),
        }
    }

    /// The statistics of what the last step gives, per channel or feature, over the rows `train`.
    fn moments(&self, raw: &[FeatureStatistics], train: &[u32]) -> Vec<Moments> {
        if self.has_returns() {
            return (0..raw.len()).map(|part| self.streamed(part, train)).collect();
        }
        let of = |(part, raw): (usize, &FeatureStatistics)| {
            let variance = if raw.constant { 0.0 } else { raw.std * raw.std };
            let start = Moments { mean: raw.mean, variance, minimum: raw.minimum, maximum: raw.maximum };
            self.steps.iter().fold(start, |moments, step| match &step.op {
                FittedOp::Affine { subtract, divide } => {
                    moments.through(constant(subtract, part), constant(divide, part))
                }
                FittedOp::Returns | FittedOp::Resize { .. } => moments,
            })
        };
        raw.iter().enumerate().map(of).collect()
    }

    /// Two passes in `f64`, in the rows' order.
    fn streamed(&self, part: usize, rows: &[u32]) -> Moments {
        let (depth, window) = (self.steps.len(), self.window());
        let values = || {
            let times = |&row: &u32| (0..window).map(move |time| self.value(depth, row as usize, time, part));
            rows.iter().flat_map(times)
        };
        let count = (rows.len() * window) as f64;
        let mean = values().sum::<f64>() / count;
        Moments {
            mean,
            variance: values().map(|value| (value - mean).powi(2)).sum::<f64>() / count,
            minimum: values().fold(f64::INFINITY, f64::min),
            maximum: values().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// The first example that the last step turns into something that is not finite. Only `returns` can do so; the
    /// numbers before are finite.
    fn first_not_finite(&self) -> Option<usize> {
        if self.steps.last().is_none_or(|step| step.op != FittedOp::Returns) {
            return None;
        }
        let (depth, window, parts) = (self.steps.len(), self.window(), self.dataset.feature_names.len());
        (0..self.dataset.rows()).find(|&row| {
            (0..window)
                .any(|time| (0..parts).any(|part| !(self.value(depth, row, time, part) as f32).is_finite()))
        })
    }
}
