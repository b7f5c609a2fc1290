//! How the child's elements along one axis are made of the parent's.

use std::collections::BTreeMap;

use tensor::Random;

/// For each of the child's elements: the parent's elements that it is the weighted sum of; none if it starts anew.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AxisMap {
    pub(crate) sources: Vec<Vec<(usize, f32)>>,
}

impl AxisMap {
    /// Each element is the parent's at the same place.
    pub(crate) fn identity(count: usize) -> Self {
        AxisMap { sources: (0..count).map(|index| vec![(index, 1.0)]).collect() }
    }

    /// Element `i` is the parent's element `of[i]`.
    pub(crate) fn pick(of: &[Option<usize>]) -> Self {
        AxisMap {
            sources: of.iter().map(|source| source.iter().map(|&index| (index, 1.0)).collect()).collect(),
        }
    }

    /// By name: an element whose name the parent does not have starts anew.
    pub(crate) fn by_name(child: &[String], parent: &[String]) -> Self {
        let places: BTreeMap<&str, usize> =
            parent.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
        let of: Vec<Option<usize>> = child.iter().map(|name| places.get(name.as_str()).copied()).collect();
        AxisMap::pick(&of)
    }

    /// Sums over the channels of an image: grey from red, green and blue takes their sum, which answers to a grey image
    /// as the three weights do to three equal channels; the other way each takes a third.
    pub(crate) fn colours(child: usize, parent: usize) -> Option<Self> {
        let sources = match (child, parent) {
            (1, 3) => vec![(0..3).map(|channel| (channel, 1.0)).collect()],
            (3, 1) => vec![vec![(0, 1.0 / 3.0)]; 3],
            _ => return None,
        };
        Some(AxisMap { sources })
    }

    /// Whether each element is the parent's at the same place, bit for bit, and no element of the parent is left out.
    pub(crate) fn is_identity(&self, parent: usize) -> bool {
        let same = |(index, sources): (usize, &Vec<(usize, f32)>)| matches!(sources[..], [(from, 1.0)] if from == index);
        self.sources.len() == parent && self.sources.iter().enumerate().all(same)
    }

    /// Each unit `u` of this map at positions `[height, width]`, where the parent has other positions. A position takes
    /// from those of the parent that it overlaps, in shares of *their* area, so that sums over all positions stay.
    pub(crate) fn at_positions(&self, child: [usize; 2], parent: [usize; 2]) -> Self {
        let (rows, columns) = (overlaps(child[0], parent[0]), overlaps(child[1], parent[1]));
        let positions = parent[0] * parent[1];
        let mut sources = Vec::with_capacity(self.sources.len() * child[0] * child[1]);
        for units in &self.sources {
            for row in &rows {
                for column in &columns {
                    let mut of = Vec::new();
                    for &(unit, weight) in units {
                        for &(y, share_y) in row {
                            for &(x, share_x) in column {
                                of.push((unit * positions + y * parent[1] + x, weight * share_y * share_x));
                            }
                        }
                    }
                    sources.push(of);
                }
            }
        }
        AxisMap { sources }
    }
}

/// For each of `child` equal parts of a length: which of its `parent` equal parts it overlaps, and the share of each of
/// those that it covers.
fn overlaps(child: usize, parent: usize) -> Vec<Vec<(usize, f32)>> {
    if child == parent {
        return AxisMap::identity(child).sources;
    }
    let part = |index: usize| {
        // In units of 1 / (child * parent) of the length: exact.
        let (from, to) = (index * parent, (index + 1) * parent);
        let covered = |other: usize| {
            let (low, high) = (other * child, (other + 1) * child);
            let overlap = to.min(high).saturating_sub(from.max(low));
            (overlap > 0).then(|| (other, overlap as f32 / child as f32))
        };
        (0..parent).filter_map(covered).collect()
    };
    (0..child).map(part).collect()
}

/// More units than the parent has (Net2Net, Chen et al. 2016): each further unit is a copy of one of the parent's, drawn
/// by `random`; what reads them shares the parent's weight between the copies in unequal parts that sum to 1, so the
/// function stays and the copies learn apart. Returns the map of axes along the units and that of axes summed over them.
pub(crate) fn widened(child: usize, parent: usize, random: &Random) -> (AxisMap, AxisMap) {
    let origin: Vec<usize> = (0..child)
        .map(|unit| if unit < parent { unit } else { random.below(0, unit as u64, parent as u32) as usize })
        .collect();
    let part = |unit: usize| 0.5 + f64::from(random.uniform(1, unit as u64));
    let mut totals = vec![0.0f64; parent];
    origin.iter().enumerate().for_each(|(unit, &from)| totals[from] += part(unit));
    let along = origin.iter().map(|&from| vec![(from, 1.0)]).collect();
    let summed =
        origin.iter().enumerate().map(|(unit, &from)| vec![(from, (part(unit) / totals[from]) as f32)]);
    (AxisMap { sources: along }, AxisMap { sources: summed.collect() })
}

/// Fewer units than the parent has: those of the greatest `importance`, the first of equal ones, in their order.
pub(crate) fn narrowed(child: usize, importance: &[f64]) -> AxisMap {
    let mut order: Vec<usize> = (0..importance.len()).collect();
    order.sort_by(|&a, &b| importance[b].total_cmp(&importance[a]).then(a.cmp(&b)));
    let mut kept: Vec<Option<usize>> = order.into_iter().take(child).map(Some).collect();
    kept.sort_unstable();
    AxisMap::pick(&kept)
}

/// A kernel of another length: the same taps about its middle, the border zero or cut off. `None` unless the lengths
/// differ by an even number. A zero is the first tap times 0, for an element without sources would start anew.
pub(crate) fn taps(child: usize, parent: usize) -> Option<AxisMap> {
    if child.abs_diff(parent) % 2 == 1 || parent == 0 {
        return None;
    }
    let tap = |index: usize| {
        let inner = if child >= parent {
            index.checked_sub((child - parent) / 2)
        } else {
            Some(index + (parent - child) / 2)
        };
        match inner.filter(|&tap| tap < parent) {
            Some(tap) => vec![(tap, 1.0)],
            None => vec![(0, 0.0)],
        }
    };
    Some(AxisMap { sources: (0..child).map(tap).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f32, b: f32) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn shares_of_positions_sum_to_one_for_each_of_the_parents() {
        for (child, parent) in [(3, 13), (13, 3), (1, 4), (4, 1), (5, 7), (6, 6)] {
            let mut totals = vec![0.0; parent];
            for (from, share) in overlaps(child, parent).into_iter().flatten() {
                totals[from] += share;
            }
            assert!(totals.iter().all(|&total| close(total, 1.0)), "{child} of {parent}: {totals:?}");
        }
    }

    #[test]
    fn copies_share_what_reads_them_unequally() {
        let (along, summed) = widened(7, 3, &Random::new(1, "test"));
        let mut totals = [0.0; 3];
        for (along, summed) in along.sources.iter().zip(&summed.sources) {
            assert_eq!(along[0].0, summed[0].0);
            totals[summed[0].0] += summed[0].1;
        }
        assert!(totals.iter().all(|&total| close(total, 1.0)));
    }

    #[test]
    fn the_most_important_units_stay_in_their_order() {
        assert_eq!(narrowed(2, &[1.0, 5.0, 3.0, 5.0]), AxisMap::pick(&[Some(1), Some(3)]));
    }

    #[test]
    fn kernels_grow_and_shrink_about_their_middle() {
        assert_eq!(taps(5, 3).unwrap().sources[1..4], AxisMap::identity(3).sources);
        assert_eq!(taps(5, 3).unwrap().sources[0], [(0, 0.0)]);
        assert_eq!(taps(1, 3).unwrap().sources, [[(1, 1.0)]]);
        assert_eq!(taps(2, 3), None);
    }

    #[test]
    fn names_decide() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let map = AxisMap::by_name(&names("c d a"), &names("a b c"));
        assert_eq!(map, AxisMap::pick(&[Some(2), None, Some(0)]));
        assert!(!map.is_identity(3));
        assert!(AxisMap::identity(3).is_identity(3));
    }
}
