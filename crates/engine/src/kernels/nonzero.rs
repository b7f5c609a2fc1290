//! Which rows of numbers are not zero in all lanes. What is multiplied by zeros only adds nothing to a sum of finite numbers, so
//! dense layers leave it out: of the units behind a ReLU many are off for all examples of a batch.

use super::simd::Simd;

/// Where the factors of a product are: their distance in the one matrix and in the other.
pub(super) type Place = [u32; 2];

/// Lists the places of those of the first `to.len()` rows that are not zero: the factors of row `r` are at `r * step[0]` of the other
/// matrix and will be read at `r * step[1]` of this one. Returns how many there are.
///
/// # Safety
///
/// The rows of `lanes` numbers can be read; they are whole vectors.
#[inline(always)]
pub(super) unsafe fn list_nonzero<S: Simd>(
    rows: *const f32,
    lanes: usize,
    step: [usize; 2],
    to: &mut [Place],
) -> usize {
    let mut count = 0;
    for row in 0..to.len() {
        to[count] = step.map(|step| (row * step) as u32);
        // SAFETY: the caller's.
        count += usize::from(unsafe { !is_zero::<S>(rows.add(row * lanes), lanes) });
    }
    count
}

/// Whether a row is zero in all lanes.
///
/// # Safety
///
/// As [`list_nonzero`].
#[inline(always)]
pub(super) unsafe fn is_zero<S: Simd>(row: *const f32, lanes: usize) -> bool {
    (0..lanes).step_by(S::WIDTH).all(|lane| {
        // SAFETY: the caller's.
        let zeros = unsafe { S::bits(S::equal(S::load(row.add(lane)), S::splat(0.0))) };
        zeros.count_ones() as usize == S::WIDTH
    })
}
