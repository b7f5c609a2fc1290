//! How many labels, and which: class-balanced subsets of the training part.

use base::Diagnostic;
use tensor::Random;

/// An amount of labels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Amount {
    /// The share of the training part that was asked for.
    pub(super) fraction: f64,
    /// Examples of each class.
    per_class: Vec<usize>,
}

impl Amount {
    /// How many labels in all.
    pub(super) fn labels(&self) -> usize {
        self.per_class.iter().sum()
    }
}

/// The amounts that `fractions` of a training part with `counts` examples of each class come to, ascending, and what there
/// is to say about them. Of each class it is the share, rounded, and at least one example if there is one. Fractions that
/// come to as many labels as a smaller one are left out, and named.
///
/// Errors   `bad-fraction`: none, or one that is not above 0 and at most 1.
pub(super) fn amounts(counts: &[usize], fractions: &[f64]) -> Result<(Vec<Amount>, Vec<String>), Diagnostic> {
    let wrong = fractions.iter().find(|fraction| !(**fraction > 0.0 && **fraction <= 1.0));
    let nothing = || fractions.is_empty().then(|| "none".to_owned());
    if let Some(found) = wrong.map(f64::to_string).or_else(nothing) {
        let message = format!("fractions of the training part are above 0 and at most 1, here is {found}");
        return Err(Diagnostic::new("bad-fraction", message).help("such as `--fractions 0.01,0.1,1`"));
    }
    let mut ascending = fractions.to_vec();
    ascending.sort_by(f64::total_cmp);
    let (mut amounts, mut notices): (Vec<Amount>, Vec<String>) = (Vec::new(), Vec::new());
    for fraction in ascending {
        let of = |&count: &usize| ((count as f64 * fraction).round() as usize).max(1).min(count);
        let amount = Amount { fraction, per_class: counts.iter().map(of).collect() };
        match amounts.last() {
            Some(last) if last.labels() >= amount.labels() => notices.push(format!(
                "the fraction {fraction} comes to {} labels, as {} does: it is left out",
                amount.labels(),
                last.fraction
            )),
            _ => amounts.push(amount),
        }
    }
    Ok((amounts, notices))
}

/// The rows of `train` that make up `amount` under `seed`, ascending; `labels` has the class of every row. Of each class
/// they are the first ones in an order that is a function of the seed and the rows, so a smaller amount is part of a
/// larger one.
pub(super) fn subset(labels: &[u32], train: &[u32], amount: &Amount, seed: u64) -> Vec<u32> {
    let order = Random::new(seed, "heirloom.proof.labels").permutation(0, train.len());
    let mut left = amount.per_class.clone();
    let mut rows = Vec::with_capacity(amount.labels());
    for place in order {
        let row = train[place as usize];
        let left = &mut left[labels[row as usize] as usize];
        if *left > 0 {
            *left -= 1;
            rows.push(row);
        }
    }
    rows.sort_unstable();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels_of(counts: &[usize], fractions: &[f64]) -> (Vec<usize>, usize) {
        let (amounts, notices) = amounts(counts, fractions).unwrap();
        (amounts.iter().map(Amount::labels).collect(), notices.len())
    }

    #[test]
    fn every_class_keeps_an_example() {
        assert_eq!(labels_of(&[100, 50, 3], &[0.01, 0.1, 1.0]), (vec![3, 16, 153], 0));
        assert_eq!(labels_of(&[4, 0], &[1.0, 0.5]), (vec![2, 4], 0));
        // In whatever order, and each number of labels once.
        assert_eq!(labels_of(&[10, 10], &[1.0, 0.01, 0.02, 1.0]), (vec![2, 20], 2));
    }

    #[test]
    fn fractions_are_checked() {
        for fractions in [&[][..], &[0.0], &[0.5, 1.5], &[-0.1], &[f64::NAN]] {
            assert_eq!(amounts(&[5, 5], fractions).unwrap_err().code, "bad-fraction", "{fractions:?}");
        }
    }

    #[test]
    fn subsets_are_balanced_nested_and_a_function_of_the_seed() {
        let labels: Vec<u32> = (0..90).map(|row| row % 3).collect();
        let train: Vec<u32> = (10..80).collect();
        let counts = [23, 24, 23];
        let (amounts, _) = amounts(&counts, &[0.1, 0.5, 1.0]).unwrap();
        let of = |amount: &Amount, seed| subset(&labels, &train, amount, seed);
        assert_eq!(of(&amounts[2], 1), train);
        assert_ne!(of(&amounts[0], 1), of(&amounts[0], 2));
        for seed in 1..5 {
            let (few, many) = (of(&amounts[0], seed), of(&amounts[1], seed));
            assert_eq!((few.len(), many.len()), (amounts[0].labels(), amounts[1].labels()));
            assert!(few.iter().all(|row| many.contains(row)));
            for class in 0..3 {
                let count = few.iter().filter(|&&row| labels[row as usize] == class).count();
                assert_eq!(count, amounts[0].per_class[class as usize]);
            }
        }
    }
}
