//! Where the windows of an output map lie: positions that have the same taps inside of the input map are taken together, so
//! that padding costs neither work nor memory.

use std::ops::Range;

use crate::kernels::geometry::Geometry;

/// Positions that are computed together: as many as the registers hold beside two vectors of channels.
pub(super) const STRIP: usize = 12;

/// Taps inside of the input map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taps {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

/// Up to [`STRIP`] positions with the same taps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strip {
    /// The index of their taps.
    pub(super) taps: usize,
    /// Their places, in [`Places::places`].
    pub(super) places: Range<usize>,
}

/// A position: where it reads and where it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The position of its first tap in the input map.
    pub(super) input: u32,
    /// Its position in the output map.
    pub(super) output: u32,
}

/// All positions of an output map.
pub(super) struct Places {
    pub(super) taps: Vec<Taps>,
    pub(super) strips: Vec<Strip>,
    pub(super) places: Vec<Place>,
}

impl Places {
    /// Those of a convolution; `None` for maps too large to count in 32 bits.
    pub(super) fn of(geometry: &Geometry) -> Option<Self> {
        u32::try_from(geometry.input[0].checked_mul(geometry.input[1])?).ok()?;
        u32::try_from(geometry.positions()).ok()?;
        let mut all = Places { taps: Vec::new(), strips: Vec::new(), places: Vec::new() };
        for (rows, row_taps) in runs(geometry, 0) {
            for (columns, column_taps) in runs(geometry, 1) {
                let taps = Taps { rows: row_taps.clone(), columns: column_taps };
                all.add(geometry, rows.clone(), columns, taps);
            }
        }
        Some(all)
    }

    /// Adds a rectangle of positions with the same taps.
    fn add(&mut self, geometry: &Geometry, rows: Range<usize>, columns: Range<usize>, taps: Taps) {
        let (first, count) = (self.places.len(), rows.len() * columns.len());
        let empty = taps.rows.is_empty() || taps.columns.is_empty();
        for y in rows {
            for x in columns.clone() {
                let at = |axis: usize, output: usize, tap: usize| {
                    output * geometry.stride[axis] + tap * geometry.dilation[axis] - geometry.before[axis]
                };
                let input = if empty {
                    0
                } else {
                    at(0, y, taps.rows.start) * geometry.input[1] + at(1, x, taps.columns.start)
                };
                let output = y * geometry.output[1] + x;
                self.places.push(Place { input: input as u32, output: output as u32 });
            }
        }
        let strips = count.div_ceil(STRIP);
        for strip in 0..strips {
            let places = first + strip * count / strips..first + (strip + 1) * count / strips;
            self.strips.push(Strip { taps: self.taps.len(), places });
        }
        self.taps.push(taps);
    }

    /// Taps of all strips.
    pub(super) fn taps(&self) -> usize {
        let taps = |strip: &Strip| self.taps[strip.taps].rows.len() * self.taps[strip.taps].columns.len();
        self.strips.iter().map(taps).sum()
    }

    /// What a strip costs: its products, with short strips as those that fill the pipeline.
    pub(super) fn cost(&self, strip: usize) -> usize {
        let Strip { taps, places } = &self.strips[strip];
        let taps = &self.taps[*taps];
        1 + taps.rows.len() * taps.columns.len() * places.len().max(STRIP / 3)
    }
}

/// Along one axis: runs of outputs with the same taps inside of the map.
fn runs(geometry: &Geometry, axis: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let mut runs: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    for output in 0..geometry.output[axis] {
        let taps = inside(geometry, axis, output);
        match runs.last_mut() {
            Some((outputs, same)) if *same == taps => outputs.end = output + 1,
            _ => runs.push((output..output + 1, taps)),
        }
    }
    runs
}

/// The taps of an output along one axis that lie inside of the map.
fn inside(geometry: &Geometry, axis: usize, output: usize) -> Range<usize> {
    let (before, start) = (geometry.before[axis], output * geometry.stride[axis]);
    let (dilation, kernel) = (geometry.dilation[axis], geometry.kernel[axis]);
    let first = before.saturating_sub(start).div_ceil(dilation).min(kernel);
    let end = (geometry.input[axis] + before).saturating_sub(start).div_ceil(dilation).min(kernel);
    first..end.max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry() -> Geometry {
        Geometry {
            channels_in: 1,
            channels_out: 1,
            groups: 1,
            input: [1, 7],
            output: [1, 4],
            kernel: [1, 3],
            stride: [1, 2],
            dilation: [1, 1],
            before: [0, 1],
            after: [0, 1],
        }
    }

    #[test]
    fn positions_with_the_same_taps_are_together() {
        let places = Places::of(&geometry()).unwrap();
        let found: Vec<(Range<usize>, usize)> =
            places.strips.iter().map(|s| (places.taps[s.taps].columns.clone(), s.places.len())).collect();
        assert_eq!(found, [(1..3, 1), (0..3, 2), (0..2, 1)]);
        let inputs: Vec<u32> = places.places.iter().map(|place| place.input).collect();
        assert_eq!(inputs, [0, 1, 3, 5]);
    }

    #[test]
    fn a_window_outside_of_the_map_has_no_taps() {
        let far = Geometry { before: [0, 5], after: [0, 0], output: [1, 5], ..geometry() };
        assert_eq!(inside(&far, 1, 0), 3..3);
        assert_eq!(inside(&far, 1, 2), 1..3);
    }
}
