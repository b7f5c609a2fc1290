//! Of each tap of a window: the stretches of positions at which it lies inside of the input map.

use crate::kernels::geometry::{Geometry, Tap};

/// Positions that follow each other along a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// What the tap meets at the first of them; at each further one it is the stride along a row further.
    pub(super) source: usize,
    /// The first position.
    pub(super) place: usize,
    /// How many.
    pub(super) steps: usize,
}

/// The runs of every tap, row by row of the window.
pub(super) fn runs(geometry: &Geometry) -> Vec<Vec<Run>> {
    let [rows, columns] = geometry.windows();
    let [down, right] =
        [places_of_taps(&rows, geometry.kernel[0]), places_of_taps(&columns, geometry.kernel[1])];
    let mut all = Vec::with_capacity(geometry.window());
    for rows in &down {
        for columns in &right {
            all.push(runs_of(geometry, rows, columns));
        }
    }
    all
}

/// For each tap along an axis, the outputs whose window has it inside of the input, and what it meets there.
fn places_of_taps(axis: &[Vec<Tap>], kernel: usize) -> Vec<Vec<(usize, usize)>> {
    let mut places = vec![Vec::new(); kernel];
    for (place, taps) in axis.iter().enumerate() {
        taps.iter().for_each(|tap| places[tap.tap].push((place, tap.source)));
    }
    places
}

/// The runs of one tap; rows that go on where the one before ends are one.
fn runs_of(geometry: &Geometry, rows: &[(usize, usize)], columns: &[(usize, usize)]) -> Vec<Run> {
    let Some(&(column, right)) = columns.first() else { return Vec::new() };
    let mut runs: Vec<Run> = Vec::new();
    for &(row, down) in rows {
        let (source, place) = (down * geometry.input[1] + right, row * geometry.output[1] + column);
        let steps = columns.len();
        match runs.last_mut() {
            Some(run)
                if run.place + run.steps == place
                    && run.source + run.steps * geometry.stride[1] == source =>
            {
                run.steps += steps;
            }
            _ => runs.push(Run { source, place, steps }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(kernel: usize, before: usize) -> Geometry {
        Geometry {
            channels_in: 1,
            channels_out: 1,
            groups: 1,
            input: [3, 4],
            output: [3, 4],
            kernel: [kernel; 2],
            stride: [1; 2],
            dilation: [1; 2],
            before: [before; 2],
            after: [before; 2],
        }
    }

    #[test]
    fn a_tap_meets_the_rows_that_it_lies_inside_of() {
        let runs = runs(&geometry(3, 1));
        let run = |source, place, steps| Run { source, place, steps };
        assert_eq!(runs[0], [run(0, 5, 3), run(4, 9, 3)]);
        assert_eq!(runs[4], [run(0, 0, 12)]);
        assert_eq!(runs[8], [run(5, 0, 3), run(9, 4, 3)]);
    }

    #[test]
    fn a_window_of_one_tap_is_one_run() {
        assert_eq!(runs(&geometry(1, 0)), [[Run { source: 0, place: 0, steps: 12 }]]);
    }
}
