//! The principal directions of features, which three of the scores are made of.

use nalgebra::{DMatrix, SymmetricEigen};

use super::{Examples, ScoreError};

/// Directions whose variance is below this part of the largest are rounding, not features: features are
/// `f32`, whose own rounding is some `1e-14` of it.
const VARIANCE_RATIO_MIN: f64 = 1e-10;

/// The centred features `X` of examples, scaled as a whole so that the largest number is 1, and their
/// singular value decomposition `X = U S V^T`.
///
/// Shapes   `X: [n, d]`, `U: [n, k]` with orthonormal columns, each of which adds up to 0; `S: [k]`, where
///          `k <= min(n - 1, d)` is the rank (0 if all examples have the same features).
/// How      eigenvalues of the smaller of `X^T X` and `X X^T`, in f64.
///
/// Centring makes what is computed from it blind to a shift of the features, and the scale blind to their
/// unit; `U` and `S` do not change when features are rotated either.
#[derive(Debug, Clone)]
pub struct Spectrum<'a> {
    /// What was decomposed.
    pub(super) examples: &'a Examples<'a>,
    /// Mean of each feature: `[d]`.
    mean: Vec<f64>,
    /// What centred features were multiplied by.
    scale: f64,
    /// `X`, row by row: `[n, d]`.
    pub(super) centred: Vec<f64>,
    /// `U`, row by row: `[n, k]`.
    pub(super) left: Vec<f64>,
    /// The squares of `S`, the eigenvalues of `X^T X`: `[k]`, all above 0.
    pub(super) variances: Vec<f64>,
}

impl<'a> Spectrum<'a> {
    /// The decomposition of these examples' features. Takes `O(n d min(n, d))` time.
    ///
    /// Errors: fewer than two classes have examples, for then there is nothing that features could tell;
    /// eigenvalues that were not found.
    pub fn of(examples: &'a Examples<'a>) -> Result<Self, ScoreError> {
        if examples.class_counts().iter().filter(|&&count| count > 0).count() < 2 {
            return Err(ScoreError::OneClass);
        }
        let (count, width) = (examples.count(), examples.width());
        let mean = examples.mean();
        let mut centred = Vec::with_capacity(count * width); // [n, d]
        for row in examples.rows() {
            centred.extend(row.iter().zip(&mean).map(|(&value, mean)| value as f64 - mean));
        }
        let largest = centred.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let scale = if largest > 0.0 { 1.0 / largest } else { 1.0 };
        centred.iter_mut().for_each(|value| *value *= scale);

        let tall = count >= width;
        let side = count.min(width);
        let square = if tall { columns_product(&centred, width) } else { rows_product(&centred, width) };
        let steps_max = 1000 + 100 * side;
        let eigen = SymmetricEigen::try_new(DMatrix::from_vec(side, side, square), f64::EPSILON, steps_max)
            .ok_or(ScoreError::NoEigenvalues)?;
        let largest = eigen.eigenvalues.iter().fold(0.0_f64, |largest, &value| largest.max(value));
        let kept: Vec<usize> = (0..side)
            .filter(|&at| eigen.eigenvalues[at] > largest * VARIANCE_RATIO_MIN && largest > 0.0)
            .collect();
        let variances: Vec<f64> = kept.iter().map(|&at| eigen.eigenvalues[at]).collect();

        let mut left = Vec::with_capacity(count * kept.len()); // [n, k]
        for (row, x) in centred.chunks_exact(width).enumerate() {
            for (&at, variance) in kept.iter().zip(&variances) {
                let vector = eigen.eigenvectors.column(at);
                left.push(match tall {
                    true => dot(x, vector.as_slice()) / variance.sqrt(), // U = X V / S
                    false => vector[row],
                });
            }
        }
        Ok(Spectrum { examples, mean, scale, centred, left, variances })
    }

    /// How many directions there are, `k`.
    pub fn rank(&self) -> usize {
        self.variances.len()
    }

    /// The features of another example, moved and scaled as `X` is: `[d]`.
    pub(super) fn place(&self, row: &[f32]) -> Vec<f64> {
        row.iter().zip(&self.mean).map(|(&value, mean)| (value as f64 - mean) * self.scale).collect()
    }

    /// `U^T Y` for the one-hot targets `Y: [n, classes]`, class by class: `[classes, k]`. As the columns of
    /// `U` add up to 0, it is the same for centred targets.
    pub(super) fn targets(&self) -> Vec<f64> {
        let rank = self.rank();
        let mut sums = vec![0.0; self.examples.classes() as usize * rank];
        if rank == 0 {
            return sums;
        }
        for (row, &label) in self.left.chunks_exact(rank).zip(self.examples.labels()) {
            for (sum, value) in sums[label as usize * rank..][..rank].iter_mut().zip(row) {
                *sum += value;
            }
        }
        sums
    }
}

/// `sum_i a_i b_i`: eight sums, each over every eighth product in order, then these from the first to the last.
/// The order is fixed; with one sum alone, each addition would wait for the one before.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let (mut a, mut b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let mut sums = [0.0; LANES];
    for (a, b) in a.by_ref().zip(b.by_ref()) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    for ((sum, a), b) in sums.iter_mut().zip(a.remainder()).zip(b.remainder()) {
        *sum += a * b;
    }
    sums.iter().sum()
}

/// `X^T X` of `x: [n, width]`: `[width, width]`, summed over the rows in their order.
fn columns_product(x: &[f64], width: usize) -> Vec<f64> {
    let mut product = vec![0.0; width * width];
    for row in x.chunks_exact(width) {
        for (at, &factor) in row.iter().enumerate() {
            for (sum, value) in product[at * width..][..=at].iter_mut().zip(row) {
                *sum += factor * value;
            }
        }
    }
    mirrored(product, width)
}

/// `X X^T` of `x: [n, width]`: `[n, n]`.
fn rows_product(x: &[f64], width: usize) -> Vec<f64> {
    let count = x.len() / width;
    let mut product = vec![0.0; count * count];
    for (at, row) in x.chunks_exact(width).enumerate() {
        for (to, other) in x.chunks_exact(width).take(at + 1).enumerate() {
            product[at * count + to] = dot(row, other);
        }
    }
    mirrored(product, count)
}

/// The lower triangle of a square matrix, written to the upper one too.
fn mirrored(mut square: Vec<f64>, side: usize) -> Vec<f64> {
    for row in 0..side {
        for column in 0..row {
            square[column * side + row] = square[row * side + column];
        }
    }
    square
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tall_and_wide_features_are_put_together_again() {
        // `U U^T X` is `X`, for `U` spans the columns of `X`; both with more rows and with more columns.
        for (count, width) in [(7, 3), (3, 7)] {
            let values: Vec<f32> =
                (0..count * width).map(|at| ((at * at * 7 + at * 3) % 11) as f32 - 4.0).collect();
            let labels: Vec<u32> = (0..count as u32).map(|row| row % 2).collect();
            let examples = Examples::new(&values, width, &labels, 2).unwrap();
            let spectrum = Spectrum::of(&examples).unwrap();
            let rank = spectrum.rank();
            assert_eq!(rank, (count - 1).min(width));
            for column in 0..width {
                let x: Vec<f64> = (0..count).map(|row| spectrum.centred[row * width + column]).collect();
                let inner: Vec<f64> = (0..rank)
                    .map(|at| (0..count).map(|row| spectrum.left[row * rank + at] * x[row]).sum())
                    .collect();
                for (left, x) in spectrum.left.chunks_exact(rank).zip(&x) {
                    let again = dot(left, &inner);
                    assert!((again - x).abs() < 1e-12, "{again} is not {x}");
                }
            }
            let total: f64 = spectrum.variances.iter().sum();
            assert!((total - dot(&spectrum.centred, &spectrum.centred)).abs() < 1e-12);
        }
    }

    #[test]
    fn equal_rows_have_no_direction_and_one_class_no_spectrum() {
        let examples = Examples::new(&[3.0; 8], 2, &[0, 1, 0, 1], 2).unwrap();
        assert_eq!(Spectrum::of(&examples).unwrap().rank(), 0);
        let one = Examples::new(&[1.0, 2.0], 1, &[1, 1], 3).unwrap();
        assert!(matches!(Spectrum::of(&one), Err(ScoreError::OneClass)));
    }
}
