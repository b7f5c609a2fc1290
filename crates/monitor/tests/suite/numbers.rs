//! Numbers that are random enough, from a counter.

/// A number in [0, 1) for each place of a stream. SplitMix64.
pub(crate) fn uniform(stream: u64, place: u64) -> f64 {
    let mut bits = (stream << 40 ^ place).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ bits >> 31) as f64 / 2f64.powi(64)
}

/// A normal number, after Box and Muller.
pub(crate) fn normal(stream: u64, place: u64) -> f64 {
    let (radius, angle) = (uniform(stream, place * 2), uniform(stream, place * 2 + 1));
    (-2.0 * (1.0 - radius).ln()).sqrt() * (angle * std::f64::consts::TAU).cos()
}
