//! Folds: each example is held out once, by a head that did not see it.

use tensor::Random;

use super::Examples;

/// Most folds that are made.
pub const FOLDS_MAX: usize = 5;

/// One division of examples: what a head learns from and what it is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// Numbers of the examples to learn from, ascending.
    pub train: Vec<usize>,
    /// Numbers of those held out, ascending.
    pub held_out: Vec<usize>,
}

/// Divides the examples into as many folds as the smallest class can fill, at least 2 and at most
/// [`FOLDS_MAX`], with each class spread over the folds as evenly as it goes.
///
/// A class with two examples or more has one to learn from in each fold, and each of its examples is held out
/// once. The single example of a class is never held out: nothing could be learnt of its class then. The
/// smallest class decides, so that the shares of the classes are about the same on both sides; more folds would
/// hold out a class just where it is rare, which makes features that tell nothing look worse than nothing.
///
/// `None` where fewer than two classes have two examples. The same seed and labels give the same folds,
/// whatever the features, and whatever numbers the classes have: a class counts by where it comes first.
pub fn folds(examples: &Examples<'_>, seed: u64) -> Option<Vec<Fold>> {
    let mut members = examples.members();
    members.sort_by_key(|rows| rows.first().copied()); // classes without examples first; they are not judged
    let judged = || members.iter().filter(|rows| rows.len() >= 2);
    if judged().count() < 2 {
        return None;
    }
    let count = judged().map(|rows| rows.len()).min()?.min(FOLDS_MAX);
    let random = Random::new(seed, "heirloom.score.folds");
    let mut fold_of = vec![None; examples.count()];
    let mut next = 0; // dealt on from class to class, so that the folds are of about one size
    for rows in judged() {
        for at in random.permutation(rows[0] as u64, rows.len()) {
            fold_of[rows[at as usize]] = Some(next);
            next = (next + 1) % count;
        }
    }
    let rows = |keep: &dyn Fn(Option<usize>) -> bool| {
        (0..examples.count()).filter(|&row| keep(fold_of[row])).collect::<Vec<_>>()
    };
    let fold = |number| Fold {
        train: rows(&|fold| fold != Some(number)),
        held_out: rows(&|fold| fold == Some(number)),
    };
    Some((0..count).map(fold).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(labels: &[u32], seed: u64) -> Option<Vec<Fold>> {
        let values = vec![0.0; labels.len()];
        folds(&Examples::new(&values, 1, labels, 9).unwrap(), seed)
    }

    #[test]
    fn each_example_is_held_out_once_and_each_class_is_always_learnt() {
        let labels = [0, 0, 1, 1, 1, 4, 4, 4, 4, 8];
        let folds = of(&labels, 7).unwrap();
        assert_eq!(folds.len(), 2);
        let mut held_out: Vec<usize> = folds.iter().flat_map(|fold| fold.held_out.clone()).collect();
        held_out.sort_unstable();
        assert_eq!(held_out, [0, 1, 2, 3, 4, 5, 6, 7, 8]); // not the single example of class 8
        for fold in &folds {
            assert_eq!(fold.train.len() + fold.held_out.len(), labels.len());
            for class in [0, 1, 4, 8] {
                assert!(fold.train.iter().any(|&row| labels[row] == class));
            }
        }
    }

    #[test]
    fn the_seed_decides_and_too_little_is_none() {
        let labels: Vec<u32> = (0..60).map(|row| row % 3).collect();
        assert_eq!(of(&labels, 1).unwrap().len(), FOLDS_MAX);
        assert_eq!(of(&labels, 1), of(&labels, 1));
        assert_ne!(of(&labels, 1), of(&labels, 2));
        assert_eq!(of(&[0, 1, 1, 1, 2], 1), None);
    }
}
