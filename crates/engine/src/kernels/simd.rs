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
    /// `a * b - c`, rounded once where the processor can.
    unsafe fn mul_less(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `2^n` for whole numbers from -126 to 127.
    unsafe fn power_of_two(n: Self::V) -> Self::V;
    /// `1 / a` within 0.0506 of itself, for positive numbers from `2^-126` to `2^126`: the bits of a number are nearly its
    /// logarithm.
    unsafe fn reciprocal_guess(a: Self::V) -> Self::V;
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

    /// `totals[row] =` the [`Simd::sum`] of each of `count` rows: turned, they are sums of vectors.
    ///
    /// # Safety
    ///
    /// Rows and totals can be read and written up to whole squares of `WIDTH`.
    #[inline(always)]
    unsafe fn sum_rows(rows: *const [f32; SUMMED], count: usize, totals: *mut f32) {
        let mut turned = [[0.0f32; SUMMED]; SUMMED];
        let columns = turned.as_mut_ptr().cast::<f32>();
        for first in (0..count).step_by(Self::WIDTH) {
            // SAFETY: the caller's; WIDTH is at most SUMMED.
            unsafe {
                Self::turn(rows.add(first).cast(), SUMMED, columns, SUMMED);
                let mut width = Self::WIDTH;
                while width > 1 {
                    width /= 2;
                    for column in 0..width {
                        let (a, b) = (columns.add(column * SUMMED), columns.add((column + width) * SUMMED));
                        Self::store(a, Self::add(Self::load(a), Self::load(b)));
                    }
                }
                Self::store(totals.add(first), Self::load(columns));
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

/// Numbers that [`Simd::sum_rows`] sums, in each of as many rows: the widest vectors hold so many.
pub(crate) const SUMMED: usize = 16;

/// The bits of a number and of its reciprocal add up to about this.
pub(super) const RECIPROCAL_BITS: u32 = 0x7ef3_11c7;

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
    unsafe fn mul_less(a: Eight, b: Eight, c: Eight) -> Eight {
        Eight(std::array::from_fn(|lane| a.0[lane] * b.0[lane] - c.0[lane]))
    }
    #[inline(always)]
    unsafe fn power_of_two(n: Eight) -> Eight {
        Eight(n.0.map(|n| f32::from_bits(((n as i32 + 127) as u32) << 23)))
    }
    #[inline(always)]
    unsafe fn reciprocal_guess(a: Eight) -> Eight {
        Eight(a.0.map(|a| f32::from_bits(RECIPROCAL_BITS.wrapping_sub(a.to_bits()))))
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
pub(crate) use super::simd_x86::{Avx2, Avx512};

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

    use super::{SUMMED, Simd};

    #[inline(always)]
    unsafe fn sums<S: Simd>(rows: &[[f32; SUMMED]; SUMMED], count: usize) -> [[f32; SUMMED]; 2] {
        let mut together = [0.0; SUMMED];
        // SAFETY: the level is the processor's, and rows hold the widest vectors.
        unsafe {
            S::sum_rows(rows.as_ptr(), count, together.as_mut_ptr());
            [std::array::from_fn(|row| S::sum(S::load(rows[row].as_ptr()))), together]
        }
    }

    #[test]
    fn rows_are_summed_in_the_order_of_one_vector() {
        let random = tensor::Random::new(1, "rows");
        for level in Level::available() {
            for count in [1, 8, 9, 16] {
                let number = |row: usize, lane: usize| random.uniform(row as u64, lane as u64) - 0.5;
                let numbers = std::array::from_fn(|row| std::array::from_fn(|lane| number(row, lane)));
                let rows = &numbers;
                // SAFETY: the level is the processor's.
                let [each, together] = unsafe {
                    dispatch!(level => sums::<S>(rows: &[[f32; SUMMED]; SUMMED], count: usize) -> [[f32; SUMMED]; 2])
                };
                assert_eq!(each[..count], together[..count], "{level}, {count} rows");
            }
        }
    }

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
