//! What a model is asked, as a short list of numbers.

use serde::{Deserialize, Serialize};

use crate::picture;

/// The form of a model's inputs, which decides what is counted of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Inputs {
    /// `u8` [channels, height, width].
    Picture {
        /// Colours.
        channels: usize,
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
    },
    /// `f32` [features].
    Table {
        /// The columns' names.
        features: Vec<String>,
    },
    /// `f32` [window, features].
    Series {
        /// Rows of one question.
        window: usize,
        /// The columns' names.
        features: Vec<String>,
    },
}

/// One input as the model takes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Raw<'a> {
    /// Pixels, channel by channel.
    U8(&'a [u8]),
    /// Features, row by row.
    F32(&'a [f32]),
}

/// Most values of one input: 4096 x 4096 pixels of three colours.
const VALUES_MAX: usize = 3 << 24;
/// Longest side of a picture: no sum over its pixels overflows.
const SIDE_MAX: usize = 1 << 14;

impl Inputs {
    /// How many values one input has; `None` if that is nothing, or more than any model here takes.
    pub fn len(&self) -> Option<usize> {
        let length = match self {
            Inputs::Picture { height, width, .. } if *height.max(width) > SIDE_MAX => None,
            Inputs::Picture { channels, height, width } => channels.checked_mul(height * width),
            Inputs::Table { features } => Some(features.len()),
            Inputs::Series { window, features } => window.checked_mul(features.len()),
        };
        length.filter(|length| (1..=VALUES_MAX).contains(length))
    }

    /// Whether an input has no values, which no model takes.
    pub fn is_empty(&self) -> bool {
        self.len().is_none()
    }

    /// The names of what is counted and tested, in the order of [`Inputs::summarise`].
    pub fn statistics(&self) -> Vec<String> {
        match self {
            Inputs::Picture { channels, .. } => picture::statistics(*channels),
            Inputs::Table { features } => features.clone(),
            Inputs::Series { features, .. } => features
                .iter()
                .flat_map(|feature| [format!("{feature} (last)"), format!("{feature} (mean)")])
                .collect(),
        }
    }

    /// The names of what is counted for the embedding alone, behind the statistics; none if the statistics serve as such.
    pub fn blocks(&self) -> Vec<String> {
        match self {
            Inputs::Picture { height, width, .. } => picture::blocks(*height, *width),
            Inputs::Table { .. } | Inputs::Series { .. } => Vec::new(),
        }
    }

    /// Replaces `summary` by the statistics of `input`, then the blocks: one number for each name. Returns whether
    /// `input` is of this form and length; if not, `summary` is empty.
    ///
    /// A series counts for each feature its last value and its mean over the rows.
    pub fn summarise(&self, input: Raw<'_>, summary: &mut Vec<f32>) -> bool {
        summary.clear();
        let length = match input {
            Raw::U8(values) => values.len(),
            Raw::F32(values) => values.len(),
        };
        if self.len() != Some(length) {
            return false;
        }
        match (self, input) {
            (&Inputs::Picture { channels, height, width }, Raw::U8(pixels)) => {
                picture::summarise(pixels, [channels, height, width], summary);
            }
            (Inputs::Table { .. }, Raw::F32(values)) => summary.extend_from_slice(values),
            (Inputs::Series { window, features }, Raw::F32(values)) => {
                let width = features.len();
                for feature in 0..width {
                    let column = values.iter().skip(feature).step_by(width);
                    let sum: f64 = column.clone().map(|&value| f64::from(value)).sum();
                    summary.extend([values[(window - 1) * width + feature], (sum / *window as f64) as f32]);
                }
            }
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_one_number_for_each_name() {
        let features = vec!["open".to_owned(), "close".to_owned()];
        let check = |inputs: Inputs, raw: Raw<'_>, expect: Option<&[f32]>| {
            let mut summary = vec![7.0];
            assert_eq!(inputs.summarise(raw, &mut summary), expect.is_some());
            match expect {
                Some([]) => {
                    assert_eq!(
                        summary.len(),
                        inputs.statistics().len() + inputs.blocks().len(),
                        "{inputs:?}"
                    );
                }
                expect => assert_eq!(summary, expect.unwrap_or_default()),
            }
        };
        check(Inputs::Table { features: features.clone() }, Raw::F32(&[1.0, 2.0]), Some(&[1.0, 2.0]));
        check(Inputs::Table { features: features.clone() }, Raw::F32(&[1.0]), None);
        check(Inputs::Table { features: features.clone() }, Raw::U8(&[1, 2]), None);
        let series = Inputs::Series { window: 2, features };
        check(series, Raw::F32(&[1.0, 2.0, 3.0, 6.0]), Some(&[3.0, 2.0, 6.0, 4.0]));
        for [channels, height, width] in [[1, 28, 28], [3, 5, 7], [1, 1, 1], [4, 2, 3]] {
            let pixels = vec![9; channels * height * width];
            check(Inputs::Picture { channels, height, width }, Raw::U8(&pixels), Some(&[]));
        }
        let huge = Inputs::Picture { channels: usize::MAX, height: 2, width: 1 };
        assert!(huge.is_empty());
    }
}
