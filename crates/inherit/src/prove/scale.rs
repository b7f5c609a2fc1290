//! Where numbers lie on an axis, and which of them are written beside it.

/// An axis from `low` to `high`, drawn from pixel `start` to pixel `end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) start: f64,
    pub(super) end: f64,
}

impl Scale {
    /// The axis over `values`, with a margin of `margin` of their range at both ends; never empty.
    pub(super) fn over(values: impl Iterator<Item = f64>, margin: f64, start: f64, end: f64) -> Self {
        let (low, high) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let room = if high > low { (high - low) * margin } else { 0.05 * high.abs().max(1.0) };
        Scale { low: low - room, high: high + room, start, end }
    }

    /// The pixel of `value`.
    pub(super) fn pixel(&self, value: f64) -> f64 {
        self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
    }

    /// Two to six round numbers on the axis: multiples of 1, 2 or 5 times a power of ten.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough).unwrap_or(10.0) * power;
        let first = (self.low / step).ceil();
        (0..12)
            .map(|index| (first + index as f64) * step)
            .take_while(|&tick| tick <= self.high + step * 1e-9)
            .collect()
    }
}

/// A number beside an axis whose ticks are `step` apart: as many decimals as the step needs.
pub(super) fn tick_text(value: f64, step: f64) -> String {
    let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{:.*}", decimals, value + 0.0)
}

/// A count with its thousands apart: `60 000`, with a space that does not break.
pub(super) fn count_text(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_on_the_axis() {
        let axis = |low, high| Scale { low, high, start: 0.0, end: 100.0 };
        let texts = |low, high| {
            let ticks = axis(low, high).ticks();
            ticks.iter().map(|&tick| tick_text(tick, ticks[1] - ticks[0])).collect::<Vec<_>>()
        };
        assert_eq!(texts(0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(0.913, 0.958), ["0.92", "0.93", "0.94", "0.95"]);
        assert_eq!(texts(-3.0, 130.0), ["0", "50", "100"]);
        assert_eq!(count_text(1234567), "1\u{a0}234\u{a0}567");
        assert_eq!(count_text(999), "999");
    }

    #[test]
    fn a_single_value_has_room_around_it() {
        let axis = Scale::over([0.5].into_iter(), 0.1, 0.0, 100.0);
        assert!(axis.low < 0.5 && axis.high > 0.5);
        assert!((axis.pixel(0.5) - 50.0).abs() < 1e-9);
        assert!(Scale::over([].into_iter(), 0.1, 0.0, 1.0).pixel(0.5).is_finite());
    }
}
