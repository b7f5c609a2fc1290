//! The bytes of a table on their way to the parser: limits against decompression bombs, and the line of
//! each record. (The parser counts a record's line before it skips empty lines and the second half of
//! a CR LF, which is one or more too few.)

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::Rc;

use crate::limits::{DECODED_BYTES_MAX, RECORD_BYTES_MAX};

/// A reader that remembers what the parser has taken since the last record.
pub(crate) struct Feed {
    inner: Box<dyn Read>,
    total: u64,
    lines: Rc<RefCell<Lines>>,
}

/// Where in the file the parser is.
pub(crate) struct Lines {
    /// Bytes from `start` on that were handed out.
    pending: VecDeque<u8>,
    /// Place of the first pending byte in the file.
    start: u64,
    /// Line of the first pending byte, from 1.
    line: u64,
}

/// Why the reading was stopped; inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitReached {
    #[error("the table is larger than the limit of {} GiB", DECODED_BYTES_MAX >> 30)]
    Total,
    #[error("a record is longer than the limit of {} KiB; is a quotation mark left open?", RECORD_BYTES_MAX >> 10)]
    Record,
}

impl Feed {
    pub(crate) fn new(inner: Box<dyn Read>) -> (Self, Rc<RefCell<Lines>>) {
        let lines = Rc::new(RefCell::new(Lines { pending: VecDeque::new(), start: 0, line: 1 }));
        (Feed { inner, total: 0, lines: lines.clone() }, lines)
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut lines = self.lines.borrow_mut();
        if self.total > DECODED_BYTES_MAX {
            return Err(io::Error::other(LimitReached::Total));
        }
        if lines.pending.len() as u64 > RECORD_BYTES_MAX {
            return Err(io::Error::other(LimitReached::Record));
        }
        let count = self.inner.read(buffer)?;
        self.total += count as u64;
        lines.pending.extend(&buffer[..count]);
        Ok(count)
    }
}

impl Lines {
    /// The line on which the record's first character stands, given the byte where the record before it
    /// ended; bytes before are forgotten.
    pub(crate) fn line_of(&mut self, byte: u64) -> u64 {
        let passed = (byte.saturating_sub(self.start) as usize).min(self.pending.len());
        let blank = self.pending.iter().skip(passed).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = passed + blank;
        self.line += self.pending.drain(..passed).filter(|byte| *byte == b'\n').count() as u64;
        self.start += passed as u64;
        self.line
    }
}
