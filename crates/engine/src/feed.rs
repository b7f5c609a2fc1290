//! What a program is fed with: the examples of a data set, chosen by row number.

/// The rows of a data set in memory.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// Bytes, such as pixels.
    U8(&'a [u8]),
    /// Numbers.
    F32(&'a [f32]),
}

/// What each row should be answered with.
#[derive(Debug, Clone, Copy)]
pub enum Targets<'a> {
    /// Nothing: inference.
    None,
    /// The number of its class, from 0.
    Classes(&'a [u32]),
    /// A number.
    Values(&'a [f32]),
    /// The number of its class, and what a teacher thinks of it.
    Taught {
        /// One class for each row.
        classes: &'a [u32],
        /// The teacher's scores: `known` of them for each row, one row after the other.
        scores: &'a [f32],
        /// Classes that the teacher knows.
        known: usize,
    },
}

impl<'a> Targets<'a> {
    /// The rows' classes, if they have any.
    pub fn classes(&self) -> Option<&'a [u32]> {
        match self {
            Targets::Classes(classes) | Targets::Taught { classes, .. } => Some(classes),
            Targets::None | Targets::Values(_) => None,
        }
    }
}

/// A data set: rows of `row_len` elements and their targets.
#[derive(Debug, Clone, Copy)]
pub struct Feed<'a> {
    /// All rows, one after the other.
    pub rows: Rows<'a>,
    /// Elements per row.
    pub row_len: usize,
    /// One target per row.
    pub targets: Targets<'a>,
}

/// The rows of one batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) feed: Feed<'a>,
    pub(crate) rows: &'a [u32],
}

impl Feed<'_> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        let elements = match self.rows {
            Rows::U8(values) => values.len(),
            Rows::F32(values) => values.len(),
        };
        elements / self.row_len.max(1)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Panics unless every row in `order` exists and has a target if there are any.
    pub(crate) fn check(&self, order: &[u32]) {
        let len = self.len();
        let targets = match self.targets {
            Targets::None => len,
            Targets::Classes(classes) => classes.len(),
            Targets::Values(values) => values.len(),
            Targets::Taught { classes, scores, known } => {
                assert_eq!(scores.len(), classes.len() * known, "one row of a teacher's scores per row");
                classes.len()
            }
        };
        assert_eq!(targets, len, "one target per row");
        assert!(order.iter().all(|&row| (row as usize) < len), "a row of the order lies beyond the data set");
    }
}
