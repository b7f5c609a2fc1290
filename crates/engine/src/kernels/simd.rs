//! The vector instructions the kernels are written in, once for every instruction set.
//!
//! A kernel is a function generic over [`Simd`], marked `#[inline(always)]`, and instantiated inside one
//! function per instruction set that carries `#[target_feature]` (see the `dispatch!` macro). So the same
//! source becomes AVX-512, AVX2+FMA and portable code in one binary.

/// One instruction set: vectors of `WIDTH` `f32` and masks over them.
///
/// # Safety
///
/// Every method may only be called on a processor that has the instruction set, from a function compiled for
/// it; `load` and `store` need pointers valid for `WIDTH` elements.
pub(crate) trait Simd: Copy + 'static {
    /// A vector of `WIDTH` numbers.
    type V: Copy;
    /// One truth value per vector element.
    type M: Copy;
    /// Elements per vector.
    const WIDTH: usize;

    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, value: Self::V);
    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// The greater of two numbers; `b` where one of them is NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the processor can.
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`, rounded once where the processor can.
    unsafe fn mul_sub_from(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `2^n` for whole numbers from -126 to 127.
    unsafe fn power_of_two(n: Self::V) -> Self::V;
    unsafe fn greater(a: Self::V, b: Self::V) -> Self::M;
    unsafe fn equal(a: Self::V, b: Self::V) -> Self::M;
    unsafe fn is_nan(a: Self::V) -> Self::M;
    /// `yes` where the mask is set, else `no`.
    unsafe fn select(mask: Self::M, yes: Self::V, no: Self::V) -> Self::V;
    /// The mask as bits, element 0 lowest.
    unsafe fn bits(mask: Self::M) -> u16;
    /// The mask with the given bits.
    unsafe fn mask(bits: u16) -> Self::M;

    /// Asks for a line of memory that will be read soon. A hint: any address may be given.
    #[inline(always)]
    unsafe fn prefetch(_from: *const f32) {}

    /// As `prefetch`, for what will be read later: into the second-level cache.
    #[inline(always)]
    unsafe fn prefetch_far(_from: *const f32) {}

    /// The sum of the elements in a fixed order: neighbours pairwise.
    #[inline(always)]
    unsafe fn sum(value: Self::V) -> f32 {
        let mut lanes = [0.0f32; 16];
        // SAFETY: WIDTH is at most 16.
        unsafe { Self::store(lanes.as_mut_ptr(), value) };
        let mut width = Self::WIDTH;
        while width > 1 {
            width /= 2;
            for lane in 0..width {
                lanes[lane] += lanes[lane + width];
            }
        }
        lanes[0]
    }

    /// Turns a square of `WIDTH` rows: `to[column * to_row + row] = from[row * from_row + column]`.
    #[inline(always)]
    unsafe fn turn(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        for row in 0..Self::WIDTH {
            for column in 0..Self::WIDTH {
                // SAFETY: the caller gives squares that can be read and written.
                unsafe { *to.add(column * to_row + row) = *from.add(row * from_row + column) };
            }
        }
    }

    /// `value` where the mask is set, else zero.
    #[inline(always)]
    unsafe fn keep(mask: Self::M, value: Self::V) -> Self::V {
        // SAFETY: the caller's.
        unsafe { Self::select(mask, value, Self::splat(0.0)) }
    }
}

/// Plain Rust on arrays of eight, for every processor.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// A vector of the portable instruction set.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Eight([f32; 8]);

macro_rules! portable_binary {
    ($name:ident, $a:ident, $b:ident => $value:expr) => {
        #[inline(always)]
        unsafe fn $name(a: Eight, b: Eight) -> Eight {
            Eight(std::array::from_fn(|lane| {
                let ($a, $b) = (a.0[lane], b.0[lane]);
                $value
            }))
        }
    };
}

impl Simd for Portable {
    type V = Eight;
    type M = [bool; 8];
    const WIDTH: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Eight {
        // SAFETY: the caller gives eight readable elements.
        Eight(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Eight) {
        // SAFETY: the caller gives eight writable elements.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(value.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Eight {
        Eight([value; 8])
    }
    portable_binary!(add, a, b => a + b);
    portable_binary!(sub, a, b => a - b);
    portable_binary!(mul, a, b => a * b);
    portable_binary!(div, a, b => a / b);
    portable_binary!(max, a, b => if a > b { a } else { b });
    #[inline(always)]
    unsafe fn sqrt(a: Eight) -> Eight {
        Eight(a.0.map(f32::sqrt))
    }
    #[inline(always)]
    unsafe fn mul_add(a: Eight, b: Eight, c: Eight) -> Eight {
        Eight(std::array::from_fn(|lane| a.0[lane] * b.0[lane] + c.0[lane]))
    }
    #[inline(always)]
    unsafe fn mul_sub_from(a: Eight, b: Eight, c: Eight) -> Eight {
        Eight(std::array::from_fn(|lane| c.0[lane] - a.0[lane] * b.0[lane]))
    }
    #[inline(always)]
    unsafe fn power_of_two(n: Eight) -> Eight {
        Eight(n.0.map(|n| f32::from_bits(((n as i32 + 127) as u32) << 23)))
    }
    #[inline(always)]
    unsafe fn greater(a: Eight, b: Eight) -> [bool; 8] {
        std::array::from_fn(|lane| a.0[lane] > b.0[lane])
    }
    #[inline(always)]
    unsafe fn equal(a: Eight, b: Eight) -> [bool; 8] {
        std::array::from_fn(|lane| a.0[lane] == b.0[lane])
    }
    #[inline(always)]
    unsafe fn is_nan(a: Eight) -> [bool; 8] {
        a.0.map(f32::is_nan)
    }
    #[inline(always)]
    unsafe fn select(mask: [bool; 8], yes: Eight, no: Eight) -> Eight {
        Eight(std::array::from_fn(|lane| if mask[lane] { yes.0[lane] } else { no.0[lane] }))
    }
    #[inline(always)]
    unsafe fn bits(mask: [bool; 8]) -> u16 {
        mask.iter().enumerate().fold(0, |bits, (lane, &set)| bits | (set as u16) << lane)
    }
    #[inline(always)]
    unsafe fn mask(bits: u16) -> [bool; 8] {
        std::array::from_fn(|lane| bits >> lane & 1 == 1)
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Simd;

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
}

/// Calls `$kernel::<S>($args)` compiled for the instruction set `$level`.
///
/// `dispatch!(level => kernel::<S>(a: A, b: B))` expands to one `#[target_feature]` function per level.
/// Unsafe to use: the arguments must satisfy the kernel's own contract.
macro_rules! dispatch {
    ($level:expr => $kernel:ident :: <S $(, $generic:ty)*> ($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)?) => {{
        use $crate::cpu::Level;
        use $crate::kernels::simd;
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2($($arg: $ty),*) $(-> $ret)? {
            // SAFETY: the caller of the macro vouches for the arguments; the level for the processor.
            unsafe { $kernel::<simd::Avx2 $(, $generic)*>($($arg),*) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx2,fma")]
        unsafe fn avx512($($arg: $ty),*) $(-> $ret)? {
            // SAFETY: the caller of the macro vouches for the arguments; the level for the processor.
            unsafe { $kernel::<simd::Avx512 $(, $generic)*>($($arg),*) }
        }
        match $level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512($($arg),*),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2($($arg),*),
            Level::Portable => $kernel::<simd::Portable $(, $generic)*>($($arg),*),
        }
    }};
}
pub(crate) use dispatch;

#[cfg(test)]
mod tests {
    use crate::cpu::Level;

    use super::Simd;

    #[inline(always)]
    unsafe fn turned<S: Simd>(from: *const f32, to: *mut f32) -> usize {
        // SAFETY: the test gives squares of 20 by 20.
        unsafe { S::turn(from, 20, to, 20) };
        S::WIDTH
    }

    #[test]
    fn squares_are_turned_at_every_level() {
        let from: Vec<f32> = (0..400).map(|value| value as f32).collect();
        for level in Level::available() {
            let mut to = vec![0.0f32; 400];
            let (source, target) = (from.as_ptr(), to.as_mut_ptr());
            // SAFETY: the level is the processor's, and both hold 20 by 20 numbers.
            let width =
                unsafe { dispatch!(level => turned::<S>(source: *const f32, target: *mut f32) -> usize) };
            for row in 0..width {
                for column in 0..width {
                    assert_eq!(to[column * 20 + row], from[row * 20 + column], "{level}: {row}, {column}");
                }
            }
        }
    }
}
