//! The arena: one block of aligned memory that all buffers of a program live in.

use std::mem::MaybeUninit;

use memmap2::{MmapMut, MmapOptions};

/// Names a buffer of one program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) u32);

/// Buffers start at multiples of this many elements: 64 bytes, a cache line and the widest vector.
pub(crate) const ALIGNMENT: usize = 16;

/// The arena with the place of every buffer in it.
///
/// Several threads write to it at once. That they never write where another reads or writes is what
/// [`crate::program`] arranges: steps state what each piece touches, and barriers part what would clash.
pub(crate) struct Memory {
    /// Owns the pages that `base` points into.
    _pages: MmapMut,
    base: *mut f32,
    len: usize,
    places: Vec<(usize, usize)>,
}

// SAFETY: the pages are owned; access from several threads is kept apart as described above.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// A zeroed arena of `len` elements; `places` gives each slot's offset and length.
    pub(crate) fn new(len: usize, places: Vec<(usize, usize)>) -> Self {
        let len = len.max(ALIGNMENT);
        assert!(
            places.iter().all(|&(start, size)| start + size <= len),
            "a buffer lies outside of the arena"
        );
        let bytes = len.checked_mul(size_of::<f32>()).and_then(|bytes| bytes.checked_add(HUGE_PAGE));
        let bytes = bytes.expect("the arena fits the address space");
        let mut pages = MmapOptions::new()
            .len(bytes)
            .map_anon()
            .unwrap_or_else(|error| panic!("{bytes} bytes of memory for the plan could not be had: {error}"));
        advise_huge_pages(&pages);
        let start = pages.as_mut_ptr();
        // SAFETY: a huge page more than needed was mapped, so the next boundary leaves room for all elements.
        let base = unsafe { start.add(start.align_offset(HUGE_PAGE)) }.cast();
        Memory { _pages: pages, base, len, places }
    }

    /// The first element of a buffer.
    pub(crate) fn at(&self, slot: Slot) -> *mut f32 {
        let (start, _) = self.places[slot.0 as usize];
        // SAFETY: `new` checked that the place lies inside of the allocation.
        unsafe { self.base.add(start) }
    }

    /// Number of elements of a buffer.
    pub(crate) fn len_of(&self, slot: Slot) -> usize {
        self.places[slot.0 as usize].1
    }

    /// Bytes of the whole arena.
    pub(crate) fn bytes(&self) -> usize {
        self.len * size_of::<f32>()
    }

    /// A buffer as a slice.
    ///
    /// # Safety
    ///
    /// No thread writes to it while the slice lives.
    pub(crate) unsafe fn slice(&self, slot: Slot) -> &[f32] {
        // SAFETY: the place is inside of the allocation; the caller vouches for the absence of writers.
        unsafe { std::slice::from_raw_parts(self.at(slot), self.len_of(slot)) }
    }

    /// A buffer as a slice, for a thread that has it for itself.
    ///
    /// # Safety
    ///
    /// No other thread reads or writes it while the slice lives, and no other slice of it lives.
    #[allow(clippy::mut_from_ref)] // the arena hands out disjoint parts, see the type's documentation
    pub(crate) unsafe fn slice_mut(&self, slot: Slot) -> &mut [f32] {
        // SAFETY: as stated.
        unsafe { std::slice::from_raw_parts_mut(self.at(slot), self.len_of(slot)) }
    }

    /// A buffer as a slice while nobody else has the arena.
    pub(crate) fn get(&mut self, slot: Slot) -> &mut [f32] {
        // SAFETY: the exclusive borrow keeps every other user out.
        unsafe { self.slice_mut(slot) }
    }
}

/// Room for numbers on the stack that begins with a cache line: a vector that lies across two takes twice as long.
#[repr(align(64))]
pub(crate) struct Lines<const N: usize>(MaybeUninit<[f32; N]>);

impl<const N: usize> Lines<N> {
    /// Room that nothing was written to.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Lines(MaybeUninit::uninit())
    }

    /// The first number.
    #[inline(always)]
    pub(crate) fn at(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }
}

/// The size of a huge page where there are any.
const HUGE_PAGE: usize = 1 << 21;

/// Asks for huge pages: the weights and moments of one step lie on more small pages than the processor can keep
/// the addresses of. Only a hint: without it results are the same.
#[cfg(target_os = "linux")]
fn advise_huge_pages(pages: &MmapMut) {
    // A kernel without huge pages refuses; small pages do as well, only slower.
    let _refused = pages.advise(memmap2::Advice::HugePage);
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_: &MmapMut) {}
