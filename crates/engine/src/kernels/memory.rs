//! The arena: one block of aligned memory that all buffers of a program live in.

use std::mem::MaybeUninit;
use std::sync::Arc;

use memmap2::{MmapMut, MmapOptions};

/// Names a buffer of one program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) u32);

/// Buffers start at multiples of this many elements: 64 bytes, a cache line and the widest vector.
pub(crate) const ALIGNMENT: usize = 16;

/// Pages of numbers.
struct Pages {
    /// Owns the memory that `base` points into.
    _mapped: MmapMut,
    base: *mut f32,
}

impl Pages {
    /// Room for `len` elements, all zero.
    fn new(len: usize) -> Self {
        let bytes = len.checked_mul(size_of::<f32>()).and_then(|bytes| bytes.checked_add(HUGE_PAGE));
        let bytes = bytes.expect("the arena fits the address space");
        let mut mapped = MmapOptions::new()
            .len(bytes)
            .map_anon()
            .unwrap_or_else(|error| panic!("{bytes} bytes of memory for the plan could not be had: {error}"));
        advise_huge_pages(&mapped);
        let start = mapped.as_mut_ptr();
        // SAFETY: a huge page more than needed was mapped, so the next boundary leaves room for all elements.
        let base = unsafe { start.add(start.align_offset(HUGE_PAGE)) }.cast();
        Pages { _mapped: mapped, base }
    }
}

// SAFETY: the pages are owned; access from several threads is kept apart as described at [`Memory`].
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

/// How long an arena is, and where in it which buffer lies.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Elements of all buffers.
    pub(crate) len: usize,
    /// Elements at the beginning that no step writes.
    pub(crate) fixed: usize,
    /// Offset and length of each buffer; none lies on both sides of `fixed`.
    pub(crate) buffers: Vec<(usize, usize)>,
}

/// The arena with the place of every buffer in it.
///
/// Several threads write to it at once. That they never write where another reads or writes is what
/// [`crate::program`] arranges: steps state what each piece touches, and barriers part what would clash.
pub(crate) struct Memory {
    /// What no step writes, with all else behind it unless that lies in `own`.
    fixed: Arc<Pages>,
    /// What steps write, of a replica.
    own: Option<Pages>,
    places: Arc<Places>,
    /// The first element of each buffer, and how many there are.
    buffers: Vec<(*mut f32, usize)>,
}

// SAFETY: the pages are owned, and buffers lie in them; access from several threads is kept apart as described above.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// A zeroed arena.
    pub(crate) fn new(places: Places) -> Self {
        assert!(
            places.buffers.iter().all(|&(start, size)| start + size <= places.len),
            "a buffer lies outside of the arena"
        );
        let fixed = Arc::new(Pages::new(places.len.max(ALIGNMENT)));
        Memory::of(fixed, None, Arc::new(places))
    }

    /// Another arena for the same steps, which has what no step writes in common with this one. The rest of it is zero.
    pub(crate) fn replica(&self) -> Self {
        let own = Pages::new((self.places.len - self.places.fixed).max(ALIGNMENT));
        Memory::of(self.fixed.clone(), Some(own), self.places.clone())
    }

    fn of(fixed: Arc<Pages>, own: Option<Pages>, places: Arc<Places>) -> Self {
        let at = |&(start, len): &(usize, usize)| {
            let (base, start) = match &own {
                Some(own) if start >= places.fixed => (own.base, start - places.fixed),
                _ => (fixed.base, start),
            };
            // SAFETY: places lie inside of the arena, and a replica has room for all behind `fixed`.
            (unsafe { base.add(start) }, len)
        };
        let buffers = places.buffers.iter().map(at).collect();
        Memory { fixed, own, places, buffers }
    }

    /// The first element of a buffer.
    pub(crate) fn at(&self, slot: Slot) -> *mut f32 {
        self.buffers[slot.0 as usize].0
    }

    /// Number of elements of a buffer.
    pub(crate) fn len_of(&self, slot: Slot) -> usize {
        self.buffers[slot.0 as usize].1
    }

    /// Bytes of the arena, without what it has in common with another.
    pub(crate) fn bytes(&self) -> usize {
        let common = if self.own.is_some() { self.places.fixed } else { 0 };
        (self.places.len - common) * size_of::<f32>()
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

    /// A buffer as a slice while nobody else has the arena, nor one that has a part in common with it: they belong to one program.
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

    /// The numbers, all of them zero.
    #[inline(always)]
    pub(crate) fn zeroed(&mut self) -> &mut [f32; N] {
        self.0.write([0.0; N])
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
