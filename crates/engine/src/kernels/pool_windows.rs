//! Which places of a map each window of a pooling operator holds, as tables: strides, padding, dilation and any number
//! of axes are settled when the graph is planned.

use graph::{Attribute, Node};

use super::geometry::{declared, window_of};

/// The most taps of all windows of one map. Larger tables are left to the reference, which needs none.
const TAPS_MAX: usize = 1 << 22;

/// Rows of numbers.
#[derive(PartialEq, Eq)]
pub(crate) struct Table {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Table {
    /// A table of the given rows.
    pub(crate) fn new(rows: impl Iterator<Item = Vec<u32>>) -> Self {
        let mut table = Table { starts: vec![0], items: Vec::new() };
        for row in rows {
            table.items.extend(row);
            table.starts.push(table.items.len() as u32);
        }
        table
    }

    /// Row `index`.
    #[inline(always)]
    pub(crate) fn row(&self, index: usize) -> &[u32] {
        &self.items[self.starts[index] as usize..self.starts[index + 1] as usize]
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of items in all rows.
    pub(crate) fn items(&self) -> usize {
        self.items.len()
    }

    /// For each of the items `0..count`, the rows that hold it.
    pub(crate) fn inverse(&self, count: usize) -> Table {
        let mut rows = vec![Vec::new(); count];
        for row in 0..self.len() {
            self.row(row).iter().for_each(|&item| rows[item as usize].push(row as u32));
        }
        Table::new(rows.into_iter())
    }
}

/// The windows over one map.
pub(crate) struct Windows {
    /// Places of the map.
    pub(crate) inputs: usize,
    /// For each window, its places in row-major order.
    pub(crate) taps: Table,
    /// For each window, one over the number that its sum is divided by for the mean.
    pub(crate) shares: Vec<f32>,
}

impl Windows {
    /// The windows of a pooling operator, or of its gradient operator, over maps of the lengths `input`.
    pub(crate) fn of(node: &Node, input: &[usize]) -> Option<Self> {
        let kernel: Vec<usize> = match declared(node, "kernel_shape") {
            Some(Attribute::Ints(lengths)) => {
                lengths.iter().map(|&length| usize::try_from(length).ok()).collect::<Option<_>>()?
            }
            // A global pooling has one window over the whole map.
            _ => input.to_vec(),
        };
        let window = window_of(node, &kernel, input)?;
        let outputs = window.output_count();
        if outputs.checked_mul(window.kernel_count())? > TAPS_MAX || window.input_count() > TAPS_MAX {
            return None;
        }
        let include_padding = declared(node, "count_include_pad") == Some(Attribute::Int(1));
        let taps = |output| window.taps(output).iter().map(|tap| tap.input as u32).collect();
        let taps = Table::new((0..outputs).map(taps));
        let count = |output: usize| {
            if include_padding { window.padded_tap_count(output) } else { taps.row(output).len() }
        };
        let shares = (0..outputs).map(|output| 1.0 / count(output) as f32).collect();
        Some(Windows { inputs: window.input_count(), taps, shares })
    }

    /// Number of windows.
    pub(crate) fn outputs(&self) -> usize {
        self.taps.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_names_the_rows_that_hold_an_item() {
        let table = Table::new([vec![0, 1], vec![1, 2], vec![]].into_iter());
        let inverse = table.inverse(4);
        let rows: Vec<&[u32]> = (0..inverse.len()).map(|row| inverse.row(row)).collect();
        assert_eq!(rows, [&[0][..], &[0, 1], &[1], &[]]);
    }
}
