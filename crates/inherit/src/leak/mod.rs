//! Test cases that an ancestor has been trained on.
//!
//! A child's test set proves nothing if its parent, or the parent's parent, learnt from it. Each
//! model's lineage keeps the digests of its training examples; [`leaked`] finds test cases in them.
//! The decision that shaped it: *a digest decides, a resemblance warns*. Equal digests are equal
//! content and a reason to refuse; [`NearIndex`] finds pictures that merely look alike.

mod digest_set;
mod guard;
mod near;
mod perceptual;

pub use digest_set::{DigestSet, union};
pub use guard::{Leak, Seen, leaked};
pub use near::{DISTANCE_MAX, NearDuplicate, NearIndex, near_duplicates};
pub use perceptual::{PerceptualHash, difference_hash};
