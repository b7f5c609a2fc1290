//! Several views of the same examples side by side: what a parent adds to the inputs.

use super::reduce::{WIDTH_MAX, project, subsample};
use super::{Examples, ScoreError, Spectrum, log_me};

/// [`log_me`] of several views of the same examples side by side: the preprocessed inputs, and for a parent what its
/// last two layers read and its answers beside them. Each view is centred and scaled as a whole to one total variance, so that
/// none counts more for the unit or the number of its features:
///
/// ```text
/// X = [X_1 / |X_1| , X_2 / |X_2| , ...],   |X_v|^2 = sum of all squares of the centred view
/// evidence = logme(X)
/// ```
///
/// Why the inputs and an earlier layer stand beside: a child is not bound to what its parent's last layer reads. Whatever the
/// parent dropped can be learnt back, so a parent that dropped much is no worse a start than from scratch, for which the inputs stand alone.
/// Why the answers: what a parent says is where the child starts, rows of classes of the same name included. The evidence
/// of a Bayesian model does not rise by features that explain nothing, so a view more is no merit by itself.
///
/// Units    nats an example; higher is better.
/// Time     as [`super::score()`] without its folds.
/// Source   You et al. 2021 for LogME; the views are ours, `docs/inherit-rank.md` says what they change.
///
/// All views hold the same examples in the same order; panics otherwise, or without views. Errors as [`Spectrum::of`].
pub fn evidence(views: &[&Examples<'_>], seed: u64) -> Result<f64, ScoreError> {
    assert!(!views.is_empty(), "there is a view");
    let first = views[0];
    assert!(views.iter().all(|view| view.labels() == first.labels()), "views of the same examples");
    let kept = subsample(first, seed);
    let views: Vec<Examples<'_>> = views
        .iter()
        .map(|view| match &kept {
            Some(rows) => view.select(rows),
            None => (*view).clone(),
        })
        .collect();
    let views: Vec<Examples<'_>> =
        views.iter().map(|view| project(view, seed).unwrap_or_else(|| view.clone())).collect();
    let width = views.iter().map(Examples::width).sum();
    let count = views[0].count();
    let mut values = vec![0f32; count * width]; // [n, d_1 + d_2 + ...]
    let mut from = 0;
    for view in &views {
        let mean = view.mean();
        let centred = |row: &[f32]| -> Vec<f64> {
            row.iter().zip(&mean).map(|(&value, mean)| value as f64 - mean).collect()
        };
        let total: f64 =
            view.rows().map(|row| centred(row).iter().map(|value| value * value).sum::<f64>()).sum();
        let scale = if total > 0.0 { total.sqrt().recip() } else { 0.0 };
        for (row, to) in view.rows().zip(values.chunks_exact_mut(width)) {
            for (value, to) in centred(row).into_iter().zip(&mut to[from..]) {
                *to = (value * scale) as f32;
            }
        }
        from += view.width();
    }
    let joint = views[0].with_features(values, width);
    // The smaller side of the matrix decides about the time.
    let reduced = if count > WIDTH_MAX { project(&joint, seed) } else { None };
    Ok(log_me(&Spectrum::of(reduced.as_ref().unwrap_or(&joint))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features of 60 examples of three classes: `told` decides how far apart their means are, `size` is their unit.
    fn view(width: usize, told: f32, size: f32, seed: u64) -> Vec<f32> {
        let noise = tensor::Random::new(seed, "test");
        let value = |row: usize, at: usize| {
            told * ((row % 3 == at % 3) as u8 as f32) + noise.normal(row as u64, at as u64)
        };
        (0..60 * width).map(|index| size * value(index / width, index % width)).collect()
    }

    fn of(views: &[(usize, Vec<f32>)]) -> f64 {
        let labels: Vec<u32> = (0..60).map(|row| row % 3).collect();
        let views: Vec<Examples<'_>> =
            views.iter().map(|(width, values)| Examples::new(values, *width, &labels, 3).unwrap()).collect();
        evidence(&views.iter().collect::<Vec<_>>(), 1).unwrap()
    }

    #[test]
    fn a_view_that_tells_adds_and_one_that_does_not_adds_nothing() {
        let inputs = (8, view(8, 0.5, 1.0, 1));
        let alone = of(std::slice::from_ref(&inputs));
        assert!(of(&[inputs.clone(), (4, view(4, 3.0, 1.0, 2))]) > alone + 0.1);
        assert!(of(&[inputs.clone(), (4, view(4, 0.0, 1.0, 3))]) < alone);
    }

    #[test]
    fn units_and_constant_views_do_not_matter() {
        let (inputs, features) = ((8, view(8, 0.5, 1.0, 1)), (4, view(4, 2.0, 1.0, 2)));
        let both = of(&[inputs.clone(), features]);
        let larger = of(&[(8, view(8, 0.5, 1000.0, 1)), (4, view(4, 2.0, 0.01, 2))]);
        assert!((both - larger).abs() < 1e-5, "{both} {larger}");
        let alone = of(std::slice::from_ref(&inputs));
        assert!((of(&[inputs, (2, vec![7.0; 120])]) - alone).abs() < 1e-5);
    }

    #[test]
    fn one_view_is_logme() {
        let labels: Vec<u32> = (0..60).map(|row| row % 3).collect();
        let values = view(5, 1.0, 1.0, 4);
        let examples = Examples::new(&values, 5, &labels, 3).unwrap();
        let plain = log_me(&Spectrum::of(&examples).unwrap());
        assert!((of(&[(5, values.clone())]) - plain).abs() < 1e-5);
    }
}
