//! The algebra of Winograd's F(2×2, 3×3): a 2×2 tile of outputs from 16 products instead of 36.
//!
//! Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016. Each transformation is applied along y
//! first, then along x, in the order of operations stated here: bytes depend on it.

use tensor::{DType, Tensor};

use super::pack::{BLOCK, Blocks};
use crate::kernels::geometry::Geometry;
use crate::kernels::simd::Simd;

/// Products of a tile: 4×4 frequencies.
pub(super) const FREQUENCIES: usize = 16;

/// `[d0 - d2, d1 + d2, d2 - d1, d1 - d3]` along both axes.
///
/// # Safety
///
/// The caller is compiled for the instruction set.
#[inline(always)]
pub(super) unsafe fn of_input<S: Simd>(d: [[S::V; 4]; 4]) -> [[S::V; 4]; 4] {
    // SAFETY: the caller's.
    unsafe {
        let mut along_y = d;
        for x in 0..4 {
            along_y[0][x] = S::sub(d[0][x], d[2][x]);
            along_y[1][x] = S::add(d[1][x], d[2][x]);
            along_y[2][x] = S::sub(d[2][x], d[1][x]);
            along_y[3][x] = S::sub(d[1][x], d[3][x]);
        }
        // A closure would not be compiled for the instruction set.
        for d in &mut along_y {
            *d = [S::sub(d[0], d[2]), S::add(d[1], d[2]), S::sub(d[2], d[1]), S::sub(d[1], d[3])];
        }
        along_y
    }
}

/// `[(m0 + m1) + m2, (m1 - m2) - m3]` along both axes.
///
/// # Safety
///
/// The caller is compiled for the instruction set.
#[inline(always)]
pub(super) unsafe fn of_products<S: Simd>(m: [[S::V; 4]; 4]) -> [[S::V; 2]; 2] {
    // SAFETY: the caller's.
    unsafe {
        let mut along_y = [m[0]; 2];
        for x in 0..4 {
            along_y[0][x] = S::add(S::add(m[0][x], m[1][x]), m[2][x]);
            along_y[1][x] = S::sub(S::sub(m[1][x], m[2][x]), m[3][x]);
        }
        let mut outputs = [[m[0][0]; 2]; 2];
        for (m, outputs) in along_y.iter().zip(&mut outputs) {
            *outputs = [S::add(S::add(m[0], m[1]), m[2]), S::sub(S::sub(m[1], m[2]), m[3])];
        }
        outputs
    }
}

/// With `s = g0 + g2`: `[g0, 0.5 (s + g1), 0.5 (s - g1), g2]` along both axes, of a window of nine weights.
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
    let mut packed = vec![0.0; blocks.channels * inputs * FREQUENCIES];
    for (index, window) in weights.chunks_exact(9).enumerate() {
        let (output, input) = (index / inputs, index % inputs);
        let block = output / BLOCK;
        let width = blocks.width(block);
        let start = block * BLOCK * inputs * FREQUENCIES + input * width + output % BLOCK;
        for (frequency, number) in of_weights(window).into_iter().flatten().enumerate() {
            packed[start + frequency * inputs * width] = number;
        }
    }
    packed
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
        let d: [[f32; 4]; 4] = std::array::from_fn(|y| std::array::from_fn(|x| (y * y + 3 * x + 1) as f32));
        let g: [f32; 9] = std::array::from_fn(|tap| (tap as f32 - 3.0) * 0.5);
        let u = of_weights(&g);
        // SAFETY: the portable instructions run everywhere.
        let y = unsafe {
            let v = of_input::<Portable>(d.map(|row| row.map(splat)));
            let product = |y: usize, x: usize| Portable::mul(v[y][x], splat(u[y][x]));
            of_products::<Portable>(std::array::from_fn(|y| std::array::from_fn(|x| product(y, x))))
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
