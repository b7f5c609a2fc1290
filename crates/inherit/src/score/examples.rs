//! Rows of features with a class each: what scores are computed of and heads are learnt from.

use std::borrow::Cow;

/// Most classes that there may be: a bound on what tables by class take.
pub const CLASSES_MAX: u32 = 100_000;

/// `n` rows of `d` finite features, each with its class. Checked when made, so nothing that takes them
/// asks again.
#[derive(Debug, Clone, PartialEq)]
pub struct Examples<'a> {
    values: Cow<'a, [f32]>,
    width: usize,
    labels: Cow<'a, [u32]>,
    classes: u32,
}

/// Why rows and labels are no examples.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExampleError {
    /// There is no row.
    #[error("there are no examples: at least one row is needed")]
    Empty,
    /// Rows without numbers.
    #[error("the examples have no features: rows need at least one number")]
    NoFeatures,
    /// The numbers do not make up as many rows as there are labels.
    #[error("{values} numbers are not {labels} rows of {width}: each label needs one whole row")]
    Length {
        /// How many numbers came.
        values: usize,
        /// How many labels came.
        labels: usize,
        /// Numbers a row.
        width: usize,
    },
    /// A feature is NaN or infinite.
    #[error("feature {column} of example {row} is not finite: features must be numbers")]
    NotFinite {
        /// The example, from 0.
        row: usize,
        /// The feature, from 0.
        column: usize,
    },
    /// A label that names no class.
    #[error("example {row} is of class {label}, but there are {classes} classes, from 0 on")]
    Label {
        /// The example, from 0.
        row: usize,
        /// Its label.
        label: u32,
        /// How many classes there are.
        classes: u32,
    },
    /// More classes than tables are made for.
    #[error("{0} classes are more than {CLASSES_MAX}")]
    TooManyClasses(u32),
}

impl<'a> Examples<'a> {
    /// The examples `values: [n, width]` in row-major order with `labels: [n]` in `0..classes`. Classes
    /// may be without examples.
    ///
    /// Errors: no row, no feature, lengths that do not agree, NaN or infinity, a label out of range, more
    /// than [`CLASSES_MAX`] classes.
    pub fn new(
        values: &'a [f32],
        width: usize,
        labels: &'a [u32],
        classes: u32,
    ) -> Result<Self, ExampleError> {
        if labels.is_empty() {
            return Err(ExampleError::Empty);
        }
        if width == 0 {
            return Err(ExampleError::NoFeatures);
        }
        if labels.len().checked_mul(width) != Some(values.len()) {
            return Err(ExampleError::Length { values: values.len(), labels: labels.len(), width });
        }
        if classes > CLASSES_MAX {
            return Err(ExampleError::TooManyClasses(classes));
        }
        if let Some(row) = labels.iter().position(|&label| label >= classes) {
            return Err(ExampleError::Label { row, label: labels[row], classes });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(ExampleError::NotFinite { row: at / width, column: at % width });
        }
        Ok(Examples { values: Cow::Borrowed(values), width, labels: Cow::Borrowed(labels), classes })
    }

    /// How many examples there are, `n`; at least 1.
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// Features an example, `d`; at least 1.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many classes there are, those without examples too.
    pub fn classes(&self) -> u32 {
        self.classes
    }

    /// The class of each example: `[n]`.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The features of each example in turn: `n` slices of `d`.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// How many examples each class has: `[classes]`.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes as usize];
        for &label in self.labels.iter() {
            counts[label as usize] += 1;
        }
        counts
    }

    /// The numbers of the examples of each class, ascending: `classes` lists that hold `0..n` once.
    pub(crate) fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.classes as usize];
        for (row, &label) in self.labels.iter().enumerate() {
            members[label as usize].push(row);
        }
        members
    }

    /// Mean of each feature over the examples: `[d]`.
    pub(crate) fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.width];
        for row in self.rows() {
            for (sum, &value) in mean.iter_mut().zip(row) {
                *sum += value as f64;
            }
        }
        mean.iter_mut().for_each(|sum| *sum /= self.count() as f64);
        mean
    }

    /// Mean of each feature over the examples of each class: `[classes, d]`; zeros for a class without
    /// examples.
    pub(crate) fn class_means(&self) -> Vec<f64> {
        let mut means = vec![0.0; self.classes as usize * self.width];
        for (row, &label) in self.rows().zip(self.labels.iter()) {
            let mean = &mut means[label as usize * self.width..][..self.width];
            for (sum, &value) in mean.iter_mut().zip(row) {
                *sum += value as f64;
            }
        }
        for (mean, count) in means.chunks_exact_mut(self.width).zip(self.class_counts()) {
            mean.iter_mut().for_each(|sum| *sum /= count.max(1) as f64);
        }
        means
    }

    /// The examples `rows`, in that order; each must be below `n`.
    pub(crate) fn select(&self, rows: &[usize]) -> Examples<'static> {
        let mut values = Vec::with_capacity(rows.len() * self.width);
        for &row in rows {
            values.extend_from_slice(&self.values[row * self.width..][..self.width]);
        }
        let labels: Vec<u32> = rows.iter().map(|&row| self.labels[row]).collect();
        Examples {
            values: Cow::Owned(values),
            width: self.width,
            labels: Cow::Owned(labels),
            classes: self.classes,
        }
    }

    /// The same classes over other features, `values: [n, width]`, which are finite.
    pub(crate) fn with_features(&self, values: Vec<f32>, width: usize) -> Examples<'_> {
        assert_eq!(values.len(), self.count() * width, "one row of {width} features for each label");
        Examples {
            values: Cow::Owned(values),
            width,
            labels: Cow::Borrowed(&self.labels),
            classes: self.classes,
        }
    }

    /// The same features with the classes numbered anew, in their order, so that each has examples.
    pub(crate) fn without_empty_classes(&self) -> Examples<'_> {
        let mut classes = 0;
        let numbers: Vec<u32> = self
            .class_counts()
            .into_iter()
            .map(|count| {
                let number = classes;
                classes += (count > 0) as u32;
                number
            })
            .collect();
        let labels = self.labels.iter().map(|&label| numbers[label as usize]).collect();
        Examples {
            values: Cow::Borrowed(&self.values),
            width: self.width,
            labels: Cow::Owned(labels),
            classes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_example_is_refused_by_name() {
        let refused = |values: &[f32], width, labels: &[u32], classes| {
            Examples::new(values, width, labels, classes).unwrap_err()
        };
        assert_eq!(refused(&[], 1, &[], 2), ExampleError::Empty);
        assert_eq!(refused(&[], 0, &[0], 2), ExampleError::NoFeatures);
        assert_eq!(
            refused(&[1.0; 3], 2, &[0, 1], 2),
            ExampleError::Length { values: 3, labels: 2, width: 2 }
        );
        assert_eq!(refused(&[1.0; 2], 1, &[0, 2], 2), ExampleError::Label { row: 1, label: 2, classes: 2 });
        assert_eq!(refused(&[1.0], 1, &[0], u32::MAX), ExampleError::TooManyClasses(u32::MAX));
        for bad in [f32::NAN, f32::INFINITY] {
            assert_eq!(
                refused(&[1.0, 1.0, 1.0, bad], 2, &[0, 1], 2),
                ExampleError::NotFinite { row: 1, column: 1 }
            );
        }
    }

    #[test]
    fn means_by_class_and_classes_that_close_up() {
        let examples = Examples::new(&[1.0, 2.0, 3.0, 6.0, 5.0, 5.0], 2, &[3, 3, 1], 4).unwrap();
        assert_eq!(examples.class_counts(), [0, 1, 0, 2]);
        assert_eq!(examples.class_means(), [0.0, 0.0, 5.0, 5.0, 0.0, 0.0, 2.0, 4.0]);
        let dense = examples.without_empty_classes();
        assert_eq!((dense.labels(), dense.classes()), (&[1, 1, 0][..], 2));
        assert_eq!(dense.select(&[2, 0]).class_means(), [5.0, 5.0, 1.0, 2.0]);
    }
}
