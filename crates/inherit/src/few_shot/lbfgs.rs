//! L-BFGS: the lowest point of a smooth convex function, from its values and gradients.

use std::collections::VecDeque;

use crate::score::dot;

/// Steps whose curvature is remembered.
const MEMORY: usize = 10;

/// Share of the descent promised by the slope that a step must bring (Armijo).
const DESCENT: f64 = 1e-4;

/// Halvings of a step before the search gives up: the function's rounding is reached then.
const HALVINGS_MAX: u32 = 40;

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Converged when no component of the gradient is larger than this.
    pub gradient_max: f64,
    /// Steps at most.
    pub iterations_max: u32,
}

impl Default for Limits {
    /// `1e-7` and 1,000: a mean loss is then right to about ten digits.
    fn default() -> Self {
        Limits { gradient_max: 1e-7, iterations_max: 1_000 }
    }
}

/// Where a search ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Minimum {
    pub(super) point: Vec<f64>,
    pub(super) value: f64,
    pub(super) iterations: u32,
    pub(super) converged: bool,
}

/// A step and how the gradient changed over it.
struct Step {
    moved: Vec<f64>,
    turned: Vec<f64>,
    inverse: f64,
}

/// Searches from `point` for the minimum of `function`, which gives its value and writes its gradient.
///
/// Each direction is the gradient times an estimate of the inverse curvature from the last ten steps (the
/// two-loop recursion); its length is 1, halved until the value falls enough. A step along which the
/// curvature is not positive is not remembered. Nothing depends on anything but the arguments.
///
/// Stops   when the gradient is as small as the limits say (converged), at the limit of steps, or where no step
///         brings the value down any more (both not converged).
/// Source  Nocedal and Wright 2006, "Numerical Optimization", algorithms 7.4, 7.5 and 3.1.
pub(super) fn minimise(
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
    mut point: Vec<f64>,
    limits: Limits,
) -> Minimum {
    let mut gradient = vec![0.0; point.len()];
    let mut value = function(&point, &mut gradient);
    let mut memory: VecDeque<Step> = VecDeque::with_capacity(MEMORY);
    let mut iterations = 0;
    let small = |gradient: &[f64]| gradient.iter().all(|slope| slope.abs() <= limits.gradient_max);
    let (mut next, mut next_gradient) = (point.clone(), gradient.clone());
    while iterations < limits.iterations_max && !small(&gradient) {
        let mut direction = descent(&gradient, &memory);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            // Rounding has spoilt the estimate; the gradient itself always goes down.
            memory.clear();
            direction = descent(&gradient, &memory);
            slope = dot(&direction, &gradient);
        }
        let mut length = 1.0;
        let mut halvings = 0;
        let next_value = loop {
            for ((next, point), direction) in next.iter_mut().zip(&point).zip(&direction) {
                *next = point + length * direction;
            }
            let found = function(&next, &mut next_gradient);
            if found <= value + DESCENT * length * slope {
                break Some(found);
            }
            if halvings == HALVINGS_MAX {
                break None;
            }
            halvings += 1;
            length /= 2.0;
        };
        let Some(next_value) = next_value else { break };
        let difference = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
        let (moved, turned): (Vec<f64>, Vec<f64>) =
            (difference(&next, &point), difference(&next_gradient, &gradient));
        let curvature = dot(&moved, &turned);
        if curvature > f64::EPSILON * dot(&turned, &turned) {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back(Step { moved, turned, inverse: 1.0 / curvature });
        }
        std::mem::swap(&mut point, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = next_value;
        iterations += 1;
    }
    let converged = small(&gradient);
    Minimum { point, value, iterations, converged }
}

/// `-H g` by the two-loop recursion, where `H` estimates the inverse curvature; `-g`, at most of length 1, when
/// no step is remembered.
fn descent(gradient: &[f64], memory: &VecDeque<Step>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for step in memory.iter().rev() {
        let share = step.inverse * dot(&step.moved, &direction);
        add(&mut direction, -share, &step.turned);
        shares.push(share);
    }
    let scale = match memory.back() {
        Some(step) => 1.0 / (step.inverse * dot(&step.turned, &step.turned)),
        None => 1.0 / dot(gradient, gradient).sqrt().max(1.0),
    };
    direction.iter_mut().for_each(|value| *value *= scale);
    for (step, share) in memory.iter().zip(shares.into_iter().rev()) {
        let back = step.inverse * dot(&step.turned, &direction);
        add(&mut direction, share - back, &step.moved);
    }
    direction
}

/// `to += factor * from`.
fn add(to: &mut [f64], factor: f64, from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bottom_of_a_narrow_valley() {
        // f = x^2 + 100 y^2 + 10^4 z^2 - 2 x, lowest at (1, 0, 0) with value -1.
        let function = |at: &[f64], gradient: &mut [f64]| {
            let weights = [1.0, 100.0, 10_000.0];
            for ((slope, weight), at) in gradient.iter_mut().zip(weights).zip(at) {
                *slope = 2.0 * weight * at;
            }
            gradient[0] -= 2.0;
            weights.iter().zip(at).map(|(weight, at)| weight * at * at).sum::<f64>() - 2.0 * at[0]
        };
        let found = minimise(function, vec![-3.0, 2.0, 5.0], Limits::default());
        assert!(found.converged && found.iterations < 60, "{found:?}");
        assert!((found.value + 1.0).abs() < 1e-12 && (found.point[0] - 1.0).abs() < 1e-6);
        let cut = minimise(function, vec![-3.0, 2.0, 5.0], Limits { iterations_max: 2, ..Limits::default() });
        assert_eq!((cut.converged, cut.iterations), (false, 2));
    }
}
