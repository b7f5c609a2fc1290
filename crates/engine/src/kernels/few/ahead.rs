//! Weights that will be read soon are fetched from memory while others are worked with: a plan for few examples reads each
//! weight for few products, and waiting for memory would take as long as the products.

use crate::kernels::memory::ALIGNMENT;
use crate::kernels::simd::Simd;

/// A stretch of memory that is fetched little by little.
pub(super) struct Ahead {
    at: *const f32,
    /// Cache lines that are left, and how many are fetched at a time.
    lines: usize,
    each: usize,
}

impl Ahead {
    /// Nothing to fetch.
    pub(super) fn nothing() -> Self {
        Ahead { at: std::ptr::null(), lines: 0, each: 0 }
    }

    /// `len` elements from `at` on, in up to `calls` calls.
    pub(super) fn of(at: *const f32, len: usize, calls: usize) -> Self {
        let lines = len.div_ceil(ALIGNMENT);
        Ahead { at, lines, each: lines.div_ceil(calls.max(1)) }
    }

    /// Fetches the next few lines.
    ///
    /// # Safety
    ///
    /// The caller is compiled for the instruction set.
    #[inline(always)]
    pub(super) unsafe fn fetch<S: Simd>(&mut self) {
        let count = self.each.min(self.lines);
        for line in 0..count {
            // SAFETY: the caller's; a hint reads nothing.
            unsafe { S::prefetch_far(self.at.wrapping_add(line * ALIGNMENT)) };
        }
        self.at = self.at.wrapping_add(count * ALIGNMENT);
        self.lines -= count;
    }
}
