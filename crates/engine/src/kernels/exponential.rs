//! The exponential function of a vector.

use super::simd::Simd;

/// `e^x`, within two units in the last place; 0 where that is smaller than the smallest normal number, infinite where it is
/// too large, NaN where `x` is.
///
/// With `n = round(x / ln 2)` and `r = x - n ln 2`, `e^x = 2^n e^r`; `e^r` is the Taylor polynomial of degree 7, whose
/// error for `|r| <= ln 2 / 2` is below `(ln 2 / 2)^8 / 8! = 5e-9`.
///
/// # Safety
///
/// The caller is compiled for the instruction set.
#[inline(always)]
pub(super) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    // Adding and subtracting it rounds to whole numbers.
    const ROUNDING: f32 = 12_582_912.0; // 1.5 * 2^23
    // The first part of ln 2 has few digits, so that its product with a whole number is exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    /// Below, the result is no normal number; above, it is none at all.
    const RANGE: [f32; 2] = [-87.336_54, 88.722_84];
    // SAFETY: the caller's.
    unsafe {
        let rounding = S::splat(ROUNDING);
        let n = S::sub(S::mul_add(x, S::splat(std::f32::consts::LOG2_E), rounding), rounding);
        let r = S::mul_sub_from(n, S::splat(LN_2[0]), x);
        let r = S::mul_sub_from(n, S::splat(LN_2[1]), r);
        let mut sum = S::splat(1.0 / 5040.0);
        for factor in [720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0] {
            sum = S::mul_add(sum, r, S::splat(1.0 / factor));
        }
        // The greatest results are 2^128 times something below 1, and there is no 2^128.
        let top = S::greater(n, S::splat(127.0));
        let sum = S::select(top, S::add(sum, sum), sum);
        let value = S::mul(sum, S::power_of_two(S::select(top, S::splat(127.0), n)));
        let value = S::select(S::greater(x, S::splat(RANGE[1])), S::splat(f32::INFINITY), value);
        S::select(S::greater(S::splat(RANGE[0]), x), S::splat(0.0), value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Level;
    use crate::kernels::simd::dispatch;

    #[inline(always)]
    unsafe fn fill<S: Simd>(x: *const f32, y: *mut f32) {
        for at in (0..16).step_by(S::WIDTH) {
            // SAFETY: the test gives sixteen numbers.
            unsafe { S::store(y.add(at), exp::<S>(S::load(x.add(at)))) }
        }
    }

    #[test]
    fn it_agrees_with_the_exact_function_at_every_level() {
        for level in Level::available() {
            for step in -1404..1420 {
                let x: [f32; 16] = std::array::from_fn(|lane| (step * 16 + lane as i32) as f32 / 256.0);
                let mut y = [0f32; 16];
                let (from, to) = (x.as_ptr(), y.as_mut_ptr());
                // SAFETY: both hold sixteen numbers; the level is one that the processor has.
                unsafe { dispatch!(level => fill::<S>(from: *const f32, to: *mut f32)) };
                for (x, y) in x.into_iter().zip(y) {
                    let exact = f64::from(x).exp();
                    if exact < f64::from(f32::MIN_POSITIVE) || exact > f64::from(f32::MAX) {
                        assert_eq!(y, if x < 0.0 { 0.0 } else { f32::INFINITY }, "{level}: e^{x}");
                    } else {
                        let error = (f64::from(y) / exact - 1.0).abs();
                        assert!(error < 2.5e-7, "{level}: e^{x} is off by {error:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for level in Level::available() {
            let x: [f32; 16] =
                std::array::from_fn(|lane| [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0][lane % 4]);
            let mut y = [0f32; 16];
            let (from, to) = (x.as_ptr(), y.as_mut_ptr());
            // SAFETY: both hold sixteen numbers; the level is one that the processor has.
            unsafe { dispatch!(level => fill::<S>(from: *const f32, to: *mut f32)) };
            assert!(y[0].is_nan());
            assert_eq!(y[1..4], [f32::INFINITY, 0.0, 1.0], "{level}");
        }
    }
}
