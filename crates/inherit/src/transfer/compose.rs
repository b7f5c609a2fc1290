//! The arithmetic of a transfer: a tensor from another, axis by axis.

use tensor::{Data, Tensor};

use super::maps::AxisMap;

/// The child's tensor: each element is the sum, over the sources of each axis, of the parent's elements times the product
/// of the weights; elements that some axis starts anew keep their value in `initial`. Also how many were taken over.
///
/// An element with one source of weight 1 is that element, bit for bit; sums are in `f64`, in the axes' order. `None`
/// unless both are `float32` or nothing changes, and each axis has its map.
pub(crate) fn compose(initial: &Tensor, parent: &Tensor, maps: &[AxisMap]) -> Option<(Tensor, usize)> {
    let identity = maps.iter().zip(parent.shape()).all(|(map, &length)| map.is_identity(length));
    if identity && initial.shape() == parent.shape() && initial.dtype() == parent.dtype() {
        return Some((parent.clone(), parent.len()));
    }
    let (Data::F32(start), Data::F32(from)) = (initial.data(), parent.data()) else { return None };
    let fits = maps.iter().zip(initial.shape()).all(|(map, &length)| map.sources.len() == length);
    if maps.len() != initial.shape().len() || maps.len() != parent.shape().len() || !fits {
        return None;
    }
    let mut walk = Walk {
        maps,
        shape: parent.shape(),
        start,
        from,
        values: Vec::with_capacity(start.len()),
        inherited: 0,
    };
    walk.axis(0, &[(0, 1.0)]);
    Some((Tensor::new(initial.shape(), walk.values), walk.inherited))
}

struct Walk<'a> {
    maps: &'a [AxisMap],
    shape: &'a [usize],
    start: &'a [f32],
    from: &'a [f32],
    values: Vec<f32>,
    inherited: usize,
}

impl Walk<'_> {
    /// `sources`: offsets in the parent, in elements of the axes before `axis`, with their weights.
    fn axis(&mut self, axis: usize, sources: &[(usize, f32)]) {
        let Some(map) = self.maps.get(axis) else { return self.element(sources) };
        let length = self.shape[axis];
        for own in &map.sources {
            let combined: Vec<(usize, f32)> = sources
                .iter()
                .flat_map(|&(offset, weight)| {
                    own.iter().map(move |&(index, part)| (offset * length + index, weight * part))
                })
                .collect();
            self.axis(axis + 1, &combined);
        }
    }

    fn element(&mut self, sources: &[(usize, f32)]) {
        let value = match *sources {
            [] => self.start[self.values.len()],
            [(offset, 1.0)] => self.from[offset],
            _ => sources
                .iter()
                .map(|&(offset, weight)| f64::from(self.from[offset]) * f64::from(weight))
                .sum::<f64>() as f32,
        };
        self.inherited += usize::from(!sources.is_empty());
        self.values.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: [usize; 2], values: &[f32]) -> Tensor {
        Tensor::new(shape, values.to_vec())
    }

    #[test]
    fn rows_are_picked_and_columns_summed() {
        let parent = tensor([2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let initial = tensor([3, 1], &[7.0, 8.0, 9.0]);
        let maps = [AxisMap::pick(&[Some(1), None, Some(0)]), AxisMap::colours(1, 3).unwrap()];
        let (made, inherited) = compose(&initial, &parent, &maps).unwrap();
        assert_eq!((made.values::<f32>(), inherited), ([15.0, 8.0, 6.0].as_slice(), 2));
    }

    #[test]
    fn maps_that_do_not_fit_give_nothing() {
        let (parent, initial) = (tensor([1, 2], &[1.0, 2.0]), tensor([1, 1], &[0.0]));
        assert!(compose(&initial, &parent, &[AxisMap::identity(1), AxisMap::identity(2)]).is_none());
        assert!(compose(&initial, &parent, &[AxisMap::identity(1)]).is_none());
    }
}
