//! Two regressors over the same cases, by absolute error.

use super::mistakes::Mistakes;
use super::{digest_text, mcnemar_p};
use base::{Diagnostics, Digest};
use serde::{Deserialize, Serialize};

/// One test case and what both models say to it, in the unit of the target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegressionCase {
    /// Names the example by its content.
    pub digest: Digest,
    /// The right value.
    pub expected: f64,
    /// The earlier model's value.
    pub before: f64,
    /// The new model's value.
    pub after: f64,
}

/// What a new regressor does differently from an earlier one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionComparison {
    /// How many cases are compared; at least 1.
    pub cases: u64,
    /// Absolute errors that differ by at most this count as equal; unit of the target.
    pub tolerance: f64,
    /// Mean absolute error before, unit of the target.
    pub mae_before: f64,
    /// Mean absolute error after, unit of the target.
    pub mae_after: f64,
    /// Farther off than before by more than the tolerance, in the order of the cases.
    pub newly_worse: Vec<ChangedValue>,
    /// Nearer than before by more than the tolerance, in the order of the cases.
    pub newly_better: Vec<ChangedValue>,
    /// Sign test: the exact two-sided p-value that worse and better are equally likely.
    pub sign_p: f64,
}

/// A case whose absolute error changed by more than the tolerance; values in the target's unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChangedValue {
    /// Names the example.
    #[serde(with = "digest_text")]
    pub digest: Digest,
    /// The right value.
    pub expected: f64,
    /// What was answered before.
    pub before: f64,
    /// What is answered after.
    pub after: f64,
}

/// Compares two regressors over the same cases.
///
/// Formula worse: `|after - expected| > |before - expected| + tolerance`; better the other way round.
/// Errors  `no-cases`; `not-finite`: a value is NaN, infinite, or so large that errors are;
///         `tolerance-range`: the tolerance is not a finite number from 0.
pub fn compare_regression(
    cases: &[RegressionCase],
    tolerance: f64,
) -> Result<RegressionComparison, Diagnostics> {
    check(cases, tolerance)?;
    let change = |case: &RegressionCase| error(case.after, case) - error(case.before, case);
    let value = |case: &RegressionCase| {
        let RegressionCase { digest, expected, before, after } = *case;
        ChangedValue { digest, expected, before, after }
    };
    let newly_worse: Vec<_> = cases.iter().filter(|case| change(case) > tolerance).map(value).collect();
    let newly_better: Vec<_> = cases.iter().filter(|case| change(case) < -tolerance).map(value).collect();
    // Divided before they are added, so that no sum of finite errors overflows.
    let mean = |answer: fn(&RegressionCase) -> f64| {
        cases.iter().map(|case| error(answer(case), case) / cases.len() as f64).sum()
    };
    Ok(RegressionComparison {
        cases: cases.len() as u64,
        tolerance,
        mae_before: mean(|case| case.before),
        mae_after: mean(|case| case.after),
        sign_p: mcnemar_p(newly_worse.len() as u64, newly_better.len() as u64),
        newly_worse,
        newly_better,
    })
}

fn error(answer: f64, case: &RegressionCase) -> f64 {
    (answer - case.expected).abs()
}

fn check(cases: &[RegressionCase], tolerance: f64) -> Result<(), Diagnostics> {
    let mut mistakes = Mistakes::default();
    if cases.is_empty() {
        mistakes.add("no-cases", || "a comparison needs at least one case, there is none".to_owned());
    }
    if !(tolerance.is_finite() && tolerance >= 0.0) {
        mistakes.add("tolerance-range", || format!("the tolerance is {tolerance}, expected a number from 0"));
    }
    for case in cases {
        if !(error(case.before, case).is_finite() && error(case.after, case).is_finite()) {
            let RegressionCase { expected, before, after, .. } = case;
            mistakes.add("not-finite", || {
                let case = case.digest.short();
                format!(
                    "case {case}: expected {expected}, before {before}, after {after}; all must be finite"
                )
            });
        }
    }
    mistakes.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(expected: f64, before: f64, after: f64) -> RegressionCase {
        RegressionCase { digest: Digest([0; 32]), expected, before, after }
    }

    #[test]
    fn by_hand() {
        // Errors before 1, 2, 0, 3 and after 2, 0, 0.5, 3: worse by 1, better by 2, within 0.5, same.
        let cases = [case(0.0, 1.0, -2.0), case(5.0, 3.0, 5.0), case(1.0, 1.0, 1.5), case(0.0, 3.0, -3.0)];
        let found = compare_regression(&cases, 0.5).unwrap();
        assert_eq!((found.mae_before, found.mae_after, found.sign_p), (1.5, 1.375, 1.0));
        assert_eq!((found.newly_worse.len(), found.newly_better.len()), (1, 1));
        assert_eq!(found.newly_better[0].before, 3.0);
        let json = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<RegressionComparison>(&json).unwrap(), found);
    }

    #[test]
    fn mistakes() {
        let code =
            |cases: &[RegressionCase], tolerance| compare_regression(cases, tolerance).unwrap_err().0[0].code;
        assert_eq!(code(&[], 0.0), "no-cases");
        assert_eq!(code(&[case(f64::NAN, 0.0, 0.0)], 0.0), "not-finite");
        assert_eq!(code(&[case(f64::MAX, f64::MIN, 0.0)], 0.0), "not-finite");
        assert_eq!(code(&[case(0.0, 0.0, 0.0)], f64::NAN), "tolerance-range");
    }
}
