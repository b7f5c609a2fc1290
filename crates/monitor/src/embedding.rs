//! Where an input lies among others in several dimensions at once.
//!
//! Single statistics miss what shows only in their company. The embedding of an input is the list of its scores (of
//! [`crate::Sketch`]: each in -0.5..0.5, so that no outlier rules), of many statistics a random projection of them. Its
//! mean over a window is linear in the counts of bins, and so is compared with no more than those.

use base::DigestWriter;
use serde::{Deserialize, Serialize};

use crate::sketch::Sketch;

/// Most dimensions; of more statistics a projection onto so many is taken.
pub(crate) const DIMENSIONS_MAX: usize = 32;
/// Dimensions that vary less are left out: nearly all inputs share one value there, and means of so few others are far
/// from normal. Evenly spread scores have 1/12.
const VARIANCE_MIN: f64 = 0.02;
/// A dimension of which less than this share is left, given those before it, says little new; measured in what is left of it, a
/// trifle would look great.
const PIVOT_MIN: f64 = 0.05;

/// The covariance of the embedding over the examples of a profile. Its mean is 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Embedding {
    dimensions: usize,
    /// The lower triangle, row by row.
    covariance: Vec<f32>,
}

/// How far a window lies from the examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Distance {
    /// `d' C^-1 d` for the difference `d` of means.
    pub(crate) squared: f64,
    /// Dimensions that count.
    pub(crate) dimensions: usize,
}

/// The rows of scores that make an embedding.
pub(crate) struct Projection {
    /// `[dimensions][sketches]`; none if every sketch is a dimension.
    weights: Option<Vec<Vec<f64>>>,
}

impl Projection {
    /// For the embedding over so many sketches.
    pub(crate) fn new(sketches: usize) -> Self {
        let weight = |dimension: usize, sketch: usize| {
            let mut writer = DigestWriter::new("heirloom.monitor.projection.1");
            writer.field(&(dimension as u64).to_le_bytes()).field(&(sketch as u64).to_le_bytes());
            let sign = if writer.finish().0[0] & 1 == 0 { 1.0 } else { -1.0 };
            sign / (sketches as f64).sqrt()
        };
        let row = |dimension| (0..sketches).map(|sketch| weight(dimension, sketch)).collect();
        Projection { weights: (sketches > DIMENSIONS_MAX).then(|| (0..DIMENSIONS_MAX).map(row).collect()) }
    }

    /// The embedding of `scores`, one for each sketch.
    pub(crate) fn apply(&self, scores: Vec<f64>) -> Vec<f64> {
        match &self.weights {
            None => scores,
            Some(weights) => weights
                .iter()
                .map(|row| row.iter().zip(&scores).map(|(weight, score)| weight * score).sum())
                .collect(),
        }
    }
}

impl Embedding {
    /// From the bins of the examples: `bins` [examples, sketches].
    pub(crate) fn of(sketches: &[Sketch], bins: &[u8]) -> Self {
        let dimensions = sketches.len().min(DIMENSIONS_MAX);
        let scores: Vec<Vec<f64>> = sketches.iter().map(Sketch::scores).collect();
        let projection = Projection::new(sketches.len());
        let mut sums = vec![0.0; dimensions * (dimensions + 1) / 2];
        let examples = bins.len() / sketches.len().max(1);
        for row in bins.chunks_exact(sketches.len().max(1)) {
            let place = projection
                .apply(row.iter().zip(&scores).map(|(&bin, scores)| scores[bin as usize]).collect());
            let mut sum = sums.iter_mut();
            for (at, left) in place.iter().enumerate() {
                // The right side first: `zip` would take one of the sums too many.
                place[..=at].iter().zip(&mut sum).for_each(|(right, sum)| *sum += left * right);
            }
        }
        let covariance = sums.iter().map(|sum| (sum / examples.max(1) as f64) as f32).collect();
        Embedding { dimensions, covariance }
    }

    /// How far the mean `place` is from 0 in units of the covariance. Formula `|L^-1 place|^2` with `L L'` the covariance
    /// (Cholesky), over the dimensions that vary.
    pub(crate) fn distance(&self, place: &[f64]) -> Distance {
        let at = |row: usize, column: usize| f64::from(self.covariance[row * (row + 1) / 2 + column]);
        let (mut kept, mut factor): (Vec<usize>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
        let mut whitened: Vec<f64> = Vec::new();
        for (dimension, &along) in place.iter().enumerate().take(self.dimensions) {
            let mut row: Vec<f64> = Vec::with_capacity(kept.len() + 1);
            for (index, &earlier) in kept.iter().enumerate() {
                let known: f64 = row.iter().zip(&factor[index]).map(|(left, right)| left * right).sum();
                row.push((at(dimension, earlier) - known) / factor[index][index]);
            }
            let own = at(dimension, dimension);
            let pivot = own - row.iter().map(|value| value * value).sum::<f64>();
            // So written, a covariance that is none, as of a damaged profile, leaves the dimension out as well.
            let counts = own >= VARIANCE_MIN * self.scale() && pivot > PIVOT_MIN * own;
            if !counts {
                continue;
            }
            let known: f64 = row.iter().zip(&whitened).map(|(left, right)| left * right).sum();
            let root = pivot.sqrt();
            whitened.push((along - known) / root);
            row.push(root);
            kept.push(dimension);
            factor.push(row);
        }
        Distance { squared: whitened.iter().map(|value| value * value).sum(), dimensions: kept.len() }
    }

    /// Projections have smaller variances where statistics go together; they are measured by their own mean.
    fn scale(&self) -> f64 {
        if self.dimensions < DIMENSIONS_MAX {
            return 1.0;
        }
        let own = (0..self.dimensions).map(|row| f64::from(self.covariance[row * (row + 1) / 2 + row]));
        own.sum::<f64>() / self.dimensions as f64 * 12.0
    }

    /// Whether it fits `sketches`.
    pub(crate) fn check(&self, sketches: usize) -> Result<(), String> {
        let dimensions = sketches.min(DIMENSIONS_MAX);
        let length = dimensions * (dimensions + 1) / 2;
        if self.dimensions != dimensions || self.covariance.len() != length {
            return Err("the embedding has another number of dimensions".to_owned());
        }
        let diagonal = (0..dimensions).map(|row| self.covariance[row * (row + 1) / 2 + row]);
        match self.covariance.iter().all(|value| value.is_finite())
            && diagonal.into_iter().all(|own| own >= 0.0)
        {
            true => Ok(()),
            false => Err("the embedding's covariance is none".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_measured_in_deviations() {
        let known = Embedding { dimensions: 2, covariance: vec![0.04, 0.01, 0.09] };
        // numpy: d @ inv([[.04, .01], [.01, .09]]) @ d for d = (0.1, -0.2)
        let found = known.distance(&[0.1, -0.2]);
        assert!((found.squared - 0.828_571_428).abs() < 1e-5, "{found:?}");
        assert_eq!(found.dimensions, 2);
        let flat = Embedding { dimensions: 2, covariance: vec![0.04, 0.0, 0.001] };
        assert_eq!(flat.distance(&[0.2, 9.0]).dimensions, 1);
        let twice = Embedding { dimensions: 2, covariance: vec![0.04, 0.04, 0.04] };
        assert_eq!(twice.distance(&[0.2, 0.2]).dimensions, 1);
    }

    #[test]
    fn covariance_of_scores() {
        let values: Vec<f32> = (0..1000).map(|value| value as f32).collect();
        let sketches = [Sketch::of("a".into(), &values, 64), Sketch::of("b".into(), &values, 64)];
        let bins: Vec<u8> =
            values.iter().flat_map(|&value| sketches.iter().map(move |each| each.bin(value) as u8)).collect();
        let embedding = Embedding::of(&sketches, &bins);
        for value in &embedding.covariance {
            assert!((value - 1.0 / 12.0).abs() < 1e-3, "{value}");
        }
        assert_eq!(embedding.check(2), Ok(()));
        assert!(embedding.check(3).is_err());
    }
}
