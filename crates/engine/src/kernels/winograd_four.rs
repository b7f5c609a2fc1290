//! Winograd's F(4×4, 3×3): four by four outputs of a 3×3 convolution from six by six inputs with 36 products instead of 144.
//!
//! The transforms are those of Lavin and Gray 2015 (arXiv:1509.09308), of the points 0, 1, -1, 2, -2. Their numbers go up to 8 and
//! down to 1/24, so a result is less exact than by [`super::winograd`]: it is computed on request only.

use super::simd::Simd;
use super::winograd::{Transforms, square};

/// `Bᵀ d` for one column of six.
#[inline(always)]
unsafe fn input_line<S: Simd>(d: [S::V; 6]) -> [S::V; 6] {
    // SAFETY: the caller is compiled for the instruction set.
    unsafe {
        let [two, four, five] = [2.0, 4.0, 5.0].map(|number| S::splat(number));
        let (even, odd) = (S::mul_sub_from(four, d[2], d[4]), S::mul_sub_from(four, d[1], d[3]));
        let (far, near) = (S::sub(d[4], d[2]), S::mul(two, S::sub(d[3], d[1])));
        [
            S::mul_add(four, d[0], S::mul_sub_from(five, d[2], d[4])),
            S::add(even, odd),
            S::sub(even, odd),
            S::add(far, near),
            S::sub(far, near),
            S::mul_add(four, d[1], S::mul_sub_from(five, d[3], d[5])),
        ]
    }
}

/// `G g` for one column of three.
#[inline(always)]
unsafe fn weight_line<S: Simd>(g: [S::V; 3]) -> [S::V; 6] {
    // SAFETY: the caller is compiled for the instruction set.
    unsafe {
        let [sixth, twelfth, part] = [1.0 / 6.0, 1.0 / 12.0, 1.0 / 24.0].map(|number| S::splat(number));
        let zero = S::splat(0.0);
        let (ends, middle) = (S::mul(sixth, S::add(g[0], g[2])), S::mul(sixth, g[1]));
        let (outer, inner) = (S::mul_add(part, g[0], S::mul(sixth, g[2])), S::mul(twelfth, g[1]));
        [
            S::mul(S::splat(0.25), g[0]),
            S::sub(zero, S::add(ends, middle)),
            S::sub(middle, ends),
            S::add(outer, inner),
            S::sub(outer, inner),
            g[2],
        ]
    }
}

/// `Aᵀ m` for one column of six.
#[inline(always)]
unsafe fn output_line<S: Simd>(m: [S::V; 6]) -> [S::V; 4] {
    // SAFETY: the caller is compiled for the instruction set.
    unsafe {
        let (sum, difference) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (far_sum, far_difference) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(S::add(m[0], sum), far_sum),
            S::mul_add(S::splat(2.0), far_difference, difference),
            S::mul_add(S::splat(4.0), far_sum, sum),
            S::add(S::mul_add(S::splat(8.0), far_difference, difference), m[5]),
        ]
    }
}

square!(
    /// `Bᵀ d B`.
    input, input_line, 6, 6
);
square!(
    /// `G g Gᵀ`.
    weight, weight_line, 3, 6
);
square!(
    /// `Aᵀ m A`.
    output, output_line, 6, 4
);

/// F(4×4, 3×3).
#[derive(Clone, Copy)]
pub(super) struct Four;

impl Transforms<6, 4> for Four {
    // Mirroring turns the points 2 and -2 into halves.
    const MIRRORS: bool = false;

    #[inline(always)]
    unsafe fn input<S: Simd>(d: [[S::V; 6]; 6]) -> [[S::V; 6]; 6] {
        // SAFETY: the caller's.
        unsafe { input::<S>(d) }
    }

    #[inline(always)]
    unsafe fn weight<S: Simd>(g: [[S::V; 3]; 3]) -> [[S::V; 6]; 6] {
        // SAFETY: the caller's.
        unsafe { weight::<S>(g) }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: [[S::V; 6]; 6]) -> [[S::V; 4]; 4] {
        // SAFETY: the caller's.
        unsafe { output::<S>(m) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::Portable;

    /// One number as a vector.
    fn splat(value: f32) -> <Portable as Simd>::V {
        // SAFETY: the portable instructions run everywhere.
        unsafe { Portable::splat(value) }
    }

    #[test]
    fn products_of_transforms_are_a_convolution() {
        let d: [[f32; 6]; 6] = std::array::from_fn(|y| std::array::from_fn(|x| (y * y + 3 * x + 1) as f32));
        let g: [f32; 9] = std::array::from_fn(|tap| (tap as f32 - 3.0) * 0.5);
        // SAFETY: the portable instructions run everywhere.
        let y = unsafe {
            let u = weight::<Portable>(std::array::from_fn(|y| std::array::from_fn(|x| splat(g[3 * y + x]))));
            let v = input::<Portable>(d.map(|row| row.map(splat)));
            output::<Portable>(std::array::from_fn(|y| {
                std::array::from_fn(|x| Portable::mul(v[y][x], u[y][x]))
            }))
        };
        for (top, row) in y.iter().enumerate() {
            for (left, value) in row.iter().enumerate() {
                let taps = (0..9).map(|tap| g[tap] * d[top + tap / 3][left + tap % 3]);
                let (expected, mut found) = (taps.sum::<f32>(), [0.0f32; 8]);
                // SAFETY: eight elements are written.
                unsafe { Portable::store(found.as_mut_ptr(), *value) };
                assert!(
                    (found[0] - expected).abs() < 2e-5 * 400.0,
                    "{top}, {left}: {} for {expected}",
                    found[0]
                );
            }
        }
    }
}
