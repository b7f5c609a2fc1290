//! Places of maps that meet the taps of a window alike, taken together: those of the maps that a convolution makes, or of the
//! maps that its input gradient makes, one for each example and one behind the other.

use std::ops::Range;

use crate::kernels::geometry::{Geometry, Tap};

/// Places that are computed together at most.
pub(super) const STRIP: usize = 12;

/// A tap that the places of a strip meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meeting {
    /// The tap, row by row of the window.
    pub(super) tap: usize,
    /// Positions from where a place's first tap reads to where this one does.
    pub(super) offset: isize,
}

/// A place: where its first tap reads, and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) source: u32,
    pub(super) place: u32,
}

/// Some places that meet the same taps.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Strip {
    meetings: usize,
    places: Range<usize>,
}

/// All places of the maps of some examples.
pub(super) struct Strips {
    meetings: Vec<Vec<Meeting>>,
    strips: Vec<Strip>,
    places: Vec<Place>,
}

/// Heights and widths of the maps that are read and made, the width of the window, and how many examples there are.
#[derive(Clone, Copy)]
struct Lengths {
    read: [usize; 2],
    made: [usize; 2],
    kernel_width: usize,
    examples: usize,
}

/// Along one axis: the taps that some places meet, with the distances of what they read, and those places.
struct Alike {
    taps: Vec<(usize, isize)>,
    /// Each place with where its first tap reads.
    places: Vec<(usize, usize)>,
}

impl Strips {
    /// The places of the maps that a convolution makes, up to `most` in a strip; `None` for maps too large to count in 32 bits.
    pub(super) fn forward(geometry: &Geometry, examples: usize, most: usize) -> Option<Self> {
        let lengths = Lengths {
            read: geometry.input,
            made: geometry.output,
            kernel_width: geometry.kernel[1],
            examples,
        };
        Strips::of(geometry.windows(), lengths, most)
    }

    /// The places of the maps that its input gradient makes.
    pub(super) fn backward(geometry: &Geometry, examples: usize, most: usize) -> Option<Self> {
        let lengths = Lengths {
            read: geometry.output,
            made: geometry.input,
            kernel_width: geometry.kernel[1],
            examples,
        };
        Strips::of(geometry.readers(), lengths, most)
    }

    fn of(axes: [Vec<Vec<Tap>>; 2], lengths: Lengths, most: usize) -> Option<Self> {
        for [height, width] in [lengths.read, lengths.made] {
            u32::try_from(height.checked_mul(width)?.checked_mul(lengths.examples)?).ok()?;
        }
        let [rows, columns] = axes.map(|axis| alike(&axis));
        let mut all = Strips { meetings: Vec::new(), strips: Vec::new(), places: Vec::new() };
        for rows in &rows {
            for columns in &columns {
                all.add(rows, columns, lengths, most);
            }
        }
        Some(all)
    }

    /// Adds the places where some rows and some columns cross.
    fn add(&mut self, rows: &Alike, columns: &Alike, lengths: Lengths, most: usize) {
        let Lengths { read, made, kernel_width, examples } = lengths;
        let first = self.places.len();
        for example in 0..examples {
            let (read_before, made_before) = (example * read[0] * read[1], example * made[0] * made[1]);
            for &(row, down) in &rows.places {
                self.places.extend(columns.places.iter().map(|&(column, right)| Place {
                    source: (read_before + down * read[1] + right) as u32,
                    place: (made_before + row * made[1] + column) as u32,
                }));
            }
        }
        let count = self.places.len() - first;
        let strips = count.div_ceil(most);
        self.strips.extend((0..strips).map(|strip| Strip {
            meetings: self.meetings.len(),
            places: first + strip * count / strips..first + (strip + 1) * count / strips,
        }));
        let cross = rows.taps.iter().flat_map(|&(down, offset)| {
            let meeting = move |&(right, beside): &(usize, isize)| Meeting {
                tap: down * kernel_width + right,
                offset: offset * read[1] as isize + beside,
            };
            columns.taps.iter().map(meeting)
        });
        self.meetings.push(cross.collect());
    }

    /// Number of strips.
    pub(super) fn count(&self) -> usize {
        self.strips.len()
    }

    /// The taps that a strip's places meet, and the places.
    #[inline(always)]
    pub(super) fn strip(&self, index: usize) -> (&[Meeting], &[Place]) {
        let Strip { meetings, places } = &self.strips[index];
        (&self.meetings[*meetings], &self.places[places.clone()])
    }

    /// The most places of a strip.
    pub(super) fn longest(&self) -> usize {
        self.strips.iter().map(|strip| strip.places.len()).max().unwrap_or(0)
    }

    /// What each strip costs: its products, with short strips as those that fill the pipeline.
    pub(super) fn costs(&self) -> Vec<usize> {
        let cost = |index: usize| {
            let (meetings, places) = self.strip(index);
            1 + meetings.len() * places.len().max(STRIP / 3)
        };
        (0..self.count()).map(cost).collect()
    }
}

/// Puts the places of an axis together whose taps lie alike.
fn alike(axis: &[Vec<Tap>]) -> Vec<Alike> {
    let mut found: Vec<Alike> = Vec::new();
    for (place, taps) in axis.iter().enumerate() {
        let first = taps.first().map_or(0, |tap| tap.source);
        let taps: Vec<(usize, isize)> =
            taps.iter().map(|tap| (tap.tap, tap.source as isize - first as isize)).collect();
        match found.iter_mut().find(|other| other.taps == taps) {
            Some(other) => other.places.push((place, first)),
            None => found.push(Alike { taps, places: vec![(place, first)] }),
        }
    }
    found
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

    /// A strip: taps with the distances of what they read, and places with where they read first.
    type Listed = (Vec<(usize, isize)>, Vec<(u32, u32)>);

    fn listed(strips: &Strips) -> Vec<Listed> {
        let strip = |index: usize| {
            let (meetings, places) = strips.strip(index);
            (
                meetings.iter().map(|meeting| (meeting.tap, meeting.offset)).collect(),
                places.iter().map(|place| (place.place, place.source)).collect(),
            )
        };
        (0..strips.count()).map(strip).collect()
    }

    #[test]
    fn outputs_with_the_same_taps_are_together() {
        let strips = Strips::forward(&geometry(), 1, STRIP).unwrap();
        let expected = [
            (vec![(1, 0), (2, 1)], vec![(0, 0)]),
            (vec![(0, 0), (1, 1), (2, 2)], vec![(1, 1), (2, 3)]),
            (vec![(0, 0), (1, 1)], vec![(3, 5)]),
        ];
        assert_eq!(listed(&strips), expected);
    }

    #[test]
    fn inputs_that_the_same_taps_read_are_together() {
        let strips = Strips::backward(&geometry(), 1, STRIP).unwrap();
        let expected = [
            (vec![(1, 0)], vec![(0, 0), (2, 1), (4, 2), (6, 3)]),
            (vec![(0, 0), (2, -1)], vec![(1, 1), (3, 2), (5, 3)]),
        ];
        assert_eq!(listed(&strips), expected);
    }

    #[test]
    fn places_that_nothing_reads_have_no_taps() {
        let apart = Geometry { kernel: [1, 1], before: [0, 0], after: [0, 0], ..geometry() };
        let strips = Strips::backward(&apart, 1, 2).unwrap();
        let expected = [
            (vec![(0, 0)], vec![(0, 0), (2, 1)]),
            (vec![(0, 0)], vec![(4, 2), (6, 3)]),
            (vec![], vec![(1, 0)]),
            (vec![], vec![(3, 0), (5, 0)]),
        ];
        assert_eq!(listed(&strips), expected);
    }

    #[test]
    fn places_of_several_examples_are_together() {
        let strips = Strips::forward(&geometry(), 2, STRIP).unwrap();
        let expected = [
            (vec![(1, 0), (2, 1)], vec![(0, 0), (4, 7)]),
            (vec![(0, 0), (1, 1), (2, 2)], vec![(1, 1), (2, 3), (5, 8), (6, 10)]),
            (vec![(0, 0), (1, 1)], vec![(3, 5), (7, 12)]),
        ];
        assert_eq!(listed(&strips), expected);
    }
}
