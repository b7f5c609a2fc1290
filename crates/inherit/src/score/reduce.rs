//! Fewer examples and fewer features where there are more than scores need: their time grows with
//! `n d min(n, d)`.

use tensor::Random;

use super::Examples;

/// Most features that scores are computed of: a head seldom has more to itself, and time grows with the
/// square of it from there on.
pub const WIDTH_MAX: usize = 512;

/// About the most examples that scores are computed of; accuracy has a standard error of at most 0.7
/// percent here.
pub const EXAMPLES_MAX: usize = 5_000;

/// How many projected features each feature goes to.
const SPREAD: usize = 4;

/// Projects wider features to [`WIDTH_MAX`] ones: each feature is added to four of them with the signs and
/// places that `seed` gives, one in each quarter, halved so that lengths stay the same on average.
///
/// Shapes   `[n, d] -> [n, min(d, 512)]`.
/// Units    of the features. Distances stay within about `sqrt(2 / 512)`, six percent (one standard deviation).
/// Source   Kane and Nelson 2014, "Sparser Johnson-Lindenstrauss Transforms", the block construction; a dense
///          matrix of normal numbers would cost a hundred times more and keep distances no better.
pub(super) fn project<'a>(examples: &'a Examples<'_>, seed: u64) -> Option<Examples<'a>> {
    let projection = Projection::of(examples.width(), seed)?;
    // The mean goes first, for sums of many numbers of one sign would lose what tells them apart.
    let mean = examples.mean();
    let values = examples.rows().flat_map(|row| projection.project(row, &mean)).collect();
    Some(examples.with_features(values, WIDTH_MAX))
}

/// Random sums of wide features, [`WIDTH_MAX`] of them: what the scores use of features wider than that. Who has more of
/// them than fits into memory projects them example by example, about a point near their mean.
#[derive(Debug, Clone)]
pub struct Projection {
    /// `[d, 4]` of place and factor.
    places: Vec<(usize, f64)>,
}

impl Projection {
    /// The sums of `width` features that `seed` gives; `None` where there are no more than [`WIDTH_MAX`].
    pub fn of(width: usize, seed: u64) -> Option<Self> {
        if width <= WIDTH_MAX {
            return None;
        }
        let random = Random::new(seed, "heirloom.score.projection");
        let quarter = WIDTH_MAX / SPREAD;
        let mut places = Vec::with_capacity(width * SPREAD);
        for feature in 0..width as u64 {
            for block in 0..SPREAD {
                let place = random.below(block as u64, 2 * feature, quarter as u32) as usize;
                let sign = if random.word(block as u64, 2 * feature + 1) & 1 == 0 { 0.5 } else { -0.5 };
                places.push((block * quarter + place, sign));
            }
        }
        Some(Projection { places })
    }

    /// The sums of `row - centre`: `[d] -> [512]`. Panics unless both are of the width that this was made for.
    pub fn project(&self, row: &[f32], centre: &[f64]) -> Vec<f32> {
        assert_eq!((row.len() * SPREAD, centre.len()), (self.places.len(), row.len()), "another width");
        let mut sums = [0.0_f64; WIDTH_MAX];
        for ((&value, centre), places) in row.iter().zip(centre).zip(self.places.chunks_exact(SPREAD)) {
            for &(place, factor) in places {
                sums[place] += factor * (value as f64 - centre);
            }
        }
        sums.iter().map(|&sum| sum.clamp(f32::MIN as f64, f32::MAX as f64) as f32).collect()
    }
}

/// The numbers of about [`EXAMPLES_MAX`] examples, ascending, where there are more: of each class the same
/// share, drawn by `seed`, and two where it has them. `None` where there are no more.
///
/// The two are why there may be more than the limit: by two for each class at most.
pub(super) fn subsample(examples: &Examples<'_>, seed: u64) -> Option<Vec<usize>> {
    (examples.count() > EXAMPLES_MAX).then(|| sample(&examples.members(), EXAMPLES_MAX, seed))
}

/// About `most` of the examples whose numbers stand by class in `members`, ascending: of each class the same share,
/// drawn by `seed`, and two where it has them; all of them where there are no more than `most`.
pub fn sample(members: &[Vec<usize>], most: usize, seed: u64) -> Vec<usize> {
    let count: usize = members.iter().map(Vec::len).sum();
    if count <= most {
        let mut all = members.concat();
        all.sort_unstable();
        return all;
    }
    let random = Random::new(seed, "heirloom.score.subsample");
    let mut kept = Vec::new();
    for rows in members.iter().filter(|rows| !rows.is_empty()) {
        let share = (rows.len() as u128 * most as u128 / count as u128) as usize;
        let order = random.permutation(rows[0] as u64, rows.len());
        kept.extend(order.iter().take(share.max(2)).map(|&at| rows[at as usize]));
    }
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projected_distances_are_about_the_same() {
        let noise = Random::new(2, "test");
        let width = 3000;
        let values: Vec<f32> = (0..6 * width).map(|at| noise.normal(0, at as u64) + 100.0).collect();
        let examples = Examples::new(&values, width, &[0; 6], 1).unwrap();
        let projected = project(&examples, 5).unwrap();
        let distance = |examples: &Examples<'_>, a: usize, b: usize| {
            let (a, b) = (examples.rows().nth(a).unwrap(), examples.rows().nth(b).unwrap());
            a.iter().zip(b).map(|(a, b)| (*a as f64 - *b as f64).powi(2)).sum::<f64>().sqrt()
        };
        for (a, b) in [(0, 1), (2, 5), (3, 4)] {
            let ratio = distance(&projected, a, b) / distance(&examples, a, b);
            assert!((ratio - 1.0).abs() < 0.15, "{ratio}");
        }
        assert_eq!(project(&examples, 5), project(&examples, 5));
        assert_ne!(project(&examples, 5), project(&examples, 6));
    }

    #[test]
    fn a_subsample_keeps_the_shares_and_the_rare() {
        let labels: Vec<u32> =
            (0..20_000).map(|row| if row < 3 { 2 } else { (row % 4 == 0) as u32 }).collect();
        let values = vec![0.0; labels.len()];
        let examples = Examples::new(&values, 1, &labels, 3).unwrap();
        let kept = examples.select(&subsample(&examples, 1).unwrap());
        assert_eq!(kept.class_counts(), [3749, 1249, 2]);
        assert!(subsample(&kept, 1).is_none());
    }
}
