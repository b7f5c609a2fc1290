//! The distribution of one number, as counts between quantiles.

use serde::{Deserialize, Serialize};

/// Bins between quantiles, of a statistic that is one of few.
const QUANTILES: usize = 64;
/// Fewest bins, of a statistic that is one of many.
const QUANTILES_MIN: usize = 10;
/// Bins of all statistics together, about.
const BINS_SUM: usize = 8192;
/// Most cuts of one sketch, so that a bin's number is one byte.
const CUTS_MAX: usize = 250;

/// How the values of a statistic are distributed: bin `i` counts the values in `(cuts[i - 1], cuts[i]]`, the one behind the
/// last cut the greater ones, and one more those that are no finite number.
///
/// A value that fills whole bins, such as the 0 of a black corner, has a bin of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sketch {
    /// What is counted.
    pub(crate) name: String,
    /// Ascending.
    pub(crate) cuts: Vec<f32>,
    /// `cuts.len() + 2` counts.
    pub(crate) counts: Vec<u32>,
}

/// How many quantiles each of `statistics` gets.
pub(crate) fn quantiles_of(statistics: usize) -> usize {
    (BINS_SUM / statistics.max(1)).clamp(QUANTILES_MIN, QUANTILES)
}

impl Sketch {
    /// The sketch of `values`, in any order, cut at `quantiles` of them.
    pub(crate) fn of(name: String, values: &[f32], quantiles: usize) -> Self {
        let mut sorted: Vec<f32> =
            values.iter().filter(|value| value.is_finite()).map(|value| value + 0.0).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let mut cuts: Vec<f32> = Vec::new();
        if !sorted.is_empty() {
            for quantile in 1..quantiles {
                let value = sorted[(quantile * sorted.len() / quantiles).min(sorted.len() - 1)];
                match cuts.last() {
                    // It fills a bin: what is below is cut off, too.
                    Some(&last) if last == value => {
                        let (below, place) = (value.next_down(), cuts.len() - 1);
                        if below.is_finite() && (place == 0 || cuts[place - 1] < below) {
                            cuts.insert(place, below);
                        }
                    }
                    _ => cuts.push(value),
                }
            }
        }
        let counts = vec![0; cuts.len() + 2];
        let mut sketch = Sketch { name, cuts, counts };
        for &value in values {
            let bin = sketch.bin(value);
            sketch.counts[bin] += 1;
        }
        sketch
    }

    /// What is counted.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bin of `value`.
    pub fn bin(&self, value: f32) -> usize {
        match value.is_finite() {
            true => self.cuts.partition_point(|&cut| cut < value),
            false => self.cuts.len() + 1,
        }
    }

    /// How many values there are, those that are no finite number included.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().map(|&count| u64::from(count)).sum()
    }

    /// The cut that half of `counts`, which are of this sketch's bins, do not exceed; `None` where there is none such.
    pub(crate) fn median(&self, counts: &[u32]) -> Option<f32> {
        let finite = &counts[..self.cuts.len() + 1];
        let total: u64 = finite.iter().map(|&count| u64::from(count)).sum();
        let mut sum = 0;
        let bin = finite.iter().position(|&count| {
            sum += u64::from(count);
            total > 0 && sum * 2 >= total
        })?;
        self.cuts.get(bin.min(self.cuts.len().saturating_sub(1))).copied()
    }

    /// For each bin the share of values below its middle, less a half: in -0.5..0.5, 0 on average. 0 for what is no number.
    pub(crate) fn scores(&self) -> Vec<f64> {
        let finite = &self.counts[..self.cuts.len() + 1];
        let total = finite.iter().map(|&count| f64::from(count)).sum::<f64>().max(1.0);
        let mut below = 0.0;
        let score = |&count: &u32| {
            let score = (below + f64::from(count) / 2.0) / total - 0.5;
            below += f64::from(count);
            score
        };
        finite.iter().map(score).chain([0.0]).collect()
    }

    /// Whether it holds together.
    pub(crate) fn check(&self, examples: u64) -> Result<(), String> {
        let ascending = self.cuts.windows(2).all(|pair| pair[0] < pair[1]);
        if self.cuts.len() > CUTS_MAX || !ascending || !self.cuts.iter().all(|cut| cut.is_finite()) {
            return Err(format!("the cuts of `{}` are not ascending numbers, at most {CUTS_MAX}", self.name));
        }
        if self.counts.len() != self.cuts.len() + 2 || self.total() != examples {
            return Err(format!("the counts of `{}` do not add up", self.name));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_even_and_atoms_stand_alone() {
        let values: Vec<f32> = (0..6400).map(|value| (value * 37 % 6400) as f32).collect();
        let even = Sketch::of("even".into(), &values, 64);
        assert_eq!(even.cuts.len(), 63);
        assert!(even.counts[..64].iter().all(|&count| (99..=101).contains(&count)), "{:?}", even.counts);
        assert_eq!(even.median(&even.counts), Some(3200.0));
        let sum: f64 =
            even.scores().iter().zip(&even.counts).map(|(score, &count)| score * f64::from(count)).sum();
        assert!(sum.abs() < 1e-6);

        let mostly: Vec<f32> = (0..100).map(|value| if value < 90 { 0.0 } else { value as f32 }).collect();
        let sketch = Sketch::of("mostly".into(), &mostly, 64);
        assert_eq!(sketch.counts[sketch.bin(0.0)], 90);
        assert_eq!(sketch.counts[sketch.bin(-1.0)], 0);
        assert_eq!(sketch.bin(-0.0), sketch.bin(0.0));
        assert_eq!(sketch.check(100), Ok(()));

        let constant = Sketch::of("constant".into(), &[5.0; 10], 64);
        assert_eq!((constant.cuts.len(), constant.counts.as_slice()), (2, &[0, 10, 0, 0][..]));
        for odd in [&[][..], &[f32::NAN, f32::INFINITY][..], &[f32::MIN; 40][..]] {
            let sketch = Sketch::of("odd".into(), odd, 64);
            assert_eq!(sketch.check(odd.len() as u64), Ok(()));
            assert_eq!(sketch.median(&sketch.counts).is_some(), odd.len() == 40);
        }
    }
}
