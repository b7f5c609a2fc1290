//! Random examples in the place of a scheme's data, to measure a network without any.

use base::{Diagnostic, Digest};
use data::{Dataset, Layout, Splits, Target};
use scheme::{Loss, ResolvedScheme};
use tensor::{Random, Tensor};

use crate::error::RunError;
use crate::prepare::{Examples, Prepared, fit};

/// Examples that are random numbers and belong to random classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RandomExamples {
    /// Lengths of one example: [channels, height, width] bytes, [window, features] or [features] numbers.
    pub shape: Vec<usize>,
    /// Number of classes; without, the answers are numbers.
    pub classes: Option<usize>,
}

/// Random examples take at most this many bytes.
pub const RANDOM_BYTES_MAX: usize = 1 << 30;
/// Examples beside those of one batch would only take memory.
const ROWS_MIN: usize = 64;

impl RandomExamples {
    /// As if these were the data of `scheme`, all of them to be learned from: preprocessing is fitted, as on any data.
    ///
    /// Errors   classes for a scheme that learns a number, or none for one that does not; examples that are too large.
    pub(crate) fn prepare(&self, scheme: &ResolvedScheme) -> Result<(Prepared, Examples), RunError> {
        self.check(scheme)?;
        let rows = self.rows(scheme.train.batch_size);
        let train: Vec<u32> = (0..rows as u32).collect();
        let splits = Splits { train, validation: Vec::new(), test: Vec::new(), unused: Vec::new() };
        fit(scheme, self.dataset(rows), splits, None)
    }

    /// Enough for a batch.
    fn rows(&self, batch: usize) -> usize {
        batch.max(ROWS_MIN)
    }

    fn check(&self, scheme: &ResolvedScheme) -> Result<(), Diagnostic> {
        match (scheme.train.loss, self.classes) {
            (Loss::CrossEntropy, None) => {
                let found =
                    Diagnostic::new("unknown-classes", "how many classes random examples have was not said");
                return Err(found.help("say it with `--classes N`"));
            }
            (Loss::MeanSquaredError, Some(_)) => {
                let found = Diagnostic::new(
                    "no-classes",
                    "this scheme learns a number: its examples have no classes",
                );
                return Err(found.help("leave `--classes` out"));
            }
            _ => {}
        }
        let bytes = if self.shape.len() == 3 { 1u128 } else { 4 };
        let numbers =
            self.shape.iter().fold(1u128, |product, &length| product.saturating_mul(length as u128));
        let bytes = numbers.saturating_mul(bytes).saturating_mul(self.rows(scheme.train.batch_size) as u128);
        if bytes > RANDOM_BYTES_MAX as u128 {
            let message = format!(
                "a batch of such examples takes {bytes} bytes, more than the limit of {RANDOM_BYTES_MAX}"
            );
            return Err(
                Diagnostic::new("examples-too-large", message).help("make the examples or the batch smaller")
            );
        }
        Ok(())
    }

    fn dataset(&self, rows: usize) -> Dataset {
        let input = self.tensor(rows);
        let (layout, features) = match *self.shape.as_slice() {
            [channels, _, _] => (Layout::Image, channels),
            [_, features] => (Layout::Series, features),
            _ => (Layout::Table, self.shape.iter().product()),
        };
        let random = Random::new(1, "heirloom.profile.targets");
        let target = match self.classes {
            Some(count) => Target::Classes {
                labels: (0..rows as u64).map(|row| random.below(0, row, count as u32)).collect(),
                names: (0..count).map(|class| class.to_string()).collect(),
            },
            None => Target::Values {
                name: "target".to_owned(),
                values: (0..rows as u64).map(|row| random.normal(0, row)).collect(),
                forecast: None,
            },
        };
        let digests: Vec<Digest> = (0..rows as u64).map(|row| Digest::of(&row.to_le_bytes())).collect();
        Dataset {
            name: "random examples".to_owned(),
            input,
            layout,
            feature_names: (0..features).map(|feature| feature.to_string()).collect(),
            target,
            test_from: None,
            keys: None,
            overlapping: false,
            input_digests: digests.clone(),
            digests,
        }
    }

    /// Bytes for pictures, numbers around 0 for anything else.
    fn tensor(&self, rows: usize) -> Tensor {
        let shape = [&[rows], self.shape.as_slice()].concat();
        let count: usize = shape.iter().product();
        let random = Random::new(1, "heirloom.profile.inputs");
        match self.shape.len() {
            3 => Tensor::new(
                shape,
                (0..count as u64).map(|index| (random.word(0, index) >> 24) as u8).collect(),
            ),
            _ => Tensor::new(
                shape,
                (0..count as u64).map(|index| random.normal(0, index)).collect::<Vec<f32>>(),
            ),
        }
    }
}
