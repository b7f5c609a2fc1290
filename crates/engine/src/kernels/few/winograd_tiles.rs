//! Constant weights transformed and packed for Winograd's F(2×2, 3×3); see [`crate::kernels::winograd`].

use tensor::{DType, Tensor};

use super::pack::{BLOCK, Blocks};
use crate::kernels::geometry::Geometry;
use crate::kernels::winograd::PRODUCTS;

/// `G g Gᵀ` of a window of nine weights, in the order of operations of [`crate::kernels::winograd::weight`]: bytes depend on it.
fn of_weights(g: &[f32]) -> [[f32; 4]; 4] {
    let line = |[g0, g1, g2]: [f32; 3]| {
        let s = g0 + g2;
        [g0, 0.5 * (s + g1), 0.5 * (s - g1), g2]
    };
    let columns = [0, 1, 2].map(|x| line([g[x], g[3 + x], g[6 + x]]));
    [0, 1, 2, 3].map(|y| line([columns[0][y], columns[1][y], columns[2][y]]))
}

/// `[output block][frequency][input channel][output channel of the block]` of weights `[output][input][3][3]`; zeros for output
/// channels that are padding.
pub(super) fn pack(weights: &Tensor, geometry: &Geometry) -> Vec<f32> {
    let weights = weights.cast(DType::F32);
    let weights = weights.values::<f32>();
    let (blocks, inputs) = (Blocks::of(geometry.channels_out), geometry.channels_in);
    let mut packed = vec![0.0; blocks.channels * inputs * PRODUCTS];
    for (index, window) in weights.chunks_exact(9).enumerate() {
        let (output, input) = (index / inputs, index % inputs);
        let block = output / BLOCK;
        let width = blocks.width(block);
        let start = block * BLOCK * inputs * PRODUCTS + input * width + output % BLOCK;
        for (frequency, number) in of_weights(window).into_iter().flatten().enumerate() {
            packed[start + frequency * inputs * width] = number;
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::{Portable, Simd};
    use crate::kernels::winograd::{input, output, weight};

    /// One number as a vector.
    fn splat(value: f32) -> <Portable as Simd>::V {
        // SAFETY: the portable instructions run everywhere.
        unsafe { Portable::splat(value) }
    }

    fn first(vector: &<Portable as Simd>::V) -> f32 {
        let mut found = [0.0f32; 8];
        // SAFETY: eight elements are written.
        unsafe { Portable::store(found.as_mut_ptr(), *vector) };
        found[0]
    }

    #[test]
    fn products_of_transforms_are_a_convolution() {
        let d: [[f32; 4]; 4] = std::array::from_fn(|y| std::array::from_fn(|x| (y * y + 3 * x + 1) as f32));
        let g: [f32; 9] = std::array::from_fn(|tap| (tap as f32 - 3.0) * 0.5);
        let u = of_weights(&g);
        // SAFETY: the portable instructions run everywhere.
        let same = unsafe {
            weight::<Portable>(std::array::from_fn(|y| std::array::from_fn(|x| splat(g[3 * y + x]))))
        };
        assert_eq!(same.as_flattened().iter().map(first).collect::<Vec<_>>(), u.as_flattened());
        // SAFETY: the portable instructions run everywhere.
        let y = unsafe {
            let v = input::<Portable>(d.map(|row| row.map(splat)));
            let product = |y: usize, x: usize| Portable::mul(v[y][x], splat(u[y][x]));
            output::<Portable>(std::array::from_fn(|y| std::array::from_fn(|x| product(y, x))))
        };
        for (top, row) in y.iter().enumerate() {
            for (left, value) in row.iter().enumerate() {
                let taps = (0..9).map(|tap| g[tap] * d[top + tap / 3][left + tap % 3]);
                let mut found = [0.0f32; 8];
                // SAFETY: eight elements are written.
                unsafe { Portable::store(found.as_mut_ptr(), *value) };
                assert_eq!(found, [taps.sum(); 8]);
            }
        }
    }
}
