//! Two samples as counts of the same bins.

use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Bins of the population stability index.
const GROUPS: u64 = 10;
/// Fewer expected counts make the limit distribution of Pearson's test a guess; such bins are taken together.
const EXPECTED_MIN: f64 = 5.0;

/// The counts of neighbouring bins taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Groups {
    pub(super) before: Vec<u32>,
    pub(super) after: Vec<u32>,
}

/// About ten groups of neighbouring bins with the same share of the examples, `before`. The last bin, of what is no number,
/// is a group of its own where it counts anything.
pub(super) fn groups(before: &[u32], after: &[u32]) -> Groups {
    let total = super::sum(before);
    let mut groups = Groups { before: Vec::new(), after: Vec::new() };
    let (mut open, mut finished) = ([0u32; 2], 0u64);
    let finite = before.len().saturating_sub(1);
    for (&old, &new) in before[..finite].iter().zip(after) {
        open = [open[0].saturating_add(old), open[1].saturating_add(new)];
        let so_far = finished + u64::from(open[0]);
        // The border of the next tenth is passed.
        if so_far * GROUPS / total.max(1) > finished * GROUPS / total.max(1) {
            groups.push(open);
            (open, finished) = ([0; 2], so_far);
        }
    }
    if open != [0; 2] {
        groups.push(open);
    }
    if before[finite..] != [0] || after[finite..] != [0] {
        groups.push([before[finite], after[finite]]);
    }
    groups
}

impl Groups {
    fn push(&mut self, [before, after]: [u32; 2]) {
        self.before.push(before);
        self.after.push(after);
    }
}

/// The population stability index, `sum (w - r) ln(w / r)` over the bins' shares `r` of the examples and `w` of the requests.
/// Every bin counts half a case more on both sides, so that an empty one is not infinitely far.
///
/// Source  Yurdakul 2018, "Statistical properties of population stability index": without a change it is about
///         `(1/n + 1/m)` times a chi-squared number with one degree of freedom fewer than bins.
pub(super) fn psi(before: &[u32], after: &[u32]) -> f64 {
    let half = before.len() as f64 / 2.0;
    let [all_before, all_after] = [before, after].map(|counts| super::sum(counts) as f64 + half);
    let terms = before.iter().zip(after).map(|(&before, &after)| {
        let (r, w) = ((f64::from(before) + 0.5) / all_before, (f64::from(after) + 0.5) / all_after);
        (w - r) * (w / r).ln()
    });
    terms.sum()
}

/// The result of Pearson's test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pearson {
    pub(super) value: f64,
    pub(super) freedom: f64,
    pub(super) p: f64,
}

/// Pearson's test of whether two lists of counts are of one distribution.
///
/// Formula `sum (sqrt(m/n) a - sqrt(n/m) b)^2 / (a + b)` over bins with the counts `a` of `n` and `b` of `m`; bins of which the smaller
///         sample expects fewer than 5 are taken together. It is also what the population stability index is in its
///         leading term, with a better known tail: PSI is judged by it.
/// Source  Press et al. 2007, "Numerical recipes", section 14.3.3.
pub(super) fn chi_squared(before: &[u32], after: &[u32]) -> Pearson {
    let [n, m] = [before, after].map(|counts| super::sum(counts).max(1) as f64);
    let share = n.min(m) / (n + m);
    let (mut rare, mut cells) = ([0.0; 2], Vec::new());
    for (&a, &b) in before.iter().zip(after) {
        let (a, b) = (f64::from(a), f64::from(b));
        if (a + b) * share < EXPECTED_MIN {
            rare = [rare[0] + a, rare[1] + b];
        } else {
            cells.push([a, b]);
        }
    }
    // What is rare together joins the smallest of the others, unless it is frequent enough by now.
    if rare != [0.0; 2] {
        let smallest =
            cells.iter_mut().min_by(|left, right| (left[0] + left[1]).total_cmp(&(right[0] + right[1])));
        match smallest {
            Some(cell) if (rare[0] + rare[1]) * share < EXPECTED_MIN => {
                *cell = [cell[0] + rare[0], cell[1] + rare[1]];
            }
            _ => cells.push(rare),
        }
    }
    let term = |[a, b]: &[f64; 2]| ((m / n).sqrt() * a - (n / m).sqrt() * b).powi(2) / (a + b);
    let (value, freedom) = (cells.iter().map(term).sum::<f64>(), cells.len() as f64 - 1.0);
    let p = match ChiSquared::new(freedom) {
        Ok(distribution) if freedom >= 1.0 => distribution.sf(value).clamp(0.0, 1.0),
        _ => 1.0,
    };
    Pearson { value, freedom: freedom.max(0.0), p }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenths_are_taken_together() {
        let before = [vec![10u32; 64], vec![0]].concat();
        let after = [vec![1u32; 64], vec![0]].concat();
        let found = groups(&before, &after);
        assert_eq!(found.before.len(), 10);
        assert!(found.before.iter().all(|&count| (60..=70).contains(&count)), "{found:?}");
        assert_eq!((super::super::sum(&found.before), super::super::sum(&found.after)), (640, 64));
        // An atom is one group, and so is what is no number.
        let found = groups(&[0, 90, 5, 5, 0], &[1, 80, 5, 5, 9]);
        assert_eq!(found, Groups { before: vec![90, 10, 0], after: vec![81, 10, 9] });
        assert_eq!(groups(&[0, 0], &[0, 0]).before, Vec::<u32>::new());
    }

    #[test]
    fn agrees_with_scipy() {
        // scipy.stats.chi2_contingency([a, b], correction=False)
        let found = chi_squared(&[100, 200, 300], &[20, 30, 70]);
        assert!((found.value - 3.5252643948296134).abs() < 1e-9, "{found:?}");
        assert!((found.p - 0.17159260325793252).abs() < 1e-6, "{found:?}");
        // Rare bins go together.
        assert_eq!(chi_squared(&[1000, 1000, 3, 2], &[100, 100, 0, 1]).freedom, 1.0);
        assert_eq!(chi_squared(&[10], &[10]).p, 1.0);
        assert_eq!(chi_squared(&[0, 0], &[0, 0]).p, 1.0);
    }

    #[test]
    fn stability_index() {
        assert_eq!(psi(&[100, 100], &[50, 50]), 0.0);
        let (r, w) = ((100.5 / 201.0, 100.5 / 201.0), (150.5 / 201.0, 50.5 / 201.0));
        let expect: f64 = (w.0 - r.0) * f64::ln(w.0 / r.0) + (w.1 - r.1) * f64::ln(w.1 / r.1);
        assert!((psi(&[100, 100], &[150, 50]) - expect).abs() < 1e-12);
        assert!(psi(&[100, 0], &[0, 100]).is_finite());
    }
}
