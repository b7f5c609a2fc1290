//! Operators that move elements without computing: exact for every element type.

use tensor::{Data, Tensor};

/// A tensor of `shape` whose element `i` is element `offset` of `sources[which]`, where `(which, offset)` is entry
/// `i` of `from`. The sources are of one element type.
pub(crate) fn pick(
    sources: &[&Tensor],
    shape: &[usize],
    from: impl Iterator<Item = (usize, usize)>,
) -> Tensor {
    macro_rules! typed {
        ($type:ty) => {{
            let slices: Vec<&[$type]> = sources.iter().map(|source| source.values::<$type>()).collect();
            Tensor::new(shape, from.map(|(which, offset)| slices[which][offset]).collect::<Vec<$type>>())
        }};
    }
    match sources[0].data() {
        Data::F32(_) => typed!(f32),
        Data::F64(_) => typed!(f64),
        Data::I32(_) => typed!(i32),
        Data::I64(_) => typed!(i64),
        Data::U8(_) => typed!(u8),
        Data::Bool(_) => typed!(bool),
    }
}

/// Steps between neighbours along each axis of a row-major array of `shape`.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect()
}

/// The offsets, in row-major order, that `lengths[axis]` steps of `steps[axis]` along each axis reach from `start`.
/// Steps may be negative; the caller sees to it that no offset is.
pub(crate) fn walk(start: usize, lengths: &[usize], steps: &[isize]) -> Vec<usize> {
    let mut offsets = vec![start];
    for (&length, &step) in lengths.iter().zip(steps) {
        let along = |at: usize| (0..length).map(move |index| at.wrapping_add_signed(index as isize * step));
        offsets = offsets.into_iter().flat_map(along).collect();
    }
    offsets
}
