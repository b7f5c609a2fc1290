//! LEEP: how well a parent's own answers, taken as they are, tell the new classes.

/// Rows of a parent's answer that add up to this much more or less than 1 are no probabilities.
const SUM_TOLERANCE: f64 = 1e-3;

/// What a parent says about `n` examples: a probability for each of its own classes. Checked when made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probabilities<'a> {
    values: &'a [f32],
    classes: usize,
}

/// Why numbers are no probabilities.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProbabilityError {
    /// The parent has no classes.
    #[error("the parent's answer has no classes")]
    NoClasses,
    /// The numbers make up no whole rows.
    #[error("{values} numbers are no whole rows of {classes} probabilities")]
    Length {
        /// How many numbers came.
        values: usize,
        /// Numbers a row.
        classes: usize,
    },
    /// A number that is no probability.
    #[error("the parent's answer {value} for class {class} of example {row} is not in [0, 1]")]
    Range {
        /// The example, from 0.
        row: usize,
        /// The parent's class, from 0.
        class: usize,
        /// The number.
        value: f32,
    },
    /// A row that does not add up to 1.
    #[error("the parent's answer for example {row} adds up to {sum}, not to 1: probabilities are expected")]
    Sum {
        /// The example, from 0.
        row: usize,
        /// The sum of its numbers.
        sum: f64,
    },
}

impl<'a> Probabilities<'a> {
    /// The answers `values: [n, classes]` in row-major order, for each example over the parent's classes.
    ///
    /// Errors: no classes, a part of a row, a number outside `[0, 1]` (NaN is), a row whose sum is not
    /// within 1e-3 of 1.
    pub fn new(values: &'a [f32], classes: usize) -> Result<Self, ProbabilityError> {
        if classes == 0 {
            return Err(ProbabilityError::NoClasses);
        }
        if !values.len().is_multiple_of(classes) {
            return Err(ProbabilityError::Length { values: values.len(), classes });
        }
        for (row, answer) in values.chunks_exact(classes).enumerate() {
            let outside = |value: &f32| !(0.0..=1.0 + SUM_TOLERANCE as f32).contains(value);
            if let Some(class) = answer.iter().position(outside) {
                return Err(ProbabilityError::Range { row, class, value: answer[class] });
            }
            let sum: f64 = answer.iter().map(|&value| value as f64).sum();
            if (sum - 1.0).abs() > SUM_TOLERANCE {
                return Err(ProbabilityError::Sum { row, sum });
            }
        }
        Ok(Probabilities { values, classes })
    }

    /// How many examples were asked about, `n`.
    pub fn count(&self) -> usize {
        self.values.len() / self.classes
    }

    /// The answer for example `row`, made to add up to 1 exactly: `[classes of the parent]`.
    fn answer(&self, row: usize) -> impl Iterator<Item = f64> {
        let answer = &self.values[row * self.classes..][..self.classes];
        let sum: f64 = answer.iter().map(|&value| value as f64).sum();
        answer.iter().map(move |&value| value as f64 / sum)
    }
}

/// LEEP: the mean logarithm of the probability that a classifier gives to the labels which passes from the
/// parent's classes `z` to the new ones `y` by how often they came together, with `p_i(z)` the parent's
/// answer for example `i`:
///
/// ```text
/// P(y, z) = 1/n sum over i with y_i = y of p_i(z)
/// leep    = 1/n sum_i log sum_z P(y_i, z) / P(z) p_i(z)
/// ```
///
/// Shapes   `members`: for each new class, the numbers of its examples; together `0..n` once each.
/// Units    nats an example; at most 0, and 0 where each of the parent's classes holds one new class only;
///          minus the entropy of the new classes where the parent's answers are all the same.
/// Panics   `members` that go beyond the answers.
/// Source   Nguyen et al. 2020, "LEEP: A New Measure to Evaluate Transferability of Learned
///          Representations".
pub(super) fn leep(outputs: &Probabilities<'_>, members: &[Vec<usize>]) -> f64 {
    let mut totals = vec![0.0; outputs.classes]; // n P(z)
    for row in 0..outputs.count() {
        for (total, value) in totals.iter_mut().zip(outputs.answer(row)) {
            *total += value;
        }
    }
    let mut sum = 0.0;
    // A class at a time, so that the table of both kinds of classes is never held as a whole.
    let mut shares = vec![0.0; outputs.classes]; // n P(y, z), then P(y | z)
    for rows in members {
        shares.fill(0.0);
        for &row in rows {
            for (share, value) in shares.iter_mut().zip(outputs.answer(row)) {
                *share += value;
            }
        }
        for (share, total) in shares.iter_mut().zip(&totals) {
            *share = if *total > 0.0 { *share / total } else { 0.0 };
        }
        for &row in rows {
            // Above 0: the largest p_i(z) is, and with it the share of that z.
            let told: f64 = shares.iter().zip(outputs.answer(row)).map(|(share, p)| share * p).sum();
            sum += told.ln();
        }
    }
    (sum / outputs.count() as f64).min(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f32], classes: usize, members: &[&[usize]], expected: f64) {
        let outputs = Probabilities::new(values, classes).unwrap();
        let members: Vec<Vec<usize>> = members.iter().map(|rows| rows.to_vec()).collect();
        let found = leep(&outputs, &members);
        assert!((found - expected).abs() < 1e-7, "{found} is not {expected}");
    }

    #[test]
    fn by_hand() {
        // Two of each class; P(z) = (0.5, 0.5). n P(y=0, z) = (1.5, 0.5), n P(y=1, z) = (0.5, 1.5), so
        // P(y|z) is 3/4 where the two agree. The four terms are log of 3/4 * 3/4 + 1/4 * 1/4 = 5/8.
        let values = [0.75, 0.25, 0.75, 0.25, 0.25, 0.75, 0.25, 0.75];
        check(&values, 2, &[&[0, 1], &[2, 3]], 0.625_f64.ln());
    }

    #[test]
    fn a_map_of_classes_onto_classes_is_perfect() {
        // Three classes of the parent, two of them the same new one; the last of the parent never comes.
        let values = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        check(&values, 4, &[&[0, 2], &[1]], 0.0);
    }

    #[test]
    fn answers_that_say_nothing_leave_the_entropy() {
        let entropy = -(0.25_f64 * 0.25_f64.ln() + 0.75 * 0.75_f64.ln());
        check(&[0.5; 8], 2, &[&[3], &[0, 1, 2]], -entropy);
    }

    #[test]
    fn what_is_no_probability_is_refused_by_name() {
        let refused = |values: &[f32], classes| Probabilities::new(values, classes).unwrap_err();
        assert_eq!(refused(&[], 0), ProbabilityError::NoClasses);
        assert_eq!(refused(&[1.0; 3], 2), ProbabilityError::Length { values: 3, classes: 2 });
        assert_eq!(refused(&[0.5, 0.25], 2), ProbabilityError::Sum { row: 0, sum: 0.75 });
        assert_eq!(
            refused(&[1.0, 0.0, 2.0, -1.0], 2),
            ProbabilityError::Range { row: 1, class: 0, value: 2.0 }
        );
        assert!(matches!(refused(&[0.5, f32::NAN], 2), ProbabilityError::Range { row: 0, class: 1, .. }));
    }
}
