//! The vector instructions of x86-64.

use std::arch::x86_64::*;

use super::simd::{RECIPROCAL_BITS, Simd};

/// AVX2 with FMA: eight elements.
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// AVX-512F with FMA: sixteen elements, masks in registers of their own.
#[derive(Clone, Copy)]
pub(crate) struct Avx512;

/// Methods that are one intrinsic each.
macro_rules! intrinsics {
    ($v:ty; $($name:ident($($arg:ident),*) => $intrinsic:ident;)*) => {$(
        #[inline(always)]
        unsafe fn $name($($arg: $v),*) -> $v {
            // SAFETY: the caller is compiled for this instruction set.
            unsafe { $intrinsic($($arg),*) }
        }
    )*};
}

impl Simd for Avx2 {
    type V = __m256;
    type M = __m256;
    const WIDTH: usize = 8;

    intrinsics! { __m256;
        add(a, b) => _mm256_add_ps;
        sub(a, b) => _mm256_sub_ps;
        mul(a, b) => _mm256_mul_ps;
        div(a, b) => _mm256_div_ps;
        max(a, b) => _mm256_max_ps;
        sqrt(a) => _mm256_sqrt_ps;
        mul_add(a, b, c) => _mm256_fmadd_ps;
        mul_sub_from(a, b, c) => _mm256_fnmadd_ps;
        mul_less(a, b, c) => _mm256_fmsub_ps;
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        // SAFETY: a hint reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn prefetch_far(from: *const f32) {
        // SAFETY: a hint reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: the caller gives eight readable elements.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m256) {
        // SAFETY: the caller gives eight writable elements.
        unsafe { _mm256_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn power_of_two(n: __m256) -> __m256 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    unsafe fn reciprocal_guess(a: __m256) -> __m256 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe {
            let sum = _mm256_set1_epi32(RECIPROCAL_BITS.cast_signed());
            _mm256_castsi256_ps(_mm256_sub_epi32(sum, _mm256_castps_si256(a)))
        }
    }
    #[inline(always)]
    unsafe fn greater(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe { _mm256_cmp_ps::<_CMP_GT_OQ>(a, b) }
    }
    #[inline(always)]
    unsafe fn equal(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe { _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b) }
    }
    #[inline(always)]
    unsafe fn is_nan(a: __m256) -> __m256 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe { _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a) }
    }
    #[inline(always)]
    unsafe fn select(mask: __m256, yes: __m256, no: __m256) -> __m256 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe { _mm256_blendv_ps(no, yes, mask) }
    }
    #[inline(always)]
    unsafe fn keep(mask: __m256, value: __m256) -> __m256 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe { _mm256_and_ps(mask, value) }
    }
    #[inline(always)]
    unsafe fn turn(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        // SAFETY: the caller gives squares that can be read and written.
        unsafe {
            let r: [__m256; 8] = std::array::from_fn(|row| _mm256_loadu_ps(from.add(row * from_row)));
            // Pairs of rows, then fours of them within each half, then the halves.
            let pairs: [__m256; 8] = std::array::from_fn(|i| {
                let (a, b) = (r[i / 2 * 2], r[i / 2 * 2 + 1]);
                if i % 2 == 0 { _mm256_unpacklo_ps(a, b) } else { _mm256_unpackhi_ps(a, b) }
            });
            let fours: [__m256; 8] = std::array::from_fn(|i| {
                let (half, column) = (i / 4 * 4, i % 4);
                let (a, b) = (pairs[half + column / 2], pairs[half + 2 + column / 2]);
                if column % 2 == 0 {
                    _mm256_shuffle_ps::<0x44>(a, b)
                } else {
                    _mm256_shuffle_ps::<0xee>(a, b)
                }
            });
            for column in 0..4 {
                let (a, b) = (fours[column], fours[4 + column]);
                _mm256_storeu_ps(to.add(column * to_row), _mm256_permute2f128_ps::<0x20>(a, b));
                _mm256_storeu_ps(to.add((4 + column) * to_row), _mm256_permute2f128_ps::<0x31>(a, b));
            }
        }
    }
    #[inline(always)]
    unsafe fn bits(mask: __m256) -> u16 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe { _mm256_movemask_ps(mask) as u16 }
    }
    #[inline(always)]
    unsafe fn mask(bits: u16) -> __m256 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe {
            let lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let set = _mm256_and_si256(_mm256_set1_epi32(bits as i32), lane);
            _mm256_castsi256_ps(_mm256_cmpeq_epi32(set, lane))
        }
    }
}

impl Simd for Avx512 {
    type V = __m512;
    type M = __mmask16;
    const WIDTH: usize = 16;

    intrinsics! { __m512;
        add(a, b) => _mm512_add_ps;
        sub(a, b) => _mm512_sub_ps;
        mul(a, b) => _mm512_mul_ps;
        div(a, b) => _mm512_div_ps;
        max(a, b) => _mm512_max_ps;
        sqrt(a) => _mm512_sqrt_ps;
        mul_add(a, b, c) => _mm512_fmadd_ps;
        mul_sub_from(a, b, c) => _mm512_fnmadd_ps;
        mul_less(a, b, c) => _mm512_fmsub_ps;
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        // SAFETY: a hint reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn prefetch_far(from: *const f32) {
        // SAFETY: a hint reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller gives sixteen readable elements.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m512) {
        // SAFETY: the caller gives sixteen writable elements.
        unsafe { _mm512_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn power_of_two(n: __m512) -> __m512 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe {
            let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    unsafe fn reciprocal_guess(a: __m512) -> __m512 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe {
            let sum = _mm512_set1_epi32(RECIPROCAL_BITS.cast_signed());
            _mm512_castsi512_ps(_mm512_sub_epi32(sum, _mm512_castps_si512(a)))
        }
    }
    #[inline(always)]
    unsafe fn greater(a: __m512, b: __m512) -> __mmask16 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) }
    }
    #[inline(always)]
    unsafe fn equal(a: __m512, b: __m512) -> __mmask16 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b) }
    }
    #[inline(always)]
    unsafe fn is_nan(a: __m512) -> __mmask16 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a) }
    }
    #[inline(always)]
    unsafe fn select(mask: __mmask16, yes: __m512, no: __m512) -> __m512 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe { _mm512_mask_blend_ps(mask, no, yes) }
    }
    #[inline(always)]
    unsafe fn keep(mask: __mmask16, value: __m512) -> __m512 {
        // SAFETY: the caller is compiled for this instruction set.
        unsafe { _mm512_maskz_mov_ps(mask, value) }
    }
    #[inline(always)]
    unsafe fn turn(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        // SAFETY: the caller gives squares that can be read and written.
        unsafe {
            let r: [__m512; 16] = std::array::from_fn(|row| _mm512_loadu_ps(from.add(row * from_row)));
            // Pairs of rows, then fours of them within each quarter.
            let pairs: [__m512; 16] = std::array::from_fn(|i| {
                let (a, b) = (r[i / 2 * 2], r[i / 2 * 2 + 1]);
                if i % 2 == 0 { _mm512_unpacklo_ps(a, b) } else { _mm512_unpackhi_ps(a, b) }
            });
            let fours: [__m512; 16] = std::array::from_fn(|i| {
                let (four, column) = (i / 4 * 4, i % 4);
                let (a, b) = (pairs[four + column / 2], pairs[four + 2 + column / 2]);
                if column % 2 == 0 {
                    _mm512_shuffle_ps::<0x44>(a, b)
                } else {
                    _mm512_shuffle_ps::<0xee>(a, b)
                }
            });
            // Quarter q of row group g holds column 4q + column of rows 4g..: collect the four groups of each.
            for column in 0..4 {
                let [a, b, c, d] = std::array::from_fn(|group| fours[4 * group + column]);
                let (even_low, odd_low) =
                    (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
                let (even_high, odd_high) =
                    (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
                let quarters = [
                    _mm512_shuffle_f32x4::<0x88>(even_low, even_high),
                    _mm512_shuffle_f32x4::<0x88>(odd_low, odd_high),
                    _mm512_shuffle_f32x4::<0xdd>(even_low, even_high),
                    _mm512_shuffle_f32x4::<0xdd>(odd_low, odd_high),
                ];
                for (quarter, &value) in quarters.iter().enumerate() {
                    _mm512_storeu_ps(to.add((4 * quarter + column) * to_row), value);
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn bits(mask: __mmask16) -> u16 {
        mask
    }
    #[inline(always)]
    unsafe fn mask(bits: u16) -> __mmask16 {
        bits
    }
}
