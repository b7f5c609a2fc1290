//! Weights that will be read soon are fetched from memory while others are worked with: a plan for few examples reads each
//! weight for few products, and waiting for memory would take as long as the products.

/// A stretch of memory that is fetched little by little.
pub(super) struct Ahead {
    /// What is fetched next.
    pub(super) at: *const f32,
    /// Elements from one fetch to the next.
    pub(super) step: usize,
}

impl Ahead {
    /// Nothing new: what lies at `at` again and again.
    pub(super) fn nothing(at: *const f32) -> Self {
        Ahead { at, step: 0 }
    }

    /// `len` elements from `at` on, in `fetches` fetches.
    pub(super) fn of(at: *const f32, len: usize, fetches: usize) -> Self {
        Ahead { at, step: len.div_ceil(fetches.max(1)) }
    }
}
