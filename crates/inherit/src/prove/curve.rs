//! What is read off curves: area, crossings, and the mean of several.

use super::student::Estimate;
use serde::{Deserialize, Serialize};

/// How many times the mean of several curves is taken at.
const GRID: usize = 101;

/// The mean of several curves at one time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Seconds since the start.
    pub seconds: f64,
    /// The accuracy over the seeds.
    #[serde(flatten)]
    pub accuracy: Estimate,
}

/// How many labels training from scratch needs for some accuracy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reached", rename_all = "snake_case")]
pub enum ScratchLabels {
    /// Within the range tried, by interpolation.
    At {
        /// The number of labels.
        labels: f64,
    },
    /// Already with the fewest labels tried.
    ByFewest {
        /// The fewest labels tried.
        labels: u64,
    },
    /// Not even with the most labels tried.
    Never {
        /// The most labels tried.
        labels: u64,
    },
}

/// The fewest labels at which the curve `[(labels, accuracy)]`, ascending in labels and not empty,
/// reaches `accuracy`; straight lines over `ln(labels)` between its points.
///
/// Where the curve is not monotone, the first crossing counts: in favour of scratch.
pub(super) fn labels_to_reach(accuracy: f64, curve: &[(u64, f64)]) -> ScratchLabels {
    let (first, last) = (curve[0], curve[curve.len() - 1]);
    if first.1 == accuracy {
        return ScratchLabels::At { labels: first.0 as f64 };
    }
    if first.1 > accuracy {
        return ScratchLabels::ByFewest { labels: first.0 };
    }
    let Some(pair) = curve.windows(2).find(|pair| pair[1].1 >= accuracy) else {
        return ScratchLabels::Never { labels: last.0 };
    };
    let [(labels_low, low), (labels_high, high)] = [pair[0], pair[1]];
    let share = (accuracy - low) / (high - low);
    let (from, to) = ((labels_low as f64).ln(), (labels_high as f64).ln());
    let labels = if share == 1.0 { labels_high as f64 } else { (from + share * (to - from)).exp() };
    ScratchLabels::At { labels }
}

/// The area under `[(labels, accuracy)]` over `ln(labels)`, divided by the range of `ln(labels)`: the
/// mean accuracy over it, in `[0, 1]`. By trapezoids; at least two points, ascending in labels.
pub(super) fn area(curve: &[(u64, f64)]) -> f64 {
    let at = |point: (u64, f64)| (point.0 as f64).ln();
    let sum: f64 =
        curve.windows(2).map(|pair| (at(pair[1]) - at(pair[0])) * (pair[0].1 + pair[1].1) / 2.0).sum();
    sum / (at(curve[curve.len() - 1]) - at(curve[0]))
}

/// The seconds of the first recorded point with at least `accuracy`; nothing is interpolated, for a
/// model between two points was not measured.
pub(super) fn seconds_to_reach(accuracy: f64, points: &[(f64, f64)]) -> Option<f64> {
    points.iter().find(|point| point.1 >= accuracy).map(|point| point.0)
}

/// The mean of several curves, none of them empty, at evenly spaced times: from the latest of their
/// first points to the latest of all. Straight lines between points; a curve that has ended keeps its
/// last accuracy, as a finished model does.
pub(super) fn mean_curve(curves: &[Vec<(f64, f64)>]) -> Vec<CurvePoint> {
    let start = curves.iter().map(|curve| curve[0].0).fold(0.0, f64::max);
    let end = curves.iter().map(|curve| curve[curve.len() - 1].0).fold(start, f64::max);
    let count = if end > start { GRID } else { 1 };
    (0..count)
        .map(|step| {
            let seconds = start + (end - start) * step as f64 / (GRID - 1) as f64;
            let values: Vec<f64> = curves.iter().map(|curve| accuracy_at(seconds, curve)).collect();
            CurvePoint { seconds, accuracy: Estimate::of(&values).clipped() }
        })
        .collect()
}

/// The accuracy of one curve at `seconds`, not before its first point.
fn accuracy_at(seconds: f64, curve: &[(f64, f64)]) -> f64 {
    let after = curve.partition_point(|point| point.0 <= seconds);
    let Some(&(next_seconds, next)) = curve.get(after) else {
        return curve[curve.len() - 1].1;
    };
    let Some(&(last_seconds, last)) = after.checked_sub(1).map(|before| &curve[before]) else {
        return next;
    };
    last + (next - last) * (seconds - last_seconds) / (next_seconds - last_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_interpolated_over_their_logarithm() {
        let curve = [(10, 0.5), (1000, 0.9), (2000, 0.85), (4000, 0.95)];
        // Half way from 0.5 to 0.9 is half way from 10 to 1000 on the logarithm: 100.
        let ScratchLabels::At { labels } = labels_to_reach(0.7, &curve) else { panic!("within the range") };
        assert!((labels - 100.0).abs() < 1e-9, "{labels}");
        assert_eq!(labels_to_reach(0.5, &curve), ScratchLabels::At { labels: 10.0 });
        assert_eq!(labels_to_reach(0.9, &curve), ScratchLabels::At { labels: 1000.0 });
        assert_eq!(labels_to_reach(0.4, &curve), ScratchLabels::ByFewest { labels: 10 });
        assert_eq!(labels_to_reach(0.96, &curve), ScratchLabels::Never { labels: 4000 });
        assert_eq!(labels_to_reach(0.6, &curve[..1]), ScratchLabels::Never { labels: 10 });
    }

    #[test]
    fn area_by_hand() {
        // Equal steps on the logarithm: (0.4 + 0.6)/2 and (0.6 + 1)/2, mean 0.65.
        assert!((area(&[(10, 0.4), (100, 0.6), (1000, 1.0)]) - 0.65).abs() < 1e-12);
        // Python: (ln 2 * 0.5 + ln 5 * 0.7) / ln 10.
        assert!((area(&[(10, 0.4), (20, 0.6), (100, 0.8)]) - 0.639794000867204).abs() < 1e-12);
    }

    #[test]
    fn times_are_those_of_points() {
        let points = [(1.0, 0.5), (2.0, 0.8), (3.0, 0.7)];
        assert_eq!(seconds_to_reach(0.6, &points), Some(2.0));
        assert_eq!(seconds_to_reach(0.81, &points), None);
    }

    #[test]
    fn mean_of_curves_of_unequal_length() {
        let curves = [vec![(0.0, 0.0), (10.0, 1.0)], vec![(2.0, 0.5), (5.0, 0.5)]];
        let found = mean_curve(&curves);
        let end = found[100];
        assert_eq!((found.len(), found[0].seconds, end.seconds, end.accuracy.mean), (GRID, 2.0, 10.0, 0.75));
        assert!((found[0].accuracy.mean - 0.35).abs() < 1e-12);
        assert_eq!(mean_curve(&[vec![(3.0, 0.5)]]).len(), 1);
        let steep = mean_curve(&[vec![(1.0, 0.2), (1.0, 0.4), (2.0, 0.4)]]);
        assert_eq!(steep[0].accuracy.mean, 0.4);
    }
}
